//! What does a picture look like to a network?

mod efficientnet;
pub(super) mod preprocess;

pub(super) use efficientnet::{EfficientNetLite, Scale};
