//! Diagnostics of a model: everything that the HTML report shows.

use super::{split_embeddings::SplitEmbeddings, split_evaluation::SplitEvaluation};
use crate::{
    core::UnitVector,
    dataset::Split,
    evaluation::{
        Diagnostics, Direction, EntryRef, LabelIssue, Mismatch, ProjectedEntry, RankedEntry, RetrievalMetrics,
        TrainingCurve, WorstQuery, evenly_spaced, find_label_issues, tsne,
    },
    model::{Epoch, FeatureMatrix, Model, ModelError, TrainingData, normalizer::Normalizer},
};

/// Maximum number of entries of each modality in the projection; of more, evenly spaced ones are taken.
const MAX_PROJECTED: usize = 1500;

/// Worst queries of each modality.
const WORST_QUERIES: usize = 8;

/// Results of a worst query.
const RESULTS: usize = 6;

/// Maximum number of label issues and of mismatches. More than the report lists, because those that were dismissed
/// before are left out there.
const MAX_ISSUES: usize = 1000;

/// Pairs that are embedded at once.
const BATCH: usize = 1024;

/// Diagnoses `model`: on a split, the report of [`crate::model::evaluate()`], its curves, the worst queries, and a
/// projection; over all splits, items whose label may be wrong, and captions that may belong to another item.
///
/// # Errors
/// Same as [`crate::model::evaluate()`].
pub fn diagnose(model: &Model, data: &TrainingData, split: Split) -> Result<Diagnostics, ModelError> {
    let evaluation = SplitEvaluation::new(model, data, split)?;
    let mut issues = label_issues(data, model.settings().image_power);
    issues.truncate(MAX_ISSUES);
    Ok(Diagnostics {
        split: split.name(),
        report: evaluation.report(model),
        classes: data.classes.clone(),
        confusion: confusion(&evaluation),
        precision_at_recall: [&evaluation.image_to_text, &evaluation.text_to_image].map(|way| way.precision_at_recall),
        // A cosine is the same in both directions, so image and text need one line.
        reliability: [
            ("picture and text", Direction::TextToImage),
            ("picture and picture", Direction::ImageToImage),
            ("text and text", Direction::TextToText),
        ]
        .map(|(name, direction)| (name, evaluation.reliability(model, direction)))
        .to_vec(),
        training: training_curves(model),
        projection: projection(&evaluation.embeddings),
        worst: worst_queries(&evaluation),
        label_issues: issues,
        mismatches: mismatches(model, data)?,
    })
}

/// Items of all splits whose label may be wrong, most likely first; see [`find_label_issues`]. The captions of an item
/// are one view, the mean of their features.
pub fn label_issues(data: &TrainingData, image_power: f64) -> Vec<LabelIssue> {
    let items: Vec<usize> = (0..data.splits.len()).collect();
    let cols = data.token_embeddings.as_ref().map_or(data.texts.cols(), |embeddings| embeddings.dims);
    let mut sums = vec![0f32; items.len() * cols];
    for (text, &item) in data.text_items.iter().enumerate() {
        let sum = &mut sums[item as usize * cols..][..cols];
        sum.iter_mut().zip(data.untrained_text_features(text).as_ref()).for_each(|(sum, x)| *sum += x);
    }
    let Some(texts) = FeatureMatrix::new(cols, sums) else { return Vec::new() };
    let view = |matrix: &FeatureMatrix, power| -> Option<Vec<UnitVector>> {
        let normalizer = Normalizer::fit(matrix, &items, power);
        // One row at a time, because a second copy of all features would take much memory.
        items
            .iter()
            .map(|&item| UnitVector::new(normalizer.apply(matrix, std::iter::once(item)), matrix.cols()).ok())
            .collect()
    };
    match (view(&data.images, image_power), view(&texts, 1.0)) {
        (Some(images), Some(texts)) => find_label_issues(&[&images, &texts], &data.labels, data.classes.len()),
        // An item exactly at the mean of all has no direction and thus no neighbours.
        _ => Vec::new(),
    }
}

fn confusion(evaluation: &SplitEvaluation<'_>) -> Vec<Vec<usize>> {
    let data = evaluation.embeddings.data;
    let mut counts = vec![vec![0; data.classes.len()]; data.classes.len()];
    for (&item, &predicted) in evaluation.embeddings.items.iter().zip(&evaluation.predicted) {
        let labels = &data.labels[item];
        let truth = if labels.contains(&predicted) { Some(&predicted) } else { labels.first() };
        if let Some(&truth) = truth {
            counts[truth as usize][predicted as usize] += 1;
        }
    }
    counts
}

fn training_curves(model: &Model) -> Vec<TrainingCurve> {
    let of_head = |(head, _)| {
        let epochs: Vec<&Epoch> = model.epochs().filter(|epoch| epoch.head == head).collect();
        let line = |value: &dyn Fn(&Epoch) -> f64| epochs.iter().map(|epoch| value(epoch)).collect::<Vec<f64>>();
        let terms: Option<Vec<_>> = epochs.iter().map(|epoch| epoch.terms.map(|terms| terms.named())).collect();
        let losses = match terms {
            Some(terms) => {
                let of_term = |n: usize, name| (name, terms.iter().map(|named| named[n].1).collect());
                let names = terms.first().into_iter().flatten().enumerate();
                let total = std::iter::once(("J", line(&|e| e.loss)));
                total.chain(names.map(|(n, (name, _))| of_term(n, *name))).collect()
            }
            None => vec![("InfoNCE", line(&|e| e.loss))],
        };
        let validation = vec![
            ("mAP image → text", line(&|e| e.validation.map_image_to_text)),
            ("mAP text → image", line(&|e| e.validation.map_text_to_image)),
            ("mR / 100", line(&|e| e.validation.mean_recall / 100.0)),
        ];
        let best_epoch = model.best_epoch(head).unwrap_or(0);
        TrainingCurve { head: head.name().to_owned(), best_epoch, losses, validation }
    };
    model.heads().map(of_head).collect()
}

fn projection(embeddings: &SplitEmbeddings<'_>) -> Vec<ProjectedEntry> {
    let all: Vec<_> = embeddings.entries().collect();
    let (images, texts) = all.split_at(embeddings.items.len());
    let sample: Vec<_> = evenly_spaced(images, MAX_PROJECTED).chain(evenly_spaced(texts, MAX_PROJECTED)).collect();
    let positions = tsne(&sample.iter().map(|(_, _, point)| (*point).clone()).collect::<Vec<_>>());
    let projected = |((entry, item, _), position): (&&(EntryRef, usize, &UnitVector), [f32; 2])| ProjectedEntry {
        entry: *entry,
        class: embeddings.data.labels[*item].first().copied().unwrap_or(0),
        position,
    };
    sample.iter().zip(positions).map(projected).collect()
}

fn worst_queries(evaluation: &SplitEvaluation<'_>) -> Vec<WorstQuery> {
    let SplitEvaluation { embeddings, image_to_text, text_to_image, .. } = evaluation;
    let all: Vec<_> = embeddings.entries().collect();
    let (images, texts) = all.split_at(embeddings.items.len());
    type Entries<'e> = [(EntryRef, usize, &'e UnitVector)];
    let worst = |queries: &Entries<'_>, gallery: &Entries<'_>, metrics: &RetrievalMetrics| {
        let precision = &metrics.average_precision;
        let mut order: Vec<usize> = (0..queries.len()).collect();
        order.sort_by(|&a, &b| precision[a].total_cmp(&precision[b]).then(a.cmp(&b)));
        let query = |&at: &usize| {
            let (entry, item, point) = queries[at];
            let mut ranking: Vec<(f32, usize)> =
                (0..).zip(gallery).map(|(n, entry)| (point.cosine(entry.2), n)).collect();
            ranking.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let result = |&(cosine, n): &(f32, usize)| RankedEntry {
                entry: gallery[n].0,
                cosine,
                relevant: embeddings.share_label(item, gallery[n].1),
            };
            let results = ranking.iter().take(RESULTS).map(result).collect();
            WorstQuery { query: entry, average_precision: precision[at], results }
        };
        order.iter().take(WORST_QUERIES).map(query).collect::<Vec<_>>()
    };
    [worst(images, texts, image_to_text), worst(texts, images, text_to_image)].concat()
}

/// Pairs of all splits with the largest distance between image and caption, at most one per item.
fn mismatches(model: &Model, data: &TrainingData) -> Result<Vec<Mismatch>, ModelError> {
    let mut farthest: Vec<Option<Mismatch>> = vec![None; data.splits.len()];
    let texts: Vec<usize> = (0..data.texts.rows()).collect();
    for texts in texts.chunks(BATCH) {
        let items: Vec<usize> = texts.iter().map(|&text| data.text_items[text] as usize).collect();
        let (u, v) = (model.embed_images(&data.images.select(&items))?, model.embed_texts(&data.texts.select(texts))?);
        for ((&item, &caption), (u, v)) in items.iter().zip(texts).zip(u.iter().zip(&v)) {
            let distance = (2.0 - 2.0 * u.cosine(v)).max(0.0).sqrt();
            if farthest[item].is_none_or(|before| distance > before.distance) {
                farthest[item] = Some(Mismatch { item, caption, distance });
            }
        }
    }
    let mut found: Vec<Mismatch> = farthest.into_iter().flatten().collect();
    found.sort_by(|a, b| b.distance.total_cmp(&a.distance).then(a.item.cmp(&b.item)));
    found.truncate(MAX_ISSUES);
    Ok(found)
}
