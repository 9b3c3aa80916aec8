//! Inner products of f32.

use super::rows::Rows;
use crate::core::SimdLevel;

/// f32 values of a cache line.
const STEP: usize = 16;

/// Inner product of two padded rows of equal length.
#[inline]
pub(in crate::index) fn dot(simd: SimdLevel, a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    each(simd, a, Rows::new(b, b.len()), &[0], &mut out);
    out[0]
}

/// Writes the inner products of `query` with the rows at `at` to `out`, in that order.
#[inline]
pub(in crate::index) fn dots(simd: SimdLevel, query: &[f32], rows: Rows<'_, f32>, at: &[u32], out: &mut Vec<f32>) {
    out.resize(at.len(), 0.0);
    each(simd, query, rows, at, out);
}

/// Inner products of all queries with all points: `out[p * queries.len() + q]`.
pub(in crate::index) fn products(simd: SimdLevel, queries: Rows<'_, f32>, points: Rows<'_, f32>, out: &mut [f32]) {
    assert!(queries.stride() == points.stride() && queries.stride().is_multiple_of(STEP), "padded rows of one space");
    assert_eq!(out.len(), queries.len() * points.len(), "one slot for each product");
    match simd {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `SimdLevel` is only constructed for a processor that has it.
        SimdLevel::Avx512 => unsafe { x86::products_avx512(queries, points, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        SimdLevel::Avx2 => unsafe { x86::products_avx2(queries, points, out) },
        // SAFETY: the portable lines need no special instructions, and the rows have the same padded length.
        SimdLevel::Portable => unsafe { block::<Plain, 1, 1>(queries, points, out) },
    }
}

fn each(simd: SimdLevel, query: &[f32], rows: Rows<'_, f32>, at: &[u32], out: &mut [f32]) {
    assert!(query.len() == rows.stride() && query.len().is_multiple_of(STEP), "padded rows of one space");
    match simd {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `SimdLevel` is only constructed for a processor that has it.
        SimdLevel::Avx512 => unsafe { x86::gather_avx512(query, rows, at, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        SimdLevel::Avx2 => unsafe { x86::gather_avx2(query, rows, at, out) },
        // SAFETY: the portable lines need no special instructions, and the rows have the same padded length.
        SimdLevel::Portable => unsafe { gather::<Plain>(query, rows, at, out) },
    }
}

/// A cache line of f32 values in registers.
///
/// # Safety
/// Functions may only be called on a processor with the implementor's instructions, and `load` only with a pointer that
/// is valid for [`STEP`] values. All of them are inlined into callers that are compiled for those instructions.
trait Lines: Copy {
    unsafe fn zero() -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// `self + a · b`, lane by lane.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// The sum of all lanes of both.
    unsafe fn total(self, other: Self) -> f32;
}

/// Products of each of `points` with each of `queries`. All kernels sum in this order: even lines in one accumulator,
/// odd lines in another, so that the additions do not wait for each other.
///
/// Registers are not handed to closures: a closure is compiled without the instructions of its caller, so that it and
/// every intrinsic in it would be called.
///
/// # Safety
/// As for [`Lines`]; every pointer is valid for `len` values, and `len` is a multiple of [`STEP`].
#[inline(always)]
unsafe fn tile<L: Lines, const P: usize, const Q: usize>(
    points: [*const f32; P],
    queries: [*const f32; Q],
    len: usize,
) -> [[f32; Q]; P] {
    // SAFETY: by the function's own contract; `at + STEP` is at most `len`.
    unsafe {
        let mut even = [[L::zero(); Q]; P];
        let mut odd = [[L::zero(); Q]; P];
        let mut at = 0;
        while at + 2 * STEP <= len {
            let (mut first, mut second) = ([L::zero(); Q], [L::zero(); Q]);
            for q in 0..Q {
                first[q] = L::load(queries[q].add(at));
                second[q] = L::load(queries[q].add(at + STEP));
            }
            for p in 0..P {
                let (a, b) = (L::load(points[p].add(at)), L::load(points[p].add(at + STEP)));
                for q in 0..Q {
                    even[p][q] = even[p][q].add_product(a, first[q]);
                    odd[p][q] = odd[p][q].add_product(b, second[q]);
                }
            }
            at += 2 * STEP;
        }
        if at < len {
            for p in 0..P {
                let a = L::load(points[p].add(at));
                for q in 0..Q {
                    even[p][q] = even[p][q].add_product(a, L::load(queries[q].add(at)));
                }
            }
        }
        let mut totals = [[0.0; Q]; P];
        for p in 0..P {
            for q in 0..Q {
                totals[p][q] = even[p][q].total(odd[p][q]);
            }
        }
        totals
    }
}

/// # Safety
/// As for [`Lines`]; `query` is as long as a row, a multiple of [`STEP`].
#[inline(always)]
unsafe fn gather<L: Lines>(query: &[f32], rows: Rows<'_, f32>, at: &[u32], out: &mut [f32]) {
    for (out, &at) in out.iter_mut().zip(at) {
        let row = rows.row(at as usize);
        // SAFETY: by the function's own contract.
        let [[product]] = unsafe { tile::<L, 1, 1>([row.as_ptr()], [query.as_ptr()], row.len()) };
        *out = product;
    }
}

/// The rows from `first` on.
#[inline(always)]
fn pointers<const N: usize>(rows: Rows<'_, f32>, first: usize) -> [*const f32; N] {
    let mut pointers = [std::ptr::null(); N];
    for (i, pointer) in pointers.iter_mut().enumerate() {
        *pointer = rows.row(first + i).as_ptr();
    }
    pointers
}

/// Points that stay in the first-level cache while they are multiplied with all queries.
const CACHED: usize = 8;

/// # Safety
/// As for [`Lines`]; all rows have the same length, a multiple of [`STEP`].
#[inline(always)]
unsafe fn block<L: Lines, const P: usize, const Q: usize>(
    queries: Rows<'_, f32>,
    points: Rows<'_, f32>,
    out: &mut [f32],
) {
    let (len, width) = (queries.stride(), queries.len());
    for start in (0..points.len()).step_by(CACHED) {
        let end = (start + CACHED).min(points.len());
        let mut q = 0;
        while q < width {
            let many_queries = q + Q <= width;
            let mut p = start;
            while p < end {
                let many_points = p + P <= end;
                // SAFETY: `row` returns whole rows, of equal length by the function's own contract.
                unsafe {
                    if many_queries && many_points {
                        let tile = tile::<L, P, Q>(pointers(points, p), pointers(queries, q), len);
                        for i in 0..P {
                            for j in 0..Q {
                                out[(p + i) * width + q + j] = tile[i][j];
                            }
                        }
                    } else if many_points {
                        for q in q..width {
                            let tile = tile::<L, P, 1>(pointers(points, p), pointers(queries, q), len);
                            for i in 0..P {
                                out[(p + i) * width + q] = tile[i][0];
                            }
                        }
                    } else {
                        for p in p..end {
                            for q in q..(q + Q).min(width) {
                                let [[product]] = tile::<L, 1, 1>(pointers(points, p), pointers(queries, q), len);
                                out[p * width + q] = product;
                            }
                        }
                    }
                }
                p = if many_points { p + P } else { end };
            }
            q += Q;
        }
    }
}

/// An array that the compiler vectorizes for the target's baseline.
#[derive(Clone, Copy)]
struct Plain([f32; STEP]);

#[expect(clippy::undocumented_unsafe_blocks, reason = "the trait states the contract; only the pointer needs it here")]
impl Lines for Plain {
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; STEP])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { from.cast::<[f32; STEP]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn add_product(mut self, a: Self, b: Self) -> Self {
        for i in 0..STEP {
            self.0[i] += a.0[i] * b.0[i];
        }
        self
    }
    #[inline(always)]
    unsafe fn total(self, other: Self) -> f32 {
        (0..STEP).map(|i| self.0[i] + other.0[i]).sum()
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Lines, Rows, block, gather};

    /// # Safety
    /// The processor has AVX-512F; `query` is as long as a row, a multiple of a line.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn gather_avx512(query: &[f32], rows: Rows<'_, f32>, at: &[u32], out: &mut [f32]) {
        // SAFETY: by the function's own contract.
        unsafe { gather::<Avx512>(query, rows, at, out) }
    }

    /// # Safety
    /// The processor has AVX2 and FMA; `query` is as long as a row, a multiple of a line.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn gather_avx2(query: &[f32], rows: Rows<'_, f32>, at: &[u32], out: &mut [f32]) {
        // SAFETY: by the function's own contract.
        unsafe { gather::<Avx2>(query, rows, at, out) }
    }

    /// # Safety
    /// The processor has AVX-512F; all rows have the same length, a multiple of a line.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn products_avx512(queries: Rows<'_, f32>, points: Rows<'_, f32>, out: &mut [f32]) {
        // 24 accumulators and 6 lines of queries in 32 registers.
        // SAFETY: by the function's own contract.
        unsafe { block::<Avx512, 4, 3>(queries, points, out) }
    }

    /// # Safety
    /// The processor has AVX2 and FMA; all rows have the same length, a multiple of a line.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn products_avx2(queries: Rows<'_, f32>, points: Rows<'_, f32>, out: &mut [f32]) {
        // 8 accumulators of two registers each would fill the 16 registers; 4 leave room for the operands.
        // SAFETY: by the function's own contract.
        unsafe { block::<Avx2, 2, 1>(queries, points, out) }
    }

    #[derive(Clone, Copy)]
    struct Avx512(__m512);

    #[expect(clippy::undocumented_unsafe_blocks, reason = "the trait states the contract, and each body is one line")]
    impl Lines for Avx512 {
        #[inline(always)]
        unsafe fn zero() -> Self {
            Self(unsafe { _mm512_setzero_ps() })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm512_maskz_loadu_ps(!0, from) })
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
        }
        #[inline(always)]
        unsafe fn total(self, other: Self) -> f32 {
            unsafe { _mm512_reduce_add_ps(_mm512_add_ps(self.0, other.0)) }
        }
    }

    #[derive(Clone, Copy)]
    struct Avx2(__m256, __m256);

    #[expect(
        clippy::undocumented_unsafe_blocks,
        reason = "the trait states the contract, and each body is a few lines"
    )]
    impl Lines for Avx2 {
        #[inline(always)]
        unsafe fn zero() -> Self {
            unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe {
                let (low, high) = (_mm256_lddqu_si256(from.cast()), _mm256_lddqu_si256(from.add(8).cast()));
                Self(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high))
            }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
        }
        #[inline(always)]
        unsafe fn total(self, other: Self) -> f32 {
            unsafe {
                let sum = _mm256_add_ps(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1));
                let sum = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
                let sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
                _mm_cvtss_f32(_mm_add_ss(sum, _mm_shuffle_ps::<1>(sum, sum)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 7 rows of 5 lines.
    fn values() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-1f32..1.0, 7 * 5 * STEP)
    }

    proptest! {
        #[test]
        fn all_simd_levels_agree_with_plain_sums(
            lines in 1usize..=5, queries in 1usize..=7, from in values(), to in values(),
        ) {
            let stride = lines * STEP;
            let queries = Rows::new(&from[..queries * stride], stride);
            let points = Rows::new(&to[..7 * stride], stride);
            let at = [3, 0, 6, 6, 1];
            for simd in SimdLevel::available() {
                let mut all = vec![0.0; queries.len() * points.len()];
                products(simd, queries, points, &mut all);
                for q in 0..queries.len() {
                    let mut gathered = Vec::new();
                    dots(simd, queries.row(q), points, &at, &mut gathered);
                    for (gathered, at) in gathered.iter().zip(at) {
                        prop_assert_eq!(*gathered, all[at as usize * queries.len() + q], "{:?}: bit for bit", simd);
                    }
                    for p in 0..points.len() {
                        let product = dot(simd, queries.row(q), points.row(p));
                        let plain: f64 =
                            queries.row(q).iter().zip(points.row(p)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                        prop_assert!((f64::from(product) - plain).abs() < 1e-4, "{simd:?}: {product} for {plain}");
                        prop_assert_eq!(product, all[p * queries.len() + q], "{:?}: bit for bit", simd);
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "padded rows of one space")]
    fn rows_of_different_length_panic() {
        dot(SimdLevel::best(), &[0.0; 16], &[0.0; 32]);
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn row_past_the_end_panics() {
        dots(SimdLevel::best(), &[0.0; 16], Rows::new(&[0.0; 32], 16), &[2], &mut Vec::new());
    }
}
