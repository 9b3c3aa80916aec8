//! What does a pickle say, without running it?

mod reader;
mod value;
mod vm;

pub(super) use reader::{Malformed, Reader};
pub(super) use value::{Global, Pickle, Ref, Value};
pub(super) use vm::read;
