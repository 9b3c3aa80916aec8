//! What keeps a network from learning a small collection by heart.

use candle_core::{Device, Result, Tensor};
use rand::RngExt;

use crate::model::dscmr::network::tensor;

/// Which units of the subnetworks' own layers a step keeps (Srivastava et al. 2014): 0 where one is left out, 1/(1 - p) where
/// it is kept, so that sums stay what they are without dropout. `[2n, hidden]`, pictures above sentences.
pub(crate) struct Dropout(pub(crate) Tensor);

impl Dropout {
    /// Leaves out each unit with the probability `part`. `None` if that is 0.
    pub(crate) fn draw(
        part: f64,
        (rows, cols): (usize, usize),
        mut rng: impl RngExt,
        device: &Device,
    ) -> Result<Option<Self>> {
        if part == 0.0 {
            return Ok(None);
        }
        let kept = (1.0 / (1.0 - part)) as f32;
        // Two bytes decide for a unit: a 65536th is fine enough, and drawing is not what a step waits for.
        let threshold = (part * 65536.0) as u16;
        let mut bytes = vec![0u8; 2 * rows * cols];
        rng.fill(bytes.as_mut_slice());
        let unit = |pair: &[u8; 2]| if u16::from_le_bytes(*pair) < threshold { 0.0 } else { kept };
        let mask = tensor(bytes.as_chunks::<2>().0.iter().map(unit).collect(), (rows, cols))?;
        Ok(Some(Self(mask.to_device(device)?)))
    }
}

/// Adds nearly normal noise to features: four random bytes less their mean, scaled to the deviation. Standardised features of
/// few pictures are easily learned by heart; a picture that never comes twice the same is not.
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
    use candle_core::DType;

    use super::*;
    use crate::model::dscmr::network::generator;

    #[test]
    fn dropout_leaves_out_its_part_and_keeps_the_mean() {
        let mask = Dropout::draw(0.3, (100, 1000), generator(4, "mask"), &Device::Cpu).expect("drawn").expect("some").0;
        let values: Vec<f32> = mask.flatten_all().and_then(|m| m.to_vec1()).expect("values");
        let (out, mean) =
            (values.iter().filter(|&&v| v == 0.0).count(), values.iter().sum::<f32>() / values.len() as f32);
        assert!((29_000..31_000).contains(&out), "{out} of 100 000 are left out");
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!(Dropout::draw(0.0, (1, 1), generator(4, "mask"), &Device::Cpu).expect("drawn").is_none());
    }

    #[test]
    fn noise_has_the_deviation_that_was_asked_for() {
        let zeros = Tensor::zeros((100, 100), DType::F32, &Device::Cpu).expect("zeros");
        let noise = add_noise(&zeros, 0.5, generator(3, "noise")).and_then(|n| n.flatten_all()?.to_vec1::<f32>());
        let noise = noise.expect("values");
        let mean = |f: &dyn Fn(f32) -> f32| noise.iter().map(|&x| f(x)).sum::<f32>() / noise.len() as f32;
        assert!(mean(&|x| x).abs() < 0.02 && (mean(&|x| x * x).sqrt() - 0.5).abs() < 0.01);
        // Of a normal distribution 4.55 % lie beyond two deviations.
        assert!((mean(&|x| f32::from(u8::from(x.abs() > 1.0))) - 0.0455).abs() < 0.01);
    }
}
