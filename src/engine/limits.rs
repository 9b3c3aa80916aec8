//! Bounds of what a running engine accepts and keeps.

/// Bounds of queries and queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// Characters of a query's text.
    pub text_chars: usize,
    /// Results of a page, and inputs of a batch.
    pub results: usize,
    /// Terms of a query.
    pub terms: usize,
    /// Texts that wait for the text encoder, and pictures that wait for the image encoder.
    pub queue: usize,
    /// Entries of the query cache.
    pub query_cache_entries: usize,
    /// Bytes of the query cache.
    pub query_cache_bytes: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            text_chars: 10_000,
            results: 100,
            terms: 16,
            queue: 64,
            query_cache_entries: 4096,
            query_cache_bytes: 32 << 20,
        }
    }
}
