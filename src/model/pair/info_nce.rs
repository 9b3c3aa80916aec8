//! The loss of the pair head: for an image, classify its own captions among those of the batch, and the other way
//! round.
//!
//! Symmetric InfoNCE (van den Oord et al. 2018; for images and texts: Radford et al. 2021) with several positives,
//! because a caption with the same text as one of the image's own is equally right. With the cosines C = Ũ Ṽᵀ, the
//! temperature τ, and T, 1 where caption j is a positive of image i:
//!
//! ```text
//! L = −1/2n Σᵢ Σⱼ (T_ij / Σₖ T_ik) log softmax_j(C_i· / τ)  −  1/2n Σⱼ Σᵢ (T_ij / Σₖ T_kj) log softmax_i(C_·j / τ)
//! ```
//!
//! The gradients are written by hand, as those of the class head.

use candle_core::{Result, Tensor};

use crate::model::dscmr::loss::{LossTerm, UnitRows, log_softmax};

/// Loss of the embeddings `u` of n images and `v` of n captions, `[n, z]`. Each row and column of `positives`, `[n,
/// n]`, has at least one 1. Gradients are by `u` and `v`.
pub(crate) fn info_nce(u: &Tensor, v: &Tensor, positives: &Tensor, temperature: f64) -> Result<LossTerm> {
    let n = u.dim(0)? as f64;
    let (u, v) = (UnitRows::new(u)?, UnitRows::new(v)?);
    let cosines = (u.rows.matmul(&v.rows.t()?)? / temperature)?;
    let side = |along: usize| -> Result<(Tensor, Tensor)> {
        let truth = positives.broadcast_div(&positives.sum_keepdim(along)?)?;
        let log = log_softmax(&cosines, along)?;
        Ok(((&truth * &log)?.sum_all()?, (log.exp()? - truth)?))
    };
    let ((rows, by_rows), (cols, by_cols)) = (side(1)?, side(0)?);
    let value = ((rows + cols)? * (-0.5 / n))?;
    let by_cosines = ((by_rows + by_cols)? * (0.5 / n / temperature))?;
    let image = u.backward(by_cosines.matmul(&v.rows)?)?;
    let text = v.backward(by_cosines.t()?.matmul(&u.rows)?)?;
    Ok(LossTerm { value, image, text })
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;

    fn random(seed: u64) -> Var {
        use rand::RngExt;
        let mut rng = crate::model::tensors::generator(seed, "info_nce");
        let values: Vec<f64> = (0..6 * 5).map(|_| rng.random_range(-1.0..1.0)).collect();
        Var::from_vec(values, (6, 5), &Device::Cpu).expect("a variable")
    }

    #[test]
    fn gradients_agree_with_autograd_with_one_positive_and_with_several() {
        let (u, v) = (random(1), random(2));
        let one = Tensor::eye(6, DType::F64, &Device::Cpu).expect("a matrix");
        // Images 0 and 3 have captions with the same text.
        let duplicates = Tensor::from_vec(vec![1f64, 0., 0., 1., 0., 0.], (1, 6), &Device::Cpu).expect("a row");
        let several = duplicates
            .t()
            .and_then(|t| t.matmul(&duplicates))
            .and_then(|t| (t + &one)?.clamp(0.0, 1.0))
            .expect("several");
        for positives in [one, several] {
            let term = info_nce(&u, &v, &positives, 0.3).expect("a loss");
            let oracle = term.value.backward().expect("autograd");
            for (var, ours) in [(&u, &term.image), (&v, &term.text)] {
                let error = (oracle.get(var).expect("a gradient") - ours).and_then(|d| d.abs()?.flatten_all()?.max(0));
                let error = error.and_then(|d| d.to_scalar::<f64>()).expect("a number");
                assert!(error < 1e-12, "{error}");
            }
        }
    }

    #[test]
    fn loss_of_equal_embeddings_is_the_logarithm_of_their_number_and_of_matching_ones_zero() {
        let value = |u: &Tensor, v: &Tensor, positives: &Tensor| {
            info_nce(u, v, positives, 0.01).and_then(|term| term.value.to_scalar::<f64>()).expect("a number")
        };
        let own = Tensor::eye(6, DType::F64, &Device::Cpu).expect("a matrix");
        let same = Tensor::ones((6, 5), DType::F64, &Device::Cpu).expect("a matrix");
        assert!((value(&same, &same, &own) - 6f64.ln()).abs() < 1e-9);
        assert!(value(&own, &own, &own) < 1e-9);
    }
}
