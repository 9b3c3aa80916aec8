//! 1×1 convolutions: `[pixels, inputs] × [inputs, outputs]`, with bias, residual and ReLU6 applied in registers.
//!
//! At load, the weights are packed into panels of up to three registers of outputs, which the inner loop reads
//! sequentially; the pixels are read in place. A tile of pixels × one panel stays in registers over all inputs.

use super::{
    AlignedVec,
    simd::{Portable, Simd},
};
use crate::core::SimdLevel;

/// Number of pixels that are multiplied by all panels before the next pixels, so that they stay in the L2 cache.
const PIXEL_BLOCK: usize = 64;

/// Operation on a result before it is stored.
#[derive(Debug, Clone, Copy)]
pub(in crate::encoders) enum Epilogue<'a> {
    /// Bias only.
    Linear,
    /// ReLU6.
    Relu6,
    /// Adds another `[pixels, outputs]`.
    Add(&'a [f32]),
}

/// The weights of a 1×1 convolution.
#[derive(Clone)]
pub(in crate::encoders) struct Pointwise {
    isa: SimdLevel,
    inputs: usize,
    outputs: usize,
    panels: Vec<Panel>,
    /// Panel after panel `[inputs, registers · lanes]`, padded with zeros after the last output.
    weights: AlignedVec,
    /// One number per output, padded with zeros.
    bias: AlignedVec,
}

#[derive(Debug, Clone, Copy)]
struct Panel {
    /// Offset in the weights.
    start: usize,
    /// First output.
    output: usize,
    /// Number of registers, 1 to 3.
    registers: usize,
}

impl Pointwise {
    /// Packs weights `[outputs, inputs]`, row-major, and a bias `[outputs]`.
    pub(in crate::encoders) fn new(isa: SimdLevel, inputs: usize, weights: &[f32], bias: &[f32]) -> Self {
        let (outputs, lanes) = (bias.len(), isa.lanes());
        assert_eq!(weights.len(), inputs * outputs, "weights are [outputs, inputs]");
        let mut panels = Vec::new();
        let mut left = outputs.div_ceil(lanes);
        let (mut start, mut output) = (0, 0);
        while left > 0 {
            // Two panels of two are faster than one of three and one of one.
            let registers = if left == 4 { 2 } else { left.min(3) };
            panels.push(Panel { start, output, registers });
            start += inputs * registers * lanes;
            output += registers * lanes;
            left -= registers;
        }
        let mut packed = AlignedVec::zeros(start);
        for panel in &panels {
            let width = panel.registers * lanes;
            for column in 0..width.min(outputs - panel.output) {
                for input in 0..inputs {
                    packed[panel.start + input * width + column] = weights[(panel.output + column) * inputs + input];
                }
            }
        }
        let mut padded = AlignedVec::zeros(outputs.next_multiple_of(lanes));
        padded[..outputs].copy_from_slice(bias);
        Self { isa, inputs, outputs, panels, weights: packed, bias: padded }
    }

    /// Number of input channels.
    pub(in crate::encoders) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of output channels.
    pub(in crate::encoders) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `to[pixel] = epilogue(weights · from[pixel] + bias)`, with `from` of `[pixels, inputs]` and `to` of `[pixels,
    /// outputs]`.
    pub(in crate::encoders) fn run(&self, from: &[f32], to: &mut [f32], epilogue: Epilogue<'_>) {
        let pixels = from.len() / self.inputs;
        assert_eq!(from.len(), pixels * self.inputs, "input is [pixels, inputs]");
        assert_eq!(to.len(), pixels * self.outputs, "output is [pixels, outputs]");
        if let Epilogue::Add(other) = epilogue {
            assert_eq!(other.len(), to.len(), "the residual has the output's shape");
        }
        // SAFETY: this processor supports `isa`, and the slices have the lengths that `all` accesses, as asserted
        // above.
        unsafe {
            match self.isa {
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx512 => avx512(self, pixels, from, to, epilogue),
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx2 => avx2(self, pixels, from, to, epilogue),
                SimdLevel::Portable => all::<Portable, 2>(self, pixels, from, to, epilogue),
            }
        }
    }
}

/// # Safety
/// Like [`all`], on a processor with AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(p: &Pointwise, pixels: usize, from: &[f32], to: &mut [f32], epilogue: Epilogue<'_>) {
    // SAFETY: guaranteed by the caller. 8 pixels × 3 registers leave 8 of the 32 registers for weights and pixels.
    unsafe { all::<super::simd::Avx512, 8>(p, pixels, from, to, epilogue) }
}

/// # Safety
/// Like [`all`], on a processor with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(p: &Pointwise, pixels: usize, from: &[f32], to: &mut [f32], epilogue: Epilogue<'_>) {
    // SAFETY: guaranteed by the caller. 4 pixels × 3 registers leave 4 of the 16 registers for weights and pixels.
    unsafe { all::<super::simd::Avx2, 4>(p, pixels, from, to, epilogue) }
}

/// # Safety
/// The processor supports `S`; `from` holds `pixels · inputs` numbers; `to`, and the residual if there is one, `pixels
/// · outputs`.
#[inline(always)]
unsafe fn all<S: Simd, const TILE: usize>(
    p: &Pointwise,
    pixels: usize,
    from: &[f32],
    to: &mut [f32],
    epilogue: Epilogue<'_>,
) {
    for block in (0..pixels).step_by(PIXEL_BLOCK) {
        let end = (block + PIXEL_BLOCK).min(pixels);
        for panel in &p.panels {
            let mut pixel = block;
            // SAFETY: every tile is within `block..end`, and so within the slices.
            unsafe {
                while pixel + TILE <= end {
                    tile_of::<S, TILE>(p, panel, pixel, from, to, epilogue);
                    pixel += TILE;
                }
                if TILE > 4 && pixel + 4 <= end {
                    tile_of::<S, 4>(p, panel, pixel, from, to, epilogue);
                    pixel += 4;
                }
                if TILE > 2 && pixel + 2 <= end {
                    tile_of::<S, 2>(p, panel, pixel, from, to, epilogue);
                    pixel += 2;
                }
                if pixel < end {
                    tile_of::<S, 1>(p, panel, pixel, from, to, epilogue);
                }
            }
        }
    }
}

/// # Safety
/// Same as [`all`]; pixels `pixel..pixel + TILE` exist.
#[inline(always)]
unsafe fn tile_of<S: Simd, const TILE: usize>(
    p: &Pointwise,
    panel: &Panel,
    pixel: usize,
    from: &[f32],
    to: &mut [f32],
    epilogue: Epilogue<'_>,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match panel.registers {
            3 => tile::<S, TILE, 3>(p, panel, pixel, from, to, epilogue),
            2 => tile::<S, TILE, 2>(p, panel, pixel, from, to, epilogue),
            _ => tile::<S, TILE, 1>(p, panel, pixel, from, to, epilogue),
        }
    }
}

/// # Safety
/// Same as [`tile_of`]; the panel has `WIDTH` registers.
#[inline(always)]
#[expect(
    clippy::needless_range_loop,
    reason = "counted loops over the constants unroll into registers; iterators did not"
)]
unsafe fn tile<S: Simd, const TILE: usize, const WIDTH: usize>(
    p: &Pointwise,
    panel: &Panel,
    pixel: usize,
    from: &[f32],
    to: &mut [f32],
    epilogue: Epilogue<'_>,
) {
    let (inputs, outputs) = (p.inputs, p.outputs);
    // SAFETY: a panel has `inputs · WIDTH · LANES` weights from its start and as many biases as outputs, padded to
    // registers; the pixels are within the slices; of the last register only the existing outputs are accessed.
    unsafe {
        // `wrapping_add`, because `add` is checked in builds with debug assertions, and this loop dominates the cost.
        let mut weights = p.weights.as_ptr().wrapping_add(panel.start);
        let mut pixels: [*const f32; TILE] = [from.as_ptr().wrapping_add(pixel * inputs); TILE];
        for t in 1..TILE {
            pixels[t] = pixels[t - 1].wrapping_add(inputs);
        }
        let bias = p.bias.as_ptr().wrapping_add(panel.output);
        let mut sums = [[S::zero(); WIDTH]; TILE];
        for sums in &mut sums {
            for v in 0..WIDTH {
                sums[v] = S::load(bias.wrapping_add(v * S::LANES));
            }
        }
        for _ in 0..inputs {
            let mut row = [S::zero(); WIDTH];
            for v in 0..WIDTH {
                row[v] = S::load(weights.wrapping_add(v * S::LANES));
            }
            for t in 0..TILE {
                let x = S::splat(pixels[t]);
                pixels[t] = pixels[t].wrapping_add(1);
                for v in 0..WIDTH {
                    sums[t][v] = x.mul_add(row[v], sums[t][v]);
                }
            }
            weights = weights.wrapping_add(WIDTH * S::LANES);
        }
        for t in 0..TILE {
            for v in 0..WIDTH {
                let sum = sums[t][v];
                let output = panel.output + v * S::LANES;
                let at = (pixel + t) * outputs + output;
                let count = outputs - output;
                let to = to.as_mut_ptr().add(at);
                let whole = count >= S::LANES;
                let sum = match epilogue {
                    Epilogue::Linear => sum,
                    Epilogue::Relu6 => sum.relu6(),
                    Epilogue::Add(other) if whole => sum.add(S::load(other.as_ptr().add(at))),
                    Epilogue::Add(other) => sum.add(S::load_first(other.as_ptr().add(at), count)),
                };
                if whole { sum.store(to) } else { sum.store_first(to, count) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(seed: u32, count: usize) -> Vec<f32> {
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    proptest! {
        #[test]
        fn run_agrees_with_the_plain_sum_on_every_instruction_set(
            pixels in 1usize..150, inputs in 1usize..70, outputs in 1usize..130, seed: u32, kind in 0usize..3
        ) {
            let from = numbers(seed, pixels * inputs);
            let weights = numbers(seed ^ 1, outputs * inputs);
            let bias = numbers(seed ^ 2, outputs);
            let other = numbers(seed ^ 3, pixels * outputs);
            let epilogue = [Epilogue::Linear, Epilogue::Relu6, Epilogue::Add(&other)][kind];
            for isa in SimdLevel::available() {
                let mut to = vec![f32::NAN; pixels * outputs];
                Pointwise::new(isa, inputs, &weights, &bias).run(&from, &mut to, epilogue);
                for (at, &found) in to.iter().enumerate() {
                    let x = &from[at / outputs * inputs..][..inputs];
                    let w = &weights[at % outputs * inputs..][..inputs];
                    let sum: f64 = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
                    let sum = sum + f64::from(bias[at % outputs]);
                    let expected = match epilogue {
                        Epilogue::Linear => sum,
                        Epilogue::Relu6 => sum.clamp(0.0, 6.0),
                        Epilogue::Add(other) => sum + f64::from(other[at]),
                    };
                    prop_assert!((f64::from(found) - expected).abs() < 1e-4, "{isa:?} at {at}: {found} for {expected}");
                }
            }
        }
    }
}
