//! The tokenizer of a published network, from its `tokenizer.json`.

use std::path::Path;

use tokenizers::TruncationParams;

use crate::encoders::EncoderError;

/// Maximum number of characters that are tokenized. 256 tokens of prose take about 1300; the tokenizer's time and
/// memory grow with the text, and a text without spaces or of unknown words could have any length.
pub(super) const MAX_CHARACTERS: usize = 8192;

/// A text as token ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Tokenized {
    /// Token ids, at least one unless the encoder adds no special tokens.
    pub ids: Box<[u32]>,
    /// Fraction of the tokens that the vocabulary lacks, in [0, 1], special tokens not counted.
    pub unknown_ratio: f32,
}

/// A tokenizer.
pub(super) struct Tokenizer {
    inner: tokenizers::Tokenizer,
    unknown_id: Option<u32>,
}

impl Tokenizer {
    /// Parses `tokenizer.json` from `bytes`; `path` is for messages. Texts are truncated to `max_tokens`, and token ids
    /// must be below `vocabulary`.
    pub(super) fn parse(path: &Path, bytes: &[u8], max_tokens: usize, vocabulary: usize) -> Result<Self, EncoderError> {
        let damaged = |e: tokenizers::Error| EncoderError::damaged(path, e);
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(damaged)?;
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        inner.with_truncation(Some(truncation)).map_err(damaged)?;
        // The file pads every text to 128 tokens; our networks need no padding.
        inner.with_padding(None);
        if let Some(largest) = inner.get_vocab(true).into_values().max().filter(|&id| id as usize >= vocabulary) {
            let reason = format!("it has a token with id {largest}, the network has {vocabulary} tokens");
            return Err(EncoderError::damaged(path, reason));
        }
        let unknown_id = inner.token_to_id("[UNK]");
        Ok(Self { inner, unknown_id })
    }

    /// The tokens of a text, enclosed in the two special tokens if `special`.
    pub(super) fn tokenize(&self, text: &str, special: bool) -> Result<Tokenized, EncoderError> {
        let tokens = self.inner.encode_fast(truncate(text), special);
        let tokens = tokens.map_err(|e| EncoderError::Tokenizer(e.to_string()))?;
        let ids = tokens.get_ids();
        let words = tokens.get_special_tokens_mask().iter().filter(|&&special| special == 0).count();
        let unknown = ids.iter().filter(|&&id| Some(id) == self.unknown_id).count();
        let unknown_ratio = if words == 0 { 0.0 } else { unknown as f32 / words as f32 };
        Ok(Tokenized { ids: ids.into(), unknown_ratio })
    }
}

/// [`MAX_CHARACTERS`] of a text, from the first that is not white space.
fn truncate(text: &str) -> &str {
    let text = text.trim_start();
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_ends_between_characters() {
        assert_eq!(truncate(" \n a bird "), "a bird ");
        let birds = "🐦".repeat(MAX_CHARACTERS + 5);
        assert_eq!(truncate(&birds).chars().count(), MAX_CHARACTERS);
        assert_eq!(truncate(""), "");
    }
}
