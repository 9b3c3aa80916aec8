//! API keys with their scopes.
//!
//! A key is `dpt_<id>_<secret>`. The id identifies it and the secret, 256 random bits, authenticates it. The catalog
//! stores only the SHA-256 of the secret. A slow password hash is not needed, because a random secret of this length
//! cannot be guessed.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use subtle::ConstantTimeEq;
use tracing::Instrument;
use utoipa::ToSchema;

use super::{Catalog, CatalogError, now_ms};
use crate::util::hex;

/// Prefix of every key, so that a leaked key is recognised by scanners and people.
const PREFIX: &str = "dpt";

/// Milliseconds in a day.
const MS_PER_DAY: i64 = 86_400_000;

/// Resolution of a key's time of last use, in milliseconds, so that not every request is a write.
const LAST_USED_RESOLUTION_MS: i64 = 60_000;

/// What the holder of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Search, and read items.
    Search,
    /// Create, change and delete items.
    Ingest,
    /// Everything, including models, tasks and keys.
    Admin,
}

impl Scope {
    /// Name as in requests and responses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
    }
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, FromRow)]
pub struct ApiKey {
    /// The part of the key that identifies it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it permits.
    #[sqlx(json)]
    pub scopes: Vec<Scope>,
    /// Time of creation, in Unix milliseconds.
    pub created_at: i64,
    /// Time of expiry, in Unix milliseconds.
    pub expires_at: Option<i64>,
    /// Time of revocation, in Unix milliseconds.
    pub revoked_at: Option<i64>,
    /// Time of last use, to a minute, in Unix milliseconds.
    pub last_used_at: Option<i64>,
}

impl ApiKey {
    /// Whether the key grants a scope; `admin` grants all.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether the key is neither revoked nor expired at a time in Unix milliseconds.
    fn is_active(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[derive(FromRow)]
struct KeyRow {
    #[sqlx(flatten)]
    key: ApiKey,
    hash: Vec<u8>,
}

impl Catalog {
    /// Creates a key that expires after `days`, or never, and returns it with its text, which is not stored.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn create_key(
        &self,
        name: &str,
        scopes: &[Scope],
        days: Option<u32>,
    ) -> Result<(ApiKey, String), CatalogError> {
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let id = format!("{:08x}", rand::random::<u32>());
        let secret = hex::encode(rand::random::<[u8; 32]>());
        let created_at = now_ms();
        let expires_at = days.map(|days| created_at + i64::from(days) * MS_PER_DAY);
        sqlx::query("insert into api_keys (id, name, scopes, hash, created_at, expires_at) values (?, ?, ?, ?, ?, ?)")
            .bind(&id)
            .bind(name)
            .bind(serde_json::json!(scopes).to_string())
            .bind(hash(&secret))
            .bind(created_at)
            .bind(expires_at)
            .execute(&self.writer)
            .await?;
        let text = format!("{PREFIX}_{id}_{secret}");
        let key =
            ApiKey { id, name: name.to_owned(), scopes, created_at, expires_at, revoked_at: None, last_used_at: None };
        Ok((key, text))
    }

    /// The active key with this text, if there is one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn key(&self, text: &str) -> Result<Option<ApiKey>, CatalogError> {
        let mut parts = text.splitn(3, '_');
        let (Some(PREFIX), Some(id), Some(secret)) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(None);
        };
        let row: Option<KeyRow> =
            sqlx::query_as("select * from api_keys where id = ?").bind(id).fetch_optional(&self.readers).await?;
        let Some(row) = row else { return Ok(None) };
        let authentic: bool = row.hash.ct_eq(&hash(secret)).into();
        let (key, now) = (row.key, now_ms());
        if !authentic || !key.is_active(now) {
            return Ok(None);
        }
        if key.last_used_at.is_none_or(|used| now - used > LAST_USED_RESOLUTION_MS) {
            self.record_use(key.id.clone(), now);
        }
        Ok(Some(key))
    }

    /// Records the use of a key, unless a write is in progress: no request waits for this or fails because of it.
    fn record_use(&self, id: String, now: i64) {
        let Some(mut writer) = self.writer.try_acquire() else { return };
        let update = async move {
            let query = sqlx::query("update api_keys set last_used_at = ? where id = ?").bind(now).bind(id);
            if let Err(error) = query.execute(&mut *writer).await {
                tracing::warn!(%error, "the last use of API key could not be recorded");
            }
        };
        tokio::spawn(update.in_current_span());
    }

    /// All keys, including revoked and expired ones, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, CatalogError> {
        Ok(sqlx::query_as("select * from api_keys order by created_at, id").fetch_all(&self.readers).await?)
    }

    /// Whether requests need a key: they do once any key was ever created.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn keys_required(&self) -> Result<bool, CatalogError> {
        Ok(sqlx::query_scalar("select exists (select 1 from api_keys)").fetch_one(&self.readers).await?)
    }

    /// Whether there is an active key with the scope `admin`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has_admin_key(&self) -> Result<bool, CatalogError> {
        let now = now_ms();
        Ok(self.keys().await?.iter().any(|key| key.is_active(now) && key.allows(Scope::Admin)))
    }

    /// Revokes a key, effective immediately. Returns `false` if there is no unrevoked key with this id.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revoke_key(&self, id: &str) -> Result<bool, CatalogError> {
        let done = sqlx::query("update api_keys set revoked_at = ? where id = ? and revoked_at is null")
            .bind(now_ms())
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_valid_until_it_expires_or_is_revoked() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        assert!(!catalog.keys_required().await.expect("an answer"));
        let (key, text) = catalog.create_key("a page", &[Scope::Search], None).await.expect("a key");
        assert!(text.starts_with("dpt_") && text.len() > 70);
        let found = catalog.key(&text).await.expect("an answer").expect("a valid key");
        assert_eq!(
            (found.id.as_str(), found.allows(Scope::Search), found.allows(Scope::Ingest)),
            (key.id.as_str(), true, false)
        );
        // A use is not recorded while the writer is busy, so try until one is.
        let used = async {
            while catalog.keys().await.expect("keys")[0].last_used_at.is_none() {
                catalog.key(&text).await.expect("an answer");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), used).await.expect("a use is recorded");
        let wrong = format!("{}0", &text[..text.len() - 1]);
        let other = if wrong == text { format!("{}1", &text[..text.len() - 1]) } else { wrong };
        for invalid in [other.as_str(), "", "dpt", "dpt__", "dpt_00000000_", &text[1..], &text[..text.len() - 1]] {
            assert_eq!(catalog.key(invalid).await.expect("an answer"), None, "{invalid}");
        }
        let written = std::fs::read(folder.path().join("catalog.sqlite3-wal")).expect("a log");
        let secret = text.rsplit('_').next().expect("a secret");
        assert!(!written.windows(secret.len()).any(|some| some == secret.as_bytes()), "the secret is not stored");

        assert!(!catalog.has_admin_key().await.expect("an answer"));
        let (_, late) = catalog.create_key("late", &[Scope::Admin], Some(0)).await.expect("a key");
        assert_eq!(catalog.key(&late).await.expect("an answer"), None);
        assert!(!catalog.has_admin_key().await.expect("an answer"));
        let (admin, root) = catalog.create_key("root", &[Scope::Admin], None).await.expect("a key");
        assert!(catalog.has_admin_key().await.expect("an answer"));
        assert!(catalog.key(&root).await.expect("an answer").is_some_and(|key| key.allows(Scope::Ingest)));
        assert!(catalog.revoke_key(&admin.id).await.expect("an answer"));
        assert!(!catalog.revoke_key(&admin.id).await.expect("an answer"));
        assert_eq!(catalog.key(&root).await.expect("an answer"), None);
        assert!(catalog.keys_required().await.expect("an answer"));
    }
}
