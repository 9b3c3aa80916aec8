//! Items that come and go while the service answers.
//!
//! An item is encoded first, outside of everything, and its picture is written. Then, together with whatever else is as far: rows
//! are written, the catalog commits, and the live generation takes the changes over before anybody is told (see [`super::commit`]).
//! So what was acknowledged is on disk, and the next query finds it; whatever moment the process is killed at, the next start reads
//! from the catalog what the index missed.

use std::{
    path::Path,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use rand::RngExt;
use serde_json::{Map, Value};

use crate::{
    catalog::{DeleteOutcome, Filter, Item, NewFeatures, NewImage, NewItem, WriteCondition, etag, etag_matches},
    collection::{DataDir, encode_one},
    compute, dataset,
    encoders::{ImageEncoder, TextEncoder},
    engine::{engine::Engine, error::EngineError, ingest::group_commit::PendingItem},
    training::new_picture,
    util::fs::write_atomic,
};

/// A fold that failed is not tried again before this has passed.
const BETWEEN_FOLDS: Duration = Duration::from_secs(60);

/// How often a change is tried whose item changes in between.
const TRIES: usize = 10;

/// How much an item may have.
const MAX_CAPTIONS: usize = 100;
const MAX_LABELS: usize = 100;
const MAX_LABEL_CHARS: usize = 200;
const MAX_ID_CHARS: usize = 1024;

/// Ids that no address could name.
const RESERVED: [&str; 4] = ["batch", "delete", ".", ".."];

/// An item as somebody posts it. It has a picture, a caption, or both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemDraft {
    /// What its owner calls it; without one it gets one.
    pub id: Option<String>,
    /// The bytes of its picture's file.
    pub image: Option<Vec<u8>>,
    /// Sentences that describe it.
    pub captions: Vec<String>,
    /// Its classes.
    pub labels: Vec<String>,
    /// Whatever else its owner says of it.
    pub meta: Map<String, Value>,
}

/// What is to change of an item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemChange {
    /// The bytes of another picture's file.
    pub image: Option<Vec<u8>>,
    /// All its sentences from now on.
    pub captions: Option<Vec<String>>,
    /// All its classes from now on.
    pub labels: Option<Vec<String>>,
    /// Fields of its `meta`; null takes one away (RFC 7396), and those that are not named stay.
    pub meta: Map<String, Value>,
}

impl Engine {
    /// Takes an item: it is on disk and searchable when this returns. `put` says what is to happen where its id is known
    /// already. Gives the item, and whether its id was new.
    ///
    /// # Errors
    /// [`EngineError::BadItem`] for a draft beyond the limits, [`EngineError::ItemExists`], [`CollectionError::Picture`],
    /// [`EngineError::ItemChanged`], [`EngineError::Overloaded`]; or if a part fails. Then nothing was changed.
    pub async fn put_item(
        self: &Arc<Self>,
        draft: ItemDraft,
        put: WriteCondition,
    ) -> Result<(Item, bool), EngineError> {
        self.put(draft, None, put).await
    }

    async fn put(
        self: &Arc<Self>,
        draft: ItemDraft,
        before: Option<Item>,
        put: WriteCondition,
    ) -> Result<(Item, bool), EngineError> {
        let encoded = self.encoded(draft, before, put).await?;
        let written = self.commit(vec![encoded]).await.pop();
        written.unwrap_or_else(|| Err(EngineError::NotWritten("there was none".into())))
    }

    /// Checks, keeps the picture of, and encodes what was posted.
    pub(in crate::engine) async fn encoded(
        &self,
        draft: ItemDraft,
        before: Option<Item>,
        put: WriteCondition,
    ) -> Result<PendingItem, EngineError> {
        let draft = self.check(draft, before.as_ref())?;
        let (image_encoder, text_encoder) = (Arc::clone(&self.encoders.image), Arc::clone(&self.encoders.text));
        let (folder, limits) = (self.collection.data_dir.clone(), self.collection.limits);
        let encode = move || {
            let encoders = (image_encoder.as_ref(), text_encoder.as_ref());
            let (item, features) = take(&draft, before.as_ref(), encoders, &folder, &limits)?;
            Ok(PendingItem { item, features, image: draft.image, put })
        };
        self.worker.run(None, encode).await?.answer
    }

    /// Changes parts of an item; what `change` does not name stays. With tags, only if the item is as one of them says.
    ///
    /// # Errors
    /// [`EngineError::NoSuchItem`]; else as [`Self::put_item`].
    pub async fn patch_item(
        self: &Arc<Self>,
        id: &str,
        change: ItemChange,
        tags: Option<Vec<String>>,
    ) -> Result<Item, EngineError> {
        for _ in 0..TRIES {
            match self.patch_once(id, change.clone(), tags.as_deref()).await {
                // Somebody else changed it in between; whoever did not say how it should be changes it as it is now.
                Err(EngineError::ItemChanged(_)) if tags.is_none() => {}
                ended => return ended,
            }
        }
        Err(EngineError::Overloaded)
    }

    async fn patch_once(
        self: &Arc<Self>,
        id: &str,
        change: ItemChange,
        tags: Option<&[String]>,
    ) -> Result<Item, EngineError> {
        let item = self.collection.catalog.item(id).await?.ok_or_else(|| EngineError::NoSuchItem(id.to_owned()))?;
        if tags.is_some_and(|tags| !etag_matches(tags, Some(&item.record_hash))) {
            return Err(EngineError::ItemChanged(id.to_owned()));
        }
        // Between reading and writing it must stay what it was, whoever asks.
        let put = WriteCondition::IfMatch(vec![etag(&item.record_hash)]);
        let ItemChange { image, captions, labels, meta } = change;
        let mut whole = item.meta.clone();
        merge(&mut whole, meta);
        let draft = ItemDraft {
            id: Some(id.to_owned()),
            image,
            captions: captions.unwrap_or_else(|| item.captions.iter().map(|caption| caption.text.clone()).collect()),
            labels: labels.unwrap_or_else(|| item.labels.clone()),
            meta: whole,
        };
        Ok(self.put(draft, Some(item), put).await?.0)
    }

    /// Lets an item go: no later query finds it. `false` if there is none of this id. With tags, only if it is as one of them
    /// says.
    ///
    /// # Errors
    /// [`EngineError::ItemChanged`]; or if the catalog or the index fails.
    pub async fn delete_item(self: &Arc<Self>, id: &str, tags: Option<&[String]>) -> Result<bool, EngineError> {
        let (id, tags) = (id.to_owned(), tags.map(<[String]>::to_vec));
        self.whole(async move |engine: Arc<Self>| {
            let _changing = engine.changing.lock().await;
            match engine.collection.catalog.delete_item(&id, tags.as_deref()).await? {
                DeleteOutcome::Deleted => {
                    engine.take_over().await?;
                    Ok(true)
                }
                DeleteOutcome::NotFound => Ok(false),
                DeleteOutcome::PreconditionFailed => Err(EngineError::ItemChanged(id)),
            }
        })
        .await
    }

    /// Items that a filter lets through, in the order in which they came, behind the key `after`; and the key behind which it goes
    /// on.
    ///
    /// # Errors
    /// [`EngineError::BadQuery`] for a field that no item has; or if the catalog fails.
    pub async fn items(
        &self,
        filter: &Filter,
        after: i64,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<i64>), EngineError> {
        self.check_filter(filter).await?;
        let most = u32::try_from(limit).unwrap_or(u32::MAX);
        let keys = self.collection.catalog.item_keys_matching(filter, after, most).await?;
        let mut items = self.collection.catalog.items_by_key(&keys).await?;
        let next = keys.last().copied().filter(|_| keys.len() == limit);
        Ok((keys.iter().filter_map(|key| items.remove(key)).collect(), next))
    }

    /// Lets all items go that a filter lets through, or says how many these are if nothing is to go.
    ///
    /// # Errors
    /// [`EngineError::BadQuery`] for a field that no item has; or if the catalog or the index fails.
    pub async fn delete_items(self: &Arc<Self>, filter: &Filter, dry_run: bool) -> Result<u64, EngineError> {
        self.check_filter(filter).await?;
        let filter = filter.clone();
        self.whole(async move |engine: Arc<Self>| {
            let _changing = engine.changing.lock().await;
            let keys = engine.collection.catalog.item_keys_matching(&filter, 0, u32::MAX).await?;
            if dry_run || keys.is_empty() {
                return Ok(keys.len() as u64);
            }
            let gone = engine.collection.catalog.delete_items(&keys).await?;
            engine.take_over().await?;
            Ok(gone)
        })
        .await
    }

    /// Does something to its end, also when whoever asked for it goes away in the middle: what the catalog took, the index has to
    /// take as well.
    async fn whole<T, W>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> W + Send + 'static) -> Result<T, EngineError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        let done = compute::spawn(work(Arc::clone(self))).await;
        done.map_err(|e| EngineError::internal(e.to_string()))?
    }

    /// Brings the live generation up to the catalog, and starts a fold where that pays.
    pub(in crate::engine) async fn take_over(self: &Arc<Self>) -> Result<(), EngineError> {
        let Some(live) = self.live() else { return Ok(()) };
        let up_to_date = live.catch_up(&self.collection, &self.encoders).await?;
        if (live.needs_fold() || !up_to_date) && self.may_fold() {
            tracing::info!("enough has changed for a new index; it is built beside the live one");
            self.reindex().await?;
        }
        Ok(())
    }

    fn may_fold(&self) -> bool {
        let mut last = self.last_fold.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|at| at.elapsed() >= BETWEEN_FOLDS);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    /// Refuses what is beyond the limits, and trims the rest.
    fn check(&self, draft: ItemDraft, before: Option<&Item>) -> Result<ItemDraft, EngineError> {
        let refuse = |field: &str, reason: String| Err(EngineError::BadItem { field: field.to_owned(), reason });
        let trimmed = |texts: Vec<String>| -> Vec<String> {
            texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
        };
        let ItemDraft { id, image, captions, labels, meta } = draft;
        for (field, count, most) in [("captions", captions.len(), MAX_CAPTIONS), ("labels", labels.len(), MAX_LABELS)] {
            if count > most {
                return refuse(field, format!("there are {count}; at most {most} are taken"));
            }
        }
        let (captions, labels) = (trimmed(captions), trimmed(labels));
        let keeps_picture = before.is_some_and(|item| item.content_hash.is_some());
        if image.is_none() && !keeps_picture && captions.is_empty() {
            return refuse("captions", "an item has a picture, a caption or both; this one has neither".into());
        }
        if let Some(id) = &id
            && (id.is_empty() || id.chars().count() > MAX_ID_CHARS || id.chars().any(char::is_control))
        {
            return refuse("id", format!("it has 1 to {MAX_ID_CHARS} characters, none of them a control character"));
        }
        if let Some(id) = id.as_deref().filter(|id| before.is_none() && RESERVED.contains(id)) {
            return refuse("id", format!("{id:?} is part of an address of the service; take another"));
        }
        let most = self.limits().text_chars;
        if let Some(at) = captions.iter().position(|caption| caption.chars().count() > most) {
            return refuse(
                &format!("captions/{at}"),
                format!("it is longer than {most} characters, the most that is read"),
            );
        }
        if let Some(at) = labels.iter().position(|label| label.chars().count() > MAX_LABEL_CHARS) {
            return refuse(&format!("labels/{at}"), format!("it is longer than {MAX_LABEL_CHARS} characters"));
        }
        if let Some(image) = &image {
            // The header alone decides most refusals; it costs no place in the encoder's queue.
            dataset::inspect(image, &self.collection.limits)?;
        }
        Ok(ItemDraft { id, image, captions, labels, meta })
    }
}

pub(in crate::engine) fn unkept(picture: &Path) -> impl FnOnce(std::io::Error) -> EngineError + use<> {
    EngineError::io("a picture could not be kept:", picture)
}

/// Merges a patch into an object (RFC 7396): null takes a field away, objects are merged, all else takes the place of what was.
fn merge(whole: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                whole.remove(&name);
            }
            Value::Object(patch) => {
                let field = whole.entry(name).or_insert_with(|| Value::Object(Map::new()));
                if !field.is_object() {
                    *field = Value::Object(Map::new());
                }
                if let Value::Object(field) = field {
                    merge(field, patch);
                }
            }
            value => {
                whole.insert(name, value);
            }
        }
    }
}

/// The picture that an item has, as one that it is given again.
fn kept_picture(item: &Item) -> Option<NewImage> {
    let side = |length: Option<i64>| length.and_then(|length| u32::try_from(length).ok());
    Some(NewImage {
        content_hash: item.content_hash.as_deref()?.try_into().ok()?,
        path: item.image_path.clone()?,
        mime: item.image_mime.clone()?.into(),
        width: side(item.width)?,
        height: side(item.height)?,
    })
}

/// Reads, keeps and encodes what was posted.
fn take(
    draft: &ItemDraft,
    before: Option<&Item>,
    (image_encoder, text_encoder): (&dyn ImageEncoder, &dyn TextEncoder),
    folder: &DataDir,
    limits: &dataset::PictureLimits,
) -> Result<(NewItem, NewFeatures), EngineError> {
    let mut features = NewFeatures {
        image_encoder: image_encoder.id().to_owned(),
        text_encoder: text_encoder.id().to_owned(),
        ..NewFeatures::default()
    };
    let mut picture = before.and_then(kept_picture);
    if let Some(bytes) = &draft.image {
        let hash = blake3::hash(bytes);
        let decoded = dataset::decode(bytes, limits)?;
        let path = folder.upload(hash.as_bytes(), decoded.format.ending());
        if !path.exists() {
            write_atomic(&path, bytes).map_err(unkept(&path))?;
        }
        let kept = new_picture(folder, &path, &hash, &decoded);
        picture = Some(kept.map_err(EngineError::io("a thumbnail could not be kept of", &path))?);
        features.image = Some((*hash.as_bytes(), encode_one(image_encoder, decoded.picture)?));
    }
    let captions: Vec<&str> = draft.captions.iter().map(String::as_str).collect();
    let hashes = captions.iter().map(|caption| *blake3::hash(caption.as_bytes()).as_bytes());
    features.texts = hashes.zip(text_encoder.encode(&captions)?).collect();

    let id = draft.id.clone().unwrap_or_else(|| format!("item-{:016x}", rand::rng().random::<u64>()));
    let said = serde_json::json!({
        "id": id, "captions": draft.captions, "labels": draft.labels, "meta": draft.meta,
        "content": picture.as_ref().map(|p| p.content_hash),
    });
    let item = NewItem {
        id,
        image: picture,
        captions: draft.captions.clone(),
        labels: draft.labels.clone(),
        meta: Value::Object(draft.meta.clone()).to_string(),
        source: before.map_or_else(|| "posted to the service".to_owned(), |item| item.source.clone()),
        record_hash: *blake3::hash(said.to_string().as_bytes()).as_bytes(),
        ..NewItem::default()
    };
    Ok((item, features))
}
