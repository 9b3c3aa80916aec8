//! Background tasks: they report progress, can be cancelled, and no query fails meanwhile.

use std::{path::Path, time::Duration};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, trained_collection},
    search::drawn_picture,
};

pub(crate) async fn send(method: Method, address: &str, body: Option<Value>) -> (u16, Value) {
    let request = Client::new().request(method, address);
    let request = match &body {
        Some(body) => request.json(body),
        None => request,
    };
    let response = request.send().await.expect("a response");
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

/// Starts a task and returns its URL.
pub(crate) async fn start_task(base: &str, path: &str, body: Option<Value>) -> String {
    let (status, task) = send(Method::POST, &format!("{base}{path}"), body).await;
    assert_eq!(status, 202, "{path}: {task}");
    format!("{base}/v1/tasks/{}", task["id"])
}

/// Waits until a task has finished, and returns it.
pub(crate) async fn wait_for_task(address: &str) -> Value {
    for _ in 0..12 {
        let (status, task) = send(Method::GET, &format!("{address}?wait=25"), None).await;
        assert_eq!(status, 200);
        if task["finished_at"].is_string() {
            return task;
        }
    }
    panic!("{address} did not finish in five minutes");
}

/// Settings of a training with few epochs.
fn short_training(epochs: usize) -> Value {
    let head = json!({"optimizer": {"max_epochs": epochs, "patience": epochs, "hidden": 64}});
    json!({"class": head, "pair": head})
}

/// Sends queries until it is stopped, and returns the responses.
fn query_continuously(base: &str) -> (tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<Vec<(u16, Value)>>) {
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let address = format!("{base}/v1/search/text");
    let handle = tokio::spawn(async move {
        let mut responses = Vec::new();
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            let body = json!({"query": format!("a bird number {}", responses.len()), "limit": 3});
            tokio::select! {
                _ = &mut stopped => return responses,
                response = send(Method::POST, &address, Some(body)) => responses.push(response),
            }
        }
    });
    (stop, handle)
}

#[tokio::test]
async fn queries_are_answered_during_train_promotion_and_rollback() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let base = server.base.as_str();
    let model = async || send(Method::GET, &format!("{base}/v1/models"), None).await.1;
    let first = model().await["active"].as_str().expect("a model").to_owned();
    let (stop, queries) = query_continuously(base);

    // A poor model is not promoted.
    let refused =
        start_task(base, "/v1/admin/train", Some(json!({"settings": short_training(1), "margin": 0.0}))).await;
    let task = wait_for_task(&refused).await;
    assert_eq!(
        (&task["status"], &task["result"]["verdict"]["promoted"]),
        (&json!("succeeded"), &json!(false)),
        "{task}"
    );
    assert!(
        !task["result"]["verdict"]["objections"].as_array().expect("a list").is_empty()
            && task["result"]["index"].is_null()
    );
    assert_eq!(model().await["active"], first.as_str());

    // With `force` it is activated, and its epochs are reported as events.
    let forced = start_task(base, "/v1/admin/train", Some(json!({"settings": short_training(2), "force": true}))).await;
    let events = reqwest::get(format!("{forced}/events")).await.expect("events").text().await.expect("all events");
    let task = wait_for_task(&forced).await;
    assert_eq!(task["status"], "succeeded", "{task}");
    let second = task["result"]["model"].as_str().expect("a model").to_owned();
    assert!(events.matches("event: metric").count() == 4 && events.contains("validation_map"), "{events}");
    assert!(events.trim_end().rsplit("\n\n").next().expect("events").contains("event: status"), "{events}");
    assert_eq!((&task["progress"]["percent"], &task["metrics"]["epoch"]), (&json!(100.0), &json!(2)), "{task}");
    let missed_events =
        Client::new().get(format!("{forced}/events")).header("last-event-id", "3").send().await.expect("events");
    assert_eq!(
        missed_events.text().await.expect("events").matches("event: metric").count(),
        1,
        "events after the last id"
    );
    let response = send(Method::GET, &format!("{base}/v1/search?q=bird"), None).await.1;
    assert_eq!(response["model"], second.as_str());

    // Roll back, and activate the second model again.
    let rollback = wait_for_task(&start_task(base, "/v1/models/rollback", None).await).await;
    assert_eq!((&rollback["status"], &rollback["result"]["model"]), (&json!("succeeded"), &json!(first)), "{rollback}");
    assert_eq!(send(Method::GET, &format!("{base}/v1/search?q=bird"), None).await.1["model"], first.as_str());
    let activation = wait_for_task(&start_task(base, &format!("/v1/models/{second}/activate"), None).await).await;
    assert_eq!(activation["result"]["model"], second.as_str(), "{activation}");

    stop.send(()).expect("the queries are running");
    let responses = queries.await.expect("responses");
    let failed: Vec<_> = responses.iter().filter(|(status, _)| *status != 200).collect();
    assert!(failed.is_empty() && !responses.is_empty(), "{} of {}: {failed:?}", failed.len(), responses.len());

    let (status, problem) = send(Method::POST, &format!("{base}/v1/models/no-such/activate"), None).await;
    assert_eq!((status, &problem["code"]), (404, &json!("model_not_found")));
    let (status, problem) =
        send(Method::POST, &format!("{base}/v1/admin/train"), Some(json!({"settings": {"sed": 1}}))).await;
    assert!(
        status == 422 && problem["code"] == "invalid_settings" && problem["detail"].to_string().contains("sed"),
        "{problem}"
    );
    let (status, problem) = send(Method::POST, &format!("{base}/v1/admin/train"), Some(json!({"margin": 7}))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/margin")), "{problem}");
}

#[tokio::test]
async fn tasks_can_be_cancelled_and_listed() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let base = server.base.as_str();
    let task = start_task(base, "/v1/admin/train", Some(json!({"settings": short_training(100_000)}))).await;
    let (status, problem) = send(Method::POST, &format!("{base}/v1/admin/train"), None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("task_at_work")), "one training at a time");
    crate::common::wait_for("the first epoch", Duration::from_secs(60), async || {
        send(Method::GET, &task, None).await.1["metrics"]["epoch"].as_u64()
    })
    .await;
    let (status, _) = send(Method::POST, &format!("{task}/cancel"), None).await;
    assert_eq!(status, 200);
    let stopped = wait_for_task(&task).await;
    assert_eq!(stopped["status"], "cancelled", "{stopped}");
    let (status, problem) = send(Method::POST, &format!("{task}/cancel"), None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("task_ended")));

    let list = async |parameters: &str| {
        let (_, list) = send(Method::GET, &format!("{base}/v1/tasks?{parameters}"), None).await;
        list["tasks"].as_array().expect("tasks").clone()
    };
    assert_eq!(list("status=cancelled&type=train").await.len(), 1);
    assert!(list("status=running").await.is_empty());
    for (path, status) in [
        ("/v1/tasks?status=lost", 400),
        ("/v1/tasks?limit=0", 422),
        ("/v1/tasks/99999/events", 404),
        ("/v1/tasks/99999/cancel", 405),
        ("/v1/tasks/1?wait=9999", 422),
    ] {
        assert_eq!(send(Method::GET, &format!("{base}{path}"), None).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn import_task_reads_a_server_path_and_model_has_a_report() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let base = server.base.as_str();
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("disc.bmp"), &drawn_picture());
    write(&folder.path().join("broken.png"), b"not a picture");
    let lines = "{\"id\": \"disc\", \"image\": \"disc.bmp\", \"captions\": [\"a red disc on white\"], \"label\": \
        \"discs\"}\n\
                 {\"id\": \"broken\", \"image\": \"broken.png\"}\n";
    write(&folder.path().join("data.jsonl"), lines.as_bytes());
    let body = json!({"path": folder.path().join("data.jsonl")});
    let task = wait_for_task(&start_task(base, "/v1/admin/import", Some(body)).await).await;
    assert_eq!(
        (&task["status"], &task["result"]["taken"], &task["result"]["rejected"]),
        (&json!("succeeded"), &json!(1), &json!(1)),
        "{task}"
    );
    let filter = json!({"must": [{"key": "id", "match": {"value": "disc"}}]});
    let found =
        send(Method::POST, &format!("{base}/v1/search/text"), Some(json!({"query": "a red disc", "filter": filter})))
            .await
            .1;
    assert_eq!(found["results"][0]["id"], "disc", "{found}");
    let (status, problem) =
        send(Method::POST, &format!("{base}/v1/admin/import"), Some(json!({"path": "/no/such/folder"}))).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_query")), "{problem}");

    let model =
        send(Method::GET, &format!("{base}/v1/models"), None).await.1["active"].as_str().expect("a model").to_owned();
    let page = format!("{base}/v1/models/{model}/report?format=html");
    assert_eq!(send(Method::GET, &page, None).await.0, 404);
    let task = wait_for_task(&start_task(base, "/v1/admin/evaluate", None).await).await;
    assert_eq!(task["status"], "succeeded", "{task}");
    let response = reqwest::get(&page).await.expect("a response");
    assert!(response.headers()["content-security-policy"].to_str().expect("text").contains("default-src 'none'"));
    assert!(response.text().await.expect("a page").contains("How good is it?"));
    let report = send(Method::GET, &format!("{base}/v1/models/{model}/report"), None).await.1;
    assert!(report["report"]["map_image_to_text"].as_f64().is_some_and(|map| map > 0.0), "{report}");
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a file");
}
