//! What may be wrong with an item, until it is changed or somebody says that it is right as it is.

use sqlx::FromRow;

use super::{Catalog, CatalogError, Item, from_json, now_ms};

/// Name of the fact that says when the collection was last looked at, in Unix milliseconds.
const LOOKED_AT: &str = "review_looked_at";

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
    /// Takes note of what a look at the whole collection doubts, by key of the item, in place of what the look before did. What
    /// somebody called right stays so.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn note_doubts(&self, doubts: &[(i64, Doubt)]) -> Result<(), CatalogError> {
        let mut transaction = self.writer.begin_with("begin immediate").await?;
        sqlx::query("delete from review where settled_at is null").execute(&mut *transaction).await?;
        for (item, doubt) in doubts {
            let (kind, about, suggested, weight) = match doubt {
                Doubt::Label { labels, suggested, lead } => {
                    ("label", serde_json::Value::from(labels.as_slice()).to_string(), Some(suggested), lead)
                }
                Doubt::Caption { text, distance } => ("caption", text.clone(), None, distance),
            };
            // The item may have gone while it was looked at.
            sqlx::query(
                "insert into review (item, kind, about, suggested, weight)
                 select key, ?, ?, ?, ? from items where key = ? on conflict do nothing",
            )
            .bind(kind)
            .bind(about)
            .bind(suggested)
            .bind(weight)
            .bind(item)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("insert into facts (name, value) values (?, ?) on conflict do update set value = excluded.value")
            .bind(LOOKED_AT)
            .bind(now_ms().to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
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

    /// Takes note that what was doubted is right as it is; `false` if there is no such doubt, or it is settled.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn settle_doubt(&self, key: i64) -> Result<bool, CatalogError> {
        let settled = sqlx::query("update review set settled_at = ? where key = ? and settled_at is null")
            .bind(now_ms())
            .bind(key)
            .execute(&self.writer)
            .await?;
        Ok(settled.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::NewItem;

    #[tokio::test]
    async fn a_doubt_stands_until_its_item_changes_or_somebody_calls_it_right() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item = |id: &str, label: &str, record: u8| NewItem {
            id: id.into(),
            picture: None,
            captions: vec![format!("this is {id}")],
            labels: vec![label.into()],
            given_split: None,
            meta: "{}".into(),
            source: "test".into(),
            record_hash: [record; 32],
        };
        let items = [item("a", "birds", 1), item("b", "fish", 2), item("c", "fish", 3)];
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

        assert!(catalog.settle_doubt(review.entries[0].key).await.expect("settled"));
        assert!(!catalog.settle_doubt(review.entries[0].key).await.expect("asked"), "only once");
        catalog.import_batch(&[item("b", "birds", 4)], &[]).await.expect("taken");
        assert_eq!(seen(&catalog.review().await.expect("read")), [("a".to_owned(), caption.clone())]);

        // What was called right is not doubted again; another label of the same item may be.
        catalog.note_doubts(&[(3, label(0.5)), (1, caption.clone())]).await.expect("noted");
        assert_eq!(seen(&catalog.review().await.expect("read")), [("a".to_owned(), caption)]);
    }
}
