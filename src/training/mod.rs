//! How are records imported, and models trained and promoted?

mod activation;
mod encode_missing;
mod import;
mod precision_at_k;
mod promotion;
mod report;
mod settings;
mod train;
mod train_from_features;
mod trained_model;
mod training_set;

pub use activation::{activate, roll_back};
pub use encode_missing::{EncodeSummary, encode_missing};
pub use import::{ImportSummary, Records, import};
pub use precision_at_k::{JudgedQuery, LabelPrecision, PrecisionReport, QueryPrecision, precision_at_10};
pub use promotion::{DEFAULT_MARGIN, PromotionDecision, PromotionPolicy};
pub use report::{ReportPage, keep_report, report_page, report_page_of_features};
pub use settings::train_settings;
pub use train::{Trained, ablate, train};
pub use train_from_features::{TrainedOnFeatures, load_features, train_on_features};
pub use training_set::{TrainingSet, load_training_set};
pub(crate) use {activation::load_model, import::new_picture, train::lock_training, trained_model::remove};
