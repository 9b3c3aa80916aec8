//! Sentences cut into tokens, as the tokenizer of a published network does it.

use std::path::Path;

use tokenizers::{Tokenizer, TruncationParams};

use crate::encoders::{Cut, EncoderError};

/// Characters that are looked at. Two hundred and fifty-six tokens of prose take about 1300; a text without spaces or of
/// unknown words alone could take any number, and time and memory of the tokenizer grow with it.
pub(super) const MAX_CHARACTERS: usize = 8192;

/// A tokenizer.
pub(super) struct Cutter {
    tokenizer: Tokenizer,
    unknown: Option<u32>,
}

impl Cutter {
    /// Reads `tokenizer.json`, whose content is `bytes`; `path` is for messages. Sentences are cut after `max_tokens`, and
    /// no token's id may reach `vocabulary`.
    pub(super) fn parse(path: &Path, bytes: &[u8], max_tokens: usize, vocabulary: usize) -> Result<Self, EncoderError> {
        let damaged = |e: tokenizers::Error| EncoderError::damaged(path, e);
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(damaged)?;
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(damaged)?;
        // The file pads every sentence to 128 tokens; no network here needs padding at all.
        tokenizer.with_padding(None);
        if let Some(largest) = tokenizer.get_vocab(true).into_values().max().filter(|&id| id as usize >= vocabulary) {
            let reason = format!("it has a token of id {largest}, the network knows {vocabulary} tokens");
            return Err(EncoderError::damaged(path, reason));
        }
        let unknown = tokenizer.token_to_id("[UNK]");
        Ok(Self { tokenizer, unknown })
    }

    /// The tokens of a sentence, between the two special ones if `special`.
    pub(super) fn cut(&self, sentence: &str, special: bool) -> Result<Cut, EncoderError> {
        let tokens = self.tokenizer.encode_fast(looked_at(sentence), special);
        let tokens = tokens.map_err(|e| EncoderError::Tokenizer(e.to_string()))?;
        let ids = tokens.get_ids();
        let words = tokens.get_special_tokens_mask().iter().filter(|&&special| special == 0).count();
        let unknown = ids.iter().filter(|&&id| Some(id) == self.unknown).count();
        let unknown = if words == 0 { 0.0 } else { unknown as f32 / words as f32 };
        Ok(Cut { ids: ids.into(), unknown })
    }
}

/// The part of a sentence that can matter: [`MAX_CHARACTERS`] from the first that is not white space.
fn looked_at(sentence: &str) -> &str {
    let sentence = sentence.trim_start();
    match sentence.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => &sentence[..end],
        None => sentence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_ends_between_characters() {
        assert_eq!(looked_at(" \n a bird "), "a bird ");
        let birds = "🐦".repeat(MAX_CHARACTERS + 5);
        assert_eq!(looked_at(&birds).chars().count(), MAX_CHARACTERS);
        assert_eq!(looked_at(""), "");
    }
}
