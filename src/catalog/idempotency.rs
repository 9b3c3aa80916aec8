//! Requests that a client may send twice: what came of the first time.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::{
    connection::Catalog,
    error::CatalogError,
    values::{from_json, now_ms},
};

/// How long an answer is kept, in milliseconds: a day.
const KEPT: i64 = 24 * 60 * 60 * 1000;

/// An answer that is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its HTTP status.
    pub status: u16,
    /// Headers that belong to it.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What is known of a request's key when it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: do what it asks.
    First,
    /// An earlier run of the service began it and never ended it: some of what it asks may be done already.
    Again,
    /// It is at work.
    AtWork,
    /// It was another request that carried this key.
    Another,
    /// It was answered.
    Answered(KeptAnswer),
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
    /// Notes that a request begins, unless it did before. `request` is a hash of all that it says, `run` names this run of the
    /// service. Whoever gets [`Begun::First`] or [`Begun::Again`] ends it by [`Self::end_request`].
    ///
    /// # Errors
    /// If the database fails.
    pub async fn begin_request(
        &self,
        caller: &str,
        key: &str,
        request: &[u8],
        run: &str,
    ) -> Result<Begun, CatalogError> {
        let now = now_ms();
        let mut transaction = self.writer.begin_with("begin immediate").await?;
        sqlx::query("delete from idempotency where started_at < ?").bind(now - KEPT).execute(&mut *transaction).await?;
        let known: Option<Row> =
            sqlx::query_as("select request, run, status, headers, body from idempotency where caller = ? and key = ?")
                .bind(caller)
                .bind(key)
                .fetch_optional(&mut *transaction)
                .await?;
        let begun = match known {
            None => Begun::First,
            Some(known) if known.request != request => Begun::Another,
            Some(Row { status: Some(status), headers, body, .. }) => Begun::Answered(KeptAnswer {
                status: u16::try_from(status).unwrap_or(200),
                headers: from_json("idempotency.headers", headers.as_deref().unwrap_or("{}"))?,
                body: body.unwrap_or_default(),
            }),
            Some(known) if known.run == run => Begun::AtWork,
            Some(_) => Begun::Again,
        };
        if matches!(begun, Begun::First | Begun::Again) {
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
        Ok(begun)
    }

    /// Keeps the answer of a request that began; without one the request counts as never sent.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn end_request(&self, caller: &str, key: &str, answer: Option<&KeptAnswer>) -> Result<(), CatalogError> {
        let query = match answer {
            Some(KeptAnswer { status, headers, body }) => {
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
    async fn a_request_is_done_once_and_told_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let begin = async |caller: &str, request: &[u8], run: &str| {
            catalog.begin_request(caller, "k", request, run).await.expect("an answer")
        };
        assert_eq!(begin("", b"a", "one").await, Begun::First);
        assert_eq!(begin("", b"a", "one").await, Begun::AtWork);
        assert_eq!(begin("", b"b", "one").await, Begun::Another);
        assert_eq!(begin("me", b"b", "one").await, Begun::First, "keys are each caller's own");
        assert_eq!(begin("", b"a", "two").await, Begun::Again, "the run that began it is over");
        let headers = BTreeMap::from([("etag".to_owned(), "x".to_owned())]);
        let answer = KeptAnswer { status: 201, headers, body: b"{}".to_vec() };
        catalog.end_request("", "k", Some(&answer)).await.expect("it is kept");
        assert_eq!(begin("", b"a", "two").await, Begun::Answered(answer));
        catalog.end_request("me", "k", None).await.expect("it is forgotten");
        assert_eq!(begin("me", b"c", "two").await, Begun::First);
    }
}
