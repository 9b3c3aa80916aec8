use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::{super::conformance_tests::points, *};
use crate::{
    core::UnitVector,
    index::{GraphParameters, IndexParameters, SearchParams, Strategy},
};

const SPACE: Space<'static> = Space { model: "one", dims: 24 };

fn built(count: usize, seed: u64) -> StaticIndex {
    let graph = GraphParameters { threads: 1, ef_search: 50, ..GraphParameters::default() };
    let parameters = IndexParameters { exact_up_to: 100, graph };
    let points = points(count, &mut ChaCha8Rng::seed_from_u64(seed));
    StaticIndex::build(SPACE.dims, points, &parameters, &|_| (), &AtomicBool::new(false)).expect("builds")
}

/// A store with one generation of a graph and a scan, and what it answers.
struct Kept {
    folder: TempDir,
    store: GenerationStore,
    queries: Vec<UnitVector>,
    answers: Vec<Answers>,
}

type Answers = Vec<Vec<super::super::Neighbours>>;

impl Kept {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = GenerationStore::new(folder.path().join("index"));
        let (pictures, captions) = (built(400, 1), built(30, 2));
        let indexes = [("pictures", &pictures), ("captions", &captions)];
        assert_eq!(store.write(SPACE, "17", &indexes, 1).expect("it can be written"), 1);
        let queries = pictures.sample(5);
        let answers = vec![answers(&pictures, &queries), answers(&captions, &queries)];
        Self { folder, store, queries, answers }
    }

    /// Opens, and holds what opens to the answers that were given before.
    fn open(&self) -> Result<(), GenerationError> {
        let opened = self.store.open_newest(SPACE)?;
        assert_eq!((opened.manifest.watermark.as_str(), opened.indexes.len()), ("17", 2));
        for (name, expected) in ["pictures", "captions"].iter().zip(&self.answers) {
            assert_eq!(answers(&opened.indexes[*name], &self.queries), *expected, "another answer");
        }
        Ok(())
    }

    fn files(&self) -> Vec<PathBuf> {
        let within = |path: PathBuf| fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
        let root = self.folder.path().join("index");
        let mut files: Vec<PathBuf> = within(root.join("1")).collect();
        files.push(root.join(CURRENT));
        files.sort();
        files
    }

    /// Rewrites the manifest, and `CURRENT` after it, so that their hashes fit.
    fn write_manifest(&self, text: &[u8]) {
        let root = self.folder.path().join("index");
        fs::write(root.join("1").join(MANIFEST), text).expect("written");
        let current = Current(vec![(1, blake3::hash(text).to_hex().to_string())]);
        fs::write(root.join(CURRENT), current.text()).expect("written");
    }

    fn manifest(&self) -> Manifest {
        let text = fs::read(self.folder.path().join("index/1").join(MANIFEST)).expect("it is there");
        serde_json::from_slice(&text).expect("a manifest")
    }

    /// Replaces the content of a file, and hashes and lengths so that they fit.
    fn replace(&self, index: &str, ending: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(format!("index/1/{index}.{ending}")), bytes).expect("written");
        let mut manifest = self.manifest();
        let hashes = bytes.chunks(manifest::BLOCK).map(|b| blake3::hash(b).to_hex().to_string()).collect();
        let entry = FileEntry { bytes: bytes.len(), blake3: hashes };
        manifest.indexes.get_mut(index).expect("an index").files.insert(ending.to_owned(), entry);
        self.write_manifest(&serde_json::to_vec(&manifest).expect("JSON"));
    }
}

fn answers(index: &StaticIndex, queries: &[UnitVector]) -> Answers {
    let searches = [SearchParams::top(10), SearchParams::top(200), SearchParams::exact(10)];
    let ask = |params| queries.iter().map(|query| index.search(query, &params).expect("a valid query")).collect();
    searches.into_iter().map(ask).collect()
}

#[test]
fn what_was_written_is_opened_and_answers_the_same() {
    let kept = Kept::new();
    kept.open().expect("it is whole");
    let opened = kept.store.open_newest(SPACE).expect("it is whole");
    let strategies: Vec<Strategy> = opened.indexes.values().map(VectorIndex::strategy).collect();
    assert_eq!(strategies, [Strategy::Exact, Strategy::Graph], "captions, pictures");
    for other in [Space { model: "two", ..SPACE }, Space { dims: 25, ..SPACE }] {
        let error = kept.store.open_newest(other).expect_err("another space");
        assert!(matches!(error, GenerationError::OtherModel { .. }), "{error}");
    }
}

#[test]
fn a_serial_build_is_the_same_to_the_byte() {
    let bytes = |_| {
        let kept = Kept::new();
        let files = kept.files().into_iter().filter(|f| !f.ends_with(CURRENT));
        files.map(|file| fs::read(file).expect("a file")).collect::<Vec<_>>()
    };
    assert!(bytes(1) == bytes(2));
}

#[test]
fn older_generations_are_kept_gone_back_to_and_collected() {
    let folder = TempDir::new().expect("a folder");
    let store = GenerationStore::new(folder.path().join("not/there/yet"));
    assert!(matches!(store.open_newest(SPACE), Err(GenerationError::Missing)));
    let index = built(20, 3);
    for number in 1..=4 {
        assert_eq!(store.write(SPACE, &format!("at {number}"), &[("pictures", &index)], 1).expect("written"), number);
    }
    assert_eq!(store.numbers().expect("readable"), [4, 3]);
    assert_eq!(store.open(3, SPACE).expect("kept").manifest.watermark, "at 3");
    assert!(matches!(store.open(2, SPACE), Err(GenerationError::Missing)));
    fs::create_dir(store.root.join("unfinished-9")).expect("as a crash leaves it");
    // Another model's generation comes, and the one before answers again.
    let other = Space { model: "another", ..SPACE };
    assert_eq!(store.write(other, "", &[("pictures", &index)], 1).expect("written"), 5);
    assert_eq!(store.open_newest(other).expect("whole").number, 5);
    assert_eq!(store.open_newest(SPACE).expect("whole").number, 4);
    let names: BTreeSet<String> = store.entries().expect("readable").into_iter().collect();
    assert_eq!(names, ["4", "5", CURRENT, "LOCK"].map(str::to_owned).into());
    assert_eq!(store.write(SPACE, "", &[("pictures", &index)], 0).expect("written"), 6);
    assert_eq!(store.numbers().expect("readable"), [6]);
}

#[test]
fn one_writes_at_a_time_and_only_what_fits() {
    let folder = TempDir::new().expect("a folder");
    let store = GenerationStore::new(folder.path());
    let index = built(20, 3);
    let held = store.lock().expect("nobody else");
    assert!(matches!(store.write(SPACE, "", &[("pictures", &index)], 1), Err(GenerationError::Busy)));
    drop(held);
    for name in ["", "../pictures", "a.b", "Pictures"] {
        assert!(matches!(store.write(SPACE, "", &[(name, &index)], 1), Err(GenerationError::BadName(_))));
    }
    let other = Space { dims: 23, ..SPACE };
    assert!(matches!(store.write(other, "", &[("pictures", &index)], 1), Err(GenerationError::Index(_))));
    assert!(matches!(store.open_newest(SPACE), Err(GenerationError::Missing)));
}

/// Damages one file after another in many ways. What opens must answer as before; everything else must be an error, and
/// this process must live.
#[test]
fn no_damage_opens_to_another_answer() {
    let kept = Kept::new();
    let files = kept.files();
    assert_eq!(files.len(), 10, "{files:?}");
    let whole: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("a file")).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut cases, mut refused) = (0, 0);
    for (n, (file, bytes)) in files.iter().zip(&whole).enumerate() {
        for damage in damages(bytes, &whole[(n + 1) % whole.len()], &mut rng) {
            match &damage {
                Some(bytes) => fs::write(file, bytes).expect("written"),
                None => fs::remove_file(file).expect("removed"),
            }
            cases += 1;
            match kept.open() {
                Ok(()) => assert_eq!(damage.as_ref(), Some(bytes), "{} was damaged and opened", file.display()),
                Err(GenerationError::Damaged { .. } | GenerationError::Missing) => refused += 1,
                Err(error) => panic!("{}: {error}", file.display()),
            }
            fs::write(file, bytes).expect("written");
        }
    }
    assert!(cases >= 500 && refused >= cases - 10, "{refused} of {cases}");
    kept.open().expect("all is as it was");
}

/// A file's content with one thing wrong each; none is no file.
fn damages(bytes: &[u8], other: &[u8], rng: &mut impl Rng) -> Vec<Option<Vec<u8>>> {
    let mut all = vec![None, Some(Vec::new()), Some(other.to_vec()), Some([bytes, &[0]].concat())];
    let lengths = (0..16).map(|_| rng.random_range(0..bytes.len())).chain([1, bytes.len() - 1, bytes.len() / 2]);
    all.extend(lengths.collect::<Vec<_>>().into_iter().map(|length| Some(bytes[..length].to_vec())));
    for _ in 0..30 {
        let mut flipped = bytes.to_vec();
        flipped[rng.random_range(0..bytes.len())] ^= 1 << rng.random_range(0..8);
        all.push(Some(flipped));
    }
    let mut torn = bytes.to_vec();
    torn[bytes.len() / 2..].fill(0);
    all.push(Some(torn));
    all
}

#[test]
fn another_format_and_lying_manifests_are_errors() {
    let kept = Kept::new();
    let honest = kept.manifest();
    kept.write_manifest(br#"{"format": 2, "and": "whatever it has"}"#);
    assert!(matches!(kept.open(), Err(GenerationError::OtherFormat { found: 2 })));
    let lies: [fn(&mut Manifest); 10] = [
        |m| m.dims = 25,
        |m| m.dims = usize::MAX,
        |m| m.indexes.get_mut("pictures").expect("there").points += 1,
        |m| m.indexes.get_mut("pictures").expect("there").points = usize::MAX,
        |m| m.indexes.get_mut("pictures").expect("there").points = 0,
        |m| {
            m.indexes.get_mut("pictures").expect("there").files.remove("keys");
        },
        |m| graph(m).width = 16,
        |m| graph(m).upper = vec![usize::MAX],
        |m| graph(m).upper.push(1),
        |m| {
            let captions = m.indexes["captions"].clone();
            m.indexes.insert("../../captions".to_owned(), captions);
        },
    ];
    fn graph(manifest: &mut Manifest) -> &mut GraphEntry {
        manifest.indexes.get_mut("pictures").expect("there").graph.as_mut().expect("a graph")
    }
    for (n, lie) in lies.iter().enumerate() {
        let mut manifest = honest.clone();
        lie(&mut manifest);
        kept.write_manifest(&serde_json::to_vec(&manifest).expect("JSON"));
        let space = Space { dims: manifest.dims, ..SPACE };
        let opened = kept.store.open_newest(space);
        assert!(matches!(opened, Err(GenerationError::Damaged { .. })), "lie {n}: {opened:?}");
    }
}

/// Files whose checksums fit, but that no honest program wrote.
#[test]
fn wrong_content_under_a_right_checksum_is_an_error_or_a_valid_index() {
    let kept = Kept::new();
    let read = |ending: &str| fs::read(kept.folder.path().join(format!("index/1/pictures.{ending}"))).expect("a file");
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let beyond = [u32::MAX - 1, 400];
    let no_numbers = [f32::NAN.to_bits(), 1e30f32.to_bits(), (-1f32).to_bits()];
    let wrongs: [(&str, &[u32]); 4] =
        [("vectors", &no_numbers), ("links", &beyond), ("upper", &beyond), ("steps", &no_numbers)];
    for (ending, values) in wrongs {
        let whole = read(ending);
        for value in values.iter().cycle().take(9) {
            let mut wrong = whole.clone();
            let at = rng.random_range(0..whole.len() / 4) * 4;
            wrong[at..at + 4].copy_from_slice(&value.to_le_bytes());
            kept.replace("pictures", ending, &wrong);
            let error = kept.open().expect_err(ending);
            assert!(matches!(error, GenerationError::Damaged { .. }), "{ending}: {error}");
        }
        kept.replace("pictures", ending, &whole);
        kept.open().expect("all is as it was");
    }
    let keys = read("keys");
    let turned: Vec<u8> = keys.rchunks_exact(8).flatten().copied().collect();
    let twice = [&keys[..8], &keys[..8], &keys[16..]].concat();
    for wrong in [turned, twice] {
        kept.replace("pictures", "keys", &wrong);
        assert!(matches!(kept.open(), Err(GenerationError::Damaged { .. })), "keys out of order");
    }
    kept.replace("pictures", "keys", &keys);
    // Links that lead to points, but to any.
    let mut links = read("links");
    for link in links.chunks_exact_mut(4) {
        link.copy_from_slice(&rng.random_range(0u32..400).to_le_bytes());
    }
    kept.replace("pictures", "links", &links);
    let opened = kept.store.open_newest(SPACE).expect("it is a graph");
    for query in &kept.queries {
        let hits = opened.indexes["pictures"].search(query, &SearchParams::top(20)).expect("a valid query").hits;
        assert_eq!(hits.len(), 20);
    }
}

#[test]
fn what_is_held_outlives_its_folder_and_makes_a_store_of_its_own() {
    let kept = Kept::new();
    let held = kept.store.hold().expect("it can be held");
    for watermark in ["18", "19"] {
        kept.store.write(SPACE, watermark, &[("pictures", &built(30, 3))], 0).expect("written");
    }
    assert!(!kept.folder.path().join("index/1").exists(), "newer ones took its place");
    let [one] = &held[..] else { panic!("one generation: {held:?}") };
    assert_eq!((one.number, one.model.as_str(), one.watermark.as_str()), (1, "one", "17"));

    let copy = Kept { folder: TempDir::new().expect("a folder"), store: kept.store, ..kept };
    let root = copy.folder.path().join("index");
    fs::create_dir_all(root.join("1")).expect("a folder");
    for (name, file, bytes) in &one.files {
        let mut to = File::create(root.join(name)).expect("a file");
        assert_eq!(std::io::copy(&mut &*file, &mut to).expect("copied"), *bytes);
    }
    fs::write(root.join(HeldGeneration::CURRENT), &one.current).expect("written");
    Kept { store: GenerationStore::new(&root), ..copy }.open().expect("it is the one that was held");
}

#[test]
fn garbage_is_what_nobody_can_open() {
    let kept = Kept::new();
    let root = kept.folder.path().join("index");
    assert_eq!(kept.store.collect_garbage().expect("collected"), Garbage::default());
    for folder in ["7", "unfinished-8"] {
        fs::create_dir(root.join(folder)).expect("a folder");
        fs::write(root.join(folder).join("pictures.keys"), [0; 100]).expect("a file");
    }
    fs::write(root.join("notes.txt"), "the owner's").expect("a file");
    assert_eq!(kept.store.collect_garbage().expect("collected"), Garbage { generations: 2, bytes: 200 });
    assert!(root.join("notes.txt").exists());
    kept.open().expect("the current one stays");

    let lock = kept.store.lock().expect("a lock");
    assert!(matches!(kept.store.collect_garbage(), Err(GenerationError::Busy)));
    drop(lock);
    fs::remove_file(root.join(CURRENT)).expect("removed");
    assert!(matches!(kept.store.collect_garbage(), Err(GenerationError::Damaged { .. })));
    assert!(root.join("1").exists(), "nobody knows which are kept, so all are");
    let nowhere = GenerationStore::new(kept.folder.path().join("nowhere"));
    assert_eq!(nowhere.collect_garbage().expect("nothing"), Garbage::default());
}
