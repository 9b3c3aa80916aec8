//! Inner products of bytes: a signed query with unsigned rows, the operands of `vpdpbusd`.

#[cfg(target_arch = "x86_64")]
use std::sync::LazyLock;

use super::rows::{LINE, Rows};
use crate::core::SimdLevel;

/// Whether the processor has the byte products of AVX-512. Early AVX-512 processors lack them.
#[cfg(target_arch = "x86_64")]
static BYTE_PRODUCTS: LazyLock<bool> =
    LazyLock::new(|| is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni"));

/// Writes the inner products of `query` with the rows at `at` to `out`, in that order.
#[inline]
pub(in crate::index) fn code_dots(simd: SimdLevel, query: &[i8], rows: Rows<'_, u8>, at: &[u32], out: &mut Vec<i32>) {
    assert!(query.len() == rows.stride() && query.len().is_multiple_of(LINE), "padded rows of one space");
    out.resize(at.len(), 0);
    match simd {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `SimdLevel` is only constructed for a processor that has it, the other features were just checked,
        // and the lengths were compared.
        SimdLevel::Avx512 if *BYTE_PRODUCTS => unsafe { x86::avx512(query, rows, at, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above; a processor with AVX-512 has AVX2.
        SimdLevel::Avx512 | SimdLevel::Avx2 => unsafe { x86::avx2(query, rows, at, out) },
        SimdLevel::Portable => {
            for (out, &at) in out.iter_mut().zip(at) {
                *out = rows.row(at as usize).iter().zip(query).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{LINE, Rows};

    /// # Safety
    /// The processor has AVX-512 F, BW and VNNI; `query` is as long as a row, a multiple of a line.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn avx512(query: &[i8], rows: Rows<'_, u8>, at: &[u32], out: &mut [i32]) {
        let query_at = query.as_ptr();
        // Four rows share the horizontal sums, which dominate for short rows.
        let (fours, rest) = at.as_chunks::<4>();
        let (out_fours, out_rest) = out.as_chunks_mut::<4>();
        for (out, at) in out_fours.iter_mut().zip(fours) {
            let [a, b, c, d] = *at;
            let rows = [
                rows.row(a as usize).as_ptr(),
                rows.row(b as usize).as_ptr(),
                rows.row(c as usize).as_ptr(),
                rows.row(d as usize).as_ptr(),
            ];
            let mut sums = [_mm512_setzero_si512(); 4];
            let mut line = 0;
            while line < query.len() {
                // SAFETY: `line + LINE` is at most the length of the query and of a row.
                unsafe {
                    let query = _mm512_maskz_loadu_epi8(!0, query_at.add(line));
                    for i in 0..4 {
                        let codes = _mm512_maskz_loadu_epi8(!0, rows[i].add(line).cast());
                        sums[i] = _mm512_dpbusd_epi32(sums[i], codes, query);
                    }
                }
                line += LINE;
            }
            let mut halves = [_mm256_setzero_si256(); 4];
            for i in 0..4 {
                halves[i] = _mm256_add_epi32(_mm512_castsi512_si256(sums[i]), _mm512_extracti64x4_epi64::<1>(sums[i]));
            }
            let pairs =
                _mm256_hadd_epi32(_mm256_hadd_epi32(halves[0], halves[1]), _mm256_hadd_epi32(halves[2], halves[3]));
            let four = _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
            *out = [
                _mm_cvtsi128_si32(four),
                _mm_extract_epi32::<1>(four),
                _mm_extract_epi32::<2>(four),
                _mm_extract_epi32::<3>(four),
            ];
        }
        for (out, &at) in out_rest.iter_mut().zip(rest) {
            let row = rows.row(at as usize).as_ptr();
            let mut sum = _mm512_setzero_si512();
            for line in (0..query.len()).step_by(LINE) {
                // SAFETY: as above.
                unsafe {
                    let query = _mm512_maskz_loadu_epi8(!0, query_at.add(line));
                    sum = _mm512_dpbusd_epi32(sum, _mm512_maskz_loadu_epi8(!0, row.add(line).cast()), query);
                }
            }
            *out = _mm512_reduce_add_epi32(sum);
        }
    }

    /// Multiplies in 16 bits, because `vpmaddubsw` would saturate on codes above 127.
    ///
    /// # Safety
    /// The processor has AVX2; `query` is as long as a row, a multiple of a line.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(query: &[i8], rows: Rows<'_, u8>, at: &[u32], out: &mut [i32]) {
        for (out, &at) in out.iter_mut().zip(at) {
            let (row, query_at) = (rows.row(at as usize).as_ptr(), query.as_ptr());
            let mut sums = [_mm256_setzero_si256(); 2];
            for from in (0..query.len()).step_by(LINE) {
                for half in 0..4 {
                    // SAFETY: `from + 64` is at most the length of the query and of a row; the last 16 bytes end there.
                    let (codes, query) = unsafe {
                        (
                            _mm_lddqu_si128(row.add(from + 16 * half).cast()),
                            _mm_lddqu_si128(query_at.add(from + 16 * half).cast()),
                        )
                    };
                    let products = _mm256_madd_epi16(_mm256_cvtepu8_epi16(codes), _mm256_cvtepi8_epi16(query));
                    sums[half % 2] = _mm256_add_epi32(sums[half % 2], products);
                }
            }
            let sum = _mm256_add_epi32(sums[0], sums[1]);
            let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
            *out = _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_simd_levels_agree_exactly(
            lines in 1usize..=4,
            query in prop::collection::vec(any::<i8>(), 4 * LINE),
            codes in prop::collection::vec(any::<u8>(), 6 * 4 * LINE),
            at in prop::collection::vec(0u32..6, 0..11),
        ) {
            let stride = lines * LINE;
            let rows = Rows::new(&codes[..6 * stride], stride);
            for simd in SimdLevel::available() {
                let mut out = Vec::new();
                code_dots(simd, &query[..stride], rows, &at, &mut out);
                prop_assert_eq!(out.len(), at.len());
                for (out, at) in out.iter().zip(&at) {
                    let plain: i64 =
                        rows.row(*at as usize).iter().zip(&query).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum();
                    prop_assert_eq!(i64::from(*out), plain, "{:?}", simd);
                }
            }
        }
    }

    #[test]
    fn largest_products_do_not_saturate() {
        let (query, codes) = ([-128i8; 1024], [255u8; 1024]);
        for simd in SimdLevel::available() {
            let mut out = Vec::new();
            code_dots(simd, &query, Rows::new(&codes, 1024), &[0; 5], &mut out);
            assert_eq!(out, [-128 * 255 * 1024; 5], "{simd:?}");
        }
    }
}
