//! Responses with API keys.

use serde::Serialize;
use utoipa::ToSchema;

use super::timestamp::timestamp;
use crate::catalog::{ApiKey, Scope};

/// An API key without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyResponse {
    id: String,
    name: String,
    scopes: Vec<Scope>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    /// To the minute.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// All API keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyList {
    pub(crate) keys: Vec<KeyResponse>,
}

/// A new API key.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    #[serde(flatten)]
    pub(crate) info: KeyResponse,
    /// The key with its secret, `dpt_…`. It cannot be retrieved again.
    pub(crate) key: String,
}

impl From<ApiKey> for KeyResponse {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes,
            created_at: timestamp(key.created_at),
            expires_at: key.expires_at.map(timestamp),
            revoked_at: key.revoked_at.map(timestamp),
            last_used_at: key.last_used_at.map(timestamp),
        }
    }
}
