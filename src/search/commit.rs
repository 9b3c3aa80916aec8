//! Items that come at the same time are written together: in one transaction that reaches the disk once, and with one pass of their
//! features through the model. Whoever comes while others are being written waits for the next round and finds company there.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use super::{DataFolder, Engine, SearchError, blocking, ingest::unkept};
use crate::{
    catalog::{Kept, NewFeatures, NewItem, Put},
    compute,
};

/// Items of a transaction, at most: others wait for the catalog meanwhile.
const AT_ONCE: usize = 64;

/// An item that is encoded, and only has to be written.
pub(super) struct Encoded {
    pub(super) item: NewItem,
    pub(super) features: NewFeatures,
    /// The bytes of its picture's file, if it was given them.
    pub(super) image: Option<Vec<u8>>,
    /// What is to happen where its id is known already.
    pub(super) put: Put,
}

/// Whether an item's id was new; or why it was not kept.
type Written = Result<bool, SearchError>;

/// Items that wait for the next round.
#[derive(Default)]
pub(super) struct Commits(Mutex<Vec<(Encoded, oneshot::Sender<Written>)>>);

impl Commits {
    fn take(&self) -> Vec<(Encoded, oneshot::Sender<Written>)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Commits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commits").finish_non_exhaustive()
    }
}

impl Engine {
    /// Writes items, in their order. They are on disk and searchable when this returns, and that also if whoever asked goes away.
    pub(super) async fn commit(self: &Arc<Self>, items: Vec<Encoded>) -> Vec<Written> {
        let mut told = Vec::with_capacity(items.len());
        {
            let mut waiting = self.commits.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend(items.into_iter().map(|item| {
                let (tell, hear) = oneshot::channel();
                told.push(hear);
                (item, tell)
            }));
        }
        // Somebody else's round may write them; then this one finds nothing, or what came later, and nobody waits for it.
        let engine = Arc::clone(self);
        compute::spawn(async move {
            let _changing = engine.changing.lock().await;
            let mut waiting = engine.commits.take().into_iter().peekable();
            while waiting.peek().is_some() {
                engine.write(waiting.by_ref().take(AT_ONCE).collect()).await;
            }
        });
        let mut written = Vec::with_capacity(told.len());
        for told in told {
            written.push(told.await.unwrap_or_else(|_| Err(SearchError::Background("a write was lost".into()))));
        }
        written
    }

    /// Writes some, and tells each what became of it.
    async fn write(self: &Arc<Self>, mut waiting: Vec<(Encoded, oneshot::Sender<Written>)>) {
        while !waiting.is_empty() {
            let puts: Vec<_> = waiting.iter().map(|(one, _)| (&one.item, &one.features, &one.put)).collect();
            let kept = match self.library.catalog.put_items(&puts).await {
                Ok(kept) => kept,
                Err(error) => return fail(waiting, &error.to_string()),
            };
            let mut again = Vec::new();
            let mut done = Vec::new();
            for ((one, tell), kept) in waiting.into_iter().zip(kept) {
                match kept {
                    Kept::Created => done.push((tell, true)),
                    Kept::Replaced => done.push((tell, false)),
                    Kept::Exists => tell_one(tell, Err(SearchError::ItemExists(one.item.id))),
                    Kept::Changed => tell_one(tell, Err(SearchError::ItemChanged(one.item.id))),
                    // A compaction took it for nobody's, which it was until now.
                    Kept::PictureGone => match keep_again(&one).await {
                        Ok(()) => again.push((one, tell)),
                        Err(error) => tell_one(tell, Err(error)),
                    },
                }
            }
            let taken_over = if done.is_empty() { Ok(()) } else { self.take_over().await };
            let failure = taken_over.err().map(|error| error.to_string());
            for (tell, created) in done {
                let answer = failure.clone().map_or(Ok(created), |message| Err(SearchError::Background(message)));
                tell_one(tell, answer);
            }
            waiting = again;
        }
    }
}

/// Whoever has gone in the meantime is told in vain.
fn tell_one(tell: oneshot::Sender<Written>, answer: Written) {
    let _ = tell.send(answer);
}

fn fail(waiting: Vec<(Encoded, oneshot::Sender<Written>)>, message: &str) {
    waiting.into_iter().for_each(|(_, tell)| tell_one(tell, Err(SearchError::Background(message.to_owned()))));
}

/// Writes a posted picture once more to where its item says that it lies.
async fn keep_again(one: &Encoded) -> Result<(), SearchError> {
    let Some(path) = one.item.picture.as_ref().map(|picture| PathBuf::from(&picture.path)) else { return Ok(()) };
    let bytes = one.image.clone().unwrap_or_default();
    blocking(move || DataFolder::write_synced(&path, &bytes).map_err(unkept(&path))).await?
}
