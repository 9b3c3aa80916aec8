//! Texts find pictures, pictures find captions, and responses have the documented shape.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::common::shared_server;

/// A small picture that is not in the collection: a red disc on white, as an uncompressed BMP.
pub(crate) fn drawn_picture() -> Vec<u8> {
    const SIDE: i32 = 96;
    let pixels = 3 * (SIDE * SIDE) as u32;
    let mut bmp = Vec::new();
    bmp.extend_from_slice(b"BM");
    bmp.extend_from_slice(&(54 + pixels).to_le_bytes());
    bmp.extend_from_slice(&[0; 4]);
    bmp.extend_from_slice(&54u32.to_le_bytes());
    bmp.extend_from_slice(&40u32.to_le_bytes());
    bmp.extend_from_slice(&SIDE.to_le_bytes());
    bmp.extend_from_slice(&SIDE.to_le_bytes());
    bmp.extend_from_slice(&1u16.to_le_bytes());
    bmp.extend_from_slice(&24u16.to_le_bytes());
    bmp.extend_from_slice(&[0; 24]);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (dx, dy) = (x - SIDE / 2, y - SIDE / 2);
            let inside = dx * dx + dy * dy < (SIDE / 3) * (SIDE / 3);
            bmp.extend_from_slice(if inside { &[30, 30, 220] } else { &[255, 255, 255] });
        }
    }
    bmp
}

async fn search_text(base: &str, body: Value) -> Value {
    let response =
        reqwest::Client::new().post(format!("{base}/v1/search/text")).json(&body).send().await.expect("a response");
    assert!(response.status().is_success(), "{body}: {}", response.text().await.unwrap_or_default());
    response.json().await.expect("JSON")
}

fn check_response(response: &Value, kind: &str, direction: &str) {
    assert_eq!(response["query"]["direction"], direction);
    let results = response["results"].as_array().expect("results");
    assert!(!results.is_empty());
    let mut previous = f64::INFINITY;
    for (result, rank) in results.iter().zip(1..) {
        assert_eq!((&result["rank"], &result["kind"]), (&json!(rank), &json!(kind)));
        let score = result["score"].as_f64().expect("a score");
        let relevance = result["relevance"].as_f64().expect("a relevance");
        assert!((-1.0..=1.0).contains(&score) && score <= previous, "score {score} after {previous}");
        assert!((0.0..=1.0).contains(&relevance));
        previous = score;
    }
    assert!(response["total"].as_u64().expect("a total") >= results.len() as u64);
    assert!(response["took_ms"]["total"].as_f64().expect("a time") > 0.0);
    assert_eq!(response["query"]["predicted_labels"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn text_search_finds_pictures_with_thumbnails() {
    let Some(base) = shared_server().await else { return };
    let response = search_text(base, json!({"query": "a bird", "limit": 7})).await;
    check_response(&response, "image", "text_to_image");
    assert_eq!(response["results"].as_array().map(Vec::len), Some(7));

    let first = &response["results"][0];
    for (field, mime) in [("thumbnail_url", "image/jpeg"), ("image_url", "image/")] {
        let url = format!("{base}{}", first[field].as_str().expect("an address"));
        let picture = reqwest::get(&url).await.expect("a response");
        assert!(picture.status().is_success(), "{url}");
        let headers = picture.headers().clone();
        assert!(headers["content-type"].to_str().expect("text").starts_with(mime), "{headers:?}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        // URLs in results contain the hash of the content and may be cached forever; those without it may not.
        let caching =
            |headers: &reqwest::header::HeaderMap| headers["cache-control"].to_str().expect("text").to_owned();
        assert!(caching(&headers).contains("immutable"), "{headers:?}");
        let of_item = url.split("?v=").next().and_then(|url| url.split("&v=").next()).expect("an address");
        let of_item = reqwest::get(of_item).await.expect("a response");
        assert!(of_item.status().is_success() && !caching(of_item.headers()).contains("immutable"));
        assert!(picture.bytes().await.expect("bytes").len() > 100);
        let again = reqwest::Client::new()
            .get(&url)
            .header("if-none-match", &headers["etag"])
            .send()
            .await
            .expect("a response");
        assert_eq!(again.status(), 304);
    }
    let item: Value = reqwest::get(format!(
        "{base}{}",
        first["image_url"].as_str().expect("an address").split("/image").next().expect("a path")
    ))
    .await
    .expect("a response")
    .json()
    .await
    .expect("JSON");
    assert_eq!((&item["id"], &item["captions"]), (&first["id"], &first["captions"]));
}

#[tokio::test]
async fn shorter_page_is_a_prefix_and_scan_agrees() {
    let Some(base) = shared_server().await else { return };
    let ids = |response: &Value| -> Vec<String> {
        response["results"].as_array().expect("results").iter().map(|r| r["id"].to_string()).collect()
    };
    let long = ids(&search_text(base, json!({"query": "something to eat", "limit": 60})).await);
    let short = ids(&search_text(base, json!({"query": "something to eat", "limit": 5})).await);
    assert_eq!(short[..], long[..5]);
    let exact = search_text(base, json!({"query": "something to eat", "limit": 60, "exact": true})).await;
    assert_eq!(exact["strategy"], "exact");
    assert_eq!(ids(&exact), long);
}

#[tokio::test]
async fn min_relevance_only_filters() {
    let Some(base) = shared_server().await else { return };
    let all = search_text(base, json!({"query": "a red flower", "limit": 100})).await;
    let relevances: Vec<f64> =
        all["results"].as_array().expect("results").iter().filter_map(|r| r["relevance"].as_f64()).collect();
    let floor = relevances[relevances.len() / 2];
    let some = search_text(base, json!({"query": "a red flower", "limit": 100, "min_relevance": floor})).await;
    let expected = relevances.iter().filter(|&&r| r >= floor).count();
    assert_eq!(some["results"].as_array().map(Vec::len), Some(expected));
    assert_eq!(some["total"], expected);
}

#[tokio::test]
async fn image_search_accepts_raw_body_and_form() {
    let Some(base) = shared_server().await else { return };
    let client = reqwest::Client::new();
    let raw = client
        .post(format!("{base}/v1/search/image?limit=6"))
        .header("content-type", "image/bmp")
        .body(drawn_picture());
    let raw: Value = raw.send().await.expect("a response").json().await.expect("JSON");
    check_response(&raw, "text", "image_to_text");
    let texts: Vec<&str> =
        raw["results"].as_array().expect("results").iter().filter_map(|r| r["text"].as_str()).collect();
    assert_eq!(texts.len(), 6);
    assert_eq!(texts.iter().collect::<std::collections::HashSet<_>>().len(), 6, "captions are unique: {texts:?}");

    let post_form = async |params: &str| -> Value {
        let form = Form::new().part("image", Part::bytes(drawn_picture()).file_name("disc.bmp"));
        let form = form.text("params", params.to_owned());
        let sent = client.post(format!("{base}/v1/search/image")).multipart(form).send();
        sent.await.expect("a response").json().await.expect("JSON")
    };
    assert_eq!(post_form(r#"{"limit": 6}"#).await["results"], raw["results"]);
    check_response(&post_form(r#"{"target": "image"}"#).await, "image", "image_to_image");
}

#[tokio::test]
async fn picture_of_the_collection_finds_itself_first() {
    let Some(base) = shared_server().await else { return };
    let response = search_text(base, json!({"query": "a house", "limit": 5})).await;
    for result in response["results"].as_array().expect("results") {
        let url = format!("{base}{}", result["image_url"].as_str().expect("an address"));
        let bytes = reqwest::get(url).await.expect("a response").bytes().await.expect("bytes");
        let similar = reqwest::Client::new().post(format!("{base}/v1/search/image?target=image&limit=3"));
        let similar = similar.header("content-type", "application/octet-stream").body(bytes);
        let similar: Value = similar.send().await.expect("a response").json().await.expect("JSON");
        assert!(similar["results"][0]["score"].as_f64().expect("a score") > 0.999, "{similar}");
        assert_eq!(similar["results"][0]["id"], result["id"]);
    }
}

#[tokio::test]
async fn info_and_stats_describe_the_collection() {
    let Some(base) = shared_server().await else { return };
    let get = async |path: &str| -> Value {
        reqwest::get(format!("{base}{path}")).await.expect("a response").json().await.expect("JSON")
    };
    let info = get("/v1/info").await;
    assert!(info["collection"]["pictures"].as_u64().expect("a count") > 100);
    assert!(info["model"]["version"].as_str().expect("a version").starts_with("m-"));
    let labels = get("/v1/labels").await;
    let labels = labels["labels"].as_array().expect("labels");
    assert!(labels.len() >= 10 && labels.iter().all(|l| l["count"].as_u64().is_some_and(|c| c > 0)), "{labels:?}");
    assert_eq!(reqwest::get(format!("{base}/healthz")).await.expect("a response").status(), 200);
    let page = reqwest::get(format!("{base}/")).await.expect("a response");
    assert!(page.headers()["content-security-policy"].to_str().expect("text").contains("script-src 'self'"));
}
