//! Requests of searches: the query itself, and the parameters that all searches share.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    filter::{self, FilterRequest},
    json::{Object, from_value, integer},
    term::{IMAGE_EXAMPLE, TermRequest},
};
use crate::{
    engine::{Query, Target, Term},
    server::{ApiResult, App, Problem},
};

/// Results of a page, unless the request says otherwise.
const DEFAULT_LIMIT: usize = 20;

/// Maximum of `timeout_ms`.
const MAX_TIMEOUT_MS: u64 = 30_000;

/// A field whose values are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FacetName {
    Label,
}

/// Whether keywords count as well: true, false, or a weight.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(untagged, try_from = "Value")]
pub(crate) enum Hybrid {
    /// With the default weight of 0.3, or not at all.
    Enabled(bool),
    Weighted(KeywordWeight),
}

/// Weight of keywords.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeywordWeight {
    /// Weight of the keyword ranking relative to the vector ranking.
    #[schema(minimum = 0, maximum = 1)]
    keyword_weight: f32,
}

impl TryFrom<Value> for Hybrid {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Bool(enabled) => Ok(Self::Enabled(enabled)),
            Value::Object(_) => {
                from_value(value).map(Self::Weighted).map_err(|problem: Problem| problem.detail().to_owned())
            }
            _ => Err("expected true, false or {\"keyword_weight\": …}".into()),
        }
    }
}

/// Declares requests that have the shared parameters of searches and at most one field of their own. Serde cannot
/// flatten a type that denies unknown fields, and flattened fields would lose their place in errors.
macro_rules! search_requests {
    ($($(#[$meta:meta])* $name:ident { $($(#[$own_meta:meta])* $own:ident: $type:ty)? })*) => { $(
        #[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
        $(#[$meta])*
        #[serde(deny_unknown_fields)]
        #[into_params(parameter_in = Query)]
        pub(crate) struct $name {
            $($(#[$own_meta])* pub(crate) $own: $type,)?
            /// Kind of the results. A text finds images and an image finds captions, unless this says otherwise.
            #[param(inline, nullable = false)]
            target: Option<Target>,
            /// Results of a page.
            #[serde(default, deserialize_with = "integer")]
            #[schema(minimum = 1, maximum = 100, default = 20)]
            #[param(minimum = 1, maximum = 100, default = 20, nullable = false)]
            limit: Option<usize>,
            /// The `next_cursor` of a response: fetches its next page. All other parameters but `limit` are ignored.
            #[param(nullable = false)]
            pub(crate) cursor: Option<String>,
            /// Leaves out results below this probability of being relevant.
            #[schema(minimum = 0, maximum = 1)]
            #[param(minimum = 0, maximum = 1, nullable = false)]
            min_relevance: Option<f32>,
            /// Scans all vectors instead of using the index.
            #[schema(default = false)]
            #[param(default = false, nullable = false)]
            exact: Option<bool>,
            /// Candidates that the search in the HNSW graph keeps.
            #[serde(default, deserialize_with = "integer")]
            #[schema(minimum = 1, maximum = 1000)]
            #[param(minimum = 1, maximum = 1000, nullable = false)]
            ef: Option<usize>,
            /// Which items can be results.
            #[schema(value_type = Option<FilterRequest>)]
            #[param(value_type = Option<String>, nullable = false, example = json!(FILTER_EXAMPLE))]
            filter: Option<Object<FilterRequest>>,
            /// Whether keywords count as well (BM25, joined with the vector ranking by reciprocal rank fusion).
            #[param(
                value_type = Option<String>, nullable = false, example = "true",
                pattern = r#"^(true|false|\{"keyword_weight": 0\.[0-9]{1,4}\})$"#
            )]
            hybrid: Option<Hybrid>,
            /// Counts all results by these fields.
            #[param(inline, style = Form, explode = false, nullable = false)]
            facets: Option<Vec<FacetName>>,
            /// Milliseconds after which the query is given up.
            #[serde(default, deserialize_with = "integer")]
            #[schema(minimum = 1, maximum = 30_000)]
            #[param(minimum = 1, maximum = 30_000, nullable = false)]
            pub(crate) timeout_ms: Option<u64>,
            /// Adds to each result how it was found.
            #[schema(default = false)]
            #[param(default = false, nullable = false)]
            pub(crate) explain: Option<bool>,
        }

        impl SharedParams for $name {
            fn shared(self) -> SearchParams {
                let Self {
                    target, limit, cursor, min_relevance, exact, ef, filter, hybrid, facets, timeout_ms, explain, ..
                } = self;
                SearchParams {
                    target, limit, cursor, min_relevance, exact, ef, filter, hybrid, facets, timeout_ms, explain,
                }
            }
        }
    )* };
}

/// Example of a filter in an address.
pub(crate) const FILTER_EXAMPLE: &str = r#"{"must": [{"key": "label", "match": {"value": "bird"}}]}"#;

search_requests! {
    /// Parameters that all searches share.
    SearchParams {}

    /// A text to search with.
    #[schema(example = json!({"query": "a bird on a branch", "limit": 10, "hybrid": true}))]
    TextSearchRequest {
        /// The text. Not needed with a cursor.
        query: Option<String>
    }

    /// A text to search with, in an address.
    TextSearchParams {
        /// The text. Not needed with a cursor.
        #[param(nullable = false)]
        q: Option<String>
    }

    /// An image to search with.
    #[schema(example = json!({"image_base64": IMAGE_EXAMPLE, "target": "text", "limit": 5}))]
    ImageSearchRequest {
        /// The image's file in base64.
        #[schema(format = Byte)]
        image_base64: String
    }

    /// Texts, images and items to search with.
    #[schema(example = json!({"terms": [{"text": "a bird"}, {"text": "a cage", "weight": -0.5}], "limit": 10}))]
    TermSearchRequest {
        /// Each counts by its weight; the results are unlike terms with a negative weight. Not needed with a cursor.
        #[schema(min_items = 1, max_items = 16)]
        terms: Option<Vec<TermRequest>>
    }
}

/// A request that has the parameters that all searches share.
pub(crate) trait SharedParams {
    fn shared(self) -> SearchParams;
}

impl SearchParams {
    /// These parameters, and `other` where they are not set; or the name of a parameter that both set.
    pub(crate) fn merge(self, other: Self) -> Result<Self, &'static str> {
        fn either<T>(name: &'static str, one: Option<T>, other: Option<T>) -> Result<Option<T>, &'static str> {
            if one.is_some() && other.is_some() { Err(name) } else { Ok(one.or(other)) }
        }
        Ok(Self {
            target: either("target", self.target, other.target)?,
            limit: either("limit", self.limit, other.limit)?,
            cursor: either("cursor", self.cursor, other.cursor)?,
            min_relevance: either("min_relevance", self.min_relevance, other.min_relevance)?,
            exact: either("exact", self.exact, other.exact)?,
            ef: either("ef", self.ef, other.ef)?,
            filter: either("filter", self.filter, other.filter)?,
            hybrid: either("hybrid", self.hybrid, other.hybrid)?,
            facets: either("facets", self.facets, other.facets)?,
            timeout_ms: either("timeout_ms", self.timeout_ms, other.timeout_ms)?,
            explain: either("explain", self.explain, other.explain)?,
        })
    }

    /// The query for the engine. Checks the parameters and fills in the defaults: the target, and the weight of
    /// keywords.
    pub(crate) fn into_query(
        self,
        app: &App,
        terms: Vec<(Term, f32)>,
        target: Target,
        keyword_weight: f32,
    ) -> ApiResult<Query> {
        let timeout_ms =
            self.timeout_ms.map(|ms| Problem::check_range("timeout_ms", ms, 1..=MAX_TIMEOUT_MS)).transpose()?;
        let keyword_weight = match self.hybrid {
            Some(Hybrid::Weighted(KeywordWeight { keyword_weight })) => keyword_weight,
            Some(Hybrid::Enabled(true)) => Query::KEYWORD_WEIGHT,
            Some(Hybrid::Enabled(false)) => 0.0,
            None => keyword_weight,
        };
        Ok(Query {
            terms,
            target: self.target.unwrap_or(target),
            limit: self.limit.unwrap_or(DEFAULT_LIMIT.min(app.engine.limits().max_results)),
            min_relevance: self.min_relevance,
            exact: self.exact.unwrap_or_default(),
            ef: self.ef,
            filter: filter::resolve(self.filter, &app.limits)?,
            keyword_weight,
            facets: self.facets.is_some_and(|facets| facets.contains(&FacetName::Label)),
            deadline: timeout_ms.map(|ms| Instant::now() + Duration::from_millis(ms)),
        })
    }
}
