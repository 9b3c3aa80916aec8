//! Keys: `GET` and `POST /v1/admin/keys`, `DELETE /v1/admin/keys/{id}`.

use axum::{
    Json,
    extract::{
        Path, State,
        rejection::{JsonRejection, PathRejection},
    },
    http::StatusCode,
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::{ApiKey, Scope};
use crate::server::{
    error::{Code, Outcome, Problem},
    extract::search_params::whole,
    responses::timestamp,
    state::App,
};

const MAX_NAME_CHARS: usize = 100;
const MAX_DAYS: u32 = 3650;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyBody {
    /// What to call it.
    #[serde(default)]
    #[schema(max_length = 100)]
    name: String,
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// Days after which it no longer counts; never, unless this says so.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<u32>,
}

/// A key without its secret.
#[derive(Serialize, ToSchema)]
struct KeyView {
    id: String,
    name: String,
    scopes: Vec<Scope>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    /// To a minute.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// All keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyList {
    keys: Vec<KeyView>,
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewKey {
    #[serde(flatten)]
    view: KeyView,
    /// What its holder shows, `dpt_…`; it is said this once.
    key: String,
}

/// All keys, without their secrets
#[utoipa::path(get, path = "/v1/admin/keys", tag = "admin",
    responses((status = 200, description = "Those that count and those that do not", body = KeyList)))]
pub(crate) async fn list(State(app): State<App>) -> Outcome<Json<KeyList>> {
    let keys = app.engine.collection().catalog.keys().await?;
    Ok(Json(KeyList { keys: keys.into_iter().map(view).collect() }))
}

/// Make a key
#[utoipa::path(post, path = "/v1/admin/keys", tag = "admin", request_body = KeyBody,
    responses((status = 201, description = "The key, this once", body = NewKey)))]
pub(crate) async fn create(
    State(app): State<App>,
    body: Result<Json<KeyBody>, JsonRejection>,
) -> Outcome<impl IntoResponse> {
    let Json(KeyBody { name, scopes, expires_in_days }) = body?;
    let refuse = |field: &str, reason: String| {
        Problem::new(Code::InvalidKeyRequest, format!("{field}: {reason}")).at(&format!("/{field}"))
    };
    if scopes.is_empty() {
        return Err(refuse("scopes", "at least one of search, ingest and admin is needed".into()));
    }
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(refuse("name", format!("it has at most {MAX_NAME_CHARS} characters, none a control character")));
    }
    if let Some(days) = expires_in_days.filter(|days| !(1..=MAX_DAYS).contains(days)) {
        return Err(refuse("expires_in_days", format!("it is {days}; allowed are 1 to {MAX_DAYS}")));
    }
    let made = app.engine.collection().catalog.create_key(&name, &scopes, expires_in_days).await;
    let (key, text) = made?;
    Ok((StatusCode::CREATED, Json(NewKey { view: view(key), key: text })))
}

/// Make a key count no longer
#[utoipa::path(delete, path = "/v1/admin/keys/{id}", tag = "admin", params(("id" = String, Path)),
    responses((status = 204, description = "It is revoked")))]
pub(crate) async fn revoke(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Outcome<StatusCode> {
    let Path(id) = id?;
    if app.engine.collection().catalog.revoke_key(&id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(Code::NotFound, format!("there is no key {id:?} that counts")))
}

fn view(key: ApiKey) -> KeyView {
    KeyView {
        id: key.id,
        name: key.name,
        scopes: key.scopes,
        created_at: timestamp(key.created_at),
        expires_at: key.expires_at.map(timestamp),
        revoked_at: key.revoked_at.map(timestamp),
        last_used_at: key.last_used_at.map(timestamp),
    }
}
