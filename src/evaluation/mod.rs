//! Measures of retrieval quality: pure functions from scores and relevance to numbers.
