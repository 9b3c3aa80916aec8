//! API keys: except for public routes, every request needs a valid key with the required scope.

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::common::{Server, copy_collection, diptych, succeed, trained_collection};

struct Caller<'a> {
    base: &'a str,
    key: Option<String>,
}

impl Caller<'_> {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = Client::new().request(method, format!("{}{path}", self.base));
        let request = match &self.key {
            Some(key) => request.header("authorization", format!("Bearer {key}")),
            None => request,
        };
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.expect("a response")
    }

    /// Sends a request and returns the status and the error code of the response.
    async fn code(&self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let response = self.send(method, path, body).await;
        let status = response.status().as_u16();
        assert_eq!(status == 401, response.headers().contains_key("www-authenticate"));
        let body: Value = response.json().await.unwrap_or(Value::Null);
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Every route of the router, with its methods. Those of the API are in the OpenAPI document; the pages are extracted
/// from the source of the router, so that the test fails when one is added.
fn routes() -> Vec<(Method, String)> {
    let source = include_str!("../../src/server/router.rs");
    let pages: Vec<&str> = source.split(".page(\"").skip(1).map(|part| part.split('"').next().unwrap_or("")).collect();
    assert_eq!(pages, ["/", "/admin", "/docs", "/static/{*path}", "/openapi.json", "/problems/{code}"]);
    let document = serde_json::to_value(diptych::server::document()).expect("JSON");
    let mut routes: Vec<(Method, String)> = pages.iter().map(|path| (Method::GET, (*path).to_owned())).collect();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            routes.push((method.to_uppercase().parse().expect("a method"), path.clone()));
        }
    }
    assert!(routes.len() > 40, "{routes:?}");
    routes.iter_mut().for_each(|(_, path)| {
        *path = path.replace("{id}", "1").replace("{*path}", "search/index.js").replace("{code}", "internal")
    });
    routes
}

#[tokio::test]
async fn keys_allow_exactly_what_their_scopes_say() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let caller = |key: Option<&str>| Caller { base: &server.base, key: key.map(str::to_owned) };
    let anonymous = caller(None);
    assert_eq!(
        anonymous.send(Method::GET, "/v1/tasks", None).await.status(),
        200,
        "open before the first key is created"
    );

    // The first key is created on the command line, the others over HTTP. A running service sees it at once.
    let root = succeed(diptych(data.path()).args(["key", "create", "--scope", "admin", "--name", "root"]));
    let root = root.lines().find(|line| line.starts_with("dpt_")).expect("a key").trim().to_owned();
    let admin = caller(Some(&root));
    let create_key = async |scopes: Value| -> (String, String) {
        let response = admin.send(Method::POST, "/v1/admin/keys", Some(json!({"name": "one", "scopes": scopes}))).await;
        assert_eq!(response.status(), 201);
        let key: Value = response.json().await.expect("JSON");
        (key["id"].as_str().expect("an id").to_owned(), key["key"].as_str().expect("a key").to_owned())
    };
    let (search_id, search) = create_key(json!(["search"])).await;
    let (_, ingest) = create_key(json!(["search", "ingest"])).await;

    let open = [
        "/",
        "/admin",
        "/docs",
        "/openapi.json",
        "/problems/internal",
        "/static/search/index.js",
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/info",
        "/v1/stats",
    ];
    let another = if root.ends_with('0') { '1' } else { '0' };
    let wrong = format!("{}{another}", &root[..root.len() - 1]);
    for (method, path) in routes() {
        let (status, code) = anonymous.code(method.clone(), &path, None).await;
        if open.contains(&path.as_str()) {
            assert!(status < 400, "{method} {path}: {status}");
            continue;
        }
        assert_eq!((status, code.as_str()), (401, "missing_key"), "{method} {path}");
        for bad in [wrong.as_str(), "dpt_1_2", "", "é"] {
            let request = Client::new().request(method.clone(), format!("{}{path}", server.base));
            let value = reqwest::header::HeaderValue::from_bytes(format!("Bearer {bad}").as_bytes()).expect("a value");
            let response = request.header("authorization", value).send().await.expect("a response");
            assert_eq!(response.status(), 401, "{method} {path} with {bad:?}");
        }
    }

    let (searcher, writer) = (caller(Some(&search)), caller(Some(&ingest)));
    let words = || Some(json!({"query": "a bird"}));
    let item = || Some(json!({"id": "by-key", "captions": ["a bird"]}));
    assert_eq!(searcher.code(Method::POST, "/v1/search/text", words()).await.0, 200);
    assert_eq!(searcher.code(Method::POST, "/v1/items", item()).await, (403, "insufficient_scope".into()));
    assert_eq!(searcher.code(Method::GET, "/v1/tasks", None).await.0, 403);
    assert_eq!(writer.code(Method::POST, "/v1/items", item()).await.0, 201);
    assert_eq!(writer.code(Method::POST, "/v1/admin/reindex", None).await.0, 403);
    assert_eq!(admin.code(Method::DELETE, "/v1/items/by-key", None).await.0, 204);
    assert_eq!(admin.code(Method::GET, "/v1/tasks", None).await.0, 200);
    assert_eq!(anonymous.code(Method::GET, "/no/such/route", None).await.0, 404);

    assert_eq!(admin.code(Method::DELETE, &format!("/v1/admin/keys/{search_id}"), None).await.0, 204);
    assert_eq!(searcher.code(Method::POST, "/v1/search/text", words()).await, (401, "invalid_key".into()));
    assert_eq!(admin.code(Method::DELETE, &format!("/v1/admin/keys/{search_id}"), None).await.0, 404);
    let keys: Value = admin.send(Method::GET, "/v1/admin/keys", None).await.json().await.expect("JSON");
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(3));
    assert!(!keys.to_string().contains(search.rsplit('_').next().expect("a secret")));
    for body in [
        json!({"scopes": []}),
        json!({"scopes": ["search"], "expires_in_days": 0}),
        json!({"scopes": ["search"], "name": "\n"}),
    ] {
        assert_eq!(admin.code(Method::POST, "/v1/admin/keys", Some(body)).await, (422, "invalid_key_request".into()));
    }
    assert_eq!(admin.code(Method::POST, "/v1/admin/keys", Some(json!({"scopes": ["all"]}))).await.0, 400);

    let list = succeed(diptych(data.path()).args(["key", "list"]));
    assert!(list.contains("revoked") && list.contains("root"), "{list}");
    let id = root.split('_').nth(1).expect("an id");
    succeed(diptych(data.path()).args(["key", "revoke", id]));
    assert_eq!(
        admin.code(Method::GET, "/v1/tasks", None).await,
        (401, "invalid_key".into()),
        "revoked on the command line"
    );
    assert_eq!(
        anonymous.code(Method::GET, "/v1/tasks", None).await.0,
        401,
        "a collection whose keys are all revoked stays protected"
    );
}
