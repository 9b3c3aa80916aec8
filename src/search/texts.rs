//! From words to their point: through the encoder and the text subnetwork, together with whatever else was asked at that moment, or
//! out of what is kept of words asked before.
//!
//! What a text is cut into decides all that follows, so it is the key of what is kept; the network's answer for it does not
//! depend, in any bit, on what it was computed with. So whether a query was alone, in a crowd, or answered from what is kept
//! shows in nothing but its time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{EngineLimits, SearchError, blocking, kept::Kept};
use crate::{
    compute::{self, BatchLimits, Batcher, Done},
    dscmr::{Asked, FeatureMatrix, TextNetwork},
    encoders::TextEncoder,
};

/// Texts of a batch, at most.
const BATCH_TEXTS: usize = 32;

/// Tokens of a batch, at most. The network is as fast a token with these as with more, and whoever comes next waits less.
const BATCH_TOKENS: usize = 256;

/// How long a thread that comes back from work lets a queue grow.
const WINDOW: Duration = Duration::from_millis(1);

/// Bytes of a text that are cut on the async thread: some tens of microseconds.
const SHORT: usize = 1000;

/// A text in the queue.
struct Job {
    ids: Box<[u32]>,
    network: Arc<TextNetwork>,
}

/// What was made of a text.
pub(super) struct Read {
    pub(super) asked: Arc<Asked>,
    /// The part of its tokens that nobody knows.
    pub(super) unknown: f32,
    /// How long it waited for the encoder.
    pub(super) waited: Duration,
}

/// The encoder of texts with its queue and what is kept of its answers.
pub(super) struct Texts {
    encoder: Arc<dyn TextEncoder>,
    queue: Batcher<Job, Result<Asked, SearchError>>,
    kept: Kept,
}

impl Texts {
    pub(super) fn start(encoder: Arc<dyn TextEncoder>, limits: &EngineLimits) -> std::io::Result<Self> {
        let batches = BatchLimits {
            waiting: limits.queue,
            jobs: BATCH_TEXTS,
            weight: BATCH_TOKENS,
            window: WINDOW,
            own_pools: true,
        };
        let network = Arc::clone(&encoder);
        let work = move |jobs: Vec<Job>| batch(network.as_ref(), &jobs);
        let queue = Batcher::start("texts", compute::cores(), batches, work)?;
        Ok(Self { encoder, queue, kept: Kept::new(limits.kept_texts, limits.kept_bytes) })
    }

    /// What a model makes of a text. `model` names it, `network` is its text side.
    pub(super) async fn read(
        &self,
        text: &str,
        model: &str,
        network: &Arc<TextNetwork>,
        deadline: Option<Instant>,
    ) -> Result<Read, SearchError> {
        let cut = if text.len() <= SHORT {
            self.encoder.cut(text)?
        } else {
            let (encoder, text) = (Arc::clone(&self.encoder), text.to_owned());
            blocking(move || encoder.cut(&text)).await??
        };
        let (asked, waited) = match self.kept.find(model, &cut.ids) {
            Some(asked) => (asked, Duration::ZERO),
            None => {
                let job = Job { ids: cut.ids.clone(), network: Arc::clone(network) };
                let Done { answer, waited, .. } = self.queue.run(job, cut.ids.len().max(1), deadline).await?;
                let asked = Arc::new(answer?);
                self.kept.keep(model, cut.ids, &asked);
                (asked, waited)
            }
        };
        Ok(Read { unknown: asked.unknown.unwrap_or(cut.unknown), asked, waited })
    }

    /// From now on answers of this model alone are kept.
    pub(super) fn keep_those_of(&self, model: &str) {
        self.kept.begin(model);
    }

    /// Texts that wait for the encoder.
    pub(super) fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Texts whose answers are kept, and the bytes that takes.
    pub(super) fn kept(&self) -> (usize, usize) {
        self.kept.size()
    }
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts").field("encoder", &self.encoder.id()).field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// Some texts through the encoder together, and through their model's text side; which is one side, unless another model was
/// put in a moment ago.
fn batch(encoder: &dyn TextEncoder, jobs: &[Job]) -> Vec<Result<Asked, SearchError>> {
    metrics::histogram!("diptych_query_batch_texts").record(jobs.len() as f64);
    let features = encoder.encode_cut(&jobs.iter().map(|job| &*job.ids).collect::<Vec<_>>());
    let mut answers = Vec::with_capacity(jobs.len());
    while let Some(first) = jobs.get(answers.len()) {
        let begin = answers.len();
        let alike = jobs[begin..].iter().take_while(|job| Arc::ptr_eq(&job.network, &first.network)).count();
        let rows = FeatureMatrix::new(encoder.dims(), features[begin..begin + alike].concat());
        let asked = rows.ok_or_else(no_features).and_then(|rows| Ok(first.network.ask(&rows)?));
        match asked {
            Ok(asked) => answers.extend(asked.into_iter().map(|asked| asked.map_err(SearchError::from))),
            Err(error) => {
                let message = error.to_string();
                answers.extend((0..alike).map(|_| Err(SearchError::Background(message.clone()))));
            }
        }
    }
    answers
}

fn no_features() -> SearchError {
    SearchError::Background("an encoder gave features of length 0".into())
}
