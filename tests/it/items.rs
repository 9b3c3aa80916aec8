//! Creating, changing and deleting single items and batches: acknowledged items are found, concurrent changes are not
//! overwritten, and an invalid line does not reject the others.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::{
    common::{Server, copy_collection, trained_collection},
    search::drawn_picture,
};

struct Service<'a>(&'a str);

impl Service<'_> {
    async fn send(&self, method: Method, path: &str, body: Option<Value>, etag: Option<&str>) -> Response {
        let request = Client::new().request(method, format!("{}{path}", self.0));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let request = match etag {
            Some(etag) => request.header("if-match", etag),
            None => request,
        };
        request.send().await.expect("a response")
    }

    async fn json(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let response = self.send(method, path, body, None).await;
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    async fn batch(&self, lines: &str) -> (u16, Value) {
        let post =
            Client::new().post(format!("{}/v1/items/batch", self.0)).header("content-type", "application/x-ndjson");
        let response = post.body(lines.to_owned()).send().await.expect("a response");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    /// The best caption of an item for a query.
    async fn first_caption(&self, query: &str, id: &str) -> Value {
        let filter = json!({"must": [{"key": "id", "match": {"value": id}}]});
        let body = json!({"query": query, "target": "text", "limit": 1, "filter": filter});
        self.json(Method::POST, "/v1/search/text", Some(body)).await.1["results"][0]["text"].clone()
    }
}

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().expect("text").to_owned()
}

#[tokio::test]
async fn item_is_patched_only_if_its_etag_matches() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let service = Service(&server.base);
    let image = reqwest::multipart::Part::bytes(drawn_picture());
    let meta = json!({"year": 1990, "by": "me", "place": {"town": "Jena", "country": "DE"}});
    let item = json!({"id": "disc", "captions": ["a red disc"], "labels": ["discs"], "meta": meta});
    let form = reqwest::multipart::Form::new().part("image", image).text("item", item.to_string());
    let created =
        Client::new().post(format!("{}/v1/items", server.base)).multipart(form).send().await.expect("a response");
    assert_eq!(created.status(), 201);
    let first = etag(&created);
    let fetched = service.send(Method::GET, "/v1/items/disc", None, None).await;
    assert_eq!(etag(&fetched), first);
    let again = Client::new().get(format!("{}/v1/items/disc", server.base)).header("if-none-match", &first);
    assert_eq!(again.send().await.expect("a response").status(), 304);

    let change = json!({"captions": ["a crimson circle"], "meta": {"year": null, "place": {"town": "Weimar"}}});
    let changed = service.send(Method::PATCH, "/v1/items/disc", Some(change), Some(&first)).await;
    assert_eq!(changed.status(), 200);
    let second = etag(&changed);
    let current: Value = changed.json().await.expect("JSON");
    assert_eq!(
        (&current["labels"], &current["meta"]),
        (&json!(["discs"]), &json!({"by": "me", "place": {"town": "Weimar", "country": "DE"}}))
    );
    assert!(current["image_url"].is_string() && second != first, "{current}");
    assert_eq!(service.first_caption("a crimson circle", "disc").await, "a crimson circle");
    let picture = json!({"image_base64": STANDARD.encode(drawn_picture()), "target": "image", "limit": 1});
    let found = service.json(Method::POST, "/v1/search/image", Some(picture)).await.1;
    assert_eq!(found["results"][0]["id"], "disc", "the picture is unchanged");

    // A client with the old ETag cannot overwrite the change.
    let change_with_old_tag =
        |method| service.send(method, "/v1/items/disc", Some(json!({"captions": ["late"]})), Some(&first));
    for method in [Method::PATCH, Method::PUT, Method::DELETE] {
        let refused = change_with_old_tag(method.clone()).await;
        assert_eq!(refused.status(), 412, "{method}");
        assert_eq!(refused.json::<Value>().await.expect("JSON")["code"], "precondition_failed");
    }
    let missing = service.send(Method::PUT, "/v1/items/nobody", Some(json!({"captions": ["x"]})), Some("*")).await;
    assert_eq!(missing.status(), 412, "If-Match: * requires an existing item");
    assert_eq!(service.json(Method::PATCH, "/v1/items/nobody", Some(json!({}))).await.0, 404);
    assert_eq!(service.json(Method::PATCH, "/v1/items/disc", Some(json!({"colour": 1}))).await.0, 400);
    assert_eq!(service.send(Method::DELETE, "/v1/items/disc", None, Some(&second)).await.status(), 204);
    assert_eq!(service.json(Method::GET, "/v1/items/disc", None).await.0, 404);
}

#[tokio::test]
async fn items_are_created_deleted_and_listed_in_bulk() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let service = Service(&server.base);
    let mut lines: Vec<String> = (0..30)
        .map(|n| {
            json!({"id": format!("note-{n}"), "captions": [format!("note number {n}")], "meta": {"n": n}}).to_string()
        })
        .collect();
    lines.push("not JSON".into());
    lines.push(json!({"id": "empty"}).to_string());
    lines.push(json!({"id": "torn", "image_base64": "AAAA"}).to_string());
    lines.push(json!({"id": "disc", "image_base64": STANDARD.encode(drawn_picture())}).to_string());
    let (status, result) = service.batch(&lines.join("\n")).await;
    assert_eq!((status, &result["taken"], &result["refused"]), (200, &json!(31), &json!(3)), "{result}");
    let codes: Vec<&str> =
        result["items"].as_array().expect("items").iter().filter_map(|i| i["error"]["code"].as_str()).collect();
    assert_eq!(codes, ["malformed_request", "invalid_item", "image_decode_failed"]);
    assert_eq!(result["items"][30]["line"], 31);
    assert_eq!(service.first_caption("note number 7", "note-7").await, "note number 7");
    let (_, replaced) = service.batch(&lines[0]).await;
    assert_eq!(replaced["items"][0]["status"], 200, "replaced");
    assert_eq!(service.batch("").await.0, 422);

    // A large batch becomes a task.
    lines.extend(
        (30..220).map(|n| json!({"id": format!("more-{n}"), "captions": [format!("one more {n}")]}).to_string()),
    );
    let (status, task) = service.batch(&lines.join("\n")).await;
    assert_eq!((status, &task["type"]), (202, &json!("batch")), "{task}");
    let (_, finished) = service.json(Method::GET, &format!("/v1/tasks/{}?wait=25", task["id"]), None).await;
    assert_eq!((&finished["status"], &finished["result"]["taken"]), (&json!("succeeded"), &json!(221)), "{finished}");
    assert_eq!(finished["result"]["items"][0], json!({"line": 31, "error": result["items"][30]["error"]}));
    assert_eq!(service.first_caption("one more 77", "more-77").await, "one more 77");

    let notes = json!({"must": [{"key": "meta.n", "range": {"gte": 10}}]});
    let filter = reqwest::Url::parse_with_params("http://x/", [("filter", notes.to_string())]).expect("an address");
    let query = filter.query().expect("a query");
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = service.json(Method::GET, &format!("/v1/items?{query}&limit=7{cursor}"), None).await;
        listed.extend(
            page["items"].as_array().expect("items").iter().map(|i| i["id"].as_str().expect("an id").to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(listed, (10..30).map(|n| format!("note-{n}")).collect::<Vec<_>>());

    let (_, dry) =
        service.json(Method::POST, "/v1/items/delete", Some(json!({"filter": notes, "dry_run": true}))).await;
    assert_eq!((&dry["matched"], &dry["deleted"]), (&json!(20), &json!(0)));
    let (_, deleted) = service.json(Method::POST, "/v1/items/delete", Some(json!({"filter": notes}))).await;
    assert_eq!(deleted["deleted"], 20);
    let (_, deleted) =
        service.json(Method::POST, "/v1/items/delete", Some(json!({"ids": ["note-1", "no such"]}))).await;
    assert_eq!(deleted["deleted"], 1);
    assert_eq!(service.first_caption("note number 12", "note-12").await, Value::Null);
    assert_eq!(service.json(Method::POST, "/v1/items/delete", Some(json!({"filter": {}}))).await.0, 422);
    assert_eq!(service.json(Method::POST, "/v1/items/delete", Some(json!({}))).await.0, 422);
    assert_eq!(service.json(Method::GET, "/v1/items?cursor=-1", None).await.0, 422);
}

#[tokio::test]
async fn idempotent_request_runs_once() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let post = async |server: &Server, path: &str, key: &str, body: Value| {
        let request = Client::new().post(format!("{}{path}", server.base)).header("idempotency-key", key);
        let response = request.json(&body).send().await.expect("a response");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, response.json::<Value>().await.expect("JSON"))
    };
    let item = |text: &str| json!({"captions": [text]});
    let count = async |server: &Server| {
        let (_, info) = Service(&server.base).json(Method::GET, "/v1/info", None).await;
        info["collection"]["captions"].as_i64().expect("a number")
    };
    let before = count(&server).await;
    let (status, headers, first) = post(&server, "/v1/items", "one", item("a door")).await;
    assert_eq!(status, 201, "{first}");
    let (again, replayed, second) = post(&server, "/v1/items", "one", item("a door")).await;
    assert_eq!((again, &second), (201, &first));
    assert_eq!((&replayed["location"], &replayed["etag"]), (&headers["location"], &headers["etag"]));
    assert_eq!(replayed["idempotent-replayed"], "true");
    let (status, _, conflict) = post(&server, "/v1/items", "one", item("a gate")).await;
    assert_eq!((status, &conflict["code"]), (422, &json!("idempotency_key_reused")));
    assert_eq!(post(&server, "/v1/items", "two", item("a door")).await.0, 201, "another key is another request");
    let (status, _, rejected) = post(&server, "/v1/items", "three", json!({"captions": []})).await;
    assert_eq!(status, 422, "{rejected}");
    assert_eq!(
        post(&server, "/v1/items", "three", item("a window")).await.0,
        201,
        "a rejected request does not use up its key"
    );
    assert_eq!(post(&server, "/v1/items", "with spaces", item("a wall")).await.0, 400);
    // Of concurrent requests one creates the item; the others get a conflict or its response.
    let concurrent =
        futures_util::future::join_all((0..8).map(|_| post(&server, "/v1/items", "many", item("a roof")))).await;
    assert!(concurrent.iter().all(|(status, _, _)| [201, 409].contains(status)));
    assert_eq!(count(&server).await, before + 4);

    // If the service is killed before it responds, the retried request creates the item only once.
    for round in 0..4 {
        let server = Server::start(data.path()).await;
        let base = server.base.clone();
        let client =
            Client::new().post(format!("{base}/v1/items")).header("idempotency-key", format!("killed-{round}"));
        let sent = tokio::spawn(client.json(&item("a chimney")).send());
        tokio::time::sleep(std::time::Duration::from_millis(3 * round)).await;
        server.kill();
        let _ = sent.await;
    }
    let server = Server::start(data.path()).await;
    for round in 0..4 {
        let (status, _, result) = post(&server, "/v1/items", &format!("killed-{round}"), item("a chimney")).await;
        assert!([200, 201].contains(&status), "{result}");
    }
    assert_eq!(count(&server).await, before + 8);
}
