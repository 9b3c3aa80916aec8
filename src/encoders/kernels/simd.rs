//! One register of numbers on each instruction set.
//!
//! Loads use intrinsics that compile to a single instruction in every build: the usual ones call `read_unaligned`, and
//! dereferencing a pointer is checked, both of which builds with debug assertions (our default profile) would keep in
//! the innermost loops.

/// A register of [`Self::LANES`] numbers.
///
/// # Safety
/// The functions require a processor with the implementor's instructions, and pointers valid for `LANES` numbers, or
/// `count` where that is a parameter. They are always inlined, so that in a caller compiled for those instructions each
/// becomes one instruction.
pub(super) trait Simd: Copy {
    const LANES: usize;
    unsafe fn zero() -> Self;
    /// One number in every lane.
    unsafe fn splat(from: *const f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// The first `count ≤ LANES` numbers; the others are 0.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;
    unsafe fn store_first(self, to: *mut f32, count: usize);
    /// `self · b + c`
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    /// Clamps to 0..=6.
    unsafe fn relu6(self) -> Self;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Simd;

    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512(__m512);

    #[expect(
        clippy::undocumented_unsafe_blocks,
        reason = "the trait states the contract, and each body is one instruction"
    )]
    impl Simd for Avx512 {
        const LANES: usize = 16;
        #[inline(always)]
        unsafe fn zero() -> Self {
            Self(unsafe { _mm512_setzero_ps() })
        }
        #[inline(always)]
        unsafe fn splat(from: *const f32) -> Self {
            Self(unsafe { _mm512_broadcastss_ps(_mm_load_ss(from)) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm512_maskz_loadu_ps(!0, from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> Self {
            Self(unsafe { _mm512_maskz_loadu_ps(mask(count), from) })
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, count: usize) {
            unsafe { _mm512_mask_storeu_ps(to, mask(count), self.0) }
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
        }
        #[inline(always)]
        unsafe fn add(self, b: Self) -> Self {
            Self(unsafe { _mm512_add_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn relu6(self) -> Self {
            Self(unsafe { _mm512_min_ps(_mm512_max_ps(self.0, _mm512_setzero_ps()), _mm512_set1_ps(6.0)) })
        }
    }

    #[inline(always)]
    fn mask(count: usize) -> __mmask16 {
        ((1u32 << count) - 1) as __mmask16
    }

    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2(__m256);

    #[expect(
        clippy::undocumented_unsafe_blocks,
        reason = "the trait states the contract, and each body is one instruction"
    )]
    impl Simd for Avx2 {
        const LANES: usize = 8;
        #[inline(always)]
        unsafe fn zero() -> Self {
            Self(unsafe { _mm256_setzero_ps() })
        }
        #[inline(always)]
        unsafe fn splat(from: *const f32) -> Self {
            Self(unsafe { _mm256_broadcastss_ps(_mm_load_ss(from)) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm256_castsi256_ps(_mm256_lddqu_si256(from.cast())) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> Self {
            let mut all = [0.0; 8];
            unsafe {
                std::ptr::copy_nonoverlapping(from, all.as_mut_ptr(), count);
                Self::load(all.as_ptr())
            }
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, count: usize) {
            let mut all = [0.0; 8];
            unsafe {
                self.store(all.as_mut_ptr());
                std::ptr::copy_nonoverlapping(all.as_ptr(), to, count);
            }
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            Self(unsafe { _mm256_fmadd_ps(self.0, b.0, c.0) })
        }
        #[inline(always)]
        unsafe fn add(self, b: Self) -> Self {
            Self(unsafe { _mm256_add_ps(self.0, b.0) })
        }
        #[inline(always)]
        unsafe fn relu6(self) -> Self {
            Self(unsafe { _mm256_min_ps(_mm256_max_ps(self.0, _mm256_setzero_ps()), _mm256_set1_ps(6.0)) })
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// Arrays, which the compiler vectorises for the target's baseline.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 8]);

#[expect(clippy::undocumented_unsafe_blocks, reason = "the trait states the contract; only the pointers need it here")]
impl Simd for Portable {
    const LANES: usize = 8;
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 8])
    }
    #[inline(always)]
    unsafe fn splat(from: *const f32) -> Self {
        Self([unsafe { *from }; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        let mut all = [0.0; 8];
        unsafe { std::ptr::copy_nonoverlapping(from, all.as_mut_ptr(), count) };
        Self(all)
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), to, count) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + b.0[i]))
    }
    #[inline(always)]
    unsafe fn relu6(self) -> Self {
        Self(self.0.map(|x| x.clamp(0.0, 6.0)))
    }
}

/// Numbers aligned to a cache line, so that no register is loaded from two.
#[derive(Clone)]
pub(in crate::encoders) struct AlignedVec {
    lines: Vec<Line>,
    length: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

impl AlignedVec {
    /// `length` zeros.
    pub(in crate::encoders) fn zeros(length: usize) -> Self {
        Self { lines: vec![Line([0.0; 16]); length.div_ceil(16)], length }
    }
}

impl std::ops::Deref for AlignedVec {
    type Target = [f32];
    #[inline]
    fn deref(&self) -> &[f32] {
        // SAFETY: as in `deref_mut`.
        let all = unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast::<f32>(), self.lines.len() * 16) };
        &all[..self.length]
    }
}

impl std::ops::DerefMut for AlignedVec {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: `Line` is `repr(C)` around `[f32; 16]` and as large as its alignment, so the lines are contiguous
        // numbers.
        let all =
            unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast::<f32>(), self.lines.len() * 16) };
        &mut all[..self.length]
    }
}
