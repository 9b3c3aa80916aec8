//! Long work of a running service: it is told as it goes, can be stopped, and no query fails meanwhile.

use std::{path::Path, time::Duration};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, trained_collection},
    search::drawn_picture,
};

pub(crate) async fn ask(method: Method, address: &str, body: Option<Value>) -> (u16, Value) {
    let request = Client::new().request(method, address);
    let request = match &body {
        Some(body) => request.json(body),
        None => request,
    };
    let response = request.send().await.expect("a response");
    (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
}

/// Starts a task and gives its address.
pub(crate) async fn start(base: &str, path: &str, body: Option<Value>) -> String {
    let (status, task) = ask(Method::POST, &format!("{base}{path}"), body).await;
    assert_eq!(status, 202, "{path}: {task}");
    format!("{base}/v1/tasks/{}", task["id"])
}

/// The task when it has ended.
pub(crate) async fn ended(address: &str) -> Value {
    for _ in 0..12 {
        let (status, task) = ask(Method::GET, &format!("{address}?wait=25"), None).await;
        assert_eq!(status, 200);
        if task["finished_at"].is_string() {
            return task;
        }
    }
    panic!("{address} has not ended in five minutes");
}

/// A training of few steps.
fn short(epochs: usize) -> Value {
    let head = json!({"optimizer": {"max_epochs": epochs, "patience": epochs, "hidden": 64}});
    json!({"class": head, "pair": head})
}

/// Asks all the while, and gives the answers.
fn asking(base: &str) -> (tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<Vec<(u16, Value)>>) {
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let address = format!("{base}/v1/search/text");
    let asking = tokio::spawn(async move {
        let mut responses = Vec::new();
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            let body = json!({"query": format!("a bird number {}", responses.len()), "limit": 3});
            tokio::select! {
                _ = &mut stopped => return responses,
                response = ask(Method::POST, &address, Some(body)) => responses.push(response),
            }
        }
    });
    (stop, asking)
}

#[tokio::test]
async fn queries_are_answered_during_train_promotion_and_rollback() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let base = server.base.as_str();
    let model = async || ask(Method::GET, &format!("{base}/v1/models"), None).await.1;
    let first = model().await["active"].as_str().expect("a model").to_owned();
    let (stop, asked) = asking(base);

    // A poor model stops at the gate.
    let refused = start(base, "/v1/admin/train", Some(json!({"settings": short(1), "margin": 0.0}))).await;
    let task = ended(&refused).await;
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

    // Forced, it answers, and its epochs were told as they came.
    let forced = start(base, "/v1/admin/train", Some(json!({"settings": short(2), "force": true}))).await;
    let told = reqwest::get(format!("{forced}/events")).await.expect("events").text().await.expect("all events");
    let task = ended(&forced).await;
    assert_eq!(task["status"], "succeeded", "{task}");
    let second = task["result"]["model"].as_str().expect("a model").to_owned();
    assert!(told.matches("event: metric").count() == 4 && told.contains("validation_map"), "{told}");
    assert!(told.trim_end().rsplit("\n\n").next().expect("events").contains("event: status"), "{told}");
    assert_eq!((&task["progress"]["percent"], &task["metrics"]["epoch"]), (&json!(100.0), &json!(2)), "{task}");
    let later =
        Client::new().get(format!("{forced}/events")).header("last-event-id", "3").send().await.expect("events");
    assert_eq!(later.text().await.expect("events").matches("event: metric").count(), 1, "those that were missed");
    let response = ask(Method::GET, &format!("{base}/v1/search?q=bird"), None).await.1;
    assert_eq!(response["model"], second.as_str());

    // Back, and forth again.
    let back = ended(&start(base, "/v1/models/rollback", None).await).await;
    assert_eq!((&back["status"], &back["result"]["model"]), (&json!("succeeded"), &json!(first)), "{back}");
    assert_eq!(ask(Method::GET, &format!("{base}/v1/search?q=bird"), None).await.1["model"], first.as_str());
    let forth = ended(&start(base, &format!("/v1/models/{second}/activate"), None).await).await;
    assert_eq!(forth["result"]["model"], second.as_str(), "{forth}");

    stop.send(()).expect("somebody asks");
    let responses = asked.await.expect("answers");
    let failed: Vec<_> = responses.iter().filter(|(status, _)| *status != 200).collect();
    assert!(failed.is_empty() && !responses.is_empty(), "{} of {}: {failed:?}", failed.len(), responses.len());

    let (status, problem) = ask(Method::POST, &format!("{base}/v1/models/no-such/activate"), None).await;
    assert_eq!((status, &problem["code"]), (404, &json!("model_not_found")));
    let (status, problem) =
        ask(Method::POST, &format!("{base}/v1/admin/train"), Some(json!({"settings": {"sed": 1}}))).await;
    assert!(
        status == 422 && problem["code"] == "invalid_settings" && problem["detail"].to_string().contains("sed"),
        "{problem}"
    );
    let (status, problem) = ask(Method::POST, &format!("{base}/v1/admin/train"), Some(json!({"margin": 7}))).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/margin")), "{problem}");
}

#[tokio::test]
async fn tasks_can_be_cancelled_and_listed() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let base = server.base.as_str();
    let task = start(base, "/v1/admin/train", Some(json!({"settings": short(100_000)}))).await;
    let (status, problem) = ask(Method::POST, &format!("{base}/v1/admin/train"), None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("task_at_work")), "one training at a time");
    crate::common::wait_for("the first epoch", Duration::from_secs(60), async || {
        ask(Method::GET, &task, None).await.1["metrics"]["epoch"].as_u64()
    })
    .await;
    let (status, _) = ask(Method::POST, &format!("{task}/cancel"), None).await;
    assert_eq!(status, 200);
    let stopped = ended(&task).await;
    assert_eq!(stopped["status"], "cancelled", "{stopped}");
    let (status, problem) = ask(Method::POST, &format!("{task}/cancel"), None).await;
    assert_eq!((status, &problem["code"]), (409, &json!("task_ended")));

    let of = async |parameters: &str| {
        let (_, list) = ask(Method::GET, &format!("{base}/v1/tasks?{parameters}"), None).await;
        list["tasks"].as_array().expect("tasks").clone()
    };
    assert_eq!(of("status=cancelled&type=train").await.len(), 1);
    assert!(of("status=running").await.is_empty());
    for (path, status) in [
        ("/v1/tasks?status=lost", 400),
        ("/v1/tasks?limit=0", 422),
        ("/v1/tasks/99999/events", 404),
        ("/v1/tasks/99999/cancel", 405),
        ("/v1/tasks/1?wait=9999", 422),
    ] {
        assert_eq!(ask(Method::GET, &format!("{base}{path}"), None).await.0, status, "{path}");
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
    write(&folder.path().join("broken.png"), b"no picture");
    let lines = "{\"id\": \"disc\", \"image\": \"disc.bmp\", \"captions\": [\"a red disc on white\"], \"label\": \
        \"discs\"}\n\
                 {\"id\": \"broken\", \"image\": \"broken.png\"}\n";
    write(&folder.path().join("data.jsonl"), lines.as_bytes());
    let body = json!({"path": folder.path().join("data.jsonl")});
    let task = ended(&start(base, "/v1/admin/import", Some(body)).await).await;
    assert_eq!(
        (&task["status"], &task["result"]["taken"], &task["result"]["rejected"]),
        (&json!("succeeded"), &json!(1), &json!(1)),
        "{task}"
    );
    let filter = json!({"must": [{"key": "id", "match": {"value": "disc"}}]});
    let found =
        ask(Method::POST, &format!("{base}/v1/search/text"), Some(json!({"query": "a red disc", "filter": filter})))
            .await
            .1;
    assert_eq!(found["results"][0]["id"], "disc", "{found}");
    let (status, problem) =
        ask(Method::POST, &format!("{base}/v1/admin/import"), Some(json!({"path": "/no/such/folder"}))).await;
    assert_eq!((status, &problem["code"]), (422, &json!("invalid_query")), "{problem}");

    let model =
        ask(Method::GET, &format!("{base}/v1/models"), None).await.1["active"].as_str().expect("a model").to_owned();
    let page = format!("{base}/v1/models/{model}/report?format=html");
    assert_eq!(ask(Method::GET, &page, None).await.0, 404);
    let task = ended(&start(base, "/v1/admin/evaluate", None).await).await;
    assert_eq!(task["status"], "succeeded", "{task}");
    let response = reqwest::get(&page).await.expect("a response");
    assert!(response.headers()["content-security-policy"].to_str().expect("text").contains("default-src 'none'"));
    assert!(response.text().await.expect("a page").contains("How good is it?"));
    let report = ask(Method::GET, &format!("{base}/v1/models/{model}/report"), None).await.1;
    assert!(report["report"]["map_image_to_text"].as_f64().is_some_and(|map| map > 0.0), "{report}");
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a file");
}
