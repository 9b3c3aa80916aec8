//! The report page of a model: diagnostics of the common space, shown with the collection's own pictures and captions.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{TrainingSet, load_model, load_training_set};
use crate::{
    catalog::{Issue, Item, ModelRecord},
    collection::{Collection, CollectionError, Encoders, blocking},
    dataset::{self, Split},
    evaluation::{Curves, Diagnostics, EntryCard, EntryRef, HtmlReport, MAX_LISTED, Report, render},
    model::{self, Model, TrainingData},
    training::train_from_features,
    util::fs::write_atomic_unsynced,
};

/// Longer side of the pictures on the page, in pixels. They are small because there are hundreds of them.
const SIDE: u32 = 128;

/// Diagnostics of a model, and the page that shows them.
#[derive(Debug, Clone)]
pub struct ReportPage {
    /// The summary.
    pub report: Report,
    /// The curves that the summary is computed from.
    pub curves: Curves,
    /// Possible mistakes in items of all splits, by key of the item, most confident first.
    pub issues: Vec<(i64, Issue)>,
    /// The page, one self-contained HTML file.
    pub html: String,
}

/// Diagnoses a model of the collection on the test split. Changes nothing; [`keep_report`] stores the result.
///
/// # Errors
/// [`CollectionError::NotEnoughData`] if the split is empty; or if the catalog or the model's files fail.
pub async fn report_page(
    collection: &Collection,
    encoders: &Encoders,
    record: &ModelRecord,
) -> Result<ReportPage, CollectionError> {
    let seed = record.settings["seed"].as_u64().unwrap_or(0);
    let TrainingSet { data, items: item_keys, captions: caption_keys } =
        load_training_set(collection, encoders, seed).await?;
    let model = load_model(collection, encoders, record).await?;
    let facts = facts(record, &model);
    let (data, diagnostics) = blocking(move || {
        let diagnostics = model::diagnose(&model, &data, Split::Test)?;
        Ok::<_, CollectionError>((data, diagnostics))
    })
    .await??;
    let judged = diagnostics.label_issues.iter().map(|issue| labels_of(&data, issue.item)).collect::<Vec<_>>();
    let key_of = move |entry: EntryRef| item_keys[item_of(&data, entry)];
    let flagged = diagnostics.label_issues.iter().map(|issue| issue.item);
    let flagged = flagged.chain(diagnostics.mismatches.iter().map(|mismatch| mismatch.item)).map(EntryRef::Image);
    let keys: BTreeSet<i64> = places(&diagnostics).chain(flagged).map(&key_of).collect();
    let items = collection.catalog.items_by_key(&keys.into_iter().collect::<Vec<i64>>()).await?;
    let issues = issues(&diagnostics, &judged, &key_of, &caption_keys, &items);
    let (collection, version) = (collection.clone(), record.version.clone());
    blocking(move || {
        let pictured: BTreeSet<i64> = pictured(&diagnostics).map(&key_of).collect();
        let pictures: HashMap<i64, String> = pictured
            .into_iter()
            .filter_map(|key| Some((key, thumbnail_data_url(&collection, items.get(&key)?)?)))
            .collect();
        let shown = |entry: EntryRef| {
            let Some(item) = items.get(&key_of(entry)) else { return EntryCard::default() };
            let caption = match entry {
                EntryRef::Image(_) => item.captions.first(),
                EntryRef::Caption(text) => item.captions.iter().find(|caption| caption.key == caption_keys[text]),
            };
            EntryCard {
                id: item.id.clone(),
                text: caption.map(|caption| caption.text.clone()).unwrap_or_default(),
                labels: item.labels.join(", "),
                image: pictures.get(&item.key).cloned(),
            }
        };
        Ok(ReportPage { issues, ..finish(&version, &facts, diagnostics, &shown)? })
    })
    .await?
}

/// Stores the report of a model: summary and issues in the catalog, page and curves in the model's folder.
///
/// # Errors
/// If the catalog or the file system fails.
pub async fn keep_report(collection: &Collection, version: &str, found: &ReportPage) -> Result<(), CollectionError> {
    let files = [
        (collection.data_dir.report_page(version), found.html.clone()),
        (collection.data_dir.report_curves(version), serde_json::json!(found.curves).to_string()),
    ];
    blocking(move || {
        files.iter().try_for_each(|(file, text)| {
            write_atomic_unsynced(file, text.as_bytes())
                .map_err(CollectionError::io("the report could not be stored in", file))
        })
    })
    .await??;
    collection.catalog.record_issues(&found.issues).await?;
    collection.catalog.set_report(version, &serde_json::json!(found.report)).await?;
    Ok(())
}

/// Diagnoses a model of precomputed features on their test split. Without pictures and captions, rows are shown by
/// their numbers.
///
/// # Errors
/// [`CollectionError::Dataset`]; or if the model's files fail.
pub async fn report_page_of_features(folder: &Path, model: &Path) -> Result<ReportPage, CollectionError> {
    let (name, path) = (model.display().to_string(), model.to_owned());
    let model = blocking(move || Model::load(&path)).await??;
    let data = train_from_features::load_features(folder, model.settings().seed).await?;
    blocking(move || {
        let diagnostics = model::diagnose(&model, &data, Split::Test)?;
        let facts = vec![("weights of the heads", model.describe_heads())];
        let shown = |entry: EntryRef| {
            let row = item_of(&data, entry);
            let labels: Vec<&str> =
                data.labels[row].iter().map(|&class| data.classes[class as usize].as_str()).collect();
            EntryCard { id: format!("row {row}"), text: format!("row {row}"), labels: labels.join(", "), image: None }
        };
        finish(&name, &facts, diagnostics, &shown)
    })
    .await?
}

fn finish(
    model: &str,
    facts: &[(&str, String)],
    diagnostics: Diagnostics,
    shown: &dyn Fn(EntryRef) -> EntryCard,
) -> Result<ReportPage, CollectionError> {
    let html =
        render(&HtmlReport { model, facts, diagnostics: &diagnostics }, shown).map_err(CollectionError::Internal)?;
    Ok(ReportPage { curves: Curves::from(&diagnostics), report: diagnostics.report, issues: Vec::new(), html })
}

/// The names of an item's classes, in alphabetical order.
fn labels_of(data: &TrainingData, item: usize) -> Vec<String> {
    let mut labels: Vec<String> = data.labels[item].iter().map(|&class| data.classes[class as usize].clone()).collect();
    labels.sort_unstable();
    labels
}

/// Label and caption issues, by key of the item. `judged` has the labels of each item when it was diagnosed.
fn issues(
    diagnostics: &Diagnostics,
    judged: &[Vec<String>],
    key_of: &dyn Fn(EntryRef) -> i64,
    caption_keys: &[i64],
    items: &HashMap<i64, Item>,
) -> Vec<(i64, Issue)> {
    let labels = diagnostics.label_issues.iter().zip(judged).filter_map(|(issue, judged)| {
        let key = key_of(EntryRef::Image(issue.item));
        let suggested = diagnostics.classes[issue.suggested as usize].clone();
        // The labels may have been changed meanwhile.
        let labels = items.get(&key).map(|item| item.labels.clone()).filter(|labels| labels == judged)?;
        Some((key, Issue::Label { labels, suggested, margin: issue.margin }))
    });
    let captions = diagnostics.mismatches.iter().filter_map(|mismatch| {
        let key = key_of(EntryRef::Image(mismatch.item));
        let caption = items.get(&key)?.captions.iter().find(|caption| caption.key == caption_keys[mismatch.caption])?;
        Some((key, Issue::Caption { text: caption.text.clone(), distance: mismatch.distance.into() }))
    });
    labels.chain(captions).collect()
}

fn item_of(data: &TrainingData, entry: EntryRef) -> usize {
    match entry {
        EntryRef::Image(item) => item,
        EntryRef::Caption(text) => data.text_items[text] as usize,
    }
}

/// All entries that the page mentions.
fn places(diagnostics: &Diagnostics) -> impl Iterator<Item = EntryRef> {
    diagnostics.projection.iter().map(|point| point.entry).chain(pictured(diagnostics))
}

/// All entries whose pictures the page shows.
fn pictured(diagnostics: &Diagnostics) -> impl Iterator<Item = EntryRef> {
    let worst = diagnostics
        .worst
        .iter()
        .flat_map(|worst| std::iter::once(worst.query).chain(worst.results.iter().map(|result| result.entry)));
    let label_issues = diagnostics.label_issues.iter().take(MAX_LISTED).map(|issue| issue.item);
    let mismatches = diagnostics.mismatches.iter().take(MAX_LISTED).map(|mismatch| mismatch.item);
    worst.chain(label_issues.chain(mismatches).map(EntryRef::Image))
}

/// A thumbnail of an item's picture as a `data:` URL; `None` if it cannot be read any more.
fn thumbnail_data_url(collection: &Collection, item: &Item) -> Option<String> {
    // The thumbnail is faster to read than the picture, and large enough.
    let bytes = collection.thumbnail(item).ok().flatten()?;
    let picture = dataset::decode(&bytes, &collection.limits).ok()?.picture;
    let jpeg = dataset::thumbnail(&picture, SIDE);
    Some(format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg)))
}

fn facts(record: &ModelRecord, model: &Model) -> Vec<(&'static str, String)> {
    let day = time::OffsetDateTime::from_unix_timestamp(record.created_at / 1000).map(|at| at.date().to_string());
    vec![
        ("trained", format!("{}, {:.0} s", day.unwrap_or_default(), record.seconds)),
        ("image encoder", record.image_encoder.clone()),
        ("text encoder", record.text_encoder.clone()),
        ("weights of the heads", model.describe_heads()),
        ("dimensions", model.dims().to_string()),
        ("seed", record.settings["seed"].to_string()),
    ]
}
