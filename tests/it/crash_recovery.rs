//! Long commands are killed halfway: completed work is kept, and is not repeated.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use crate::common::{Server, copy_collection, count, diptych, succeed, trained_collection, wait_for};

const CLASSES: [(&str, [u8; 3]); 4] =
    [("red", [210, 40, 30]), ("green", [40, 180, 60]), ("blue", [30, 60, 220]), ("grey", [130, 130, 130])];
const PER_CLASS: u32 = 60;

/// Creates a collection that takes seconds to import: distinct pictures of a million pixels.
fn create_collection(folder: &Path) {
    for (class, colour) in CLASSES {
        fs::create_dir_all(folder.join(class)).expect("a folder");
        for n in 0..PER_CLASS {
            let picture = RgbImage::from_fn(1000, 1000, |x, y| {
                let stripe = (x / (4 + n) + y / (9 + n % 7)) % 2 == 0;
                Rgb(if stripe { colour } else { colour.map(|c| c / 2 + (n % 50) as u8) })
            });
            picture.save(folder.join(class).join(format!("{class} stripes {n}.png"))).expect("a picture");
        }
    }
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts")
}

/// Kills a command as soon as the query returns at least `threshold`. Returns the result of the query afterwards.
async fn kill_at(mut child: Child, data: &Path, query: &'static str, threshold: i64) -> i64 {
    wait_for("progress", Duration::from_secs(120), async || {
        let exists = data.join("catalog.sqlite3").exists() && has_schema(data).await;
        (exists && count(data, query).await >= threshold).then_some(())
    })
    .await;
    child.kill().expect("the command is killed");
    let status = child.wait().expect("the command exits");
    assert!(!status.success(), "the command exited before it was killed");
    count(data, query).await
}

async fn has_schema(data: &Path) -> bool {
    count(data, "select count(*) from sqlite_master where name = 'facts'").await == 1
}

#[tokio::test]
async fn killed_import_encoding_and_training_resume() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pictures, data) = (folder.path().join("pictures"), folder.path().join("data"));
    create_collection(&pictures);
    let total = i64::from(PER_CLASS) * CLASSES.len() as i64;

    // Import.
    let items = "select count(*) from items";
    let done = kill_at(start(diptych(&data).arg("import").arg(&pictures)), &data, items, 1).await;
    assert!(done < total, "killed halfway: {done} of {total}");
    let output = succeed(diptych(&data).arg("import").arg(&pictures));
    assert!(output.contains(&format!("unchanged {done}")), "{done} items were complete:\n{output}");
    assert_eq!(count(&data, items).await, total);
    assert_eq!(count(&data, "select max(key) from items").await, total, "no item was imported twice");

    // Encode.
    let features = "select count(*) from features";
    let done = kill_at(start(diptych(&data).arg("train")), &data, features, 1).await;
    assert!(done < total, "killed halfway: {done} of {total} pictures");

    // Train.
    let mut child = start(diptych(&data).args(["train", "--epochs", "40"]));
    let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut epochs = lines.map_while(Result::ok).filter(|line| line.contains("epoch")).take(3);
    assert!(epochs.all(|line| line.contains("J")), "three epochs were reported");
    child.kill().expect("the command is killed");
    child.wait().expect("the command exits");
    assert_eq!(count(&data, "select count(*) from models").await, 0);
    let encoded = count(&data, features).await;
    assert_eq!(count(&data, "select max(rowid) from features").await, encoded, "nothing was encoded twice");

    // On SIGINT it prints how to resume.
    let mut child = start(diptych(&data).args(["train", "--epochs", "40"]));
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("epoch")), "an epoch was reported");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let output: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("the command exits").code(), Some(130), "{output:?}");
    assert!(output.last().is_some_and(|line| line.contains("run the same command again to continue")), "{output:?}");

    let output = succeed(diptych(&data).args(["train", "--epochs", "40"]));
    assert!(!output.contains("encode pictures"), "{output}");
    assert_eq!(count(&data, features).await, encoded);
    assert_eq!(count(&data, "select count(*) from models").await, 1);
    assert!(succeed(diptych(&data).args(["search", "green", "stripes"])).contains("[green]"));
}

#[tokio::test]
async fn service_killed_during_reindex_starts_again() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let client = reqwest::Client::new();
    for round in 0..3 {
        let server = Server::start(data.path()).await;
        let accepted = client.post(format!("{}/v1/admin/reindex", server.base)).send().await.expect("a response");
        assert_eq!(accepted.status(), 202);
        let task: Value = accepted.json().await.expect("JSON");
        server.kill();

        let server = Server::start(data.path()).await;
        let task: Value = client
            .get(format!("{}/v1/tasks/{}", server.base, task["id"]))
            .send()
            .await
            .expect("the acknowledged task exists")
            .json()
            .await
            .expect("JSON");
        let status = task["status"].as_str().expect("a status");
        assert!(["interrupted", "succeeded"].contains(&status), "round {round}: {task}");
        let body = json!({"query": "a tree", "limit": 3});
        let response =
            client.post(format!("{}/v1/search/text", server.base)).json(&body).send().await.expect("a response");
        let response: Value = response.json().await.expect("JSON");
        assert_eq!(response["results"].as_array().map(Vec::len), Some(3), "round {round}: {response}");
    }
}
