//! Items that come and go while the service answers.
//!
//! An item is encoded first, outside of everything. Then, one at a time: picture and row are written, the catalog commits,
//! and the live generation takes the change over before anybody is told. So what was acknowledged is on disk, and the next
//! query finds it; whatever moment the process is killed at, the next start reads from the catalog what the index missed.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use rand::RngExt;

use super::{DataFolder, Engine, SearchError, encode_one, import::new_picture};
use crate::{
    catalog::{Item, NewFeatures, NewItem, Put},
    dataset,
};

/// A fold that failed is not tried again before this has passed.
const BETWEEN_FOLDS: Duration = Duration::from_secs(60);

/// How much an item may have.
const MAX_CAPTIONS: usize = 100;
const MAX_LABELS: usize = 100;
const MAX_LABEL_CHARS: usize = 200;
const MAX_ID_CHARS: usize = 200;

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
    pub meta: serde_json::Map<String, serde_json::Value>,
}

impl Engine {
    /// Takes an item: it is on disk and searchable when this returns. `put` says what is to happen where its id is known
    /// already. Gives the item, and whether its id was new.
    ///
    /// # Errors
    /// [`SearchError::BadItem`] for a draft beyond the limits, [`SearchError::ItemExists`], [`SearchError::Picture`],
    /// [`SearchError::Overloaded`]; or if a part fails. Then nothing was changed.
    pub async fn put_item(self: &Arc<Self>, draft: ItemDraft, put: Put) -> Result<(Item, bool), SearchError> {
        let draft = self.check(draft)?;
        let (image_encoder, text_encoder) = (Arc::clone(&self.encoders.image), Arc::clone(&self.encoders.text));
        let (folder, limits) = (self.library.folder.clone(), self.library.limits);
        let encode = move || take(&draft, image_encoder.as_ref(), text_encoder.as_ref(), &folder, &limits);
        let (item, features) = self.worker.run(encode).await.map_err(|_| SearchError::Overloaded)??;

        let changing = self.changing.lock().await;
        let created = self.library.catalog.put_item(&item, &features, put).await?;
        let created = created.ok_or_else(|| SearchError::ItemExists(item.id.clone()))?;
        self.take_over().await?;
        drop(changing);
        let kept = self.library.catalog.item(&item.id).await?;
        // Somebody may have deleted it in between.
        let kept = kept.ok_or_else(|| SearchError::Background(format!("item {:?} went as it came", item.id)))?;
        Ok((kept, created))
    }

    /// Lets an item go: no later query finds it. `false` if there is none of this id.
    ///
    /// # Errors
    /// If the catalog or the index fails.
    pub async fn delete_item(self: &Arc<Self>, id: &str) -> Result<bool, SearchError> {
        let _changing = self.changing.lock().await;
        let was_there = self.library.catalog.delete_item(id).await?;
        if was_there {
            self.take_over().await?;
        }
        Ok(was_there)
    }

    /// Brings the live generation up to the catalog, and starts a fold where that pays.
    async fn take_over(self: &Arc<Self>) -> Result<(), SearchError> {
        let Some(live) = self.live() else { return Ok(()) };
        let up_to_date = live.catch_up(&self.library, &self.encoders).await?;
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
    fn check(&self, draft: ItemDraft) -> Result<ItemDraft, SearchError> {
        let refuse = |field: &str, reason: String| Err(SearchError::BadItem { field: field.to_owned(), reason });
        let trimmed = |texts: Vec<String>| -> Vec<String> {
            texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
        };
        let ItemDraft { id, image, captions, labels, meta } = draft;
        let (captions, labels) = (trimmed(captions), trimmed(labels));
        if image.is_none() && captions.is_empty() {
            return refuse("captions", "an item has a picture, a caption or both; this one has neither".into());
        }
        if let Some(id) = &id
            && (id.is_empty() || id.chars().count() > MAX_ID_CHARS || id.chars().any(char::is_control))
        {
            return refuse("id", format!("it has 1 to {MAX_ID_CHARS} characters, none of them a control character"));
        }
        for (field, count, most) in [("captions", captions.len(), MAX_CAPTIONS), ("labels", labels.len(), MAX_LABELS)] {
            if count > most {
                return refuse(field, format!("there are {count}; at most {most} are taken"));
            }
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
            dataset::inspect(image, &self.library.limits)?;
        }
        Ok(ItemDraft { id, image, captions, labels, meta })
    }
}

/// Reads, keeps and encodes what was posted.
fn take(
    draft: &ItemDraft,
    image_encoder: &dyn crate::encoders::ImageEncoder,
    text_encoder: &dyn crate::encoders::TextEncoder,
    folder: &DataFolder,
    limits: &dataset::PictureLimits,
) -> Result<(NewItem, NewFeatures), SearchError> {
    let mut features = NewFeatures {
        image_encoder: image_encoder.id().to_owned(),
        text_encoder: text_encoder.id().to_owned(),
        ..NewFeatures::default()
    };
    let mut picture = None;
    if let Some(bytes) = &draft.image {
        let hash = blake3::hash(bytes);
        let decoded = dataset::decode(bytes, limits)?;
        let path = folder.upload(hash.as_bytes(), decoded.format.ending());
        if !path.exists() {
            DataFolder::write_synced(&path, bytes).map_err(SearchError::io("a picture could not be kept:", &path))?;
        }
        let kept = new_picture(folder, &path, &hash, &decoded);
        picture = Some(kept.map_err(SearchError::io("a thumbnail could not be kept of", &path))?);
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
        picture,
        captions: draft.captions.clone(),
        labels: draft.labels.clone(),
        given_split: None,
        meta: serde_json::Value::Object(draft.meta.clone()).to_string(),
        source: "posted to the service".into(),
        record_hash: *blake3::hash(said.to_string().as_bytes()).as_bytes(),
    };
    Ok((item, features))
}
