//! Requests with an `Idempotency-Key`, with their responses.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{Catalog, CatalogError, now_ms, values::from_json};

/// How long a response is kept, in milliseconds: one day.
const RETENTION_MS: i64 = 24 * 60 * 60 * 1000;

/// Response that is replayed when its request is sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers to replay.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

/// Result of claiming a request's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The key is new: process the request.
    New,
    /// An earlier run of the service claimed it and did not complete it, so it may be partly done: process it again.
    Retry,
    /// The request is in progress.
    InProgress,
    /// The key belongs to a different request.
    Conflict,
    /// The request was completed, with this response.
    Replay(StoredResponse),
}

#[derive(FromRow)]
struct Row {
    request: Vec<u8>,
    run: String,
    status: Option<i64>,
    headers: Option<String>,
    body: Option<Vec<u8>>,
}

impl Catalog {
    /// Claims a key for a request. `request` is a hash of the whole request, `run` identifies this run of the service.
    /// A caller that gets [`Claim::New`] or [`Claim::Retry`] must call [`Self::complete_request`].
    ///
    /// # Errors
    /// If the database fails.
    pub async fn claim_request(
        &self,
        caller: &str,
        key: &str,
        request: &[u8],
        run: &str,
    ) -> Result<Claim, CatalogError> {
        let now = now_ms();
        let mut transaction = self.writer.begin_with("begin immediate").await?;
        sqlx::query("delete from idempotency where started_at < ?")
            .bind(now - RETENTION_MS)
            .execute(&mut *transaction)
            .await?;
        let known: Option<Row> =
            sqlx::query_as("select request, run, status, headers, body from idempotency where caller = ? and key = ?")
                .bind(caller)
                .bind(key)
                .fetch_optional(&mut *transaction)
                .await?;
        let claim = match known {
            None => Claim::New,
            Some(known) if known.request != request => Claim::Conflict,
            Some(Row { status: Some(status), headers, body, .. }) => Claim::Replay(StoredResponse {
                status: u16::try_from(status).unwrap_or(200),
                headers: from_json("idempotency.headers", headers.as_deref().unwrap_or("{}"))?,
                body: body.unwrap_or_default(),
            }),
            Some(known) if known.run == run => Claim::InProgress,
            Some(_) => Claim::Retry,
        };
        if matches!(claim, Claim::New | Claim::Retry) {
            sqlx::query(
                "insert into idempotency (caller, key, request, run, started_at) values (?, ?, ?, ?, ?)
                 on conflict do update set run = excluded.run, started_at = excluded.started_at",
            )
            .bind(caller)
            .bind(key)
            .bind(request)
            .bind(run)
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(claim)
    }

    /// Stores the response of a claimed request; without one, the claim is dropped as if the request had never been
    /// sent.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn complete_request(
        &self,
        caller: &str,
        key: &str,
        response: Option<&StoredResponse>,
    ) -> Result<(), CatalogError> {
        let query = match response {
            Some(StoredResponse { status, headers, body }) => {
                sqlx::query("update idempotency set status = ?, headers = ?, body = ? where caller = ? and key = ?")
                    .bind(i64::from(*status))
                    .bind(serde_json::json!(headers).to_string())
                    .bind(body)
            }
            None => sqlx::query("delete from idempotency where caller = ? and key = ?"),
        };
        query.bind(caller).bind(key).execute(&self.writer).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_processed_once_and_its_response_replayed() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let begin = async |caller: &str, request: &[u8], run: &str| {
            catalog.claim_request(caller, "k", request, run).await.expect("a claim")
        };
        assert_eq!(begin("", b"a", "one").await, Claim::New);
        assert_eq!(begin("", b"a", "one").await, Claim::InProgress);
        assert_eq!(begin("", b"b", "one").await, Claim::Conflict);
        assert_eq!(begin("me", b"b", "one").await, Claim::New, "each caller has keys of its own");
        assert_eq!(begin("", b"a", "two").await, Claim::Retry, "the run that claimed it has ended");
        let headers = BTreeMap::from([("etag".to_owned(), "x".to_owned())]);
        let response = StoredResponse { status: 201, headers, body: b"{}".to_vec() };
        catalog.complete_request("", "k", Some(&response)).await.expect("it is stored");
        assert_eq!(begin("", b"a", "two").await, Claim::Replay(response));
        catalog.complete_request("me", "k", None).await.expect("it is dropped");
        assert_eq!(begin("me", b"c", "two").await, Claim::New);
    }
}
