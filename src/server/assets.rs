//! The search page, the owner's and that of the API. Their files are part of the binary, so that one file is the whole service.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::server::{
    error::{Code, Outcome, Problem},
    extract::search_params::AddressParameters,
    no_script,
    state::App,
};

/// Nothing from elsewhere, nothing inline: a caption can never become a script.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; \
                      object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

macro_rules! assets {
    ($($name:literal => $mime:literal),* $(,)?) => {
        /// Name, media type and bytes of each file of the pages.
        const ASSETS: &[(&str, &str, &[u8])] =
            &[$(($name, $mime, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/", $name)))),*];
    };
}

assets! {
    "admin.css" => "text/css; charset=utf-8",
    "admin.js" => "text/javascript; charset=utf-8",
    "admin-chart.js" => "text/javascript; charset=utf-8",
    "admin-data.js" => "text/javascript; charset=utf-8",
    "admin-item.js" => "text/javascript; charset=utf-8",
    "admin-keys.js" => "text/javascript; charset=utf-8",
    "admin-map.js" => "text/javascript; charset=utf-8",
    "admin-models.js" => "text/javascript; charset=utf-8",
    "admin-parts.js" => "text/javascript; charset=utf-8",
    "admin-plots.js" => "text/javascript; charset=utf-8",
    "admin-review.js" => "text/javascript; charset=utf-8",
    "admin-tasks.js" => "text/javascript; charset=utf-8",
    "admin-train.js" => "text/javascript; charset=utf-8",
    "admin-words.js" => "text/javascript; charset=utf-8",
    "api.js" => "text/javascript; charset=utf-8",
    "copy.js" => "text/javascript; charset=utf-8",
    "dialog.js" => "text/javascript; charset=utf-8",
    "docs.css" => "text/css; charset=utf-8",
    "docs.js" => "text/javascript; charset=utf-8",
    "dom.js" => "text/javascript; charset=utf-8",
    "events.js" => "text/javascript; charset=utf-8",
    "examples.js" => "text/javascript; charset=utf-8",
    "favicon.svg" => "image/svg+xml",
    "filters.js" => "text/javascript; charset=utf-8",
    "intake.js" => "text/javascript; charset=utf-8",
    "key.css" => "text/css; charset=utf-8",
    "key.js" => "text/javascript; charset=utf-8",
    "keyboard.js" => "text/javascript; charset=utf-8",
    "lists.js" => "text/javascript; charset=utf-8",
    "main.js" => "text/javascript; charset=utf-8",
    "map-classes.js" => "text/javascript; charset=utf-8",
    "map-hand.js" => "text/javascript; charset=utf-8",
    "map.js" => "text/javascript; charset=utf-8",
    "notices.js" => "text/javascript; charset=utf-8",
    "pictures.js" => "text/javascript; charset=utf-8",
    "question.js" => "text/javascript; charset=utf-8",
    "recent.js" => "text/javascript; charset=utf-8",
    "results.js" => "text/javascript; charset=utf-8",
    "search.css" => "text/css; charset=utf-8",
    "sheet.js" => "text/javascript; charset=utf-8",
    "shelf.js" => "text/javascript; charset=utf-8",
    "style.css" => "text/css; charset=utf-8",
    "terms.js" => "text/javascript; charset=utf-8",
    "view.js" => "text/javascript; charset=utf-8",
    "why.js" => "text/javascript; charset=utf-8",
    "words-search.js" => "text/javascript; charset=utf-8",
    "words.js" => "text/javascript; charset=utf-8",
}

/// `GET /`, with the answer to its `q` for browsers without scripts.
pub(crate) async fn index(State(app): State<App>, parameters: AddressParameters) -> Response {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/index.html"));
    match no_script::words(&parameters) {
        Some((words, true)) => document(no_script::answered(&app, page, words).await),
        Some((words, false)) => document(no_script::offered(page, words)),
        None => document(page),
    }
}

/// `GET /admin`
pub(crate) async fn admin() -> Response {
    document(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/admin.html")))
}

/// `GET /docs`
pub(crate) async fn docs() -> Response {
    document(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/static/docs.html")))
}

fn document(page: impl Into<Body>) -> Response {
    let mut response = file("text/html; charset=utf-8", page);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// `GET /static/{name}`
pub(crate) async fn asset(Path(name): Path<String>) -> Outcome<Response> {
    let found = ASSETS.iter().find(|(asset, _, _)| *asset == name);
    let (_, mime, bytes) = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no file {name:?}")))?;
    Ok(file(mime, *bytes))
}

fn file(mime: &'static str, bytes: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, mime), (header::CACHE_CONTROL, "no-cache")], bytes.into()).into_response()
}
