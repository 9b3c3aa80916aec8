//! One part of a common space at work: batch by batch, epoch by epoch, until its validation score no longer grows.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;

use super::{
    checkpoint::{Checkpoint, Place},
    dropout::{Dropout, add_noise},
    optimizer::Optimizer,
    trainer::{Inputs, Words},
};
use crate::model::{
    ClassPart, Course, DscmrError, Epoch, Event, Part, Terms,
    dscmr::network::{Batch, Goal, Shape, Texts, Weights, generator, step, tensor},
    evaluate::split_embeddings::Points,
    heads::Learned,
    text_cnn::{SentenceShape, Sentences},
};

/// How often a running training is kept on disk.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// A part that is being learned.
pub(crate) struct Run<'a> {
    inputs: &'a Inputs<'a>,
    part: Part,
    course: &'a Course,
    pairs: Vec<(usize, usize)>,
    /// At most.
    epochs: usize,
    shape: Shape,
    optimizer: Optimizer,
    /// Shares memory with the optimizer.
    weights: Weights,
    best: Weights,
    place: Place,
    lesson: Lesson<'a>,
}

/// What a part's steps go by.
enum Lesson<'a> {
    Class(&'a ClassPart),
    Pair {
        temperature: f64,
        /// What each caption reads; equal numbers read the same.
        reads: Vec<u32>,
        /// What the captions of each item read.
        reads_of: Vec<BTreeSet<u32>>,
    },
}

impl<'a> Lesson<'a> {
    fn of(part: Part, inputs: &'a Inputs<'a>) -> Self {
        let (data, settings) = (inputs.data, inputs.settings);
        match part {
            Part::Class => Self::Class(&settings.class),
            Part::Pair => {
                let reads = data.reads(0..data.texts.rows());
                let mut reads_of = vec![BTreeSet::new(); data.splits.len()];
                for (&item, &read) in data.text_items.iter().zip(&reads) {
                    reads_of[item as usize].insert(read);
                }
                Self::Pair { temperature: settings.pair.temperature, reads, reads_of }
            }
        }
    }
}

impl<'a> Run<'a> {
    /// Begins, or goes on where a checkpoint of the same data and settings left off.
    pub(crate) fn begin(inputs: &'a Inputs<'a>, part: Part, checkpoints: Option<&Path>) -> Result<Self, DscmrError> {
        let Inputs { data, settings, fingerprint, .. } = inputs;
        let (course, classes) = match part {
            Part::Class => (&settings.class.course, data.classes.len()),
            Part::Pair => (&settings.pair.course, 0),
        };
        let shape = Shape {
            image: data.images.cols(),
            text: inputs.words.as_ref().map_or(data.texts.cols(), |_| SentenceShape::OUTPUTS),
            hidden: course.hidden,
            dims: course.dims,
            classes,
            sentence: inputs.words.as_ref().map(Words::shape),
        };
        let found = checkpoints.and_then(|folder| Checkpoint::load(folder, part, &shape, fingerprint));
        let (optimizer, best, place) = match found {
            Some(Checkpoint { place, states, best }) => {
                tracing::info!(part = part.name(), epoch = place.epoch, "the training goes on from its checkpoint");
                (Optimizer::restore(shape, place.steps, states, &inputs.device)?, Some(best), place)
            }
            None => {
                let place = Place {
                    fingerprint: fingerprint.clone(),
                    epoch: 1,
                    batches: 0,
                    total: 0.0,
                    sums: Terms::default(),
                    steps: 0,
                    epochs: Vec::new(),
                    best_epoch: 0,
                };
                let embeddings = inputs.words.as_ref().map(|words| words.embeddings.as_slice());
                (Optimizer::new(shape, settings.seed, part.name(), embeddings, &inputs.device)?, None, place)
            }
        };
        let weights = optimizer.weights()?;
        let pairs = inputs.pairs(part);
        let best = best.map_or_else(|| optimizer.snapshot(), Ok)?;
        Ok(Self {
            inputs,
            part,
            course,
            epochs: course.epochs(pairs.len()),
            pairs,
            shape,
            optimizer,
            weights,
            best,
            place,
            lesson: Lesson::of(part, inputs),
        })
    }

    /// Learns to the end.
    pub(crate) fn learn(
        mut self,
        checkpoints: Option<&Path>,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Event<'_>),
    ) -> Result<Learned, DscmrError> {
        report(Event::Part { part: self.part, done: self.place.epochs.len(), most: self.epochs });
        let mut kept = Instant::now();
        while !self.is_over() {
            let began = Instant::now();
            let order = self.order();
            let batches: Vec<&[(usize, usize)]> = order.chunks(self.course.batch).collect();
            while self.place.batches < batches.len() {
                if stop.load(Ordering::Relaxed) {
                    self.keep(checkpoints)?;
                    return Err(DscmrError::Stopped);
                }
                self.step(batches[self.place.batches])?;
                if kept.elapsed() >= KEEP_EVERY {
                    self.keep(checkpoints)?;
                    kept = Instant::now();
                }
            }
            let epoch = self.end_epoch(order.len(), began)?;
            report(Event::Epoch(&epoch));
        }
        // What comes after this part may be stopped or killed.
        self.keep(checkpoints)?;
        Ok(self.learned(self.best.clone()))
    }

    fn is_over(&self) -> bool {
        let done = self.place.epochs.len();
        done >= self.epochs || done >= self.place.best_epoch + self.course.patience.max(1)
    }

    /// A generator for one purpose of this part.
    fn generator(&self, purpose: &str) -> rand_chacha::ChaCha8Rng {
        generator(self.inputs.settings.seed, &format!("{} {purpose}", self.part.name()))
    }

    /// The pairs of the epoch at work: all of them, in a random order.
    fn order(&self) -> Vec<(usize, usize)> {
        let mut pairs = self.pairs.clone();
        pairs.shuffle(&mut self.generator(&format!("epoch {}", self.place.epoch)));
        pairs
    }

    fn step(&mut self, pairs: &[(usize, usize)]) -> Result<(), DscmrError> {
        // Drawn anew from the place in the course, so that a training that was interrupted takes the same course.
        let Place { epoch, batches, .. } = self.place;
        let device = &self.inputs.device;
        let images = self.inputs.images.take(pairs.iter().map(|(item, _)| *item))?;
        let batch = Batch {
            images: add_noise(&images, self.course.noise, self.generator(&format!("noise {epoch} {batches}")))?
                .to_device(device)?,
            texts: self.texts(pairs)?,
        };
        let goal = match &self.lesson {
            Lesson::Class(part) => Goal::Class { y: self.labels(pairs)?.to_device(device)?, part },
            Lesson::Pair { temperature, reads, reads_of } => {
                let together = together(pairs, reads, reads_of)?.to_device(device)?;
                Goal::Pair { together, temperature: *temperature }
            }
        };
        let rng = self.generator(&format!("dropout {epoch} {batches}"));
        let dropout = Dropout::draw(self.course.dropout, (2 * pairs.len(), self.shape.hidden), rng, device)?;
        let found = step(&self.weights, &batch, dropout.as_ref(), &goal)?;
        let in_an_epoch = self.pairs.len().div_ceil(self.course.batch);
        // The first step is the first of the rise and not of no length.
        let done = ((epoch - 1) * in_an_epoch + batches + 1) as f64 / (self.epochs * in_an_epoch + 1) as f64;
        self.optimizer.update(&found.gradients, self.course, done)?;
        let (place, weight) = (&mut self.place, pairs.len() as f64);
        place.total += weight * found.loss.total;
        if let Some(Terms { j1, j2, j3 }) = found.loss.terms {
            place.sums.j1 += weight * j1;
            place.sums.j2 += weight * j2;
            place.sums.j3 += weight * j3;
        }
        place.batches += 1;
        Ok(())
    }

    /// The sentences of some pairs.
    fn texts(&self, pairs: &[(usize, usize)]) -> Result<Texts, DscmrError> {
        let Inputs { data, texts, words, device, .. } = self.inputs;
        let rows = pairs.iter().map(|(_, text)| *text);
        Ok(match words {
            Some(words) => {
                let features: Vec<f32> = rows.flat_map(|row| data.texts.row(row).iter().copied()).collect();
                Texts::Tokens(Sentences::new(&features, data.texts.cols(), &words.vocabulary, device)?)
            }
            None => Texts::Features(texts.take(rows)?.to_device(device)?),
        })
    }

    /// Y: 1 where a pair bears a class, `[n, classes]`.
    fn labels(&self, pairs: &[(usize, usize)]) -> Result<Tensor, DscmrError> {
        let classes = self.shape.classes;
        let mut y = vec![0f32; pairs.len() * classes];
        for (row, (item, _)) in pairs.iter().enumerate() {
            for &label in &self.inputs.data.labels[*item] {
                y[row * classes + label as usize] = 1.0;
            }
        }
        Ok(tensor(y, (pairs.len(), classes))?)
    }

    /// Looks at validation and moves on to the next epoch.
    fn end_epoch(&mut self, pairs: usize, began: Instant) -> Result<Epoch, DscmrError> {
        let mean = |sum: f64| sum / pairs as f64;
        let Terms { j1, j2, j3 } = self.place.sums;
        let model = self.inputs.model(vec![self.learned(on_cpu(&self.weights)?)]);
        let epoch = Epoch {
            part: self.part,
            epoch: self.place.epoch,
            total: mean(self.place.total),
            terms: (self.part == Part::Class).then(|| Terms { j1: mean(j1), j2: mean(j2), j3: mean(j3) }),
            validation: Points::of_validation(&model, self.inputs.data)?.quality(),
            seconds: began.elapsed().as_secs_f64(),
        };
        let best = self.place.epochs.iter().map(Epoch::score).fold(f64::NEG_INFINITY, f64::max);
        if epoch.score() > best {
            self.best = self.optimizer.snapshot()?;
            self.place.best_epoch = epoch.epoch;
        }
        let place = &mut self.place;
        place.epochs.push(epoch);
        place.epoch += 1;
        (place.batches, place.total, place.sums) = (0, 0.0, Terms::default());
        Ok(epoch)
    }

    fn keep(&mut self, folder: Option<&Path>) -> Result<(), DscmrError> {
        let Some(folder) = folder else { return Ok(()) };
        self.place.steps = self.optimizer.steps();
        let states = self.optimizer.states().to_vec();
        let checkpoint = Checkpoint { place: self.place.clone(), states, best: self.best.clone() };
        checkpoint.save(folder, self.part, &self.shape)
    }

    /// This part alone, with these weights.
    fn learned(&self, weights: Weights) -> Learned {
        Learned {
            part: self.part,
            shape: self.shape,
            weight: 1.0,
            weights,
            best_epoch: self.place.best_epoch,
            epochs: self.place.epochs.clone(),
        }
    }
}

/// Weights where models have them; a copy only if they are elsewhere.
fn on_cpu(weights: &Weights) -> Result<Weights, DscmrError> {
    weights.iter().map(|(name, weight)| Ok((*name, weight.to_device(&Device::Cpu)?))).collect()
}

/// T: 1 where a caption is one of the picture's or reads the same as one, `[n, n]`, a row for each picture.
fn together(pairs: &[(usize, usize)], reads: &[u32], reads_of: &[BTreeSet<u32>]) -> Result<Tensor, DscmrError> {
    let belongs = |item: usize, text: usize| f32::from(u8::from(reads_of[item].contains(&reads[text])));
    let row = |&(item, _): &(usize, usize)| pairs.iter().map(move |&(_, text)| belongs(item, text));
    Ok(tensor(pairs.iter().flat_map(row).collect(), (pairs.len(), pairs.len()))?)
}
