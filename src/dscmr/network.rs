//! The network's variables, its forward pass, and the backward pass written by hand in tensor operations.
//!
//! candle's autograd would do, and is the tests' oracle, but it keeps and walks a graph of every operation; by hand a step
//! costs a fraction of that. Both views pass the shared layer stacked into one matrix, so it is multiplied once.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    TrainSettings,
    loss::{self, Terms},
};

/// Lengths that make the network's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Shape {
    /// Length of a picture's features.
    pub(super) image: usize,
    /// Length of a sentence's features.
    pub(super) text: usize,
    /// Units of each subnetwork's own layer.
    pub(super) hidden: usize,
    /// Dimensions of the common space.
    pub(super) dims: usize,
    /// Number of classes.
    pub(super) classes: usize,
}

/// Names of the variables, in the order in which steps visit them.
pub(super) const NAMES: [&str; 8] = [
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
    /// `[out, in]` of a weight, `[1, out]` of a bias.
    pub(super) fn of(&self, name: &str) -> (usize, usize) {
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
        self.of(&format!("{layer}.weight")).1
    }
}

/// Values of a variable before the first step: uniform in ±1/√fan_in, as PyTorch's linear layers begin and so the authors'
/// code did. Drawn from a generator that is seeded by the variable's name, so that no variable's values depend on another's.
pub(super) fn initial(shape: &Shape, name: &str, seed: u64) -> Vec<f32> {
    let (rows, cols) = shape.of(name);
    let bound = 1.0 / (shape.fan_in(name) as f32).sqrt();
    let mut rng = generator(seed, name);
    (0..rows * cols).map(|_| rng.random_range(-bound..=bound)).collect()
}

/// A generator for one purpose of one training.
pub(super) fn generator(seed: u64, purpose: &str) -> ChaCha8Rng {
    let key = blake3::hash(format!("{seed} {purpose}").as_bytes());
    ChaCha8Rng::from_seed(*key.as_bytes())
}

/// The variables by name, `f32`.
pub(super) type Weights = BTreeMap<&'static str, Tensor>;

/// Rows through one subnetwork's own layer: ReLU(x Wᵀ + b), `[n, hidden]`.
pub(super) fn hidden(weights: &Weights, view: &str, rows: &Tensor) -> Result<Tensor> {
    let (weight, bias) = if view == "image" { ("image.weight", "image.bias") } else { ("text.weight", "text.bias") };
    linear(rows, &weights[weight], &weights[bias])?.relu()
}

/// x Wᵀ + b
pub(super) fn linear(rows: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    rows.matmul(&weight.t()?)?.broadcast_add(bias)
}

/// A batch of pairs.
pub(super) struct Batch {
    /// Standardised picture features, `[n, image]`.
    pub(super) images: Tensor,
    /// Standardised sentence features, `[n, text]`.
    pub(super) texts: Tensor,
    /// Y, `[n, classes]`.
    pub(super) y: Tensor,
}

/// Which units of the subnetworks' own layers a step keeps (Srivastava et al. 2014): 0 where one is left out, 1/(1 - p) where
/// it is kept, so that sums stay what they are without dropout. `[2n, hidden]`, pictures above sentences.
pub(super) struct Dropout(Tensor);

impl Dropout {
    /// Leaves out each unit with the probability `part`. `None` if that is 0.
    pub(super) fn draw(part: f64, (rows, cols): (usize, usize), mut rng: impl RngExt) -> Result<Option<Self>> {
        if part == 0.0 {
            return Ok(None);
        }
        let kept = (1.0 / (1.0 - part)) as f32;
        // Two bytes decide for a unit: a 65536th is fine enough, and drawing is not what a step waits for.
        let threshold = (part * 65536.0) as u16;
        let mut bytes = vec![0u8; 2 * rows * cols];
        rng.fill(bytes.as_mut_slice());
        let unit = |pair: &[u8; 2]| if u16::from_le_bytes(*pair) < threshold { 0.0 } else { kept };
        Ok(Some(Self(tensor(bytes.as_chunks::<2>().0.iter().map(unit).collect(), (rows, cols))?)))
    }
}

/// What a step found.
pub(super) struct Step {
    pub(super) terms: Terms,
    /// Gradient of J by each variable, in its shape.
    pub(super) gradients: Weights,
}

/// J of a batch and its gradient by every variable.
pub(super) fn step(
    weights: &Weights,
    batch: &Batch,
    dropout: Option<&Dropout>,
    settings: &TrainSettings,
) -> Result<Step> {
    let n = batch.images.dim(0)?;
    let full = Tensor::cat(&[&hidden(weights, "image", &batch.images)?, &hidden(weights, "text", &batch.texts)?], 0)?;
    let stacked = match dropout {
        Some(Dropout(mask)) => (&full * mask)?,
        None => full,
    };
    let points = linear(&stacked, &weights["shared.weight"], &weights["shared.bias"])?;
    let labels = linear(&points, &weights["labels.weight"], &weights["labels.bias"])?;
    let (u, v) = (points.narrow(0, 0, n)?, points.narrow(0, n, n)?);

    let first = loss::j1(&labels.narrow(0, 0, n)?, &labels.narrow(0, n, n)?, &batch.y)?;
    let second = loss::j2(&u, &v, &loss::shared_labels(&batch.y)?)?;
    let third = loss::j3(&u, &v)?;
    let terms = Terms { j1: scalar(&first.value)?, j2: scalar(&second.value)?, j3: scalar(&third.value)? };

    let by_labels = Tensor::cat(&[&first.image, &first.text], 0)?;
    let second = (Tensor::cat(&[&second.image, &second.text], 0)? * settings.lambda)?;
    let third = (Tensor::cat(&[&third.image, &third.text], 0)? * settings.eta)?;
    let by_points = ((by_labels.matmul(&weights["labels.weight"])? + second)? + third)?;
    // ReLU passes the gradient where its output is positive; what was left out passes none.
    let open = stacked.gt(0.0)?.to_dtype(DType::F32)?;
    let open = match dropout {
        Some(Dropout(mask)) => (open * mask)?,
        None => open,
    };
    let by_stacked = (by_points.matmul(&weights["shared.weight"])? * open)?;
    let (by_images, by_texts) = (by_stacked.narrow(0, 0, n)?, by_stacked.narrow(0, n, n)?);

    let gradients = BTreeMap::from([
        ("image.weight", by_images.t()?.matmul(&batch.images)?),
        ("image.bias", by_images.sum_keepdim(0)?),
        ("text.weight", by_texts.t()?.matmul(&batch.texts)?),
        ("text.bias", by_texts.sum_keepdim(0)?),
        ("shared.weight", by_points.t()?.matmul(&stacked)?),
        ("shared.bias", by_points.sum_keepdim(0)?),
        ("labels.weight", by_labels.t()?.matmul(&points)?),
        ("labels.bias", by_labels.sum_keepdim(0)?),
    ]);
    Ok(Step { terms, gradients })
}

fn scalar(value: &Tensor) -> Result<f64> {
    Ok(f64::from(value.to_scalar::<f32>()?))
}

/// A tensor of `[rows, cols]` values on the CPU.
pub(super) fn tensor(values: Vec<f32>, (rows, cols): (usize, usize)) -> Result<Tensor> {
    Tensor::from_vec(values, (rows, cols), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    const SHAPE: Shape = Shape { image: 7, text: 5, hidden: 11, dims: 6, classes: 3 };

    fn batch() -> Batch {
        let mut rng = generator(1, "test batch");
        let mut random = |rows: usize, cols: usize| {
            let values = (0..rows * cols).map(|_| rng.random_range(-1.0f32..1.0)).collect();
            tensor(values, (rows, cols)).expect("a matrix")
        };
        let (images, texts) = (random(8, SHAPE.image), random(8, SHAPE.text));
        let y = (0..8).flat_map(|i| (0..3).map(move |c| f32::from(u8::from(i % 3 == c)))).collect();
        Batch { images, texts, y: tensor(y, (8, 3)).expect("labels") }
    }

    #[test]
    fn every_gradient_is_autograds() {
        let vars: BTreeMap<&'static str, Var> = NAMES
            .into_iter()
            .map(|name| {
                let values = tensor(initial(&SHAPE, name, 3), SHAPE.of(name)).expect("a variable");
                (name, Var::from_tensor(&values).expect("a variable"))
            })
            .collect();
        let weights: Weights = vars.iter().map(|(name, var)| (*name, var.as_tensor().clone())).collect();
        let (batch, settings) = (batch(), TrainSettings { lambda: 0.7, eta: 0.3, ..TrainSettings::default() });
        let dropout = Dropout::draw(0.4, (16, SHAPE.hidden), generator(2, "dropout")).expect("drawn").expect("some");
        let ours = step(&weights, &batch, Some(&dropout), &settings).expect("a step");

        let points = |view: &str, rows: &Tensor, row: usize| {
            let kept = (hidden(&weights, view, rows)? * dropout.0.narrow(0, row, 8)?)?;
            linear(&kept, &weights["shared.weight"], &weights["shared.bias"])
        };
        let (u, v) = (points("image", &batch.images, 0).expect("u"), points("text", &batch.texts, 8).expect("v"));
        let labels = |rows: &Tensor| linear(rows, &weights["labels.weight"], &weights["labels.bias"]).expect("labels");
        let s = loss::shared_labels(&batch.y).expect("s");
        let first = loss::j1(&labels(&u), &labels(&v), &batch.y).expect("j1").value;
        let second = loss::j2(&u, &v, &s).expect("j2").value;
        let third = loss::j3(&u, &v).expect("j3").value;
        let j = (first + (second * 0.7).expect("λJ2") + (third * 0.3).expect("ηJ3").clone()).expect("J");
        assert!((ours.terms.total(0.7, 0.3) - f64::from(j.to_scalar::<f32>().expect("J"))).abs() < 1e-5);
        let oracle = j.backward().expect("autograd");
        for (name, var) in &vars {
            let expected = oracle.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            let difference =
                (&ours.gradients[name] - expected).and_then(|d| d.abs()?.flatten_all()?.max(0)).expect("max");
            let difference = difference.to_scalar::<f32>().expect("a number");
            assert!(difference < 1e-6, "{name}: {difference}");
        }
    }

    #[test]
    fn dropout_leaves_out_its_part_and_keeps_the_mean() {
        let mask = Dropout::draw(0.3, (100, 1000), generator(4, "mask")).expect("drawn").expect("some").0;
        let values: Vec<f32> = mask.flatten_all().and_then(|m| m.to_vec1()).expect("values");
        let (out, mean) =
            (values.iter().filter(|&&v| v == 0.0).count(), values.iter().sum::<f32>() / values.len() as f32);
        assert!((29_000..31_000).contains(&out), "{out} of 100 000 are left out");
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!(Dropout::draw(0.0, (1, 1), generator(4, "mask")).expect("drawn").is_none());
    }

    #[test]
    fn initial_values_depend_on_name_and_seed_alone() {
        let bound = 1.0 / (SHAPE.hidden as f32).sqrt();
        let shared = initial(&SHAPE, "shared.bias", 5);
        assert!(shared.len() == SHAPE.dims && shared.iter().all(|x| x.abs() <= bound));
        assert_eq!(shared, initial(&SHAPE, "shared.bias", 5));
        assert_ne!(shared, initial(&SHAPE, "shared.bias", 6));
    }
}
