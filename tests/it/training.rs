//! Training on precomputed features, and on data sets that only some machines have next to the repository.

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

/// Path of a data set outside the repository. Prints that the test is skipped if it does not exist.
fn shared_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        eprintln!("skipped: {name} is not on this machine");
    }
    path.exists().then_some(path)
}

/// mAP of both directions in a printed table.
fn mean_average_precision(output: &str) -> [f64; 2] {
    ["| image → text |", "| text → image |"].map(|row| {
        let line =
            output.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("no {row} in:\n{output}"));
        line.split('|').nth(2).and_then(|cell| cell.trim().parse().ok()).expect("a number")
    })
}

/// Writes pairs of three classes whose features depend on the class and, less, on the pair.
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
    let features = |subcommand: &str| {
        let mut command = diptych(folder.path());
        command.arg(subcommand).arg("--features").arg(folder.path());
        command
    };
    let trained = succeed(&mut features("train"));
    let [image_to_text, text_to_image] = mean_average_precision(&trained);
    assert!(image_to_text > 0.9 && text_to_image > 0.9, "{trained}");

    let page = folder.path().join("page.html");
    let evaluated = succeed(features("evaluate").arg("--report").arg(&page));
    assert_eq!(
        mean_average_precision(&evaluated),
        [image_to_text, text_to_image],
        "the stored model is the one that was evaluated"
    );
    let html = std::fs::read_to_string(&page).expect("a page");
    assert!(html.contains("barns") && html.contains("class=\"map\"") && html.contains("</html>"));

    // `--out` may end with a slash, and never replaces anything but a model.
    succeed(features("train").arg("--out").arg(folder.path().join("second").join("")));
    assert!(folder.path().join("second/model.json").exists() && folder.path().join("second/manifest.json").exists());
    let output = features("train").arg("--out").arg(folder.path()).output().expect("the binary starts");
    assert!(
        !output.status.success() && combined_output(&output).contains("is not a model"),
        "{}",
        combined_output(&output)
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
    assert!(html.matches("src=\"data:image/jpeg;base64,").count() > 20, "the page has pictures");
    for question in ["How good is it?", "Which labels may be wrong?", "Which captions may belong elsewhere?"] {
        assert!(html.contains(question), "{question} is missing");
    }
}

/// Training on published features: the objective of the paper has to exceed the mAP that is published for semantic
/// matching with a softmax (.294 and .211).
#[test]
fn training_on_wikipedia_features_reaches_known_map() {
    let Some(features) = shared_data("wikipedia-features") else { return };
    let out = tempfile::tempdir().expect("a folder");
    let mut command = diptych(out.path());
    command.args(["train", "--objective", "dscmr", "--lambda", "1", "--features"]).arg(features);
    let output = succeed(command.arg("--out").arg(out.path().join("model")));
    let [image_to_text, text_to_image] = mean_average_precision(&output);
    assert!(image_to_text > 0.294 && text_to_image > 0.211, "{output}");
}

/// A collection of UCM-Captions, trained once. `None` if the data set is not on this machine.
fn trained_ucm() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let ucm = shared_data("ucm-captions/data.jsonl")?;
        let folder = cache().join("trained-ucm");
        let _ = std::fs::remove_dir_all(&folder);
        succeed(diptych(&folder).arg("import").arg(ucm));
        let output = succeed(diptych(&folder).args(["train", "--seed", "0"]));
        std::fs::write(folder.join("output.txt"), output).expect("written");
        Some(folder)
    };
    FOLDER.get_or_init(make).as_deref()
}

/// Relevance is calibrated, captions of the test split find a confident match, and unrelated sentences do not.
#[tokio::test]
async fn relevance_is_calibrated_and_unrelated_queries_find_no_confident_match() {
    let Some(folder) = trained_ucm() else { return };
    let output = std::fs::read_to_string(folder.join("output.txt")).expect("the output of the training");
    for row in output.lines().filter(|line| line.starts_with("| image →") || line.starts_with("| text →")) {
        let error: f64 = row.split('|').nth(8).and_then(|cell| cell.trim().parse().ok()).expect("a number");
        assert!(error <= 0.05, "{output}");
    }
    let text =
        std::fs::read_to_string(shared_data("ucm-captions/data.jsonl").expect("the data set")).expect("readable");
    let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let captions: Vec<String> = records
        .filter(|record| record["split"] == "test")
        .map(|record| record["captions"][0].as_str().expect("a caption").to_owned())
        .collect();
    let unrelated: Vec<String> = include_str!("../fixtures/off-topic.txt").lines().map(str::to_owned).collect();

    let server = Server::start(folder).await;
    let client = reqwest::Client::new();
    let address = format!("{}/v1/search/text", server.base);
    let count_unmatched = async |sentences: &[String]| {
        let mut count = 0;
        for sentence in sentences {
            let question = serde_json::json!({"query": sentence, "limit": 1});
            let response = client.post(&address).json(&question).send().await.expect("a response");
            let response: serde_json::Value = response.json().await.expect("JSON");
            count += usize::from(response["no_confident_match"].as_bool().expect("a boolean"));
        }
        count
    };
    let (unmatched_captions, unmatched_others) = (count_unmatched(&captions).await, count_unmatched(&unrelated).await);
    eprintln!(
        "{unmatched_captions} of {} captions and {unmatched_others} of {} unrelated sentences have no confident match",
        captions.len(),
        unrelated.len()
    );
    assert!(
        unmatched_captions * 20 <= captions.len(),
        "{unmatched_captions} of {} test captions have no confident match",
        captions.len()
    );
    assert!(
        unmatched_others * 10 >= unrelated.len() * 9,
        "{unmatched_others} of {} unrelated sentences have no confident match",
        unrelated.len()
    );
    server.terminate();
}

/// Wrong labels in the training split of UCM-Captions rank first in the list of issues.
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
    // Change every twentieth label, each to another class.
    let wrong: Vec<usize> = training.iter().copied().skip(7).step_by(20).collect();
    for (n, &item) in (1u32..).zip(&wrong) {
        let classes = data.classes.len() as u32;
        data.labels[item] = vec![(data.labels[item][0] + 1 + n % (classes - 1)) % classes];
    }
    let found = model::label_issues(&data, 0.5);
    let correct = found.iter().take(50).filter(|issue| wrong.contains(&issue.item)).count();
    eprintln!("{} of {} wrong labels are among the first 50 of the list", correct, wrong.len());
    assert!(correct >= 35, "{correct} of the first 50 have a wrong label");
}

/// An undertrained second model is not activated, except by force; a rollback restores the first model and its index.
#[tokio::test]
async fn worse_model_is_not_promoted_and_rollback_works() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let run = |arguments: &[&str]| diptych(data.path()).args(arguments).output().expect("the binary starts");
    let active_model = || {
        let list = combined_output(&run(&["models", "list"]));
        let line =
            list.lines().find(|line| line.contains("| yes |")).unwrap_or_else(|| panic!("no active model:\n{list}"));
        line.split('|').nth(1).expect("a name").trim().to_owned()
    };
    let model_and_generation = |server: &str| {
        let address = format!("{server}/v1/info");
        async move {
            let info: serde_json::Value = reqwest::get(address).await.expect("a response").json().await.expect("JSON");
            (info["model"].clone(), info["index_generation"].clone())
        }
    };
    let first = active_model();
    assert!(data.path().join("models").join(&first).join("manifest.json").exists());
    let server = Server::start(data.path()).await;
    let before = model_and_generation(&server.base).await;
    server.terminate();

    let settings = data.path().join("poor.toml");
    std::fs::write(&settings, "objective = \"dscmr\"\n[class.course]\nlearning_rate = 1e-9\nmax_epochs = 1\n")
        .expect("written");
    let train = ["train", "--settings", settings.to_str().expect("a name")];
    let output = run(&train);
    assert!(
        !output.status.success() && combined_output(&output).contains("not activated"),
        "{}",
        combined_output(&output)
    );
    assert_eq!(active_model(), first);

    let forced = run(&[&train[..], &["--force"]].concat());
    assert!(
        forced.status.success() && combined_output(&forced).contains("activated by --force"),
        "{}",
        combined_output(&forced)
    );
    let weak_model = active_model();
    assert_ne!(weak_model, first);
    succeed(diptych(data.path()).arg("index"));

    succeed(diptych(data.path()).args(["models", "rollback"]));
    assert_eq!(active_model(), first);
    let server = Server::start(data.path()).await;
    assert_eq!(model_and_generation(&server.base).await, before, "the stored index is served again");
    server.terminate();

    let output = run(&["models", "rollback"]);
    assert!(
        !output.status.success() && combined_output(&output).contains("no other model was active before"),
        "{}",
        combined_output(&output)
    );
    assert!(combined_output(&run(&["models", "activate", "m-none"])).contains("there is no model \"m-none\""));
    succeed(diptych(data.path()).args(["models", "activate", &weak_model]));
    assert_eq!(active_model(), weak_model);
}
