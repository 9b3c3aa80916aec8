//! Rows of equal length, aligned to cache lines.

/// Bytes of a cache line. Rows start at one and fill whole ones.
pub(in crate::index) const LINE: usize = 64;

/// Consecutive rows of equal length: `[len, stride]`.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct Rows<'a, T> {
    values: &'a [T],
    stride: usize,
}

impl<'a, T> Rows<'a, T> {
    /// Splits `values` into rows of `stride` values.
    ///
    /// # Panics
    /// If the last row is not complete.
    #[inline]
    pub(in crate::index) fn new(values: &'a [T], stride: usize) -> Self {
        assert!(stride > 0 && values.len().is_multiple_of(stride), "whole rows");
        Self { values, stride }
    }

    /// Number of rows.
    #[inline]
    pub(in crate::index) fn len(&self) -> usize {
        self.values.len() / self.stride
    }

    /// Length of a row.
    #[inline]
    pub(in crate::index) fn stride(&self) -> usize {
        self.stride
    }

    /// The row at `at`, `[stride]`.
    #[inline(always)]
    pub(in crate::index) fn row(&self, at: usize) -> &'a [T] {
        &self.values[at * self.stride..][..self.stride]
    }

    /// The rows `from..to`.
    #[inline]
    pub(in crate::index) fn range(&self, from: usize, to: usize) -> Self {
        Self { values: &self.values[from * self.stride..to * self.stride], stride: self.stride }
    }

    /// Prefetches the first `lines` cache lines of the row at `at`. Does nothing if there is no such row.
    #[inline(always)]
    pub(in crate::index) fn prefetch(&self, at: usize, lines: usize) {
        if let Some(row) = self.values.get(at * self.stride..(at + 1) * self.stride) {
            let step = LINE / size_of::<T>();
            for line in row.chunks(step).take(lines) {
                prefetch(line);
            }
        }
    }
}

/// Prefetches the cache line at which `values` start.
#[inline(always)]
pub(in crate::index) fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint; it neither reads nor faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
