//! What is in the collection? Items with their captions, labels and features.

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
pub use features::{MissingPicture, MissingText};
pub use filter::{Bound, Clause, Field, Filter, Scalar, Test};
pub use import::{KnownRecord, NewRejection};
pub use item::{Caption, Item, NewImage, NewItem};
pub use keyword_search::words;
pub use read::{Counts, LabelCount, TrainingItem};
pub use sample::Sampled;
pub use write::{Gone, Kept, NewFeatures, Put, etag, matches};
