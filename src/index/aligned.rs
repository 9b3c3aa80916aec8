//! Arrays of numbers aligned to a cache line.

use std::{fmt, marker::PhantomData, ops};

use bytemuck::{Pod, Zeroable};
use memmap2::{Advice, MmapMut};

use super::{error::IndexError, kernels::LINE};

/// Arrays of at least this many bytes get a memory mapping of their own: its pages are zeroed when they are first
/// touched, and may be huge pages, without which every step of a search in a large graph misses the TLB.
const MAP_FROM: usize = 1 << 20;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

enum Bytes {
    Lines(Vec<Line>),
    Map(MmapMut),
}

/// A fixed number of plain numbers, the first aligned to a cache line.
pub(super) struct AlignedVec<T> {
    bytes: Bytes,
    len: usize,
    kind: PhantomData<T>,
}

impl<T: Pod> AlignedVec<T> {
    /// An array of `len` zeros.
    ///
    /// # Errors
    /// [`IndexError::Memory`] if the allocation fails.
    pub(super) fn zeros(len: usize) -> Result<Self, IndexError> {
        let size = len.checked_mul(size_of::<T>()).ok_or(IndexError::Memory(usize::MAX))?;
        let bytes = if size < MAP_FROM {
            Bytes::Lines(vec![Line([0; LINE]); size.div_ceil(LINE)])
        } else {
            let map = MmapMut::map_anon(size).map_err(|_| IndexError::Memory(size))?;
            // A kernel without huge pages is slower, not wrong.
            #[cfg(target_os = "linux")]
            let _ = map.advise(Advice::HugePage);
            Bytes::Map(map)
        };
        Ok(Self { bytes, len, kind: PhantomData })
    }

    /// A copy of `values`.
    ///
    /// # Errors
    /// Same as [`Self::zeros`].
    pub(super) fn from_slice(values: &[T]) -> Result<Self, IndexError> {
        let mut copy = Self::zeros(values.len())?;
        copy.copy_from_slice(values);
        Ok(copy)
    }

    /// The numbers as bytes, which is also their format on disk.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        let all = match &self.bytes {
            Bytes::Lines(lines) => bytemuck::cast_slice(lines),
            Bytes::Map(map) => map,
        };
        &all[..self.len * size_of::<T>()]
    }

    /// Mutable [`Self::as_bytes`].
    pub(super) fn as_bytes_mut(&mut self) -> &mut [u8] {
        let all = match &mut self.bytes {
            Bytes::Lines(lines) => bytemuck::cast_slice_mut(lines),
            Bytes::Map(map) => map,
        };
        &mut all[..self.len * size_of::<T>()]
    }
}

impl<T: Pod> ops::Deref for AlignedVec<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(self.as_bytes())
    }
}

impl<T: Pod> ops::DerefMut for AlignedVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(self.as_bytes_mut())
    }
}

impl<T> fmt::Debug for AlignedVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedVec({})", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_arrays_are_aligned_and_zeroed() {
        for len in [0, 1, 15, 16, 17, MAP_FROM / 4 - 1, MAP_FROM / 4, MAP_FROM] {
            let mut array = AlignedVec::<f32>::zeros(len).expect("there is room");
            assert_eq!((array.len(), array.as_bytes().len()), (len, 4 * len));
            assert!(array.as_bytes().as_ptr().addr().is_multiple_of(LINE) && array.iter().all(|x| *x == 0.0));
            if let Some(last) = array.last_mut() {
                *last = 1.5;
                assert_eq!(array[len - 1], 1.5);
            }
        }
        assert_eq!(AlignedVec::<u64>::zeros(usize::MAX).err(), Some(IndexError::Memory(usize::MAX)));
        assert_eq!(*AlignedVec::from_slice(&[3u32, 1]).expect("there is room"), [3, 1]);
    }
}
