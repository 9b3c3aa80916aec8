//! LRU cache that is bounded by the number of entries and by their size in bytes.

use std::{borrow::Borrow, hash::Hash};

use hashlink::LruCache;

#[derive(Debug)]
pub(crate) struct WeightedLru<K: Hash + Eq, V> {
    max_entries: usize,
    max_bytes: usize,
    /// Values with their sizes in bytes.
    entries: LruCache<K, (V, usize)>,
    bytes: usize,
}

impl<K: Hash + Eq, V> WeightedLru<K, V> {
    /// Stores nothing if either limit is 0.
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self { max_entries, max_bytes, entries: LruCache::new_unbounded(), bytes: 0 }
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|(value, _)| value)
    }

    /// Inserts an entry of `bytes` bytes, and evicts the least recently used ones beyond the limits.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        if let Some((_, before)) = self.entries.insert(key, (value, bytes)) {
            self.bytes -= before;
        }
        self.bytes += bytes;
        while self.entries.len() > self.max_entries || self.bytes > self.max_bytes {
            let Some((_, (_, bytes))) = self.entries.remove_lru() else { break };
            self.bytes -= bytes;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_longest_goes_first() {
        let mut map = WeightedLru::new(3, usize::MAX);
        (1..=3).for_each(|n| map.insert(n, n * 10, 1));
        assert_eq!(map.get(&1), Some(&10));
        map.insert(4, 40, 1);
        assert_eq!([1, 2, 3, 4].map(|n| map.get(&n).copied()), [Some(10), None, Some(30), Some(40)]);
    }

    #[test]
    fn bytes_are_bounded_and_none_is_counted_twice() {
        let mut map = WeightedLru::new(usize::MAX, 100);
        for round in 0..100usize {
            map.insert(round % 20, round, 10 + round % 3);
            let kept: usize = map.entries.iter().map(|(_, (_, bytes))| bytes).sum();
            assert_eq!(map.bytes(), kept);
            assert!(kept <= 100 && map.len() >= 8.min(round + 1));
        }
        map.insert(7, 7, 101);
        assert_eq!((map.len(), map.bytes()), (0, 0), "an entry above the limit is not stored, but evicts all others");
        map.insert(7, 7, 100);
        map.clear();
        assert_eq!((map.len(), map.bytes(), map.get(&7)), (0, 0, None));
        let mut none = WeightedLru::new(0, usize::MAX);
        none.insert(1, 1, 1);
        assert_eq!(none.get(&1), None);
    }
}
