//! The loss of the class head, J = J1 + λJ2 + ηJ3 (equation 11 of the paper), with the gradients of its terms.
//!
//! U and V are the embeddings of n images and of one caption each, `[n, z]`. P is the label layer, so Û = P(U) and V̂ =
//! P(V) are `[n, c]`. Y is `[n, c]`, 1 where a pair has a class. S is `[n, n]`, 1 where two pairs share a class. J1 and
//! J3 average the norms of rows, as the authors' code does, or take the norm of the whole matrix, as the equations are
//! printed ([`Norm`]). Row norms are √(Σx² + 1e-12): the derivative of √ at 0 is infinite, so a single pair of equal
//! rows would turn the whole batch into NaN.
//!
//! The gradients are written by hand because candle's autograd takes 5.2 s for a pass that takes 0.9 s this way. The
//! values are plain tensor operations, so the tests compare every gradient with autograd. A new term needs its value
//! and gradient here, a field of [`LossTerms`], its weight in `train/settings.rs`, and its share of the gradients in
//! `train/step.rs`. Both fields need a serde default, because stored models and checkpoints lack them.

use candle_core::{D, Result, Tensor};

use crate::model::{Discrimination, Norm};

/// Added under the square root of norms.
const TINY: f64 = 1e-12;

/// Values of the three terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LossTerms {
    /// Discrimination in the label space.
    pub j1: f64,
    /// Discrimination in the common space.
    pub j2: f64,
    /// Distance of an image from its caption.
    pub j3: f64,
}

impl LossTerms {
    /// J = J1 + λJ2 + ηJ3.
    pub fn total(self, lambda: f64, eta: f64) -> f64 {
        self.j1 + lambda * self.j2 + eta * self.j3
    }

    /// Name and value of each term.
    pub fn named(self) -> [(&'static str, f64); 3] {
        [("J1", self.j1), ("J2", self.j2), ("J3", self.j3)]
    }

    /// Adds `weight` times the terms of a batch.
    pub(crate) fn add(&mut self, weight: f64, terms: Self) {
        self.j1 += weight * terms.j1;
        self.j2 += weight * terms.j2;
        self.j3 += weight * terms.j3;
    }

    /// The terms divided by a number.
    pub(crate) fn divided_by(self, divisor: f64) -> Self {
        Self { j1: self.j1 / divisor, j2: self.j2 / divisor, j3: self.j3 / divisor }
    }
}

/// Value of a term (a scalar) and its gradients by the image side and by the text side.
pub(crate) struct LossTerm {
    pub(crate) value: Tensor,
    pub(crate) image: Tensor,
    pub(crate) text: Tensor,
}

/// J1 (equation 7): ‖Û − Y‖ + ‖V̂ − Y‖, or two cross-entropies instead. Gradients are by Û and V̂.
pub(crate) fn j1(
    image_labels: &Tensor,
    text_labels: &Tensor,
    y: &Tensor,
    norm: Norm,
    discrimination: Discrimination,
) -> Result<LossTerm> {
    let side = |labels: &Tensor| match discrimination {
        Discrimination::Regression => norm_of(&(labels - y)?, norm),
        Discrimination::CrossEntropy => cross_entropy(labels, y),
    };
    let ((image_value, image), (text_value, text)) = (side(image_labels)?, side(text_labels)?);
    Ok(LossTerm { value: (image_value + text_value)?, image, text })
}

/// J3 (equation 10): ‖U − V‖. Gradients are by U and V.
pub(crate) fn j3(u: &Tensor, v: &Tensor, norm: Norm) -> Result<LossTerm> {
    let (value, image) = norm_of(&(u - v)?, norm)?;
    let text = image.neg()?;
    Ok(LossTerm { value, image, text })
}

/// Norm of `[n, m]` differences and its gradient by them: mean_i ‖r_i‖ and r_i / (n ‖r_i‖), or ‖R‖_F / n and
/// R / (n ‖R‖_F).
fn norm_of(rows: &Tensor, norm: Norm) -> Result<(Tensor, Tensor)> {
    let n = rows.dim(0)? as f64;
    let norms = match norm {
        Norm::Rows => row_norms(rows)?,
        Norm::Frobenius => (rows.sqr()?.sum_all()? + TINY)?.sqrt()?.reshape((1, 1))?,
    };
    let gradient = rows.broadcast_div(&(&norms * n)?)?;
    Ok(((norms.sum_all()? / n)?, gradient))
}

/// Mean cross-entropy between the softmax of the outputs and the truth, and its gradient by the outputs,
/// (softmax − truth) / n. The truth is Y with its rows scaled to sum 1.
fn cross_entropy(outputs: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
    let n = outputs.dim(0)? as f64;
    let truth = y.broadcast_div(&y.sum_keepdim(D::Minus1)?)?;
    let log = log_softmax(outputs, 1)?;
    let value = ((&truth * &log)?.sum_all()? * (-1.0 / n))?;
    Ok((value, ((log.exp()? - truth)? / n)?))
}

/// log(exp x / Σ exp x) along a dimension, without overflow.
pub(crate) fn log_softmax(x: &Tensor, dim: usize) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.max_keepdim(dim)?)?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(dim)?.log()?)
}

fn row_norms(rows: &Tensor) -> Result<Tensor> {
    (rows.sqr()?.sum_keepdim(D::Minus1)? + TINY)?.sqrt()
}

/// Rows scaled to norm 1, with their previous norms.
pub(crate) struct UnitRows {
    pub(crate) rows: Tensor,
    norms: Tensor,
}

impl UnitRows {
    pub(crate) fn new(rows: &Tensor) -> Result<Self> {
        let norms = row_norms(rows)?;
        Ok(Self { rows: rows.broadcast_div(&norms)?, norms })
    }

    /// Gradient by the original rows, from the gradient by the unit rows: its component orthogonal to each row, divided
    /// by the norm.
    pub(crate) fn backward(&self, by_unit: Tensor) -> Result<Tensor> {
        let along = (&self.rows * &by_unit)?.sum_keepdim(D::Minus1)?;
        (by_unit - self.rows.broadcast_mul(&along)?)?.broadcast_div(&self.norms)
    }
}

/// J2 (equations 8 and 9): the mean negative log-likelihood of S under σ(Γ), Γ = ½cos, summed over image–text (Γ),
/// image–image (Φ) and text–text (Θ) pairs: Σ mean(log(1 + exp Γ) − SΓ). Gradients are by U and V.
///
/// All three are blocks of one matrix: with N = \[Ũ; Ṽ\] the unit rows, C = N Nᵀ. As C is symmetric, the gradient by N
/// is M N, where M is (σ(½C) − S)/2n², doubled in the two diagonal blocks, in which each row occurs twice.
pub(crate) fn j2(u: &Tensor, v: &Tensor, s: &Tensor) -> Result<LossTerm> {
    let n = u.dim(0)?;
    let units = UnitRows::new(&Tensor::cat(&[u, v], 0)?)?;
    let unit = &units.rows;
    let gamma = (unit.matmul(&unit.t()?)? * 0.5)?;
    let s = Tensor::cat(&[s, s], 0)?;
    let s = Tensor::cat(&[&s, &s], 1)?;

    let scale = 1.0 / (n * n) as f64;
    let terms = (softplus(&gamma)? - (&s * &gamma)?)?;
    let block = |row: usize, col: usize| terms.narrow(0, row, n)?.narrow(1, col, n)?.sum_all();
    let value = (((block(0, 0)? + block(n, n)?)? + block(0, n)?)? * scale)?;

    let slope = ((sigmoid(&gamma)? - s)? * (0.5 * scale))?;
    let (left, right) = (slope.narrow(1, 0, n)?, slope.narrow(1, n, n)?);
    let twice = |half: Tensor, top: bool| -> Result<Tensor> {
        let (upper, lower) = (half.narrow(0, 0, n)?, half.narrow(0, n, n)?);
        if top { Tensor::cat(&[&(upper * 2.0)?, &lower], 0) } else { Tensor::cat(&[&upper, &(lower * 2.0)?], 0) }
    };
    let slope = Tensor::cat(&[&twice(left, true)?, &twice(right, false)?], 1)?;
    let by_rows = units.backward(slope.matmul(unit)?)?;
    Ok(LossTerm { value, image: by_rows.narrow(0, 0, n)?, text: by_rows.narrow(0, n, n)? })
}

/// log(1 + exp x) without overflow: max(x, 0) + log(1 + exp(−|x|)).
fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// S of a batch from Y: 1 where two pairs share a class, `[n, n]`.
pub(crate) fn shared_labels(y: &Tensor) -> Result<Tensor> {
    y.matmul(&y.t()?)?.ge(0.5)?.to_dtype(y.dtype())
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        lambda_: f64,
        eta: f64,
        u: Vec<Vec<f64>>,
        v: Vec<Vec<f64>>,
        w: Vec<Vec<f64>>,
        b: Vec<f64>,
        labels: Vec<usize>,
        rows: Rows,
        matrix: Matrix,
    }

    #[derive(serde::Deserialize)]
    struct Matrix {
        j1: f64,
        j3: f64,
    }

    #[derive(serde::Deserialize)]
    struct Rows {
        j1: f64,
        j2: f64,
        j3: f64,
        j: f64,
        grad_u: Vec<Vec<f64>>,
        grad_v: Vec<Vec<f64>>,
        grad_w: Vec<Vec<f64>>,
        grad_b: Vec<f64>,
    }

    fn golden() -> Golden {
        serde_json::from_str(include_str!("../../../tests/fixtures/dscmr-golden.json")).expect("the fixture parses")
    }

    fn matrix(rows: &[Vec<f64>], dtype: DType) -> Tensor {
        let flat: Vec<f64> = rows.iter().flatten().copied().collect();
        let tensor = Tensor::from_vec(flat, (rows.len(), rows[0].len()), &Device::Cpu).expect("a matrix");
        tensor.to_dtype(dtype).expect("a type")
    }

    /// Largest difference, relative to the largest golden value.
    fn max_error(ours: &Tensor, golden: &Tensor) -> f64 {
        let to_f64 = |t: &Tensor| t.to_dtype(DType::F64).expect("a type");
        let difference = (to_f64(ours) - to_f64(golden)).expect("shapes agree").abs().expect("abs");
        let largest =
            |t: &Tensor| t.flatten_all().and_then(|t| t.max(0)).and_then(|t| t.to_scalar::<f64>()).expect("max");
        largest(&difference) / largest(&to_f64(golden).abs().expect("abs"))
    }

    fn scalar(t: &Tensor) -> f64 {
        t.to_dtype(DType::F64).and_then(|t| t.to_scalar::<f64>()).expect("a scalar")
    }

    #[test]
    fn terms_and_gradients_agree_with_reference_values() {
        let golden = golden();
        for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 1e-5)] {
            let [u, v, w] = [&golden.u, &golden.v, &golden.w].map(|rows| matrix(rows, dtype));
            let b = matrix(std::slice::from_ref(&golden.b), dtype);
            let y: Vec<Vec<f64>> = golden
                .labels
                .iter()
                .map(|&l| (0..w.dims()[0]).map(|c| f64::from(u8::from(c == l))).collect())
                .collect();
            let y = matrix(&y, dtype);
            let labels =
                |rows: &Tensor| rows.matmul(&w.t().expect("t")).and_then(|l| l.broadcast_add(&b)).expect("labels");

            let regression = |norm| j1(&labels(&u), &labels(&v), &y, norm, Discrimination::Regression).expect("j1");
            let first = regression(Norm::Rows);
            let second = j2(&u, &v, &shared_labels(&y).expect("s")).expect("j2");
            let third = j3(&u, &v, Norm::Rows).expect("j3");
            let terms = LossTerms { j1: scalar(&first.value), j2: scalar(&second.value), j3: scalar(&third.value) };
            for (ours, theirs) in [
                (terms.j1, golden.rows.j1),
                (terms.j2, golden.rows.j2),
                (terms.j3, golden.rows.j3),
                (terms.total(golden.lambda_, golden.eta), golden.rows.j),
                (scalar(&regression(Norm::Frobenius).value), golden.matrix.j1),
                (scalar(&j3(&u, &v, Norm::Frobenius).expect("j3").value), golden.matrix.j3),
            ] {
                assert!((ours - theirs).abs() <= tolerance * theirs.abs(), "{dtype:?}: {ours} and {theirs}");
            }

            let by = |labels: &Tensor, second: &Tensor, third: &Tensor| {
                let through = labels.matmul(&w)?;
                through + ((second * golden.lambda_)? + (third * golden.eta)?)?
            };
            let grad_u = by(&first.image, &second.image, &third.image).expect("grad u");
            let grad_v = by(&first.text, &second.text, &third.text).expect("grad v");
            let both = Tensor::cat(&[&first.image, &first.text], 0).expect("cat");
            let grad_w = both.t().and_then(|g| g.matmul(&Tensor::cat(&[&u, &v], 0)?)).expect("grad w");
            let grad_b = both.sum_keepdim(0).expect("grad b");
            for (name, ours, theirs) in [
                ("u", grad_u, matrix(&golden.rows.grad_u, dtype)),
                ("v", grad_v, matrix(&golden.rows.grad_v, dtype)),
                ("w", grad_w, matrix(&golden.rows.grad_w, dtype)),
                ("b", grad_b, matrix(std::slice::from_ref(&golden.rows.grad_b), dtype)),
            ] {
                let error = max_error(&ours, &theirs);
                assert!(error <= tolerance, "{dtype:?}, gradient by {name}: {error}");
            }
        }
    }

    #[test]
    fn gradients_agree_with_autograd_for_items_of_several_classes() {
        let golden = golden();
        let u = Var::from_tensor(&matrix(&golden.u, DType::F64)).expect("a variable");
        let v = Var::from_tensor(&matrix(&golden.v, DType::F64)).expect("a variable");
        let y: Vec<Vec<f64>> =
            (0..12).map(|i| (0..5).map(|c| f64::from(u8::from(i % 5 == c || i % 3 == c))).collect()).collect();
        let s = shared_labels(&matrix(&y, DType::F64)).expect("s");
        let y = matrix(&y, DType::F64);
        let mut terms = vec![j2(&u, &v, &s).expect("j2")];
        for norm in [Norm::Rows, Norm::Frobenius] {
            terms.push(j3(&u, &v, norm).expect("j3"));
            // U and V serve as label outputs of as many classes.
            let y = y.pad_with_zeros(1, 0, golden.u[0].len() - 5).expect("more classes");
            terms.push(j1(&u, &v, &y, norm, Discrimination::Regression).expect("j1"));
            terms.push(j1(&u, &v, &y, norm, Discrimination::CrossEntropy).expect("j1"));
        }
        for term in terms {
            let grads = term.value.backward().expect("autograd");
            for (var, ours) in [(&u, &term.image), (&v, &term.text)] {
                let oracle = grads.get(var).expect("a gradient");
                assert!(max_error(ours, oracle) < 1e-9);
            }
        }
    }

    #[test]
    fn equal_rows_have_finite_gradients() {
        let golden = golden();
        let u = matrix(&golden.u, DType::F32);
        let zero = u.zeros_like().expect("zeros");
        let s = Tensor::ones((12, 12), DType::F32, &Device::Cpu).expect("ones");
        let mut terms = vec![j2(&zero, &u, &s).expect("j2")];
        for norm in [Norm::Rows, Norm::Frobenius] {
            terms.push(j3(&u, &u, norm).expect("j3"));
            terms.push(j1(&u, &u, &u, norm, Discrimination::Regression).expect("j1"));
        }
        for term in terms {
            for tensor in [term.value, term.image, term.text] {
                let values = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("values");
                assert!(values.iter().all(|x| x.is_finite()), "{values:?}");
            }
        }
    }
}
