//! All that a close look at a common space finds, for the page that people read.

use super::{RECALL_LEVELS, ReliabilityBin, Report, Suspect};

/// A picture or a caption, by its position in what was examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The picture of an item.
    Picture(usize),
    /// A caption.
    Caption(usize),
}

/// A close look at a common space.
#[derive(Debug, Clone, PartialEq)]
pub struct Examination {
    /// Name of the split that queries and gallery are from.
    pub split: &'static str,
    /// The numbers in short.
    pub report: Report,
    /// Class names.
    pub classes: Vec<String>,
    /// Pictures by true class (row) and the class that the label layer names (column); a picture of several classes counts
    /// for the named one if it bears it, else for its first.
    pub confusion: Vec<Vec<usize>>,
    /// Precision at recalls 0, 1/20, … 1: pictures ask for captions, and words for pictures.
    pub precision_at_recall: [[f64; RECALL_LEVELS]; 2],
    /// Promised relevance against what was found, by what is compared with what.
    pub reliability: Vec<(&'static str, [ReliabilityBin; 10])>,
    /// How the training went, part by part.
    pub training: Vec<TrainingCurve>,
    /// Pictures and captions on a sheet.
    pub map: Vec<MapPoint>,
    /// Queries that fared worst, worst first.
    pub worst: Vec<WorstQuery>,
    /// Items of all splits that seem to bear a wrong label.
    pub suspects: Vec<Suspect>,
    /// Pictures and captions of one item, of all splits, that lie farthest apart.
    pub mismatches: Vec<Mismatch>,
}

/// How one part of the space was learned.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingCurve {
    /// Its name.
    pub part: String,
    /// The epoch that was kept, from 1.
    pub best_epoch: usize,
    /// Lines of the loss, by name, a number for each epoch.
    pub losses: Vec<(&'static str, Vec<f64>)>,
    /// Lines of the validation scores, by name, a number for each epoch.
    pub validation: Vec<(&'static str, Vec<f64>)>,
}

/// A point of the map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapPoint {
    /// What it is.
    pub place: Place,
    /// Its first class.
    pub class: u32,
    /// Where it lies, in [-1, 1]².
    pub at: [f32; 2],
}

/// A query that fared badly.
#[derive(Debug, Clone, PartialEq)]
pub struct WorstQuery {
    /// What asked.
    pub query: Place,
    /// Average precision over the whole gallery.
    pub average_precision: f64,
    /// The first results.
    pub found: Vec<Found>,
}

/// A result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// What was found.
    pub place: Place,
    /// Its cosine with the query.
    pub cosine: f32,
    /// Whether it shares a class with the query.
    pub relevant: bool,
}

/// A picture and a caption of one item that lie far apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mismatch {
    /// The item.
    pub item: usize,
    /// The caption.
    pub caption: usize,
    /// Distance of their points, ‖u − v‖, in [0, 2].
    pub distance: f32,
}
