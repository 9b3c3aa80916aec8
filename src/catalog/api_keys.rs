//! Keys of the service: who holds one may do what its scopes say.
//!
//! A key reads `dpt_<id>_<secret>`. The id finds it, the secret proves it: 256 random bits, of which the catalog has the SHA-256
//! alone. A slow hash would protect a secret that people choose; nobody guesses this one.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use subtle::ConstantTimeEq;
use tracing::Instrument;

use super::{
    connection::Catalog,
    error::CatalogError,
    values::{from_json, now_ms},
};

/// What a key's text begins with, so that a key in a wrong place is recognised.
const PREFIX: &str = "dpt";

/// Milliseconds of a day.
const A_DAY: i64 = 86_400_000;

/// How old the time of a key's last use may be, in milliseconds: a write for every request would be many.
const USE_IS_KEPT_EVERY: i64 = 60_000;

/// What the holder of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask and look.
    Search,
    /// Change items.
    Ingest,
    /// Everything: also models, tasks and keys.
    Admin,
}

impl Scope {
    /// Its name, as requests and lists have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
    }
}

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApiKey {
    /// The part that finds it.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What its holder may do.
    pub scopes: Vec<Scope>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// From then on it is none; Unix milliseconds.
    pub expires_at: Option<i64>,
    /// Since then it is none; Unix milliseconds.
    pub revoked_at: Option<i64>,
    /// To a minute; Unix milliseconds.
    pub last_used_at: Option<i64>,
}

impl ApiKey {
    /// Whether its holder may do what needs this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether it counts at a time in Unix milliseconds.
    fn counts(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[derive(FromRow)]
struct KeyRow {
    id: String,
    name: String,
    scopes: String,
    hash: Vec<u8>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl TryFrom<KeyRow> for ApiKey {
    type Error = CatalogError;

    fn try_from(row: KeyRow) -> Result<Self, CatalogError> {
        Ok(Self {
            scopes: from_json("api_keys.scopes", &row.scopes)?,
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        })
    }
}

impl Catalog {
    /// Makes a key that counts for so many days, or for good. Its text is given once, here.
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
        let secret: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
        let created_at = now_ms();
        let expires_at = days.map(|days| created_at + i64::from(days) * A_DAY);
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

    /// The key that a text is, if it is one that counts.
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
        let proven: bool = row.hash.ct_eq(&hash(secret)).into();
        let (key, now) = (ApiKey::try_from(row)?, now_ms());
        if !proven || !key.counts(now) {
            return Ok(None);
        }
        if key.last_used_at.is_none_or(|used| now - used > USE_IS_KEPT_EVERY) {
            self.remember_use(key.id.clone(), now);
        }
        Ok(Some(key))
    }

    /// Keeps when a key was used, if nobody writes just now: nobody's request waits for that, or fails with it.
    fn remember_use(&self, id: String, now: i64) {
        let Some(mut writer) = self.writer.try_acquire() else { return };
        let keep = async move {
            let kept = sqlx::query("update api_keys set last_used_at = ? where id = ?").bind(now).bind(id);
            if let Err(error) = kept.execute(&mut *writer).await {
                tracing::warn!(%error, "the use of a key could not be kept");
            }
        };
        tokio::spawn(keep.in_current_span());
    }

    /// All keys, revoked and expired ones included, the oldest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, CatalogError> {
        let rows: Vec<KeyRow> =
            sqlx::query_as("select * from api_keys order by created_at, id").fetch_all(&self.readers).await?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }

    /// Whether keys were ever made: then every request needs one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn wants_keys(&self) -> Result<bool, CatalogError> {
        Ok(sqlx::query_scalar("select exists (select 1 from api_keys)").fetch_one(&self.readers).await?)
    }

    /// Whether a key of the scope `admin` counts now.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has_admin_key(&self) -> Result<bool, CatalogError> {
        let now = now_ms();
        Ok(self.keys().await?.iter().any(|key| key.counts(now) && key.may(Scope::Admin)))
    }

    /// Makes a key count no longer, from this moment on. `false` if there is none of this id that does.
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
    async fn a_key_counts_until_it_expires_or_is_revoked() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        assert!(!catalog.wants_keys().await.expect("an answer"));
        let (key, text) = catalog.create_key("a page", &[Scope::Search], None).await.expect("a key");
        assert!(text.starts_with("dpt_") && text.len() > 70);
        let found = catalog.key(&text).await.expect("an answer").expect("it counts");
        assert_eq!(
            (found.id.as_str(), found.may(Scope::Search), found.may(Scope::Ingest)),
            (key.id.as_str(), true, false)
        );
        // The one writer may not be back yet from what it did before; then a later use is the one that is kept.
        let used = async {
            while catalog.keys().await.expect("keys")[0].last_used_at.is_none() {
                catalog.key(&text).await.expect("an answer");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), used).await.expect("a use is kept");
        let wrong = format!("{}0", &text[..text.len() - 1]);
        let other = if wrong == text { format!("{}1", &text[..text.len() - 1]) } else { wrong };
        for none in [other.as_str(), "", "dpt", "dpt__", "dpt_00000000_", &text[1..], &text[..text.len() - 1]] {
            assert_eq!(catalog.key(none).await.expect("an answer"), None, "{none}");
        }
        let written = std::fs::read(folder.path().join("catalog.sqlite3-wal")).expect("a log");
        let secret = text.rsplit('_').next().expect("a secret");
        assert!(!written.windows(secret.len()).any(|some| some == secret.as_bytes()), "the secret is not kept");

        assert!(!catalog.has_admin_key().await.expect("an answer"));
        let (_, late) = catalog.create_key("late", &[Scope::Admin], Some(0)).await.expect("a key");
        assert_eq!(catalog.key(&late).await.expect("an answer"), None);
        assert!(!catalog.has_admin_key().await.expect("an answer"));
        let (admin, root) = catalog.create_key("root", &[Scope::Admin], None).await.expect("a key");
        assert!(catalog.has_admin_key().await.expect("an answer"));
        assert!(catalog.key(&root).await.expect("an answer").is_some_and(|key| key.may(Scope::Ingest)));
        assert!(catalog.revoke_key(&admin.id).await.expect("an answer"));
        assert!(!catalog.revoke_key(&admin.id).await.expect("an answer"));
        assert_eq!(catalog.key(&root).await.expect("an answer"), None);
        assert!(catalog.wants_keys().await.expect("an answer"));
    }
}
