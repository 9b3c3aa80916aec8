//! The programs in `examples/`, run against a real service and a real collection.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    common::{Server, cache, combined_output, copy_collection, models, succeed, trained_collection},
    limits::black_image,
};

#[path = "../../examples/embed_engine.rs"]
#[expect(dead_code, reason = "the example's own `main`")]
mod embed_engine;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// Whether a tool is installed. Without it, prints that the test is skipped; panics on CI.
pub(crate) fn tool_available(tool: &str, version: &[&str]) -> bool {
    let found = Command::new(tool).args(version).output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{tool} is not installed, but required on CI");
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

/// Python of a virtual environment with `requests`, created once.
fn python() -> Option<PathBuf> {
    let venv = cache().join("clients-python");
    let python = venv.join("bin/python");
    if !Command::new(&python).args(["-c", "import requests"]).output().is_ok_and(|output| output.status.success()) {
        if !tool_available("python3", &["-c", "import venv, ensurepip"]) {
            return None;
        }
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet", "requests==2.32.5"]));
    }
    Some(python)
}

async fn service() -> Option<(Server, tempfile::TempDir, tempfile::TempDir)> {
    let data = copy_collection(trained_collection()?);
    let server = Server::start(data.path()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let picture = image::load_from_memory(&black_image(64, 48)).expect("a picture");
    picture.save(folder.path().join("picture.png")).expect("a file");
    Some((server, data, folder))
}

/// Runs an example in a folder, with the URL of the service as its argument, and returns its output.
fn run(program: &Path, name: &str, server: &Server, folder: &Path) -> String {
    let output = Command::new(program).arg(example(name)).arg(&server.base).current_dir(folder).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{}", combined_output(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Checks the lines that a client prints: three pictures with thumbnails, three captions, and the id of the new item.
async fn check_output(printed: &str, id: &str, server: &Server) {
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 7, "{printed}");
    for (at, line) in lines[..6].iter().enumerate() {
        let mut words = line.splitn(3, ' ');
        let relevance: f64 = words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        assert!((0.0..=1.0).contains(&relevance), "{line}");
        assert_eq!(words.next(), Some(if at < 3 { "picture" } else { "caption" }), "{line}");
        let rest = words.next().unwrap_or_default();
        assert!(!rest.is_empty() && rest != "undefined" && rest != "None", "{line}");
        if at < 3 {
            let address = rest.rsplit(' ').next().expect("an address");
            assert!(address.starts_with(&server.base), "{line}");
            assert_eq!(reqwest::get(address).await.expect("a response").status(), 200, "{line}");
        }
    }
    assert_eq!(lines[6], id);
    check_item(id, server).await;
}

async fn check_item(id: &str, server: &Server) {
    let item = reqwest::get(format!("{}/v1/items/{id}", server.base)).await.expect("a response");
    let item: Value = item.json().await.expect("JSON");
    assert_eq!(
        (&item["captions"][0], &item["labels"][0], &item["width"]),
        (&"a red barn".into(), &"barns".into(), &64.into())
    );
}

#[tokio::test]
async fn client_in_shell_searches_and_creates_an_item() {
    if !tool_available("curl", &["--version"]) {
        return;
    }
    let Some((server, _data, folder)) = service().await else { return };
    let printed = run(Path::new("sh"), "client.sh", &server, folder.path());
    let responses: Vec<Value> = serde_json::Deserializer::from_str(&printed)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("three JSON documents");
    let [by_text, by_image, item] = responses.as_slice() else { panic!("{printed}") };
    for (response, kind) in [(by_text, "image"), (by_image, "text")] {
        let results = response["results"].as_array().expect("results");
        assert!(results.len() == 3 && results.iter().all(|result| result["kind"] == kind), "{response}");
    }
    assert_eq!(item["id"], "from-curl");
    check_item("from-curl", &server).await;
}

#[tokio::test]
async fn client_in_python_searches_and_creates_an_item() {
    let Some(python) = python() else { return };
    let Some((server, _data, folder)) = service().await else { return };
    let printed = run(&python, "client.py", &server, folder.path());
    check_output(&printed, "from-python", &server).await;
}

#[tokio::test]
async fn client_in_javascript_searches_and_creates_an_item() {
    if !tool_available("node", &["-e", "if (!(parseInt(process.versions.node) >= 18)) process.exit(1)"]) {
        return;
    }
    let Some((server, _data, folder)) = service().await else { return };
    let printed = run(Path::new("node"), "client.mjs", &server, folder.path());
    check_output(&printed, "from-javascript", &server).await;
}

#[tokio::test]
async fn embedded_engine_finds_pictures_by_text() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let hits = embed_engine::search(data.path(), &models(), "a bird").await.expect("results");
    assert_eq!(hits.len(), 5);
    assert!(hits.iter().all(|(relevance, id, _)| (0.0..=1.0).contains(relevance) && !id.is_empty()), "{hits:?}");
    assert!(hits.is_sorted_by(|a, b| a.0 >= b.0), "{hits:?}");
}

#[test]
fn calls_in_readme_are_those_of_the_shell_client() {
    let client = fs::read_to_string(example("client.sh")).expect("the client");
    let readme = include_str!("../../README.md");
    let calls: Vec<String> = readme
        .lines()
        .filter(|line| line.starts_with("curl ") && line.contains("localhost:7700/v1/"))
        .map(|line| line.replace("curl -s ", "curl -fsS ").replace("localhost:7700", "$base"))
        .collect();
    assert_eq!(calls.len(), 3, "{calls:?}");
    for call in calls {
        assert!(
            client.lines().any(|line| line.replace('"', "'") == call.replace('"', "'")),
            "not in client.sh: {call}"
        );
    }
}
