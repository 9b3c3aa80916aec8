//! Answers queries from the live generation, and swaps in the next one without a query noticing.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwapOption;

use super::{
    Answer, Encoders, Generation, IndexKind, Kind, Library, PredictedLabel, Progress, Query, SearchError, Silent,
    blocking, encode_one,
    generation::index_parameters,
    one,
    pages::{Pages, cursor},
    probe::{Encoded, Probe, classes, one_row},
    query::rank,
    tasks::Tasks,
};
use crate::{
    catalog::{Filter, Item, LabelCount},
    compute::{self, Worker},
    dataset,
    vector::UnitVector,
};

/// The largest weight of a term, and its negative the smallest.
const MAX_WEIGHT: f32 = 10.0;

/// Candidates that a query may ask a walk to keep, at most.
const MAX_EF: usize = 1000;

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

/// How much a query may ask for.
#[derive(Debug, Clone, Copy)]
pub struct EngineLimits {
    /// Characters of a query's text.
    pub text_chars: usize,
    /// Results of a page, and inputs of a batch.
    pub results: usize,
    /// Terms of a query.
    pub terms: usize,
    /// Queries that wait for an encoder.
    pub queue: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self { text_chars: 10_000, results: 100, terms: 16, queue: 64 }
    }
}

/// The engine of one collection.
#[derive(Debug)]
pub struct Engine {
    pub(super) library: Library,
    pub(super) encoders: Encoders,
    limits: EngineLimits,
    live: ArcSwapOption<Generation>,
    pub(super) worker: Worker,
    /// Held by whoever changes the catalog or puts in a generation, so that what is live has come as far as what was
    /// acknowledged.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// When the last fold began by itself.
    pub(super) last_fold: Mutex<Option<Instant>>,
    /// Long work.
    pub(super) tasks: Tasks,
    /// Held while a generation is built: one after the other, so that the last one is of the model that answers.
    pub(super) building: tokio::sync::Mutex<()>,
    /// Rankings that cursors point into.
    pages: Pages,
    /// Set once, when the service ends.
    pub(super) closing: Arc<AtomicBool>,
}

impl Engine {
    /// An engine without a generation; [`Self::start`] gives it one.
    ///
    /// # Errors
    /// If the system refuses threads.
    pub fn new(library: Library, encoders: Encoders, limits: EngineLimits) -> Result<Self, SearchError> {
        let worker = Worker::start("encode", compute::cores(), limits.queue)
            .map_err(|source| SearchError::Io { what: "encoder threads could not be started".into(), source })?;
        Ok(Self {
            library,
            encoders,
            limits,
            live: ArcSwapOption::empty(),
            worker,
            changing: tokio::sync::Mutex::new(()),
            last_fold: Mutex::new(None),
            tasks: Tasks::default(),
            building: tokio::sync::Mutex::new(()),
            pages: Pages::default(),
            closing: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Takes up the generation that is on disk. Where there is none, or one that cannot be used, scans answer from memory.
    /// Says whether a reindex is due.
    ///
    /// # Errors
    /// [`SearchError::NoModel`], [`SearchError::OtherEncoder`]; or if the catalog or the model's files fail.
    pub async fn open(&self) -> Result<(Arc<Generation>, bool), SearchError> {
        let reason = match Generation::open(&self.library, &self.encoders).await {
            Ok(Some(generation)) => {
                let generation = self.put_in(generation).await?;
                let due = generation.needs_fold();
                return Ok((generation, due));
            }
            Ok(None) => None,
            Err(SearchError::IndexOnDisk(reason)) => {
                tracing::warn!(reason, "the index on disk cannot be used; scans answer until it is built anew");
                Some(reason)
            }
            Err(error) => return Err(error),
        };
        let stop = Arc::clone(&self.closing);
        let mut scanned =
            Generation::build(&self.library, &self.encoders, IndexKind::Scanned, Arc::new(Silent), stop).await?;
        scanned.degraded = reason;
        Ok((self.put_in(scanned).await?, true))
    }

    /// As [`Self::open`], and starts the reindex that is due.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn start(self: &Arc<Self>) -> Result<Arc<Generation>, SearchError> {
        let (generation, due) = self.open().await?;
        if due {
            self.reindex().await?;
        }
        Ok(generation)
    }

    /// Builds a generation beside the live one, writes it to disk and swaps it in. Queries that run keep the one they began
    /// with.
    ///
    /// # Errors
    /// As [`Generation::build`]; then the live generation stays.
    pub async fn rebuild(
        &self,
        progress: Arc<dyn Progress>,
        stop: Arc<AtomicBool>,
    ) -> Result<Arc<Generation>, SearchError> {
        let _building = self.building.lock().await;
        let kind = IndexKind::Kept(index_parameters(&self.library).await?);
        let built = Generation::build(&self.library, &self.encoders, kind, progress, stop).await?;
        let before = self.live().map_or(built.built_at(), |live| live.built_at());
        let remembered = before.min(built.built_at());
        let built = self.put_in(built).await?;
        // The generation before can be gone back to, so what came after it is remembered.
        self.library.catalog.forget_changes(remembered).await?;
        Ok(built)
    }

    /// Makes a generation the live one, once it has come as far as the catalog.
    async fn put_in(&self, generation: Generation) -> Result<Arc<Generation>, SearchError> {
        let _changing = self.changing.lock().await;
        if !generation.catch_up(&self.library, &self.encoders).await? {
            let reason = "the catalog no longer remembers what changed while the index was built; reindex again";
            return Err(SearchError::IndexOnDisk(reason.into()));
        }
        let generation = Arc::new(generation);
        self.live.store(Some(Arc::clone(&generation)));
        Ok(generation)
    }

    /// The generation that answers.
    pub fn live(&self) -> Option<Arc<Generation>> {
        self.live.load_full()
    }

    /// The collection.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// How much a query may ask for.
    pub fn limits(&self) -> EngineLimits {
        self.limits
    }

    /// Asks all long work to stop; the service is about to end.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.tasks.stop_all();
    }

    /// Answers words.
    ///
    /// # Errors
    /// [`SearchError::BadQuery`] for a text without words or beyond the limits; [`SearchError::Starting`],
    /// [`SearchError::NoModel`], [`SearchError::Overloaded`]; or if a part fails.
    pub async fn search_text(&self, text: &str, query: Query) -> Result<Answer, SearchError> {
        self.search(vec![(Term::Text(text.to_owned()), 1.0)], query).await
    }

    /// Answers a picture, given as the bytes of a file.
    ///
    /// # Errors
    /// [`SearchError::Picture`] for bytes that are no picture or one beyond the limits; else as [`Self::search_text`].
    pub async fn search_image(&self, bytes: Vec<u8>, query: Query) -> Result<Answer, SearchError> {
        self.search(vec![(Term::Picture(bytes), 1.0)], query).await
    }

    /// Answers several terms at once, each as much as it weighs; a negative weight leads away from what it says.
    ///
    /// # Errors
    /// [`SearchError::NoSuchItem`]; else as [`Self::search_text`] and [`Self::search_image`].
    pub async fn search(&self, terms: Vec<(Term, f32)>, query: Query) -> Result<Answer, SearchError> {
        self.check_query(&query).await?;
        if terms.is_empty() || terms.len() > self.limits.terms {
            let reason = format!("there are {}; allowed are 1 to {}", terms.len(), self.limits.terms);
            return Err(bad("terms", reason));
        }
        if let Some((_, weight)) = terms.iter().find(|(_, weight)| !(-MAX_WEIGHT..=MAX_WEIGHT).contains(weight)) {
            return Err(bad("terms", format!("a weight is {weight}; allowed are -{MAX_WEIGHT} to {MAX_WEIGHT}")));
        }
        let generation = self.ready().await?;
        let began = Instant::now();
        let mut text = Vec::new();
        let mut probes = Vec::new();
        for (term, weight) in terms {
            if let (Term::Text(words), true) = (&term, weight > 0.0) {
                text.push(words.clone());
            }
            probes.push((self.probe(&generation, term).await?, weight));
        }
        let probe = match probes.len() {
            1 if probes[0].1 > 0.0 => probes.remove(0).0,
            _ => Probe::composed(probes)?,
        };
        let encode_ms = began.elapsed().as_secs_f64() * 1000.0;
        let text = (!text.is_empty()).then(|| text.join(" "));
        let catalog = &self.library.catalog;
        let ranking = rank(&generation, catalog, probe, text.as_deref(), &query, encode_ms).await?;
        let (mut answer, next) = ranking.page(catalog, 0, query.limit).await?;
        if next < ranking.len() {
            answer.next_cursor = Some(cursor(self.pages.keep(Arc::new(ranking)), next));
        }
        Ok(answer)
    }

    /// The page that a cursor stands for.
    ///
    /// # Errors
    /// [`SearchError::BadQuery`] for what is no cursor, [`SearchError::CursorExpired`] for one that is too old; or if the catalog
    /// fails.
    pub async fn next_page(&self, at: &str, limit: usize) -> Result<Answer, SearchError> {
        self.check_limit(limit)?;
        let (ranking, name, begin) = self.pages.find(at)?;
        let (mut answer, next) = ranking.page(&self.library.catalog, begin, limit).await?;
        answer.next_cursor = (next < ranking.len()).then(|| cursor(name, next));
        Ok(answer)
    }

    /// How probable each class is for words or a picture, most probable first; and the model that says so.
    ///
    /// # Errors
    /// As [`Self::search`]; [`SearchError::BadQuery`] for an item.
    pub async fn classify(&self, term: Term) -> Result<(String, Vec<PredictedLabel>), SearchError> {
        let generation = self.ready().await?;
        let encoded = self.encode(term).await?;
        let labels = classes(&generation, encoded.source, &one_row(encoded.features)?)?;
        Ok((generation.record.version.clone(), labels))
    }

    /// The points of words, pictures or items; and the model whose space they are of.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn embed(&self, terms: Vec<Term>) -> Result<(String, Vec<UnitVector>), SearchError> {
        if terms.len() > self.limits.results {
            let reason = format!("there are {}; at most {} are taken at once", terms.len(), self.limits.results);
            return Err(bad("inputs", reason));
        }
        let generation = self.ready().await?;
        let mut points = Vec::new();
        for term in terms {
            points.push(self.probe(&generation, term).await?.point);
        }
        Ok((generation.record.version.clone(), points))
    }

    /// Classes of the items that a filter lets through, by how many bear them, most first.
    ///
    /// # Errors
    /// [`SearchError::BadQuery`] for a field that no item has; or if the catalog fails.
    pub async fn facets(&self, filter: &Filter) -> Result<Vec<LabelCount>, SearchError> {
        self.check_filter(filter).await?;
        Ok(self.library.catalog.label_counts(filter).await?)
    }

    /// From a term to the point that asks for it.
    async fn probe(&self, generation: &Generation, term: Term) -> Result<Probe, SearchError> {
        match term {
            Term::Item(id) => {
                let item = self.library.catalog.item(&id).await?.ok_or(SearchError::NoSuchItem(id))?;
                Probe::of_item(generation, &item)
            }
            term => Probe::of(generation, self.encode(term).await?),
        }
    }

    /// Through the encoder, on a thread of its own.
    async fn encode(&self, term: Term) -> Result<Encoded, SearchError> {
        let encoders = self.encoders.clone();
        let limits = self.library.limits;
        let encoded = match term {
            Term::Text(text) => {
                let text = self.check_text(&text)?.to_owned();
                self.worker
                    .run(move || {
                        let features = one(encoders.text.encode(&[text.as_str()])?)?;
                        let unknown_token_ratio = encoders.text.unknown_token_ratio(&text);
                        Ok(Encoded { source: Kind::Text, features, unknown_token_ratio })
                    })
                    .await
            }
            Term::Picture(bytes) => {
                // The header alone decides most refusals; it costs no place in the encoder's queue.
                dataset::inspect(&bytes, &limits)?;
                self.worker
                    .run(move || {
                        let picture = dataset::decode(&bytes, &limits)?.picture;
                        let features = encode_one(encoders.image.as_ref(), picture)?;
                        Ok(Encoded { source: Kind::Image, features, unknown_token_ratio: 0.0 })
                    })
                    .await
            }
            Term::Item(_) => return Err(bad("item", "only words and pictures are encoded".into())),
        };
        encoded.map_err(|_| SearchError::Overloaded)?
    }

    /// The generation that answers, or why none does.
    ///
    /// # Errors
    /// [`SearchError::NoModel`], [`SearchError::Starting`].
    pub async fn ready(&self) -> Result<Arc<Generation>, SearchError> {
        match self.live() {
            Some(generation) => Ok(generation),
            None if self.library.catalog.active_model().await?.is_none() => Err(SearchError::NoModel),
            None => Err(SearchError::Starting),
        }
    }

    fn check_text<'t>(&self, text: &'t str) -> Result<&'t str, SearchError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(bad("query", "it is empty; at least one word is needed".into()));
        }
        let chars = text.chars().take(self.limits.text_chars + 1).count();
        if chars > self.limits.text_chars {
            let reason = format!("it is longer than {} characters, the most that is read", self.limits.text_chars);
            return Err(bad("query", reason));
        }
        Ok(text)
    }

    fn check_limit(&self, limit: usize) -> Result<(), SearchError> {
        if limit == 0 || limit > self.limits.results {
            return Err(bad("limit", format!("it is {limit}; allowed are 1 to {}", self.limits.results)));
        }
        Ok(())
    }

    async fn check_query(&self, query: &Query) -> Result<(), SearchError> {
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

    pub(super) async fn check_filter(&self, filter: &Filter) -> Result<(), SearchError> {
        for path in filter.meta_fields() {
            if !self.library.catalog.has_meta(path).await? {
                let known = self.library.catalog.meta_names(NAMED_FIELDS).await?;
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let reason = format!("no item has meta.{}; fields of meta are: {known}", path.join("."));
                return Err(bad("filter", reason));
            }
        }
        Ok(())
    }

    /// The thumbnail of an item's picture as JPEG bytes, made now if it is not there.
    ///
    /// # Errors
    /// If the picture can no longer be read.
    pub async fn thumbnail(&self, item: &Item) -> Result<Option<Vec<u8>>, SearchError> {
        let (library, item) = (self.library.clone(), item.clone());
        blocking(move || library.thumbnail(&item)).await?
    }

    /// The bytes of an item's picture, as its owner has them.
    ///
    /// # Errors
    /// If the picture can no longer be read.
    pub async fn picture(&self, item: &Item) -> Result<Option<Vec<u8>>, SearchError> {
        let Some(path) = item.image_path.clone() else { return Ok(None) };
        let limits = self.library.limits;
        blocking(move || Ok(Some(dataset::read_file(Path::new(&path), &limits)?))).await?
    }
}

fn bad(field: &str, reason: String) -> SearchError {
    SearchError::BadQuery { field: field.into(), reason }
}
