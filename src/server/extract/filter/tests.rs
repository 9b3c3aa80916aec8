use serde_json::json;

use super::*;
use crate::server::extract::json::{from_value, object_from_slice};

#[derive(Debug, Deserialize)]
struct Request {
    filter: Option<Object<FilterRequest>>,
}

fn parse(filter: &Value) -> ApiResult<Filter> {
    resolve(from_value::<Request>(json!({ "filter": filter }))?.filter, &Limits::default())
}

#[test]
fn filters_are_parsed() {
    let parsed = parse(&json!({
        "must": [
            {"key": "label", "match": {"any": ["a", "b"]}},
            {"key": "meta.year", "range": {"gte": 1990, "lt": 2000.5}},
        ],
        "should": [{"must_not": [{"key": "has", "match": {"value": "image"}}]}],
    }))
    .expect("a filter");
    let text = |text: &str| Scalar::Text(text.into());
    let year = Predicate::Range(vec![(Bound::Gte, Scalar::Number(1990.0)), (Bound::Lt, Scalar::Number(2000.5))]);
    let inner = Filter {
        must_not: vec![Clause::Condition(Field::Has, Predicate::Any(vec![text("image")]))],
        ..Filter::default()
    };
    assert_eq!(parsed.must[0], Clause::Condition(Field::Label, Predicate::Any(vec![text("a"), text("b")])));
    assert_eq!(parsed.must[1], Clause::Condition(Field::Meta(vec!["year".into()]), year));
    assert_eq!(parsed.should, [Clause::Nested(inner)]);
    assert!(parse(&Value::Null).expect("no filter").is_empty());
}

#[test]
fn invalid_filters_are_refused_with_their_place() {
    let condition = json!({"key": "id", "match": {"value": "x"}});
    let deep = (0..20).fold(condition.clone(), |inner, _| json!({ "must": [inner] }));
    for (filter, expected) in [
        (json!([]), "/filter: invalid type: sequence, expected an object"),
        (json!({"all": []}), "/filter/all: unknown field `all`"),
        (json!({"must": {}}), "/filter/must: invalid type: map"),
        (json!({"must": [["label"]]}), "/filter/must/0: invalid type: sequence"),
        (json!({"must": [{"key": "colour", "match": {"value": 1}}]}), "/filter/must/0/key: \"colour\""),
        (json!({"must": [{"key": "meta.", "match": {"value": 1}}]}), "/filter/must/0/key: \"meta.\""),
        (json!({"must": [{"key": "label"}]}), "/filter/must/0: a condition has exactly one"),
        (json!({"must": [{"match": {"value": "x"}}]}), "/filter/must/0: a condition needs a key"),
        (json!({"must": [{"key": "id", "must": []}]}), "/filter/must/0: a condition (key) and a filter"),
        (json!({"must": [{"key": "label", "range": {"gt": 1}}]}), "/filter/must/0/range: range is not supported"),
        (json!({"must": [{"key": "label", "matches": "x"}]}), "/filter/must/0/matches: unknown field"),
        (json!({"must": [{"key": "label", "match": {"any": [1]}}]}), "/filter/must/0/match: this field is compared"),
        (json!({"must": [{"key": "meta.a", "match": {"any": [[]]}}]}), "/filter/must/0/match/any/0: expected a string"),
        (json!({"must": [{"key": "has", "match": {"value": "sound"}}]}), "\"sound\""),
        (json!({"must": [{"key": "meta.a", "range": {"from": 1}}]}), "/filter/must/0/range/from: unknown field"),
        (json!({"must": [{"key": "meta.a", "range": {"gt": [1]}}]}), "/filter/must/0/range/gt: expected a string"),
        (json!({"must": [{"key": "meta.a", "range": {"gt": true}}]}), "/filter/must/0/range/gt: expected a string"),
        (json!({"must": [{"key": "meta.a", "range": {}}]}), "/filter/must/0/range: a range has at least one"),
        (json!({"must": vec![condition; 101]}), "at most 100 conditions"),
        (json!({"must": [{"key": "id", "match": {"any": vec!["x"; 1001]}}]}), "1001 values"),
        (deep, "more than 8 deep"),
    ] {
        let problem = parse(&filter).expect_err(expected);
        assert_eq!(problem.code(), Code::InvalidFilter, "{filter}");
        assert!(problem.detail().contains(expected), "{} lacks {expected}", problem.detail());
    }
}

#[test]
fn deeply_nested_filters_are_refused_without_exhausting_the_stack() {
    let request = |depth: usize| {
        let (open, close) = (r#"{"must":["#.repeat(depth), "]}".repeat(depth));
        object_from_slice::<Request>(format!(r#"{{"filter":{open}{close}}}"#).as_bytes())
    };
    let deep = request(60).expect("less deep than JSON may be");
    assert_eq!(resolve(deep.filter, &Limits::default()).expect_err("too deep").code(), Code::InvalidFilter);
    assert_eq!(request(100).expect_err("deeper than JSON may be").code(), Code::MalformedRequest);
}
