//! Keyword search: which items and captions hold a query's words (FTS5, BM25).

use std::collections::HashSet;

use crate::catalog::{connection::Catalog, error::CatalogError, values::json_list};

/// Different words of a query that are looked for; more would only make the search slow.
const MAX_WORDS: usize = 32;

/// How much a word counts in an item's captions, its classes and its name.
const ITEM_WEIGHTS: &str = "1.0, 2.0, 0.5";

impl Catalog {
    /// Keys of the items with a picture whose captions, classes or name hold a word of `text`, best first by BM25. With `allowed`,
    /// of these keys alone.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn pictures_with_words(
        &self,
        text: &str,
        allowed: Option<&[i64]>,
        most: u32,
    ) -> Result<Vec<i64>, CatalogError> {
        const SELECT: &str = "select item_words.rowid as found from item_words join items i on i.key = item_words.rowid
             where item_words match ? and i.content_hash is not null";
        self.with_words(SELECT, &format!("bm25(item_words, {ITEM_WEIGHTS})"), text, allowed, most).await
    }

    /// Keys of the captions that hold a word of `text`, as [`Self::pictures_with_words`].
    ///
    /// # Errors
    /// If the database fails.
    pub async fn captions_with_words(
        &self,
        text: &str,
        allowed: Option<&[i64]>,
        most: u32,
    ) -> Result<Vec<i64>, CatalogError> {
        const SELECT: &str = "select rowid as found from caption_words where caption_words match ?";
        self.with_words(SELECT, "bm25(caption_words)", text, allowed, most).await
    }

    async fn with_words(
        &self,
        select: &'static str,
        order: &str,
        text: &str,
        allowed: Option<&[i64]>,
        most: u32,
    ) -> Result<Vec<i64>, CatalogError> {
        let Some(wanted) = any_of(text) else { return Ok(Vec::new()) };
        let mut query = sqlx::QueryBuilder::new(select);
        if allowed.is_some() {
            query.push(" and found in (select value from json_each(?))");
        }
        query.push(" order by ").push(order).push(", found limit ?");
        let mut query = query.build_query_scalar().bind(wanted);
        if let Some(keys) = allowed {
            query = query.bind(json_list(keys));
        }
        Ok(query.bind(most).fetch_all(&self.readers).await?)
    }
}

/// The words of a text, lower case, each once, in order.
pub fn words(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase);
    words.filter(|word| seen.insert(word.clone())).collect()
}

/// An expression of FTS5 for any of a text's words: each is quoted, so that nothing in it is syntax.
fn any_of(text: &str) -> Option<String> {
    let quoted: Vec<String> = words(text).iter().take(MAX_WORDS).map(|word| format!("\"{word}\"")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Gone, NewFeatures, NewImage, NewItem, Put};

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
    async fn words_are_found_where_they_are_and_no_longer_where_they_were() {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        let put =
            async |item: NewItem, put| catalog.put_item(&item, &NewFeatures::default(), &put).await.expect("kept");
        put(item("barns/red_7.png", &["a red barn", "an old barn in a field"], &["barns"]), Put::New).await;
        put(item("sea", &["waves"], &["Wasser"]), Put::New).await;
        let pictures = async |text: &str| catalog.pictures_with_words(text, None, 10).await.expect("keys");
        let captions = async |text: &str| catalog.captions_with_words(text, None, 10).await.expect("keys").len();

        assert_eq!(pictures("BARN").await, [1]);
        assert_eq!(pictures("fields and waves").await.len(), 2, "stems, and either word");
        assert_eq!(pictures("wasser").await, [2], "classes");
        assert_eq!(pictures("7").await, [1], "names");
        assert_eq!((captions("barn").await, captions("wasser").await), (2, 0));
        assert_eq!(catalog.pictures_with_words("barn waves", Some(&[2]), 10).await.expect("keys"), [2]);
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

        put(item("barns/red_7.png", &["a green hut"], &["huts"]), Put::Replace).await;
        assert_eq!((pictures("barn").await, pictures("hut").await), (vec![1], vec![1]), "the name still says barns");
        assert_eq!((captions("barn").await, captions("hut").await), (0, 1));
        assert_eq!(catalog.delete_item("barns/red_7.png", None).await.expect("an answer"), Gone::Deleted);
        assert_eq!((pictures("barn hut").await, captions("hut").await), (vec![], 0));
    }
}
