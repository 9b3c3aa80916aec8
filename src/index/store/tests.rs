use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::PathBuf,
    sync::atomic::AtomicBool,
};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::{
    current::Current,
    layout::{CURRENT, MANIFEST},
    *,
};
use crate::{
    core::UnitVector,
    index::{
        GraphParameters, IndexParameters, SearchParams, SearchResult, StaticIndex, Strategy, VectorIndex,
        test_points::points,
    },
};

const SPACE: Space<'static> = Space { model: "one", dims: 24 };

fn build(count: usize, seed: u64) -> StaticIndex {
    let graph = GraphParameters { threads: 1, ef_search: 50, ..GraphParameters::default() };
    let parameters = IndexParameters { exact_up_to: 100, graph };
    let points = points(count, &mut ChaCha8Rng::seed_from_u64(seed));
    StaticIndex::build(SPACE.dims, points, &parameters, &|_| (), &AtomicBool::new(false)).expect("builds")
}

/// A store with one generation of a graph and a scan, and their results for some queries.
struct Fixture {
    folder: TempDir,
    store: GenerationStore,
    queries: Vec<UnitVector>,
    results: Vec<Results>,
}

type Results = Vec<Vec<SearchResult>>;

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = GenerationStore::new(folder.path().join("index"));
        let (pictures, captions) = (build(400, 1), build(30, 2));
        let indexes = [("pictures", &pictures), ("captions", &captions)];
        assert_eq!(store.write(SPACE, "17", &indexes, 1).expect("it can be written"), 1);
        let queries = pictures.sample(5);
        let results = vec![search_all(&pictures, &queries), search_all(&captions, &queries)];
        Self { folder, store, queries, results }
    }

    /// Opens the generation and checks that its results are those from before it was written.
    fn open(&self) -> Result<(), GenerationError> {
        let opened = self.store.open_newest(SPACE)?;
        assert_eq!((opened.manifest.watermark.as_str(), opened.indexes.len()), ("17", 2));
        for (name, expected) in ["pictures", "captions"].iter().zip(&self.results) {
            assert_eq!(search_all(&opened.indexes[*name], &self.queries), *expected, "other results");
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

    /// Replaces the manifest and updates its hash in `CURRENT`.
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

    /// Replaces the content of a file and updates hashes and lengths.
    fn replace(&self, index: &str, extension: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(format!("index/1/{index}.{extension}")), bytes).expect("written");
        let mut manifest = self.manifest();
        let hashes = bytes.chunks(manifest::BLOCK).map(|b| blake3::hash(b).to_hex().to_string()).collect();
        let entry = FileEntry { bytes: bytes.len(), blake3: hashes };
        manifest.indexes.get_mut(index).expect("an index").files.insert(extension.to_owned(), entry);
        self.write_manifest(&serde_json::to_vec(&manifest).expect("JSON"));
    }
}

fn search_all(index: &StaticIndex, queries: &[UnitVector]) -> Results {
    let searches = [SearchParams::top(10), SearchParams::top(200), SearchParams::exact(10)];
    let search = |params| queries.iter().map(|query| index.search(query, &params).expect("a valid query")).collect();
    searches.into_iter().map(search).collect()
}

#[test]
fn reopened_generation_returns_the_same_results() {
    let fixture = Fixture::new();
    fixture.open().expect("it is intact");
    let opened = fixture.store.open_newest(SPACE).expect("it is intact");
    let strategies: Vec<Strategy> = opened.indexes.values().map(VectorIndex::strategy).collect();
    assert_eq!(strategies, [Strategy::Exact, Strategy::Graph], "captions, pictures");
    for other in [Space { model: "two", ..SPACE }, Space { dims: 25, ..SPACE }] {
        let error = fixture.store.open_newest(other).expect_err("another space");
        assert!(matches!(error, GenerationError::OtherModel { .. }), "{error}");
    }
}

#[test]
fn single_threaded_builds_are_identical_to_the_byte() {
    let bytes = |_| {
        let fixture = Fixture::new();
        let files = fixture.files().into_iter().filter(|f| !f.ends_with(CURRENT));
        files.map(|file| fs::read(file).expect("a file")).collect::<Vec<_>>()
    };
    assert!(bytes(1) == bytes(2));
}

#[test]
fn older_generations_are_kept_reopened_and_removed() {
    let folder = TempDir::new().expect("a folder");
    let store = GenerationStore::new(folder.path().join("not/there/yet"));
    assert!(matches!(store.open_newest(SPACE), Err(GenerationError::Missing)));
    let index = build(20, 3);
    for number in 1..=4 {
        assert_eq!(store.write(SPACE, &format!("at {number}"), &[("pictures", &index)], 1).expect("written"), number);
    }
    assert_eq!(store.numbers().expect("readable"), [4, 3]);
    assert_eq!(store.open(3, SPACE).expect("kept").manifest.watermark, "at 3");
    assert!(matches!(store.open(2, SPACE), Err(GenerationError::Missing)));
    fs::create_dir(store.root().join("unfinished-9")).expect("the remains of a crash");
    // Generations of two models exist at the same time.
    let other = Space { model: "another", ..SPACE };
    assert_eq!(store.write(other, "", &[("pictures", &index)], 1).expect("written"), 5);
    assert_eq!(store.open_newest(other).expect("intact").number, 5);
    assert_eq!(store.open_newest(SPACE).expect("intact").number, 4);
    let names: BTreeSet<String> = store.entries().expect("readable").into_iter().collect();
    assert_eq!(names, ["4", "5", CURRENT, "LOCK"].map(str::to_owned).into());
    assert_eq!(store.write(SPACE, "", &[("pictures", &index)], 0).expect("written"), 6);
    assert_eq!(store.numbers().expect("readable"), [6]);
}

#[test]
fn concurrent_writers_bad_names_and_other_dims_are_rejected() {
    let folder = TempDir::new().expect("a folder");
    let store = GenerationStore::new(folder.path());
    let index = build(20, 3);
    let lock = store.lock().expect("no other writer");
    assert!(matches!(store.write(SPACE, "", &[("pictures", &index)], 1), Err(GenerationError::Busy)));
    drop(lock);
    for name in ["", "../pictures", "a.b", "Pictures"] {
        assert!(matches!(store.write(SPACE, "", &[(name, &index)], 1), Err(GenerationError::BadName(_))));
    }
    let other = Space { dims: 23, ..SPACE };
    assert!(matches!(store.write(other, "", &[("pictures", &index)], 1), Err(GenerationError::Index(_))));
    assert!(matches!(store.open_newest(SPACE), Err(GenerationError::Missing)));
}

/// Damages one file after another in many ways. A generation that opens must have the same results; everything else
/// must be an error, and this process must survive.
#[test]
fn damage_is_an_error_and_never_changes_results() {
    let fixture = Fixture::new();
    let files = fixture.files();
    assert_eq!(files.len(), 10, "{files:?}");
    let intact: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("a file")).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (mut cases, mut rejected) = (0, 0);
    for (n, (file, bytes)) in files.iter().zip(&intact).enumerate() {
        for damage in damages(bytes, &intact[(n + 1) % intact.len()], &mut rng) {
            match &damage {
                Some(bytes) => fs::write(file, bytes).expect("written"),
                None => fs::remove_file(file).expect("removed"),
            }
            cases += 1;
            match fixture.open() {
                Ok(()) => assert_eq!(damage.as_ref(), Some(bytes), "{} was damaged and opened", file.display()),
                Err(GenerationError::Damaged { .. } | GenerationError::Missing) => rejected += 1,
                Err(error) => panic!("{}: {error}", file.display()),
            }
            fs::write(file, bytes).expect("written");
        }
    }
    assert!(cases >= 500 && rejected >= cases - 10, "{rejected} of {cases}");
    fixture.open().expect("everything is restored");
}

/// Variants of a file's content with one defect each. `None` is a missing file.
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
fn other_formats_and_wrong_manifests_are_errors() {
    let fixture = Fixture::new();
    let right = fixture.manifest();
    fixture.write_manifest(br#"{"format": 2, "and": "other fields"}"#);
    assert!(matches!(fixture.open(), Err(GenerationError::OtherFormat { found: 2 })));
    let mistakes: [fn(&mut Manifest); 10] = [
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
    for (n, mistake) in mistakes.iter().enumerate() {
        let mut manifest = right.clone();
        mistake(&mut manifest);
        fixture.write_manifest(&serde_json::to_vec(&manifest).expect("JSON"));
        let space = Space { dims: manifest.dims, ..SPACE };
        let opened = fixture.store.open_newest(space);
        assert!(matches!(opened, Err(GenerationError::Damaged { .. })), "mistake {n}: {opened:?}");
    }
}

/// Files with matching checksums, but with content that no correct program writes.
#[test]
fn wrong_content_with_matching_checksums_is_an_error_or_a_valid_index() {
    let fixture = Fixture::new();
    let read = |extension: &str| {
        fs::read(fixture.folder.path().join(format!("index/1/pictures.{extension}"))).expect("a file")
    };
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let beyond = [u32::MAX - 1, 400];
    let no_values = [f32::NAN.to_bits(), 1e30f32.to_bits(), (-1f32).to_bits()];
    let wrongs: [(&str, &[u32]); 4] =
        [("vectors", &no_values), ("links", &beyond), ("upper", &beyond), ("steps", &no_values)];
    for (extension, values) in wrongs {
        let intact = read(extension);
        for value in values.iter().cycle().take(9) {
            let mut wrong = intact.clone();
            let at = rng.random_range(0..intact.len() / 4) * 4;
            wrong[at..at + 4].copy_from_slice(&value.to_le_bytes());
            fixture.replace("pictures", extension, &wrong);
            let error = fixture.open().expect_err(extension);
            assert!(matches!(error, GenerationError::Damaged { .. }), "{extension}: {error}");
        }
        fixture.replace("pictures", extension, &intact);
        fixture.open().expect("everything is restored");
    }
    let keys = read("keys");
    let reversed: Vec<u8> = keys.rchunks_exact(8).flatten().copied().collect();
    let duplicate = [&keys[..8], &keys[..8], &keys[16..]].concat();
    for wrong in [reversed, duplicate] {
        fixture.replace("pictures", "keys", &wrong);
        assert!(matches!(fixture.open(), Err(GenerationError::Damaged { .. })), "keys out of order");
    }
    fixture.replace("pictures", "keys", &keys);
    // Links to random points form a valid, if useless, graph.
    let mut links = read("links");
    for link in links.chunks_exact_mut(4) {
        link.copy_from_slice(&rng.random_range(0u32..400).to_le_bytes());
    }
    fixture.replace("pictures", "links", &links);
    let opened = fixture.store.open_newest(SPACE).expect("it is a graph");
    for query in &fixture.queries {
        let hits = opened.indexes["pictures"].search(query, &SearchParams::top(20)).expect("a valid query").hits;
        assert_eq!(hits.len(), 20);
    }
}

#[test]
fn pinned_generation_survives_its_removal_and_forms_a_new_store() {
    let fixture = Fixture::new();
    let pinned = fixture.store.pin().expect("it can be pinned");
    for watermark in ["18", "19"] {
        fixture.store.write(SPACE, watermark, &[("pictures", &build(30, 3))], 0).expect("written");
    }
    assert!(!fixture.folder.path().join("index/1").exists(), "newer ones have replaced it");
    let [one] = &pinned[..] else { panic!("one generation: {pinned:?}") };
    assert_eq!((one.number, one.model.as_str(), one.watermark.as_str()), (1, "one", "17"));

    let copy = Fixture { folder: TempDir::new().expect("a folder"), store: fixture.store, ..fixture };
    let root = copy.folder.path().join("index");
    fs::create_dir_all(root.join("1")).expect("a folder");
    for (name, file, bytes) in &one.files {
        let mut to = File::create(root.join(name)).expect("a file");
        assert_eq!(std::io::copy(&mut &*file, &mut to).expect("copied"), *bytes);
    }
    fs::write(root.join(PinnedGeneration::CURRENT), &one.current).expect("written");
    Fixture { store: GenerationStore::new(&root), ..copy }.open().expect("it is the pinned one");
}

#[test]
fn garbage_collection_removes_only_unlisted_generations() {
    let fixture = Fixture::new();
    let root = fixture.folder.path().join("index");
    assert_eq!(fixture.store.collect_garbage().expect("collected"), GarbageStats::default());
    for folder in ["7", "unfinished-8"] {
        fs::create_dir(root.join(folder)).expect("a folder");
        fs::write(root.join(folder).join("pictures.keys"), [0; 100]).expect("a file");
    }
    fs::write(root.join("notes.txt"), "the owner's").expect("a file");
    assert_eq!(fixture.store.collect_garbage().expect("collected"), GarbageStats { generations: 2, bytes: 200 });
    assert!(root.join("notes.txt").exists());
    fixture.open().expect("the current one stays");

    let lock = fixture.store.lock().expect("a lock");
    assert!(matches!(fixture.store.collect_garbage(), Err(GenerationError::Busy)));
    drop(lock);
    fs::remove_file(root.join(CURRENT)).expect("removed");
    assert!(matches!(fixture.store.collect_garbage(), Err(GenerationError::Damaged { .. })));
    assert!(root.join("1").exists(), "without the list, all are kept");
    let nowhere = GenerationStore::new(fixture.folder.path().join("nowhere"));
    assert_eq!(nowhere.collect_garbage().expect("nothing"), GarbageStats::default());
}
