//! Embeds query texts with the text encoder and the text network of the model, in batches of texts that wait at the
//! same time, or from the query cache.
//!
//! The token ids are the cache key. Results are bit-identical whether a text is encoded alone, in a batch, or read from
//! the cache.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    collection::blocking,
    compute::{self, BatchLimits, Batcher, Completed},
    encoders::TextEncoder,
    engine::{EngineError, QueryCache, ServingSnapshot},
    model::{FeatureMatrix, QueryEmbedding},
};

/// The maximum number of texts of a batch.
const BATCH_TEXTS: usize = 32;

/// The maximum number of tokens in a batch. Larger batches do not reduce the time per token, but make the next text
/// wait longer.
const BATCH_TOKENS: usize = 256;

/// Time for which a worker lets the queue grow after a batch. 1 ms minimised CPU per query with 8 clients (0/1/2 ms:
/// 3.1/2.9/2.9 ms). One worker per core: with a single one a second client waits while a core idles.
const WINDOW: Duration = Duration::from_millis(1);

/// Texts up to this many bytes are tokenized on the async thread, which takes tens of microseconds.
const SHORT: usize = 1000;

/// A tokenized text that waits for a batch.
struct QueueEntry {
    ids: Box<[u32]>,
    snapshot: Arc<ServingSnapshot>,
}

/// The text encoder of a collection with its queue, its workers and the query cache.
pub(super) struct BatchedTextEncoder {
    encoder: Arc<dyn TextEncoder>,
    queue: Batcher<QueueEntry, Result<QueryEmbedding, EngineError>>,
    cache: Arc<QueryCache>,
}

impl BatchedTextEncoder {
    /// Starts the workers. At most `waiting` texts are queued.
    pub(super) fn start(
        encoder: Arc<dyn TextEncoder>,
        waiting: usize,
        cache: Arc<QueryCache>,
    ) -> std::io::Result<Self> {
        let limits = BatchLimits {
            max_waiting: waiting,
            max_jobs: BATCH_TEXTS,
            max_weight: BATCH_TOKENS,
            window: WINDOW,
            dedicated_pool: true,
        };
        let worker_encoder = Arc::clone(&encoder);
        let work = move |entries: Vec<QueueEntry>| run_batch(worker_encoder.as_ref(), &entries);
        let queue = Batcher::start("texts", compute::cores(), limits, work)?;
        Ok(Self { encoder, queue, cache })
    }

    /// The embedding of a text by the model of a snapshot, and how long the text waited in the queue.
    pub(super) async fn embed(
        &self,
        text: &str,
        snapshot: &Arc<ServingSnapshot>,
        deadline: Option<Instant>,
    ) -> Result<(QueryEmbedding, Duration), EngineError> {
        let model = &snapshot.record.version;
        let tokens = if text.len() <= SHORT {
            self.encoder.tokenize(text)?
        } else {
            let (encoder, text) = (Arc::clone(&self.encoder), text.to_owned());
            blocking(move || encoder.tokenize(&text)).await??
        };
        let with_unknown = |embedding: &QueryEmbedding| {
            let unknown = Some(embedding.unknown_token_ratio.unwrap_or(tokens.unknown_ratio));
            QueryEmbedding { unknown_token_ratio: unknown, ..embedding.clone() }
        };
        if let Some(embedding) = self.cache.get(model, &tokens.ids) {
            return Ok((with_unknown(&embedding), Duration::ZERO));
        }
        let entry = QueueEntry { ids: tokens.ids.clone(), snapshot: Arc::clone(snapshot) };
        let Completed { output: answer, waited, .. } = self.queue.run(entry, tokens.ids.len().max(1), deadline).await?;
        let embedding = Arc::new(answer?);
        let answer = with_unknown(&embedding);
        self.cache.insert(model, tokens.ids, &embedding);
        Ok((answer, waited))
    }

    /// The number of texts in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.queue.waiting()
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

/// Encodes a batch of texts, then embeds them with the models of their snapshots, which differ only if a snapshot has
/// just been published.
fn run_batch(encoder: &dyn TextEncoder, entries: &[QueueEntry]) -> Vec<Result<QueryEmbedding, EngineError>> {
    ::metrics::histogram!("diptych_query_batch_texts").record(entries.len() as f64);
    let features = encoder.encode_tokens(&entries.iter().map(|entry| &*entry.ids).collect::<Vec<_>>());
    let mut embeddings = Vec::with_capacity(entries.len());
    while let Some(first) = entries.get(embeddings.len()) {
        let begin = embeddings.len();
        let of_one_snapshot = |entry: &&QueueEntry| Arc::ptr_eq(&entry.snapshot, &first.snapshot);
        let count = entries[begin..].iter().take_while(of_one_snapshot).count();
        match embed_group(&first.snapshot, features[begin..begin + count].concat(), encoder.dims()) {
            Ok(group) => embeddings.extend(group),
            Err(error) => {
                let message = error.to_string();
                embeddings.extend((0..count).map(|_| Err(EngineError::internal(message.clone()))));
            }
        }
    }
    embeddings
}

/// `features` holds rows of `dims` numbers.
fn embed_group(
    snapshot: &ServingSnapshot,
    features: Vec<f32>,
    dims: usize,
) -> Result<Vec<Result<QueryEmbedding, EngineError>>, EngineError> {
    let rows = FeatureMatrix::new(dims, features);
    let rows = rows.ok_or_else(|| EngineError::internal("an encoder returned features of length 0"))?;
    Ok(snapshot.text_network.encode(&rows)?.into_iter().map(|embedding| Ok(embedding?)).collect())
}
