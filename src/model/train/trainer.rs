//! The whole training: each head in turn, then the weights of the heads, then the calibration.

use std::{path::Path, sync::atomic::AtomicBool};

use super::{epoch_loop::HeadTrainer, inputs::TrainingInputs, select_weight::select_weight};
use crate::{
    dataset::Split,
    model::{
        Event, Head, Model, ModelError, Objective, TrainSettings, TrainedHead, TrainingData,
        evaluate::{calibrate::calibrate, split_embeddings::SplitEmbeddings},
    },
};

/// Trains a model on the training split of `data`. The validation split selects the epoch of each head and the heads'
/// weights; the test split is not used. `encoders` are the ids of the encoders that computed the features, `report`
/// receives the progress, and setting `stop` ends the training before the next batch.
///
/// With a `checkpoints` folder the state is saved there every ten seconds, after each head, and when the training is
/// stopped. A later call with the same data and settings resumes from it and ends with the same weights.
///
/// # Errors
/// [`ModelError::NotEnough`], [`ModelError::NotFinite`], [`ModelError::Settings`], [`ModelError::Device`],
/// [`ModelError::Stopped`]; or if a checkpoint cannot be written.
pub fn train(
    data: &TrainingData,
    settings: &TrainSettings,
    encoders: &(String, String),
    checkpoints: Option<&Path>,
    stop: &AtomicBool,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Model, ModelError> {
    settings.check()?;
    check(data)?;
    let (used, device) = settings.device.open()?;
    let settings = &TrainSettings { device: used, ..settings.clone() };
    let inputs = TrainingInputs::new(data, settings, encoders, device);
    let mut train_head = |head| HeadTrainer::new(&inputs, head, checkpoints)?.run(checkpoints, stop, report);
    let mut heads = vec![train_head(Head::Class)?];
    if settings.objective == Objective::ClassAndPair {
        let pair = train_head(Head::Pair)?;
        let embed = |head: &TrainedHead| SplitEmbeddings::of_validation(&inputs.model(vec![head.clone()]), data);
        let weight = select_weight(&embed(&heads[0])?, &embed(&pair)?, settings.pair.min_class_map_ratio);
        // A pair head of weight 0 would only add dimensions.
        if weight < 1.0 {
            heads[0].weight = weight;
            heads.push(TrainedHead { weight: 1.0 - weight, ..pair });
        }
    }
    let mut model = inputs.model(heads);
    calibrate(&mut model, data)?;
    Ok(model)
}

fn check(data: &TrainingData) -> Result<(), ModelError> {
    let refuse = |reason: String| Err(ModelError::NotEnough(reason));
    if data.classes.len() < 2 {
        let found = data.classes.first().map_or("no class".to_owned(), |class| format!("one class, {class:?}"));
        return refuse(format!(
            "training needs at least two classes, but the collection has {found}; label more items"
        ));
    }
    if let Some(item) = (0..data.splits.len()).find(|&i| data.splits[i] != Split::Train && data.labels[i].is_empty()) {
        return refuse(format!(
            "item {item} of the {} split has no class; items of the validation and test split need one",
            data.splits[item].name()
        ));
    }
    let labelled =
        |split| (0..data.splits.len()).filter(move |&i| data.splits[i] == split && !data.labels[i].is_empty());
    if labelled(Split::Train).count() < 2 {
        let found = labelled(Split::Train).count();
        return refuse(format!("the training split has {found} labelled items; at least 2 are needed"));
    }
    if labelled(Split::Validation).next().is_none() {
        return refuse(
            "the validation split is empty, so the best epoch cannot be selected; give each class at least three \
             items, or set the split of some items to validation"
                .into(),
        );
    }
    for (what, matrix) in [("image", &data.images), ("text", &data.texts)] {
        if let Some(row) = (0..matrix.rows()).find(|&row| matrix.row(row).iter().any(|x| !x.is_finite())) {
            return Err(ModelError::NotFinite { what, row });
        }
    }
    Ok(())
}
