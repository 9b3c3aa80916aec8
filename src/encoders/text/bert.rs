//! BERT's encoder: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
//! NAACL 2019, <https://arxiv.org/abs/1810.04805>.
//!
//! The tokens of all texts in a batch are concatenated, `[tokens, hidden]`, without padding: all layers but attention
//! work on single tokens, and attention is computed for one text at a time. The result for a text is therefore
//! bit-identical whatever else is in the batch, and no work is spent on padding.

use std::ops::Range;

use serde::Deserialize;

use crate::{
    core::SimdLevel,
    encoders::{
        EncoderError,
        kernels::{Epilogue, Pointwise},
        tensor_file::TensorFile,
    },
};

/// Number of tokens whose inner activations (four times as wide) are held at once, so that they fit the L2 cache.
const TOKEN_BLOCK: usize = 64;

/// The used part of `config.json`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) hidden_act: Activation,
    pub(super) max_position_embeddings: usize,
    pub(super) type_vocab_size: usize,
    pub(super) layer_norm_eps: f32,
}

/// The supported activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Activation {
    Gelu,
}

/// The network.
pub(super) struct Bert {
    isa: SimdLevel,
    config: Config,
    /// Word embeddings, `[vocab_size, hidden]`.
    words: Vec<f32>,
    /// Position embeddings, `[max_position_embeddings, hidden]`, plus the embedding of the first token type, the only
    /// one used.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
}

struct Layer {
    /// Queries (scaled by 1/√(head size)), keys and values in one product, `[hidden] → [3 · hidden]`.
    attention: Pointwise,
    attention_output: Pointwise,
    attention_norm: Norm,
    inner: Pointwise,
    outer: Pointwise,
    outer_norm: Norm,
}

impl Bert {
    /// Loads the weights by their names in the published checkpoints. The number of heads must divide the hidden size.
    pub(super) fn load(weights: &TensorFile<'_>, config: Config, isa: SimdLevel) -> Result<Self, EncoderError> {
        let hidden = config.hidden_size;
        let norm = |name: String| {
            let part = |part: &str| weights.take(&format!("{name}.{part}"), &[hidden]);
            Ok::<_, EncoderError>(Norm { gain: part("weight")?, bias: part("bias")? })
        };
        let linear = |name: String, inputs: usize, outputs: usize| {
            let bias = weights.take(&format!("{name}.bias"), &[outputs])?;
            Ok::<_, EncoderError>((weights.take(&format!("{name}.weight"), &[outputs, inputs])?, bias))
        };
        let packed = |name: String, inputs: usize, outputs: usize| {
            linear(name, inputs, outputs).map(|(weights, bias)| Pointwise::new(isa, inputs, &weights, &bias))
        };
        let table =
            |name: &str, rows: usize| weights.take(&format!("embeddings.{name}_embeddings.weight"), &[rows, hidden]);
        let words = table("word", config.vocab_size)?;
        let mut positions = table("position", config.max_position_embeddings)?;
        let types = table("token_type", config.type_vocab_size)?;
        for position in positions.chunks_exact_mut(hidden) {
            position.iter_mut().zip(&types).for_each(|(x, y)| *x += y);
        }
        let mut layers = Vec::new();
        for layer in 0..config.num_hidden_layers {
            let name = format!("encoder.layer.{layer}");
            let (mut all, mut all_bias) = linear(format!("{name}.attention.self.query"), hidden, hidden)?;
            let scale = 1.0 / ((hidden / config.num_attention_heads) as f32).sqrt();
            all.iter_mut().chain(&mut all_bias).for_each(|x| *x *= scale);
            for part in ["key", "value"] {
                let (weights, bias) = linear(format!("{name}.attention.self.{part}"), hidden, hidden)?;
                all.extend(weights);
                all_bias.extend(bias);
            }
            layers.push(Layer {
                attention: Pointwise::new(isa, hidden, &all, &all_bias),
                attention_output: packed(format!("{name}.attention.output.dense"), hidden, hidden)?,
                attention_norm: norm(format!("{name}.attention.output.LayerNorm"))?,
                inner: packed(format!("{name}.intermediate.dense"), hidden, config.intermediate_size)?,
                outer: packed(format!("{name}.output.dense"), config.intermediate_size, hidden)?,
                outer_norm: norm(format!("{name}.output.LayerNorm"))?,
            });
        }
        Ok(Self { isa, words, positions, norm: norm("embeddings.LayerNorm".into())?, layers, config })
    }

    /// The last layer's vectors of all tokens, `[tokens, hidden]`, text after text. Ids must be below `vocab_size`, and
    /// a text must not have more than `max_position_embeddings` tokens.
    pub(super) fn forward(&self, texts: &[&[u32]]) -> Vec<f32> {
        let hidden = self.config.hidden_size;
        let mut x = Vec::with_capacity(texts.iter().map(|ids| ids.len()).sum::<usize>() * hidden);
        let mut ranges = Vec::with_capacity(texts.len());
        for ids in texts {
            let start = x.len() / hidden;
            ranges.push(start..start + ids.len());
            for (&id, position) in ids.iter().zip(self.positions.chunks_exact(hidden)) {
                let word = &self.words[id as usize * hidden..][..hidden];
                x.extend(word.iter().zip(position).map(|(a, b)| a + b));
            }
        }
        self.normalise(&mut x, &self.norm);
        let mut y = vec![0.0; x.len()];
        let mut attended = vec![0.0; x.len()];
        let mut projected = vec![0.0; x.len() * 3];
        let mut inner = vec![0.0; TOKEN_BLOCK * self.config.intermediate_size];
        for layer in &self.layers {
            layer.attention.run(&x, &mut projected, Epilogue::Linear);
            for range in &ranges {
                self.attend(&projected, range, &mut attended);
            }
            layer.attention_output.run(&attended, &mut y, Epilogue::Add(&x));
            self.normalise(&mut y, &layer.attention_norm);
            for (from, to) in y.chunks(TOKEN_BLOCK * hidden).zip(x.chunks_mut(TOKEN_BLOCK * hidden)) {
                let inner = &mut inner[..from.len() / hidden * self.config.intermediate_size];
                layer.inner.run(from, inner, Epilogue::Linear);
                match self.config.hidden_act {
                    Activation::Gelu => self.isa.gelu(inner),
                }
                layer.outer.run(inner, to, Epilogue::Add(from));
            }
            self.normalise(&mut x, &layer.outer_norm);
        }
        x
    }

    fn normalise(&self, x: &mut [f32], norm: &Norm) {
        self.isa.layer_norm(x, &norm.gain, &norm.bias, self.config.layer_norm_eps);
    }

    /// Scaled dot-product attention among the tokens `range` of one text: `projected` is `[tokens, 3 · hidden]`,
    /// `attended` `[tokens, hidden]`. Keys and values are the weights of one matrix product each.
    fn attend(&self, projected: &[f32], range: &Range<usize>, attended: &mut [f32]) {
        let hidden = self.config.hidden_size;
        let size = hidden / self.config.num_attention_heads;
        let tokens = range.len();
        let rows = projected[range.start * 3 * hidden..range.end * 3 * hidden].chunks_exact(3 * hidden);
        let mut queries = vec![0.0; tokens * size];
        let mut keys = vec![0.0; tokens * size];
        let mut values = vec![0.0; size * tokens];
        let mut scores = vec![0.0; tokens * tokens];
        let zeros = vec![0.0; tokens.max(size)];
        for head in 0..self.config.num_attention_heads {
            for (token, row) in rows.clone().enumerate() {
                let part = |which: usize| &row[which * hidden + head * size..][..size];
                queries[token * size..][..size].copy_from_slice(part(0));
                keys[token * size..][..size].copy_from_slice(part(1));
                for (at, &value) in part(2).iter().enumerate() {
                    values[at * tokens + token] = value;
                }
            }
            Pointwise::new(self.isa, size, &keys, &zeros[..tokens]).run(&queries, &mut scores, Epilogue::Linear);
            self.isa.softmax(&mut scores, tokens);
            // The queries are no longer needed, and the result has their shape.
            Pointwise::new(self.isa, tokens, &values, &zeros[..size]).run(&scores, &mut queries, Epilogue::Linear);
            for (token, result) in queries.chunks_exact(size).enumerate() {
                attended[(range.start + token) * hidden + head * size..][..size].copy_from_slice(result);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, path::Path};

    use candle_core::{DType, Device, Tensor};
    use candle_nn::{VarBuilder, VarMap};
    use candle_transformers::models::bert::{BertModel, Config as CandleConfig};

    use super::*;

    /// A small network whose sizes no register width divides, with the same random weights in candle-transformers.
    #[test]
    fn forward_agrees_with_candle_transformers_on_every_instruction_set() -> candle_core::Result<()> {
        let sizes = serde_json::json!({
            "vocab_size": 50, "hidden_size": 42, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": 75, "hidden_act": "gelu", "max_position_embeddings": 90, "type_vocab_size": 2,
            "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1, "initializer_range": 0.02, "pad_token_id": 0
        });
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let config: CandleConfig = serde_json::from_value(sizes.clone()).expect("candle's config");
        let theirs = BertModel::load(builder, &config)?;
        let mut tensors = HashMap::new();
        for (name, variable) in variables.data().lock().expect("not poisoned").iter() {
            variable.set(&Tensor::randn(0f32, 0.3, variable.shape(), &Device::Cpu)?)?;
            tensors.insert(name.clone(), variable.as_tensor().clone());
        }
        let bytes = safetensors::serialize(&tensors, None).expect("serializes");
        let weights = TensorFile::parse(Path::new("random"), &bytes).expect("parses");

        let texts: Vec<Vec<u32>> = [1, 7, 90, 16].map(|length| (0..length).map(|at| at * 7 % 50).collect()).to_vec();
        let together: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        for isa in SimdLevel::available() {
            let config: Config = serde_json::from_value(sizes.clone()).expect("our config");
            let ours = Bert::load(&weights, config, isa).expect("loads");
            let all = ours.forward(&together);
            let mut start = 0;
            for ids in &together {
                let result = &all[start..start + ids.len() * 42];
                start += result.len();
                assert_eq!(ours.forward(&[ids]), result, "bit-identical alone and in a batch");
                let ids = Tensor::new(*ids, &Device::Cpu)?.unsqueeze(0)?;
                let expected = theirs.forward(&ids, &ids.zeros_like()?, None)?.flatten_all()?.to_vec1::<f32>()?;
                for (a, b) in result.iter().zip(&expected) {
                    assert!((a - b).abs() < 2e-3, "{isa:?}: {a} for {b}");
                }
            }
        }
        Ok(())
    }
}
