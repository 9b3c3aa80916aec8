//! What is in the collection?

mod change_log;
mod features;
mod filter;
mod import;
mod item;
mod keyword_search;
mod read;
mod sample;
mod write;

pub use change_log::{Changes, FeatureKinds, KeyedFeatures, Watermark};
pub use features::{Content, MissingFeature};
pub use filter::{Bound, Clause, Field, Filter, Predicate, Scalar};
pub use import::NewRejection;
pub use item::{Caption, Item, NewImage, NewItem};
pub use keyword_search::tokenize;
pub use read::{Counts, LabelCount, TrainingItem};
pub use sample::Sample;
pub use write::{DeleteOutcome, NewFeatures, PutOutcome, WriteCondition, etag, etag_matches};
