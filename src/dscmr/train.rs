//! Minimising J by Adam, epoch by epoch, until validation mAP no longer grows.

use std::{
    collections::BTreeSet,
    fmt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use candle_core::Tensor;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::{
    DscmrError, FeatureMatrix, Model, Terms, TrainSettings, TrainingData,
    adam::Optimizer,
    checkpoint::{Checkpoint, Place, fingerprint},
    evaluate::{Points, calibrate},
    model::{Parts, Standardisation},
    network::{Batch, Dropout, Shape, Weights, generator, step, tensor},
};
use crate::dataset::Split;

/// How often a running training is kept on disk.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// One pass over the training split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// J of its batches, mean over pairs.
    pub total: f64,
    /// The terms of J.
    pub terms: Terms,
    /// Validation mAP, pictures ask for captions.
    pub map_image_to_text: f64,
    /// Validation mAP, words ask for pictures.
    pub map_text_to_image: f64,
    /// How long it took. Not part of what a model is, so that equal trainings are equal.
    #[serde(skip)]
    pub seconds: f64,
}

impl Epoch {
    fn map(&self) -> f64 {
        f64::midpoint(self.map_image_to_text, self.map_text_to_image)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, total, terms: Terms { j1, j2, j3 }, .. } = self;
        write!(
            f,
            "epoch {epoch:>3}  J {total:.4}  J1 {j1:.4}  J2 {j2:.4}  J3 {j3:.4}  validation mAP {:.4} / {:.4}  {:.1} s",
            self.map_image_to_text, self.map_text_to_image, self.seconds
        )
    }
}

/// Learns a common space from the training split of `data`, choosing the epoch on its validation split. The test split is
/// not looked at. `encoders` are the ids of the encoders that made the features, `report` hears of each epoch, and `stop`
/// ends the training within a batch.
///
/// With a `checkpoints` folder the training is kept there every ten seconds and when it is stopped; a later call with the
/// same data and settings goes on from there and ends with the same weights.
///
/// # Errors
/// [`DscmrError::NotEnough`], [`DscmrError::NotFinite`], [`DscmrError::Stopped`]; or if a checkpoint cannot be written.
pub fn train(
    data: &TrainingData,
    settings: &TrainSettings,
    encoders: &(String, String),
    checkpoints: Option<&Path>,
    stop: &AtomicBool,
    report: &mut dyn FnMut(&Epoch),
) -> Result<Model, DscmrError> {
    check(data, settings)?;
    let mut run = Run::begin(data, settings, encoders, checkpoints)?;
    let mut kept = Instant::now();
    while !run.is_over() {
        let began = Instant::now();
        let order = run.order();
        let batches: Vec<&[(usize, usize)]> = order.chunks(settings.batch).collect();
        while run.place.batches < batches.len() {
            if stop.load(Ordering::Relaxed) {
                run.keep(checkpoints)?;
                return Err(DscmrError::Stopped);
            }
            run.step(batches[run.place.batches])?;
            if kept.elapsed() >= KEEP_EVERY {
                run.keep(checkpoints)?;
                kept = Instant::now();
            }
        }
        let epoch = run.end_epoch(order.len(), began)?;
        report(&epoch);
    }
    let mut model = run.model(run.best.clone());
    calibrate(&mut model, data)?;
    Ok(model)
}

fn check(data: &TrainingData, settings: &TrainSettings) -> Result<(), DscmrError> {
    let refuse = |reason: String| Err(DscmrError::NotEnough(reason));
    for (name, value) in [
        ("hidden", settings.hidden),
        ("dims", settings.dims),
        ("batch", settings.batch),
        ("epochs", settings.max_epochs),
    ] {
        if value == 0 {
            return refuse(format!("{name} is 0; at least 1 is needed"));
        }
    }
    if !(0.0..1.0).contains(&settings.dropout) {
        return refuse(format!(
            "dropout is {}; allowed are parts from 0 up to, but not including, 1",
            settings.dropout
        ));
    }
    if !(settings.image_power > 0.0 && settings.image_power <= 1.0) {
        return refuse(format!("image_power is {}; allowed are numbers above 0 up to 1", settings.image_power));
    }
    if data.classes.len() < 2 {
        let found = data.classes.first().map_or("no class".to_owned(), |class| format!("the one class {class:?}"));
        return refuse(format!(
            "a training tells classes apart and needs at least two, but the collection has {found}; label more items"
        ));
    }
    let count = |split| data.splits.iter().filter(|&&s| s == split).count();
    if count(Split::Train) < 2 {
        return refuse(format!("the training split has {} items; at least 2 are needed", count(Split::Train)));
    }
    if count(Split::Validation) == 0 {
        return refuse(
            "the validation split is empty, so no epoch can be chosen; give each class at least three items, or name a \
             validation split"
                .into(),
        );
    }
    for (what, matrix) in [("picture", &data.images), ("sentence", &data.texts)] {
        if let Some(row) = (0..matrix.rows()).find(|&row| matrix.row(row).iter().any(|x| !x.is_finite())) {
            return Err(DscmrError::NotFinite { what, row });
        }
    }
    Ok(())
}

/// A training at work.
struct Run<'a> {
    data: &'a TrainingData,
    settings: &'a TrainSettings,
    encoders: &'a (String, String),
    shape: Shape,
    optimizer: Optimizer,
    /// Shares memory with the optimizer.
    weights: Weights,
    best: Weights,
    place: Place,
    images: Features,
    texts: Features,
    /// (picture's row, caption's row) of every caption of the training split.
    pairs: Vec<(usize, usize)>,
}

/// Standardised features of all rows.
struct Features {
    scale: Standardisation,
    rows: Tensor,
}

impl Features {
    fn new(matrix: &FeatureMatrix, learned_from: &[usize], power: f64) -> Result<Self, DscmrError> {
        let scale = Standardisation::measure(matrix, learned_from, power);
        let rows = tensor(scale.apply(matrix, 0..matrix.rows()), (matrix.rows(), matrix.cols()))?;
        Ok(Self { scale, rows })
    }

    fn take(&self, rows: impl Iterator<Item = usize>) -> Result<Tensor, DscmrError> {
        let rows: Vec<u32> = rows.map(|row| row as u32).collect();
        let count = rows.len();
        Ok(self.rows.index_select(&Tensor::from_vec(rows, count, self.rows.device())?, 0)?)
    }
}

impl<'a> Run<'a> {
    fn begin(
        data: &'a TrainingData,
        settings: &'a TrainSettings,
        encoders: &'a (String, String),
        checkpoints: Option<&Path>,
    ) -> Result<Self, DscmrError> {
        let shape = Shape {
            image: data.images.cols(),
            text: data.texts.cols(),
            hidden: settings.hidden,
            dims: settings.dims,
            classes: data.classes.len(),
        };
        let pairs: Vec<(usize, usize)> = (0usize..)
            .zip(&data.text_items)
            .map(|(text, &item)| (item as usize, text))
            .filter(|(item, _)| data.splits[*item] == Split::Train)
            .collect();
        // Each picture counts once, however many captions it has.
        let image_rows: Vec<usize> = pairs.iter().map(|(item, _)| *item).collect::<BTreeSet<_>>().into_iter().collect();
        let text_rows: Vec<usize> = pairs.iter().map(|(_, text)| *text).collect();
        let images = Features::new(&data.images, &image_rows, settings.image_power)?;
        let texts = Features::new(&data.texts, &text_rows, 1.0)?;

        let fingerprint = fingerprint(data, settings, encoders);
        let found = checkpoints.and_then(|folder| Checkpoint::load(folder, &shape, &fingerprint));
        let (optimizer, best, place) = match found {
            Some(Checkpoint { place, states, best }) => {
                tracing::info!(epoch = place.epoch, "the training goes on from its checkpoint");
                (Optimizer::restore(shape, place.steps, states), Some(best), place)
            }
            None => {
                let place = Place {
                    fingerprint,
                    epoch: 1,
                    batches: 0,
                    sums: Terms::default(),
                    steps: 0,
                    epochs: Vec::new(),
                    best_epoch: 0,
                };
                (Optimizer::new(shape, settings.seed)?, None, place)
            }
        };
        let weights = optimizer.weights()?;
        let best = best.map_or_else(|| optimizer.snapshot(), Ok)?;
        Ok(Self { data, settings, encoders, shape, optimizer, weights, best, place, images, texts, pairs })
    }

    fn is_over(&self) -> bool {
        let done = self.place.epochs.len();
        done >= self.settings.max_epochs || done >= self.place.best_epoch + self.settings.patience.max(1)
    }

    /// The pairs of the epoch at work: all of them, in a random order.
    fn order(&self) -> Vec<(usize, usize)> {
        let mut pairs = self.pairs.clone();
        pairs.shuffle(&mut generator(self.settings.seed, &format!("epoch {}", self.place.epoch)));
        pairs
    }

    fn step(&mut self, pairs: &[(usize, usize)]) -> Result<(), DscmrError> {
        let mut y = vec![0f32; pairs.len() * self.shape.classes];
        for (row, (item, _)) in pairs.iter().enumerate() {
            for &label in &self.data.labels[*item] {
                y[row * self.shape.classes + label as usize] = 1.0;
            }
        }
        let batch = Batch {
            images: self.images.take(pairs.iter().map(|(item, _)| *item))?,
            texts: self.texts.take(pairs.iter().map(|(_, text)| *text))?,
            y: tensor(y, (pairs.len(), self.shape.classes))?,
        };
        // Drawn anew from the place in the course, so that a training that was interrupted takes the same course.
        let Place { epoch, batches, .. } = self.place;
        let rng = generator(self.settings.seed, &format!("dropout {epoch} {batches}"));
        let dropout = Dropout::draw(self.settings.dropout, (2 * pairs.len(), self.shape.hidden), rng)?;
        let found = step(&self.weights, &batch, dropout.as_ref(), self.settings)?;
        self.optimizer.update(&found.gradients, self.settings)?;
        let (sums, weight) = (&mut self.place.sums, pairs.len() as f64);
        sums.j1 += weight * found.terms.j1;
        sums.j2 += weight * found.terms.j2;
        sums.j3 += weight * found.terms.j3;
        self.place.batches += 1;
        Ok(())
    }

    /// Looks at validation and moves on to the next epoch.
    fn end_epoch(&mut self, pairs: usize, began: Instant) -> Result<Epoch, DscmrError> {
        let Terms { j1, j2, j3 } = self.place.sums;
        let terms = Terms { j1: j1 / pairs as f64, j2: j2 / pairs as f64, j3: j3 / pairs as f64 };
        let model = self.model(self.weights.clone());
        let points = Points::of(&model, self.data, Split::Validation)?;
        let epoch = Epoch {
            epoch: self.place.epoch,
            total: terms.total(self.settings.lambda, self.settings.eta),
            terms,
            map_image_to_text: points.image_to_text().mean_average_precision(),
            map_text_to_image: points.text_to_image().mean_average_precision(),
            seconds: began.elapsed().as_secs_f64(),
        };
        let best = self.place.epochs.iter().map(Epoch::map).fold(f64::NEG_INFINITY, f64::max);
        if epoch.map() > best {
            self.best = self.optimizer.snapshot()?;
            self.place.best_epoch = epoch.epoch;
        }
        self.place.epochs.push(epoch);
        self.place.epoch += 1;
        self.place.batches = 0;
        self.place.sums = Terms::default();
        Ok(epoch)
    }

    fn keep(&mut self, folder: Option<&Path>) -> Result<(), DscmrError> {
        let Some(folder) = folder else { return Ok(()) };
        self.place.steps = self.optimizer.steps();
        let states = self.optimizer.states().to_vec();
        Checkpoint { place: self.place.clone(), states, best: self.best.clone() }.save(folder)
    }

    fn model(&self, weights: Weights) -> Model {
        Model::new(Parts {
            shape: self.shape,
            classes: self.data.classes.clone(),
            encoders: self.encoders.clone(),
            settings: self.settings.clone(),
            weights,
            images: self.images.scale.clone(),
            texts: self.texts.scale.clone(),
            best_epoch: self.place.best_epoch,
            epochs: self.place.epochs.clone(),
        })
    }
}
