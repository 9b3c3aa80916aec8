//! Inner products of rows, on whatever vector instructions the processor has.
//!
//! Rows are padded with zeros to whole cache lines, so no kernel has a tail. Products of f32 are summed in the same order
//! by every function here, alone, gathered or in a block: on one machine a graph and a scan, a query alone and one of a
//! batch give the same score to the last bit. Loads are spelled with those intrinsics that are bare instructions in
//! every build; the plain ones go through `read_unaligned`, which builds with debug assertions check each time.

mod codes;
mod floats;

pub(super) use codes::code_dots;
pub(super) use floats::{dot, dots, products};

/// Bytes of a cache line. Rows begin at one and fill whole ones.
pub(super) const LINE: usize = 64;

/// Rows of one length in a row: `[len, stride]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a, T> {
    values: &'a [T],
    stride: usize,
}

impl<'a, T> Rows<'a, T> {
    /// `values` are whole rows of `stride`.
    pub(super) fn new(values: &'a [T], stride: usize) -> Self {
        assert!(stride > 0 && values.len().is_multiple_of(stride), "whole rows");
        Self { values, stride }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.stride
    }

    /// Length of a row.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// The row at `at`, `[stride]`.
    #[inline(always)]
    pub(super) fn row(&self, at: usize) -> &'a [T] {
        &self.values[at * self.stride..][..self.stride]
    }

    /// The rows from `from` to before `to`.
    pub(super) fn range(&self, from: usize, to: usize) -> Self {
        Self { values: &self.values[from * self.stride..to * self.stride], stride: self.stride }
    }

    /// Asks for the first `lines` cache lines of the row at `at`; does nothing where there is no such row.
    #[inline(always)]
    pub(super) fn prefetch(&self, at: usize, lines: usize) {
        if let Some(row) = self.values.get(at * self.stride..(at + 1) * self.stride) {
            let step = LINE / size_of::<T>();
            for line in row.chunks(step).take(lines) {
                prefetch(line);
            }
        }
    }
}

/// Asks for the cache line at which `values` begin.
#[inline(always)]
pub(super) fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint; it neither reads nor faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}
