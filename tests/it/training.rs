//! What a training learns, from given features and from collections that lie beside the repository on some machines.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use diptych::{
    collection::{Collection, Encoders},
    dataset::{PictureLimits, Split},
    encoders::Registry,
    model,
    training::load_training_set,
};
use npyz::WriterBuilder;

use crate::common::{Server, cache, combined_output, copy_collection, diptych, models, succeed, trained_collection};

/// A collection that is not part of the repository. Says so where it is not there.
fn beside(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        eprintln!("skipped: {name} is not on this machine");
    }
    path.exists().then_some(path)
}

/// Both directions' mAP of a printed table.
fn mean_average_precision(said: &str) -> [f64; 2] {
    ["| image → text |", "| text → image |"].map(|row| {
        let line = said.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no {row} in:\n{said}"));
        line.split('|').nth(2).and_then(|cell| cell.trim().parse().ok()).expect("a number")
    })
}

/// Pairs of three classes whose features tell the class, and in a second place the pair.
fn write_features(folder: &Path) {
    for (split, pairs) in [("train", 90usize), ("test", 30)] {
        let wave = |pair: usize, column: usize| ((pair * 7 + column * 13) as f32 * 0.37).sin();
        let feature =
            |pair: usize, column: usize| if column % 3 == pair % 3 { 1.0 } else { 0.0 } + 0.3 * wave(pair, column);
        for (what, columns) in [("images", 24u64), ("texts", 12)] {
            let values = (0..pairs).flat_map(|pair| (0..columns as usize).map(move |column| feature(pair, column)));
            let file = File::create(folder.join(format!("{split}_{what}.npy"))).expect("a file");
            let options = npyz::WriteOptions::new().default_dtype().shape(&[pairs as u64, columns]);
            let mut writer = options.writer(file).begin_nd().expect("a header");
            writer.extend(values).expect("values");
            writer.finish().expect("an end");
        }
        let file = File::create(folder.join(format!("{split}_labels.npy"))).expect("a file");
        let mut writer =
            npyz::WriteOptions::new().default_dtype().shape(&[pairs as u64]).writer(file).begin_nd().expect("a header");
        writer.extend((0..pairs).map(|pair| (pair % 3) as i64)).expect("values");
        writer.finish().expect("an end");
    }
    std::fs::write(folder.join("classes.txt"), "barns\nfields\nroads\n").expect("written");
}

#[test]
fn training_on_features_evaluates_and_reports() {
    let folder = tempfile::tempdir().expect("a folder");
    write_features(folder.path());
    let features = |verb: &str| {
        let mut command = diptych(folder.path());
        command.arg(verb).arg("--features").arg(folder.path());
        command
    };
    let trained = succeed(&mut features("train"));
    let [there, back] = mean_average_precision(&trained);
    assert!(there > 0.9 && back > 0.9, "{trained}");

    let page = folder.path().join("page.html");
    let measured = succeed(features("evaluate").arg("--report").arg(&page));
    assert_eq!(
        mean_average_precision(&measured),
        [there, back],
        "the model that was kept is the one that was measured"
    );
    let html = std::fs::read_to_string(&page).expect("a page");
    assert!(html.contains("barns") && html.contains("class=\"map\"") && html.contains("</html>"));

    // With a slash at its end as well, and never in place of something else.
    succeed(features("train").arg("--out").arg(folder.path().join("second").join("")));
    assert!(folder.path().join("second/model.json").exists() && folder.path().join("second/manifest.json").exists());
    let refused = features("train").arg("--out").arg(folder.path()).output().expect("the binary starts");
    assert!(
        !refused.status.success() && combined_output(&refused).contains("is not a model"),
        "{}",
        combined_output(&refused)
    );

    std::fs::remove_file(folder.path().join("test_labels.npy")).expect("removed");
    let output = features("train").output().expect("the binary starts");
    assert!(
        !output.status.success() && combined_output(&output).contains("test_labels.npy"),
        "{}",
        combined_output(&output)
    );
}

#[test]
fn report_of_a_collection_shows_its_pictures() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let page = data.path().join("page.html");
    succeed(diptych(data.path()).args(["evaluate", "--report"]).arg(&page));
    let html = std::fs::read_to_string(&page).expect("a page");
    assert!(html.matches("src=\"data:image/jpeg;base64,").count() > 20, "pictures are on the page");
    for question in ["How good is it?", "Which labels may be wrong?", "Which captions may belong elsewhere?"] {
        assert!(html.contains(question), "{question} is missing");
    }
}

/// The learner alone, on features on which others have published: the paper's objective beats what a softmax semantic
/// matching reaches (.294 and .211).
#[test]
fn training_on_wikipedia_features_reaches_known_map() {
    let Some(features) = beside("wikipedia-features") else { return };
    let out = tempfile::tempdir().expect("a folder");
    let mut command = diptych(out.path());
    command.args(["train", "--objective", "dscmr", "--lambda", "1", "--features"]).arg(features);
    let said = succeed(command.arg("--out").arg(out.path().join("model")));
    let [there, back] = mean_average_precision(&said);
    assert!(there > 0.294 && back > 0.211, "{said}");
}

/// UCM-Captions, trained once; `None` where it is not on this machine.
fn trained_ucm() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let ucm = beside("ucm-captions/data.jsonl")?;
        let folder = cache().join("trained-ucm");
        let _ = std::fs::remove_dir_all(&folder);
        succeed(diptych(&folder).arg("import").arg(ucm));
        let said = succeed(diptych(&folder).args(["train", "--seed", "0"]));
        std::fs::write(folder.join("said"), said).expect("written");
        Some(folder)
    };
    FOLDER.get_or_init(make).as_deref()
}

/// What is promised is kept: relevance means what it says, captions find something, and sentences about anything else
/// are told that nothing was found.
#[tokio::test]
async fn relevance_is_calibrated_and_unrelated_queries_find_no_confident_match() {
    let Some(folder) = trained_ucm() else { return };
    let said = std::fs::read_to_string(folder.join("said")).expect("it was trained");
    for row in said.lines().filter(|line| line.starts_with("| image →") || line.starts_with("| text →")) {
        let error: f64 = row.split('|').nth(8).and_then(|cell| cell.trim().parse().ok()).expect("a number");
        assert!(error <= 0.05, "{said}");
    }
    let text = std::fs::read_to_string(beside("ucm-captions/data.jsonl").expect("it is there")).expect("readable");
    let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let captions: Vec<String> = records
        .filter(|record| record["split"] == "test")
        .map(|record| record["captions"][0].as_str().expect("a caption").to_owned())
        .collect();
    let elsewhere: Vec<String> = include_str!("../fixtures/off-topic.txt").lines().map(str::to_owned).collect();

    let server = Server::start(folder).await;
    let client = reqwest::Client::new();
    let address = format!("{}/v1/search/text", server.base);
    let unsure = async |sentences: &[String]| {
        let mut count = 0;
        for sentence in sentences {
            let question = serde_json::json!({"query": sentence, "limit": 1});
            let response = client.post(&address).json(&question).send().await.expect("a response");
            let response: serde_json::Value = response.json().await.expect("JSON");
            count += usize::from(response["no_confident_match"].as_bool().expect("a truth"));
        }
        count
    };
    let (missed, warned) = (unsure(&captions).await, unsure(&elsewhere).await);
    eprintln!(
        "{missed} of {} captions and {warned} of {} other sentences find nothing",
        captions.len(),
        elsewhere.len()
    );
    assert!(missed * 20 <= captions.len(), "{missed} of {} test captions find nothing", captions.len());
    assert!(warned * 10 >= elsewhere.len() * 9, "{warned} of {} other sentences find nothing", elsewhere.len());
    server.terminate();
}

/// Wrong labels in the training split of UCM-Captions are at the head of the list.
#[tokio::test]
async fn evaluation_finds_wrong_labels() {
    let Some(folder) = trained_ucm() else { return };
    let collection = Collection::open(folder, PictureLimits::default()).await.expect("a collection");
    let registry = Registry::open(models()).expect("encoders");
    let defaults = registry.defaults();
    let encoders = Encoders {
        image: registry.open_image(&defaults.image).expect("an encoder"),
        text: registry.open_text(&defaults.text).expect("an encoder"),
    };
    let mut data = load_training_set(&collection, &encoders, 0).await.expect("features").data;
    let training: Vec<usize> = (0..data.splits.len()).filter(|&item| data.splits[item] == Split::Train).collect();
    // Every twentieth, to a class that changes from one to the next.
    let wrong: Vec<usize> = training.iter().copied().skip(7).step_by(20).collect();
    for (turn, &item) in (1u32..).zip(&wrong) {
        let classes = data.classes.len() as u32;
        data.labels[item] = vec![(data.labels[item][0] + 1 + turn % (classes - 1)) % classes];
    }
    let found = model::label_issues(&data, 0.5);
    let right = found.iter().take(50).filter(|issue| wrong.contains(&issue.item)).count();
    eprintln!("{} of {} wrong labels are among the first 50 of the list", right, wrong.len());
    assert!(right >= 35, "{right} of the first 50 bear a wrong label");
}

/// A second model that learned next to nothing does not take the first one's place, unless told to; and the first one
/// comes back, with its index.
#[tokio::test]
async fn worse_model_is_not_promoted_and_rollback_works() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let run = |arguments: &[&str]| diptych(data.path()).args(arguments).output().expect("the binary starts");
    let active_model = || {
        let list = combined_output(&run(&["models", "list"]));
        let line =
            list.lines().find(|line| line.contains("| yes |")).unwrap_or_else(|| panic!("none answers:\n{list}"));
        line.split('|').nth(1).expect("a name").trim().to_owned()
    };
    let generation = |server: &str| {
        let address = format!("{server}/v1/info");
        async move {
            let info: serde_json::Value = reqwest::get(address).await.expect("a response").json().await.expect("JSON");
            (info["model"].clone(), info["index_generation"].clone())
        }
    };
    let first = active_model();
    assert!(data.path().join("models").join(&first).join("manifest.json").exists());
    let server = Server::start(data.path()).await;
    let before = generation(&server.base).await;
    server.terminate();

    let settings = data.path().join("poor.toml");
    std::fs::write(&settings, "objective = \"dscmr\"\n[class.course]\nlearning_rate = 1e-9\nmax_epochs = 1\n")
        .expect("written");
    let train = ["train", "--settings", settings.to_str().expect("a name")];
    let refused = run(&train);
    assert!(
        !refused.status.success() && combined_output(&refused).contains("not activated"),
        "{}",
        combined_output(&refused)
    );
    assert_eq!(active_model(), first);

    let forced = run(&[&train[..], &["--force"]].concat());
    assert!(
        forced.status.success() && combined_output(&forced).contains("activated by --force"),
        "{}",
        combined_output(&forced)
    );
    let poor = active_model();
    assert_ne!(poor, first);
    succeed(diptych(data.path()).arg("index"));

    succeed(diptych(data.path()).args(["models", "rollback"]));
    assert_eq!(active_model(), first);
    let server = Server::start(data.path()).await;
    assert_eq!(generation(&server.base).await, before, "the index that was kept is the one that answers");
    server.terminate();

    let nothing = run(&["models", "rollback"]);
    assert!(
        !nothing.status.success() && combined_output(&nothing).contains("no other model was active before"),
        "{}",
        combined_output(&nothing)
    );
    assert!(combined_output(&run(&["models", "activate", "m-none"])).contains("there is no model \"m-none\""));
    succeed(diptych(data.path()).args(["models", "activate", &poor]));
    assert_eq!(active_model(), poor);
}
