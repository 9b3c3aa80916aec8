//! Issues: labels and captions that an evaluation found likely to be wrong, until the item is changed or the issue
//! dismissed.

use std::collections::HashMap;

use sqlx::FromRow;

use super::{Catalog, CatalogError, Item, now_ms, properties::put_property, values::from_json};

/// Property with the time of the last evaluation, in Unix milliseconds.
const EVALUATED_AT: &str = "review_looked_at";

/// Maximum number of open issues per kind.
const MAX_OPEN: u64 = 60;

/// What is likely to be wrong with an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Issue {
    /// Its labels: similar items have another label.
    Label {
        /// Labels that it has, in alphabetical order.
        labels: Vec<String>,
        /// Label that its neighbours have.
        suggested: String,
        /// By how much the neighbours prefer the suggested label, in (0, 1].
        margin: f64,
    },
    /// A caption: it is far from the image.
    Caption {
        /// Text of the caption.
        text: String,
        /// ‖u − v‖ of caption and image in the common space, in [0, 2].
        distance: f64,
    },
}

/// An issue that is not dismissed.
#[derive(Debug, Clone)]
pub struct OpenIssue {
    /// Key by which it is dismissed.
    pub key: i64,
    /// The item in its present state.
    pub item: Item,
    /// What is likely to be wrong with it.
    pub issue: Issue,
}

/// Open issues of the last evaluation.
#[derive(Debug, Clone)]
pub struct OpenIssues {
    /// Time of the evaluation, in Unix milliseconds; `None` if there was none.
    pub evaluated_at: Option<i64>,
    /// Issues of labels, then of captions; most confident first.
    pub issues: Vec<OpenIssue>,
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
    /// Replaces the stored issues with those of the latest evaluation, given by key of the item, most confident first.
    /// At most 60 open ones are kept per kind.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn record_issues(&self, issues: &[(i64, Issue)]) -> Result<(), CatalogError> {
        let mut tx = self.writer.begin_with("begin immediate").await?;
        // Later than all evaluations before, even if the clock was set back.
        let last: i64 =
            sqlx::query_scalar("select coalesce(max(looked_at), 0) from review").fetch_one(&mut *tx).await?;
        let now = now_ms().max(last + 1);
        let mut recorded = HashMap::new();
        for (item, issue) in issues {
            let (kind, about, suggested, weight) = match issue {
                Issue::Label { labels, suggested, margin } => {
                    ("label", serde_json::Value::from(labels.as_slice()).to_string(), Some(suggested), margin)
                }
                Issue::Caption { text, distance } => ("caption", text.clone(), None, distance),
            };
            let recorded = recorded.entry(kind).or_insert(0);
            if *recorded >= MAX_OPEN {
                continue;
            }
            // The item may have been deleted during the evaluation. A repeated issue keeps its key, since a page may
            // show it.
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
            *recorded += done.rows_affected();
        }
        sqlx::query("delete from review where settled_at is null and looked_at < ?")
            .bind(now)
            .execute(&mut *tx)
            .await?;
        put_property(&mut *tx, EVALUATED_AT, &now.to_string()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Issues that are not dismissed and still apply to the present state of their item.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn open_issues(&self) -> Result<OpenIssues, CatalogError> {
        let rows: Vec<Row> = sqlx::query_as(
            "select key, item, kind, about, suggested, weight from review where settled_at is null
             order by kind desc, weight desc, key",
        )
        .fetch_all(&self.readers)
        .await?;
        let items = self.items_by_key(&rows.iter().map(|row| row.item).collect::<Vec<i64>>()).await?;
        let mut issues = Vec::with_capacity(rows.len());
        for Row { key, item, kind, about, suggested, weight } in rows {
            // Cloned, because an item may have two issues.
            let Some(item) = items.get(&item).cloned() else { continue };
            let (issue, applies) = match (kind.as_str(), suggested) {
                ("label", Some(suggested)) => {
                    let labels: Vec<String> = from_json("review.about", &about)?;
                    let applies = item.labels == labels;
                    (Issue::Label { labels, suggested, margin: weight }, applies)
                }
                _ => {
                    let applies = item.captions.iter().any(|caption| caption.text == about);
                    (Issue::Caption { text: about, distance: weight }, applies)
                }
            };
            if applies {
                issues.push(OpenIssue { key, item, issue });
            }
        }
        let evaluated_at = self.property(EVALUATED_AT).await?.and_then(|at| at.parse().ok());
        Ok(OpenIssues { evaluated_at, issues })
    }

    /// Dismisses an open issue, as its label or caption is right, or reopens a dismissed one. Returns `false` if no
    /// such issue has this key.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn set_issue_dismissed(&self, key: i64, dismissed: bool) -> Result<bool, CatalogError> {
        let done = sqlx::query("update review set settled_at = ? where key = ? and (settled_at is null) = ?")
            .bind(dismissed.then(now_ms))
            .bind(key)
            .bind(dismissed)
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
    async fn an_issue_stays_open_until_its_item_changes_or_it_is_dismissed() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item = |id: &str, label: &str, record: u8, image: u8| NewItem {
            image: Some(NewImage { content_hash: [image; 32], ..NewImage::default() }),
            record_hash: [record; 32],
            ..NewItem::captioned(id, &format!("this is {id}"), label)
        };
        let items = [item("a", "birds", 1, 1), item("b", "fish", 2, 2), item("c", "fish", 3, 3)];
        catalog.import_batch(&items, &[]).await.expect("imported");
        assert!(catalog.open_issues().await.expect("read").evaluated_at.is_none());

        let label = |margin| Issue::Label { labels: vec!["fish".into()], suggested: "birds".into(), margin };
        let caption = Issue::Caption { text: "this is a".into(), distance: 1.5 };
        let issues = [(1, caption.clone()), (2, label(0.25)), (3, label(0.5)), (99, label(0.75))];
        catalog.record_issues(&issues).await.expect("recorded");
        let first = catalog.open_issues().await.expect("read");
        assert!(first.evaluated_at.is_some());
        let seen = |open: &OpenIssues| {
            open.issues.iter().map(|open| (open.item.id.clone(), open.issue.clone())).collect::<Vec<_>>()
        };
        let expected = [("c".to_owned(), label(0.5)), ("b".to_owned(), label(0.25)), ("a".to_owned(), caption.clone())];
        assert_eq!(seen(&first), expected);

        assert!(catalog.set_issue_dismissed(first.issues[0].key, true).await.expect("dismissed"));
        assert!(!catalog.set_issue_dismissed(first.issues[0].key, true).await.expect("a result"), "only once");
        catalog.import_batch(&[item("b", "birds", 4, 2)], &[]).await.expect("imported");
        assert_eq!(seen(&catalog.open_issues().await.expect("read")), [("a".to_owned(), caption.clone())]);

        // A dismissed issue does not come back with the next evaluation; another one of the same item may.
        catalog.record_issues(&[(3, label(0.5)), (1, caption.clone())]).await.expect("recorded");
        let again = catalog.open_issues().await.expect("read");
        assert_eq!(seen(&again), [("a".to_owned(), caption)]);
        assert_eq!(again.issues[0].key, first.issues[2].key, "a repeated issue keeps its key");

        // It is open again when it is restored, and when the image changes.
        let dismissed = first.issues[0].key;
        assert!(catalog.set_issue_dismissed(dismissed, false).await.expect("restored"));
        assert!(!catalog.set_issue_dismissed(dismissed, false).await.expect("a result"), "only once");
        assert_eq!(seen(&catalog.open_issues().await.expect("read"))[0], ("c".to_owned(), label(0.5)));
        assert!(catalog.set_issue_dismissed(dismissed, true).await.expect("dismissed"));
        catalog.import_batch(&[item("c", "fish", 5, 9)], &[]).await.expect("imported");
        catalog.record_issues(&[(3, label(0.5))]).await.expect("recorded");
        assert_eq!(seen(&catalog.open_issues().await.expect("read")), [("c".to_owned(), label(0.5))]);
    }

    #[tokio::test]
    async fn dismissed_issues_do_not_count_towards_the_maximum() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let item = |n: u64| NewItem::captioned(&format!("item {n}"), &format!("caption {n}"), "fish");
        let items: Vec<NewItem> = (0..MAX_OPEN + 5).map(item).collect();
        catalog.import_batch(&items, &[]).await.expect("imported");
        let issue = |(key, item): (i64, &NewItem)| {
            (key, Issue::Caption { text: item.captions[0].clone(), distance: 2.0 / key as f64 })
        };
        let issues: Vec<(i64, Issue)> = (1..).zip(&items).map(issue).collect();
        catalog.record_issues(&issues).await.expect("recorded");
        let open = catalog.open_issues().await.expect("read");
        assert_eq!(open.issues.len() as u64, MAX_OPEN);
        for issue in &open.issues[..5] {
            assert!(catalog.set_issue_dismissed(issue.key, true).await.expect("dismissed"));
        }
        catalog.record_issues(&issues).await.expect("recorded");
        let open = catalog.open_issues().await.expect("read");
        assert_eq!((open.issues.len() as u64, open.issues[0].item.id.as_str()), (MAX_OPEN, "item 5"));
    }
}
