//! Filters in JSON: `{"must": […], "should": […], "must_not": […]}`, each a list of conditions or of filters.
//!
//! Read by hand and not by serde, so that an error says where it is, what was found and what is allowed.

use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::server::{
    error::{Code, Outcome, Problem},
    extract::search_params::schema_of,
};
use crate::{
    catalog::{Bound, Clause, Field, Filter, Predicate, Scalar},
    util::json::kind,
};

/// How much a filter may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterLimits {
    /// Filters within filters.
    pub depth: usize,
    /// Conditions of a filter, those of filters within it included.
    pub conditions: usize,
}

/// Values that a field is compared with at once.
const MAX_VALUES: usize = 1000;

const RANGE: [(&str, Bound); 4] = [("gt", Bound::Gt), ("gte", Bound::Gte), ("lt", Bound::Lt), ("lte", Bound::Lte)];

/// The schema of a filter.
pub(crate) struct FilterSchema;

impl PartialSchema for FilterSchema {
    fn schema() -> RefOr<Schema> {
        let clauses = |says: &str| {
            json!({ "type": "array", "description": says, "items": { "oneOf": [
                { "$ref": "#/components/schemas/ConditionSchema" }, { "$ref": "#/components/schemas/FilterSchema" },
            ] } })
        };
        schema_of(json!({
            "type": "object",
            "description": "Which items count. `/v1/info` says how many conditions it may have, and how deep it may be.",
            "properties": {
                "must": clauses("All of these hold."),
                "should": clauses("At least one of these holds, if there are any."),
                "must_not": clauses("None of these holds."),
            },
            "additionalProperties": false,
        }))
    }
}

impl ToSchema for FilterSchema {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((ConditionSchema::name().into_owned(), ConditionSchema::schema()));
    }
}

/// The schema of a condition of a filter.
struct ConditionSchema;

impl PartialSchema for ConditionSchema {
    fn schema() -> RefOr<Schema> {
        let scalar = json!({ "type": ["string", "number", "boolean"] });
        let bound = json!({ "type": ["string", "number"] });
        let values = json!({ "type": "array", "items": scalar, "maxItems": MAX_VALUES });
        schema_of(json!({
            "type": "object",
            "description": "What a field holds: one of some values (`match`), or, for fields of meta, what lies between bounds (`range`).",
            "properties": {
                "key": {
                    "type": "string",
                    "description": "label, id, has (image or text), or meta.NAME, which some item has to have.",
                    "pattern": "^(label|id|has|meta\\..+)$",
                },
                "match": {
                    "type": "object",
                    "properties": { "any": values, "value": scalar },
                    "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
                },
                "range": {
                    "type": "object",
                    "properties": { "gt": bound, "gte": bound, "lt": bound, "lte": bound },
                    "minProperties": 1, "additionalProperties": false,
                },
            },
            "required": ["key"],
            "minProperties": 2, "maxProperties": 2, "additionalProperties": false,
        }))
    }
}

impl ToSchema for ConditionSchema {}

/// Reads a filter that lies at `/filter` of a request.
pub(crate) fn parse(value: &Value, limits: FilterLimits) -> Outcome<Filter> {
    filter(value, "/filter", limits.depth, &mut Left { conditions: limits.conditions, limits })
}

/// What a filter may still ask.
struct Left {
    conditions: usize,
    limits: FilterLimits,
}

fn filter(value: &Value, at: &str, depth: usize, left: &mut Left) -> Outcome<Filter> {
    let fields = object(value, at, "a filter with must, should or must_not")?;
    if depth == 0 {
        return Err(bad(at, format!("filters lie within each other more than {} deep", left.limits.depth)));
    }
    let mut read = Filter::default();
    for (name, value) in fields {
        let at = format!("{at}/{name}");
        let clauses = match name.as_str() {
            "must" => &mut read.must,
            "should" => &mut read.should,
            "must_not" => &mut read.must_not,
            _ => return Err(bad(&at, "is unknown; a filter has must, should and must_not".into())),
        };
        let Value::Array(list) = value else { return Err(bad(&at, format!("is {}; a list is expected", kind(value)))) };
        for (place, value) in list.iter().enumerate() {
            left.conditions = left
                .conditions
                .checked_sub(1)
                .ok_or_else(|| bad(&at, format!("a filter has at most {} conditions", left.limits.conditions)))?;
            clauses.push(clause(value, &format!("{at}/{place}"), depth, left)?);
        }
    }
    Ok(read)
}

fn clause(value: &Value, at: &str, depth: usize, left: &mut Left) -> Outcome<Clause> {
    let fields = object(value, at, "a condition with a key, or a filter")?;
    let Some(key) = fields.get("key") else {
        return Ok(Clause::Nested(filter(value, at, depth - 1, left)?));
    };
    let key = key.as_str().ok_or_else(|| bad(&format!("{at}/key"), format!("is {}; a text is expected", kind(key))))?;
    let field = match key.split_once('.') {
        None if key == "label" => Field::Label,
        None if key == "id" => Field::Id,
        None if key == "has" => Field::Has,
        Some(("meta", path)) if path.split('.').all(|name| !name.is_empty()) && !path.contains(['"', '\\', '\0']) => {
            Field::Meta(path.split('.').map(str::to_owned).collect())
        }
        _ => {
            let allowed = "is no field to filter by; allowed are label, id, has and meta.NAME";
            return Err(bad(&format!("{at}/key"), format!("{key:?} {allowed}")));
        }
    };
    let (mut test, ranges) = (None, matches!(field, Field::Meta(_)));
    for (name, value) in fields {
        let at = format!("{at}/{name}");
        match name.as_str() {
            "key" => {}
            "match" => test = Some(any(value, &at, &field)?),
            "range" if ranges => test = Some(range(value, &at)?),
            _ => {
                let allowed = if ranges { "match and range" } else { "match" };
                return Err(bad(&at, format!("cannot be asked of {key}; allowed: {allowed}")));
            }
        }
    }
    let given = fields.len() - 1;
    let test = test.filter(|_| given == 1);
    test.map(|test| Clause::Condition(field, test))
        .ok_or_else(|| bad(at, format!("{given} comparisons are given; a condition has one, match or range")))
}

/// `{"any": […]}` or `{"value": …}`
fn any(value: &Value, at: &str, field: &Field) -> Outcome<Predicate> {
    let fields = object(value, at, "{\"any\": […]} or {\"value\": …}")?;
    let values = match (fields.get("any"), fields.get("value"), fields.len()) {
        (Some(Value::Array(values)), None, 1) => values.as_slice(),
        (None, Some(value), 1) => std::slice::from_ref(value),
        _ => return Err(bad(at, "{\"any\": […]} or {\"value\": …} is expected".into())),
    };
    if values.len() > MAX_VALUES {
        return Err(bad(at, format!("has {} values; at most {MAX_VALUES} are allowed", values.len())));
    }
    let read = |value: &Value| {
        let scalar = scalar(value)
            .ok_or_else(|| bad(at, format!("holds {}; texts, numbers, true and false are allowed", kind(value))))?;
        match (field, &scalar) {
            (Field::Meta(_), _) => {}
            (Field::Has, Scalar::Text(what)) if !["image", "text"].contains(&what.as_str()) => {
                return Err(bad(at, format!("asks for {what:?}; an item has \"image\" or \"text\"")));
            }
            (_, Scalar::Text(_)) => {}
            _ => return Err(bad(at, format!("holds {}; this field is a text", kind(value)))),
        }
        Ok(scalar)
    };
    Ok(Predicate::Any(values.iter().map(read).collect::<Outcome<_>>()?))
}

/// `{"gte": …, "lt": …}`
fn range(value: &Value, at: &str) -> Outcome<Predicate> {
    let fields = object(value, at, "bounds")?;
    let mut bounds = Vec::new();
    for (name, value) in fields {
        let at = format!("{at}/{name}");
        let bound = RANGE.iter().find(|(known, _)| known == name).map(|(_, bound)| *bound);
        let bound = bound.ok_or_else(|| bad(&at, "is no bound; allowed are gt, gte, lt and lte".into()))?;
        let limit = scalar(value).filter(|limit| !matches!(limit, Scalar::Bool(_)));
        bounds.push((
            bound,
            limit.ok_or_else(|| bad(&at, format!("is {}; a number or a text is expected", kind(value))))?,
        ));
    }
    if bounds.is_empty() {
        return Err(bad(at, "has no bound; allowed are gt, gte, lt and lte".into()));
    }
    Ok(Predicate::Range(bounds))
}

fn scalar(value: &Value) -> Option<Scalar> {
    match value {
        Value::String(text) => Some(Scalar::Text(text.clone())),
        Value::Number(number) => number.as_f64().filter(|n| n.is_finite()).map(Scalar::Number),
        Value::Bool(yes) => Some(Scalar::Bool(*yes)),
        _ => None,
    }
}

fn object<'v>(value: &'v Value, at: &str, expected: &str) -> Outcome<&'v Map<String, Value>> {
    value.as_object().ok_or_else(|| bad(at, format!("is {}; {expected} is expected", kind(value))))
}

fn bad(at: &str, reason: String) -> Problem {
    Problem::new(Code::InvalidFilter, format!("{at} {reason}")).at(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIMITS: FilterLimits = FilterLimits { depth: 8, conditions: 100 };

    #[test]
    fn filters_are_read() {
        let read = parse(&json!({
            "must": [{"key": "label", "match": {"any": ["a", "b"]}}, {"key": "meta.year", "range": {"gte": 1990, "lt": 2000.5}}],
            "should": [{"must_not": [{"key": "has", "match": {"value": "image"}}]}],
        }), LIMITS)
        .expect("a filter");
        let text = |text: &str| Scalar::Text(text.into());
        let year = Predicate::Range(vec![(Bound::Gte, Scalar::Number(1990.0)), (Bound::Lt, Scalar::Number(2000.5))]);
        let inner = Filter {
            must_not: vec![Clause::Condition(Field::Has, Predicate::Any(vec![text("image")]))],
            ..Filter::default()
        };
        assert_eq!(read.must[0], Clause::Condition(Field::Label, Predicate::Any(vec![text("a"), text("b")])));
        assert_eq!(read.must[1], Clause::Condition(Field::Meta(vec!["year".into()]), year));
        assert_eq!(read.should, [Clause::Nested(inner)]);
    }

    #[test]
    fn what_is_no_filter_is_named_with_its_place() {
        let mut deep = json!({"key": "id", "match": {"value": "x"}});
        for _ in 0..100 {
            deep = json!({"must": [deep]});
        }
        for (value, place) in [
            (json!([]), "/filter is a list"),
            (json!({"all": []}), "/filter/all is unknown"),
            (json!({"must": {}}), "/filter/must is an object"),
            (json!({"must": [{"key": "colour", "match": {"value": 1}}]}), "/filter/must/0/key \"colour\""),
            (json!({"must": [{"key": "meta.", "match": {"value": 1}}]}), "/filter/must/0/key \"meta.\""),
            (json!({"must": [{"key": "label"}]}), "/filter/must/0 0 comparisons"),
            (json!({"must": [{"key": "label", "range": {"gt": 1}}]}), "/filter/must/0/range cannot be asked of label"),
            (json!({"must": [{"key": "label", "match": {"any": [1]}}]}), "/filter/must/0/match holds a number"),
            (json!({"must": [{"key": "has", "match": {"value": "sound"}}]}), "\"sound\""),
            (json!({"must": [{"key": "meta.a", "range": {"from": 1}}]}), "/filter/must/0/range/from is no bound"),
            (json!({"must": [{"key": "meta.a", "range": {"gt": [1]}}]}), "/filter/must/0/range/gt is a list"),
            (json!({"must": vec![json!({"key": "id", "match": {"value": "x"}}); 101]}), "at most 100 conditions"),
            (json!({"must": [{"key": "id", "match": {"any": vec!["x"; 1001]}}]}), "1001 values"),
            (deep, "more than 8 deep"),
        ] {
            let problem = parse(&value, LIMITS).expect_err(place);
            assert!(problem.detail().contains(place), "{}", problem.detail());
        }
    }
}
