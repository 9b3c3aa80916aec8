//! The training data of a collection.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    catalog::TrainingItem,
    collection::{Collection, CollectionError, Encoders, blocking},
    dataset::{Split, SplitFractions, SplitMember, assign_splits},
    model::{FeatureMatrix, TrainingData},
};

/// Training data, and the keys of its rows in the catalog.
#[derive(Debug)]
pub struct TrainingSet {
    /// Features, labels and splits.
    pub data: TrainingData,
    /// The key of each item.
    pub items: Vec<i64>,
    /// The key of each caption.
    pub captions: Vec<i64>,
}

/// All items with a picture, a caption and features, in an order that depends on their ids alone.
///
/// # Errors
/// [`CollectionError::NotEnoughData`] if there is nothing to train on; or if the catalog fails.
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
        let mut set = assemble(&items, &images, &texts, (image_dims, text_dims), seed)?;
        set.data.token_embeddings = encoder.token_embeddings()?;
        Ok(set)
    })
    .await?
}

fn assemble(
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
            "there is nothing to train on: training needs items with a picture and a caption, and labels for most of \
             them; `diptych status` shows what the collection has"
                .into(),
        )
    })?;
    let captions = usable.iter().flat_map(|item| item.captions.iter().copied()).collect();
    let items = usable.iter().map(|item| item.key).collect();
    let data = TrainingData { images, texts, text_items, labels, splits, classes, token_embeddings: None };
    Ok(TrainingSet { data, items, captions })
}

/// Items with their splits. Items without labels cannot be evaluated, so they are in the training split, or left out if
/// their record or an identical picture assigns them to another split.
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
    fn unlabelled_items_are_trained_on_unless_held_out() {
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
