//! What every query may say of its answer: in a JSON body beside the query itself, or as parameters of the address.

use std::{collections::HashMap, time::Duration};

use axum::extract::{Query as Parameters, rejection::QueryRejection};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    error::{Code, Outcome, Problem},
    filter,
};
use crate::{
    catalog::Filter,
    search::{Query, Target},
};

/// Results of an answer unless the query says otherwise.
const DEFAULT_LIMIT: usize = 20;

/// How much keywords count if they are asked for without a weight, and on searches by address.
const KEYWORD_WEIGHT: f32 = 0.3;

/// The longest time that a query may ask for.
const MAX_TIMEOUT_MS: u64 = 30_000;

/// A query's wishes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    target: Option<TargetName>,
    limit: Option<usize>,
    cursor: Option<String>,
    min_relevance: Option<f32>,
    #[serde(default)]
    exact: bool,
    ef: Option<usize>,
    filter: Option<Value>,
    hybrid: Option<Hybrid>,
    #[serde(default)]
    facets: Vec<FacetName>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    explain: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TargetName {
    Image,
    Text,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FacetName {
    Label,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Hybrid {
    Wanted(bool),
    Weighed(Weighed),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighed {
    keyword_weight: f32,
}

/// Wishes as the engine takes them.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) query: Query,
    /// Where to go on.
    pub(super) cursor: Option<String>,
    /// How long it may take.
    pub(super) timeout: Option<Duration>,
    /// Whether each result says how it was found.
    pub(super) explain: bool,
}

impl Options {
    /// Those of a JSON object.
    pub(super) fn of(fields: Map<String, Value>) -> Outcome<Self> {
        read(Value::Object(fields))
    }

    /// Those of an address.
    pub(super) fn of_parameters(parameters: AddressParameters) -> Outcome<Self> {
        let Parameters(parameters) = parameters?;
        Self::of(as_json(parameters))
    }

    pub(super) fn wishes(self, default: Target, keywords_by_default: bool) -> Outcome<Wishes> {
        let refuse = |field: &str, reason: String| {
            Problem::new(Code::InvalidQuery, format!("{field}: {reason}")).at(&format!("/{field}"))
        };
        let target = match self.target {
            Some(TargetName::Image) => Target::Image,
            Some(TargetName::Text) => Target::Text,
            Some(TargetName::Any) => Target::Any,
            None => default,
        };
        if let Some(ms) = self.timeout_ms.filter(|ms| !(1..=MAX_TIMEOUT_MS).contains(ms)) {
            return Err(refuse("timeout_ms", format!("it is {ms}; allowed are 1 to {MAX_TIMEOUT_MS}")));
        }
        let keyword_weight = match self.hybrid {
            Some(Hybrid::Weighed(Weighed { keyword_weight })) => keyword_weight,
            Some(Hybrid::Wanted(true)) => KEYWORD_WEIGHT,
            Some(Hybrid::Wanted(false)) => 0.0,
            None => {
                if keywords_by_default {
                    KEYWORD_WEIGHT
                } else {
                    0.0
                }
            }
        };
        let filter = self.filter.as_ref().map(filter::parse).transpose()?;
        Ok(Wishes {
            query: Query {
                target,
                limit: self.limit.unwrap_or(DEFAULT_LIMIT),
                min_relevance: self.min_relevance,
                exact: self.exact,
                ef: self.ef,
                filter: filter.unwrap_or_else(Filter::default),
                keyword_weight,
                facets: self.facets.contains(&FacetName::Label),
            },
            cursor: self.cursor,
            timeout: self.timeout_ms.map(Duration::from_millis),
            explain: self.explain,
        })
    }
}

/// The parameters of an address.
pub(super) type AddressParameters = Result<Parameters<HashMap<String, String>>, QueryRejection>;

/// Parameters as a body would have them: numbers, truth values and objects as JSON, lists by commas, all else as text.
pub(super) fn as_json(parameters: HashMap<String, String>) -> Map<String, Value> {
    let value = |name: &str, text: String| match name {
        "facets" => Value::from(text.split(',').filter(|name| !name.is_empty()).collect::<Vec<_>>()),
        "q" | "target" | "cursor" | "query" => Value::String(text),
        _ => serde_json::from_str(&text).unwrap_or(Value::String(text)),
    };
    parameters.into_iter().map(|(name, text)| (name.clone(), value(&name, text))).collect()
}

/// Values of a JSON body. Pictures make bodies large, and a value of two bytes takes thirty in memory.
const MAX_VALUES: usize = 100_000;

/// Refuses JSON of more values than any request has, before it is read: each but the first follows a comma or opens something.
pub(super) fn few_values(body: &[u8]) -> Outcome<()> {
    let values = body.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > MAX_VALUES {
        let detail = format!("the body has about {values} values; at most {MAX_VALUES} are read");
        return Err(Problem::new(Code::MalformedRequest, detail));
    }
    Ok(())
}

/// A value as a type, with what is wrong if it is none.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Outcome<T> {
    serde_json::from_value(value).map_err(|e| Problem::new(Code::MalformedRequest, e.to_string()))
}
