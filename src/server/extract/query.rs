//! Parameters in the query string of an address.

use axum::{
    extract::{FromRequestParts, Query as RawQuery},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::json::from_value;
use crate::server::error::{ApiResult, Problem};

/// Parameters as axum reads them.
#[derive(Debug, FromRequestParts)]
#[from_request(via(RawQuery), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// Parameters that are read as the fields of a JSON body would be: numbers, truth values and objects as JSON, lists
/// separated by commas, everything else as text.
#[derive(Debug)]
pub(crate) struct JsonQuery<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for JsonQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let Query(parameters) = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await?;
        from_value(Value::Object(fields(parameters)?)).map(Self)
    }
}

/// No parameter is null: an address leaves out what it does not set.
fn fields(parameters: Vec<(String, String)>) -> ApiResult<Map<String, Value>> {
    let value = |name: &str, text: String| match name {
        "facets" => Value::from(text.split(',').filter(|name| !name.is_empty()).collect::<Vec<_>>()),
        "q" | "target" | "cursor" => Value::String(text),
        _ => serde_json::from_str(&text).ok().filter(|value: &Value| !value.is_null()).unwrap_or(Value::String(text)),
    };
    let mut fields = Map::new();
    for (name, text) in parameters {
        if fields.insert(name.clone(), value(&name, text)).is_some() {
            return Err(Problem::malformed(format!("the parameter {name:?} is given twice")));
        }
    }
    Ok(fields)
}
