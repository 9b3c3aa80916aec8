//! Text CNN of the paper's text subnetwork (Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP
//! 2014): token embeddings, filters over three, four and five tokens, ReLU, and the maximum of each filter over the
//! text.
//!
//! It is trained together with a head, token embeddings included. Its backward pass uses candle's autograd, because it
//! is a small part of a step, unlike that of the dense layers.

use std::collections::BTreeSet;

use candle_core::{Device, Result, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::{FeatureMatrix, tensors::Weights};
use crate::encoders::{TokenEmbeddings, token_ids};

/// Filters of each width.
const FILTERS: usize = 100;

/// Width of the filters in tokens, with the names of weight and bias. A weight is `[width · FILTERS, embedding]`: the
/// rows of all filters for the first token of the window, then those for the second, and so on. A bias is `[1,
/// FILTERS]`.
const WIDTHS: [(usize, &str, &str); 3] = [
    (3, "filters3.weight", "filters3.bias"),
    (4, "filters4.weight", "filters4.bias"),
    (5, "filters5.weight", "filters5.bias"),
];

/// Name of the embeddings of the known tokens, `[tokens, embedding]`.
pub(crate) const EMBEDDING: &str = "embedding.weight";

/// Dimensions of a text CNN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TextCnnShape {
    /// Length of a text's token features.
    pub(crate) features: usize,
    /// Known tokens.
    pub(crate) tokens: usize,
    /// Length of a token embedding.
    pub(crate) embedding: usize,
}

impl TextCnnShape {
    /// Length of the CNN's output.
    pub(crate) const OUTPUTS: usize = WIDTHS.len() * FILTERS;

    /// Rows and columns of a variable. `None` if the CNN has no variable of this name.
    pub(crate) fn of(&self, name: &str) -> Option<(usize, usize)> {
        if name == EMBEDDING {
            return Some((self.tokens, self.embedding));
        }
        let (width, weight, _) = WIDTHS.iter().find(|(_, weight, bias)| [*weight, *bias].contains(&name))?;
        Some(if *weight == name { (width * FILTERS, self.embedding) } else { (1, FILTERS) })
    }

    /// Inputs of the filters or the table that a variable belongs to. `None` if the CNN has no variable of this name.
    pub(crate) fn fan_in(&self, name: &str) -> Option<usize> {
        self.of(name)?;
        let width = WIDTHS.iter().find(|(_, weight, bias)| [*weight, *bias].contains(&name)).map(|(width, ..)| *width);
        Some(width.unwrap_or(1) * self.embedding)
    }
}

/// Ids of the known tokens, ascending. They occur in the captions of the training split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vocabulary(Vec<u32>);

impl Vocabulary {
    /// Tokens of the given rows that have an initial embedding, and these embeddings, `[tokens, dims]`.
    pub(crate) fn new(features: &FeatureMatrix, rows: &[usize], embeddings: &TokenEmbeddings) -> (Self, Vec<f32>) {
        let ids: BTreeSet<u32> = rows.iter().flat_map(|&row| token_ids(features.row(row))).collect();
        let ids: Vec<u32> = ids.into_iter().filter(|&id| embeddings.row(id).is_some()).collect();
        let table = ids.iter().flat_map(|&id| embeddings.row(id).unwrap_or_default()).copied().collect();
        (Self(ids), table)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Fraction of a text's tokens that are unknown, in [0, 1].
    pub(crate) fn unknown_ratio(&self, features: &[f32]) -> f32 {
        let (mut all, mut unknown) = (0u32, 0u32);
        for id in token_ids(features) {
            all += 1;
            unknown += u32::from(self.0.binary_search(&id).is_err());
        }
        if all == 0 { 0.0 } else { unknown as f32 / all as f32 }
    }
}

/// A batch of texts as input of the CNN. The output for one text does not depend on the others.
pub(crate) struct TokenBatch {
    /// Row of each token in the embedding table, `[n, length]`; 0 for unknown tokens and padding.
    token_rows: Tensor,
    /// 1 for a known token, else 0, `[n, length, 1]`.
    token_mask: Tensor,
    /// For each of [`WIDTHS`], 1 where a window starts within the text, `[n, length - width + 1, 1]`.
    window_masks: Vec<Tensor>,
}

impl TokenBatch {
    /// A batch of texts, each with `length` token features.
    pub(crate) fn new(features: &[f32], length: usize, vocabulary: &Vocabulary, device: &Device) -> Result<Self> {
        let texts: Vec<Vec<Option<u32>>> = features
            .chunks_exact(length)
            .map(|row| token_ids(row).map(|id| vocabulary.0.binary_search(&id).ok().map(|row| row as u32)).collect())
            .collect();
        let widest = WIDTHS.iter().map(|(width, ..)| *width).max().unwrap_or(1);
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0).max(widest);
        let (mut token_rows, mut token_mask) = (Vec::new(), Vec::new());
        for text in &texts {
            for position in 0..longest {
                let row = text.get(position).copied().flatten();
                token_rows.push(row.unwrap_or(0));
                token_mask.push(f32::from(u8::from(row.is_some())));
            }
        }
        let mask = |values: Vec<f32>, length| Tensor::from_vec(values, (texts.len(), length, 1), device);
        let window_mask = |(width, ..): &(usize, &str, &str)| {
            let windows = longest - width + 1;
            // A text shorter than the filter has one window, padded with zeros.
            let of_text = |text: &Vec<Option<u32>>| match text.len() {
                0 => 0,
                tokens => tokens.saturating_sub(width - 1).max(1),
            };
            let row = |text| (0..windows).map(move |start| f32::from(u8::from(start < of_text(text))));
            mask(texts.iter().flat_map(row).collect(), windows)
        };
        Ok(Self {
            token_rows: Tensor::from_vec(token_rows, (texts.len(), longest), device)?,
            window_masks: WIDTHS.iter().map(window_mask).collect::<Result<_>>()?,
            token_mask: mask(token_mask, longest)?,
        })
    }

    /// Output of the CNN, `[n, 300]`.
    pub(crate) fn features(&self, weights: &Weights) -> Result<Tensor> {
        let (n, length) = self.token_rows.dims2()?;
        let table = &weights[EMBEDDING];
        let embedding = table.dim(1)?;
        // `index_select` needs a row; without any there is no known token either.
        let tokens = match table.dim(0)? {
            0 => Tensor::zeros((n, length, embedding), table.dtype(), table.device())?,
            _ => table.index_select(&self.token_rows.flatten_all()?, 0)?.reshape((n, length, embedding))?,
        };
        let tokens = tokens.broadcast_mul(&self.token_mask)?;
        let mut maxima = Vec::new();
        for ((width, weight, bias), window_mask) in WIDTHS.iter().zip(&self.window_masks) {
            let windows = length - width + 1;
            let mut responses: Option<Tensor> = None;
            for offset in 0..*width {
                let rows = tokens.narrow(1, offset, windows)?.contiguous()?.reshape((n * windows, embedding))?;
                let response = rows.matmul(&weights[weight].narrow(0, offset * FILTERS, FILTERS)?.t()?)?;
                responses = Some(match responses {
                    Some(sum) => (sum + response)?,
                    None => response,
                });
            }
            let responses = responses.ok_or_else(|| candle_core::Error::Msg("a filter has no tokens".into()))?;
            // ReLU leaves nothing below 0, so zeros outside the text do not change the maximum.
            let responses = responses.broadcast_add(&weights[bias])?.relu()?.reshape((n, windows, FILTERS))?;
            maxima.push(responses.broadcast_mul(window_mask)?.max(1)?);
        }
        Tensor::cat(&maxima, 1)
    }

    /// Computes [`Self::features`] so that gradients can be computed afterwards.
    pub(crate) fn forward(&self, weights: &Weights) -> Result<ForwardPass> {
        let mut vars = Vec::new();
        let mut own = Weights::new();
        for name in names() {
            let var = Var::from_tensor(&weights[name])?;
            own.insert(name, var.as_tensor().clone());
            vars.push((name, var));
        }
        Ok(ForwardPass { features: self.features(&own)?, vars })
    }
}

/// A forward pass with autograd's graph.
pub(crate) struct ForwardPass {
    features: Tensor,
    vars: Vec<(&'static str, Var)>,
}

impl ForwardPass {
    /// Output of the CNN, `[n, 300]`, detached from the graph.
    pub(crate) fn features(&self) -> Tensor {
        self.features.detach()
    }

    /// Gradients by the CNN's variables, from the gradient by [`Self::features`].
    pub(crate) fn backward(&self, by_features: &Tensor) -> Result<Vec<(&'static str, Tensor)>> {
        let gradients = (&self.features * by_features)?.sum_all()?.backward()?;
        let of = |(name, var): &(&'static str, Var)| {
            let gradient = gradients.get(var).cloned().map_or_else(|| var.zeros_like(), Ok)?;
            Ok((*name, gradient))
        };
        self.vars.iter().map(of).collect()
    }
}

/// Names of the CNN's variables.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(EMBEDDING).chain(WIDTHS.iter().flat_map(|(_, weight, bias)| [*weight, *bias]))
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::model::tensors::{generator, tensor};

    const SHAPE: TextCnnShape = TextCnnShape { features: 16, tokens: 4, embedding: 6 };

    fn weights() -> Weights {
        let weight = |name| {
            let (rows, cols) = SHAPE.of(name).expect("a variable of the CNN");
            let mut rng = generator(3, name);
            let values = (0..rows * cols).map(|_| rng.random_range(-0.3f32..0.3)).collect();
            (name, tensor(values, (rows, cols)).expect("weights"))
        };
        names().map(weight).collect()
    }

    fn row(ids: &[u32]) -> Vec<f32> {
        let mut row: Vec<f32> = ids.iter().flat_map(|&id| [0.0, id as f32]).collect();
        row.resize(16, 0.0);
        row
    }

    fn computed(texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let features: Vec<f32> = texts.iter().flat_map(|ids| row(ids)).collect();
        let vocabulary = Vocabulary(vec![3, 5, 7, 9]);
        let batch = TokenBatch::new(&features, 16, &vocabulary, &Device::Cpu).expect("a batch");
        batch.features(&weights()).and_then(|f| f.to_vec2()).expect("features")
    }

    /// The definition: max over t of ReLU(b + Σ_i w_i · e_{t+i}).
    fn defined(ids: &[u32]) -> Vec<f32> {
        let weights = weights();
        let values = |name: &str| weights[name].to_vec2::<f32>().expect("values");
        let table = values(EMBEDDING);
        let embed = |at: usize| ids.get(at).and_then(|id| [3, 5, 7, 9].iter().position(|k| k == id)).map(|p| &table[p]);
        let mut maxima = Vec::new();
        for (width, weight, bias) in WIDTHS {
            let (weight, bias) = (values(weight), values(bias));
            for filter in 0..FILTERS {
                let windows = if ids.is_empty() { 0 } else { ids.len().saturating_sub(width - 1).max(1) };
                let response = |t: usize| {
                    let term = |i: usize| -> f32 {
                        embed(t + i)
                            .map_or(0.0, |e| e.iter().zip(&weight[i * FILTERS + filter]).map(|(x, w)| x * w).sum())
                    };
                    bias[0][filter] + (0..width).map(term).sum::<f32>()
                };
                maxima.push((0..windows).map(response).fold(0.0, f32::max));
            }
        }
        maxima
    }

    #[test]
    fn features_follow_the_definition_alone_and_in_a_batch() {
        let texts: [&[u32]; 5] = [&[3, 5, 7, 9, 3, 5, 9], &[7], &[], &[9, 4, 3, 7], &[4, 6]];
        for (ids, in_batch) in texts.iter().zip(computed(&texts)) {
            let alone = computed(&[ids]);
            for ((in_batch, alone), expected) in in_batch.iter().zip(&alone[0]).zip(defined(ids)) {
                assert!((in_batch - expected).abs() < 1e-5, "{ids:?}: {in_batch} and {expected}");
                assert!((alone - expected).abs() < 1e-5, "{ids:?} alone: {alone} and {expected}");
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let features: Vec<f32> = [[3u32, 5, 7, 9, 5], [9, 9, 3, 5, 7]].iter().flat_map(|ids| row(ids)).collect();
        let batch = TokenBatch::new(&features, 16, &Vocabulary(vec![3, 5, 7, 9]), &Device::Cpu).expect("a batch");
        let weights = weights();
        let by_features =
            tensor((0..600).map(|i| ((i * 37 % 19) as f32 - 9.0) / 9.0).collect(), (2, 300)).expect("a matrix");
        let value = |weights: &Weights| {
            let product = (batch.features(weights).expect("features") * &by_features).expect("a product");
            f64::from(product.sum_all().and_then(|s| s.to_scalar::<f32>()).expect("a number"))
        };
        let gradients = batch.forward(&weights).and_then(|pass| pass.backward(&by_features)).expect("gradients");
        assert_eq!(gradients.len(), 7);
        for (name, gradient) in gradients {
            // In the direction of the gradient, the slope is its squared length.
            let moved = |by: f64| {
                let mut moved = weights.clone();
                moved.insert(name, (&weights[name] + (&gradient * by).expect("scaled")).expect("moved"));
                value(&moved)
            };
            let squared = f64::from(gradient.sqr().and_then(|g| g.sum_all()?.to_scalar::<f32>()).expect("a number"));
            let step = 1e-3 / squared.sqrt().max(1e-3);
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            assert!(squared > 0.0 && (slope / squared - 1.0).abs() < 0.05, "{name}: {slope} and {squared}");
        }
    }

    #[test]
    fn vocabulary_contains_the_tokens_of_the_rows_that_have_an_embedding() {
        let features = FeatureMatrix::new(16, [row(&[5, 3]), row(&[9]), row(&[3, 11])].concat()).expect("rows");
        let embeddings = TokenEmbeddings { dims: 1, values: (0..10).map(|x| x as f32).collect() };
        let (vocabulary, table) = Vocabulary::new(&features, &[0, 2], &embeddings);
        assert_eq!((vocabulary, table), (Vocabulary(vec![3, 5]), vec![3.0, 5.0]));
        assert_eq!(Vocabulary(vec![3, 5]).unknown_ratio(&row(&[3, 9, 9, 5])), 0.5);
    }
}
