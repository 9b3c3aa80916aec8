//! Which helpers do several folders share?

pub mod fs;
pub mod hex;
pub mod json;
pub mod lru;
