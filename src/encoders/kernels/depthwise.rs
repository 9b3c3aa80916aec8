//! Depthwise convolutions: each channel has its own k×k weights; bias and ReLU6 are applied in registers.

use std::ops::Range;

use super::{
    AlignedVec,
    simd::{Portable, Simd},
};
use crate::core::SimdLevel;

/// Adjacent results that are summed together and share the loads of the weights.
const TILE: usize = 4;

/// Some rows of a picture `[height, width, channels]`.
#[derive(Debug, Clone, Copy)]
pub(in crate::encoders) struct Rows<'a> {
    /// Height of the whole picture.
    pub(in crate::encoders) height: usize,
    /// Width of the picture.
    pub(in crate::encoders) width: usize,
    /// Index of the first row in `numbers`.
    pub(in crate::encoders) first: usize,
    /// The rows from `first` on.
    pub(in crate::encoders) numbers: &'a [f32],
}

/// The weights of a depthwise convolution with TensorFlow's SAME padding: the odd pixel is at the bottom and right.
#[derive(Clone)]
pub(in crate::encoders) struct Depthwise {
    isa: SimdLevel,
    kernel: usize,
    stride: usize,
    channels: usize,
    /// `[kernel, kernel, channels]`
    weights: AlignedVec,
    bias: AlignedVec,
}

/// Rows or columns of padding before the first one, for an output of `length.div_ceil(stride)`.
pub(in crate::encoders) fn pad_before(length: usize, kernel: usize, stride: usize) -> usize {
    ((length.div_ceil(stride) - 1) * stride + kernel).saturating_sub(length) / 2
}

impl Depthwise {
    /// Packs weights `[channels, kernel, kernel]`, row-major, and a bias `[channels]`.
    pub(in crate::encoders) fn new(
        isa: SimdLevel,
        kernel: usize,
        stride: usize,
        weights: &[f32],
        bias: &[f32],
    ) -> Self {
        let (channels, taps) = (bias.len(), kernel * kernel);
        assert_eq!(weights.len(), channels * taps, "weights are [channels, kernel, kernel]");
        let mut packed = AlignedVec::zeros(weights.len());
        for channel in 0..channels {
            for tap in 0..taps {
                packed[tap * channels + channel] = weights[channel * taps + tap];
            }
        }
        let mut aligned = AlignedVec::zeros(channels);
        aligned.copy_from_slice(bias);
        Self { isa, kernel, stride, channels, weights: packed, bias: aligned }
    }

    /// Number of channels of input and output.
    pub(in crate::encoders) fn channels(&self) -> usize {
        self.channels
    }

    /// Height or width of the output for that of the input.
    pub(in crate::encoders) fn shrunk(&self, length: usize) -> usize {
        length.div_ceil(self.stride)
    }

    /// The input rows, of `height`, that the output rows `wanted` depend on.
    pub(in crate::encoders) fn needs(&self, height: usize, wanted: &Range<usize>) -> Range<usize> {
        let pad = pad_before(height, self.kernel, self.stride);
        let first = (wanted.start * self.stride).saturating_sub(pad);
        let end = ((wanted.end - 1) * self.stride + self.kernel).saturating_sub(pad);
        first..end.min(height)
    }

    /// Computes the output rows `wanted` into `to`, `[rows, shrunk(width), channels]`, with ReLU6.
    pub(in crate::encoders) fn run(&self, from: Rows<'_>, wanted: Range<usize>, to: &mut [f32]) {
        let needed = self.needs(from.height, &wanted);
        let row = from.width * self.channels;
        assert!(
            from.first <= needed.start && (needed.end - from.first) * row <= from.numbers.len(),
            "`from` has the needed rows"
        );
        assert_eq!(
            to.len(),
            wanted.len() * self.shrunk(from.width) * self.channels,
            "output is [rows, width, channels]"
        );
        // SAFETY: this processor supports `isa`, and the slices have all rows that `all` accesses, as asserted above.
        unsafe {
            match self.isa {
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx512 => avx512(self, from, wanted, to),
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx2 => avx2(self, from, wanted, to),
                SimdLevel::Portable => all::<Portable>(self, from, wanted, to),
            }
        }
    }
}

/// # Safety
/// Like [`all`], on a processor with AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(d: &Depthwise, from: Rows<'_>, wanted: Range<usize>, to: &mut [f32]) {
    // SAFETY: guaranteed by the caller.
    unsafe { all::<super::simd::Avx512>(d, from, wanted, to) }
}

/// # Safety
/// Like [`all`], on a processor with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(d: &Depthwise, from: Rows<'_>, wanted: Range<usize>, to: &mut [f32]) {
    // SAFETY: guaranteed by the caller.
    unsafe { all::<super::simd::Avx2>(d, from, wanted, to) }
}

/// # Safety
/// The processor supports `S`; `from` has the rows that `wanted` needs; `to` has room for the rows `wanted`.
#[inline(always)]
unsafe fn all<S: Simd>(d: &Depthwise, from: Rows<'_>, wanted: Range<usize>, to: &mut [f32]) {
    // SAFETY: guaranteed by the caller; the constant kernel size only lets the compiler unroll.
    unsafe {
        match d.kernel {
            3 => sized::<S, 3>(d, from, wanted, to),
            5 => sized::<S, 5>(d, from, wanted, to),
            _ => sized::<S, 0>(d, from, wanted, to),
        }
    }
}

/// # Safety
/// Same as [`all`]; `KERNEL` is the size of the kernel, or 0 if it is not a constant.
#[inline(always)]
unsafe fn sized<S: Simd, const KERNEL: usize>(d: &Depthwise, from: Rows<'_>, wanted: Range<usize>, to: &mut [f32]) {
    let kernel = if KERNEL == 0 { d.kernel } else { KERNEL };
    let (stride, channels) = (d.stride, d.channels);
    let width_after = d.shrunk(from.width);
    let pad_y = pad_before(from.height, kernel, stride);
    let pad_x = pad_before(from.width, kernel, stride);
    // Results whose kernel is entirely within the width of the row.
    let inner = pad_x.div_ceil(stride)..((from.width + pad_x).saturating_sub(kernel) / stride + 1).min(width_after);
    for (y_after, to) in wanted.zip(to.chunks_exact_mut(width_after * channels)) {
        let top = (y_after * stride) as isize - pad_y as isize;
        let taps_y = (-top).max(0) as usize..kernel.min((from.height as isize - top) as usize);
        let mut x = 0;
        // SAFETY: only taps whose row and column exist are used, and `from` has those rows.
        unsafe {
            while x < width_after {
                let left = (x * stride) as isize - pad_x as isize;
                if x >= inner.start && x + TILE <= inner.end {
                    pixels::<S, TILE, KERNEL>(d, &from, top, left, taps_y.clone(), 0..kernel, &mut to[x * channels..]);
                    x += TILE;
                } else {
                    let taps_x = (-left).max(0) as usize..kernel.min((from.width as isize - left) as usize);
                    pixels::<S, 1, KERNEL>(d, &from, top, left, taps_y.clone(), taps_x, &mut to[x * channels..]);
                    x += 1;
                }
            }
        }
    }
}

/// `COUNT` adjacent results, all channels.
///
/// # Safety
/// Same as [`all`]; for each of the results all taps of `taps_y` × `taps_x` exist.
#[inline(always)]
unsafe fn pixels<S: Simd, const COUNT: usize, const KERNEL: usize>(
    d: &Depthwise,
    from: &Rows<'_>,
    top: isize,
    left: isize,
    taps_y: Range<usize>,
    taps_x: Range<usize>,
    to: &mut [f32],
) {
    let whole = d.channels - d.channels % S::LANES;
    // SAFETY: guaranteed by the caller; of the last register only the existing channels are accessed.
    unsafe {
        for channel in (0..whole).step_by(S::LANES) {
            lanes::<S, COUNT, KERNEL, true>(d, from, top, left, taps_y.clone(), taps_x.clone(), channel, to);
        }
        if whole < d.channels {
            lanes::<S, COUNT, KERNEL, false>(d, from, top, left, taps_y, taps_x, whole, to);
        }
    }
}

/// `COUNT` adjacent results, one register of channels from `channel` on.
///
/// # Safety
/// Same as [`pixels`]; if `WHOLE`, all channels of the register exist.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "always inlined: the arguments are loop variables of the only caller")]
unsafe fn lanes<S: Simd, const COUNT: usize, const KERNEL: usize, const WHOLE: bool>(
    d: &Depthwise,
    from: &Rows<'_>,
    top: isize,
    left: isize,
    taps_y: Range<usize>,
    taps_x: Range<usize>,
    channel: usize,
    to: &mut [f32],
) {
    let kernel = if KERNEL == 0 { d.kernel } else { KERNEL };
    let channels = d.channels;
    let count = if WHOLE { S::LANES } else { channels - channel };
    // SAFETY: guaranteed by the caller.
    unsafe {
        // `wrapping_add`, because `add` is checked in builds with debug assertions, and these loops dominate the cost.
        let mut sums = [load::<S, WHOLE>(d.bias.as_ptr().wrapping_add(channel), count); COUNT];
        let step = d.stride * channels;
        let mut weights = d.weights.as_ptr().wrapping_add((taps_y.start * kernel + taps_x.start) * channels + channel);
        let first = (top + taps_y.start as isize) as usize - from.first;
        let column = (left + taps_x.start as isize) as usize;
        let mut row = from.numbers.as_ptr().wrapping_add((first * from.width + column) * channels + channel);
        for _ in taps_y {
            let (mut weight, mut pixel) = (weights, row);
            for _ in taps_x.clone() {
                let factor = load::<S, WHOLE>(weight, count);
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum = load::<S, WHOLE>(pixel.wrapping_add(at * step), count).mul_add(factor, *sum);
                }
                weight = weight.wrapping_add(channels);
                pixel = pixel.wrapping_add(channels);
            }
            weights = weights.wrapping_add(kernel * channels);
            row = row.wrapping_add(from.width * channels);
        }
        for (at, sum) in sums.iter().enumerate() {
            let to = to.as_mut_ptr().add(at * channels + channel);
            if WHOLE { sum.relu6().store(to) } else { sum.relu6().store_first(to, count) }
        }
    }
}

/// # Safety
/// The processor supports `S`; `count` numbers can be read, `LANES` if `WHOLE`.
#[inline(always)]
unsafe fn load<S: Simd, const WHOLE: bool>(from: *const f32, count: usize) -> S {
    // SAFETY: guaranteed by the caller.
    unsafe { if WHOLE { S::load(from) } else { S::load_first(from, count) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pad_before_puts_the_odd_pixel_last() {
        // Stride 2 on an even length: one pixel of padding in all for 3, three for 5.
        assert_eq!((pad_before(112, 3, 2), pad_before(112, 5, 2)), (0, 1));
        assert_eq!((pad_before(65, 5, 2), pad_before(112, 3, 1), pad_before(7, 5, 1)), (2, 1, 2));
        assert_eq!((pad_before(1, 3, 2), pad_before(1, 1, 1)), (1, 0));
    }

    proptest! {
        #[test]
        fn run_agrees_with_the_plain_sum_on_every_instruction_set_and_band(
            height in 1usize..14, width in 1usize..20, channels in 1usize..40,
            kernel in prop::sample::select(vec![1usize, 3, 5]), stride in 1usize..3, band in 1usize..5, seed: u32
        ) {
            let mut state = seed | 1;
            let mut numbers = |count: usize| -> Vec<f32> {
                (0..count)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
                    })
                    .collect()
            };
            let picture = numbers(height * width * channels);
            let weights = numbers(channels * kernel * kernel);
            let bias = numbers(channels);
            for isa in SimdLevel::available() {
                let depthwise = Depthwise::new(isa, kernel, stride, &weights, &bias);
                let (height_after, width_after) = (depthwise.shrunk(height), depthwise.shrunk(width));
                let (pad_y, pad_x) = (pad_before(height, kernel, stride), pad_before(width, kernel, stride));
                for start in (0..height_after).step_by(band) {
                    let wanted = start..(start + band).min(height_after);
                    let needs = depthwise.needs(height, &wanted);
                    let row = width * channels;
                    let numbers = &picture[needs.start * row..needs.end * row];
                    let rows = Rows { height, width, first: needs.start, numbers };
                    let mut to = vec![f32::NAN; wanted.len() * width_after * channels];
                    depthwise.run(rows, wanted.clone(), &mut to);
                    for (at, &found) in to.iter().enumerate() {
                        let (c, pixel) = (at % channels, at / channels);
                        let (x, y) = (pixel % width_after, start + pixel / width_after);
                        let mut sum = f64::from(bias[c]);
                        for ky in 0..kernel {
                            for kx in 0..kernel {
                                let sy = (y * stride + ky).wrapping_sub(pad_y);
                                let sx = (x * stride + kx).wrapping_sub(pad_x);
                                if sy < height && sx < width {
                                    sum += f64::from(picture[(sy * width + sx) * channels + c])
                                        * f64::from(weights[(c * kernel + ky) * kernel + kx]);
                                }
                            }
                        }
                        let expected = sum.clamp(0.0, 6.0);
                        let error = (f64::from(found) - expected).abs();
                        prop_assert!(error < 1e-4, "{isa:?} at {at}: {found} for {expected}");
                    }
                }
            }
        }
    }
}
