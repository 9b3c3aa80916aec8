//! MiniLM as sentence-transformers uses it: BERT, the mean of its token vectors under the mask, norm 1.
//!
//! Reimers and Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", EMNLP 2019,
//! <https://arxiv.org/abs/1908.10084>.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use rayon::prelude::*;
use tokenizers::{Encoding, Tokenizer, TruncationParams};

use super::{EncoderError, Manifest, TextEncoder, weights};

/// Sentences that go through the network at once.
const MAX_BATCH: usize = 32;

/// Characters that are looked at. Two hundred and fifty-six tokens of prose take about 1300; a text without spaces or of
/// unknown words alone could take any number, and time and memory of the tokenizer grow with it.
const MAX_CHARACTERS: usize = 8192;

/// The sentence encoder.
pub(super) struct MiniLm {
    id: String,
    dims: usize,
    tokenizer: Tokenizer,
    unknown_token: Option<u32>,
    network: BertModel,
}

impl MiniLm {
    /// Loads the network that `manifest` describes from `dir/<id>/`.
    pub(super) fn open(dir: &Path, manifest: &Manifest, max_tokens: usize) -> Result<Self, EncoderError> {
        let home = dir.join(&manifest.id);
        let [config_path, tokenizer_path, weights_path] =
            ["config.json", "tokenizer.json", "model.safetensors"].map(|f| home.join(f));
        let config_bytes = weights::read_file(&manifest.id, &config_path)?;
        let tokenizer_bytes = weights::read_file(&manifest.id, &tokenizer_path)?;
        let weights_bytes = weights::read_file(&manifest.id, &weights_path)?;
        let hash = weights::fingerprint(&[&config_bytes, &tokenizer_bytes, &weights_bytes]);
        let id = format!("{}-{hash}-t{max_tokens}c{MAX_CHARACTERS}", manifest.id);

        let config: Config =
            serde_json::from_slice(&config_bytes).map_err(|e| EncoderError::damaged(&config_path, e))?;
        if config.hidden_size != manifest.dims || config.max_position_embeddings < max_tokens {
            let (dims, most) = (config.hidden_size, config.max_position_embeddings);
            let reason = format!(
                "it has {dims} dimensions and at most {most} tokens, the manifest says {} and {max_tokens}",
                manifest.dims
            );
            return Err(EncoderError::damaged(&config_path, reason));
        }
        let mut tokenizer =
            Tokenizer::from_bytes(&tokenizer_bytes).map_err(|e| EncoderError::damaged(&tokenizer_path, e))?;
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| EncoderError::damaged(&tokenizer_path, e))?;
        // The file pads every sentence to 128 tokens; batches are padded here, to their longest.
        tokenizer.with_padding(None);
        if tokenizer.get_vocab_size(true) > config.vocab_size {
            let reason =
                format!("it has {} tokens, the network knows {}", tokenizer.get_vocab_size(true), config.vocab_size);
            return Err(EncoderError::damaged(&tokenizer_path, reason));
        }
        let unknown_token = tokenizer.token_to_id("[UNK]");
        let damaged = |e: candle_core::Error| EncoderError::damaged(&weights_path, e);
        let builder =
            VarBuilder::from_buffered_safetensors(weights_bytes, DType::F32, &Device::Cpu).map_err(damaged)?;
        let network = BertModel::load(builder, &config).map_err(damaged)?;
        Ok(Self { id, dims: manifest.dims, tokenizer, unknown_token, network })
    }

    fn tokens(&self, sentence: &str) -> Result<Encoding, EncoderError> {
        self.tokenizer.encode_fast(looked_at(sentence), true).map_err(|e| EncoderError::Tokenizer(e.to_string()))
    }

    /// The features of at most [`MAX_BATCH`] sentences' tokens.
    fn batch(&self, sentences: &[&[u32]]) -> candle_core::Result<Vec<Vec<f32>>> {
        let longest = sentences.iter().map(|tokens| tokens.len()).max().unwrap_or(0);
        let shape = (sentences.len(), longest);
        let mut ids = vec![0u32; sentences.len() * longest];
        let mut mask = vec![0f32; ids.len()];
        for (row, tokens) in sentences.iter().enumerate() {
            ids[row * longest..][..tokens.len()].copy_from_slice(tokens);
            mask[row * longest..][..tokens.len()].fill(1.0);
        }
        let ids = Tensor::from_vec(ids, shape, &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, shape, &Device::Cpu)?;
        let hidden = self.network.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let hidden = hidden.flatten_all()?.to_vec1::<f32>()?;
        let rows = hidden.chunks_exact(longest * self.dims).zip(sentences);
        Ok(rows.map(|(hidden, tokens)| pooled(&hidden[..tokens.len() * self.dims], self.dims)).collect())
    }
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

/// The part of a sentence that can matter: [`MAX_CHARACTERS`] from the first that is not white space.
fn looked_at(sentence: &str) -> &str {
    let sentence = sentence.trim_start();
    match sentence.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => &sentence[..end],
        None => sentence,
    }
}

impl TextEncoder for MiniLm {
    fn id(&self) -> &str {
        &self.id
    }

    fn dims(&self) -> usize {
        self.dims
    }

    fn encode(&self, sentences: &[&str]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let tokens: Vec<_> = sentences.par_iter().map(|sentence| self.tokens(sentence)).collect::<Result<_, _>>()?;
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|&at| tokens[at].len());
        let batches: Vec<_> = order
            .par_chunks(MAX_BATCH)
            .map(|batch| self.batch(&batch.iter().map(|&at| tokens[at].get_ids()).collect::<Vec<_>>()))
            .collect::<Result<_, _>>()?;
        let mut features = vec![Vec::new(); sentences.len()];
        for (at, feature) in order.into_iter().zip(batches.into_iter().flatten()) {
            features[at] = feature;
        }
        Ok(features)
    }

    fn unknown_token_ratio(&self, sentence: &str) -> f32 {
        let Ok(tokens) = self.tokens(sentence) else { return 1.0 };
        let words = tokens.get_ids().iter().zip(tokens.get_special_tokens_mask()).filter(|(_, special)| **special == 0);
        let (mut all, mut unknown) = (0u32, 0u32);
        for (&id, _) in words {
            all += 1;
            unknown += u32::from(Some(id) == self.unknown_token);
        }
        if all == 0 { 0.0 } else { unknown as f32 / all as f32 }
    }
}
