//! Validates a query before anything is computed.

use crate::{
    catalog::{Catalog, Filter},
    config::Limits,
    engine::{EngineError, Query, Term},
};

/// The largest weight of a term; its negative is the smallest.
const MAX_WEIGHT: f32 = 10.0;

/// The maximum number of candidates of a graph search.
const MAX_EF: usize = 1000;

/// The maximum number of fields of `meta` that an error names.
const NAMED_FIELDS: u32 = 20;

pub(super) async fn check_query(catalog: &Catalog, limits: &Limits, query: &Query) -> Result<(), EngineError> {
    check_limit(limits, query.limit)?;
    let shares = [("min_relevance", query.min_relevance), ("hybrid/keyword_weight", Some(query.keyword_weight))];
    for (field, value) in shares {
        if let Some(value) = value.filter(|value| !(0.0..=1.0).contains(value)) {
            return Err(bad_query(field, format!("it is {value}; allowed are numbers from 0 to 1")));
        }
    }
    if let Some(ef) = query.ef.filter(|ef| !(1..=MAX_EF).contains(ef)) {
        return Err(bad_query("ef", format!("it is {ef}; allowed are 1 to {MAX_EF}")));
    }
    check_filter(catalog, &query.filter).await?;
    check_terms(limits, &query.terms)
}

fn check_terms(limits: &Limits, terms: &[(Term, f32)]) -> Result<(), EngineError> {
    if terms.is_empty() || terms.len() > limits.max_terms {
        return Err(bad_query("terms", format!("there are {}; allowed are 1 to {}", terms.len(), limits.max_terms)));
    }
    if let Some((_, weight)) = terms.iter().find(|(_, weight)| !(-MAX_WEIGHT..=MAX_WEIGHT).contains(weight)) {
        return Err(bad_query("terms", format!("a weight is {weight}; allowed are -{MAX_WEIGHT} to {MAX_WEIGHT}")));
    }
    Ok(())
}

/// The text without white space around it.
pub(super) fn check_text<'t>(limits: &Limits, text: &'t str) -> Result<&'t str, EngineError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(bad_query("query", "it is empty; at least one word is needed".into()));
    }
    let chars = text.chars().take(limits.max_text_chars + 1).count();
    if chars > limits.max_text_chars {
        return Err(bad_query("query", format!("it is too long; the maximum is {} characters", limits.max_text_chars)));
    }
    Ok(text)
}

pub(super) fn check_limit(limits: &Limits, limit: usize) -> Result<(), EngineError> {
    if limit == 0 || limit > limits.max_results {
        return Err(bad_query("limit", format!("it is {limit}; allowed are 1 to {}", limits.max_results)));
    }
    Ok(())
}

/// Rejects a filter on a field of `meta` that no item has, which is most likely misspelt.
pub(in crate::engine) async fn check_filter(catalog: &Catalog, filter: &Filter) -> Result<(), EngineError> {
    for path in filter.meta_fields() {
        if !catalog.has_meta_field(path).await? {
            let known = catalog.meta_field_names(NAMED_FIELDS).await?;
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let reason = format!("no item has meta.{}; fields of meta are: {known}", path.join("."));
            return Err(EngineError::BadFilter(reason));
        }
    }
    Ok(())
}

pub(super) fn bad_query(field: &str, reason: String) -> EngineError {
    EngineError::BadQuery { field: field.into(), reason }
}
