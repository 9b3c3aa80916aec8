//! Training of one head: batch by batch and epoch by epoch, until the validation score stops improving.
//!
//! Everything random is drawn from a generator that is seeded with its position in the training (epoch, batch,
//! purpose), so a resumed training continues as if it had not been interrupted.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;

use super::{
    checkpoint::{Checkpoint, TrainingState},
    dropout::Dropout,
    inputs::{TokenTable, TrainingInputs},
    noise::add_noise,
    optimizer::Optimizer,
    step::{Batch, BatchTarget, TextBatch, step},
};
use crate::model::{
    ClassSettings, Epoch, Event, Head, Hyperparameters, LossTerms, ModelError, TokenBatch, TrainedHead, Weights,
    dscmr::network::Shape, evaluate::split_embeddings::SplitEmbeddings, tensor, tensors::generator,
    text_cnn::TextCnnShape,
};

/// Interval between checkpoints.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// A head in training.
pub(crate) struct HeadTrainer<'a> {
    inputs: &'a TrainingInputs<'a>,
    head: Head,
    hyperparameters: &'a Hyperparameters,
    pairs: Vec<(usize, usize)>,
    max_epochs: usize,
    shape: Shape,
    optimizer: Optimizer,
    /// The current weights. They share memory with the optimizer.
    weights: Weights,
    /// Weights of the best epoch.
    best: Weights,
    state: TrainingState,
    objective: HeadObjective<'a>,
}

/// What the targets of a head's batches are made from.
enum HeadObjective<'a> {
    Class(&'a ClassSettings),
    Pair {
        temperature: f64,
        /// Group of each caption; captions of a group have the same text.
        text_groups: Vec<u32>,
        /// Groups of each item's captions.
        groups_of_item: Vec<BTreeSet<u32>>,
    },
}

impl<'a> HeadObjective<'a> {
    fn new(head: Head, inputs: &'a TrainingInputs<'a>) -> Self {
        let (data, settings) = (inputs.data, inputs.settings);
        match head {
            Head::Class => Self::Class(&settings.class),
            Head::Pair => {
                let text_groups = data.text_groups(0..data.texts.rows());
                let mut groups_of_item = vec![BTreeSet::new(); data.splits.len()];
                for (&item, &group) in data.text_items.iter().zip(&text_groups) {
                    groups_of_item[item as usize].insert(group);
                }
                Self::Pair { temperature: settings.pair.temperature, text_groups, groups_of_item }
            }
        }
    }
}

impl<'a> HeadTrainer<'a> {
    /// Starts a head, or resumes it from a checkpoint of the same data and settings.
    pub(crate) fn new(
        inputs: &'a TrainingInputs<'a>,
        head: Head,
        checkpoints: Option<&Path>,
    ) -> Result<Self, ModelError> {
        let TrainingInputs { data, settings, fingerprint, .. } = inputs;
        let (hyperparameters, classes) = match head {
            Head::Class => (&settings.class.optimizer, data.classes.len()),
            Head::Pair => (&settings.pair.optimizer, 0),
        };
        let shape = Shape {
            image: data.images.cols(),
            text: inputs.token_table.as_ref().map_or(data.texts.cols(), |_| TextCnnShape::OUTPUTS),
            hidden: hyperparameters.hidden,
            dims: hyperparameters.dims,
            classes,
            text_cnn: inputs.token_table.as_ref().map(TokenTable::shape),
        };
        let found = checkpoints.and_then(|folder| Checkpoint::load(folder, head, &shape, fingerprint));
        let (optimizer, best, state) = match found {
            Some(Checkpoint { state, optimizer, best }) => {
                tracing::info!(head = head.name(), epoch = state.epoch, "resuming the training from its checkpoint");
                (Optimizer::restore(shape, state.steps, optimizer, &inputs.device)?, Some(best), state)
            }
            None => {
                let embeddings = inputs.token_table.as_ref().map(|table| table.embeddings.as_slice());
                let optimizer = Optimizer::new(shape, settings.seed, head.name(), embeddings, &inputs.device)?;
                (optimizer, None, TrainingState::new(fingerprint.clone()))
            }
        };
        let weights = optimizer.weights()?;
        let pairs = inputs.pairs(head);
        let best = best.map_or_else(|| optimizer.snapshot(), Ok)?;
        Ok(Self {
            inputs,
            head,
            hyperparameters,
            max_epochs: hyperparameters.epochs(pairs.len()),
            pairs,
            shape,
            optimizer,
            weights,
            best,
            state,
            objective: HeadObjective::new(head, inputs),
        })
    }

    /// Trains to the end and returns the weights of the best epoch.
    pub(crate) fn run(
        mut self,
        checkpoints: Option<&Path>,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Event<'_>),
    ) -> Result<TrainedHead, ModelError> {
        let (epochs_done, max_epochs) = (self.state.epochs.len(), self.max_epochs);
        report(Event::HeadStarted { head: self.head, epochs_done, max_epochs });
        let mut saved = Instant::now();
        while !self.is_finished() {
            let started = Instant::now();
            let order = self.shuffled_pairs();
            let batches: Vec<&[(usize, usize)]> = order.chunks(self.hyperparameters.batch).collect();
            while self.state.batches < batches.len() {
                if stop.load(Ordering::Relaxed) {
                    self.save_checkpoint(checkpoints)?;
                    return Err(ModelError::Stopped);
                }
                self.step(batches[self.state.batches])?;
                if saved.elapsed() >= CHECKPOINT_INTERVAL {
                    self.save_checkpoint(checkpoints)?;
                    saved = Instant::now();
                }
            }
            let epoch = self.end_epoch(order.len(), started)?;
            report(Event::Epoch(&epoch));
        }
        // What follows may be interrupted; then this head must not be trained again.
        self.save_checkpoint(checkpoints)?;
        Ok(self.trained(self.best.clone()))
    }

    fn is_finished(&self) -> bool {
        let done = self.state.epochs.len();
        done >= self.max_epochs || done >= self.state.best_epoch + self.hyperparameters.patience.max(1)
    }

    /// Generator for one purpose in the training of this head.
    fn generator(&self, purpose: &str) -> rand_chacha::ChaCha8Rng {
        generator(self.inputs.settings.seed, &format!("{} {purpose}", self.head.name()))
    }

    /// The pairs in the order of the current epoch.
    fn shuffled_pairs(&self) -> Vec<(usize, usize)> {
        let mut pairs = self.pairs.clone();
        pairs.shuffle(&mut self.generator(&format!("epoch {}", self.state.epoch)));
        pairs
    }

    fn step(&mut self, pairs: &[(usize, usize)]) -> Result<(), ModelError> {
        let TrainingState { epoch, batches, .. } = self.state;
        let device = &self.inputs.device;
        let images = self.inputs.images.select(pairs.iter().map(|(item, _)| *item))?;
        let noise = self.generator(&format!("noise {epoch} {batches}"));
        let batch = Batch {
            images: add_noise(&images, self.hyperparameters.noise, noise)?.to_device(device)?,
            texts: self.texts(pairs)?,
        };
        let target = match &self.objective {
            HeadObjective::Class(settings) => {
                BatchTarget::Class { y: self.labels(pairs)?.to_device(device)?, settings }
            }
            HeadObjective::Pair { temperature, text_groups, groups_of_item } => {
                let positives = positives(pairs, text_groups, groups_of_item)?.to_device(device)?;
                BatchTarget::Pair { positives, temperature: *temperature }
            }
        };
        let rng = self.generator(&format!("dropout {epoch} {batches}"));
        let units = (2 * pairs.len(), self.shape.hidden);
        let dropout = Dropout::draw(self.hyperparameters.dropout, units, rng, device)?;
        let step = step(&self.weights, &batch, dropout.as_ref(), &target)?;
        let per_epoch = self.pairs.len().div_ceil(self.hyperparameters.batch);
        // Counted from 1, so that the warm-up does not begin with a step of size 0.
        let progress = ((epoch - 1) * per_epoch + batches + 1) as f64 / (self.max_epochs * per_epoch + 1) as f64;
        self.optimizer.update(&step.gradients, self.hyperparameters, progress)?;
        let (state, weight) = (&mut self.state, pairs.len() as f64);
        state.loss_sum += weight * step.loss.total;
        if let Some(terms) = step.loss.terms {
            state.term_sums.add(weight, terms);
        }
        state.batches += 1;
        Ok(())
    }

    /// Captions of a batch.
    fn texts(&self, pairs: &[(usize, usize)]) -> Result<TextBatch, ModelError> {
        let TrainingInputs { data, texts, token_table, device, .. } = self.inputs;
        let rows = pairs.iter().map(|(_, text)| *text);
        Ok(match token_table {
            Some(table) => {
                let features: Vec<f32> = rows.flat_map(|row| data.texts.row(row).iter().copied()).collect();
                TextBatch::Tokens(TokenBatch::new(&features, data.texts.cols(), &table.vocabulary, device)?)
            }
            None => TextBatch::Features(texts.select(rows)?.to_device(device)?),
        })
    }

    /// Y of a batch: 1 where a pair has a class, `[n, classes]`.
    fn labels(&self, pairs: &[(usize, usize)]) -> Result<Tensor, ModelError> {
        let classes = self.shape.classes;
        let mut y = vec![0f32; pairs.len() * classes];
        for (row, (item, _)) in pairs.iter().enumerate() {
            for &label in &self.inputs.data.labels[*item] {
                y[row * classes + label as usize] = 1.0;
            }
        }
        Ok(tensor(y, (pairs.len(), classes))?)
    }

    /// Evaluates the epoch on the validation split and moves on to the next one.
    fn end_epoch(&mut self, pairs: usize, started: Instant) -> Result<Epoch, ModelError> {
        let pairs = pairs as f64;
        let model = self.inputs.model(vec![self.trained(on_cpu(&self.weights)?)]);
        let epoch = Epoch {
            head: self.head,
            epoch: self.state.epoch,
            loss: self.state.loss_sum / pairs,
            terms: (self.head == Head::Class).then(|| self.state.term_sums.divided_by(pairs)),
            validation: SplitEmbeddings::of_validation(&model, self.inputs.data)?.quality(),
            seconds: started.elapsed().as_secs_f64(),
        };
        let best = self.state.epochs.iter().map(Epoch::score).fold(f64::NEG_INFINITY, f64::max);
        if epoch.score() > best {
            self.best = self.optimizer.snapshot()?;
            self.state.best_epoch = epoch.epoch;
        }
        let state = &mut self.state;
        state.epochs.push(epoch);
        state.epoch += 1;
        (state.batches, state.loss_sum, state.term_sums) = (0, 0.0, LossTerms::default());
        Ok(epoch)
    }

    fn save_checkpoint(&mut self, folder: Option<&Path>) -> Result<(), ModelError> {
        let Some(folder) = folder else { return Ok(()) };
        self.state.steps = self.optimizer.steps();
        let optimizer = self.optimizer.states().to_vec();
        let checkpoint = Checkpoint { state: self.state.clone(), optimizer, best: self.best.clone() };
        checkpoint.save(folder, self.head, &self.shape)
    }

    /// This head alone, with the given weights.
    fn trained(&self, weights: Weights) -> TrainedHead {
        TrainedHead {
            head: self.head,
            shape: self.shape,
            weight: 1.0,
            weights,
            best_epoch: self.state.best_epoch,
            epochs: self.state.epochs.clone(),
        }
    }
}

/// Weights on the CPU, copied only if they are on another device.
fn on_cpu(weights: &Weights) -> Result<Weights, ModelError> {
    weights.iter().map(|(name, weight)| Ok((*name, weight.to_device(&Device::Cpu)?))).collect()
}

/// T of a batch: 1 where a caption has the same text as one of the image's own, `[n, n]`, one row per image.
fn positives(
    pairs: &[(usize, usize)],
    text_groups: &[u32],
    groups_of_item: &[BTreeSet<u32>],
) -> Result<Tensor, ModelError> {
    let positive = |item: usize, text: usize| f32::from(u8::from(groups_of_item[item].contains(&text_groups[text])));
    let row = |&(item, _): &(usize, usize)| pairs.iter().map(move |&(_, text)| positive(item, text));
    Ok(tensor(pairs.iter().flat_map(row).collect(), (pairs.len(), pairs.len()))?)
}
