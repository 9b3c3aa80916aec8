//! Calibration of a model on the validation split: relevance of a cosine, probabilities of classes.

use super::split_embeddings::SplitEmbeddings;
use crate::{
    evaluation::{Direction, Logistic},
    model::{Calibration, Model, ModelError, TrainingData, query_embedding::softmax, trained_model::Modality},
};

/// Fits the probability of relevance for each direction, and the softmax scale of the label layer.
pub(crate) fn calibrate(model: &mut Model, data: &TrainingData) -> Result<(), ModelError> {
    let embeddings = SplitEmbeddings::of_validation(model, data)?;
    let fit = |direction| Logistic::fit(&embeddings.pairs(direction));
    let calibration = Calibration {
        image_to_text: fit(Direction::ImageToText),
        text_to_image: fit(Direction::TextToImage),
        image_to_image: fit(Direction::ImageToImage),
        text_to_text: fit(Direction::TextToText),
    };
    let outputs = model.label_outputs(Modality::Image, &data.images.select(&embeddings.items))?;
    let truth: Vec<&[u32]> = embeddings.items.iter().map(|&item| data.labels[item].as_slice()).collect();
    model.calibrate(calibration, softmax_scale(&outputs, &truth));
    Ok(())
}

/// Scale of the label layer's outputs with the maximum likelihood of the true labels, on a grid from 1 to 64.
fn softmax_scale(outputs: &[Vec<f32>], truth: &[&[u32]]) -> f64 {
    let likelihood = |scale: f64| -> f64 {
        let of_row = |(row, labels): (&Vec<f32>, &&[u32])| {
            let probabilities = softmax(row, scale);
            let correct: f32 = labels.iter().map(|&label| probabilities[label as usize]).sum();
            f64::from(correct.max(1e-9)).ln()
        };
        outputs.iter().zip(truth).map(of_row).sum()
    };
    let grid = (0..=24).map(|n| 2f64.powf(f64::from(n) / 4.0));
    grid.max_by(|&a, &b| likelihood(a).total_cmp(&likelihood(b))).unwrap_or(1.0)
}
