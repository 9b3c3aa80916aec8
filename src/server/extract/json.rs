//! JSON as types, with errors that name the place (RFC 6901), what was found and what is expected there.

use std::{fmt, marker::PhantomData};

use axum::extract::{FromRequest, Request};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Number, Value};
use serde_path_to_error::{Path, Segment};

use super::body::{is_json, media_type, read_body};
use crate::server::error::{ApiResult, Code, Problem};

/// Values in a JSON body. Images make bodies large, and a value of two bytes takes thirty in memory.
const MAX_VALUES: usize = 100_000;

/// Similarity (Jaro-Winkler) from which the name of an unknown field counts as a misspelling of a known one.
const SIMILAR: f64 = 0.8;

/// A JSON object of the type `T`, sent as `application/json`.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> ApiResult<Self> {
        if !is_json(&media_type(&request)) {
            return Err(Problem::new(Code::UnsupportedMediaType, "this route accepts Content-Type: application/json"));
        }
        object_from_slice(&read_body(request).await?).map(Self)
    }
}

/// An optional JSON object of the type `T`, whatever the Content-Type is.
pub(crate) struct OptionalJson<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> ApiResult<Self> {
        let body = read_body(request).await?;
        if body.is_empty() {
            return Ok(Self(None));
        }
        Ok(Self(from_slice::<Option<Object<T>>>(&body)?.map(Object::into_inner)))
    }
}

/// A value that is read from an object alone. The derived `Deserialize` of a struct also takes a list for its fields in
/// order.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<T> Object<T> {
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// A whole number however it is written: in JSON, 20.0 is 20 (JSON Schema, section 6.1.1).
pub(crate) fn integer<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let from_float =
        || number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..2f64.powi(53)).contains(n)).map(|n| n as u64);
    let integer = number.as_u64().or_else(from_float).and_then(|n| T::try_from(n).ok());
    integer.map(Some).ok_or_else(|| D::Error::custom(format!("{number} is not a whole number in the allowed range")))
}

/// Refuses JSON with more values than any request needs, before memory is allocated for them: each value but the first
/// follows a comma or opens a list or object.
pub(crate) fn reject_huge_json(body: &[u8]) -> ApiResult<()> {
    let values = body.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > MAX_VALUES {
        let detail = format!("the body has about {values} JSON values; at most {MAX_VALUES} are allowed");
        return Err(Problem::malformed(detail));
    }
    Ok(())
}

/// Reads a JSON object.
pub(crate) fn object_from_slice<T: DeserializeOwned>(body: &[u8]) -> ApiResult<T> {
    from_slice::<Object<T>>(body).map(Object::into_inner)
}

/// Reads JSON.
pub(crate) fn from_slice<T: DeserializeOwned>(body: &[u8]) -> ApiResult<T> {
    reject_huge_json(body)?;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|e| problem(&e))?;
    deserializer.end().map_err(|e| Problem::malformed(e.to_string()))?;
    Ok(value)
}

/// Reads a JSON value that was made of something else.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value) -> ApiResult<T> {
    serde_path_to_error::deserialize(value).map_err(|e| problem(&e))
}

fn problem(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let (pointer, error) = (pointer(error.path()), error.inner());
    let message = with_suggestion(&error.to_string());
    if !error.is_data() {
        return Problem::malformed(message);
    }
    let code = match pointer.as_str() {
        "/filter" => Code::InvalidFilter,
        pointer if pointer.starts_with("/filter/") => Code::InvalidFilter,
        _ => Code::MalformedRequest,
    };
    let detail = if pointer.is_empty() { message } else { format!("{pointer}: {message}") };
    Problem::new(code, detail).with_pointer(&pointer)
}

/// A path as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let token = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&token);
    }
    pointer
}

/// Adds the most similar known field to serde's message "unknown field `q`, expected one of `query`, `limit`".
fn with_suggestion(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let (Some(unknown), true) = (names.next(), message.starts_with("unknown field")) else {
        return message.to_owned();
    };
    let similarity = |known: &str| {
        if known.starts_with(unknown) { 1.0 } else { strsim::jaro_winkler(unknown, known) }
    };
    let nearest = names.map(|known| (similarity(known), known)).max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((similarity, known)) if similarity >= SIMILAR && !unknown.is_empty() => {
            message.replacen("expected", &format!("did you mean `{known}`? Expected"), 1).replacen(", did", "; did", 1)
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        #[serde(default)]
        query: String,
        #[serde(default, deserialize_with = "integer")]
        limit: Option<u8>,
        #[serde(default)]
        terms: Vec<Term>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, try_from = "Object<Fields>")]
    struct Term(String);

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        text: String,
    }

    impl TryFrom<Object<Fields>> for Term {
        type Error = String;

        fn try_from(fields: Object<Fields>) -> Result<Self, String> {
            Ok(Self(fields.0.text))
        }
    }

    fn error(json: &str) -> String {
        object_from_slice::<Request>(json.as_bytes()).expect_err(json).detail().to_owned()
    }

    #[test]
    fn unknown_fields_are_refused_with_the_nearest_known_one() {
        assert!(error(r#"{"q": "x"}"#).starts_with("/q: unknown field `q`; did you mean `query`? Expected one of"));
        assert!(
            error(r#"{"terms": [{"txt": 1}]}"#).starts_with("/terms/0/txt: unknown field `txt`; did you mean `text`?")
        );
        assert!(error(r#"{"colour": 1}"#).starts_with("/colour: unknown field `colour`, expected one of `query`"));
    }

    #[test]
    fn errors_name_the_place_and_the_expected_type() {
        assert!(error(r#"{"query": 7}"#).starts_with("/query: invalid type: integer `7`, expected a string"));
        assert!(error(r#"{"terms": [["x"]]}"#).starts_with("/terms/0: invalid type: sequence, expected an object"));
        assert!(error(r#"["x"]"#).starts_with("invalid type: sequence, expected an object"));
        assert!(error("{").contains("line 1"));
        assert!(error("{} {}").contains("trailing characters"));
    }

    #[test]
    fn whole_numbers_may_have_a_fraction_of_zero() {
        let limit = |json: &str| object_from_slice::<Request>(json.as_bytes()).ok().and_then(|request| request.limit);
        assert_eq!(limit(r#"{"limit": 20.0}"#), Some(20));
        assert_eq!(limit(r#"{"limit": 20.5}"#), None);
        assert_eq!(limit(r#"{"limit": -1}"#), None);
        assert_eq!(limit(r#"{"limit": 256}"#), None);
    }

    #[test]
    fn json_with_too_many_values_is_refused_before_it_is_read() {
        let huge = format!("[{}0]", "0,".repeat(MAX_VALUES + 1));
        assert!(error(&huge).contains("at most 100000"));
    }
}
