//! Training as a job on the collection: features out of the catalog, a split, the trainer, the test split once, and
//! the finished model into its folder and the catalog.
//!
//! The trainer checkpoints into `models/training/`; a killed run is taken up where it stopped by the next one with the
//! same data and settings. A model's folder is complete before it gets its name, and its row comes last, so a model that
//! the catalog knows is always whole.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use serde_json::json;

use crate::{
    catalog::{ModelRecord, TrainingItem},
    collection::{Collection, CollectionError, Encoders, Progress, blocking},
    dataset::{Split, SplitFractions, SplitMember, assign_splits},
    evaluation::Report,
    model::{self, Epoch, Event, FeatureMatrix, Model, Terms, TrainSettings, TrainingData, Validation},
    training::promotion::{PromotionDecision, PromotionPolicy, judge},
    util::fs::{try_lock_file, write_atomic},
};

/// The file beside a model that says what it was made of.
const MANIFEST: &str = "manifest.json";

/// What a training made.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model's place in the catalog.
    pub record: ModelRecord,
    /// The parts of its space with the weight of each in a cosine, for people.
    pub parts: String,
    /// How good it is, on the test split.
    pub report: Report,
    /// What the gate found, and whether it answers.
    pub verdict: PromotionDecision,
}

/// Learns a common space from everything in the catalog that has a picture, a caption and features, and makes it the active
/// model if the gate lets it through; else the model is kept and the one before answers on.
///
/// # Errors
/// [`CollectionError::NotEnoughData`], [`CollectionError::Cancelled`] (the next call goes on from there),
/// [`CollectionError::TrainingElsewhere`]; or if the catalog, the trainer or the file system fails.
pub async fn train(
    collection: &Collection,
    encoders: &Encoders,
    settings: TrainSettings,
    gate: PromotionPolicy,
    progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
) -> Result<Trained, CollectionError> {
    let began = Instant::now();
    let _lock = lock(collection)?;
    let data = Arc::new(load_training_set(collection, encoders, settings.seed).await?.data);
    let training = collection.data_dir.training();
    let (image_encoder, text_encoder) = (encoders.image.id().to_owned(), encoders.text.id().to_owned());
    let given = (image_encoder.clone(), text_encoder.clone());
    let (checkpoints, material) = (training.clone(), Arc::clone(&data));
    let learned =
        blocking(move || learn(&material, &settings, &given, Some(&checkpoints), progress.as_ref(), &stop)).await??;
    let verdict = judge(collection, &learned, Arc::clone(&data), gate).await?;

    let version = collection.catalog.next_model_version().await?;
    let record = ModelRecord {
        created_at: crate::catalog::now_ms(),
        image_encoder,
        text_encoder,
        settings: json!(learned.model.settings()),
        report: json!(learned.report),
        seconds: began.elapsed().as_secs_f64(),
        promotion: json!(verdict),
        version,
    };
    let (parts, report) = (learned.model.parts_in_words(), learned.report.clone());
    let folder = collection.data_dir.model(&record.version);
    let unnamed = collection.data_dir.finishing();
    let seconds = record.seconds;
    // A run that was killed before its row came left a folder of this name; it is replaced.
    blocking(move || learned.put(&data, seconds, &unnamed, &folder)).await??;
    collection.catalog.add_model(&record, verdict.promoted).await?;
    remove(&training)?;
    Ok(Trained { record, parts, report, verdict })
}

/// A model with what was measured of it.
pub(crate) struct Learned {
    pub(crate) model: Model,
    pub(crate) validation: Validation,
    pub(crate) report: Report,
}

/// Learns, and looks at the test split once.
pub(crate) fn learn(
    data: &TrainingData,
    settings: &TrainSettings,
    encoders: &(String, String),
    checkpoints: Option<&Path>,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Learned, CollectionError> {
    let model = model::train(data, settings, encoders, checkpoints, stop, &mut told(progress))?;
    progress.begin("evaluate", "split", Some(2));
    let validation = model::validate(&model, data)?;
    progress.advance(1);
    let report = model::evaluate(&model, data, Split::Test)?;
    progress.advance(2);
    Ok(Learned { model, validation, report })
}

impl Learned {
    /// Writes the model with its manifest so that `folder` holds all of it or is not there; `unnamed` lies beside it and is
    /// used meanwhile.
    pub(crate) fn put(
        &self,
        data: &TrainingData,
        seconds: f64,
        unnamed: &Path,
        folder: &Path,
    ) -> Result<(), CollectionError> {
        remove(unnamed)?;
        std::fs::create_dir_all(unnamed).map_err(CollectionError::io("the model could not be kept in", unnamed))?;
        self.model.save(unnamed)?;
        let path = unnamed.join(MANIFEST);
        let manifest = format!("{:#}\n", self.manifest(data, seconds));
        write_atomic(&path, manifest.as_bytes()).map_err(CollectionError::io("cannot be written:", &path))?;
        remove(folder)?;
        std::fs::rename(unnamed, folder).map_err(CollectionError::io("the model could not be kept in", folder))
    }

    /// What the model was made of.
    fn manifest(&self, data: &TrainingData, seconds: f64) -> serde_json::Value {
        let (image_encoder, text_encoder) = self.model.encoders();
        json!({
            "program": env!("CARGO_PKG_VERSION"),
            "machine": format!("{} {}, {:?}", std::env::consts::OS, std::env::consts::ARCH, crate::core::Isa::best()),
            "learned_from": {
                "items": data.splits.len(),
                "captions": data.text_items.len(),
                "labels_blake3": data.labels_hash(),
                "features_blake3": data.features_hash(),
                "image_encoder": image_encoder,
                "text_encoder": text_encoder,
            },
            "settings": self.model.settings(),
            "validation": self.validation,
            "test": self.report,
            "seconds": seconds,
        })
    }
}

/// Removes a folder that may not be there.
pub(crate) fn remove(folder: &Path) -> Result<(), CollectionError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CollectionError::io("a folder could not be removed:", folder)(error))
        }
        _ => Ok(()),
    }
}

/// The paper's ablation: without J2, without J3, without both, with both; each trained anew and measured on the test split.
/// No model is kept.
///
/// # Errors
/// As [`train`].
pub async fn ablate(
    collection: &Collection,
    encoders: &Encoders,
    settings: TrainSettings,
    progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
) -> Result<Vec<(&'static str, Report)>, CollectionError> {
    let _lock = lock(collection)?;
    let data = load_training_set(collection, encoders, settings.seed).await?.data;
    let given = (encoders.image.id().to_owned(), encoders.text.id().to_owned());
    blocking(move || {
        let mut rows = Vec::new();
        for (name, second, third) in [("J1", 0.0, 0.0), ("J1 + λJ2", 1.0, 0.0), ("J1 + ηJ3", 0.0, 1.0), ("J", 1.0, 1.0)]
        {
            progress.note(name);
            let mut some = settings.clone();
            some.class.lambda *= second;
            some.class.eta *= third;
            rows.push((name, learn(&data, &some, &given, None, progress.as_ref(), &stop)?.report));
        }
        Ok(rows)
    })
    .await?
}

/// Tells progress what a training tells.
fn told(progress: &dyn Progress) -> impl FnMut(Event<'_>) {
    move |event| match event {
        Event::Part { part, done, most } => {
            progress.begin(&format!("learn the {} part", part.name()), "epoch", Some(most as u64));
            progress.advance(done as u64);
        }
        Event::Epoch(epoch) => {
            progress.advance(epoch.epoch as u64);
            progress.note(&epoch.to_string());
            progress.measured(metric(epoch));
        }
    }
}

/// What an epoch measured, as a task tells it.
fn metric(epoch: &Epoch) -> serde_json::Value {
    let mut loss = json!({ "total": epoch.total });
    if let Some(Terms { j1, j2, j3 }) = epoch.terms {
        loss = json!({ "total": epoch.total, "j1": j1, "j2": j2, "j3": j3 });
    }
    let quality = epoch.validation;
    json!({
        "part": epoch.part,
        "epoch": epoch.epoch,
        "loss": loss,
        "validation_map": { "image_to_text": quality.map_image_to_text, "text_to_image": quality.map_text_to_image },
        "validation_mean_recall": quality.mean_recall,
        "seconds": epoch.seconds,
    })
}

/// One training at a time on a data folder: two would write one checkpoint.
pub(crate) fn lock(collection: &Collection) -> Result<File, CollectionError> {
    let path = collection.data_dir.models().join("training.lock");
    let lock = try_lock_file(&path).map_err(CollectionError::io("the lock could not be taken:", &path))?;
    lock.ok_or(CollectionError::TrainingElsewhere)
}

/// What can be learned from, with the catalog's keys.
#[derive(Debug)]
pub struct TrainingSet {
    /// The features and what they show.
    pub data: TrainingData,
    /// The key of each item.
    pub items: Vec<i64>,
    /// The key of each caption.
    pub captions: Vec<i64>,
}

/// Everything that can be learned from, as features, in an order that depends on the owner's ids alone.
///
/// # Errors
/// [`CollectionError::NotEnoughData`] if nothing can be learned from; or if the catalog fails.
pub async fn load_training_set(
    collection: &Collection,
    encoders: &Encoders,
    seed: u64,
) -> Result<TrainingSet, CollectionError> {
    let (image_dims, text_dims, encoder) = (encoders.image.dims(), encoders.text.dims(), Arc::clone(&encoders.text));
    let items = collection.catalog.training_items().await?;
    let (_, features) = collection.catalog.all_features(encoders.feature_kinds()).await?;
    let images: HashMap<i64, Vec<f32>> = features.images.into_iter().collect();
    let texts: HashMap<i64, Vec<f32>> = features.texts.into_iter().collect();
    blocking(move || {
        let mut material = gather(&items, &images, &texts, (image_dims, text_dims), seed)?;
        material.data.token_embeddings = encoder.token_embeddings()?;
        Ok(material)
    })
    .await?
}

fn gather(
    items: &[TrainingItem],
    images: &HashMap<i64, Vec<f32>>,
    texts: &HashMap<i64, Vec<f32>>,
    (image_dims, text_dims): (usize, usize),
    seed: u64,
) -> Result<TrainingSet, CollectionError> {
    let has_features =
        |item: &&TrainingItem| images.contains_key(&item.key) && item.captions.iter().all(|c| texts.contains_key(c));
    let usable: Vec<&TrainingItem> = items.iter().filter(has_features).collect();
    let (usable, splits): (Vec<&TrainingItem>, Vec<Split>) = with_splits(usable, seed).into_iter().unzip();
    let mut classes: Vec<String> = usable.iter().flat_map(|item| item.labels.iter().cloned()).collect();
    classes.sort_unstable();
    classes.dedup();
    let position: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let labels: Vec<Vec<u32>> =
        usable.iter().map(|item| item.labels.iter().map(|label| position[label.as_str()]).collect()).collect();

    let mut image_values = Vec::with_capacity(usable.len() * image_dims);
    let mut text_values = Vec::new();
    let mut text_items = Vec::new();
    for (row, item) in (0u32..).zip(&usable) {
        image_values.extend_from_slice(&images[&item.key]);
        for caption in &item.captions {
            text_values.extend_from_slice(&texts[caption]);
            text_items.push(row);
        }
    }
    let matrices = FeatureMatrix::new(image_dims, image_values).zip(FeatureMatrix::new(text_dims, text_values));
    let (images, texts) = matrices.filter(|_| !usable.is_empty()).ok_or_else(|| {
        CollectionError::NotEnoughData(
            "there is nothing to learn from: a training needs items with a picture and a caption, and labels for most of \
             them; `diptych status` says what the collection holds"
                .into(),
        )
    })?;
    let captions = usable.iter().flat_map(|item| item.captions.iter().copied()).collect();
    let items = usable.iter().map(|item| item.key).collect();
    let data = TrainingData { images, texts, text_items, labels, splits, classes, token_embeddings: None };
    Ok(TrainingSet { data, items, captions })
}

/// Items with their splits. Nothing can be measured by what nobody labelled, so it is learned from, unless its owner or an equal
/// picture holds it out: then it is left aside.
fn with_splits(items: Vec<&TrainingItem>, seed: u64) -> Vec<(&TrainingItem, Split)> {
    let member = |item: &TrainingItem| -> (Option<[u8; 32]>, Option<Split>) {
        (item.content_hash.as_slice().try_into().ok(), item.given_split.as_deref().and_then(|name| name.parse().ok()))
    };
    let members: Vec<SplitMember<'_>> = items
        .iter()
        .map(|item| {
            let (content, given) = member(item);
            SplitMember { id: &item.id, content, labels: &item.labels, given }
        })
        .collect();
    let splits = assign_splits(&members, SplitFractions::default(), seed);
    let held_out: HashSet<Option<[u8; 32]>> = members
        .iter()
        .zip(&splits)
        .filter(|(member, split)| **split != Split::Train && (!member.labels.is_empty() || member.given.is_some()))
        .map(|(member, _)| member.content)
        .collect();
    let place = |(item, split): (&&TrainingItem, &Split)| match item.labels.is_empty() {
        false => Some(*split),
        true => (!held_out.contains(&member(item).0)).then_some(Split::Train),
    };
    let places: Vec<Option<Split>> = items.iter().zip(&splits).map(place).collect();
    items.into_iter().zip(places).filter_map(|(item, split)| Some((item, split?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_labelled_is_learned_from_unless_it_is_held_out() {
        let item = |n: u8, content: u8, label: Option<&str>, given: Option<&str>| TrainingItem {
            key: i64::from(n),
            id: n.to_string(),
            content_hash: vec![content; 32],
            given_split: given.map(str::to_owned),
            labels: label.map(str::to_owned).into_iter().collect(),
            captions: vec![i64::from(n)],
        };
        let mut items: Vec<TrainingItem> = (0..100).map(|n| item(n, n, Some("barns"), None)).collect();
        items.extend((100..200).map(|n| item(n, n, None, None)));
        items.push(item(200, 200, None, Some("test")));
        let labelled = with_splits(items.iter().take(100).collect(), 0);
        let tested = labelled.iter().find(|(_, split)| *split == Split::Test).expect("a tenth is").0.clone();
        items.push(item(201, tested.content_hash[0], None, None));
        let placed = with_splits(items.iter().collect(), 0);
        let of = |key: i64| placed.iter().find(|(item, _)| item.key == key).map(|(_, split)| *split);
        assert!((100..200).all(|key| of(key) == Some(Split::Train)));
        assert_eq!((of(200), of(201)), (None, None));
        assert_eq!(of(tested.key), Some(Split::Test));
    }
}
