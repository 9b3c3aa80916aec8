//! Progress of a training.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Head, LossTerms, Quality};

/// Result of one pass over the training split. The JSON keys are those of stored models and checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Head that was trained.
    #[serde(rename = "part")]
    pub head: Head,
    /// Number of the epoch, from 1 in each head.
    pub epoch: usize,
    /// Mean loss over pairs: J of the class head, InfoNCE of the pair head.
    #[serde(rename = "total")]
    pub loss: f64,
    /// The terms of J; `None` for the pair head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<LossTerms>,
    /// Quality of this head alone on the validation split.
    pub validation: Quality,
    /// Duration. It is not stored, so that the same training always writes the same files.
    #[serde(skip)]
    pub seconds: f64,
}

/// Progress that a training reports.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The training of a head starts, or resumes from a checkpoint.
    HeadStarted {
        /// The head.
        head: Head,
        /// Epochs completed before.
        epochs_done: usize,
        /// Maximum number of epochs.
        max_epochs: usize,
    },
    /// An epoch is complete.
    Epoch(&'a Epoch),
}

impl Epoch {
    /// Score by which the best epoch is chosen: mAP of the class head, mR of the pair head.
    pub(crate) fn score(&self) -> f64 {
        match self.head {
            Head::Class => self.validation.mean_map(),
            Head::Pair => self.validation.mean_recall,
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} head, epoch {:>3}  ", self.head.name(), self.epoch)?;
        match self.terms {
            Some(terms) => {
                write!(f, "J {:.4}", self.loss)?;
                for (name, value) in terms.named() {
                    write!(f, "  {name} {value:.4}")?;
                }
            }
            None => write!(f, "loss {:.4}", self.loss)?,
        }
        let Quality { map_image_to_text, map_text_to_image, mean_recall } = self.validation;
        write!(f, "  validation mAP {map_image_to_text:.4} / {map_text_to_image:.4}  mR {mean_recall:.2}  ")?;
        write!(f, "{:.1} s", self.seconds)
    }
}
