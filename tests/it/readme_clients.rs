//! README's clients, as they stand there: taken out of it and run against a real service.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    common::{Server, cache, own_copy, said, succeed, trained_collection},
    limits::black,
};

/// The code in this language under the heading, for a service at this address.
fn code(language: &str, base: &str) -> String {
    let readme = include_str!("../../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("Clients\n")).expect("a section Clients");
    let fence = format!("\n```{language}\n");
    let mut blocks = section.split(&fence).skip(1);
    let block = blocks.next().unwrap_or_else(|| panic!("no {language} in it")).split("\n```").next().expect("its end");
    assert!(blocks.next().is_none(), "one block of {language} is expected");
    assert!(block.contains("http://127.0.0.1:7700"), "{block}");
    block.replace("http://127.0.0.1:7700", base)
}

/// Whether a tool is here. Says that the test skips where it is not; on CI it has to be.
pub(crate) fn has(tool: &str, version: &[&str]) -> bool {
    let found = Command::new(tool).args(version).output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{tool} is not here, and CI is set");
        eprintln!("skipped: {tool} is not here");
    }
    found
}

/// A Python that has `requests`, made once.
fn python() -> Option<PathBuf> {
    let home = cache().join("clients-python");
    let python = home.join("bin/python");
    if !Command::new(&python).args(["-c", "import requests"]).output().is_ok_and(|output| output.status.success()) {
        if !has("python3", &["-c", "import venv, ensurepip"]) {
            return None;
        }
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
        succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet", "requests==2.32.5"]));
    }
    Some(python)
}

async fn service() -> Option<(Server, tempfile::TempDir, tempfile::TempDir)> {
    let data = own_copy(trained_collection()?);
    let server = Server::start(data.path()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let picture = image::load_from_memory(&black(64, 48)).expect("a picture");
    picture.save(folder.path().join("picture.png")).expect("a file");
    Some((server, data, folder))
}

/// What a program prints that is run in a folder.
fn run(program: &Path, file: &str, code: &str, folder: &Path) -> String {
    fs::write(folder.join(file), code).expect("a file");
    let output = Command::new(program).arg(file).current_dir(folder).output().expect("the program starts");
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Three pictures with thumbnails, three captions, and the new item's id, a line each.
async fn printed_and_there(printed: &str, id: &str, server: &Server) {
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
            assert_eq!(reqwest::get(address).await.expect("an answer").status(), 200, "{line}");
        }
    }
    assert_eq!(lines[6], id);
    is_there(id, server).await;
}

async fn is_there(id: &str, server: &Server) {
    let item = reqwest::get(format!("{}/v1/items/{id}", server.base)).await.expect("an answer");
    let item: Value = item.json().await.expect("JSON");
    assert_eq!(
        (&item["captions"][0], &item["labels"][0], &item["width"]),
        (&"a red barn".into(), &"barns".into(), &64.into())
    );
}

#[tokio::test]
async fn curl_does_what_readme_says() {
    if !has("curl", &["--version"]) {
        return;
    }
    let Some((server, _data, folder)) = service().await else { return };
    let printed = run(Path::new("sh"), "client.sh", &format!("set -e\n{}", code("sh", &server.base)), folder.path());
    let answers: Vec<Value> =
        serde_json::Deserializer::from_str(&printed).into_iter().collect::<Result<_, _>>().expect("three times JSON");
    let [words, picture, item] = answers.as_slice() else { panic!("{printed}") };
    for (answer, kind) in [(words, "image"), (picture, "text")] {
        let results = answer["results"].as_array().expect("results");
        assert!(results.len() == 3 && results.iter().all(|result| result["kind"] == kind), "{answer}");
    }
    assert_eq!(item["id"], "from-curl");
    is_there("from-curl", &server).await;
}

#[tokio::test]
async fn python_does_what_readme_says() {
    let Some(python) = python() else { return };
    let Some((server, _data, folder)) = service().await else { return };
    let printed = run(&python, "client.py", &code("python", &server.base), folder.path());
    printed_and_there(&printed, "from-python", &server).await;
}

#[tokio::test]
async fn javascript_does_what_readme_says() {
    if !has("node", &["-e", "if (!(parseInt(process.versions.node) >= 18)) process.exit(1)"]) {
        return;
    }
    let Some((server, _data, folder)) = service().await else { return };
    let printed = run(Path::new("node"), "client.mjs", &code("javascript", &server.base), folder.path());
    printed_and_there(&printed, "from-javascript", &server).await;
}
