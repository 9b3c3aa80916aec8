//! Keyword search: items and captions that contain words of a query, ranked by BM25 (SQLite's FTS5).

use std::collections::HashSet;

use crate::catalog::{connection::Catalog, error::CatalogError, values::json_list};

/// Maximum number of distinct words of a query; further ones are ignored, as they would only make the search slow.
const MAX_WORDS: usize = 32;

/// BM25 weights of an item's captions, labels and id.
const ITEM_WEIGHTS: &str = "1.0, 2.0, 0.5";

impl Catalog {
    /// Keys of items with an image whose captions, labels or id contain a word of `text`, best first. With `allowed`,
    /// only keys among these.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn search_items(
        &self,
        text: &str,
        allowed: Option<&[i64]>,
        limit: u32,
    ) -> Result<Vec<i64>, CatalogError> {
        const SELECT: &str = "select item_words.rowid as found from item_words join items i on i.key = item_words.rowid
             where item_words match ? and i.content_hash is not null";
        self.full_text_search(SELECT, &format!("bm25(item_words, {ITEM_WEIGHTS})"), text, allowed, limit).await
    }

    /// Keys of captions that contain a word of `text`, as [`Self::search_items`].
    ///
    /// # Errors
    /// If the database fails.
    pub async fn search_captions(
        &self,
        text: &str,
        allowed: Option<&[i64]>,
        limit: u32,
    ) -> Result<Vec<i64>, CatalogError> {
        const SELECT: &str = "select rowid as found from caption_words where caption_words match ?";
        self.full_text_search(SELECT, "bm25(caption_words)", text, allowed, limit).await
    }

    async fn full_text_search(
        &self,
        select: &'static str,
        order: &str,
        text: &str,
        allowed: Option<&[i64]>,
        limit: u32,
    ) -> Result<Vec<i64>, CatalogError> {
        let Some(expression) = any_of(text) else { return Ok(Vec::new()) };
        let mut query = sqlx::QueryBuilder::new(select);
        if allowed.is_some() {
            query.push(" and found in (select value from json_each(?))");
        }
        query.push(" order by ").push(order).push(", found limit ?");
        let mut query = query.build_query_scalar().bind(expression);
        if let Some(keys) = allowed {
            query = query.bind(json_list(keys));
        }
        Ok(query.bind(limit).fetch_all(&self.readers).await?)
    }
}

/// The distinct words of a text in lower case, in order.
pub fn tokenize(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase);
    words.filter(|word| seen.insert(word.clone())).collect()
}

/// FTS5 expression that matches any word of a text. Each word is quoted, so none is taken for syntax.
fn any_of(text: &str) -> Option<String> {
    let quoted: Vec<String> = tokenize(text).iter().take(MAX_WORDS).map(|word| format!("\"{word}\"")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{DeleteOutcome, NewFeatures, NewImage, NewItem, WriteCondition};

    fn item(id: &str, captions: &[&str], labels: &[&str]) -> NewItem {
        let content_hash = *blake3::hash(id.as_bytes()).as_bytes();
        NewItem {
            id: id.into(),
            image: Some(NewImage { content_hash, ..NewImage::default() }),
            captions: captions.iter().map(|&c| c.to_owned()).collect(),
            labels: labels.iter().map(|&l| l.to_owned()).collect(),
            ..NewItem::default()
        }
    }

    #[tokio::test]
    async fn keyword_search_finds_captions_labels_and_ids_and_follows_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let put =
            async |item: NewItem, put| catalog.put_item(&item, &NewFeatures::default(), &put).await.expect("kept");
        put(item("barns/red_7.png", &["a red barn", "an old barn in a field"], &["barns"]), WriteCondition::IfAbsent)
            .await;
        put(item("sea", &["waves"], &["Wasser"]), WriteCondition::IfAbsent).await;
        let pictures = async |text: &str| catalog.search_items(text, None, 10).await.expect("keys");
        let captions = async |text: &str| catalog.search_captions(text, None, 10).await.expect("keys").len();

        assert_eq!(pictures("BARN").await, [1]);
        assert_eq!(pictures("fields and waves").await.len(), 2, "stems, and either word");
        assert_eq!(pictures("wasser").await, [2], "labels");
        assert_eq!(pictures("7").await, [1], "ids");
        assert_eq!((captions("barn").await, captions("wasser").await), (2, 0));
        assert_eq!(catalog.search_items("barn waves", Some(&[2]), 10).await.expect("keys"), [2]);
        for syntax in [
            "\"",
            "barn AND",
            "NEAR(a b)",
            "captions:barn",
            "*",
            "-",
            "(",
            "barn* OR ^red",
            "'; drop table items; --",
            "\0",
        ] {
            pictures(syntax).await;
        }

        put(item("barns/red_7.png", &["a green hut"], &["huts"]), WriteCondition::Always).await;
        assert_eq!((pictures("barn").await, pictures("hut").await), (vec![1], vec![1]), "the id still contains barns");
        assert_eq!((captions("barn").await, captions("hut").await), (0, 1));
        assert_eq!(catalog.delete_item("barns/red_7.png", None).await.expect("an answer"), DeleteOutcome::Deleted);
        assert_eq!((pictures("barn hut").await, captions("hut").await), (vec![], 0));
    }
}
