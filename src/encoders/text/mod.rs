//! How are texts encoded?

mod bert;
mod minilm;
mod token_embeddings;
mod token_features;
mod tokenizer;

pub(super) use minilm::MiniLm;
pub use token_embeddings::TokenEmbeddings;
pub(super) use token_features::TokenFeatureEncoder;
pub use token_features::token_ids;
pub use tokenizer::Tokenized;
