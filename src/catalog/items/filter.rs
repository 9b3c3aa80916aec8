//! Filters: conditions on items, translated to SQL.
//!
//! A new operator is a variant of [`Predicate`] and its SQL in [`push_predicate`].

use sqlx::{QueryBuilder, Sqlite};

use crate::catalog::{Catalog, CatalogError, LabelCount};

/// Conditions on an item: all of `must` hold, at least one of `should` if there are any, and none of `must_not`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Clauses of which all hold.
    pub must: Vec<Clause>,
    /// Clauses of which at least one holds, if there are any.
    pub should: Vec<Clause>,
    /// Clauses of which none holds.
    pub must_not: Vec<Clause>,
}

/// Part of a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    /// A condition on one field.
    Condition(Field, Predicate),
    /// A filter within the filter.
    Nested(Filter),
}

/// Field that a condition tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Labels.
    Label,
    /// Id of the item.
    Id,
    /// Contents that the item has: `image` or `text`.
    Has,
    /// A field of `meta`, by the names on the path to it.
    Meta(Vec<String>),
}

/// Test of a field's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// The value is one of these, or, for a list, contains one of these.
    Any(Vec<Scalar>),
    /// The value is within all bounds.
    Range(Vec<(Bound, Scalar)>),
}

/// Bound of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// `>`
    Gt,
    /// `>=`
    Gte,
    /// `<`
    Lt,
    /// `<=`
    Lte,
}

/// Value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// Text; ranges compare texts by code point, which orders dates in ISO 8601 correctly.
    Text(String),
    /// Number.
    Number(f64),
    /// Boolean.
    Bool(bool),
}

impl Filter {
    /// Whether every item matches.
    pub fn is_empty(&self) -> bool {
        self.must.is_empty() && self.should.is_empty() && self.must_not.is_empty()
    }

    /// Fields of `meta` that it tests.
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
    /// Keys of the items with an image that match a filter.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn image_keys_matching(&self, filter: &Filter) -> Result<Vec<i64>, CatalogError> {
        let mut query = QueryBuilder::new("select i.key from items i where i.content_hash is not null and ");
        push(&mut query, filter);
        Ok(query.build_query_scalar().fetch_all(&self.readers).await?)
    }

    /// Keys of the captions of items that match a filter.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn caption_keys_matching(&self, filter: &Filter) -> Result<Vec<i64>, CatalogError> {
        let mut query = QueryBuilder::new("select c.key from captions c join items i on i.key = c.item where ");
        push(&mut query, filter);
        Ok(query.build_query_scalar().fetch_all(&self.readers).await?)
    }

    /// Keys of the items that match a filter, ascending, after the key `after`: at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn item_keys_matching(&self, filter: &Filter, after: i64, limit: u32) -> Result<Vec<i64>, CatalogError> {
        let mut query = QueryBuilder::new("select i.key from items i where i.key > ");
        query.push_bind(after).push(" and ");
        push(&mut query, filter);
        query.push(" order by i.key limit ").push_bind(limit);
        Ok(query.build_query_scalar().fetch_all(&self.readers).await?)
    }

    /// Labels of the items that match a filter, with the numbers of these items, most frequent first.
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

    /// Whether any item has this field of `meta`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn has_meta_field(&self, path: &[String]) -> Result<bool, CatalogError> {
        let found = "select exists (select 1 from items where json_type(meta, ?) is not null)";
        Ok(sqlx::query_scalar(found).bind(json_path(path)).fetch_one(&self.readers).await?)
    }

    /// Names of the top-level fields of the items' `meta`, in alphabetical order: at most `limit`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn meta_field_names(&self, limit: u32) -> Result<Vec<String>, CatalogError> {
        let names = "select distinct m.key from items i, json_each(i.meta) m order by m.key limit ?";
        Ok(sqlx::query_scalar(names).bind(limit).fetch_all(&self.readers).await?)
    }
}

/// SQLite's JSON path of a field. Names contain neither quotation marks nor backslashes.
fn json_path(path: &[String]) -> String {
    path.iter().fold("$".to_owned(), |path, name| format!("{path}.\"{name}\""))
}

/// Appends a filter on the item `i`.
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

/// Appends a clause on the item `i`.
fn push_clause(query: &mut QueryBuilder<Sqlite>, clause: &Clause) {
    let (field, predicate) = match clause {
        Clause::Nested(filter) => return push(query, filter),
        Clause::Condition(field, predicate) => (field, predicate),
    };
    match field {
        Field::Label => {
            query.push(
                "exists (select 1 from item_labels il join labels l on l.key = il.label where il.item = i.key and ",
            );
            push_predicate(query, "l.name", None, predicate);
            query.push(")");
        }
        Field::Id => push_predicate(query, "i.id", None, predicate),
        Field::Has => {
            query.push(
                "exists (select 1 from (select 'image' as what where i.content_hash is not null union all
                 select 'text' where exists (select 1 from captions where item = i.key)) h where ",
            );
            push_predicate(query, "h.what", None, predicate);
            query.push(")");
        }
        Field::Meta(path) => {
            query
                .push("exists (select 1 from json_each(i.meta, ")
                .push_bind(json_path(path))
                .push(") m where typeof(m.key) <> 'text' and ");
            push_predicate(query, "m.value", Some("m.type"), predicate);
            query.push(")");
        }
    }
}

/// Appends a test of the expression `value`. `kind` is the expression of its JSON type, if that is not always text.
fn push_predicate(
    query: &mut QueryBuilder<Sqlite>,
    value: &'static str,
    kind: Option<&'static str>,
    predicate: &Predicate,
) {
    match predicate {
        Predicate::Any(values) => {
            query.push("(0");
            // Lists are passed as JSON, because the number of bound values is limited.
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
                for (wanted, condition) in [(true, " = 'true'"), (false, " = 'false'")] {
                    if values.iter().filter_map(Scalar::bool).any(|value| value == wanted) {
                        query.push(" or ").push(kind).push(condition);
                    }
                }
            }
            query.push(")");
        }
        Predicate::Range(bounds) => {
            query.push("(1");
            for (bound, limit) in bounds {
                if let Some(kind) = kind {
                    let kinds = if limit.text().is_some() { " = 'text'" } else { " in ('integer', 'real')" };
                    query.push(" and ").push(kind).push(kinds);
                }
                let sign = match bound {
                    Bound::Gt => " > ",
                    Bound::Gte => " >= ",
                    Bound::Lt => " < ",
                    Bound::Lte => " <= ",
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
mod tests;
