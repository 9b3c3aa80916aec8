//! Log lines carry the ids of their request and key, whatever thread writes them; and readiness requires the warm-up.

use std::{fs, path::Path, time::Duration};

use reqwest::{Client, Method};
use serde_json::Value;

use crate::common::{Server, copy_collection, diptych, succeed, trained_collection, wait_for};

const FLAGS: [&str; 4] = ["--log-format", "json", "--log", "error,diptych=debug"];

/// All lines of the log so far.
fn log(data: &Path) -> Vec<Value> {
    let text = fs::read_to_string(data.join("serve.log")).expect("a log");
    // The last line may be incomplete.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Waits for the line with this message in a request with this id.
async fn line(data: &Path, message: &str, request: &str) -> Value {
    wait_for(message, Duration::from_secs(60), async || {
        log(data).into_iter().find(|line| {
            let of_request =
                line["spans"].as_array().is_some_and(|spans| spans.iter().any(|span| span["id"] == request));
            line["fields"]["message"].as_str().is_some_and(|text| text.contains(message)) && of_request
        })
    })
    .await
}

#[tokio::test]
async fn log_lines_carry_request_and_key_ids() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let key = succeed(diptych(data.path()).args(["key", "create", "--scope", "admin"]));
    let key = key.lines().find(|line| line.starts_with("dpt_")).expect("a key").trim().to_owned();
    let server = Server::start_with(data.path(), &FLAGS).await;
    let send = async |method: Method, path: &str, id: &str| {
        let request = Client::new().request(method, format!("{}{path}", server.base));
        request.bearer_auth(&key).header("x-request-id", id).send().await.expect("a response")
    };

    // The service may start a reindex by itself, outside of any request, which this request then joins.
    let first: Value = send(Method::POST, "/v1/admin/reindex", "first").await.json().await.expect("JSON");
    wait_for("an index", Duration::from_secs(120), async || {
        let task = send(Method::GET, &format!("/v1/tasks/{}?wait=20", first["id"]), "first").await;
        let task: Value = task.json().await.expect("JSON");
        (task["status"] == "succeeded").then_some(())
    })
    .await;
    assert_eq!(send(Method::POST, "/v1/admin/reindex", "owner-1").await.status(), 202);
    let audit = line(data.path(), "admin request", "owner-1").await;
    let fields = &audit["fields"];
    assert_eq!(fields["key"].as_str(), key.split('_').nth(1), "{audit}");
    assert_eq!((&fields["method"], &fields["path"]), (&"POST".into(), &"/v1/admin/reindex".into()), "{audit}");
    assert!(!audit.to_string().contains(key.rsplit('_').next().expect("a secret")), "{audit}");
    // Logged by a task after its request has completed.
    line(data.path(), "reindex: the new index is live", "owner-1").await;

    // Logged by a blocking thread: a file in place of the folder keeps the thumbnail from being stored.
    let items: Value = send(Method::GET, "/v1/items?limit=1", "list-1").await.json().await.expect("JSON");
    fs::remove_dir_all(data.path().join("thumbnails")).expect("a folder");
    fs::write(data.path().join("thumbnails"), "").expect("a file");
    let thumbnail = items["items"][0]["thumbnail_url"].as_str().expect("an address");
    assert_eq!(send(Method::GET, thumbnail, "thumb-1").await.status(), 200);
    line(data.path(), "a thumbnail could not be stored", "thumb-1").await;

    let response = send(Method::GET, "/v1/tasks", "list-2").await;
    assert_eq!(response.headers()["x-request-id"], "list-2");
    let answered = line(data.path(), "answered", "list-2").await;
    assert_eq!((&answered["fields"]["status"], &answered["span"]["route"]), (&200.into(), &"/v1/tasks".into()));
}

#[tokio::test]
async fn readiness_requires_a_warm_up_query() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start_unready(data.path(), &FLAGS);
    let client = Client::new();
    wait_for("readiness", Duration::from_secs(60), async || {
        let response = client.get(format!("{}/readyz", server.base)).send().await.ok()?;
        if response.status() == 200 {
            return Some(());
        }
        let body: Value = response.json().await.expect("JSON");
        assert_eq!((&body["status"], &body["code"]), (&503.into(), &"starting".into()), "{body}");
        None
    })
    .await;
    let warm = log(data.path()).into_iter().find(|line| line["fields"]["message"] == "warm");
    assert!(
        warm.is_some_and(|line| line["fields"]["ms"].as_f64().is_some_and(|ms| ms > 0.0)),
        "ready before the warm-up"
    );
}
