//! Data folders, backups and settings of an older version keep working, and queries return what they returned there.
//! `tests/fixtures/compat/README.md` names the version and describes how the fixture was created.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Client, Method, header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    common::{Server, diptych, models, succeed, wait_for},
    settings::isolated_diptych,
};

/// Folder in which the fixture was created. Its catalog has absolute paths of pictures.
const MADE_IN: &str = "/srv/diptych-fixture";

/// Maximum difference of two equal numbers. The kernels of another CPU sum in another order, which changes scores by a
/// few millionths. Neighbouring scores in the recorded responses differ by at least five times this, so that the order
/// of results is the same everywhere.
const TOLERANCE: f64 = 1e-4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compat").join(name)
}

fn recorded() -> Value {
    let text = fs::read_to_string(fixture("answers.json")).expect("the recorded responses");
    serde_json::from_str(&text).expect("JSON")
}

/// An installation of the older version: `diptych.toml`, `train.toml`, `data/`, `models/`, `pictures/` and
/// `backup.tar`, with the weights of the encoders.
async fn old_installation() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let archive = fs::read(fixture("collection.zip")).expect("the collection");
    zip::ZipArchive::new(Cursor::new(archive)).expect("an archive").extract(root).expect("it unpacks");
    for name in ["diptych.toml", "train.toml"] {
        fs::copy(fixture(name), root.join(name)).expect("a copy");
    }
    fs::create_dir(root.join("models")).expect("a folder");
    for entry in fs::read_dir(fixture("models")).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), root.join("models").join(entry.file_name())).expect("a copy");
    }
    // A manifest in the installation describes the same weights under another name.
    let encoders = [("efficientnet-lite0", "my-efficientnet"), ("all-minilm-l6-v2", "all-minilm-l6-v2")];
    succeed(diptych(&root.join("data")).args(["encoders", "pull"]).args(encoders.map(|(pulled, _)| pulled)));
    for (pulled, name) in encoders {
        let pulled = std::path::absolute(models().join(pulled)).expect("a path");
        std::os::unix::fs::symlink(pulled, root.join("models").join(name)).expect("a link");
    }
    move_pictures(root).await;
    folder
}

/// Updates the paths of pictures in the catalog, in the schema of the older version.
async fn move_pictures(root: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(root.join("data/catalog.sqlite3"));
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the catalog opens");
    let moved = sqlx::query("update items set image_path = replace(image_path, ?, ?) where image_path is not null")
        .bind(MADE_IN)
        .bind(root.to_str().expect("a path"))
        .execute(&pool)
        .await
        .expect("the pictures are moved");
    assert!(moved.rows_affected() > 40, "{moved:?}");
    pool.close().await;
}

/// A service in an installation, which reads its `diptych.toml`.
struct Service {
    server: Server,
    client: Client,
    root: PathBuf,
}

impl Service {
    async fn start(root: &Path, data: &str) -> Self {
        let mut command = isolated_diptych(root);
        command.args(["serve", "--data", data]);
        let server = Server::spawn(command, &root.join(data));
        let bearer = format!("Bearer {}", recorded()["key"].as_str().expect("a key"));
        let mut headers = header::HeaderMap::new();
        headers.insert(header::AUTHORIZATION, bearer.parse().expect("a header"));
        let client = Client::builder().default_headers(headers).build().expect("a client");
        let service = Self { server, client, root: root.to_owned() };
        let ready = wait_for("readiness", Duration::from_secs(60), async || {
            let response = service.client.get(service.url("/readyz")).send().await.ok()?;
            response.status().is_success().then_some(response)
        });
        let ready: Value = ready.await.json().await.expect("JSON");
        assert_eq!(ready["status"], "ready", "{ready}");
        service
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.base)
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let request = self.client.request(method.parse::<Method>().expect("a method"), self.url(path));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        send_for_json(request).await
    }

    async fn get(&self, path: &str) -> Value {
        self.send("GET", path, None).await
    }

    /// Runs a task to completion.
    async fn run(&self, path: &str, body: Option<&Value>) {
        let task = self.send("POST", path, body).await;
        let task = format!("/v1/tasks/{}", task["id"]);
        let ended = wait_for("the end of a task", Duration::from_secs(120), async || {
            let task = self.get(&task).await;
            (task["status"] != "enqueued" && task["status"] != "running").then_some(task)
        });
        let ended = ended.await;
        assert_eq!(ended["status"], "succeeded", "{ended}");
    }

    /// Repeats recorded queries and reports every difference in their responses.
    async fn compare(&self, queries: &Value) {
        let mut differences = Vec::new();
        for query in queries.as_array().expect("queries") {
            let (path, method) = (query["path"].as_str().expect("a path"), query["method"].as_str().expect("a method"));
            let response = match query["picture"].as_str() {
                Some(picture) => {
                    let picture = fs::read(self.root.join(picture)).expect("a picture");
                    let post = self.client.post(self.url(path)).header(header::CONTENT_TYPE, "image/png");
                    send_for_json(post.body(picture)).await
                }
                None => self.send(method, path, query.get("body")).await,
            };
            let mut expected = query["answer"].clone();
            if path == "/v1/info" {
                expected.as_object_mut().expect("an object").remove("version");
            }
            compare(query["name"].as_str().expect("a name"), &expected, &response, &mut differences);
        }
        assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    }

    /// Fetches every item's picture and thumbnail, and compares the picture with the hash in its address.
    async fn check_pictures(&self) {
        let items = self.get("/v1/items?limit=90").await;
        let mut pictures = 0;
        for item in items["items"].as_array().expect("items") {
            let Some(path) = item["image_url"].as_str() else { continue };
            let picture = self.bytes(path).await;
            let (_, hash) = path.split_once("v=").expect("a hash");
            assert!(blake3::hash(&picture).to_hex().starts_with(hash), "{path}");
            let thumbnail = self.bytes(item["thumbnail_url"].as_str().expect("a thumbnail")).await;
            assert!(image::guess_format(&thumbnail).is_ok(), "{item}");
            pictures += 1;
        }
        assert!(pictures > 40, "{pictures} pictures");
    }

    async fn bytes(&self, path: &str) -> Vec<u8> {
        let response = self.client.get(self.url(path)).send().await.expect("a response");
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.bytes().await.expect("a body").to_vec()
    }
}

async fn send_for_json(request: reqwest::RequestBuilder) -> Value {
    let response = request.send().await.expect("a response");
    let (status, address) = (response.status(), response.url().clone());
    let text = response.text().await.expect("a body");
    assert!(status.is_success(), "{address}: {status} {text}");
    serde_json::from_str(&text).expect("JSON")
}

/// Adds every value of the recorded response that is missing or different. Additional fields are allowed.
fn compare(place: &str, recorded: &Value, actual: &Value, differences: &mut Vec<String>) {
    match (recorded, actual) {
        (Value::Object(recorded), Value::Object(actual)) => {
            for (name, value) in recorded {
                compare(&format!("{place}/{name}"), value, actual.get(name).unwrap_or(&Value::Null), differences);
            }
        }
        (Value::Array(recorded), Value::Array(actual)) if recorded.len() == actual.len() => {
            for (at, (recorded, actual)) in recorded.iter().zip(actual).enumerate() {
                compare(&format!("{place}/{at}"), recorded, actual, differences);
            }
        }
        (Value::Number(recorded), Value::Number(actual)) if recorded.is_f64() && actual.is_f64() => {
            let (recorded, actual) = (recorded.as_f64().expect("a float"), actual.as_f64().expect("a float"));
            if (recorded - actual).abs() > TOLERANCE {
                differences.push(format!("{place}: {actual} instead of {recorded}"));
            }
        }
        _ if recorded == actual => {}
        _ => differences.push(format!("{place}: {actual} instead of {recorded}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_data_folder_answers_as_before_and_rolls_back() {
    let installation = old_installation().await;
    let root = installation.path();
    let recorded = recorded();
    let service = Service::start(root, "data").await;
    service.compare(&recorded["queries"]).await;
    service.check_pictures().await;

    // A revoked key is still revoked.
    let revoked = recorded["revoked_key"].as_str().expect("a key");
    let response = Client::new().get(service.url("/v1/tasks")).bearer_auth(revoked).send().await.expect("a response");
    assert_eq!(response.status(), 401);

    // The graph on disk is valid, and its searches agree with scans.
    let check = succeed(isolated_diptych(root).args(["index", "check"]));
    let has_generation = check.lines().any(|line| line.contains("generation 4") && line.contains("m-20261126-2"));
    assert!(has_generation && check.matches("graph").count() >= 2, "{check}");

    service.run("/v1/models/rollback", None).await;
    service.compare(&recorded["queries_after_rollback"]).await;
    assert!(service.server.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn old_data_folder_accepts_changes_and_trains_with_old_settings() {
    let installation = old_installation().await;
    let root = installation.path();
    let text = succeed(isolated_diptych(root).args(["train", "--settings", "train.toml", "--force"]));
    for (old, new) in [
        ("class.course", "class.optimizer"),
        ("pair.course", "pair.optimizer"),
        ("pair.keep", "pair.min_class_map_ratio"),
    ] {
        assert!(text.contains(&format!("`{old}` is now called `{new}`")), "{text}");
    }
    let service = Service::start(root, "data").await;
    let active = service.get("/v1/models").await["active"].clone();
    assert!(!["m-20261126-1", "m-20261126-2"].contains(&active.as_str().expect("a model")), "{active}");

    let item = json!({"id": "new", "captions": ["a caption from after the update"], "labels": ["notes"]});
    service.send("POST", "/v1/items", Some(&item)).await;
    let query = json!({"query": "a caption from after the update", "target": "text", "hybrid": true});
    let response = service.send("POST", "/v1/search/text", Some(&query)).await;
    assert_eq!(response["results"][0]["id"], "new", "{response}");

    let hyperparameters = json!({"hidden": 6, "dims": 10, "batch": 24, "max_epochs": 2});
    let settings =
        json!({"seed": 4, "class": {"course": hyperparameters}, "pair": {"keep": 0.5, "course": hyperparameters}});
    service.run("/v1/admin/train", Some(&json!({"settings": settings, "force": true}))).await;
    let model = service.get("/v1/models").await["active"].as_str().expect("a model").to_owned();
    let report = service.get(&format!("/v1/models/{model}/report")).await;
    assert_eq!(report["settings"].to_string().matches("\"hidden\":6").count(), 2, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_backup_restores_and_answers_as_before() {
    let installation = old_installation().await;
    let root = installation.path();
    fs::remove_dir_all(root.join("data")).expect("removed");
    succeed(isolated_diptych(root).args(["restore", "backup.tar"]));
    let service = Service::start(root, "data").await;
    service.compare(&recorded()["queries"]).await;
    service.check_pictures().await;
}

/// Value and source of a setting, as `config check` prints them.
fn printed_setting<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    let mut words = line.split_whitespace().skip(1);
    Some((words.next()?, words.next()?))
}

/// The new name that the notice about an old one recommends.
fn new_name_in_notice<'t>(text: &'t str, old: &str) -> Option<&'t str> {
    let notice = format!("{old} is now called ");
    let (_, rest) = text.lines().find_map(|line| line.split_once(&notice))?;
    rest.split([';', ' ']).next()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_settings_file_works_and_reports_the_new_names() {
    let installation = old_installation().await;
    let root = installation.path();
    let file = fs::read_to_string(root.join("diptych.toml")).expect("a file");
    let text = succeed(isolated_diptych(root).args(["config", "check"]));
    // Settings that `serve` does not read.
    let other_commands = ["demo_packages", "device"];
    for (line, setting) in (1..).zip(file.lines()) {
        let Some((name, value)) = setting.split_once(" = ") else { continue };
        if other_commands.contains(&name) {
            continue;
        }
        let value = value.trim_matches(['[', ']']).replace('"', "").replace(", ", ",");
        let current = new_name_in_notice(&text, name).unwrap_or(name);
        let place = format!("diptych.toml:{line}");
        assert_eq!(printed_setting(&text, current), Some((value.as_str(), place.as_str())), "{name}:\n{text}");
    }
    let renamed = [("kept_texts", "query_cache_entries"), ("kept_bytes", "query_cache_size")];
    for (old, new) in renamed {
        assert_eq!(new_name_in_notice(&text, old), Some(new), "{text}");
    }

    // Old flags and variables take precedence over the file, like the new ones.
    let mut command = isolated_diptych(root);
    command.args(["config", "check", "--kept-texts", "7"]).env("DIPTYCH_KEPT_BYTES", "8MiB");
    let text = succeed(&mut command);
    assert_eq!(printed_setting(&text, "query_cache_entries").map(|(value, _)| value), Some("7"), "{text}");
    assert_eq!(printed_setting(&text, "query_cache_size").map(|(value, _)| value), Some("8MiB"), "{text}");
    assert_eq!(new_name_in_notice(&text, "--kept-texts"), Some("--query-cache-entries"), "{text}");
    assert_eq!(new_name_in_notice(&text, "DIPTYCH_KEPT_BYTES"), Some("DIPTYCH_QUERY_CACHE_SIZE"), "{text}");
}
