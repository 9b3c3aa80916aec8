//! How does a collection grow and get a common space?

mod activation;
mod encode_missing;
mod import;
mod precision_at_k;
mod promotion;
mod report;
mod settings;
mod train;
mod train_from_features;

pub use activation::{activate, roll_back};
pub use encode_missing::{EncodeSummary, encode_missing};
pub use import::{ImportSummary, Records, import};
pub use precision_at_k::{JudgedQuery, LabelPrecision, PrecisionReport, QueryPrecision, precision_at_10};
pub use promotion::{DEFAULT_MARGIN, PromotionDecision, PromotionPolicy};
pub use report::{ReportPage, keep_report, report_page, report_page_of_features};
pub use settings::train_settings;
pub use train::{Trained, TrainingSet, ablate, load_training_set, train};
pub use train_from_features::{TrainedOnFeatures, load_features, train_on_features};
pub(crate) use {
    activation::load_model,
    import::new_picture,
    train::{lock, remove},
};
