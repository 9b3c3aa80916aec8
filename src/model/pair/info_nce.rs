//! The loss of the pair part: a picture has to find its own captions among those of the batch, and a caption its picture.
//!
//! Symmetric InfoNCE (van den Oord et al. 2018; between pictures and sentences: Radford et al. 2021) with several
//! positives: captions repeat, and one that reads the same as a picture's own is as right as the own. With the cosines
//! C = Ũ Ṽᵀ, the temperature τ and T, 1 where picture i and caption j belong together:
//!
//! ```text
//! L = −1/2n Σᵢ Σⱼ (T_ij / Σₖ T_ik) log softmax_j(C_i· / τ)  −  1/2n Σⱼ Σᵢ (T_ij / Σₖ T_kj) log softmax_i(C_·j / τ)
//! ```

use candle_core::{Result, Tensor};

use crate::model::dscmr::loss::{Term, Units, log_softmax};

/// The loss of points `u` of n pictures and `v` of n captions, `[n, z]`, with `together`, `[n, n]`, whose rows and columns
/// each hold a 1 at least. Gradients are by `u` and `v`.
pub(crate) fn contrast(u: &Tensor, v: &Tensor, together: &Tensor, temperature: f64) -> Result<Term> {
    let n = u.dim(0)? as f64;
    let (u, v) = (Units::of(u)?, Units::of(v)?);
    let cosines = (u.rows.matmul(&v.rows.t()?)? / temperature)?;
    let side = |along: usize| -> Result<(Tensor, Tensor)> {
        let truth = together.broadcast_div(&together.sum_keepdim(along)?)?;
        let log = log_softmax(&cosines, along)?;
        Ok(((&truth * &log)?.sum_all()?, (log.exp()? - truth)?))
    };
    let ((rows, by_rows), (cols, by_cols)) = (side(1)?, side(0)?);
    let value = ((rows + cols)? * (-0.5 / n))?;
    let by_cosines = ((by_rows + by_cols)? * (0.5 / n / temperature))?;
    let image = u.through(by_cosines.matmul(&v.rows)?)?;
    let text = v.through(by_cosines.t()?.matmul(&u.rows)?)?;
    Ok(Term { value, image, text })
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;

    fn random(seed: u64) -> Var {
        use rand::RngExt;
        let mut rng = crate::model::dscmr::network::generator(seed, "contrast");
        let values: Vec<f64> = (0..6 * 5).map(|_| rng.random_range(-1.0..1.0)).collect();
        Var::from_vec(values, (6, 5), &Device::Cpu).expect("a variable")
    }

    #[test]
    fn gradients_agree_with_autograd_with_one_positive_and_with_several() {
        let (u, v) = (random(1), random(2));
        let one = Tensor::eye(6, DType::F64, &Device::Cpu).expect("a matrix");
        // Pictures 0 and 3 have captions that read the same.
        let twins = Tensor::from_vec(vec![1f64, 0., 0., 1., 0., 0.], (1, 6), &Device::Cpu).expect("a row");
        let several =
            twins.t().and_then(|t| t.matmul(&twins)).and_then(|t| (t + &one)?.clamp(0.0, 1.0)).expect("several");
        for together in [one, several] {
            let term = contrast(&u, &v, &together, 0.3).expect("a loss");
            let oracle = term.value.backward().expect("autograd");
            for (var, ours) in [(&u, &term.image), (&v, &term.text)] {
                let apart = (oracle.get(var).expect("a gradient") - ours).and_then(|d| d.abs()?.flatten_all()?.max(0));
                let apart = apart.and_then(|d| d.to_scalar::<f64>()).expect("a number");
                assert!(apart < 1e-12, "{apart}");
            }
        }
    }

    #[test]
    fn equal_points_cost_the_logarithm_of_their_number_and_own_ones_nothing() {
        let value = |u: &Tensor, v: &Tensor, together: &Tensor| {
            contrast(u, v, together, 0.01).and_then(|term| term.value.to_scalar::<f64>()).expect("a number")
        };
        let own = Tensor::eye(6, DType::F64, &Device::Cpu).expect("a matrix");
        let same = Tensor::ones((6, 5), DType::F64, &Device::Cpu).expect("a matrix");
        assert!((value(&same, &same, &own) - 6f64.ln()).abs() < 1e-9);
        assert!(value(&own, &own, &own) < 1e-9);
    }
}
