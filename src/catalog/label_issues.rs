//! What may be wrong with an item, until it is changed or somebody says that it is right as it is.

use std::collections::HashMap;

use sqlx::FromRow;

use super::{
    connection::Catalog,
    error::CatalogError,
    items::Item,
    properties::put_fact,
    values::{from_json, now_ms},
};

/// Name of the fact that says when the collection was last looked at, in Unix milliseconds.
const LOOKED_AT: &str = "review_looked_at";

/// Doubts of a kind that are kept, but those that somebody has settled.
const LISTED: u64 = 60;

/// What may be wrong with an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Doubt {
    /// Its labels: items that look and read like it bear another.
    Label {
        /// Those that it bears, in alphabetical order.
        labels: Vec<String>,
        /// The one that its neighbours bear.
        suggested: String,
        /// How much more the neighbours are for that one, in (0, 1].
        lead: f64,
    },
    /// A caption: it lies far from the picture.
    Caption {
        /// The caption.
        text: String,
        /// ‖u − v‖ of their points, in [0, 2].
        distance: f64,
    },
}

/// A doubt that nobody has settled.
#[derive(Debug, Clone)]
pub struct ReviewEntry {
    /// What settles it is told by this.
    pub key: i64,
    /// The item, as it is now.
    pub item: Item,
    /// What may be wrong with it.
    pub doubt: Doubt,
}

/// What there is to review.
#[derive(Debug, Clone)]
pub struct Review {
    /// When the collection was looked at, in Unix milliseconds; `None` if it never was.
    pub looked_at: Option<i64>,
    /// Labels first, the surest first.
    pub entries: Vec<ReviewEntry>,
}

#[derive(FromRow)]
struct Row {
    key: i64,
    item: i64,
    kind: String,
    about: String,
    suggested: Option<String>,
    weight: f64,
}

impl Catalog {
    /// Takes note of what a look at the whole collection doubts, by key of the item, the surest first, in place of what the look
    /// before did: of each kind sixty that nobody has called right.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn note_doubts(&self, doubts: &[(i64, Doubt)]) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        // Later than all looks before, whatever the clock says.
        let last: i64 =
            sqlx::query_scalar("select coalesce(max(looked_at), 0) from review").fetch_one(&mut *tx).await?;
        let now = now_ms().max(last + 1);
        let mut noted = HashMap::new();
        for (item, doubt) in doubts {
            let (kind, about, suggested, weight) = match doubt {
                Doubt::Label { labels, suggested, lead } => {
                    ("label", serde_json::Value::from(labels.as_slice()).to_string(), Some(suggested), lead)
                }
                Doubt::Caption { text, distance } => ("caption", text.clone(), None, distance),
            };
            let noted = noted.entry(kind).or_insert(0);
            if *noted >= LISTED {
                continue;
            }
            // The item may have gone while it was looked at. What is doubted again keeps its key, for a page may show it.
            let done = sqlx::query(
                "insert into review (item, kind, about, suggested, weight, looked_at)
                 select key, ?, ?, ?, ?, ? from items where key = ?
                 on conflict do update set suggested = excluded.suggested, weight = excluded.weight,
                     looked_at = excluded.looked_at where settled_at is null",
            )
            .bind(kind)
            .bind(about)
            .bind(suggested)
            .bind(weight)
            .bind(now)
            .bind(item)
            .execute(&mut *tx)
            .await?;
            *noted += done.rows_affected();
        }
        sqlx::query("delete from review where settled_at is null and looked_at < ?")
            .bind(now)
            .execute(&mut *tx)
            .await?;
        put_fact(&mut *tx, LOOKED_AT, &now.to_string()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// All doubts that nobody has settled, but those whose item no longer says what was doubted.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn review(&self) -> Result<Review, CatalogError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select key, item, kind, about, suggested, weight from review where settled_at is null
             order by kind desc, weight desc, key",
        )
        .fetch_all(&self.readers)
        .await?;
        let items = self.items(&rows.iter().map(|row| row.item).collect::<Vec<i64>>()).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for Row { key, item, kind, about, suggested, weight } in rows {
            // One item may be doubted twice.
            let Some(item) = items.get(&item).cloned() else { continue };
            let (doubt, stands) = match (kind.as_str(), suggested) {
                ("label", Some(suggested)) => {
                    let labels: Vec<String> = from_json("review.about", &about)?;
                    let stands = item.labels == labels;
                    (Doubt::Label { labels, suggested, lead: weight }, stands)
                }
                _ => {
                    let stands = item.captions.iter().any(|caption| caption.text == about);
                    (Doubt::Caption { text: about, distance: weight }, stands)
                }
            };
            if stands {
                entries.push(ReviewEntry { key, item, doubt });
            }
        }
        let looked_at = self.fact(LOOKED_AT).await?.and_then(|at| at.parse().ok());
        Ok(Review { looked_at, entries })
    }

    /// Takes note that what was doubted is right as it is, or takes that back; `false` if there is no such doubt, or that is
    /// noted already.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn settle_doubt(&self, key: i64, right: bool) -> Result<bool, CatalogError> {
        let done = sqlx::query("update review set settled_at = ? where key = ? and (settled_at is null) = ?")
            .bind(right.then(now_ms))
            .bind(key)
            .bind(right)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{NewImage, NewItem};

    #[tokio::test]
    async fn a_doubt_stands_until_its_item_changes_or_somebody_calls_it_right() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item = |id: &str, label: &str, record: u8, image: u8| NewItem {
            image: Some(NewImage { content_hash: [image; 32], ..NewImage::default() }),
            record_hash: [record; 32],
            ..NewItem::captioned(id, &format!("this is {id}"), label)
        };
        let items = [item("a", "birds", 1, 1), item("b", "fish", 2, 2), item("c", "fish", 3, 3)];
        catalog.import_batch(&items, &[]).await.expect("taken");
        assert!(catalog.review().await.expect("read").looked_at.is_none());

        let label = |lead| Doubt::Label { labels: vec!["fish".into()], suggested: "birds".into(), lead };
        let caption = Doubt::Caption { text: "this is a".into(), distance: 1.5 };
        let doubts = [(1, caption.clone()), (2, label(0.25)), (3, label(0.5)), (99, label(0.75))];
        catalog.note_doubts(&doubts).await.expect("noted");
        let review = catalog.review().await.expect("read");
        assert!(review.looked_at.is_some());
        let seen = |review: &Review| {
            review.entries.iter().map(|entry| (entry.item.id.clone(), entry.doubt.clone())).collect::<Vec<_>>()
        };
        let expected = [("c".to_owned(), label(0.5)), ("b".to_owned(), label(0.25)), ("a".to_owned(), caption.clone())];
        assert_eq!(seen(&review), expected);

        assert!(catalog.settle_doubt(review.entries[0].key, true).await.expect("settled"));
        assert!(!catalog.settle_doubt(review.entries[0].key, true).await.expect("asked"), "only once");
        catalog.import_batch(&[item("b", "birds", 4, 2)], &[]).await.expect("taken");
        assert_eq!(seen(&catalog.review().await.expect("read")), [("a".to_owned(), caption.clone())]);

        // What was called right is not doubted again; another label of the same item may be.
        catalog.note_doubts(&[(3, label(0.5)), (1, caption.clone())]).await.expect("noted");
        let again = catalog.review().await.expect("read");
        assert_eq!(seen(&again), [("a".to_owned(), caption)]);
        assert_eq!(again.entries[0].key, review.entries[2].key, "what is doubted again is called the same");

        // What was called right is doubted again if that is taken back, and if the picture is another.
        let settled = review.entries[0].key;
        assert!(catalog.settle_doubt(settled, false).await.expect("taken back"));
        assert!(!catalog.settle_doubt(settled, false).await.expect("asked"), "only once");
        assert_eq!(seen(&catalog.review().await.expect("read"))[0], ("c".to_owned(), label(0.5)));
        assert!(catalog.settle_doubt(settled, true).await.expect("settled"));
        catalog.import_batch(&[item("c", "fish", 5, 9)], &[]).await.expect("taken");
        catalog.note_doubts(&[(3, label(0.5))]).await.expect("noted");
        assert_eq!(seen(&catalog.review().await.expect("read")), [("c".to_owned(), label(0.5))]);
    }

    #[tokio::test]
    async fn what_is_settled_takes_no_place_from_what_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item = |n: u64| NewItem::captioned(&format!("item {n}"), &format!("caption {n}"), "fish");
        let items: Vec<NewItem> = (0..LISTED + 5).map(item).collect();
        catalog.import_batch(&items, &[]).await.expect("taken");
        let doubt = |(key, item): (i64, &NewItem)| {
            (key, Doubt::Caption { text: item.captions[0].clone(), distance: 2.0 / key as f64 })
        };
        let doubts: Vec<(i64, Doubt)> = (1..).zip(&items).map(doubt).collect();
        catalog.note_doubts(&doubts).await.expect("noted");
        let review = catalog.review().await.expect("read");
        assert_eq!(review.entries.len() as u64, LISTED);
        for entry in &review.entries[..5] {
            assert!(catalog.settle_doubt(entry.key, true).await.expect("settled"));
        }
        catalog.note_doubts(&doubts).await.expect("noted");
        let review = catalog.review().await.expect("read");
        assert_eq!((review.entries.len() as u64, review.entries[0].item.id.as_str()), (LISTED, "item 5"));
    }
}
