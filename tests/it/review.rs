//! Label issues: finding, correcting and dismissing them.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, execute_sql, query_scalar, trained_collection},
    tasks::{send, start_task, wait_for_task},
};

/// Runs an evaluation to completion.
async fn evaluate(base: &str) {
    let task = wait_for_task(&start_task(base, "/v1/admin/evaluate", None).await).await;
    assert_eq!(task["status"], "succeeded", "{task}");
}

/// Changes an item, if its ETag matches.
async fn patch(item: &str, change: &Value, etag: &str) -> (u16, Value) {
    let response = Client::new().patch(item).json(change).header("if-match", etag).send().await.expect("a response");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn wrong_label_is_an_issue_until_corrected_or_dismissed() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    // Label two birds as flags.
    execute_sql(
        data.path(),
        "update item_labels set label = (select key from labels where name = 'flags') where item in (
             select item from item_labels where label = (select key from labels where name = 'birds')
                 and item not in
                     (select item from item_labels where label = (select key from labels where name = 'flags'))
             order by item limit 2)",
    )
    .await;
    let flags: String = query_scalar(
        data.path(),
        "select json_group_array(id) from items where key in (
             select item from item_labels where label = (select key from labels where name = 'flags'))",
    )
    .await;
    let flags: Vec<String> = serde_json::from_str(&flags).expect("ids");
    let server = Server::start(data.path()).await;
    let base = &server.base;
    let review = async || {
        let (status, review) = send(Method::GET, &format!("{base}/v1/admin/review"), None).await;
        assert_eq!(status, 200, "{review}");
        review
    };
    assert_eq!(review().await, json!({ "looked_at": null, "entries": [] }));

    evaluate(base).await;
    let issues = review().await;
    assert!(issues["looked_at"].is_string());
    let entries = issues["entries"].as_array().expect("entries");
    let mislabelled: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["kind"] == "label" && entry["suggested"] == "birds")
        .filter(|entry| flags.iter().any(|id| entry["item"]["id"] == json!(id)))
        .collect();
    assert!(mislabelled.len() >= 2, "birds labelled as flags are issues: {entries:#?}");
    let margins: Vec<f64> =
        entries.iter().filter(|entry| entry["kind"] == "label").filter_map(|entry| entry["lead"].as_f64()).collect();
    assert!(
        margins.is_sorted_by(|a, b| a >= b) && margins.iter().all(|margin| (0.0..=1.0).contains(margin)),
        "{margins:?}"
    );

    // One is corrected, which requires its current ETag, and is no longer an issue.
    let (first, second) = (mislabelled[0], mislabelled[1]);
    let item = reqwest::Url::parse(base).map(|mut url| {
        let id = first["item"]["id"].as_str().expect("an id");
        url.path_segments_mut().expect("segments").extend(["v1", "items", id]);
        url.to_string()
    });
    let item = item.expect("an address");
    let correction = json!({ "labels": ["birds"] });
    let (status, refusal) = patch(&item, &correction, "\"another\"").await;
    assert_eq!(status, 412, "{refusal}");
    let (status, changed) = patch(&item, &correction, first["etag"].as_str().expect("a tag")).await;
    assert_eq!((status, &changed["labels"]), (200, &json!(["birds"])), "{changed}");
    let is_listed = |review: &Value, id: &Value| {
        let entries = review["entries"].as_array().expect("entries");
        entries.iter().any(|entry| entry["kind"] == "label" && entry["item"]["id"] == *id)
    };
    assert!(!is_listed(&review().await, &first["item"]["id"]));

    // The other is dismissed, and the next evaluation does not list it again.
    let dismissal = format!("{base}/v1/admin/review/{}/settle", second["id"]);
    assert_eq!(send(Method::POST, &dismissal, None).await.0, 204);
    let (status, again) = send(Method::POST, &dismissal, None).await;
    assert_eq!((status, &again["code"]), (404, &json!("not_found")));
    let (status, _) = send(Method::DELETE, &dismissal, None).await;
    assert_eq!((status, is_listed(&review().await, &second["item"]["id"])), (204, true), "restored");
    assert_eq!(send(Method::POST, &dismissal, None).await.0, 204);
    evaluate(base).await;
    let issues = review().await;
    assert!(!is_listed(&issues, &first["item"]["id"]) && !is_listed(&issues, &second["item"]["id"]));
}
