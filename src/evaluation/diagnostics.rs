//! Data of the report about a model.

use super::{LabelIssue, RECALL_LEVELS, ReliabilityBin, Report};

/// An image or a caption, by its row in the evaluated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntryRef {
    /// The image of an item.
    Image(usize),
    /// A caption.
    Caption(usize),
}

/// Diagnostics of a model on a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    /// Name of the split from which queries and gallery are.
    pub split: &'static str,
    /// The main metrics.
    pub report: Report,
    /// Class names.
    pub classes: Vec<String>,
    /// Number of images by true class (row) and predicted class (column). An image of several classes counts for the
    /// predicted one if it has it, else for its first.
    pub confusion: Vec<Vec<usize>>,
    /// Precision at recalls 0, 1/20, … 1, of images as queries for captions and of captions as queries for images.
    pub precision_at_recall: [[f64; RECALL_LEVELS]; 2],
    /// Predicted relevance and observed frequency, with the name of the pairs that were compared.
    pub reliability: Vec<(&'static str, [ReliabilityBin; 10])>,
    /// Training of each head.
    pub training: Vec<TrainingCurve>,
    /// Projection of images and captions to two dimensions.
    pub projection: Vec<ProjectedEntry>,
    /// Queries with the lowest average precision, worst first.
    pub worst: Vec<WorstQuery>,
    /// Items of all splits whose label may be wrong, most likely first.
    pub label_issues: Vec<LabelIssue>,
    /// Captions of all splits that are farthest from their item's image, farthest first.
    pub mismatches: Vec<Mismatch>,
}

/// Training of one head.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingCurve {
    /// Name of the head.
    pub head: String,
    /// Epoch whose weights are used, from 1.
    pub best_epoch: usize,
    /// Losses by name, one value per epoch.
    pub losses: Vec<(&'static str, Vec<f64>)>,
    /// Validation scores by name, one value per epoch.
    pub validation: Vec<(&'static str, Vec<f64>)>,
}

/// A point of the projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProjectedEntry {
    /// The image or caption.
    pub entry: EntryRef,
    /// Its first class.
    pub class: u32,
    /// Coordinates in [-1, 1]².
    pub position: [f32; 2],
}

/// A query with a low average precision.
#[derive(Debug, Clone, PartialEq)]
pub struct WorstQuery {
    /// The query.
    pub query: EntryRef,
    /// Average precision over the whole gallery.
    pub average_precision: f64,
    /// The first results.
    pub results: Vec<RankedEntry>,
}

/// A result of a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankedEntry {
    /// The image or caption.
    pub entry: EntryRef,
    /// Cosine with the query.
    pub cosine: f32,
    /// Whether it shares a class with the query.
    pub relevant: bool,
}

/// A caption that is far from its item's image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mismatch {
    /// Row of the item.
    pub item: usize,
    /// Row of the caption.
    pub caption: usize,
    /// Distance of the embeddings, ‖u − v‖, in [0, 2].
    pub distance: f32,
}
