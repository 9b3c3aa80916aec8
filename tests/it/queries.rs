//! Query features: filters, hybrid search, paging, several terms and similar items; and the other endpoints that encode
//! texts and pictures.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, multipart::Form};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, shared_server, trained_collection, wait_for},
    search::drawn_picture,
};

/// Sends a request, with JSON or without a body, and panics unless it succeeds.
async fn send(method: Method, address: String, body: Option<Value>) -> Value {
    let request = Client::new().request(method, &address);
    let request = match &body {
        Some(body) => request.json(body),
        None => request,
    };
    let response = request.send().await.expect("a response");
    let (status, text) = (response.status(), response.text().await.expect("a body"));
    assert!(status.is_success(), "{address} {body:?}: {status} {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

async fn post(address: String, body: Value) -> Value {
    send(Method::POST, address, Some(body)).await
}

async fn get(address: String) -> Value {
    send(Method::GET, address, None).await
}

fn results(response: &Value) -> &[Value] {
    response["results"].as_array().expect("results")
}

fn ids(response: &Value) -> Vec<String> {
    results(response).iter().map(|result| result["id"].as_str().expect("an id").to_owned()).collect()
}

fn has_label(result: &Value, label: &str) -> bool {
    result["labels"].as_array().expect("labels").iter().any(|l| l == label)
}

#[tokio::test]
async fn filters_restrict_pictures_and_captions() {
    let Some(base) = shared_server().await else { return };
    let labels = get(format!("{base}/v1/labels")).await;
    let names: Vec<&str> =
        labels["labels"].as_array().expect("labels").iter().map(|l| l["label"].as_str().expect("a name")).collect();
    let (one, two) = (names[0], names[1]);
    let of = |names: &[&str]| json!({"key": "label", "match": {"any": names}});
    for target in ["image", "text", "any"] {
        let search = |filter: Value| {
            post(
                format!("{base}/v1/search/text"),
                json!({"query": "a bird", "target": target, "limit": 100, "filter": filter}),
            )
        };
        let response = search(json!({"must": [of(&[one])]})).await;
        assert!(!results(&response).is_empty() && results(&response).iter().all(|r| has_label(r, one)), "{response}");
        let response = search(json!({"must_not": [of(&[one, two])]})).await;
        assert!(results(&response).iter().all(|r| !has_label(r, one) && !has_label(r, two)));
        let response =
            search(json!({"should": [of(&[one]), of(&[two])], "must": [{"key": "has", "match": {"value": "image"}}]}))
                .await;
        assert!(results(&response).iter().all(|r| has_label(r, one) || has_label(r, two)));
        let matching = ids(&response);
        let response = search(json!({"must": [{"key": "id", "match": {"any": [matching[0], matching[1]]}}]})).await;
        assert!(ids(&response).iter().all(|id| *id == matching[0] || *id == matching[1]) && !ids(&response).is_empty());
        assert_eq!(search(json!({"must": [of(&["no such class"])]})).await["total"], 0);
    }

    let facets = get(format!("{base}/v1/facets")).await;
    assert_eq!(facets["facets"]["label"].as_object().map(serde_json::Map::len), Some(names.len()));
    let filter = json!({"must": [of(&[one])]}).to_string();
    let address =
        reqwest::Url::parse_with_params(&format!("{base}/v1/facets"), [("filter", filter)]).expect("an address");
    let facets = get(address.to_string()).await;
    assert_eq!(facets["facets"]["label"][one], labels["labels"][0]["count"]);
}

#[tokio::test]
async fn any_target_sorts_by_relevance_and_facets_count_all_results() {
    let Some(base) = shared_server().await else { return };
    let body = json!({"query": "a flower", "target": "any", "limit": 100, "facets": ["label"], "min_relevance": 0.05});
    let response = post(format!("{base}/v1/search/text"), body).await;
    assert_eq!(response["query"]["direction"], "text_to_any");
    let kinds: HashSet<&str> = results(&response).iter().map(|r| r["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds.len(), 2, "{response}");
    let relevance: Vec<f64> = results(&response).iter().map(|r| r["relevance"].as_f64().expect("a number")).collect();
    assert!(relevance.is_sorted_by(|a, b| a >= b), "{relevance:?}");
    assert!(
        relevance.iter().all(|r| *r >= 0.05) && response["filtered"]["below_threshold"].as_u64() > Some(0),
        "{response}"
    );
    if response["next_cursor"].is_null() {
        let facet_count: u64 =
            response["facets"]["label"].as_object().expect("facets").values().filter_map(Value::as_u64).sum();
        let label_count: usize = results(&response).iter().map(|r| r["labels"].as_array().map_or(0, Vec::len)).sum();
        assert_eq!(facet_count, label_count as u64);
    }
}

#[tokio::test]
async fn hybrid_search_uses_and_explains_keywords() {
    let Some(base) = shared_server().await else { return };
    let vector_only = json!({"query": "flower", "limit": 50, "explain": true});
    let response = post(format!("{base}/v1/search/text"), vector_only.clone()).await;
    assert!(results(&response).iter().zip(1..).all(|(r, rank)| r["explain"]["vector"]["rank"] == rank
        && r["explain"]["keyword"].is_null()
        && r["explain"]["vector"]["cosine"] == r["score"]));

    let mut hybrid = vector_only.clone();
    hybrid["hybrid"] = json!({"keyword_weight": 1.0});
    let response = post(format!("{base}/v1/search/text"), hybrid).await;
    let first = &results(&response)[0];
    assert_eq!(first["explain"]["keyword"]["rank"], 1, "{first}");
    let text = format!("{} {} {}", first["captions"], first["labels"], first["id"]).to_lowercase();
    assert!(text.contains("flower"), "{text}");

    let by_url = get(format!("{base}/v1/search?q=flower&limit=50&explain=true")).await;
    assert!(results(&by_url).iter().any(|r| !r["explain"]["keyword"].is_null()), "hybrid by default");
    let without = get(format!("{base}/v1/search?q=flower&limit=50&hybrid=false")).await;
    assert_eq!(ids(&without), ids(&post(format!("{base}/v1/search/text"), vector_only).await));
    for syntax in ["\"", "a AND", "NEAR(a, b)", "captions:x", "*", "-", "^a", "'; drop table items; --"] {
        let body = json!({"query": format!("flower {syntax}"), "hybrid": true});
        assert!(!results(&post(format!("{base}/v1/search/text"), body).await).is_empty(), "{syntax}");
    }
}

/// All pages after the first.
async fn other_pages(base: &str, first: &Value, limit: usize) -> Vec<Value> {
    let mut pages: Vec<Value> = Vec::new();
    loop {
        let last = pages.last().unwrap_or(first);
        let Some(cursor) = last["next_cursor"].as_str() else { return pages };
        pages.push(get(format!("{base}/v1/search?cursor={cursor}&limit={limit}")).await);
    }
}

#[tokio::test]
async fn pages_never_repeat_or_skip_during_changes_and_reindex() {
    let Some(collection) = trained_collection() else { return };
    let copy = copy_collection(collection);
    let server = Server::start(copy.path()).await;
    let base = &server.base;
    let search = |limit: usize| post(format!("{base}/v1/search/text"), json!({"query": "a tree", "limit": limit}));
    let all = search(100).await;
    let (full, rest) = (ids(&all), other_pages(base, &all, 100).await);
    let full: Vec<String> = full.into_iter().chain(rest.iter().flat_map(ids)).collect();
    assert_eq!(full.len() as u64, all["total"].as_u64().expect("a total"));

    let first = search(7).await;
    assert_eq!(ids(&first), full[..7]);
    // Delete an item of a later page, insert one that would come first, and rebuild the index.
    let deleted = &full[20];
    send(Method::DELETE, format!("{base}/v1/items/{}", deleted.replace('/', "%2F")), None).await;
    let new = Form::new().text("item", json!({"id": "new", "captions": ["a tree"]}).to_string());
    let created = Client::new().post(format!("{base}/v1/items")).multipart(new).send().await.expect("a response");
    assert_eq!(created.status(), 201);
    let task = post(format!("{base}/v1/admin/reindex"), json!({})).await;
    let task = format!("{base}/v1/tasks/{}", task["id"]);
    wait_for("the reindex", std::time::Duration::from_secs(120), async || {
        (get(task.clone()).await["status"] == "succeeded").then_some(())
    })
    .await;

    let pages = other_pages(base, &first, 7).await;
    let paged: Vec<String> = ids(&first).into_iter().chain(pages.iter().flat_map(ids)).collect();
    let expected: Vec<&String> = full.iter().filter(|id| *id != deleted).collect();
    assert_eq!(paged.iter().collect::<Vec<_>>(), expected);
    assert!(
        pages.iter().all(|page| page["index_generation"] == first["index_generation"]),
        "pages of the same ranking"
    );
    assert!(pages[..pages.len() - 1].iter().all(|page| results(page).len() == 7), "full pages");

    // Cursors do not survive a restart.
    drop(server);
    let server = Server::start(copy.path()).await;
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let response = reqwest::get(format!("{}/v1/search?cursor={cursor}", server.base)).await.expect("a response");
    assert_eq!(response.status(), 410);
    assert_eq!(response.json::<Value>().await.expect("JSON")["code"], "cursor_expired");
}

#[tokio::test]
async fn terms_are_combined_and_negative_ones_subtracted() {
    let Some(base) = shared_server().await else { return };
    let search_terms = |terms: Value| post(format!("{base}/v1/search"), json!({"terms": terms, "limit": 30}));
    let alone = post(format!("{base}/v1/search/text"), json!({"query": "a bird", "limit": 30})).await;
    let same = search_terms(json!([{"text": "a bird"}])).await;
    assert_eq!(ids(&same), ids(&alone));
    let scaled = search_terms(json!([{"text": "a bird", "weight": 2.5}, {"text": "a bird", "weight": 0.5}])).await;
    assert_eq!(ids(&scaled)[..5], ids(&alone)[..5]);

    let first = &ids(&alone)[0];
    let score = |response: &Value| results(response).iter().find(|r| r["id"] == *first).map(|r| r["score"].as_f64());
    let negated = search_terms(json!([{"text": "a bird"}, {"item": first, "weight": -0.9}])).await;
    assert!(score(&negated).is_none_or(|s| s < score(&alone).expect("first")), "{negated}");
    let picture = STANDARD.encode(drawn_picture());
    let mixed = search_terms(json!([{"text": "a red ball"}, {"image_base64": picture, "weight": 0.5}])).await;
    assert!(!results(&mixed).is_empty());
}

#[tokio::test]
async fn similar_items_exclude_the_item_itself() {
    let Some(base) = shared_server().await else { return };
    let found = post(format!("{base}/v1/search/text"), json!({"query": "a bird", "limit": 1})).await;
    let id = &ids(&found)[0];
    let address = format!("{base}/v1/items/{}/similar", id.replace('/', "%2F"));
    let similar = get(format!("{address}?limit=10")).await;
    assert_eq!(similar["query"]["direction"], "image_to_image");
    assert!(results(&similar).len() == 10 && !ids(&similar).contains(id), "{similar}");
    let captions = get(format!("{address}?target=text&limit=5")).await;
    assert_eq!(captions["query"]["direction"], "image_to_text");
}

#[tokio::test]
async fn classify_and_embed_accept_texts_and_images() {
    let Some(base) = shared_server().await else { return };
    let labels = |response: &Value| response["labels"].as_array().expect("labels").clone();
    let sum = |response: &Value| labels(response).iter().filter_map(|l| l["probability"].as_f64()).sum::<f64>();
    let from_text = post(format!("{base}/v1/classify"), json!({"text": "a bird"})).await;
    assert!((sum(&from_text) - 1.0).abs() < 1e-3, "{from_text}");
    let from_base64 =
        post(format!("{base}/v1/classify"), json!({"image_base64": STANDARD.encode(drawn_picture())})).await;
    let from_bytes =
        Client::new().post(format!("{base}/v1/classify")).header("content-type", "image/bmp").body(drawn_picture());
    let from_bytes: Value = from_bytes.send().await.expect("a response").json().await.expect("JSON");
    assert_eq!(from_base64, from_bytes);

    let inputs =
        json!({"inputs": [{"text": "a bird"}, {"image_base64": STANDARD.encode(drawn_picture())}, {"text": "a bird"}]});
    let response = post(format!("{base}/v1/embed"), inputs).await;
    let vectors: Vec<Vec<f64>> = serde_json::from_value(response["vectors"].clone()).expect("numbers");
    assert_eq!((vectors.len(), vectors[0].len() as u64), (3, response["dims"].as_u64().expect("dims")));
    for vector in &vectors {
        assert!((vector.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-4);
    }
    assert_eq!(vectors[0], vectors[2]);
    assert_eq!(post(format!("{base}/v1/embed"), json!({"inputs": []})).await["vectors"], json!([]));
}

#[tokio::test]
async fn base64_image_answers_like_its_bytes() {
    let Some(base) = shared_server().await else { return };
    let from_bytes = Client::new().post(format!("{base}/v1/search/image?limit=5&target=any"));
    let from_bytes =
        from_bytes.header("content-type", "image/bmp").body(drawn_picture()).send().await.expect("a response");
    let from_bytes: Value = from_bytes.json().await.expect("JSON");
    let body = json!({"image_base64": STANDARD.encode(drawn_picture()), "limit": 5, "target": "any"});
    let from_base64 = post(format!("{base}/v1/search/image"), body).await;
    assert_eq!(ids(&from_bytes), ids(&from_base64));
}

#[tokio::test]
async fn projection_and_data_quality_are_served() {
    let Some(base) = shared_server().await else { return };
    let map = send(Method::GET, format!("{base}/v1/map"), None).await;
    let points = map["points"].as_array().expect("points");
    assert_eq!(points.len() as u64, map["total"].as_u64().expect("a number"));
    let coordinate = |point: &Value, axis: &str| point[axis].as_f64().expect("a number");
    assert!(points.iter().all(|point| coordinate(point, "x").abs() <= 1.0 && coordinate(point, "y").abs() <= 1.0));
    let of = |kind: &str| points.iter().filter(|point| point["kind"] == kind).collect::<Vec<_>>();
    let (pictures, captions) = (of("image"), of("text"));
    assert!(pictures.len() > 100 && captions.len() > 100);
    // The model separates classes, so the nearest neighbour in the projection mostly has the same class.
    let distance =
        |a: &Value, b: &Value| (coordinate(a, "x") - coordinate(b, "x")).hypot(coordinate(a, "y") - coordinate(b, "y"));
    let same_class = pictures.iter().filter(|a| {
        let others = pictures.iter().filter(|b| b["id"] != a["id"]);
        others.min_by(|b, c| distance(a, b).total_cmp(&distance(a, c))).is_some_and(|b| b["label"] == a["label"])
    });
    let same_class = same_class.count();
    assert!(same_class * 2 > pictures.len(), "{same_class} of {} are next to one of their class", pictures.len());
    assert_eq!(send(Method::GET, format!("{base}/v1/map"), None).await, map);
    let small = send(Method::GET, format!("{base}/v1/map?limit=50"), None).await;
    assert_eq!(small["points"].as_array().map(Vec::len), Some(50));
    let refused = reqwest::get(format!("{base}/v1/map?limit=0")).await.expect("a response");
    assert_eq!(refused.status(), 422);

    let stats = send(Method::GET, format!("{base}/v1/stats"), None).await;
    assert!(stats["index"]["pictures"]["points"].as_u64().is_some_and(|n| n > 100), "{stats}");
    assert!(stats["memory_bytes"].as_u64().is_some_and(|n| n > 1 << 20), "{stats}");
    let metrics = reqwest::get(format!("{base}/metrics")).await.expect("a response").text().await.expect("text");
    assert!(metrics.contains("process_resident_memory_bytes"), "{metrics}");
}
