//! Writing what an import found.

use std::{borrow::Cow, collections::HashMap};

use sqlx::{FromRow, Sqlite, Transaction};

use crate::catalog::{connection::Catalog, error::CatalogError, values::now_ms};

/// An item as an import found it.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// The owner's name for it.
    pub id: String,
    /// Its picture, if it has one.
    pub picture: Option<NewPicture>,
    /// Its captions, in order.
    pub captions: Vec<String>,
    /// Its class names.
    pub labels: Vec<String>,
    /// `train`, `validation` or `test`, where its owner said so.
    pub given_split: Option<&'static str>,
    /// A JSON object.
    pub meta: String,
    /// File and line that named it.
    pub source: String,
    /// Hash of all that the record said, the picture's content included.
    pub record_hash: [u8; 32],
}

#[cfg(test)]
impl NewItem {
    /// An item of a caption and a class.
    pub(crate) fn of_words(id: &str, caption: &str, label: &str) -> Self {
        Self {
            id: id.into(),
            picture: None,
            captions: vec![caption.into()],
            labels: vec![label.into()],
            given_split: None,
            meta: "{}".into(),
            source: "test".into(),
            record_hash: [0; 32],
        }
    }
}

/// A picture that was read and decoded.
#[derive(Debug, Clone)]
pub struct NewPicture {
    /// blake3 of its bytes.
    pub content_hash: [u8; 32],
    /// Where it lies.
    pub path: String,
    /// Media type of its bytes.
    pub mime: Cow<'static, str>,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
}

/// A record that could not be taken.
#[derive(Debug, Clone)]
pub struct NewRejection {
    /// The file that named it.
    pub file: String,
    /// The line, or `None` where the file is the record.
    pub line: Option<u64>,
    /// A sentence.
    pub reason: String,
}

/// What the catalog remembers of a record that it took before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRecord {
    /// Hash of all that the record said.
    pub record_hash: Vec<u8>,
}

#[derive(FromRow)]
struct KnownRow {
    id: String,
    record_hash: Vec<u8>,
}

impl Catalog {
    /// What is known of the records of those of `ids` that are there, as an import took them last.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn known_records(&self, ids: &[&str]) -> Result<HashMap<String, KnownRecord>, CatalogError> {
        let rows: Vec<KnownRow> = sqlx::query_as(
            "select id, coalesce(imported_hash, record_hash) as record_hash from items
                 where id in (select value from json_each(?))",
        )
        .bind(serde_json::Value::from(ids).to_string())
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(|r| (r.id, KnownRecord { record_hash: r.record_hash })).collect())
    }

    /// Takes a batch of items and rejections in one transaction: all of it is kept, or none. An item whose id is known
    /// is replaced; a rejection is forgotten when its record is taken later.
    ///
    /// # Errors
    /// If the database fails; then nothing of the batch is kept.
    pub async fn import_batch(&self, items: &[NewItem], rejections: &[NewRejection]) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        let now = now_ms();
        for item in items {
            put_row(&mut tx, item, Unsaid::Goes, now).await?;
        }
        for rejection in rejections {
            sqlx::query(
                "insert into rejections (file, line, reason, at) values (?, ?, ?, ?)
                 on conflict do update set reason = excluded.reason, at = excluded.at",
            )
            .bind(&rejection.file)
            .bind(line_key(rejection.line))
            .bind(&rejection.reason)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Forgets rejections of records that were taken since.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn forget_rejections(&self, origins: &[(String, Option<u64>)]) -> Result<(), CatalogError> {
        if origins.is_empty() {
            return Ok(());
        }
        let mut tx = self.writer.begin_with("begin immediate").await?;
        for (file, line) in origins {
            sqlx::query("delete from rejections where file = ? and line = ?")
                .bind(file)
                .bind(line_key(*line))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Rejected records, by file and line.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn rejections(&self, limit: u32) -> Result<Vec<NewRejection>, CatalogError> {
        let rows: Vec<(String, i64, String)> =
            sqlx::query_as("select file, line, reason from rejections order by file, line limit ?")
                .bind(limit)
                .fetch_all(&self.readers)
                .await?;
        Ok(rows
            .into_iter()
            .map(|(file, line, reason)| NewRejection {
                file,
                line: u64::try_from(line).ok().filter(|&l| l > 0),
                reason,
            })
            .collect())
    }
}

fn line_key(line: Option<u64>) -> i64 {
    line.and_then(|l| i64::try_from(l).ok()).unwrap_or(0)
}

/// What becomes of what an item does not name: its split, and the record that an import took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsaid {
    /// It goes: a record says all that there is to say.
    Goes,
    /// It stays: nobody who posts an item can say it.
    Stays,
}

pub(super) async fn put_row(
    tx: &mut Transaction<'_, Sqlite>,
    item: &NewItem,
    split: Unsaid,
    now: i64,
) -> Result<(), CatalogError> {
    let picture = item.picture.as_ref();
    let key: i64 = sqlx::query_scalar(
        "insert into items (id, content_hash, image_path, image_mime, width, height, given_split, meta, source,
                            record_hash, updated_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (id) do update set
            content_hash = excluded.content_hash, image_path = excluded.image_path, image_mime = excluded.image_mime,
            width = excluded.width, height = excluded.height, image_error = null,
            given_split = iif(?12, coalesce(excluded.given_split, given_split), excluded.given_split),
            imported_hash = iif(?12, coalesce(imported_hash, record_hash), null),
            meta = excluded.meta, source = excluded.source, record_hash = excluded.record_hash
         returning key",
    )
    .bind(&item.id)
    .bind(picture.map(|p| p.content_hash.to_vec()))
    .bind(picture.map(|p| p.path.as_str()))
    .bind(picture.map(|p| p.mime.as_ref()))
    .bind(picture.map(|p| p.width))
    .bind(picture.map(|p| p.height))
    .bind(item.given_split)
    .bind(&item.meta)
    .bind(&item.source)
    .bind(item.record_hash.as_slice())
    .bind(now)
    .bind(split == Unsaid::Stays)
    .fetch_one(&mut **tx)
    .await?;

    // What stays keeps its key: an index and a cursor know captions by theirs.
    let before: Vec<String> = sqlx::query_scalar("select text from captions where item = ? order by position")
        .bind(key)
        .fetch_all(&mut **tx)
        .await?;
    let same = before.iter().zip(&item.captions).take_while(|(before, now)| before == now).count();
    sqlx::query("delete from captions where item = ? and position >= ?")
        .bind(key)
        .bind(same as i64)
        .execute(&mut **tx)
        .await?;
    for (position, text) in (0i64..).zip(&item.captions).skip(same) {
        sqlx::query("insert into captions (item, position, text, text_hash) values (?, ?, ?, ?)")
            .bind(key)
            .bind(position)
            .bind(text)
            .bind(blake3::hash(text.as_bytes()).as_bytes().as_slice())
            .execute(&mut **tx)
            .await?;
    }

    sqlx::query(
        "delete from item_labels where item = ?
         and label not in (select key from labels where name in (select value from json_each(?)))",
    )
    .bind(key)
    .bind(serde_json::json!(item.labels).to_string())
    .execute(&mut **tx)
    .await?;
    for label in &item.labels {
        sqlx::query("insert into labels (name) values (?) on conflict do nothing")
            .bind(label)
            .execute(&mut **tx)
            .await?;
        sqlx::query(
            "insert into item_labels (item, label) select ?, key from labels where name = ? on conflict do nothing",
        )
        .bind(key)
        .bind(label)
        .execute(&mut **tx)
        .await?;
    }

    // Last, because it writes the item's words: see the migration.
    sqlx::query("update items set updated_at = ? where key = ?").bind(now).bind(key).execute(&mut **tx).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Kept, NewFeatures, Put};

    #[tokio::test]
    async fn a_split_and_equal_captions_stay_when_an_item_is_put_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item = |captions: &[&str], given_split| NewItem {
            id: "barn".into(),
            picture: Some(NewPicture {
                content_hash: [1; 32],
                path: "barn".into(),
                mime: "image/png".into(),
                width: 1,
                height: 1,
            }),
            captions: captions.iter().map(|&text| text.to_owned()).collect(),
            labels: vec!["barns".into()],
            given_split,
            meta: "{}".into(),
            source: "test".into(),
            record_hash: [0; 32],
        };
        let known = async || catalog.training_items().await.expect("items").remove(0);
        catalog.import_batch(&[item(&["red", "old"], Some("test"))], &[]).await.expect("taken");
        let first = known().await;
        let again = item(&["red", "new"], None);
        let kept = catalog.put_item(&again, &NewFeatures::default(), &Put::Replace).await.expect("kept");
        let second = known().await;
        assert_eq!((kept, second.given_split.as_deref()), (Kept::Replaced, Some("test")));
        assert_eq!(second.captions[0], first.captions[0], "what stays keeps its key");
        assert_ne!(second.captions[1], first.captions[1]);
        catalog.import_batch(&[item(&["red"], None)], &[]).await.expect("taken");
        assert_eq!(known().await.given_split, None, "a record says all that there is to say");
    }

    #[tokio::test]
    async fn a_record_that_says_the_same_again_is_known_whatever_became_of_its_item() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item =
            |label: &str, hash: u8| NewItem { record_hash: [hash; 32], ..NewItem::of_words("barn", "a barn", label) };
        let known =
            async || catalog.known_records(&["barn"]).await.expect("read").remove("barn").map(|r| r.record_hash);
        catalog.import_batch(&[item("fields", 1)], &[]).await.expect("taken");
        for hash in [2, 3] {
            let mended = item("barns", hash);
            catalog.put_item(&mended, &NewFeatures::default(), &Put::Replace).await.expect("kept");
            assert_eq!(known().await, Some(vec![1; 32]), "the import took this one");
        }
        catalog.import_batch(&[item("sheds", 4)], &[]).await.expect("taken");
        assert_eq!(known().await, Some(vec![4; 32]));
    }
}
