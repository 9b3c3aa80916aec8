//! Filters: `{"must": […], "should": […], "must_not": […]}`, each a list of conditions and nested filters.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::json::Object;
use crate::{
    catalog::{Bound, Clause, Field, Filter, Predicate, Scalar},
    config::Limits,
    server::error::{ApiResult, Code, Problem},
};

/// Values that a field is compared with at once.
pub(crate) const MAX_VALUES: usize = 1000;

/// Which items count. `/v1/info` has the maximum number of conditions and the maximum depth.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Filter, example = json!({"must": [
    {"key": "label", "match": {"any": ["bird"]}},
    {"key": "meta.year", "range": {"gte": 1990}},
]}))]
pub(crate) struct FilterRequest {
    /// All of these hold.
    #[serde(default)]
    must: Vec<ClauseRequest>,
    /// At least one of these holds, if there are any.
    #[serde(default)]
    should: Vec<ClauseRequest>,
    /// None of these holds.
    #[serde(default)]
    must_not: Vec<ClauseRequest>,
}

/// A condition or a nested filter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, try_from = "Object<ClauseFields>")]
#[schema(as = Clause)]
enum ClauseRequest {
    Condition(ConditionRequest),
    #[schema(no_recursion)]
    Nested(FilterRequest),
}

/// Compares a field of the item: with some values (`match`) or, for fields of meta, with bounds (`range`).
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Condition, min_properties = 2, max_properties = 2)]
struct ConditionRequest {
    /// `label`, `id`, `has` (`image` or `text`), or `meta.NAME` for a field of meta that some item has.
    #[schema(pattern = r"^(label|id|has|meta\..+)$")]
    key: String,
    #[serde(rename = "match")]
    #[schema(nullable = false)]
    matches: Option<MatchRequest>,
    #[schema(nullable = false)]
    range: Option<RangeRequest>,
}

/// The field has one of some values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Match, min_properties = 1, max_properties = 1)]
struct MatchRequest {
    #[schema(max_items = 1000, nullable = false)]
    #[serde(default, deserialize_with = "present")]
    any: Option<Vec<ScalarRequest>>,
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "present")]
    value: Option<ScalarRequest>,
}

/// The field is between bounds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Range, min_properties = 1)]
struct RangeRequest {
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "present")]
    gt: Option<BoundRequest>,
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "present")]
    gte: Option<BoundRequest>,
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "present")]
    lt: Option<BoundRequest>,
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "present")]
    lte: Option<BoundRequest>,
}

/// A string, a number, true or false.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, try_from = "Value")]
#[schema(as = Scalar)]
enum ScalarRequest {
    Text(String),
    Number(f64),
    Bool(bool),
}

/// A string or a number.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, try_from = "Value")]
#[schema(as = Bound)]
enum BoundRequest {
    Text(String),
    Number(f64),
}

/// A field that may be absent, but not null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The fields of a condition and of a filter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClauseFields {
    #[serde(default, deserialize_with = "present")]
    key: Option<String>,
    #[serde(default, deserialize_with = "present")]
    r#match: Option<Object<MatchRequest>>,
    #[serde(default, deserialize_with = "present")]
    range: Option<Object<RangeRequest>>,
    #[serde(default, deserialize_with = "present")]
    must: Option<Vec<ClauseRequest>>,
    #[serde(default, deserialize_with = "present")]
    should: Option<Vec<ClauseRequest>>,
    #[serde(default, deserialize_with = "present")]
    must_not: Option<Vec<ClauseRequest>>,
}

impl TryFrom<Object<ClauseFields>> for ClauseRequest {
    type Error = &'static str;

    fn try_from(Object(fields): Object<ClauseFields>) -> Result<Self, Self::Error> {
        let ClauseFields { key, r#match, range, must, should, must_not } = fields;
        let is_filter = must.is_some() || should.is_some() || must_not.is_some();
        match key {
            Some(_) if is_filter => Err("a condition (key) and a filter (must, should, must_not) are mixed"),
            Some(key) => Ok(Self::Condition(ConditionRequest {
                key,
                matches: r#match.map(Object::into_inner),
                range: range.map(Object::into_inner),
            })),
            None if r#match.is_some() || range.is_some() => Err("a condition needs a key"),
            None => Ok(Self::Nested(FilterRequest {
                must: must.unwrap_or_default(),
                should: should.unwrap_or_default(),
                must_not: must_not.unwrap_or_default(),
            })),
        }
    }
}

impl TryFrom<Value> for ScalarRequest {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Number(number) => number.as_f64().map(Self::Number).ok_or("the number is out of range"),
            Value::Bool(value) => Ok(Self::Bool(value)),
            Value::Null | Value::Array(_) | Value::Object(_) => Err("expected a string, a number, true or false"),
        }
    }
}

impl TryFrom<Value> for BoundRequest {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match ScalarRequest::try_from(value) {
            Ok(ScalarRequest::Text(text)) => Ok(Self::Text(text)),
            Ok(ScalarRequest::Number(number)) => Ok(Self::Number(number)),
            Ok(ScalarRequest::Bool(_)) | Err(_) => Err("expected a string or a number"),
        }
    }
}

/// Checks the filter at `/filter` of a request. Without one, all items count.
pub(crate) fn resolve(filter: Option<Object<FilterRequest>>, limits: &Limits) -> ApiResult<Filter> {
    let mut resolver = Resolver { conditions_left: limits.max_filter_conditions, limits };
    match filter {
        Some(Object(filter)) => resolver.filter(filter, "/filter", limits.max_filter_depth),
        None => Ok(Filter::default()),
    }
}

/// Turns a filter into the catalog's, and counts its conditions.
struct Resolver<'a> {
    conditions_left: usize,
    limits: &'a Limits,
}

impl Resolver<'_> {
    fn filter(&mut self, filter: FilterRequest, pointer: &str, depth: usize) -> ApiResult<Filter> {
        if depth == 0 {
            return Err(invalid(
                pointer,
                format!("the filter is nested more than {} deep", self.limits.max_filter_depth),
            ));
        }
        Ok(Filter {
            must: self.clauses(filter.must, &format!("{pointer}/must"), depth)?,
            should: self.clauses(filter.should, &format!("{pointer}/should"), depth)?,
            must_not: self.clauses(filter.must_not, &format!("{pointer}/must_not"), depth)?,
        })
    }

    fn clauses(&mut self, clauses: Vec<ClauseRequest>, pointer: &str, depth: usize) -> ApiResult<Vec<Clause>> {
        let mut resolved = Vec::with_capacity(clauses.len());
        for (index, clause) in clauses.into_iter().enumerate() {
            self.conditions_left = self.conditions_left.checked_sub(1).ok_or_else(|| {
                invalid(pointer, format!("a filter has at most {} conditions", self.limits.max_filter_conditions))
            })?;
            let pointer = format!("{pointer}/{index}");
            resolved.push(match clause {
                ClauseRequest::Condition(condition) => self::condition(condition, &pointer)?,
                ClauseRequest::Nested(filter) => Clause::Nested(self.filter(filter, &pointer, depth - 1)?),
            });
        }
        Ok(resolved)
    }
}

fn condition(ConditionRequest { key, matches, range }: ConditionRequest, pointer: &str) -> ApiResult<Clause> {
    let field = field(&key).ok_or_else(|| {
        let detail = format!("{key:?} is not a field to filter by; allowed are label, id, has and meta.NAME");
        invalid(&format!("{pointer}/key"), detail)
    })?;
    let test = match (matches, range) {
        (Some(matches), None) => any_of(matches, &field, &format!("{pointer}/match"))?,
        (None, Some(range)) if matches!(field, Field::Meta(_)) => bounds(range, &format!("{pointer}/range"))?,
        (None, Some(_)) => {
            let detail = format!("range is not supported for {key}; only for meta.NAME");
            return Err(invalid(&format!("{pointer}/range"), detail));
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid(pointer, "a condition has exactly one of match and range"));
        }
    };
    Ok(Clause::Condition(field, test))
}

fn field(key: &str) -> Option<Field> {
    match key.split_once('.') {
        None if key == "label" => Some(Field::Label),
        None if key == "id" => Some(Field::Id),
        None if key == "has" => Some(Field::Has),
        Some(("meta", path)) if path.split('.').all(|name| !name.is_empty()) && !path.contains(['"', '\\', '\0']) => {
            Some(Field::Meta(path.split('.').map(str::to_owned).collect()))
        }
        _ => None,
    }
}

fn any_of(matches: MatchRequest, field: &Field, pointer: &str) -> ApiResult<Predicate> {
    let values = match (matches.any, matches.value) {
        (Some(values), None) => values,
        (None, Some(value)) => vec![value],
        _ => return Err(invalid(pointer, "exactly one of any and value is expected")),
    };
    if values.len() > MAX_VALUES {
        let detail = format!("{} values are given; at most {MAX_VALUES} are allowed", values.len());
        return Err(invalid(pointer, detail));
    }
    let value = |value: ScalarRequest| match (field, value) {
        (Field::Has, ScalarRequest::Text(kind)) if !["image", "text"].contains(&kind.as_str()) => {
            Err(invalid(pointer, format!("{kind:?} is not allowed; an item has \"image\" or \"text\"")))
        }
        (_, ScalarRequest::Text(text)) => Ok(Scalar::Text(text)),
        (Field::Meta(_), ScalarRequest::Number(number)) => Ok(Scalar::Number(number)),
        (Field::Meta(_), ScalarRequest::Bool(value)) => Ok(Scalar::Bool(value)),
        _ => Err(invalid(pointer, "this field is compared with strings only")),
    };
    Ok(Predicate::Any(values.into_iter().map(value).collect::<ApiResult<_>>()?))
}

fn bounds(RangeRequest { gt, gte, lt, lte }: RangeRequest, pointer: &str) -> ApiResult<Predicate> {
    let bounds = [(Bound::Gt, gt), (Bound::Gte, gte), (Bound::Lt, lt), (Bound::Lte, lte)];
    let bounds: Vec<_> = bounds
        .into_iter()
        .filter_map(|(bound, value)| {
            let value = match value? {
                BoundRequest::Text(text) => Scalar::Text(text),
                BoundRequest::Number(number) => Scalar::Number(number),
            };
            Some((bound, value))
        })
        .collect();
    if bounds.is_empty() {
        return Err(invalid(pointer, "a range has at least one of gt, gte, lt and lte"));
    }
    Ok(Predicate::Range(bounds))
}

fn invalid(pointer: &str, reason: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidFilter, format!("{pointer}: {}", reason.into())).with_pointer(pointer)
}

#[cfg(test)]
mod tests;
