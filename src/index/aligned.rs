//! Numbers that begin at a cache line.

use std::{fmt, marker::PhantomData, ops};

use bytemuck::{Pod, Zeroable};
use memmap2::{Advice, MmapMut};

use super::{IndexError, kernels::LINE};

/// From this many bytes on, a table gets a mapping of its own: its pages come zeroed when they are touched, and may be
/// huge ones, without which every step of a walk through a large graph misses the address translation cache.
const MAP_FROM: usize = 1 << 20;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

enum Bytes {
    Lines(Vec<Line>),
    Map(MmapMut),
}

/// A fixed number of plain numbers whose first begins at a cache line.
pub(super) struct Table<T> {
    bytes: Bytes,
    len: usize,
    kind: PhantomData<T>,
}

impl<T: Pod> Table<T> {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`IndexError::Memory`] if the system has no room for them.
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

    /// The numbers of `values`.
    ///
    /// # Errors
    /// As [`Self::zeros`].
    pub(super) fn of(values: &[T]) -> Result<Self, IndexError> {
        let mut table = Self::zeros(values.len())?;
        table.copy_from_slice(values);
        Ok(table)
    }

    /// The numbers as they lie in memory and on disk.
    pub(super) fn bytes(&self) -> &[u8] {
        let all = match &self.bytes {
            Bytes::Lines(lines) => bytemuck::cast_slice(lines),
            Bytes::Map(map) => map,
        };
        &all[..self.len * size_of::<T>()]
    }

    /// As [`Self::bytes`], to be written.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let all = match &mut self.bytes {
            Bytes::Lines(lines) => bytemuck::cast_slice_mut(lines),
            Bytes::Map(map) => map,
        };
        &mut all[..self.len * size_of::<T>()]
    }
}

impl<T: Pod> ops::Deref for Table<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(self.bytes())
    }
}

impl<T: Pod> ops::DerefMut for Table<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(self.bytes_mut())
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_begin_at_a_line_and_with_zeros() {
        for len in [0, 1, 15, 16, 17, MAP_FROM / 4 - 1, MAP_FROM / 4, MAP_FROM] {
            let mut table = Table::<f32>::zeros(len).expect("there is room");
            assert_eq!((table.len(), table.bytes().len()), (len, 4 * len));
            assert!(table.bytes().as_ptr().addr().is_multiple_of(LINE) && table.iter().all(|x| *x == 0.0));
            if let Some(last) = table.last_mut() {
                *last = 1.5;
                assert_eq!(table[len - 1], 1.5);
            }
        }
        assert_eq!(Table::<u64>::zeros(usize::MAX).err(), Some(IndexError::Memory(usize::MAX)));
        assert_eq!(*Table::of(&[3u32, 1]).expect("there is room"), [3, 1]);
    }
}
