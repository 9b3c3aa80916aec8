//! The network's variables, its forward pass, and the backward pass written by hand in tensor operations.
//!
//! candle's autograd would do, and is the tests' oracle, but it keeps and walks a graph of every operation; by hand a step
//! costs a fraction of that. Both views pass the shared layer stacked into one matrix, so it is multiplied once.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::loss::{self, Term, Terms};
use crate::model::{
    ClassPart,
    pair::info_nce::contrast,
    text_cnn::{self, FILTERS, SentenceShape, Sentences},
    train::dropout::Dropout,
};

/// Lengths that make the network's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Shape {
    /// Length of a picture's features.
    pub(crate) image: usize,
    /// Length of a sentence's features, or what the sentence CNN makes of it.
    pub(crate) text: usize,
    /// Units of each subnetwork's own layer.
    pub(crate) hidden: usize,
    /// Dimensions of the common space.
    pub(crate) dims: usize,
    /// Outputs of the label layer; 0 where there is none.
    pub(crate) classes: usize,
    /// The sentence CNN, where sentences come as tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sentence: Option<SentenceShape>,
}

/// Names of the variables. Those of the label layer come last.
const NAMES: [&str; 8] = [
    "image.weight",
    "image.bias",
    "text.weight",
    "text.bias",
    "shared.weight",
    "shared.bias",
    "labels.weight",
    "labels.bias",
];

impl Shape {
    /// Names of the variables, in the order in which steps visit them.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = if self.classes == 0 { NAMES[..6].to_vec() } else { NAMES.to_vec() };
        if self.sentence.is_some() {
            names.extend(text_cnn::names());
        }
        names
    }

    /// Length of the sentence features that come in.
    pub(crate) fn text_features(&self) -> usize {
        self.sentence.map_or(self.text, |sentence| sentence.features)
    }

    /// `[out, in]` of a weight, `[1, out]` of a bias; those of the sentence CNN are as [`text_cnn`] says.
    pub(crate) fn of(&self, name: &str) -> (usize, usize) {
        let SentenceShape { tokens, embedding, .. } =
            self.sentence.unwrap_or(SentenceShape { features: 0, tokens: 0, embedding: 0 });
        if name == text_cnn::EMBEDDING {
            return (tokens, embedding);
        }
        if let Some((width, weight, _)) =
            text_cnn::WIDTHS.iter().find(|(_, weight, bias)| [*weight, *bias].contains(&name))
        {
            return if *weight == name { (width * FILTERS, embedding) } else { (1, FILTERS) };
        }
        let (layer, kind) = name.split_once('.').unwrap_or((name, ""));
        let (outputs, inputs) = match layer {
            "image" => (self.hidden, self.image),
            "text" => (self.hidden, self.text),
            "shared" => (self.dims, self.hidden),
            _ => (self.classes, self.dims),
        };
        if kind == "weight" { (outputs, inputs) } else { (1, outputs) }
    }

    /// Inputs of the layer that a variable belongs to.
    fn fan_in(&self, name: &str) -> usize {
        let layer = name.split('.').next().unwrap_or(name);
        let (rows, cols) = self.of(&format!("{layer}.weight"));
        // A filter takes several tokens in.
        if layer.starts_with("filters") { rows / FILTERS * cols } else { cols }
    }
}

/// Values of a variable before the first step: uniform in ±1/√fan_in, as PyTorch's linear layers begin and so the authors'
/// code did. Drawn from a generator that is seeded by the names of network and variable, so that no variable's values depend
/// on another's.
pub(crate) fn initial(shape: &Shape, network: &str, name: &str, seed: u64) -> Vec<f32> {
    let (rows, cols) = shape.of(name);
    let bound = 1.0 / (shape.fan_in(name) as f32).sqrt();
    let mut rng = generator(seed, &format!("{network}.{name}"));
    (0..rows * cols).map(|_| rng.random_range(-bound..=bound)).collect()
}

/// A generator for one purpose of one training.
pub(crate) fn generator(seed: u64, purpose: &str) -> ChaCha8Rng {
    let key = blake3::hash(format!("{seed} {purpose}").as_bytes());
    ChaCha8Rng::from_seed(*key.as_bytes())
}

/// The variables by name, `f32`.
pub(crate) type Weights = BTreeMap<&'static str, Tensor>;

/// Rows through one subnetwork's own layer: ReLU(x Wᵀ + b), `[n, hidden]`.
pub(crate) fn hidden(weights: &Weights, view: &str, rows: &Tensor) -> Result<Tensor> {
    let (weight, bias) = if view == "image" { ("image.weight", "image.bias") } else { ("text.weight", "text.bias") };
    linear(rows, &weights[weight], &weights[bias])?.relu()
}

/// x Wᵀ + b
pub(crate) fn linear(rows: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    rows.matmul(&weight.t()?)?.broadcast_add(bias)
}

/// A batch of pairs.
pub(crate) struct Batch {
    /// Standardised picture features, `[n, image]`.
    pub(crate) images: Tensor,
    pub(crate) texts: Texts,
}

/// The sentences of a batch.
pub(crate) enum Texts {
    /// Standardised features, `[n, text]`.
    Features(Tensor),
    /// What the sentence CNN reads.
    Tokens(Sentences),
}

/// What a step goes towards.
pub(crate) enum Goal<'a> {
    /// J, with Y, `[n, classes]`.
    Class { y: Tensor, part: &'a ClassPart },
    /// The contrast, with T, `[n, n]`, 1 where a picture and a caption belong together.
    Pair { together: Tensor, temperature: f64 },
}

/// What a batch costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Loss {
    pub(crate) total: f64,
    /// The terms, if it is J.
    pub(crate) terms: Option<Terms>,
}

/// What a step found.
pub(crate) struct Step {
    pub(crate) loss: Loss,
    /// Gradient of the loss by each variable, in its shape.
    pub(crate) gradients: Weights,
}

/// The loss of a batch and its gradient by every variable.
pub(crate) fn step(weights: &Weights, batch: &Batch, dropout: Option<&Dropout>, goal: &Goal<'_>) -> Result<Step> {
    let n = batch.images.dim(0)?;
    let (read, texts) = match &batch.texts {
        Texts::Features(rows) => (None, rows.clone()),
        Texts::Tokens(sentences) => {
            let read = sentences.read(weights)?;
            let features = read.features();
            (Some(read), features)
        }
    };
    let full = Tensor::cat(&[&hidden(weights, "image", &batch.images)?, &hidden(weights, "text", &texts)?], 0)?;
    let stacked = match dropout {
        Some(Dropout(mask)) => (&full * mask)?,
        None => full,
    };
    let points = linear(&stacked, &weights["shared.weight"], &weights["shared.bias"])?;

    let mut gradients = Weights::new();
    let (loss, by_points) = match goal {
        Goal::Class { y, part } => class_loss(weights, &points, y, part, &mut gradients)?,
        Goal::Pair { together, temperature } => {
            let (u, v) = (points.narrow(0, 0, n)?, points.narrow(0, n, n)?);
            let term = contrast(&u, &v, together, *temperature)?;
            (Loss { total: scalar(&term.value)?, terms: None }, both(&term)?)
        }
    };

    // ReLU passes the gradient where its output is positive; what was left out passes none.
    let open = stacked.gt(0.0)?.to_dtype(DType::F32)?;
    let open = match dropout {
        Some(Dropout(mask)) => (open * mask)?,
        None => open,
    };
    let by_stacked = (by_points.matmul(&weights["shared.weight"])? * open)?;
    let (by_images, by_texts) = (by_stacked.narrow(0, 0, n)?, by_stacked.narrow(0, n, n)?);
    if let Some(read) = read {
        gradients.extend(read.backward(&by_texts.matmul(&weights["text.weight"])?)?);
    }
    gradients.extend([
        ("image.weight", by_images.t()?.matmul(&batch.images)?),
        ("image.bias", by_images.sum_keepdim(0)?),
        ("text.weight", by_texts.t()?.matmul(&texts)?),
        ("text.bias", by_texts.sum_keepdim(0)?),
        ("shared.weight", by_points.t()?.matmul(&stacked)?),
        ("shared.bias", by_points.sum_keepdim(0)?),
    ]);
    Ok(Step { loss, gradients })
}

/// J of points, `[2n, dims]`, and its gradient by them; that by the label layer goes into `gradients`.
fn class_loss(
    weights: &Weights,
    points: &Tensor,
    y: &Tensor,
    part: &ClassPart,
    gradients: &mut Weights,
) -> Result<(Loss, Tensor)> {
    let n = y.dim(0)?;
    let labels = linear(points, &weights["labels.weight"], &weights["labels.bias"])?;
    let halves = |rows: &Tensor| -> Result<(Tensor, Tensor)> { Ok((rows.narrow(0, 0, n)?, rows.narrow(0, n, n)?)) };
    let ((u, v), (u_labels, v_labels)) = (halves(points)?, halves(&labels)?);

    let first = loss::j1(&u_labels, &v_labels, y, part.norm, part.discrimination)?;
    let second = loss::j2(&u, &v, &loss::shared_labels(y)?)?;
    let third = loss::j3(&u, &v, part.norm)?;
    let terms = Terms { j1: scalar(&first.value)?, j2: scalar(&second.value)?, j3: scalar(&third.value)? };
    let loss = Loss { total: terms.total(part.lambda, part.eta), terms: Some(terms) };

    let by_labels = both(&first)?;
    let by_points = ((by_labels.matmul(&weights["labels.weight"])? + (both(&second)? * part.lambda)?)?
        + (both(&third)? * part.eta)?)?;
    gradients.insert("labels.weight", by_labels.t()?.matmul(points)?);
    gradients.insert("labels.bias", by_labels.sum_keepdim(0)?);
    Ok((loss, by_points))
}

/// A term's gradient by pictures above that by sentences.
fn both(term: &Term) -> Result<Tensor> {
    Tensor::cat(&[&term.image, &term.text], 0)
}

fn scalar(value: &Tensor) -> Result<f64> {
    Ok(f64::from(value.to_scalar::<f32>()?))
}

/// A tensor of `[rows, cols]` values on the CPU.
pub(crate) fn tensor(values: Vec<f32>, (rows, cols): (usize, usize)) -> Result<Tensor> {
    Tensor::from_vec(values, (rows, cols), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::model::{Discrimination, Norm, TrainSettings};

    const SHAPE: Shape = Shape { image: 7, text: 5, hidden: 11, dims: 6, classes: 3, sentence: None };

    fn batch() -> Batch {
        let mut rng = generator(1, "test batch");
        let mut random = |rows: usize, cols: usize| {
            let values = (0..rows * cols).map(|_| rng.random_range(-1.0f32..1.0)).collect();
            tensor(values, (rows, cols)).expect("a matrix")
        };
        Batch { images: random(8, SHAPE.image), texts: Texts::Features(random(8, SHAPE.text)) }
    }

    /// Holds the gradients of a step against autograd's of the loss that `loss` makes of both halves of the points.
    fn agree(shape: Shape, goal: &Goal<'_>, loss: impl Fn(&Weights, &Tensor, &Tensor) -> Result<Tensor>) {
        let variable = |name: &&'static str| {
            let values = tensor(initial(&shape, "test", name, 3), shape.of(name)).expect("a variable");
            (*name, Var::from_tensor(&values).expect("a variable"))
        };
        let vars: BTreeMap<&'static str, Var> = shape.names().iter().map(variable).collect();
        let weights: Weights = vars.iter().map(|(name, var)| (*name, var.as_tensor().clone())).collect();
        let batch = batch();
        let Texts::Features(texts) = &batch.texts else { panic!("features") };
        let dropout = Dropout::draw(0.4, (16, shape.hidden), generator(2, "dropout"), &Device::Cpu)
            .expect("drawn")
            .expect("some");
        let ours = step(&weights, &batch, Some(&dropout), goal).expect("a step");

        let points = |view: &str, rows: &Tensor, row: usize| {
            let kept = (hidden(&weights, view, rows)? * dropout.0.narrow(0, row, 8)?)?;
            linear(&kept, &weights["shared.weight"], &weights["shared.bias"])
        };
        let (u, v) = (points("image", &batch.images, 0).expect("u"), points("text", texts, 8).expect("v"));
        let value = loss(&weights, &u, &v).expect("a loss");
        assert!((ours.loss.total - f64::from(value.to_scalar::<f32>().expect("a number"))).abs() < 1e-5);
        let oracle = value.backward().expect("autograd");
        assert_eq!(ours.gradients.len(), vars.len());
        for (name, var) in &vars {
            let expected = oracle.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            let difference =
                (&ours.gradients[name] - expected).and_then(|d| d.abs()?.flatten_all()?.max(0)).expect("max");
            let difference = difference.to_scalar::<f32>().expect("a number");
            assert!(difference < 1e-6, "{name}: {difference}");
        }
    }

    #[test]
    fn every_gradient_of_the_class_part_is_autograds() {
        let y: Vec<f32> = (0..8).flat_map(|i| (0..3).map(move |c| f32::from(u8::from(i % 3 == c)))).collect();
        let y = tensor(y, (8, 3)).expect("labels");
        let default = TrainSettings::default().class;
        for norm in [Norm::Rows, Norm::Frobenius] {
            for discrimination in [Discrimination::Regression, Discrimination::CrossEntropy] {
                let part = ClassPart { lambda: 0.7, eta: 0.3, norm, discrimination, ..default.clone() };
                agree(SHAPE, &Goal::Class { y: y.clone(), part: &part }, |weights, u, v| {
                    let labels = |rows: &Tensor| linear(rows, &weights["labels.weight"], &weights["labels.bias"]);
                    let first = loss::j1(&labels(u)?, &labels(v)?, &y, norm, discrimination)?.value;
                    let second = loss::j2(u, v, &loss::shared_labels(&y)?)?.value;
                    first + ((second * 0.7)? + (loss::j3(u, v, norm)?.value * 0.3)?)?
                });
            }
        }
    }

    #[test]
    fn every_gradient_of_the_pair_part_is_autograds() {
        let together = Tensor::eye(8, DType::F32, &Device::Cpu).expect("a matrix");
        let goal = Goal::Pair { together: together.clone(), temperature: 0.5 };
        agree(Shape { classes: 0, ..SHAPE }, &goal, |_, u, v| Ok(contrast(u, v, &together, 0.5)?.value));
    }

    #[test]
    fn initial_values_depend_on_name_and_seed_alone() {
        let bound = 1.0 / (SHAPE.hidden as f32).sqrt();
        let shared = initial(&SHAPE, "class", "shared.bias", 5);
        assert!(shared.len() == SHAPE.dims && shared.iter().all(|x| x.abs() <= bound));
        assert_eq!(shared, initial(&SHAPE, "class", "shared.bias", 5));
        assert_ne!(shared, initial(&SHAPE, "class", "shared.bias", 6));
        assert_ne!(shared, initial(&SHAPE, "pair", "shared.bias", 5));
    }
}
