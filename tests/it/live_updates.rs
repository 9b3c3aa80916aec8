//! Items are inserted and deleted while the service runs: acknowledged changes are visible to the next query, and
//! survive a kill.

use std::time::Duration;

use image::{Rgb, RgbImage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::common::{Server, copy_collection, set_property, trained_collection, wait_for};

/// A picture that is unique to its seed.
fn picture(seed: u32) -> Vec<u8> {
    let colour = |shift: u32| (seed.wrapping_mul(2_654_435_761) >> shift) as u8;
    let picture = RgbImage::from_fn(64, 64, |x, y| {
        let inside = (x / 8 + y / 8 + seed).is_multiple_of(3);
        Rgb(if inside { [colour(0), colour(8), colour(16)] } else { [255, 255 - colour(4), colour(20)] })
    });
    let mut bytes = Vec::new();
    picture.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).expect("a picture");
    bytes
}

struct Client<'s> {
    http: reqwest::Client,
    server: &'s Server,
}

impl Client<'_> {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.base)
    }

    async fn put(&self, id: &str, seed: u32) -> reqwest::Result<reqwest::Response> {
        let item = json!({"captions": [format!("tile number {seed}")], "labels": ["tiles", id]});
        let form = Form::new().part("image", Part::bytes(picture(seed))).text("item", item.to_string());
        self.http.put(self.url(&format!("/v1/items/{id}"))).multipart(form).send().await
    }

    /// Ids of the pictures that are most similar to the picture of a seed, best first.
    async fn similar_to(&self, seed: u32, limit: usize) -> Vec<String> {
        let post = self.http.post(self.url(&format!("/v1/search/image?target=image&limit={limit}")));
        let response = post.header("content-type", "image/png").body(picture(seed)).send().await.expect("a response");
        let response: Value = response.json().await.expect("JSON");
        let results = response["results"].as_array().unwrap_or_else(|| panic!("no results: {response}"));
        results.iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Whether searching with its picture finds the item with this id, and nothing else with its label.
    async fn is_found(&self, id: &str, seed: u32) -> bool {
        let params = json!({"target": "image", "filter": {"must": [{"key": "label", "match": {"any": [id]}}]}});
        let form = Form::new().part("image", Part::bytes(picture(seed))).text("params", params.to_string());
        let post = self.http.post(self.url("/v1/search/image")).multipart(form).send().await.expect("a response");
        let response: Value = post.json().await.expect("JSON");
        let results = response["results"].as_array().unwrap_or_else(|| panic!("no results: {response}"));
        results.len() == 1 && results[0]["id"] == id && results[0]["score"].as_f64().is_some_and(|s| s > 0.999)
    }

    async fn search_text(&self, body: Value) -> Value {
        let response = self.http.post(self.url("/v1/search/text")).json(&body).send().await.expect("a response");
        response.json().await.expect("JSON")
    }
}

#[tokio::test]
async fn next_query_finds_new_items_and_no_deleted_ones() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let client = Client { http: reqwest::Client::new(), server: &server };

    let form = Form::new().part("image", Part::bytes(picture(1))).text(
        "item",
        json!({"id": "a/tile", "captions": ["a tile"], "labels": ["tiles"], "meta": {"n": 1}}).to_string(),
    );
    let created = client.http.post(client.url("/v1/items")).multipart(form).send().await.expect("a response");
    assert_eq!(
        (created.status().as_u16(), &created.headers()["location"]),
        (201, &"/v1/items/a%2Ftile".parse().expect("a header"))
    );
    let created: Value = created.json().await.expect("JSON");
    assert_eq!(
        (&created["searchable"], &created["meta"]["n"], &created["width"]),
        (&json!(true), &json!(1), &json!(64)),
        "{created}"
    );
    assert_eq!(client.similar_to(1, 1).await, ["a/tile"]);
    let thumbnail = client.http.get(client.url("/v1/items/a%2Ftile/thumbnail")).send().await.expect("a response");
    assert_eq!(thumbnail.status(), 200);

    let conflict =
        client.http.post(client.url("/v1/items")).json(&json!({"id": "a/tile", "captions": ["x"]})).send().await;
    let conflict: Value = conflict.expect("a response").json().await.expect("JSON");
    assert_eq!((&conflict["status"], &conflict["code"]), (&json!(409), &json!("item_exists")));

    // Another picture under the same id replaces the first.
    let replaced = client.put("a%2Ftile", 2).await.expect("a response");
    assert_eq!(replaced.status(), 200);
    assert_eq!(client.similar_to(2, 1).await, ["a/tile"]);
    let found = client.search_text(json!({"query": "tile number 2", "target": "text", "limit": 1})).await;
    assert_eq!(found["results"][0]["text"], "tile number 2", "{found}");

    // A filtered search only returns matching items, however dissimilar they are.
    let filter = json!({"must": [{"key": "label", "match": {"any": ["tiles"]}}]});
    let only = client.search_text(json!({"query": "a bird", "limit": 50, "filter": filter})).await;
    assert_eq!(only["results"].as_array().map(Vec::len), Some(1), "{only}");
    let wrong = json!({"must": [{"key": "colour", "match": {"any": ["red"]}}]});
    assert_eq!(client.search_text(json!({"query": "a bird", "filter": wrong})).await["code"], "invalid_filter");

    let deleted = client.http.delete(client.url("/v1/items/a%2Ftile")).send().await.expect("a response");
    assert_eq!(deleted.status(), 204);
    assert!(!client.similar_to(2, 100).await.contains(&"a/tile".to_owned()));
    let deleted = client.http.delete(client.url("/v1/items/a%2Ftile")).send().await.expect("a response");
    assert_eq!(deleted.status(), 404);

    for (item, pointer) in [
        (json!({"labels": ["x"]}), "captions"),
        (json!({"id": "", "captions": ["x"]}), "id"),
        (json!({"captions": vec!["x"; 101]}), "captions"),
        (json!({"captions": ["x"], "labels": ["y".repeat(201)]}), "labels/0"),
    ] {
        let refused = client.http.post(client.url("/v1/items")).json(&item).send().await.expect("a response");
        let refused: Value = refused.json().await.expect("JSON");
        assert_eq!(refused["code"], "invalid_item", "{refused}");
        assert!(refused["detail"].as_str().is_some_and(|d| d.starts_with(pointer)), "{refused}");
    }
}

/// Acknowledged writes and deletes survive a kill during a write, a merge or a swap. The small graph of this test is
/// merged all the time.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_items_survive_thirty_kills() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let graph = json!({"links": 8, "ef_construction": 40, "ef_search": 200, "traversal": "byte", "threads": 2});
    set_property(data.path(), "index_parameters", &json!({"exact_up_to": 50, "graph": graph}).to_string()).await;
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    // The last acknowledged state of each id: the seed of its picture, or `None` if deleted.
    let mut acknowledged = std::collections::BTreeMap::<u32, Option<u32>>::new();
    for round in 0..30u32 {
        let server = Server::start(data.path()).await;
        let client = Client { http: reqwest::Client::new(), server: &server };
        for (id, seed) in acknowledged.iter().rev().take(12) {
            match seed {
                Some(seed) => {
                    assert!(client.is_found(&format!("tile-{id}"), *seed).await, "round {round}: tile-{id} is lost");
                }
                None => {
                    let found = client.http.get(client.url(&format!("/v1/items/tile-{id}"))).send().await;
                    assert_eq!(found.expect("a response").status(), 404, "round {round}: tile-{id} came back");
                }
            }
        }
        let reindex = client.http.post(client.url("/v1/admin/reindex")).send().await.expect("a response");
        assert_eq!(reindex.status(), 202);
        let mut write = async |n: u32| {
            let id = round * 1_000 + n;
            let seed = id.wrapping_mul(97) + 5;
            if client.put(&format!("tile-{id}"), seed).await.is_ok_and(|a| a.status() == 201) {
                acknowledged.insert(id, Some(seed));
            }
            if n % 3 == 2 {
                // Until the delete is acknowledged, the state is unknown.
                acknowledged.remove(&id);
                let deleted = client.http.delete(client.url(&format!("/v1/items/tile-{id}"))).send().await;
                if deleted.is_ok_and(|a| a.status() == 204) {
                    acknowledged.insert(id, None);
                }
            }
        };
        // Complete some writes even on a slow machine, then kill the service at a random moment of the following ones.
        let completed = rng.random_range(0..8);
        for n in 0..completed {
            write(n).await;
        }
        let timeout = Duration::from_millis(rng.random_range(0..300));
        let _ = tokio::time::timeout(timeout, async {
            for n in completed..1_000 {
                write(n).await;
            }
        })
        .await;
        server.kill();
    }
    assert!(acknowledged.len() > 60, "{} items were acknowledged", acknowledged.len());

    let server = Server::start(data.path()).await;
    let client = Client { http: reqwest::Client::new(), server: &server };
    for (id, seed) in &acknowledged {
        let found = client.http.get(client.url(&format!("/v1/items/tile-{id}"))).send().await.expect("a response");
        assert_eq!(found.status(), if seed.is_some() { 200 } else { 404 }, "tile-{id}");
        if let Some(seed) = seed {
            assert!(client.is_found(&format!("tile-{id}"), *seed).await, "tile-{id} is lost");
        }
    }
    let self_test = client.http.post(client.url("/v1/admin/selftest")).send().await.expect("a response");
    let location = self_test.headers()["location"].to_str().expect("text").to_owned();
    let self_test = wait_for("the self-test", Duration::from_secs(60), async || {
        let task: Value = client.http.get(client.url(&location)).send().await.ok()?.json().await.ok()?;
        (task["status"] == "succeeded").then_some(task)
    })
    .await;
    let pictures = &self_test["result"]["indexes"]["pictures"];
    assert!(pictures["strategy"].as_str().is_some_and(|strategy| strategy.starts_with("graph")), "{self_test}");
    assert!(pictures["recall_at_10"].as_f64().is_some_and(|recall| recall >= 0.95), "{self_test}");

    let metrics = client.http.get(client.url("/metrics")).send().await.expect("a response");
    let metrics = metrics.text().await.expect("text");
    let gauge =
        |name: &str| -> Option<f64> { metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()) };
    assert_eq!(gauge("diptych_index_recall_at_10{index=\"pictures\"}"), pictures["recall_at_10"].as_f64(), "{metrics}");
    assert_eq!(gauge("diptych_index_points{index=\"pictures\"}"), pictures["points"].as_f64(), "{metrics}");
    let request_counter = "diptych_http_requests_total{method=\"GET\",route=\"/v1/items/{id}\",status=\"200\"}";
    assert!(gauge(request_counter).is_some_and(|count| count > 0.0), "{metrics}");
}
