//! The network of a head: names and shapes of its variables, their initial values, and the layers.
//!
//! Names are those of the stored weights. The paper's symbols: U and V are the outputs of the shared layer for images
//! and texts, P is the label layer.

use candle_core::{Result, Tensor};
use rand::RngExt;

use crate::model::{
    tensors::{Weights, generator, linear},
    text_cnn::{self, TextCnnShape},
};

/// Dimensions of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Shape {
    /// Image features.
    pub(crate) image: usize,
    /// Text features, or outputs of the text CNN.
    pub(crate) text: usize,
    /// Units of the hidden layer of each subnetwork.
    pub(crate) hidden: usize,
    /// Dimensions of the common space.
    pub(crate) dims: usize,
    /// Outputs of the label layer; 0 if there is none.
    pub(crate) classes: usize,
    /// The text CNN, if text features are token ids.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "sentence")]
    pub(crate) text_cnn: Option<TextCnnShape>,
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
    /// Names of all variables, in the order in which the optimizer updates them.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = if self.classes == 0 { NAMES[..6].to_vec() } else { NAMES.to_vec() };
        if self.text_cnn.is_some() {
            names.extend(text_cnn::names());
        }
        names
    }

    /// Length of the text features, before the text CNN.
    pub(crate) fn text_features(&self) -> usize {
        self.text_cnn.map_or(self.text, |cnn| cnn.features)
    }

    /// Rows and columns of a variable: `[out, in]` of a weight, `[1, out]` of a bias, as [`TextCnnShape::of`] for the
    /// CNN.
    pub(crate) fn of(&self, name: &str) -> (usize, usize) {
        if let Some(shape) = self.text_cnn.and_then(|cnn| cnn.of(name)) {
            return shape;
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
        if let Some(inputs) = self.text_cnn.and_then(|cnn| cnn.fan_in(name)) {
            return inputs;
        }
        let layer = name.split('.').next().unwrap_or(name);
        self.of(&format!("{layer}.weight")).1
    }
}

/// Initial values of a variable: uniform in ±1/√fan_in, PyTorch's default for linear layers and thus that of the
/// authors' code. The generator is seeded with the names of head and variable, so the values of one variable do not
/// depend on another.
pub(crate) fn initial(shape: &Shape, head: &str, name: &str, seed: u64) -> Vec<f32> {
    let (rows, cols) = shape.of(name);
    let bound = 1.0 / (shape.fan_in(name) as f32).sqrt();
    let mut rng = generator(seed, &format!("{head}.{name}"));
    (0..rows * cols).map(|_| rng.random_range(-bound..=bound)).collect()
}

/// Hidden layer of one subnetwork, `image` or `text`: ReLU(x Wᵀ + b), `[n, hidden]`.
pub(crate) fn hidden(weights: &Weights, modality: &str, rows: &Tensor) -> Result<Tensor> {
    let (weight, bias) =
        if modality == "image" { ("image.weight", "image.bias") } else { ("text.weight", "text.bias") };
    linear(rows, &weights[weight], &weights[bias])?.relu()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initial_values_depend_on_head_name_and_seed_alone() {
        let shape = Shape { image: 7, text: 5, hidden: 11, dims: 6, classes: 3, text_cnn: None };
        let bound = 1.0 / (shape.hidden as f32).sqrt();
        let shared = initial(&shape, "class", "shared.bias", 5);
        assert!(shared.len() == shape.dims && shared.iter().all(|x| x.abs() <= bound));
        assert_eq!(shared, initial(&shape, "class", "shared.bias", 5));
        assert_ne!(shared, initial(&shape, "class", "shared.bias", 6));
        assert_ne!(shared, initial(&shape, "pair", "shared.bias", 5));
    }
}
