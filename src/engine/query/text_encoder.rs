//! From words to their point: through the encoder and the text subnetwork, together with whatever else was asked at that moment, or
//! out of what is kept of words asked before. Where an index is scanned, the scan is made together as well: its points are read
//! from memory once for all who ask.
//!
//! What a text is cut into decides all that follows, so it is the key of what is kept; neither the networks' answer for it nor what
//! a scan finds depends, in any bit, on what else was computed beside it. So whether a query was alone, in a crowd, or answered from what is kept
//! shows in nothing but its time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    collection::blocking,
    compute::{self, BatchLimits, Batcher, Done},
    core::UnitVector,
    encoders::TextEncoder,
    engine::{
        engine::EngineLimits,
        error::EngineError,
        query::{
            query_cache::QueryCache,
            rank::{CANDIDATES, index_of},
            request::Kind,
        },
        serving::snapshot::Generation,
    },
    index::{Neighbours, SearchParams, Strategy, VectorIndex},
    model::{Asked, FeatureMatrix},
};

/// Texts of a batch, at most.
const BATCH_TEXTS: usize = 32;

/// Tokens of a batch, at most. The network is as fast a token with these as with more, and whoever comes next waits less.
const BATCH_TOKENS: usize = 256;

/// How long a thread that comes back from work lets a queue grow. Of 0, 1 and 2 ms this costs eight clients the least CPU an answer
/// (3.1, 2.9 and 2.9 ms); a thread for each core, or one whose batches both cores share, makes no difference to that, but one
/// thread lets the second of two clients wait beside an idle core.
const WINDOW: Duration = Duration::from_millis(1);

/// Bytes of a text that are cut on the async thread: some tens of microseconds.
const SHORT: usize = 1000;

/// A text in the queue.
struct QueueEntry {
    ids: Box<[u32]>,
    generation: Arc<Generation>,
    near: &'static [Kind],
}

/// What came of a text in a batch.
struct BatchOutput {
    asked: Asked,
    near: Vec<(Kind, Neighbours)>,
    searched: Duration,
}

/// What was made of a text.
pub(in crate::engine) struct TextEmbedding {
    pub(in crate::engine) asked: Arc<Asked>,
    /// The part of its tokens that nobody knows.
    pub(in crate::engine) unknown: f32,
    /// What is near it, of those kinds that were scanned on the way.
    pub(in crate::engine) near: Vec<(Kind, Neighbours)>,
    /// How long it waited for the encoder.
    pub(in crate::engine) waited: Duration,
    /// How long the scans took.
    pub(in crate::engine) searched: Duration,
}

/// The encoder of texts with its queue and what is kept of its answers.
pub(in crate::engine) struct BatchedTextEncoder {
    encoder: Arc<dyn TextEncoder>,
    queue: Batcher<QueueEntry, Result<BatchOutput, EngineError>>,
    kept: QueryCache,
}

impl BatchedTextEncoder {
    pub(in crate::engine) fn start(encoder: Arc<dyn TextEncoder>, limits: &EngineLimits) -> std::io::Result<Self> {
        let batches = BatchLimits {
            waiting: limits.queue,
            jobs: BATCH_TEXTS,
            weight: BATCH_TOKENS,
            window: WINDOW,
            own_pools: true,
        };
        let network = Arc::clone(&encoder);
        let work = move |jobs: Vec<QueueEntry>| run_batch(network.as_ref(), &jobs);
        let queue = Batcher::start("texts", compute::cores(), batches, work)?;
        Ok(Self { encoder, queue, kept: QueryCache::new(limits.kept_texts, limits.kept_bytes) })
    }

    /// What a generation's model makes of a text; and what is near it of some kinds, if others ask at the same moment and these
    /// are scanned.
    pub(in crate::engine) async fn read(
        &self,
        text: &str,
        generation: &Arc<Generation>,
        near: &'static [Kind],
        deadline: Option<Instant>,
    ) -> Result<TextEmbedding, EngineError> {
        let model = &generation.record.version;
        let tokenized = if text.len() <= SHORT {
            self.encoder.tokenize(text)?
        } else {
            let (encoder, text) = (Arc::clone(&self.encoder), text.to_owned());
            blocking(move || encoder.tokenize(&text)).await??
        };
        let unknown = |asked: &Asked| asked.unknown.unwrap_or(tokenized.unknown_ratio);
        if let Some(asked) = self.kept.find(model, &tokenized.ids) {
            let (waited, searched) = (Duration::ZERO, Duration::ZERO);
            return Ok(TextEmbedding { unknown: unknown(&asked), asked, near: Vec::new(), waited, searched });
        }
        let job = QueueEntry { ids: tokenized.ids.clone(), generation: Arc::clone(generation), near };
        let Done { answer, waited, .. } = self.queue.run(job, tokenized.ids.len().max(1), deadline).await?;
        let BatchOutput { asked, near, searched } = answer?;
        let asked = Arc::new(asked);
        self.kept.keep(model, tokenized.ids, &asked);
        Ok(TextEmbedding { unknown: unknown(&asked), asked, near, waited, searched })
    }

    /// From now on answers of this model alone are kept.
    pub(in crate::engine) fn keep_those_of(&self, model: &str) {
        self.kept.begin(model);
    }

    /// BatchedTextEncoder that wait for the encoder.
    pub(in crate::engine) fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// BatchedTextEncoder whose answers are kept, and the bytes that takes.
    pub(in crate::engine) fn kept(&self) -> (usize, usize) {
        self.kept.size()
    }
}

impl std::fmt::Debug for BatchedTextEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchedTextEncoder")
            .field("encoder", &self.encoder.id())
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// Some texts through the encoder together, and through their model's text side and index; which are of one generation, unless
/// another was put in a moment ago.
fn run_batch(encoder: &dyn TextEncoder, jobs: &[QueueEntry]) -> Vec<Result<BatchOutput, EngineError>> {
    metrics::histogram!("diptych_query_batch_texts").record(jobs.len() as f64);
    let features = encoder.encode_tokens(&jobs.iter().map(|job| &*job.ids).collect::<Vec<_>>());
    let mut answers = Vec::with_capacity(jobs.len());
    while let Some(first) = jobs.get(answers.len()) {
        let begin = answers.len();
        let alike = jobs[begin..].iter().take_while(|job| Arc::ptr_eq(&job.generation, &first.generation)).count();
        match run_group(&jobs[begin..begin + alike], features[begin..begin + alike].concat(), encoder.dims()) {
            Ok(made) => answers.extend(made),
            Err(error) => {
                let message = error.to_string();
                answers.extend((0..alike).map(|_| Err(EngineError::internal(message.clone()))));
            }
        }
    }
    answers
}

fn run_group(
    jobs: &[QueueEntry],
    features: Vec<f32>,
    dims: usize,
) -> Result<Vec<Result<BatchOutput, EngineError>>, EngineError> {
    let rows = FeatureMatrix::new(dims, features);
    let rows = rows.ok_or_else(|| EngineError::internal("an encoder gave features of length 0"))?;
    let generation = &jobs[0].generation;
    let made = |asked| BatchOutput { asked, near: Vec::new(), searched: Duration::ZERO };
    let asked = generation.network.ask(&rows)?.into_iter();
    let mut all: Vec<Result<BatchOutput, EngineError>> = asked.map(|asked| Ok(made(asked?))).collect();
    for kind in [Kind::Image, Kind::Text] {
        let index = index_of(generation, kind);
        let mut wanting: Vec<&mut BatchOutput> = all
            .iter_mut()
            .zip(jobs)
            .filter(|(_, job)| job.near.contains(&kind))
            .filter_map(|(made, _)| made.as_mut().ok())
            .collect();
        // MaintenanceLock, or through a graph, it is for whoever asked.
        if wanting.len() < 2 || index.strategy() != Strategy::Exact {
            continue;
        }
        let began = Instant::now();
        let points: Vec<UnitVector> = wanting.iter().map(|made| made.asked.point.clone()).collect();
        let near = index.search_batch(&points, &SearchParams::top(CANDIDATES))?;
        let took = began.elapsed();
        for (made, near) in wanting.iter_mut().zip(near) {
            made.near.push((kind, near));
            made.searched += took;
        }
    }
    Ok(all)
}
