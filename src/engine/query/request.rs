//! A query.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::Filter;

/// The modality of a result or of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ResultKind, description = "Kind of a result.")]
pub enum Kind {
    /// A picture.
    Image,
    /// A caption, or the text of a query.
    Text,
}

/// Kind of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SearchTarget)]
pub enum Target {
    /// Pictures.
    Image,
    /// Captions.
    Text,
    /// Both, ordered by their probability of being relevant.
    Any,
}

impl Target {
    pub(in crate::engine) fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Image => &[Kind::Image],
            Self::Text => &[Kind::Text],
            Self::Any => &[Kind::Image, Kind::Text],
        }
    }
}

/// A term of a query.
#[derive(Debug, Clone)]
pub enum Term {
    /// A text.
    Text(String),
    /// The bytes of a picture's file.
    Picture(Vec<u8>),
    /// An item, by its id.
    Item(String),
}

/// A query and its options.
#[derive(Debug, Clone)]
pub struct Query {
    /// The terms with their weights in [-10, 10]; a negative weight subtracts its term.
    pub terms: Vec<(Term, f32)>,
    /// The modality of the results.
    pub target: Target,
    /// The maximum number of results of a page.
    pub limit: usize,
    /// Results below this probability are left out.
    pub min_relevance: Option<f32>,
    /// Scan all vectors instead of using the graph.
    pub exact: bool,
    /// Number of candidates of the graph search (ef).
    pub ef: Option<usize>,
    /// Filter for items.
    pub filter: Filter,
    /// The weight of the keyword ranking relative to the vector ranking, in [0, 1].
    pub keyword_weight: f32,
    /// Whether to count the labels of all results.
    pub facets: bool,
    /// Deadline after which no further stage is started.
    pub deadline: Option<Instant>,
}

impl Query {
    /// The default weight of the keyword ranking in a hybrid search.
    pub const KEYWORD_WEIGHT: f32 = 0.3;

    /// The best `limit` results for some terms, everything else at its default.
    pub fn new(terms: Vec<(Term, f32)>, target: Target, limit: usize) -> Self {
        Self {
            terms,
            target,
            limit,
            min_relevance: None,
            exact: false,
            ef: None,
            filter: Filter::default(),
            keyword_weight: 0.0,
            facets: false,
            deadline: None,
        }
    }

    /// Like [`Self::new`], for a text.
    pub fn text(text: impl Into<String>, target: Target, limit: usize) -> Self {
        Self::new(vec![(Term::Text(text.into()), 1.0)], target, limit)
    }

    /// Like [`Self::new`], for a picture, given as the bytes of its file.
    pub fn image(bytes: Vec<u8>, target: Target, limit: usize) -> Self {
        Self::new(vec![(Term::Picture(bytes), 1.0)], target, limit)
    }

    /// The texts of the terms with a positive weight, which the keyword ranking searches.
    pub(in crate::engine) fn keywords(&self) -> Option<String> {
        let texts = self.terms.iter().filter_map(|term| match term {
            (Term::Text(text), weight) if *weight > 0.0 => Some(text.as_str()),
            _ => None,
        });
        let texts: Vec<&str> = texts.collect();
        (!texts.is_empty()).then(|| texts.join(" "))
    }
}
