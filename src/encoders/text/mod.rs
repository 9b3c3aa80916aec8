//! What does a text look like to a network?

mod bert;
mod minilm;
mod token_features;
mod tokenizer;

pub(super) use minilm::MiniLm;
pub(super) use token_features::Tokens;
pub use token_features::{TokenEmbeddings, token_ids};
