//! GELU, softmax and layer norm, as plain loops without branches, which the compiler vectorises once for each
//! instruction set.

use crate::core::SimdLevel;

/// Number of partial sums: the compiler may not reorder a sum of floats itself.
const LANES: usize = 16;

macro_rules! for_each_isa {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*), $body:ident) => {
        impl SimdLevel {
            $(#[$doc])*
            pub(in crate::encoders) fn $name(self, $($argument: $type),*) {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f")]
                fn avx512($($argument: $type),*) {
                    $body($($argument),*)
                }
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) {
                    $body($($argument),*)
                }
                match self {
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: a `SimdLevel` value exists only on a processor that supports it.
                    Self::Avx512 => unsafe { avx512($($argument),*) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: as above.
                    Self::Avx2 => unsafe { avx2($($argument),*) },
                    Self::Portable => $body($($argument),*),
                }
            }
        }
    };
}

for_each_isa! {
    /// `x · Φ(x)` for each number, with Φ the normal distribution function: the exact GELU, to 1e-6.
    gelu(numbers: &mut [f32]), gelu_body
}

for_each_isa! {
    /// Each row of `columns` numbers becomes `exp(x) / Σ exp`.
    softmax(numbers: &mut [f32], columns: usize), softmax_body
}

for_each_isa! {
    /// Each row as long as `gain` becomes `(x - mean) / √(variance + ε) · gain + bias`.
    layer_norm(numbers: &mut [f32], gain: &[f32], bias: &[f32], epsilon: f32), layer_norm_body
}

/// `exp(x)` to two units in the last place, for x in -87..=88; below, about 0.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // exp(x) = 2^n · exp(r) with r in ±ln(2)/2. Adding 1.5 · 2^23 rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, so that n · ln 2 is exact enough.
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    // Taylor's polynomial of degree 7; its next term is below 2e-9 there.
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    p * f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23)
}

#[inline(always)]
fn gelu_body(numbers: &mut [f32]) {
    for x in numbers {
        // erf by formula 7.1.26 of Abramowitz and Stegun, "Handbook of Mathematical Functions", with an error of at
        // most 1.5e-7.
        let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / (1.0 + 0.327_591_1 * z);
        let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_8) * t - 0.284_496_74) * t + 0.254_829_6) * t;
        // Half of 1 - erf(z): the mass of one tail.
        let tail = 0.5 * p * exp(-z * z);
        let cumulative = if *x < 0.0 { tail } else { 1.0 - tail };
        *x *= cumulative;
    }
}

#[inline(always)]
fn softmax_body(numbers: &mut [f32], columns: usize) {
    for row in numbers.chunks_exact_mut(columns) {
        let largest = row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        row.iter_mut().for_each(|x| *x = exp(*x - largest));
        let scale = 1.0 / sum(row, |x| x);
        row.iter_mut().for_each(|x| *x *= scale);
    }
}

#[inline(always)]
fn layer_norm_body(numbers: &mut [f32], gain: &[f32], bias: &[f32], epsilon: f32) {
    for row in numbers.chunks_exact_mut(gain.len()) {
        let mean = sum(row, |x| x) / row.len() as f32;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / row.len() as f32;
        let scale = 1.0 / (variance + epsilon).sqrt();
        for ((x, gain), bias) in row.iter_mut().zip(gain).zip(bias) {
            *x = (*x - mean) * scale * gain + bias;
        }
    }
}

#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += term(chunk[lane]);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|&x| term(x)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_is_accurate_in_its_range_and_vanishes_below() {
        for step in -8700..=8800 {
            let x = step as f32 / 100.0;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 3e-7, "exp({x}) is {} for {expected}", exp(x));
        }
        assert!(exp(-1e30) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn gelu_has_known_values() {
        // Python: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))
        let known = [(0.0, 0.0), (1.0, 0.841_344_8), (-1.0, -0.158_655_25), (3.0, 2.995_950_3), (-3.0, -0.004_049_694)];
        for isa in SimdLevel::available() {
            for (x, expected) in known.into_iter().chain([(50.0, 50.0), (-50.0, 0.0), (0.1, 0.053_982_785)]) {
                let mut numbers = [x; 17];
                isa.gelu(&mut numbers);
                assert!(numbers.iter().all(|y| (y - expected).abs() < 1e-6), "{isa:?}: gelu({x}) is {}", numbers[0]);
            }
        }
    }

    proptest! {
        #[test]
        fn softmax_and_layer_norm_agree_with_f64(
            rows in 1usize..4, values in prop::collection::vec(-30f32..30.0, 60), columns in 2usize..15
        ) {
            let from = &values[..rows * columns];
            for isa in SimdLevel::available() {
                let mut numbers = from.to_vec();
                isa.softmax(&mut numbers, columns);
                for (row, from) in numbers.chunks(columns).zip(from.chunks(columns)) {
                    let total: f64 = from.iter().map(|&x| f64::from(x).exp()).sum();
                    for (y, &x) in row.iter().zip(from) {
                        prop_assert!((f64::from(*y) - f64::from(x).exp() / total).abs() < 1e-6, "{isa:?}");
                    }
                }
                let (gain, bias) = (vec![2.0; columns], vec![0.5; columns]);
                let mut numbers = from.to_vec();
                isa.layer_norm(&mut numbers, &gain, &bias, 1e-3);
                for (row, from) in numbers.chunks(columns).zip(from.chunks(columns)) {
                    let mean = from.iter().map(|&x| f64::from(x)).sum::<f64>() / columns as f64;
                    let variance = from.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / columns as f64;
                    for (y, &x) in row.iter().zip(from) {
                        let expected = (f64::from(x) - mean) / (variance + 1e-3).sqrt() * 2.0 + 0.5;
                        prop_assert!((f64::from(*y) - expected).abs() < 1e-3, "{isa:?}: {y} for {expected}");
                    }
                }
            }
        }
    }
}
