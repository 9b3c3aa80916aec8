//! Long-running tests: a minute of queries, inserts and deletes while models are trained and activated, and ten
//! thousand inserts while the service is killed repeatedly.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::common::{Server, copy_collection, count, trained_collection};

/// Minimum duration of the load.
const DURATION: Duration = Duration::from_secs(60);

/// A query text that is unique to its number.
fn query_text(n: usize) -> String {
    const THINGS: [&str; 8] = ["a bird", "a red car", "some food", "a flag", "a tree", "a house", "music", "a tool"];
    format!("{} {n}", THINGS[n % THINGS.len()])
}

/// Background load that runs until it is stopped, and its failures.
struct Load {
    base: String,
    client: Client,
    stop: AtomicBool,
    answered: AtomicUsize,
    failures: std::sync::Mutex<Vec<String>>,
}

impl Load {
    fn is_running(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>, allowed: &[u16]) -> Option<Value> {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let (status, text) = match request.send().await {
            Ok(response) => (response.status().as_u16(), response.text().await.unwrap_or_default()),
            Err(error) => (0, error.to_string()),
        };
        self.answered.fetch_add(1, Ordering::Relaxed);
        if !allowed.contains(&status) {
            self.failures.lock().expect("no panic").push(format!("{path} {body:?}: {status} {text}"));
            return None;
        }
        (status < 300).then(|| serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn query_repeatedly(self: Arc<Self>, offset: usize) {
        for n in 0.. {
            if !self.is_running() {
                return;
            }
            let target = ["image", "text", "any"][n % 3];
            let body = json!({"query": query_text(offset + 10 * n), "hybrid": n % 2 == 0, "target": target});
            self.send(Method::POST, "/v1/search/text", Some(body), &[200]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Follows cursors from page to page: results do not repeat, and a cursor is valid or expired.
    async fn page_through(self: Arc<Self>) {
        for n in 0.. {
            let body = json!({"query": query_text(1000 + n), "target": "any", "limit": 25});
            let mut page = self.send(Method::POST, "/v1/search/text", Some(body), &[200]).await;
            let mut seen = HashSet::new();
            while let Some(found) = page.take() {
                for result in found["results"].as_array().into_iter().flatten() {
                    let key = (result["id"].to_string(), result["caption"].to_string());
                    if !seen.insert(key.clone()) {
                        self.failures.lock().expect("no panic").push(format!("{key:?} was returned twice"));
                    }
                }
                if !self.is_running() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                if let Some(cursor) = found["next_cursor"].as_str() {
                    page = self
                        .send(Method::GET, &format!("/v1/search?limit=25&cursor={cursor}"), None, &[200, 410])
                        .await;
                }
            }
        }
    }

    /// Inserts items, checks that each is found, and deletes half of them.
    async fn insert_and_delete(self: Arc<Self>) {
        for n in 0.. {
            if !self.is_running() {
                return;
            }
            let id = format!("soak-{n}");
            let item = json!({"id": id, "captions": [format!("a soaked thing of number {n}")], "labels": ["soaked"]});
            self.send(Method::POST, "/v1/items", Some(item), &[201]).await;
            let filter = json!({"must": [{"key": "id", "match": {"value": id}}]});
            let own = json!({"query": format!("a soaked thing of number {n}"), "target": "text", "filter": filter});
            let found = self.send(Method::POST, "/v1/search/text", Some(own), &[200]).await;
            if found.is_some_and(|found| found["total"] != 1) {
                self.failures.lock().expect("no panic").push(format!("{id} was acknowledged but is not found"));
            }
            if n % 2 == 0 {
                self.send(Method::DELETE, &format!("/v1/items/{id}"), None, &[204]).await;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Runs a task to completion.
    async fn task(&self, path: &str, body: Option<Value>) -> Value {
        let task = self.send(Method::POST, path, body, &[202]).await.expect("a task");
        loop {
            let path = format!("/v1/tasks/{}?wait=20", task["id"]);
            let now = self.send(Method::GET, &path, None, &[200]).await.expect("a task");
            if !["enqueued", "running"].contains(&now["status"].as_str().expect("a status")) {
                assert_eq!(now["status"], "succeeded", "{now}");
                return now;
            }
        }
    }
}

#[tokio::test]
async fn no_request_fails_while_models_and_items_change_for_a_minute() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let load = Arc::new(Load {
        base: server.base.clone(),
        client: Client::new(),
        stop: AtomicBool::new(false),
        answered: AtomicUsize::new(0),
        failures: std::sync::Mutex::default(),
    });
    let began = Instant::now();
    let mut workers: Vec<_> = (0..2).map(|offset| tokio::spawn(Arc::clone(&load).query_repeatedly(offset))).collect();
    workers.push(tokio::spawn(Arc::clone(&load).page_through()));
    workers.push(tokio::spawn(Arc::clone(&load).insert_and_delete()));

    let mut rounds = 0;
    while rounds == 0 || began.elapsed() < DURATION {
        let head_settings = |epochs: usize| json!({"course": {"max_epochs": epochs, "patience": epochs, "hidden": 64}});
        let settings = |epochs: usize| json!({"class": head_settings(epochs), "pair": head_settings(epochs)});
        let rejected_training = json!({"settings": settings(1), "margin": 0.0});
        let refused = load.task("/v1/admin/train", Some(rejected_training)).await;
        let forced_training = json!({"settings": settings(2), "force": true});
        let trained = load.task("/v1/admin/train", Some(forced_training)).await;
        assert_eq!(trained["result"]["verdict"]["promoted"], true, "{trained}");
        load.task("/v1/admin/reindex", None).await;
        load.task("/v1/models/rollback", None).await;
        assert!(refused["result"]["model"].is_string(), "{refused}");
        rounds += 1;
    }
    load.stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.expect("the worker ends");
    }
    let failures = load.failures.lock().expect("no panic").clone();
    let answered = load.answered.load(Ordering::Relaxed);
    assert!(failures.is_empty(), "{} of {answered}:\n{}", failures.len(), failures.join("\n"));
    eprintln!("{answered} requests in {:.0?} and {rounds} rounds, none failed", began.elapsed());
    assert!(answered > 500, "{answered}");
}

/// Number of items, items per batch, and kills in the test below.
const ITEMS: usize = 10_000;
const BATCH: usize = 100;
const KILLS: usize = 12;

#[tokio::test]
async fn ten_thousand_items_are_stored_once_each_despite_kills() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let before = count(data.path(), "select count(*) from items").await;
    let line = |n: usize| {
        json!({"id": format!("kept-{n}"), "captions": [format!("a kept thing {}", n % 700)], "meta": {"n": n}})
            .to_string()
    };
    let batch = |first: usize| (first..first + BATCH).map(line).collect::<Vec<_>>().join("\n");
    let client = Client::new();
    let (mut next, mut kills, mut acknowledged) = (0, 0, Vec::new());
    while next < ITEMS {
        let server = Server::start(data.path()).await;
        // Kill each service while it ingests batches, except for the last one.
        let kill_after = (kills < KILLS).then(|| Duration::from_millis(rand::random_range(50..900)));
        let was_killed = Arc::new(AtomicBool::new(false));
        let base = server.base.clone();
        let watch = {
            let was_killed = Arc::clone(&was_killed);
            tokio::spawn(async move {
                if let Some(after) = kill_after {
                    tokio::time::sleep(after).await;
                    was_killed.store(true, Ordering::Relaxed);
                    server.kill();
                    None
                } else {
                    Some(server)
                }
            })
        };
        while next < ITEMS {
            let sent = client.post(format!("{base}/v1/items/batch")).body(batch(next)).send().await;
            let Ok(response) = sent else { break };
            let Ok(result) = response.json::<Value>().await else { break };
            assert_eq!(result["taken"], BATCH, "{result}");
            acknowledged.push(next);
            next += BATCH;
        }
        if kill_after.is_some() {
            kills += 1;
        }
        let survivor = watch.await.expect("the killer ends");
        assert_eq!(survivor.is_some(), kill_after.is_none());
        assert_eq!(was_killed.load(Ordering::Relaxed), kill_after.is_some());
    }
    assert!(kills >= 10, "{kills} kills");
    assert_eq!(acknowledged.len() * BATCH, ITEMS);

    let server = Server::start(data.path()).await;
    assert_eq!(
        count(data.path(), "select count(*) from items").await,
        before + ITEMS as i64,
        "every item is stored once"
    );
    let distinct_ids = "select count(distinct id) from items where id like 'kept-%'";
    assert_eq!(count(data.path(), distinct_ids).await, ITEMS as i64);
    let stats: Value =
        client.get(format!("{}/v1/stats", server.base)).send().await.expect("a response").json().await.expect("JSON");
    let points = stats["index"]["captions"]["points"].as_i64().expect("a number");
    assert_eq!(points, count(data.path(), "select count(*) from captions").await, "every caption is in the index");
    for n in (0..ITEMS).step_by(977) {
        let filter = json!({"must": [{"key": "meta.n", "match": {"value": n}}]});
        let body = json!({"query": format!("a kept thing {}", n % 700), "target": "text", "filter": filter});
        let response =
            client.post(format!("{}/v1/search/text", server.base)).json(&body).send().await.expect("a response");
        let found: Value = response.json().await.expect("JSON");
        assert_eq!((&found["total"], &found["results"][0]["id"]), (&json!(1), &json!(format!("kept-{n}"))), "{found}");
    }
}
