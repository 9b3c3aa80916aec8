//! A backup is complete or absent, has every acknowledged item, and its copy answers like the original. Compaction only
//! deletes what is unreferenced.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use image::{Rgb, RgbImage};
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{
    Server, combined_output, copy_collection, count, diptych, query_scalar, set_property, succeed, trained_collection,
    wait_for,
};

/// A picture that is unique to its seed.
fn picture(seed: u64) -> Vec<u8> {
    let colour = |shift: u64| (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as u8;
    let picture = RgbImage::from_fn(48, 48, |x, y| {
        let inside = (x / 6 + y / (4 + seed as u32 % 5)).is_multiple_of(3);
        Rgb(if inside { [colour(0), colour(8), colour(16)] } else { [colour(24), 255 - colour(32), colour(40)] })
    });
    let mut bytes = Vec::new();
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).expect("a picture");
    bytes
}

/// A service on a collection with a graph index, whose build is not reproducible.
async fn service_with_graph() -> Option<(TempDir, Server)> {
    let collection = tokio::task::spawn_blocking(trained_collection).await.expect("the collection is created")?;
    let data = copy_collection(collection);
    let graph = json!({"links": 8, "ef_construction": 40, "ef_search": 40, "traversal": "byte", "threads": 2});
    set_property(data.path(), "index_parameters", &json!({"exact_up_to": 50, "graph": graph}).to_string()).await;
    let _ = fs::remove_dir_all(data.path().join("index"));
    let server = Server::start(data.path()).await;
    let service = Service::new(&server);
    // Enough captions that the graph is used instead of a scan.
    let lines: Vec<String> = (0..100)
        .map(|n| {
            let captions = [format!("note number {n}"), format!("{n} words on paper"), format!("page {n} of a book")];
            json!({"id": format!("note-{n}"), "captions": captions}).to_string()
        })
        .collect();
    let batch =
        service.http.post(format!("{}/v1/items/batch", server.base)).header("content-type", "application/x-ndjson");
    assert_eq!(batch.body(lines.join("\n")).send().await.expect("a response").status(), 200);
    service.wait_for_tasks().await;
    assert_eq!(service.run("reindex").await["status"], "succeeded");
    Some((data, server))
}

#[derive(Clone)]
struct Service {
    http: reqwest::Client,
    base: String,
}

impl Service {
    fn new(server: &Server) -> Self {
        Self { http: reqwest::Client::new(), base: server.base.clone() }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let Ok(response) = request.send().await else { return (0, Value::Null) };
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    async fn put(&self, id: &str, seed: u64) -> u16 {
        let item = json!({"captions": [format!("tile number {seed}"), format!("a tile of {id}")], "labels": ["tiles"]});
        let form = Form::new().part("image", Part::bytes(picture(seed))).text("item", item.to_string());
        let sent = self.http.put(format!("{}/v1/items/{id}", self.base)).multipart(form).send().await;
        sent.map_or(0, |response| response.status().as_u16())
    }

    /// Starts a task and returns its path.
    async fn start(&self, task: &str) -> String {
        let (status, task_body) = self.send(Method::POST, &format!("/v1/admin/{task}"), None).await;
        assert_eq!(status, 202, "{task}: {task_body}");
        format!("/v1/tasks/{}", task_body["id"])
    }

    async fn wait_for_task(&self, task: &str) -> Value {
        wait_for("the end of a task", Duration::from_secs(120), async || {
            let (_, task) = self.send(Method::GET, &format!("{task}?wait=20"), None).await;
            task["finished_at"].is_string().then_some(task)
        })
        .await
    }

    async fn run(&self, task: &str) -> Value {
        self.wait_for_task(&self.start(task).await).await
    }

    /// Waits until no task is running.
    async fn wait_for_tasks(&self) {
        wait_for("all tasks to end", Duration::from_secs(120), async || {
            for status in ["running", "enqueued"] {
                let (_, list) = self.send(Method::GET, &format!("/v1/tasks?status={status}"), None).await;
                list["tasks"].as_array().filter(|tasks| tasks.is_empty())?;
            }
            Some(())
        })
        .await;
    }

    /// Results of 100 text, hybrid and image queries, with their exact scores.
    async fn run_queries(&self) -> Vec<Value> {
        const TEXTS: [&str; 10] = [
            "a bird",
            "tile number 7",
            "a red car",
            "fruit on a table",
            "a tree",
            "an animal",
            "tools",
            "food",
            "a toy",
            "x",
        ];
        let mut responses = Vec::new();
        for n in 0..100u64 {
            let text = format!("{} {}", TEXTS[n as usize % 10], n / 10);
            let (status, response) = match n % 4 {
                0 => {
                    let body = json!({"query": text, "limit": 20, "hybrid": {"keyword_weight": 0.4}});
                    self.send(Method::POST, "/v1/search/text", Some(body)).await
                }
                1 => {
                    self.send(
                        Method::POST,
                        "/v1/search/text",
                        Some(json!({"query": text, "target": "any", "limit": 30})),
                    )
                    .await
                }
                _ => {
                    let target = if n % 4 == 2 { "text" } else { "image" };
                    let post = self.http.post(format!("{}/v1/search/image?target={target}&limit=20", self.base));
                    let sent =
                        post.header("content-type", "image/png").body(picture(n)).send().await.expect("a response");
                    (sent.status().as_u16(), sent.json().await.expect("JSON"))
                }
            };
            assert_eq!(status, 200, "{response}");
            let results = response["results"].as_array().expect("results");
            let brief =
                |r: &Value| json!([r["rank"], r["id"], r["caption"], r["score"], r["relevance"], r["captions"]]);
            responses.push(json!({
                "model": response["model"],
                "generation": response["index_generation"],
                "strategy": response["strategy"],
                "total": response["total"],
                "labels": response["query"],
                "results": results.iter().map(brief).collect::<Vec<_>>(),
            }));
        }
        responses
    }

    async fn image(&self, id: &str) -> (u16, Vec<u8>) {
        let response = self.http.get(format!("{}/v1/items/{id}/image", self.base)).send().await.expect("a response");
        (response.status().as_u16(), response.bytes().await.expect("bytes").to_vec())
    }
}

/// Background load: workers that insert and delete items, and one that queries.
struct Load {
    stop: Arc<AtomicBool>,
    /// The last acknowledged state of each id: the seed of its picture, or `None` if deleted. Ids with a delete in
    /// progress are absent.
    acknowledged: Arc<Mutex<BTreeMap<String, Option<u64>>>>,
    failures: Arc<Mutex<Vec<String>>>,
    query_count: Arc<AtomicU64>,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(service: &Service, name: &'static str) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            acknowledged: Arc::default(),
            failures: Arc::default(),
            query_count: Arc::default(),
            workers: Vec::new(),
        };
        for worker in 0..2 {
            let (service, stop) = (service.clone(), Arc::clone(&load.stop));
            let (acknowledged, failures) = (Arc::clone(&load.acknowledged), Arc::clone(&load.failures));
            load.workers.push(tokio::spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // Every third picture repeats the one of the item before, whose file may still exist or be deleted.
                    let id = format!("{name}-{worker}-{n}");
                    let seed = if n % 3 == 2 { worker * 1_000 + n - 1 } else { worker * 1_000 + n };
                    match service.put(&id, seed).await {
                        200 | 201 => drop(acknowledged.lock().expect("a map").insert(id.clone(), Some(seed))),
                        status => failures.lock().expect("a list").push(format!("PUT {id}: {status}")),
                    }
                    if n % 4 == 1 {
                        acknowledged.lock().expect("a map").remove(&id);
                        match service.send(Method::DELETE, &format!("/v1/items/{id}"), None).await.0 {
                            204 => drop(acknowledged.lock().expect("a map").insert(id, None)),
                            status => failures.lock().expect("a list").push(format!("DELETE {id}: {status}")),
                        }
                    }
                }
            }));
        }
        let (service, stop) = (service.clone(), Arc::clone(&load.stop));
        let (query_count, failures) = (Arc::clone(&load.query_count), Arc::clone(&load.failures));
        load.workers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let n = query_count.fetch_add(1, Ordering::Relaxed);
                let body = json!({"query": format!("tile number {n}"), "limit": 5, "target": "any"});
                let (status, response) = service.send(Method::POST, "/v1/search/text", Some(body)).await;
                if status != 200 {
                    failures.lock().expect("a list").push(format!("{status}: {response}"));
                }
            }
        }));
        load
    }

    fn acknowledged(&self) -> BTreeMap<String, Option<u64>> {
        self.acknowledged.lock().expect("a map").clone()
    }

    async fn end(self) -> BTreeMap<String, Option<u64>> {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.expect("the worker ends");
        }
        let failures = self.failures.lock().expect("a list");
        assert!(failures.is_empty(), "{} of {:?}: {failures:?}", failures.len(), self.query_count);
        assert!(self.query_count.load(Ordering::Relaxed) > 5, "queries were asked");
        self.acknowledged.lock().expect("a map").clone()
    }
}

fn restore(archive: &Path, to: &Path) -> Output {
    diptych(to).arg("restore").arg(archive).output().expect("the binary starts")
}

/// The file of a successful backup task.
fn file_of(data: &Path, task: &Value) -> PathBuf {
    assert_eq!(task["status"], "succeeded", "{task}");
    let file = data.join(task["result"]["file"].as_str().expect("a file"));
    assert_eq!(file.metadata().expect("a backup").len(), task["result"]["bytes"].as_u64().expect("a length"));
    file
}

/// Sorted names of the entries of a folder.
fn file_names(folder: &Path) -> Vec<String> {
    let file_names = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut file_names: Vec<String> =
        file_names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    file_names.sort();
    file_names
}

#[tokio::test(flavor = "multi_thread")]
async fn backup_under_load_holds_every_acknowledged_item_and_answers_like_the_original() {
    let Some((data, server)) = service_with_graph().await else { return };
    let service = Service::new(&server);
    let elsewhere = tempfile::tempdir().expect("a folder");

    // Back up under load, and while the next index is built and swapped in.
    let load = Load::start(&service, "load");
    wait_for("some items", Duration::from_secs(60), async || (load.acknowledged().len() > 12).then_some(())).await;
    let before = load.acknowledged();
    let reindex = service.start("reindex").await;
    let task = service.start("backup").await;
    let second_backup = service.send(Method::POST, "/v1/admin/backup", None).await.1;
    let backup = service.wait_for_task(&task).await;
    let reindex = service.wait_for_task(&reindex).await;
    assert_eq!(reindex["status"], "succeeded", "{reindex}");
    let acknowledged = load.end().await;
    assert!(
        task.ends_with(&second_backup["id"].to_string()) || second_backup["id"].as_u64() > backup["id"].as_u64(),
        "{second_backup}"
    );
    assert_eq!((&backup["progress"]["percent"], &backup["result"]["missing"]), (&json!(100.0), &json!(0)), "{backup}");
    let (from_load, file) = (elsewhere.path().join("from load"), file_of(data.path(), &backup));
    let output_text = combined_output(&restore(&file, &from_load));
    assert!(output_text.contains("restored") && output_text.contains("ready for use"), "{output_text}");

    let archive_file: String = query_scalar(&from_load, "pragma integrity_check").await;
    assert_eq!(archive_file, "ok");
    assert_eq!(
        count(&from_load, "select auto_vacuum from pragma_auto_vacuum").await,
        2,
        "auto-vacuum is still incremental"
    );
    let paths: String =
        query_scalar(&from_load, "select json_group_array(image_path) from items where content_hash is not null").await;
    let paths: Vec<PathBuf> = serde_json::from_str(&paths).expect("paths");
    assert!(paths.len() > 100);
    for path in paths {
        assert!(path.starts_with(from_load.join("images")) && path.is_file(), "{}", path.display());
    }
    let restored = Server::start(&from_load).await;
    let there = Service::new(&restored);
    for (id, seed) in &before {
        // An item that changed after the backup began may have either state in it.
        if acknowledged.get(id) == Some(seed) {
            let (status, bytes) = there.image(id).await;
            match seed {
                Some(seed) => assert!(status == 200 && bytes == picture(*seed), "{id} is lost: {status}"),
                None => assert_eq!(status, 404, "{id} came back"),
            }
        }
    }
    let searched = there.send(Method::POST, "/v1/search/text", Some(json!({"query": "a bird", "limit": 3}))).await;
    assert_eq!(searched.1["results"].as_array().map(Vec::len), Some(3), "{}", searched.1);
    drop(restored);

    // Back up an idle service, whose index has base points, delta points and tombstones.
    service.wait_for_tasks().await;
    let file = file_of(data.path(), &service.run("backup").await);
    let at_rest = elsewhere.path().join("at rest");
    fs::create_dir(&at_rest).expect("an empty folder");
    let output = restore(&file, &at_rest);
    assert!(output.status.success(), "{}", combined_output(&output));
    let restored = Server::start(&at_rest).await;
    let there = Service::new(&restored);
    let (here, there) = (service.run_queries().await, there.run_queries().await);
    for (n, (here, there)) in here.iter().zip(&there).enumerate() {
        assert_eq!(here, there, "query {n}");
    }
    let graph_responses = here
        .iter()
        .filter(|response| response["strategy"] == "graph+delta" || response["strategy"] == "graph_and_delta");
    assert!(graph_responses.count() > 20, "{}", here[2]);
    assert_eq!(file_names(elsewhere.path()), ["at rest", "from load"], "nothing unfinished is left");

    // An existing collection or folder is not overwritten.
    let output = restore(&file, &at_rest);
    assert!(
        !output.status.success() && combined_output(&output).contains("has a collection already"),
        "{}",
        combined_output(&output)
    );
    fs::create_dir(elsewhere.path().join("full")).expect("a folder");
    fs::write(elsewhere.path().join("full/thesis.txt"), "mine").expect("a file");
    let output = restore(&file, &elsewhere.path().join("full"));
    assert!(
        !output.status.success() && combined_output(&output).contains("is not empty"),
        "{}",
        combined_output(&output)
    );
    let output = restore(&file, &elsewhere.path().join("no/where"));
    assert!(
        !output.status.success() && combined_output(&output).contains("does not exist"),
        "{}",
        combined_output(&output)
    );
}

/// Name, offset and length of each file in an archive.
fn members(archive: &[u8]) -> Vec<(String, usize, usize)> {
    let mut tar = tar::Archive::new(archive);
    let entries = tar.entries().expect("entries").map(|entry| entry.expect("an entry"));
    let place = |entry: tar::Entry<'_, &[u8]>| {
        let name = entry.path().expect("a name").display().to_string();
        (name, entry.raw_file_position() as usize, entry.size() as usize)
    };
    entries.map(place).collect()
}

#[tokio::test]
async fn restore_refuses_altered_archives_and_leaves_nothing() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let folder = tempfile::tempdir().expect("a folder");
    let key = succeed(diptych(data.path()).args(["key", "create", "--scope", "search", "--name", "a page"]));
    let archive_file = folder.path().join("whole.tar");
    let output_text = succeed(diptych(data.path()).arg("backup").arg(&archive_file));
    assert!(output_text.contains("sha256") && !output_text.contains("missing"), "{output_text}");
    let nowhere = folder.path().join("mistyped");
    let refused = diptych(&nowhere).arg("backup").output().expect("the binary starts");
    assert!(
        !refused.status.success() && combined_output(&refused).contains("contains no collection"),
        "{}",
        combined_output(&refused)
    );
    assert!(!nowhere.exists());
    let refused = diptych(data.path()).arg("backup").arg(&archive_file).output().expect("the binary starts");
    assert!(
        !refused.status.success() && combined_output(&refused).contains("exists; name another file"),
        "{}",
        combined_output(&refused)
    );
    let output_text = succeed(diptych(data.path()).arg("backup").arg(&archive_file).arg("--replace"));
    let sum = Command::new("sha256sum").arg(&archive_file).output().expect("sha256sum runs");
    assert!(
        output_text.contains(String::from_utf8_lossy(&sum.stdout).split(' ').next().expect("a sum")),
        "{output_text}"
    );

    let bytes = fs::read(&archive_file).expect("a backup");
    let to = folder.path().join("data");
    let expect_refusal = |bytes: &[u8], what: &str, by: &str| {
        let bad = folder.path().join("bad.tar");
        fs::write(&bad, bytes).expect("written");
        let output = restore(&bad, &to);
        let text = combined_output(&output);
        assert!(
            !output.status.success() && text.contains("could not be restored") && text.contains(by),
            "{what}: {text}"
        );
        assert_eq!(file_names(folder.path()), ["bad.tar", "whole.tar"], "{what}");
    };
    let members = members(&bytes);
    let end = bytes.len();
    for cut in [
        0,
        100,
        512,
        members[3].1 + 7,
        end / 3,
        end / 2 / 512 * 512,
        members[members.len() - 2].1,
        end - 1024,
        end - 512,
        end - 1,
    ] {
        expect_refusal(&bytes[..cut], &format!("cut to {cut} of {end}"), "truncated");
    }
    let mut sampled = [
        0,
        members.len() / 3,
        members.len() / 2,
        members.len() - 4,
        members.len() - 3,
        members.len() - 2,
        members.len() - 1,
    ];
    sampled.sort_unstable();
    for (name, at, length) in sampled.map(|n| &members[n]) {
        for place in [*at, at + length / 2, at + length - 1, at - 500, at - 380] {
            let mut altered = bytes.clone();
            altered[place] ^= 0x10;
            expect_refusal(&altered, &format!("byte {place} of {name} flipped"), "archive");
        }
        let mut altered = bytes.clone();
        altered[at + length / 2] ^= 1;
        let expected_name = if name.starts_with("manifest.json") { "manifest.json" } else { name };
        expect_refusal(&altered, &format!("{name} flipped"), expected_name);
    }
    // An extra file before the manifest, added with another tool, with valid and with malicious paths.
    let (before, manifest) = bytes.split_at(members[members.len() - 2].1 - 512);
    for name in ["images/zz/extra.png", "../x", "/etc/passwd", "images/../../x"] {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(3);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        let mut extra = header.as_bytes().to_vec();
        extra.extend_from_slice(b"abc");
        extra.resize(1024, 0);
        expect_refusal(&[before, &extra, manifest].concat(), name, name);
    }
    assert!(!folder.path().parent().expect("a folder").join("x").exists());
    let (one, at, length) = &members[members.len() / 2];
    let without = [&bytes[..at - 512], &bytes[(at + length).next_multiple_of(512)..]].concat();
    expect_refusal(&without, "one less", one);
    let output_text = combined_output(&restore(&folder.path().join("none.tar"), &to));
    assert!(output_text.contains("none.tar"), "{output_text}");

    // The unaltered archive is restored, with its keys, and staging of a killed restore is removed.
    let leftovers = folder.path().join(".diptych-unfinished-left");
    fs::create_dir_all(leftovers.join("data/images")).expect("a folder");
    fs::write(leftovers.join("LOCK"), "").expect("a file");
    let output_text = succeed(diptych(&to).arg("restore").arg(&archive_file));
    assert!(!leftovers.exists());
    assert!(output_text.contains("keys      1"), "{output_text}");
    let server = Server::start(&to).await;
    let search_with = |key: &str| {
        reqwest::Client::new()
            .get(format!("{}/v1/search?q=bird", server.base))
            .header("authorization", format!("Bearer {key}"))
    };
    let key = key.lines().find(|line| line.starts_with("dpt_")).expect("a key");
    assert_eq!(search_with(key).send().await.expect("a response").status(), 200);
    assert_eq!(search_with("dpt_0_0").send().await.expect("a response").status(), 401);
}

/// Adds a large sparse file, so that a backup takes a while.
fn add_large_file(data: &Path) {
    let models = fs::read_dir(data.join("models")).expect("a folder").flatten();
    let model = models.map(|entry| entry.path()).find(|path| path.join("model.json").exists()).expect("a model");
    File::create(model.join("long.bin")).and_then(|file| file.set_len(40 << 30)).expect("a sparse file");
}

/// Waits until a backup that is not among the `leftovers` is being written in a folder.
async fn wait_for_partial_archive(folder: &Path, leftovers: &[String]) {
    wait_for("an archive to grow", Duration::from_secs(60), async || {
        let is_new = |name: &String| name.starts_with(".diptych-unfinished-") && !leftovers.contains(name);
        let unfinished = file_names(folder).into_iter().find(is_new)?;
        let archive = folder.join(unfinished).join("archive.tar").metadata().ok()?;
        (archive.len() > 4 << 20).then_some(())
    })
    .await;
}

#[tokio::test]
async fn cancelled_or_killed_backup_leaves_no_archive() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    add_large_file(data.path());
    let backups = data.path().join("backups");
    let server = Server::start(data.path()).await;
    let service = Service::new(&server);

    let task = service.start("backup").await;
    wait_for_partial_archive(&backups, &[]).await;
    // Compaction waits for the backup, and can be cancelled meanwhile.
    let waiting = service.start("compact").await;
    let began = Instant::now();
    for task in [&waiting, &task] {
        assert_eq!(service.send(Method::POST, &format!("{task}/cancel"), None).await.0, 200);
    }
    for task in [&waiting, &task] {
        assert_eq!(service.wait_for_task(task).await["status"], "cancelled");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(file_names(&backups).is_empty(), "{:?}", file_names(&backups));

    // After SIGKILL, the partial backup is removed when the service starts.
    let task = service.start("backup").await;
    wait_for_partial_archive(&backups, &[]).await;
    server.kill();
    let leftovers = file_names(&backups);
    assert!(leftovers.len() == 1 && leftovers[0].starts_with(".diptych-unfinished-"), "{leftovers:?}");
    let server = Server::start(data.path()).await;
    assert!(file_names(&backups).is_empty(), "{:?}", file_names(&backups));
    assert_eq!(Service::new(&server).send(Method::GET, &task, None).await.1["status"], "interrupted");
    drop(server);

    // On the command line, the partial backup is next to the target; the next backup removes it.
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("mine.tar");
    fs::write(&to, "an older one").expect("a file");
    let mut command = diptych(data.path());
    let mut child = command.arg("backup").arg(&to).arg("--replace").spawn().expect("the binary starts");
    wait_for_partial_archive(folder.path(), &[]).await;
    child.kill().expect("the command is killed");
    child.wait().expect("the command exits");
    assert_eq!(fs::read_to_string(&to).expect("a file"), "an older one");
    // On SIGINT it removes its partial backup.
    let leftovers = file_names(folder.path());
    let mut child = diptych(data.path()).arg("backup").arg(&to).arg("--replace").spawn().expect("the binary starts");
    wait_for_partial_archive(folder.path(), &leftovers).await;
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs").success());
    assert_eq!(child.wait().expect("the command exits").code(), Some(130));
    assert_eq!(file_names(folder.path()), ["mine.tar"]);
    assert_eq!(fs::read_to_string(&to).expect("a file"), "an older one");
    // A limit on file sizes stands in for a full disk.
    let full = format!(
        "trap '' XFSZ; ulimit -f 8000; exec {} backup {}",
        env!("CARGO_BIN_EXE_diptych"),
        folder.path().join("big.tar").display()
    );
    let mut command = Command::new("sh");
    let output = command.args(["-c", &full]).env("DIPTYCH_DATA", data.path()).output().expect("a shell");
    assert!(!output.status.success() && combined_output(&output).contains("long.bin"), "{}", combined_output(&output));
    assert_eq!(file_names(folder.path()), ["mine.tar"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_deletes_unreferenced_files_and_changes_no_answer() {
    let Some((data, server)) = service_with_graph().await else { return };
    let service = Service::new(&server);
    for n in 0..40 {
        assert_eq!(service.put(&format!("kept-{n}"), 5_000 + n).await, 201);
        assert_eq!(service.put(&format!("gone-{n}"), 6_000 + n).await, 201);
    }
    for n in 0..40 {
        assert_eq!(service.send(Method::DELETE, &format!("/v1/items/gone-{n}"), None).await.0, 204);
    }
    for leftover in ["index/unfinished-77", "backups/.diptych-unfinished-1"] {
        fs::create_dir_all(data.path().join(leftover)).expect("a folder");
        fs::write(data.path().join(leftover).join("LOCK"), "").expect("a file");
    }
    service.wait_for_tasks().await;
    let responses = service.run_queries().await;
    const ORPHANS: &str = "select count(*) from features where hash not in (select content_hash from items where \
        content_hash is not null)
                           and hash not in (select text_hash from captions)";
    assert!(count(data.path(), ORPHANS).await >= 40 * 3);
    let images = || files_below(&data.path().join("images")).len();
    let thumbnails = || files_below(&data.path().join("thumbnails")).len();
    let (images_before, thumbnails_before) = (images(), thumbnails());
    assert_eq!(images_before, 80);

    let task = service.run("compact").await;
    assert_eq!(task["status"], "succeeded", "{task}");
    let result = &task["result"];
    let removed = &result["removed"];
    assert_eq!(
        (&removed["pictures"], &removed["thumbnails"], &removed["generations"], &removed["temporaries"]),
        (&json!(40), &json!(40), &json!(1), &json!(1)),
        "{task}"
    );
    assert!(
        removed["features"].as_u64() >= Some(120) && result["notes"].as_array().is_some_and(Vec::is_empty),
        "{task}"
    );
    assert!(result["bytes_after"].as_u64() < result["bytes_before"].as_u64(), "{task}");
    assert_eq!(count(data.path(), ORPHANS).await, 0);
    assert_eq!((images(), thumbnails()), (40, thumbnails_before - 40));
    assert_eq!(count(data.path(), "select freelist_count from pragma_freelist_count").await, 0);
    assert_eq!(service.run_queries().await, responses);
    for n in 0..40 {
        assert_eq!(service.image(&format!("kept-{n}")).await, (200, picture(5_000 + n)));
    }

    // Compact repeatedly while items, many of them with shared pictures, are inserted and deleted.
    let load = Load::start(&service, "load");
    let mut pictures = 0;
    for round in 0..12 {
        if round % 4 == 3 {
            succeed(diptych(data.path()).arg("compact"));
        } else {
            let task = service.run("compact").await;
            assert_eq!(task["status"], "succeeded", "{task}");
            pictures += task["result"]["removed"]["pictures"].as_u64().expect("a number");
        }
    }
    let acknowledged = load.end().await;
    assert!(pictures > 0 && acknowledged.len() > 20, "{pictures} pictures of {} items", acknowledged.len());
    for (id, seed) in acknowledged {
        let (status, bytes) = service.image(&id).await;
        match seed {
            Some(seed) => assert!(status == 200 && bytes == picture(seed), "{id}: {status}"),
            None => assert_eq!(status, 404, "{id}"),
        }
    }
}

/// All files below a folder, recursively.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

#[tokio::test]
async fn backup_reports_missing_pictures_and_succeeds() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let pictures = tempfile::tempdir().expect("a folder");
    for (name, seed) in [("there", 1), ("gone", 2), ("other", 3)] {
        fs::create_dir(pictures.path().join(name)).expect("a folder");
        fs::write(pictures.path().join(name).join("one.png"), picture(seed)).expect("a picture");
    }
    succeed(diptych(data.path()).arg("import").arg(pictures.path()));
    fs::remove_dir_all(pictures.path().join("gone")).expect("removed");
    fs::write(pictures.path().join("other/one.png"), picture(4)).expect("a picture");

    let folder = tempfile::tempdir().expect("a folder");
    let output_text = succeed(diptych(data.path()).arg("backup").arg(folder.path()));
    assert!(
        output_text.contains("2 files are missing")
            && output_text.contains("gone/one.png")
            && output_text.contains("changed since"),
        "{output_text}"
    );
    let [backup] = &file_names(folder.path())[..] else { panic!("one backup: {:?}", file_names(folder.path())) };
    assert!(backup.starts_with("diptych-2") && backup.ends_with("Z.tar"), "{backup}");
    drop(pictures);
    let to = folder.path().join("data");
    let output_text = succeed(diptych(&to).arg("restore").arg(folder.path().join(backup)));
    assert!(output_text.contains("2 files were missing") && output_text.contains("index     none"), "{output_text}");
    let server = Server::start(&to).await;
    let service = Service::new(&server);
    let (_, items) = service.send(Method::GET, "/v1/items?limit=100", None).await;
    assert!(items["items"].as_array().is_some_and(|items| items.len() > 50));
    assert_eq!(service.image("there%2Fone.png").await, (200, picture(1)));
    assert_eq!(service.image("gone%2Fone.png").await.0, 404);
}
