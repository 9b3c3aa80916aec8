//! Scalar quantization: vectors as bytes, the range of each dimension in 255 equal steps.
//!
//! With `x[j] ≈ low[j] + step[j] · code[j]`, the inner product is `q · x ≈ Σ q[j] · low[j] + Σ q[j] · step[j] ·
//! code[j]`. The first sum is the same for all points, so it does not change their order. The factors `q[j] · step[j]`
//! of the second are rounded to signed bytes with one scale for the whole query, which leaves an inner product of
//! bytes.

use crate::index::{
    AlignedVec, IndexError,
    kernels::{LINE, Rows},
};

/// Quantized points of a graph.
#[derive(Debug)]
pub(in crate::index) struct Codes {
    /// `[len, stride]`, each row padded with zeros.
    codes: AlignedVec<u8>,
    /// Step of each dimension, `[dims]`.
    step: AlignedVec<f32>,
}

/// Bytes of a padded row.
pub(in crate::index) fn code_stride(dims: usize) -> usize {
    dims.next_multiple_of(LINE).max(LINE)
}

impl Codes {
    /// Quantizes vectors of `dims` dimensions.
    ///
    /// # Errors
    /// [`IndexError::Memory`].
    pub(super) fn new(dims: usize, rows: Rows<'_, f32>) -> Result<Self, IndexError> {
        let mut low = vec![f32::INFINITY; dims];
        let mut high = vec![f32::NEG_INFINITY; dims];
        for at in 0..rows.len() {
            for ((low, high), &x) in low.iter_mut().zip(&mut high).zip(rows.row(at)) {
                *low = low.min(x);
                *high = high.max(x);
            }
        }
        let step: Vec<f32> = low.iter().zip(&high).map(|(low, high)| ((high - low) / 255.0).max(0.0)).collect();
        let inverse: Vec<f32> = step.iter().map(|step| if *step > 0.0 { 1.0 / step } else { 0.0 }).collect();
        let mut codes = AlignedVec::zeros(rows.len() * code_stride(dims))?;
        for (at, codes) in codes.chunks_exact_mut(code_stride(dims)).enumerate() {
            for (((code, &x), low), inverse) in codes.iter_mut().zip(&rows.row(at)[..dims]).zip(&low).zip(&inverse) {
                // The conversion saturates, so rounding cannot overflow.
                *code = ((x - low) * inverse).round() as u8;
            }
        }
        Ok(Self { codes, step: AlignedVec::from_slice(&step)? })
    }

    /// Creates the codes of `len` points from columns that were read from disk. `None` if the lengths do not fit or a
    /// step is out of range.
    pub(in crate::index) fn from_columns(codes: AlignedVec<u8>, step: AlignedVec<f32>, len: usize) -> Option<Self> {
        let fits = codes.len() == len.checked_mul(code_stride(step.len()))?;
        // The range of a component of unit vectors is at most 2, so a step is at most 2 / 255.
        (fits && step.iter().all(|step| (0.0..=0.01).contains(step))).then_some(Self { codes, step })
    }

    #[inline]
    pub(in crate::index) fn rows(&self) -> Rows<'_, u8> {
        Rows::new(&self.codes, code_stride(self.step.len()))
    }

    #[inline]
    pub(in crate::index) fn codes(&self) -> &AlignedVec<u8> {
        &self.codes
    }

    #[inline]
    pub(in crate::index) fn step(&self) -> &AlignedVec<f32> {
        &self.step
    }

    /// Quantizes the factors of a query, `[stride]`.
    pub(super) fn quantize_query(&self, query: &[f32]) -> Vec<i8> {
        let factors = || query.iter().zip(self.step.iter()).map(|(q, step)| q * step);
        let scale = factors().fold(0f32, |largest, f| largest.max(f.abs())) / 127.0;
        let mut bytes = vec![0; code_stride(self.step.len())];
        if scale > 0.0 {
            for (byte, factor) in bytes.iter_mut().zip(factors()) {
                *byte = (factor / scale).round() as i8;
            }
        }
        bytes
    }
}
