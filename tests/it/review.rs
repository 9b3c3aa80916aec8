//! What may be wrong with labels and captions, and what becomes of it.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, execute_sql, query_scalar, trained_collection},
    tasks::{ask, ended, start},
};

/// Measures the model and waits for its end.
async fn look(base: &str) {
    let task = ended(&start(base, "/v1/admin/evaluate", None).await).await;
    assert_eq!(task["status"], "succeeded", "{task}");
}

/// Changes an item, if it is as a tag says.
async fn patch(item: &str, change: &Value, etag: &str) -> (u16, Value) {
    let response = Client::new().patch(item).json(change).header("if-match", etag).send().await.expect("a response");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn wrong_label_is_an_issue_until_corrected_or_dismissed() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    // Two birds are called flags.
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
        let (status, review) = ask(Method::GET, &format!("{base}/v1/admin/review"), None).await;
        assert_eq!(status, 200, "{review}");
        review
    };
    assert_eq!(review().await, json!({ "looked_at": null, "entries": [] }));

    look(base).await;
    let seen = review().await;
    assert!(seen["looked_at"].is_string());
    let entries = seen["entries"].as_array().expect("entries");
    let doubted: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["kind"] == "label" && entry["suggested"] == "birds")
        .filter(|entry| flags.iter().any(|id| entry["item"]["id"] == json!(id)))
        .collect();
    assert!(doubted.len() >= 2, "birds that are called flags are doubted: {entries:#?}");
    let leads: Vec<f64> =
        entries.iter().filter(|entry| entry["kind"] == "label").filter_map(|entry| entry["lead"].as_f64()).collect();
    assert!(leads.is_sorted_by(|a, b| a >= b) && leads.iter().all(|lead| (0.0..=1.0).contains(lead)), "{leads:?}");

    // One is mended: as long as it is as it was seen, and then it is doubted no longer.
    let (first, second) = (doubted[0], doubted[1]);
    let item = reqwest::Url::parse(base).map(|mut url| {
        let id = first["item"]["id"].as_str().expect("an id");
        url.path_segments_mut().expect("segments").extend(["v1", "items", id]);
        url.to_string()
    });
    let item = item.expect("an address");
    let mended = json!({ "labels": ["birds"] });
    let (status, refusal) = patch(&item, &mended, "\"another\"").await;
    assert_eq!(status, 412, "{refusal}");
    let (status, changed) = patch(&item, &mended, first["etag"].as_str().expect("a tag")).await;
    assert_eq!((status, &changed["labels"]), (200, &json!(["birds"])), "{changed}");
    let stands = |review: &Value, id: &Value| {
        let entries = review["entries"].as_array().expect("entries");
        entries.iter().any(|entry| entry["kind"] == "label" && entry["item"]["id"] == *id)
    };
    assert!(!stands(&review().await, &first["item"]["id"]));

    // The other is right: it is not doubted again.
    let settle = format!("{base}/v1/admin/review/{}/settle", second["id"]);
    assert_eq!(ask(Method::POST, &settle, None).await.0, 204);
    let (status, again) = ask(Method::POST, &settle, None).await;
    assert_eq!((status, &again["code"]), (404, &json!("not_found")));
    let (status, _) = ask(Method::DELETE, &settle, None).await;
    assert_eq!((status, stands(&review().await, &second["item"]["id"])), (204, true), "taken back");
    assert_eq!(ask(Method::POST, &settle, None).await.0, 204);
    look(base).await;
    let seen = review().await;
    assert!(!stands(&seen, &first["item"]["id"]) && !stands(&seen, &second["item"]["id"]));
}
