//! Dropout on the hidden layers of the subnetworks.

use candle_core::{Device, Result, Tensor};
use rand::RngExt;

use crate::model::tensors::tensor;

/// Mask of the hidden units in a step (Srivastava et al. 2014): 0 for a dropped unit, 1/(1 - rate) for the others, so
/// that expected sums stay the same. `[2n, hidden]`, images above texts.
pub(crate) struct Dropout(pub(crate) Tensor);

impl Dropout {
    /// Drops each unit with probability `rate`. `None` if the rate is 0.
    pub(crate) fn draw(
        rate: f64,
        (rows, cols): (usize, usize),
        mut rng: impl RngExt,
        device: &Device,
    ) -> Result<Option<Self>> {
        if rate == 0.0 {
            return Ok(None);
        }
        let scale = (1.0 / (1.0 - rate)) as f32;
        // Two random bytes per unit: a resolution of 1/65536 is fine enough, and drawing more would slow the step down.
        let threshold = (rate * 65536.0) as u16;
        let mut bytes = vec![0u8; 2 * rows * cols];
        rng.fill(bytes.as_mut_slice());
        let unit = |pair: &[u8; 2]| if u16::from_le_bytes(*pair) < threshold { 0.0 } else { scale };
        let mask = tensor(bytes.as_chunks::<2>().0.iter().map(unit).collect(), (rows, cols))?;
        Ok(Some(Self(mask.to_device(device)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tensors::generator;

    #[test]
    fn dropout_drops_the_given_fraction_and_keeps_the_mean() {
        let mask = Dropout::draw(0.3, (100, 1000), generator(4, "mask"), &Device::Cpu).expect("drawn").expect("some").0;
        let values: Vec<f32> = mask.flatten_all().and_then(|m| m.to_vec1()).expect("values");
        let (dropped, mean) =
            (values.iter().filter(|&&v| v == 0.0).count(), values.iter().sum::<f32>() / values.len() as f32);
        assert!((29_000..31_000).contains(&dropped), "{dropped} of 100 000 are dropped");
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!(Dropout::draw(0.0, (1, 1), generator(4, "mask"), &Device::Cpu).expect("drawn").is_none());
    }
}
