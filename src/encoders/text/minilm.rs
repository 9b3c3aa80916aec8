//! MiniLM as in sentence-transformers: BERT, the mean of its token vectors under the mask, scaled to norm 1.
//!
//! Reimers and Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", EMNLP 2019,
//! <https://arxiv.org/abs/1908.10084>.

use std::{ops::Range, path::Path};

use rayon::prelude::*;

use super::{
    bert::{Bert, Config},
    tokenizer::{MAX_CHARACTERS, Tokenized, Tokenizer},
};
use crate::{
    core::SimdLevel,
    encoders::{
        EncoderError, Manifest, TextEncoder,
        tensor_file::{self, TensorFile},
    },
};

/// Maximum number of tokens in a batch of more than one text: enough to amortise reading the weights, and few enough
/// that the activations take about ten megabytes.
const BATCH_TOKENS: usize = 512;

/// The text encoder.
pub(in crate::encoders) struct MiniLm {
    id: String,
    dims: usize,
    tokenizer: Tokenizer,
    network: Bert,
}

impl MiniLm {
    /// Loads the network that `manifest` describes from `dir/<id>/`.
    pub(in crate::encoders) fn open(dir: &Path, manifest: &Manifest, max_tokens: usize) -> Result<Self, EncoderError> {
        let home = dir.join(&manifest.id);
        let [config_path, tokenizer_path, weights_path] =
            ["config.json", "tokenizer.json", "model.safetensors"].map(|f| home.join(f));
        let config_bytes = tensor_file::read_file(&manifest.id, &config_path)?;
        let tokenizer_bytes = tensor_file::read_file(&manifest.id, &tokenizer_path)?;
        let weights_bytes = tensor_file::read_file(&manifest.id, &weights_path)?;
        let hash = tensor_file::fingerprint(&[&config_bytes, &tokenizer_bytes, &weights_bytes]);
        let id = format!("{}-{hash}-t{max_tokens}c{MAX_CHARACTERS}", manifest.id);

        let config: Config =
            serde_json::from_slice(&config_bytes).map_err(|e| EncoderError::damaged(&config_path, e))?;
        if config.num_attention_heads == 0 || !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            let (dims, heads) = (config.hidden_size, config.num_attention_heads);
            return Err(EncoderError::damaged(
                &config_path,
                format!("its {dims} dimensions are not a multiple of {heads} heads"),
            ));
        }
        if config.hidden_size != manifest.dims || config.max_position_embeddings < max_tokens {
            let (dims, most) = (config.hidden_size, config.max_position_embeddings);
            let reason = format!(
                "it has {dims} dimensions and a maximum of {most} tokens, the manifest requires {} and {max_tokens}",
                manifest.dims
            );
            return Err(EncoderError::damaged(&config_path, reason));
        }
        let tokenizer = Tokenizer::parse(&tokenizer_path, &tokenizer_bytes, max_tokens, config.vocab_size)?;
        let weights = TensorFile::parse(&weights_path, &weights_bytes)?;
        let network = Bert::load(&weights, config, SimdLevel::best())?;
        Ok(Self { id, dims: manifest.dims, tokenizer, network })
    }

    /// The features of some texts.
    fn batch(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let hidden = self.network.forward(texts);
        let mut rest = hidden.as_slice();
        let mut features = Vec::with_capacity(texts.len());
        for ids in texts {
            let (own, others) = rest.split_at(ids.len() * self.dims);
            features.push(pooled(own, self.dims));
            rest = others;
        }
        features
    }
}

/// Groups texts of these lengths into batches of at most [`BATCH_TOKENS`], and at least `threads` batches if possible.
fn batches(lengths: &[usize], threads: usize) -> Vec<Range<usize>> {
    let share = lengths.iter().sum::<usize>().div_ceil(threads.max(1)).min(BATCH_TOKENS);
    let mut batches = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (at, &length) in lengths.iter().enumerate() {
        if at > start && tokens + length > share {
            batches.push(start..at);
            (start, tokens) = (at, 0);
        }
        tokens += length;
    }
    if start < lengths.len() {
        batches.push(start..lengths.len());
    }
    batches
}

/// The mean of token vectors `[tokens, dims]`, scaled to norm 1.
fn pooled(hidden: &[f32], dims: usize) -> Vec<f32> {
    let mut mean = vec![0f32; dims];
    for token in hidden.chunks_exact(dims) {
        mean.iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
    }
    // Dividing by the number of tokens would not change the direction.
    let norm = mean.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    mean.iter_mut().for_each(|x| *x /= norm);
    mean
}

impl TextEncoder for MiniLm {
    fn id(&self) -> &str {
        &self.id
    }

    fn dims(&self) -> usize {
        self.dims
    }

    fn tokenize(&self, text: &str) -> Result<Tokenized, EncoderError> {
        self.tokenizer.tokenize(text, true)
    }

    fn encode_tokens(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let lengths: Vec<_> = texts.iter().map(|ids| ids.len()).collect();
        let batches = batches(&lengths, rayon::current_num_threads());
        batches.into_par_iter().flat_map_iter(|batch| self.batch(&texts[batch])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn batches_contain_every_text_once_in_order(
            lengths in prop::collection::vec(2usize..256, 0..100), threads in 0usize..9
        ) {
            let batches = batches(&lengths, threads);
            let covered: Vec<usize> = batches.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                prop_assert!(batch.len() == 1 || lengths[batch.clone()].iter().sum::<usize>() <= BATCH_TOKENS);
            }
        }
    }
}
