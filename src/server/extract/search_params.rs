//! What every query may say of its answer: in a JSON body beside the query itself, or as parameters of the address.

use std::time::Duration;

use axum::extract::{Query as Parameters, rejection::QueryRejection};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, RefOr, Required, Schema,
        path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle},
        schema::{Object, SchemaType, Type},
    },
};

use crate::server::{
    error::{Code, Outcome, Problem},
    extract::filter::{self, FilterSchema},
    state::App,
};
use crate::{
    catalog::Filter,
    engine::{Query, Target},
};

/// Results of an answer unless the query says otherwise.
const DEFAULT_LIMIT: usize = 20;

/// The longest time that a query may ask for.
const MAX_TIMEOUT_MS: u64 = 30_000;

/// A query's wishes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// What is wanted. Words find pictures and pictures find captions, unless this says otherwise.
    #[schema(value_type = Option<TargetName>)]
    target: Option<TargetName>,
    /// Results of a page.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// The `next_cursor` of an answer: leads to its next page. All else but `limit` was said when that answer was made.
    cursor: Option<String>,
    /// Results below this probability of being relevant are left out.
    #[schema(minimum = 0, maximum = 1)]
    min_relevance: Option<f32>,
    /// Look at every point, whatever the index.
    #[serde(default)]
    exact: bool,
    /// Candidates that a walk through the graph keeps.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 1000)]
    ef: Option<usize>,
    /// Which items may be in the answer.
    #[schema(value_type = Option<FilterSchema>)]
    filter: Option<Value>,
    /// Whether keywords count as well (BM25, joined by reciprocal rank fusion).
    hybrid: Option<Hybrid>,
    /// Count all results by these.
    #[serde(default)]
    #[schema(max_items = 1)]
    facets: Vec<FacetName>,
    /// Milliseconds after which the query is given up.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 30_000)]
    timeout_ms: Option<u64>,
    /// Say of each result how it was found.
    #[serde(default)]
    explain: bool,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TargetName {
    /// Pictures.
    Image,
    /// Captions.
    Text,
    /// Both, by how probably they are relevant.
    Any,
}

/// What can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum FacetName {
    Label,
}

/// Whether keywords count as well.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(untagged)]
enum Hybrid {
    /// With a weight of 0.3, or not at all.
    Wanted(bool),
    Weighed(Weighed),
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Weighed {
    /// How much they count beside the common space.
    #[schema(minimum = 0, maximum = 1)]
    keyword_weight: f32,
}

/// Wishes as the engine takes them.
#[derive(Debug)]
pub(crate) struct Wishes {
    pub(crate) query: Query,
    /// Where to go on.
    pub(crate) cursor: Option<String>,
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
    /// Whether each result says how it was found.
    pub(crate) explain: bool,
}

impl Options {
    /// Those of a JSON object.
    pub(crate) fn of(fields: Map<String, Value>) -> Outcome<Self> {
        read(Value::Object(fields))
    }

    /// Those of an address.
    pub(crate) fn of_parameters(parameters: AddressParameters) -> Outcome<Self> {
        Self::of(as_json(parameters)?)
    }

    pub(crate) fn wishes(self, app: &App, default: Target, keywords_by_default: bool) -> Outcome<Wishes> {
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
            Some(Hybrid::Wanted(true)) => Query::KEYWORD_WEIGHT,
            Some(Hybrid::Wanted(false)) => 0.0,
            None => {
                if keywords_by_default {
                    Query::KEYWORD_WEIGHT
                } else {
                    0.0
                }
            }
        };
        let filter = self.filter.as_ref().map(|filter| filter::parse(filter, app.limits.filter)).transpose()?;
        Ok(Wishes {
            query: Query {
                terms: Vec::new(),
                target,
                limit: self.limit.unwrap_or(DEFAULT_LIMIT.min(app.engine.limits().results)),
                min_relevance: self.min_relevance,
                exact: self.exact,
                ef: self.ef,
                filter: filter.unwrap_or_else(Filter::default),
                keyword_weight,
                facets: self.facets.contains(&FacetName::Label),
                deadline: None,
            },
            cursor: self.cursor,
            timeout: self.timeout_ms.map(Duration::from_millis),
            explain: self.explain,
        })
    }
}

impl Options {
    /// The schema of a body that has fields of its own beside them. Serde cannot flatten a type that denies unknown fields, so
    /// these are joined here as they are when they are read.
    pub(crate) fn schema_with(own: Value, required: &[&str]) -> RefOr<Schema> {
        let mut body = Self::object();
        body.description = None;
        for (name, schema) in own.as_object().into_iter().flatten() {
            body.properties.insert(name.clone(), schema_of(schema.clone()));
        }
        body.required = required.iter().map(|name| (*name).to_owned()).collect();
        RefOr::T(Schema::Object(body))
    }

    fn object() -> Object {
        match Self::schema() {
            RefOr::T(Schema::Object(object)) => object,
            _ => Object::default(),
        }
    }
}

/// The options as parameters of an address.
pub(crate) struct OptionParameters;

impl IntoParams for OptionParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameters = Options::object().properties.into_iter().map(|(name, schema)| {
            let schema = never_null(schema);
            let description = match &schema {
                RefOr::T(Schema::Object(object)) => object.description.clone(),
                RefOr::T(Schema::Array(array)) => array.description.clone(),
                RefOr::Ref(reference) => Some(reference.description.clone()),
                _ => None,
            };
            let parameter = ParameterBuilder::new()
                .name(name.clone())
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(description);
            match name.as_str() {
                "filter" | "hybrid" => in_json(parameter, schema).build(),
                "facets" => {
                    parameter.schema(Some(schema)).style(Some(ParameterStyle::Form)).explode(Some(false)).build()
                }
                _ => parameter.schema(Some(schema)).build(),
            }
        });
        parameters.collect()
    }
}

/// The schema without null: an address leaves out what is not said.
fn never_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            if let SchemaType::Array(types) = &object.schema_type
                && let Some(only) = types.iter().find(|one| **one != Type::Null)
            {
                object.schema_type = SchemaType::Type(only.clone());
            }
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::OneOf(one_of)) => one_of
            .items
            .iter()
            .find(|item| matches!(item, RefOr::Ref(_)))
            .cloned()
            .unwrap_or(Schema::OneOf(one_of).into()),
        other => other,
    }
}

/// A parameter whose value is JSON.
fn in_json(parameter: ParameterBuilder, schema: RefOr<Schema>) -> ParameterBuilder {
    parameter.content("application/json", ContentBuilder::new().schema(Some(schema)).build())
}

/// The parameter `filter` of an address.
pub(crate) struct FilterParameter;

impl IntoParams for FilterParameter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("filter")
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some("Which items count."));
        vec![in_json(parameter, schema_of(json!({ "$ref": "#/components/schemas/FilterSchema" }))).build()]
    }
}

/// A schema that is written as JSON.
///
/// # Panics
/// If it is none; a test makes the whole document.
pub(crate) fn schema_of(json: Value) -> RefOr<Schema> {
    serde_json::from_value(json).expect("a schema")
}

/// The parameters of an address.
pub(crate) type AddressParameters = Result<Parameters<Vec<(String, String)>>, QueryRejection>;

/// Parameters as a body would have them: numbers, truth values and objects as JSON, lists by commas, all else as text. An address
/// leaves out what is not said, so none is null.
pub(crate) fn as_json(parameters: AddressParameters) -> Outcome<Map<String, Value>> {
    let Parameters(parameters) = parameters?;
    let value = |name: &str, text: String| match name {
        "facets" => Value::from(text.split(',').filter(|name| !name.is_empty()).collect::<Vec<_>>()),
        "q" | "target" | "cursor" | "query" => Value::String(text),
        _ => serde_json::from_str(&text).ok().filter(|value: &Value| !value.is_null()).unwrap_or(Value::String(text)),
    };
    let mut read = Map::new();
    for (name, text) in parameters {
        if read.insert(name.clone(), value(&name, text)).is_some() {
            return Err(Problem::new(Code::MalformedRequest, format!("the parameter {name:?} is given twice")));
        }
    }
    Ok(read)
}

/// Values of a JSON body. Pictures make bodies large, and a value of two bytes takes thirty in memory.
const MAX_VALUES: usize = 100_000;

/// Refuses JSON of more values than any request has, before it is read: each but the first follows a comma or opens something.
pub(crate) fn few_values(body: &[u8]) -> Outcome<()> {
    let values = body.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > MAX_VALUES {
        let detail = format!("the body has about {values} values; at most {MAX_VALUES} are read");
        return Err(Problem::new(Code::MalformedRequest, detail));
    }
    Ok(())
}

/// A whole number however it is written: in JSON, 20.0 is 20 (JSON Schema, 6.1.1).
pub(crate) fn whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let as_float =
        || number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..2f64.powi(53)).contains(n)).map(|n| n as u64);
    let whole = number.as_u64().or_else(as_float).and_then(|n| T::try_from(n).ok());
    whole.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{number} is no whole number that fits here")))
}

/// A value as a type, with what is wrong if it is none.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Outcome<T> {
    serde_json::from_value(value).map_err(|e| Problem::new(Code::MalformedRequest, e.to_string()))
}
