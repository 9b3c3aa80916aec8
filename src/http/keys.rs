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
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    error::{Code, Outcome, Problem},
    view::timestamp,
};
use crate::{
    catalog::{ApiKey, Scope},
    search::SearchError,
};

const MAX_NAME_CHARS: usize = 100;
const MAX_DAYS: u32 = 3650;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyBody {
    #[serde(default)]
    name: String,
    scopes: Vec<Scope>,
    expires_in_days: Option<u32>,
}

pub(super) async fn list(State(app): State<App>) -> Outcome<Json<Value>> {
    let keys = app.engine.library().catalog.keys().await.map_err(SearchError::from)?;
    Ok(Json(json!({ "keys": keys.iter().map(view).collect::<Vec<_>>() })))
}

pub(super) async fn create(
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
    let made = app.engine.library().catalog.create_key(&name, &scopes, expires_in_days).await;
    let (key, text) = made.map_err(SearchError::from)?;
    let mut said = view(&key);
    said["key"] = json!(text);
    Ok((StatusCode::CREATED, Json(said)))
}

pub(super) async fn revoke(State(app): State<App>, id: Result<Path<String>, PathRejection>) -> Outcome<StatusCode> {
    let Path(id) = id?;
    if app.engine.library().catalog.revoke_key(&id).await.map_err(SearchError::from)? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(Code::NotFound, format!("there is no key {id:?} that counts")))
}

fn view(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "created_at": timestamp(key.created_at),
        "expires_at": key.expires_at.map(timestamp),
        "revoked_at": key.revoked_at.map(timestamp),
        "last_used_at": key.last_used_at.map(timestamp),
    })
}
