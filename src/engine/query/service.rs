//! What can be asked of the engine: terms in, near things, classes or points out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;

use crate::{
    catalog::{Filter, LabelCount},
    collection::encode_one,
    core::UnitVector,
    dataset,
    engine::{
        engine::Engine,
        error::EngineError,
        metrics,
        query::{
            cursors::cursor,
            query_vector::{EncodedQuery, QueryVector, StageTimes, classes},
            rank::{ms, rank},
            request::{Answer, Kind, PredictedLabel, Query, Timings},
            text_encoder::TextEmbedding,
        },
        serving::snapshot::Generation,
    },
    model::FeatureMatrix,
};

/// The largest weight of a term, and its negative the smallest.
const MAX_WEIGHT: f32 = 10.0;

/// Candidates that a query may ask a walk to keep, at most.
const MAX_EF: usize = 1000;

/// Inputs of a batch that are encoded at once: some for the encoder to take together, and few enough that others find a place.
const AT_ONCE: usize = 16;

/// Fields of `meta` that an error names, at most.
const NAMED_FIELDS: u32 = 20;

/// A part of a query.
#[derive(Debug, Clone)]
pub enum Term {
    /// Words.
    Text(String),
    /// The bytes of a picture's file.
    Picture(Vec<u8>),
    /// An item, by its id.
    Item(String),
}

impl Engine {
    /// Answers words.
    ///
    /// # Errors
    /// [`EngineError::BadQuery`] for a text without words or beyond the limits; [`EngineError::Starting`],
    /// [`CollectionError::NoModel`], [`EngineError::Overloaded`]; or if a part fails.
    pub async fn search_text(&self, text: &str, query: Query) -> Result<Answer, EngineError> {
        self.search(vec![(Term::Text(text.to_owned()), 1.0)], query).await
    }

    /// Answers a picture, given as the bytes of a file.
    ///
    /// # Errors
    /// [`CollectionError::Picture`] for bytes that are no picture or one beyond the limits; else as [`Self::search_text`].
    pub async fn search_image(&self, bytes: Vec<u8>, query: Query) -> Result<Answer, EngineError> {
        self.search(vec![(Term::Picture(bytes), 1.0)], query).await
    }

    /// Answers several terms at once, each as much as it weighs; a negative weight leads away from what it says.
    ///
    /// # Errors
    /// [`EngineError::NoSuchItem`]; else as [`Self::search_text`] and [`Self::search_image`].
    pub async fn search(&self, terms: Vec<(Term, f32)>, query: Query) -> Result<Answer, EngineError> {
        self.check_query(&query).await?;
        if terms.is_empty() || terms.len() > self.limits().terms {
            let reason = format!("there are {}; allowed are 1 to {}", terms.len(), self.limits().terms);
            return Err(bad("terms", reason));
        }
        if let Some((_, weight)) = terms.iter().find(|(_, weight)| !(-MAX_WEIGHT..=MAX_WEIGHT).contains(weight)) {
            return Err(bad("terms", format!("a weight is {weight}; allowed are -{MAX_WEIGHT} to {MAX_WEIGHT}")));
        }
        let generation = self.ready().await?;
        let began = Instant::now();
        let text: Vec<&str> = terms
            .iter()
            .filter_map(|term| match term {
                (Term::Text(words), weight) if *weight > 0.0 => Some(words.as_str()),
                _ => None,
            })
            .collect();
        let text = (!text.is_empty()).then(|| text.join(" "));
        let weights: Vec<f32> = terms.iter().map(|(_, weight)| *weight).collect();
        // How far the indexes have come before they are searched.
        let came_to = generation.came_to();
        let plain = weights[..] == [1.0] && query.filter.is_empty() && !query.exact && query.ef.is_none();
        let near = if plain { query.target.kinds() } else { &[] };
        let probes = terms.into_iter().map(|(term, _)| self.probe(&generation, term, near, query.deadline));
        let (mut probes, spent): (Vec<QueryVector>, Vec<StageTimes>) = try_join_all(probes).await?.into_iter().unzip();
        let probe = match weights[..] {
            [weight] if weight > 0.0 => probes.remove(0),
            _ => QueryVector::composed(probes.into_iter().zip(weights).collect())?,
        };
        let most =
            |of: fn(&StageTimes) -> Duration| spent.iter().map(of).max().unwrap_or_default().as_secs_f64() * 1000.0;
        let (total, queue, search) = (ms(began), most(|spent| spent.waited), most(|spent| spent.searched));
        let took = Timings { total, queue, encode: (total - queue - search).max(0.0), search, hydrate: 0.0 };
        let ranking = rank(&generation, &self.shown, probe, text.as_deref(), &query, came_to, took).await?;
        let (mut answer, next) = ranking.page(&self.shown, 0, query.limit).await?;
        metrics::asked(&answer.took);
        if next < ranking.len() {
            answer.next_cursor = Some(cursor(self.pages.keep(Arc::new(ranking)), next));
        }
        Ok(answer)
    }

    /// The page that a cursor stands for.
    ///
    /// # Errors
    /// [`EngineError::BadQuery`] for what is no cursor, [`EngineError::CursorExpired`] for one that is too old; or if the catalog
    /// fails.
    pub async fn next_page(&self, at: &str, limit: usize) -> Result<Answer, EngineError> {
        self.check_limit(limit)?;
        let (ranking, name, begin) = self.pages.find(at)?;
        let (mut answer, next) = ranking.page(&self.shown, begin, limit).await?;
        answer.next_cursor = (next < ranking.len()).then(|| cursor(name, next));
        Ok(answer)
    }

    /// How probable each class is for words or a picture, most probable first; and the model that says so.
    ///
    /// # Errors
    /// As [`Self::search`]; [`EngineError::BadQuery`] for an item.
    pub async fn classify(&self, term: Term) -> Result<(String, Vec<PredictedLabel>), EngineError> {
        let generation = self.ready().await?;
        let encoded = self.encode(&generation, term, &[], None).await?;
        let labels = classes(&generation, &encoded.asked, usize::MAX);
        Ok((generation.record.version.clone(), labels))
    }

    /// The points of words, pictures or items; and the model whose space they are of.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn embed(&self, terms: Vec<Term>) -> Result<(String, Vec<UnitVector>), EngineError> {
        if terms.len() > self.limits().results {
            let reason = format!("there are {}; at most {} are taken at once", terms.len(), self.limits().results);
            return Err(bad("inputs", reason));
        }
        let generation = self.ready().await?;
        let mut points = Vec::with_capacity(terms.len());
        let mut terms = terms.into_iter().peekable();
        while terms.peek().is_some() {
            let some = terms.by_ref().take(AT_ONCE).map(|term| self.probe(&generation, term, &[], None));
            points.extend(try_join_all(some).await?.into_iter().map(|(probe, _)| probe.point));
        }
        Ok((generation.record.version.clone(), points))
    }

    /// Classes of the items that a filter lets through, by how many bear them, most first.
    ///
    /// # Errors
    /// [`EngineError::BadQuery`] for a field that no item has; or if the catalog fails.
    pub async fn facets(&self, filter: &Filter) -> Result<Vec<LabelCount>, EngineError> {
        self.check_filter(filter).await?;
        Ok(self.collection.catalog.label_counts(filter).await?)
    }

    /// From a term to the point that asks for it; and where the time went. What is near it of the kinds `near` may be found on the
    /// way.
    async fn probe(
        &self,
        generation: &Arc<Generation>,
        term: Term,
        near: &'static [Kind],
        deadline: Option<Instant>,
    ) -> Result<(QueryVector, StageTimes), EngineError> {
        match term {
            Term::Item(id) => {
                let item = self.collection.catalog.item(&id).await?.ok_or(EngineError::NoSuchItem(id))?;
                Ok((QueryVector::of_item(generation, &item)?, StageTimes::default()))
            }
            term => {
                let encoded = self.encode(generation, term, near, deadline).await?;
                let spent = encoded.spent;
                Ok((QueryVector::of(generation, encoded), spent))
            }
        }
    }

    /// Through the encoder and the model, on a thread for that.
    async fn encode(
        &self,
        generation: &Arc<Generation>,
        term: Term,
        near: &'static [Kind],
        deadline: Option<Instant>,
    ) -> Result<EncodedQuery, EngineError> {
        match term {
            Term::Text(text) => {
                let text = self.check_text(&text)?;
                let TextEmbedding { asked, unknown: unknown_token_ratio, near, waited, searched } =
                    self.texts.read(text, generation, near, deadline).await?;
                Ok(EncodedQuery {
                    source: Kind::Text,
                    asked,
                    unknown_token_ratio,
                    near,
                    spent: StageTimes { waited, searched },
                })
            }
            Term::Picture(bytes) => {
                let limits = self.collection.limits;
                // The header alone decides most refusals; it costs no place in the encoder's queue.
                dataset::inspect(&bytes, &limits)?;
                let (encoder, generation) = (Arc::clone(&self.encoders.image), Arc::clone(generation));
                let encode = move || {
                    let picture = dataset::decode(&bytes, &limits)?.picture;
                    let features = encode_one(encoder.as_ref(), picture)?;
                    let row = FeatureMatrix::new(features.len(), features);
                    let row = row.ok_or_else(|| EngineError::internal("a picture has no features"))?;
                    let asked = generation.model.ask_images(&row)?.pop();
                    asked.ok_or_else(|| EngineError::internal("the model gave no point for a picture"))
                };
                let done = self.worker.run(deadline, encode).await?;
                let asked = Arc::new(done.answer?);
                let spent = StageTimes { waited: done.waited, searched: Duration::ZERO };
                Ok(EncodedQuery { source: Kind::Image, asked, unknown_token_ratio: 0.0, near: Vec::new(), spent })
            }
            Term::Item(_) => Err(bad("item", "only words and pictures are encoded".into())),
        }
    }

    fn check_text<'t>(&self, text: &'t str) -> Result<&'t str, EngineError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(bad("query", "it is empty; at least one word is needed".into()));
        }
        let chars = text.chars().take(self.limits().text_chars + 1).count();
        if chars > self.limits().text_chars {
            let reason = format!("it is longer than {} characters, the most that is read", self.limits().text_chars);
            return Err(bad("query", reason));
        }
        Ok(text)
    }

    fn check_limit(&self, limit: usize) -> Result<(), EngineError> {
        if limit == 0 || limit > self.limits().results {
            return Err(bad("limit", format!("it is {limit}; allowed are 1 to {}", self.limits().results)));
        }
        Ok(())
    }

    async fn check_query(&self, query: &Query) -> Result<(), EngineError> {
        self.check_limit(query.limit)?;
        let parts = [("min_relevance", query.min_relevance), ("hybrid/keyword_weight", Some(query.keyword_weight))];
        for (field, value) in parts {
            if let Some(value) = value.filter(|value| !(0.0..=1.0).contains(value)) {
                return Err(bad(field, format!("it is {value}; allowed are numbers from 0 to 1")));
            }
        }
        if let Some(ef) = query.ef.filter(|ef| !(1..=MAX_EF).contains(ef)) {
            return Err(bad("ef", format!("it is {ef}; allowed are 1 to {MAX_EF}")));
        }
        self.check_filter(&query.filter).await
    }

    pub(in crate::engine) async fn check_filter(&self, filter: &Filter) -> Result<(), EngineError> {
        for path in filter.meta_fields() {
            if !self.collection.catalog.has_meta_field(path).await? {
                let known = self.collection.catalog.meta_field_names(NAMED_FIELDS).await?;
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let reason = format!("no item has meta.{}; fields of meta are: {known}", path.join("."));
                return Err(EngineError::BadFilter(reason));
            }
        }
        Ok(())
    }
}

fn bad(field: &str, reason: String) -> EngineError {
    EngineError::BadQuery { field: field.into(), reason }
}
