//! Which small tools does every folder need?

pub mod fs;
pub mod hex;
pub mod json;
pub mod lru;
