//! Token ids as features, from which the text CNN of [`crate::model`] learns.
//!
//! A token takes two numbers, the digits of its id in base 2048: features are stored as f16, which represents no larger
//! integers exactly. After the last token all numbers are 0, the id of padding.

use std::path::{Path, PathBuf};

use super::tokenizer::{MAX_CHARACTERS, Tokenizer};
use crate::encoders::{
    EncoderError, Manifest, TextEncoder, TokenEmbeddings, Tokenized,
    tensor_file::{self, TensorFile},
};

/// Base of the digits of an id.
const BASE: u32 = 2048;

/// Tensor with the pretrained embeddings of the tokens.
const TABLE: &str = "embeddings.word_embeddings.weight";

/// The token ids in a feature vector.
pub fn token_ids(features: &[f32]) -> impl Iterator<Item = u32> {
    let (digits, _) = features.as_chunks::<2>();
    digits.iter().map(|[high, low]| *high as u32 * BASE + *low as u32).take_while(|&id| id != 0)
}

/// The text encoder whose features are token ids.
pub(in crate::encoders) struct TokenFeatureEncoder {
    id: String,
    max_tokens: usize,
    tokenizer: Tokenizer,
    weights_path: PathBuf,
    vocabulary: usize,
}

impl TokenFeatureEncoder {
    /// Loads the tokenizer that `manifest` describes from `dir/<id>/`.
    pub(in crate::encoders) fn open(
        dir: &Path,
        manifest: &Manifest,
        max_tokens: usize,
        vocabulary: usize,
    ) -> Result<Self, EncoderError> {
        let home = dir.join(&manifest.id);
        let path = home.join("tokenizer.json");
        let bytes = tensor_file::read_file(&manifest.id, &path)?;
        let id = format!("{}-{}-t{max_tokens}c{MAX_CHARACTERS}", manifest.id, tensor_file::fingerprint(&[&bytes]));
        let tokenizer = Tokenizer::parse(&path, &bytes, max_tokens, vocabulary)?;
        Ok(Self { id, max_tokens, tokenizer, weights_path: home.join("model.safetensors"), vocabulary })
    }

    fn features(&self, ids: &[u32]) -> Vec<f32> {
        let mut features = Vec::with_capacity(2 * self.max_tokens);
        // A text may contain the padding token literally.
        for &id in ids.iter().filter(|&&id| id != 0) {
            features.extend([(id / BASE) as f32, (id % BASE) as f32]);
        }
        features.resize(2 * self.max_tokens, 0.0);
        features
    }
}

impl TextEncoder for TokenFeatureEncoder {
    fn id(&self) -> &str {
        &self.id
    }

    fn dims(&self) -> usize {
        2 * self.max_tokens
    }

    fn tokenize(&self, text: &str) -> Result<Tokenized, EncoderError> {
        self.tokenizer.tokenize(text, false)
    }

    fn encode_tokens(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        texts.iter().map(|ids| self.features(ids)).collect()
    }

    fn token_embeddings(&self) -> Result<Option<TokenEmbeddings>, EncoderError> {
        let bytes = tensor_file::read_file(&self.id, &self.weights_path)?;
        let weights = TensorFile::parse(&self.weights_path, &bytes)?;
        let (values, dims) = weights.take_rows(TABLE, self.vocabulary)?;
        Ok(Some(TokenEmbeddings { dims, values }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_ids_end_at_the_padding() {
        assert_eq!(
            token_ids(&[0.0, 7.0, 14.0, 1849.0, 1.0, 0.0, 0.0, 0.0, 0.0, 3.0]).collect::<Vec<_>>(),
            [7, 30521, 2048]
        );
        assert_eq!(token_ids(&[0.0; 8]).count(), 0);
    }
}
