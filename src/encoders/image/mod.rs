//! How are pictures encoded?

mod efficientnet;
pub(super) mod preprocess;

pub(super) use efficientnet::{EfficientNetLite, Scale};
