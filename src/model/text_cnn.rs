//! The sentence CNN of the paper's text subnetwork (Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP
//! 2014): embeddings of the tokens, filters over three, four and five of them, ReLU, and of each filter its largest answer.
//!
//! It is trained with the rest, embeddings included. Its backward pass is candle's autograd: unlike the dense layers, it is a
//! small part of a step.

use std::collections::BTreeSet;

use candle_core::{Device, Result, Tensor, Var};
use serde::{Deserialize, Serialize};

use super::{FeatureMatrix, dscmr::network::Weights};
use crate::encoders::{TokenEmbeddings, token_ids};

/// Filters of each width.
pub(crate) const FILTERS: usize = 100;

/// Tokens that a filter sees, with the names of its variables: `[width · FILTERS, embedding]`, the filters' weights of the
/// first token above those of the second, and so on; and `[1, FILTERS]`.
pub(crate) const WIDTHS: [(usize, &str, &str); 3] = [
    (3, "filters3.weight", "filters3.bias"),
    (4, "filters4.weight", "filters4.bias"),
    (5, "filters5.weight", "filters5.bias"),
];

/// The embeddings of the known tokens, `[tokens, embedding]`.
pub(crate) const EMBEDDING: &str = "embedding.weight";

/// Lengths that make the CNN's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentenceShape {
    /// Length of a sentence's features, which are tokens.
    pub(crate) features: usize,
    /// Tokens that are known.
    pub(crate) tokens: usize,
    /// Length of a token's embedding.
    pub(crate) embedding: usize,
}

impl SentenceShape {
    /// Numbers that the CNN makes of a sentence.
    pub(crate) const OUTPUTS: usize = WIDTHS.len() * FILTERS;
}

/// Ids of the tokens that are known, ascending: those of the training split's captions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vocabulary(Vec<u32>);

impl Vocabulary {
    /// The tokens of some rows that have an embedding to begin with; and these embeddings, `[tokens, dims]`.
    pub(crate) fn of(features: &FeatureMatrix, rows: &[usize], embeddings: &TokenEmbeddings) -> (Self, Vec<f32>) {
        let ids: BTreeSet<u32> = rows.iter().flat_map(|&row| token_ids(features.row(row))).collect();
        let ids: Vec<u32> = ids.into_iter().filter(|&id| embeddings.row(id).is_some()).collect();
        let table = ids.iter().flat_map(|&id| embeddings.row(id).unwrap_or_default()).copied().collect();
        (Self(ids), table)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The part of a sentence's tokens that are not known, in [0, 1].
    pub(crate) fn unknown(&self, features: &[f32]) -> f32 {
        let (mut all, mut unknown) = (0u32, 0u32);
        for id in token_ids(features) {
            all += 1;
            unknown += u32::from(self.0.binary_search(&id).is_err());
        }
        if all == 0 { 0.0 } else { unknown as f32 / all as f32 }
    }
}

/// Some sentences as the CNN takes them. What it makes of one does not depend on the others.
pub(crate) struct Sentences {
    /// The row of each token's embedding, `[n, length]`; 0 behind the last.
    places: Tensor,
    /// 1 where there is a known token, else 0, `[n, length, 1]`.
    known: Tensor,
    /// For each of [`WIDTHS`], 1 where a filter begins within the sentence, `[n, length - width + 1, 1]`.
    windows: Vec<Tensor>,
}

impl Sentences {
    /// Rows of tokens, each `length` features.
    pub(crate) fn new(features: &[f32], length: usize, vocabulary: &Vocabulary, device: &Device) -> Result<Self> {
        let rows: Vec<Vec<Option<u32>>> = features
            .chunks_exact(length)
            .map(|row| token_ids(row).map(|id| vocabulary.0.binary_search(&id).ok().map(|at| at as u32)).collect())
            .collect();
        let widest = WIDTHS.iter().map(|(width, ..)| *width).max().unwrap_or(1);
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0).max(widest);
        let (mut places, mut known) = (Vec::new(), Vec::new());
        for row in &rows {
            for at in 0..longest {
                let place = row.get(at).copied().flatten();
                places.push(place.unwrap_or(0));
                known.push(f32::from(u8::from(place.is_some())));
            }
        }
        let mask = |values: Vec<f32>, length| Tensor::from_vec(values, (rows.len(), length, 1), device);
        let windows = |(width, ..): &(usize, &str, &str)| {
            let begins = longest - width + 1;
            // A sentence shorter than the filter is seen once, with nothing behind it.
            let within =
                |row: &Vec<Option<u32>>| if row.is_empty() { 0 } else { row.len().saturating_sub(width - 1).max(1) };
            let inside = |row| (0..begins).map(move |at| f32::from(u8::from(at < within(row))));
            mask(rows.iter().flat_map(inside).collect(), begins)
        };
        Ok(Self {
            places: Tensor::from_vec(places, (rows.len(), longest), device)?,
            windows: WIDTHS.iter().map(windows).collect::<Result<_>>()?,
            known: mask(known, longest)?,
        })
    }

    /// What the CNN makes of them, `[n, 300]`.
    pub(crate) fn features(&self, weights: &Weights) -> Result<Tensor> {
        let (n, length) = self.places.dims2()?;
        let table = &weights[EMBEDDING];
        let embedding = table.dim(1)?;
        // An empty table has no row to take, and then no token is known either.
        let tokens = match table.dim(0)? {
            0 => Tensor::zeros((n, length, embedding), table.dtype(), table.device())?,
            _ => table.index_select(&self.places.flatten_all()?, 0)?.reshape((n, length, embedding))?,
        };
        let tokens = tokens.broadcast_mul(&self.known)?;
        let mut largest = Vec::new();
        for ((width, weight, bias), inside) in WIDTHS.iter().zip(&self.windows) {
            let begins = length - width + 1;
            let mut answers: Option<Tensor> = None;
            for at in 0..*width {
                let seen = tokens.narrow(1, at, begins)?.contiguous()?.reshape((n * begins, embedding))?;
                let answer = seen.matmul(&weights[weight].narrow(0, at * FILTERS, FILTERS)?.t()?)?;
                answers = Some(match answers {
                    Some(sum) => (sum + answer)?,
                    None => answer,
                });
            }
            let answers = answers.ok_or_else(|| candle_core::Error::Msg("a filter sees at least one token".into()))?;
            // After ReLU nothing is below 0, so a 0 in the place of what lies outside never is the largest without need.
            let answers = answers.broadcast_add(&weights[bias])?.relu()?.reshape((n, begins, FILTERS))?;
            largest.push(answers.broadcast_mul(inside)?.max(1)?);
        }
        Tensor::cat(&largest, 1)
    }

    /// Reads them so that [`Read::backward`] knows the way back.
    pub(crate) fn read(&self, weights: &Weights) -> Result<Read> {
        let mut vars = Vec::new();
        let mut own = Weights::new();
        for name in names() {
            let var = Var::from_tensor(&weights[name])?;
            own.insert(name, var.as_tensor().clone());
            vars.push((name, var));
        }
        Ok(Read { features: self.features(&own)?, vars })
    }
}

/// Sentences that were read.
pub(crate) struct Read {
    features: Tensor,
    vars: Vec<(&'static str, Var)>,
}

impl Read {
    /// What was made of them, `[n, 300]`, without its history.
    pub(crate) fn features(&self) -> Tensor {
        self.features.detach()
    }

    /// Gradients by the CNN's variables, from that by [`Self::features`].
    pub(crate) fn backward(&self, by_features: &Tensor) -> Result<Vec<(&'static str, Tensor)>> {
        let along = (&self.features * by_features)?.sum_all()?.backward()?;
        let of = |(name, var): &(&'static str, Var)| {
            let gradient = along.get(var).cloned().map_or_else(|| var.zeros_like(), Ok)?;
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
    use super::{
        super::dscmr::network::{Shape, initial, tensor},
        *,
    };

    fn shape() -> Shape {
        let sentence = SentenceShape { features: 16, tokens: 4, embedding: 6 };
        Shape { image: 3, text: SentenceShape::OUTPUTS, hidden: 4, dims: 2, classes: 0, sentence: Some(sentence) }
    }

    fn weights() -> Weights {
        let shape = shape();
        names().map(|name| (name, tensor(initial(&shape, "test", name, 3), shape.of(name)).expect("weights"))).collect()
    }

    fn row(ids: &[u32]) -> Vec<f32> {
        let mut row: Vec<f32> = ids.iter().flat_map(|&id| [0.0, id as f32]).collect();
        row.resize(16, 0.0);
        row
    }

    fn read(rows: &[&[u32]]) -> Vec<Vec<f32>> {
        let features: Vec<f32> = rows.iter().flat_map(|ids| row(ids)).collect();
        let vocabulary = Vocabulary(vec![3, 5, 7, 9]);
        let sentences = Sentences::new(&features, 16, &vocabulary, &Device::Cpu).expect("sentences");
        sentences.features(&weights()).and_then(|f| f.to_vec2()).expect("features")
    }

    /// The definition, word by word: max over t of ReLU(b + Σ_i w_i · e_{t+i}).
    fn defined(ids: &[u32]) -> Vec<f32> {
        let weights = weights();
        let values = |name: &str| weights[name].to_vec2::<f32>().expect("values");
        let table = values(EMBEDDING);
        let embed = |at: usize| ids.get(at).and_then(|id| [3, 5, 7, 9].iter().position(|k| k == id)).map(|p| &table[p]);
        let mut made = Vec::new();
        for (width, weight, bias) in WIDTHS {
            let (weight, bias) = (values(weight), values(bias));
            for filter in 0..FILTERS {
                let begins = if ids.is_empty() { 0 } else { ids.len().saturating_sub(width - 1).max(1) };
                let answer = |t: usize| {
                    let part = |i: usize| -> f32 {
                        embed(t + i)
                            .map_or(0.0, |e| e.iter().zip(&weight[i * FILTERS + filter]).map(|(x, w)| x * w).sum())
                    };
                    bias[0][filter] + (0..width).map(part).sum::<f32>()
                };
                made.push((0..begins).map(answer).fold(0.0, f32::max));
            }
        }
        made
    }

    #[test]
    fn each_sentence_gets_what_is_defined_whatever_else_is_in_the_batch() {
        let sentences: [&[u32]; 5] = [&[3, 5, 7, 9, 3, 5, 9], &[7], &[], &[9, 4, 3, 7], &[4, 6]];
        for (ids, together) in sentences.iter().zip(read(&sentences)) {
            let alone = read(&[ids]);
            for ((together, alone), expected) in together.iter().zip(&alone[0]).zip(defined(ids)) {
                assert!((together - expected).abs() < 1e-5, "{ids:?}: {together} and {expected}");
                assert!((alone - expected).abs() < 1e-5, "{ids:?} alone: {alone} and {expected}");
            }
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_answers() {
        let features: Vec<f32> = [[3u32, 5, 7, 9, 5], [9, 9, 3, 5, 7]].iter().flat_map(|ids| row(ids)).collect();
        let sentences = Sentences::new(&features, 16, &Vocabulary(vec![3, 5, 7, 9]), &Device::Cpu).expect("sentences");
        let weights = weights();
        let towards =
            tensor((0..600).map(|i| ((i * 37 % 19) as f32 - 9.0) / 9.0).collect(), (2, 300)).expect("a matrix");
        let value = |weights: &Weights| {
            let product = (sentences.features(weights).expect("features") * &towards).expect("a product");
            f64::from(product.sum_all().and_then(|s| s.to_scalar::<f32>()).expect("a number"))
        };
        let gradients = sentences.read(&weights).and_then(|read| read.backward(&towards)).expect("gradients");
        assert_eq!(gradients.len(), 7);
        for (name, gradient) in gradients {
            // Along the gradient itself the slope is its squared length.
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
    fn the_vocabulary_is_what_the_rows_say_and_somebody_knows() {
        let features = FeatureMatrix::new(16, [row(&[5, 3]), row(&[9]), row(&[3, 11])].concat()).expect("rows");
        let embeddings = TokenEmbeddings { dims: 1, values: (0..10).map(|x| x as f32).collect() };
        let (vocabulary, table) = Vocabulary::of(&features, &[0, 2], &embeddings);
        assert_eq!((vocabulary, table), (Vocabulary(vec![3, 5]), vec![3.0, 5.0]));
        assert_eq!(Vocabulary(vec![3, 5]).unknown(&row(&[3, 9, 9, 5])), 0.5);
    }
}
