//! A close look at a model: everything that the page for people shows.

use super::{split_embeddings::Points, split_evaluation::Measured};
use crate::{
    core::UnitVector,
    dataset::Split,
    evaluation::{
        Examination, Found, MapPoint, Mismatch, Place, Retrieval, Suspect, TrainingCurve, WorstQuery, layout,
        spread_out, suspects,
    },
    model::{Direction, DscmrError, Epoch, FeatureMatrix, Model, TrainingData, normalizer::Standardisation},
};

/// Points on the map, at most, of each modality; beyond, they are taken at equal distances.
const ON_THE_MAP: usize = 1500;

/// Worst queries of each modality.
const WORST: usize = 8;

/// Results that are shown of a query.
const SHOWN: usize = 6;

/// Items of the lists of what may be wrong: more than anybody looks at at once, for some of them were called right before.
const LISTED: usize = 1000;

/// Captions that go through a subnetwork at once.
const ROWS: usize = 1024;

/// Looks closely at `model`: the numbers of [`crate::model::evaluate()`] on a split, the curves behind them, the queries that fared
/// worst, a map; and, over all splits, items that seem to bear a wrong label and captions that seem to belong elsewhere.
///
/// # Errors
/// As [`crate::model::evaluate()`].
pub fn examine(model: &Model, data: &TrainingData, split: Split) -> Result<Examination, DscmrError> {
    let measured = Measured::of(model, data, split)?;
    let mut found = mislabelled(data, model.settings().image_power);
    found.truncate(LISTED);
    Ok(Examination {
        split: split.name(),
        report: measured.report(model),
        classes: data.classes.clone(),
        confusion: confusion(&measured),
        precision_at_recall: [&measured.image_to_text, &measured.text_to_image].map(|way| way.precision_at_recall),
        // Cosines of pictures with captions are those of captions with pictures.
        reliability: [
            ("picture and text", Direction::TextToImage),
            ("picture and picture", Direction::ImageToImage),
            ("text and text", Direction::TextToText),
        ]
        .map(|(name, direction)| (name, measured.reliability(model, direction)))
        .to_vec(),
        training: training(model),
        map: map(&measured.points),
        worst: worst(&measured),
        suspects: found,
        mismatches: mismatches(model, data)?,
    })
}

/// Items of all splits that seem to bear a wrong label, likeliest first: see [`suspects`]. An item's captions count as one
/// view, by the mean of their features.
pub fn mislabelled(data: &TrainingData, image_power: f64) -> Vec<Suspect> {
    let items: Vec<usize> = (0..data.splits.len()).collect();
    let cols = data.token_embeddings.as_ref().map_or(data.texts.cols(), |embeddings| embeddings.dims);
    let mut sums = vec![0f32; items.len() * cols];
    for (text, &item) in data.text_items.iter().enumerate() {
        let sum = &mut sums[item as usize * cols..][..cols];
        sum.iter_mut().zip(data.plain_text(text).as_ref()).for_each(|(sum, x)| *sum += x);
    }
    let Some(texts) = FeatureMatrix::new(cols, sums) else { return Vec::new() };
    let view = |matrix: &FeatureMatrix, power| -> Option<Vec<UnitVector>> {
        let scale = Standardisation::measure(matrix, &items, power);
        // One row at a time: a second copy of all features would be the largest thing in memory.
        items
            .iter()
            .map(|&item| UnitVector::new(scale.apply(matrix, std::iter::once(item)), matrix.cols()).ok())
            .collect()
    };
    match (view(&data.images, image_power), view(&texts, 1.0)) {
        (Some(pictures), Some(texts)) => suspects(&[&pictures, &texts], &data.labels, data.classes.len()),
        // An item exactly in the middle of all has no direction, and then nobody is near it.
        _ => Vec::new(),
    }
}

fn confusion(measured: &Measured<'_>) -> Vec<Vec<usize>> {
    let data = measured.points.data;
    let mut counts = vec![vec![0; data.classes.len()]; data.classes.len()];
    for (&item, &named) in measured.points.items.iter().zip(&measured.named) {
        let labels = &data.labels[item];
        let truth = if labels.contains(&named) { Some(&named) } else { labels.first() };
        if let Some(&truth) = truth {
            counts[truth as usize][named as usize] += 1;
        }
    }
    counts
}

fn training(model: &Model) -> Vec<TrainingCurve> {
    let of_part = |(part, _)| {
        let epochs: Vec<&Epoch> = model.epochs().filter(|epoch| epoch.part == part).collect();
        let line = |value: &dyn Fn(&Epoch) -> f64| epochs.iter().map(|epoch| value(epoch)).collect::<Vec<f64>>();
        let terms = epochs.iter().all(|epoch| epoch.terms.is_some());
        let losses = if terms {
            vec![
                ("J", line(&|e| e.total)),
                ("J1", line(&|e| e.terms.map_or(0.0, |t| t.j1))),
                ("J2", line(&|e| e.terms.map_or(0.0, |t| t.j2))),
                ("J3", line(&|e| e.terms.map_or(0.0, |t| t.j3))),
            ]
        } else {
            vec![("contrast", line(&|e| e.total))]
        };
        let validation = vec![
            ("mAP picture → text", line(&|e| e.validation.map_image_to_text)),
            ("mAP text → picture", line(&|e| e.validation.map_text_to_image)),
            ("mR / 100", line(&|e| e.validation.mean_recall / 100.0)),
        ];
        let best_epoch = model.best_epoch(part).unwrap_or(0);
        TrainingCurve { part: part.name().to_owned(), best_epoch, losses, validation }
    };
    model.parts().map(of_part).collect()
}

fn map(points: &Points<'_>) -> Vec<MapPoint> {
    let all: Vec<_> = points.all().collect();
    let (images, texts) = all.split_at(points.items.len());
    let taken: Vec<_> = spread_out(images, ON_THE_MAP).chain(spread_out(texts, ON_THE_MAP)).collect();
    let places = layout(&taken.iter().map(|(_, _, point)| (*point).clone()).collect::<Vec<_>>());
    let on_the_map = |((place, item, _), at): (&&(Place, usize, &UnitVector), [f32; 2])| MapPoint {
        place: *place,
        class: points.data.labels[*item].first().copied().unwrap_or(0),
        at,
    };
    taken.iter().zip(places).map(on_the_map).collect()
}

fn worst(measured: &Measured<'_>) -> Vec<WorstQuery> {
    let Measured { points, image_to_text, text_to_image, .. } = measured;
    let all: Vec<_> = points.all().collect();
    let (images, texts) = all.split_at(points.items.len());
    let first =
        |queries: &[(Place, usize, &UnitVector)], gallery: &[(Place, usize, &UnitVector)], fared: &Retrieval| {
            let mut order: Vec<usize> = (0..queries.len()).collect();
            order.sort_by(|&a, &b| fared.average_precision[a].total_cmp(&fared.average_precision[b]).then(a.cmp(&b)));
            let query = |&at: &usize| {
                let (place, item, point) = queries[at];
                let mut found: Vec<(f32, usize)> =
                    (0..).zip(gallery).map(|(n, entry)| (point.cosine(entry.2), n)).collect();
                found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                let result = |&(cosine, n): &(f32, usize)| Found {
                    place: gallery[n].0,
                    cosine,
                    relevant: points.share(item, gallery[n].1),
                };
                let found = found.iter().take(SHOWN).map(result).collect();
                WorstQuery { query: place, average_precision: fared.average_precision[at], found }
            };
            order.iter().take(WORST).map(query).collect::<Vec<_>>()
        };
    [first(images, texts, image_to_text), first(texts, images, text_to_image)].concat()
}

/// The pairs of all splits whose points lie farthest apart, at most one of an item.
fn mismatches(model: &Model, data: &TrainingData) -> Result<Vec<Mismatch>, DscmrError> {
    let mut farthest: Vec<Option<Mismatch>> = vec![None; data.splits.len()];
    let texts: Vec<usize> = (0..data.texts.rows()).collect();
    for texts in texts.chunks(ROWS) {
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
    found.truncate(LISTED);
    Ok(found)
}
