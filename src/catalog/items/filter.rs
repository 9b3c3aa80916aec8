//! Which items an answer may hold: conditions on what the catalog knows of them.

use sqlx::{QueryBuilder, Sqlite};

use super::read::LabelCount;
use crate::catalog::{connection::Catalog, error::CatalogError};

/// Conditions of an item: all of `must` hold, one of `should` at least if there are any, and none of `must_not`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// All hold.
    pub must: Vec<Clause>,
    /// At least one holds, if there are any.
    pub should: Vec<Clause>,
    /// None holds.
    pub must_not: Vec<Clause>,
}

/// A part of a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    /// A condition on one field.
    Condition(Field, Test),
    /// A filter within the filter.
    Nested(Filter),
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The item's classes.
    Label,
    /// What its owner calls it.
    Id,
    /// What it has: `image` or `text`.
    Has,
    /// A field of its `meta`, by the names on the way to it.
    Meta(Vec<String>),
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It is one of these, or holds one of them if it is a list.
    Any(Vec<Scalar>),
    /// It lies between these bounds.
    Range(Vec<(Bound, Scalar)>),
}

/// A bound of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `>`
    Above,
    /// `>=`
    From,
    /// `<`
    Below,
    /// `<=`
    UpTo,
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A text; ranges compare texts by code points, which suits dates as ISO 8601 writes them.
    Text(String),
    /// A number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        self.must.is_empty() && self.should.is_empty() && self.must_not.is_empty()
    }

    /// The fields of `meta` that it looks at.
    pub fn meta_fields(&self) -> Vec<&[String]> {
        let clauses = self.must.iter().chain(&self.should).chain(&self.must_not);
        clauses
            .flat_map(|clause| match clause {
                Clause::Condition(Field::Meta(path), _) => vec![path.as_slice()],
                Clause::Condition(..) => Vec::new(),
                Clause::Nested(filter) => filter.meta_fields(),
            })
            .collect()
    }
}

impl Catalog {
    /// Keys of the items with a picture that a filter lets through.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn pictures_that(&self, filter: &Filter) -> Result<Vec<i64>, CatalogError> {
        let mut query = QueryBuilder::new("select i.key from items i where i.content_hash is not null and ");
        push(&mut query, filter);
        Ok(query.build_query_scalar().fetch_all(&self.readers).await?)
    }

    /// Keys of the captions of items that a filter lets through.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn captions_that(&self, filter: &Filter) -> Result<Vec<i64>, CatalogError> {
        let mut query = QueryBuilder::new("select c.key from captions c join items i on i.key = c.item where ");
        push(&mut query, filter);
        Ok(query.build_query_scalar().fetch_all(&self.readers).await?)
    }

    /// Keys of the items that a filter lets through, ascending, behind the key `after`; at most `most`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn items_that(&self, filter: &Filter, after: i64, most: u32) -> Result<Vec<i64>, CatalogError> {
        let mut query = QueryBuilder::new("select i.key from items i where i.key > ");
        query.push_bind(after).push(" and ");
        push(&mut query, filter);
        query.push(" order by i.key limit ").push_bind(most);
        Ok(query.build_query_scalar().fetch_all(&self.readers).await?)
    }

    /// Classes of the items that a filter lets through, by how many of these bear them, most first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn label_counts(&self, filter: &Filter) -> Result<Vec<LabelCount>, CatalogError> {
        let mut query = QueryBuilder::new(
            "select l.name as label, count(*) as count from items i join item_labels il on il.item = i.key
             join labels l on l.key = il.label where ",
        );
        push(&mut query, filter);
        query.push(" group by l.key order by count(*) desc, l.name");
        Ok(query.build_query_as().fetch_all(&self.readers).await?)
    }

    /// Whether an item has this field of `meta`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has_meta(&self, path: &[String]) -> Result<bool, CatalogError> {
        let found = "select exists (select 1 from items where json_type(meta, ?) is not null)";
        Ok(sqlx::query_scalar(found).bind(json_path(path)).fetch_one(&self.readers).await?)
    }

    /// Names of the fields at the top of the items' `meta`, in alphabetical order; at most `most`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn meta_names(&self, most: u32) -> Result<Vec<String>, CatalogError> {
        let names = "select distinct m.key from items i, json_each(i.meta) m order by m.key limit ?";
        Ok(sqlx::query_scalar(names).bind(most).fetch_all(&self.readers).await?)
    }
}

/// SQLite's path to a field. Names hold neither quotation marks nor backslashes.
fn json_path(path: &[String]) -> String {
    path.iter().fold("$".to_owned(), |path, name| format!("{path}.\"{name}\""))
}

/// A condition on `i`, an item.
fn push(query: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    query.push("(1");
    for clause in &filter.must {
        query.push(" and ");
        push_clause(query, clause);
    }
    if !filter.should.is_empty() {
        query.push(" and (0");
        for clause in &filter.should {
            query.push(" or ");
            push_clause(query, clause);
        }
        query.push(")");
    }
    for clause in &filter.must_not {
        query.push(" and not ");
        push_clause(query, clause);
    }
    query.push(")");
}

fn push_clause(query: &mut QueryBuilder<Sqlite>, clause: &Clause) {
    let (field, test) = match clause {
        Clause::Nested(filter) => return push(query, filter),
        Clause::Condition(field, test) => (field, test),
    };
    match field {
        Field::Label => {
            query.push(
                "exists (select 1 from item_labels il join labels l on l.key = il.label where il.item = i.key and ",
            );
            push_test(query, "l.name", None, test);
            query.push(")");
        }
        Field::Id => push_test(query, "i.id", None, test),
        Field::Has => {
            query.push(
                "exists (select 1 from (select 'image' as what where i.content_hash is not null union all
                 select 'text' where exists (select 1 from captions where item = i.key)) h where ",
            );
            push_test(query, "h.what", None, test);
            query.push(")");
        }
        Field::Meta(path) => {
            query
                .push("exists (select 1 from json_each(i.meta, ")
                .push_bind(json_path(path))
                .push(") m where typeof(m.key) <> 'text' and ");
            push_test(query, "m.value", Some("m.type"), test);
            query.push(")");
        }
    }
}

/// A condition on a value, whose JSON type stands in the column `kind` if it may be any.
fn push_test(query: &mut QueryBuilder<Sqlite>, value: &'static str, kind: Option<&'static str>, test: &Test) {
    match test {
        Test::Any(values) => {
            query.push("(0");
            // Lists as JSON, because binds are limited in number and lists are not.
            let texts: Vec<&str> = values.iter().filter_map(Scalar::text).collect();
            if !texts.is_empty() {
                query.push(" or ").push(value).push(" in (select value from json_each(");
                query.push_bind(serde_json::json!(texts).to_string()).push("))");
            }
            let numbers: Vec<f64> = values.iter().filter_map(Scalar::number).collect();
            if let (false, Some(kind)) = (numbers.is_empty(), kind) {
                query.push(" or ").push(kind).push(" in ('integer', 'real') and ").push(value);
                query
                    .push(" in (select value from json_each(")
                    .push_bind(serde_json::json!(numbers).to_string())
                    .push("))");
            }
            if let Some(kind) = kind {
                for (wanted, test) in [(true, " = 'true'"), (false, " = 'false'")] {
                    if values.iter().filter_map(Scalar::bool).any(|value| value == wanted) {
                        query.push(" or ").push(kind).push(test);
                    }
                }
            }
            query.push(")");
        }
        Test::Range(bounds) => {
            query.push("(1");
            for (bound, limit) in bounds {
                if let Some(kind) = kind {
                    let kinds = if limit.text().is_some() { " = 'text'" } else { " in ('integer', 'real')" };
                    query.push(" and ").push(kind).push(kinds);
                }
                let sign = match bound {
                    Bound::Above => " > ",
                    Bound::From => " >= ",
                    Bound::Below => " < ",
                    Bound::UpTo => " <= ",
                };
                query.push(" and ").push(value).push(sign);
                match limit {
                    Scalar::Text(text) => query.push_bind(text.clone()),
                    Scalar::Number(number) => query.push_bind(*number),
                    Scalar::Bool(yes) => query.push_bind(*yes),
                };
            }
            query.push(")");
        }
    }
}

impl Scalar {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(yes) => Some(*yes),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{NewFeatures, NewImage, NewItem, Put};

    async fn collection() -> (tempfile::TempDir, Catalog) {
        let folder = tempfile::tempdir().expect("a folder");
        let catalog = Catalog::open(folder.path()).await.expect("a catalog");
        for (id, image, labels, meta) in [
            (
                "a",
                true,
                vec!["birds"],
                r#"{"year": 1990, "place": {"town": "Jena"}, "tags": ["old", "blue"], "seen": true}"#,
            ),
            ("b", true, vec!["birds", "trees"], r#"{"year": 2001.5, "day": "2001-05-06"}"#),
            ("c", false, vec![], r#"{"year": "1990", "a\\u0022b": 1}"#),
        ] {
            let content_hash = *blake3::hash(id.as_bytes()).as_bytes();
            let image = image.then(|| NewImage { content_hash, ..NewImage::default() });
            let item = NewItem {
                id: id.into(),
                image,
                captions: if id == "b" { Vec::new() } else { vec![format!("caption of {id}")] },
                labels: labels.into_iter().map(str::to_owned).collect(),
                meta: meta.into(),
                ..NewItem::default()
            };
            catalog.put_item(&item, &NewFeatures::default(), &Put::New).await.expect("kept");
        }
        (folder, catalog)
    }

    fn of(field: Field, test: Test) -> Clause {
        Clause::Condition(field, test)
    }

    fn meta(path: &str) -> Field {
        Field::Meta(path.split('.').map(str::to_owned).collect())
    }

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.into())
    }

    #[tokio::test]
    async fn each_condition_lets_through_what_it_says() {
        let (_folder, catalog) = collection().await;
        let any = |values: &[Scalar]| Test::Any(values.to_vec());
        let range = |bounds: &[(Bound, Scalar)]| Test::Range(bounds.to_vec());
        for (clause, pictures, captions) in [
            (of(Field::Label, any(&[text("birds")])), "ab", "a"),
            (of(Field::Label, any(&[text("trees"), text("no such")])), "b", ""),
            (of(Field::Label, any(&[])), "", ""),
            (of(Field::Id, any(&[text("a"), text("c")])), "a", "ac"),
            (of(Field::Has, any(&[text("text")])), "a", "ac"),
            (of(Field::Has, any(&[text("image")])), "ab", "a"),
            (of(meta("year"), any(&[Scalar::Number(1990.0)])), "a", "a"),
            (of(meta("year"), any(&[text("1990")])), "", "c"),
            (of(meta("year"), range(&[(Bound::Above, Scalar::Number(1990.0))])), "b", ""),
            (
                of(
                    meta("year"),
                    range(&[(Bound::From, Scalar::Number(1990.0)), (Bound::Below, Scalar::Number(2000.0))]),
                ),
                "a",
                "a",
            ),
            (of(meta("day"), range(&[(Bound::UpTo, text("2001-06"))])), "b", ""),
            (of(meta("place.town"), any(&[text("Jena")])), "a", "a"),
            (of(meta("tags"), any(&[text("blue")])), "a", "a"),
            (of(meta("place"), any(&[text("Jena")])), "", ""),
            (of(meta("seen"), any(&vec![Scalar::Bool(true); 1000])), "a", "a"),
            (of(meta("seen"), any(&[Scalar::Bool(true)])), "a", "a"),
            (of(meta("seen"), any(&[Scalar::Number(1.0)])), "", ""),
            (of(Field::Label, any(&[text("birds') or 1 --")])), "", ""),
        ] {
            let filter = Filter { must: vec![clause.clone()], ..Filter::default() };
            assert_eq!(ids(&catalog, &filter).await, (pictures.to_owned(), captions.to_owned()), "{clause:?}");
        }
    }

    async fn ids(catalog: &Catalog, filter: &Filter) -> (String, String) {
        let pictures = catalog.pictures_that(filter).await.expect("keys");
        let captions = catalog.captions_that(filter).await.expect("keys");
        let of_captions = catalog.captions_among(&captions).await.expect("captions");
        let name = |key: &i64| char::from(b'a' + u8::try_from(*key - 1).expect("few"));
        let sorted = |keys: Vec<i64>| {
            let mut names: Vec<char> = keys.iter().map(name).collect();
            names.sort_unstable();
            names.into_iter().collect()
        };
        (sorted(pictures), sorted(of_captions.into_values().map(|caption| caption.item).collect()))
    }

    #[tokio::test]
    async fn clauses_join_as_their_lists_say() {
        let (_folder, catalog) = collection().await;
        let label = |name: &str| of(Field::Label, Test::Any(vec![text(name)]));
        let id = |name: &str| of(Field::Id, Test::Any(vec![text(name)]));
        let pictures = async |filter: Filter| ids(&catalog, &filter).await.0;
        assert_eq!(pictures(Filter::default()).await, "ab");
        assert_eq!(pictures(Filter { must_not: vec![label("trees")], ..Filter::default() }).await, "a");
        assert_eq!(
            pictures(Filter { should: vec![id("a"), id("b")], must: vec![label("trees")], ..Filter::default() }).await,
            "b"
        );
        let inner = Filter { must_not: vec![id("a")], ..Filter::default() };
        assert_eq!(pictures(Filter { must_not: vec![Clause::Nested(inner)], ..Filter::default() }).await, "a");
        assert!(catalog.has_meta(&["place".into(), "town".into()]).await.expect("an answer"));
        assert!(!catalog.has_meta(&["town".into()]).await.expect("an answer"));
        assert_eq!(catalog.meta_names(3).await.expect("names").len(), 3);
    }
}
