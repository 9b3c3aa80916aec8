//! Noise on image features during training.

use candle_core::{Result, Tensor};
use rand::RngExt;

use crate::model::tensors::tensor;

/// Adds approximately normal noise to rows of features: the sum of four random bytes less its mean, scaled to the given
/// standard deviation. It reduces overfitting, because a network never sees the same image twice.
pub(crate) fn add_noise(rows: &Tensor, deviation: f64, mut rng: impl RngExt) -> Result<Tensor> {
    if deviation == 0.0 {
        return Ok(rows.clone());
    }
    let (count, cols) = rows.dims2()?;
    let mut bytes = vec![0u8; 4 * count * cols];
    rng.fill(bytes.as_mut_slice());
    // A sum of four uniform bytes has the variance 4 (256² − 1) / 12.
    let scale = (deviation / (4.0 * (256.0 * 256.0 - 1.0) / 12.0f64).sqrt()) as f32;
    let one = |four: &[u8; 4]| scale * (four.iter().map(|&byte| f32::from(byte)).sum::<f32>() - 510.0);
    rows + tensor(bytes.as_chunks::<4>().0.iter().map(one).collect(), (count, cols))?
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;
    use crate::model::tensors::generator;

    #[test]
    fn noise_is_nearly_normal_with_the_given_deviation() {
        let zeros = Tensor::zeros((100, 100), DType::F32, &Device::Cpu).expect("zeros");
        let noise = add_noise(&zeros, 0.5, generator(3, "noise")).and_then(|n| n.flatten_all()?.to_vec1::<f32>());
        let noise = noise.expect("values");
        let mean = |f: &dyn Fn(f32) -> f32| noise.iter().map(|&x| f(x)).sum::<f32>() / noise.len() as f32;
        assert!(mean(&|x| x).abs() < 0.02 && (mean(&|x| x * x).sqrt() - 0.5).abs() < 0.01);
        // Of a normal distribution, 4.55 % are beyond two standard deviations.
        assert!((mean(&|x| f32::from(u8::from(x.abs() > 1.0))) - 0.0455).abs() < 0.01);
    }
}
