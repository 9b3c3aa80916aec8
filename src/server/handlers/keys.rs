//! API keys: list, create and revoke.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    catalog::Scope,
    server::{
        ApiResult, App, Code, Problem, RoutePolicy, Routes,
        extract::{
            json::{self, integer},
            path::Path,
        },
        responses::key::{CreatedKey, KeyList, KeyResponse},
    },
};

const MAX_NAME_CHARS: usize = 100;
const MAX_DAYS: u32 = 3650;

/// A key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "website", "scopes": ["search"], "expires_in_days": 365}))]
struct CreateKeyRequest {
    /// Name for people.
    #[serde(default)]
    #[schema(max_length = 100)]
    name: String,
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// Days until the key expires. Without it, the key does not expire.
    #[serde(default, deserialize_with = "integer")]
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<u32>,
}

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route(RoutePolicy::ADMIN, routes!(list_keys))
        .route(RoutePolicy::ADMIN.idempotent(), routes!(create_key))
        .route(RoutePolicy::ADMIN, routes!(revoke_key))
}

/// List keys
#[utoipa::path(get, path = "/v1/admin/keys", tag = "admin",
    responses((status = 200, description = "All keys, also expired and revoked ones, without their secrets",
        body = KeyList)))]
async fn list_keys(State(app): State<App>) -> ApiResult<Json<KeyList>> {
    let keys = app.engine.collection().catalog.keys().await?;
    Ok(Json(KeyList { keys: keys.into_iter().map(KeyResponse::from).collect() }))
}

/// Create key
#[utoipa::path(post, path = "/v1/admin/keys", tag = "admin", request_body = CreateKeyRequest,
    responses((status = 201, description = "The key with its secret, which is shown only here", body = CreatedKey)))]
async fn create_key(
    State(app): State<App>,
    json::Json(CreateKeyRequest { name, scopes, expires_in_days }): json::Json<CreateKeyRequest>,
) -> ApiResult<(StatusCode, Json<CreatedKey>)> {
    let invalid = |field: &str, reason: String| Problem::invalid_field(Code::InvalidKeyRequest, field, reason);
    if scopes.is_empty() {
        return Err(invalid("scopes", "at least one of search, ingest and admin is needed".into()));
    }
    if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        let reason = format!("at most {MAX_NAME_CHARS} characters are allowed, and no control characters");
        return Err(invalid("name", reason));
    }
    if let Some(days) = expires_in_days.filter(|days| !(1..=MAX_DAYS).contains(days)) {
        return Err(invalid("expires_in_days", format!("{days} is out of range; allowed are 1 to {MAX_DAYS}")));
    }
    let (info, key) = app.engine.collection().catalog.create_key(&name, &scopes, expires_in_days).await?;
    Ok((StatusCode::CREATED, Json(CreatedKey { info: info.into(), key })))
}

/// Revoke key
///
/// Takes effect immediately.
#[utoipa::path(delete, path = "/v1/admin/keys/{id}", tag = "admin",
    params(("id" = String, Path, description = "Id of the key")),
    responses((status = 204, description = "The key was revoked")))]
async fn revoke_key(State(app): State<App>, Path(id): Path<String>) -> ApiResult<StatusCode> {
    if app.engine.collection().catalog.revoke_key(&id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(Code::NotFound, format!("there is no valid key with the id {id:?}")))
}
