//! The next generation is built while the live one serves queries.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Server, copy_collection, diptych, succeed, trained_collection, wait_for};

#[tokio::test]
async fn reindex_under_load_fails_no_query() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = reqwest::Client::new();
    let base = server.base.clone();

    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let queries = tokio::spawn({
        let (client, base) = (client.clone(), base.clone());
        async move {
            let mut tasks = Vec::new();
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            loop {
                tokio::select! {
                    _ = tick.tick() => {
                        let body = json!({"query": format!("a bird number {}", tasks.len()), "limit": 5});
                        let post = client.post(format!("{base}/v1/search/text")).json(&body);
                        tasks.push(tokio::spawn(async move {
                            let response = post.send().await.map_err(|e| e.to_string())?;
                            let status = response.status();
                            let body: Value = response.json().await.map_err(|e| e.to_string())?;
                            match status.is_success() {
                                true => Ok(body["index_generation"].as_u64()),
                                false => Err(body.to_string()),
                            }
                        }));
                    }
                    _ = stopped.changed() => break,
                }
            }
            tasks
        }
    });

    let mut last = 0;
    for _ in 0..3 {
        let response = client.post(format!("{base}/v1/admin/reindex")).send().await.expect("a response");
        assert_eq!(response.status(), 202);
        let location = response.headers()["location"].to_str().expect("text").to_owned();
        let second: Value = {
            let again = client.post(format!("{base}/v1/admin/reindex")).send().await.expect("a response");
            assert_eq!(again.status(), 202);
            again.json().await.expect("JSON")
        };
        assert!(second["id"].as_i64().is_some());
        let task = wait_for("the end of the reindex", Duration::from_secs(60), async || {
            let task: Value = client.get(format!("{base}{location}")).send().await.ok()?.json().await.ok()?;
            (task["status"] != "enqueued" && task["status"] != "running").then_some(task)
        })
        .await;
        assert_eq!(task["status"], "succeeded", "{task}");
        assert_eq!(task["progress"]["percent"], 100.0, "{task}");
        let generation = task["result"]["index_generation"].as_u64().expect("a generation");
        assert!(generation > last);
        last = generation;
    }
    stop.send(true).expect("the queries are running");
    let responses = queries.await.expect("the queries end");
    assert!(responses.len() >= 5, "{} queries were sent", responses.len());
    for response in responses {
        let generation =
            response.await.expect("a query ends").unwrap_or_else(|error| panic!("a query failed: {error}"));
        assert!(generation.is_some());
    }
}

#[tokio::test]
async fn answer_is_partial_while_the_index_lags_behind() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let partial = async || {
        let response = reqwest::get(format!("{}/v1/search?q=a+lighthouse", server.base)).await.expect("a response");
        response.json::<Value>().await.expect("JSON")["partial"].clone()
    };
    assert_eq!(partial().await, false);
    let records = data.path().join("beside.jsonl");
    std::fs::write(&records, r#"{"id": "beside", "captions": ["a lighthouse"], "label": "buildings"}"#)
        .expect("a file");
    succeed(diptych(data.path()).arg("import").arg(&records));
    // Writes of another process are noticed after a moment.
    wait_for("the import to show", Duration::from_secs(5), async || (partial().await == true).then_some(())).await;
    let task =
        reqwest::Client::new().post(format!("{}/v1/admin/reindex", server.base)).send().await.expect("a response");
    let task: Value = task.json().await.expect("JSON");
    let ended = reqwest::get(format!("{}/v1/tasks/{}?wait=25", server.base, task["id"])).await.expect("a response");
    assert_eq!(ended.json::<Value>().await.expect("JSON")["status"], "succeeded");
    assert_eq!(partial().await, false);
}
