//! Inner products of f32.

use super::Rows;
use crate::core::Isa;

/// Numbers of a cache line.
const STEP: usize = 16;

/// Inner product of two padded rows of one length.
pub(in crate::index) fn dot(isa: Isa, a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    each(isa, a, Rows::new(b, b.len()), &[0], &mut out);
    out[0]
}

/// Inner products of `query` with the rows at `at`, in that order, into `out`.
pub(in crate::index) fn dots(isa: Isa, query: &[f32], rows: Rows<'_, f32>, at: &[u32], out: &mut Vec<f32>) {
    out.resize(at.len(), 0.0);
    each(isa, query, rows, at, out);
}

/// Inner products of all queries with all points: `out[p * queries.len() + q]`.
pub(in crate::index) fn products(isa: Isa, queries: Rows<'_, f32>, points: Rows<'_, f32>, out: &mut [f32]) {
    assert!(queries.stride() == points.stride() && queries.stride().is_multiple_of(STEP), "padded rows of one space");
    assert_eq!(out.len(), queries.len() * points.len(), "a place for each product");
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Isa` is only made for a processor that has it.
        Isa::Avx512 => unsafe { x86::products_avx512(queries, points, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { x86::products_avx2(queries, points, out) },
        // SAFETY: the portable lines need no instructions, and the rows are of one padded length.
        Isa::Portable => unsafe { block::<Plain, 1, 1>(queries, points, out) },
    }
}

fn each(isa: Isa, query: &[f32], rows: Rows<'_, f32>, at: &[u32], out: &mut [f32]) {
    assert!(query.len() == rows.stride() && query.len().is_multiple_of(STEP), "padded rows of one space");
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Isa` is only made for a processor that has it.
        Isa::Avx512 => unsafe { x86::gather_avx512(query, rows, at, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { x86::gather_avx2(query, rows, at, out) },
        // SAFETY: the portable lines need no instructions, and the rows are of one padded length.
        Isa::Portable => unsafe { gather::<Plain>(query, rows, at, out) },
    }
}

/// A cache line of numbers in registers.
///
/// # Safety
/// Every function may run only on a processor with the implementor's instructions, and `load` only on pointers that are
/// good for [`STEP`] numbers. They are always inlined, so that a caller compiled for those instructions gets them bare.
trait Lines: Copy {
    unsafe fn zero() -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// `self + a · b`, number by number.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// The sum of all numbers of both.
    unsafe fn total(self, other: Self) -> f32;
}

/// Products of each of `points` with each of `queries`: the one order of summation. Lines at even places go to one sum,
/// those at odd places to another, so that neither waits for the other.
///
/// # Safety
/// As for [`Lines`]; every pointer is good for `len` numbers, and `len` is a multiple of [`STEP`].
#[inline(always)]
unsafe fn tile<L: Lines, const P: usize, const Q: usize>(
    points: [*const f32; P],
    queries: [*const f32; Q],
    len: usize,
) -> [[f32; Q]; P] {
    // SAFETY: by the function's own contract; `at + STEP` never passes `len`.
    unsafe {
        let mut even = [[L::zero(); Q]; P];
        let mut odd = [[L::zero(); Q]; P];
        let mut at = 0;
        while at + 2 * STEP <= len {
            let first: [L; Q] = std::array::from_fn(|q| L::load(queries[q].add(at)));
            let second: [L; Q] = std::array::from_fn(|q| L::load(queries[q].add(at + STEP)));
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
        std::array::from_fn(|p| std::array::from_fn(|q| even[p][q].total(odd[p][q])))
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

/// Points that stay in the first-level cache while all queries pass.
const NEAR: usize = 8;

/// # Safety
/// As for [`Lines`]; all rows are of one length, a multiple of [`STEP`].
#[inline(always)]
unsafe fn block<L: Lines, const P: usize, const Q: usize>(
    queries: Rows<'_, f32>,
    points: Rows<'_, f32>,
    out: &mut [f32],
) {
    let (len, wide) = (queries.stride(), queries.len());
    for near in (0..points.len()).step_by(NEAR) {
        let end = (near + NEAR).min(points.len());
        let mut q = 0;
        while q < wide {
            let many_queries = q + Q <= wide;
            let mut p = near;
            while p < end {
                let many_points = p + P <= end;
                // SAFETY: `row` gives whole rows, of one length by the function's own contract.
                unsafe {
                    if many_queries && many_points {
                        let rows = std::array::from_fn(|i| points.row(p + i).as_ptr());
                        let tile = tile::<L, P, Q>(rows, std::array::from_fn(|i| queries.row(q + i).as_ptr()), len);
                        for (i, products) in tile.iter().enumerate() {
                            out[(p + i) * wide + q..][..Q].copy_from_slice(products);
                        }
                    } else if many_points {
                        let rows = std::array::from_fn(|i| points.row(p + i).as_ptr());
                        for q in q..wide {
                            let tile = tile::<L, P, 1>(rows, [queries.row(q).as_ptr()], len);
                            for (i, [product]) in tile.iter().enumerate() {
                                out[(p + i) * wide + q] = *product;
                            }
                        }
                    } else {
                        for p in p..end {
                            for q in q..(q + Q).min(wide) {
                                let [[product]] =
                                    tile::<L, 1, 1>([points.row(p).as_ptr()], [queries.row(q).as_ptr()], len);
                                out[p * wide + q] = product;
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

/// An array, of which the compiler makes what the target's baseline has.
#[derive(Clone, Copy)]
struct Plain([f32; STEP]);

#[expect(clippy::undocumented_unsafe_blocks, reason = "the contract is the trait's; only the pointer needs it here")]
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
    /// The processor has AVX-512F; all rows are of one length, a multiple of a line.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn products_avx512(queries: Rows<'_, f32>, points: Rows<'_, f32>, out: &mut [f32]) {
        // 24 sums and 6 lines of queries in 32 registers.
        // SAFETY: by the function's own contract.
        unsafe { block::<Avx512, 4, 3>(queries, points, out) }
    }

    /// # Safety
    /// The processor has AVX2 and FMA; all rows are of one length, a multiple of a line.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn products_avx2(queries: Rows<'_, f32>, points: Rows<'_, f32>, out: &mut [f32]) {
        // 8 sums of two registers each would be all there are; 4 leave room for what is multiplied.
        // SAFETY: by the function's own contract.
        unsafe { block::<Avx2, 2, 1>(queries, points, out) }
    }

    #[derive(Clone, Copy)]
    struct Avx512(__m512);

    #[expect(clippy::undocumented_unsafe_blocks, reason = "the contract is the trait's, and each body is one line")]
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

    #[expect(clippy::undocumented_unsafe_blocks, reason = "the contract is the trait's, and each body is a few lines")]
    impl Lines for Avx2 {
        #[inline(always)]
        unsafe fn zero() -> Self {
            unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            let half = |from: *const f32| unsafe { _mm256_castsi256_ps(_mm256_lddqu_si256(from.cast())) };
            Self(half(from), half(unsafe { from.add(8) }))
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

    /// Enough for 7 rows of 5 lines.
    fn values() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-1f32..1.0, 7 * 5 * STEP)
    }

    proptest! {
        #[test]
        fn every_instruction_set_agrees_with_plain_sums(
            lines in 1usize..=5, queries in 1usize..=7, from in values(), to in values(),
        ) {
            let stride = lines * STEP;
            let (queries, points) = (Rows::new(&from[..queries * stride], stride), Rows::new(&to[..7 * stride], stride));
            let at = [3, 0, 6, 6, 1];
            for isa in Isa::available() {
                let mut all = vec![0.0; queries.len() * points.len()];
                products(isa, queries, points, &mut all);
                for q in 0..queries.len() {
                    let mut gathered = Vec::new();
                    dots(isa, queries.row(q), points, &at, &mut gathered);
                    for (gathered, at) in gathered.iter().zip(at) {
                        prop_assert_eq!(*gathered, all[at as usize * queries.len() + q], "{:?}: to the last bit", isa);
                    }
                    for p in 0..points.len() {
                        let product = dot(isa, queries.row(q), points.row(p));
                        let plain: f64 =
                            queries.row(q).iter().zip(points.row(p)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                        prop_assert!((f64::from(product) - plain).abs() < 1e-4, "{isa:?}: {product} for {plain}");
                        prop_assert_eq!(product, all[p * queries.len() + q], "{:?}: to the last bit", isa);
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "padded rows of one space")]
    fn rows_of_another_length_are_refused() {
        dot(Isa::best(), &[0.0; 16], &[0.0; 32]);
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn a_row_beyond_the_last_is_refused() {
        dots(Isa::best(), &[0.0; 16], Rows::new(&[0.0; 32], 16), &[2], &mut Vec::new());
    }
}
