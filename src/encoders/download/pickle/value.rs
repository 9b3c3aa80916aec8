//! The values that a torch state dict consists of.
//!
//! They are stored in an arena and refer to each other by position, so shared and cyclic values are harmless and
//! nothing is recursive.

/// Position of a value in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::encoders::download) struct Ref(pub(super) u32);

/// The names that a pickle may import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::encoders::download) enum Global {
    OrderedDict,
    RebuildTensor,
    FloatStorage,
    LongStorage,
}

impl Global {
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::RebuildTensor),
            ("torch", "FloatStorage") => Some(Self::FloatStorage),
            ("torch", "LongStorage") => Some(Self::LongStorage),
            _ => None,
        }
    }
}

/// A value of a pickle.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::encoders::download) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer that exceeds an i64, as little-endian two's complement.
    Long(Vec<u8>),
    Str(String),
    Tuple(Vec<Ref>),
    List(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    Global(Global),
    /// A persistent id: the tuple that identifies a storage.
    Persistent(Ref),
    /// `_rebuild_tensor_v2` with the tuple of its arguments.
    Tensor(Ref),
}

impl Value {
    /// Name of its type in messages.
    pub(in crate::encoders::download) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) | Self::Long(_) => "an integer",
            Self::Str(_) => "a string",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Global(_) => "an imported name",
            Self::Persistent(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// The values of one pickle.
#[derive(Debug)]
pub(in crate::encoders::download) struct Pickle {
    pub(super) arena: Vec<Value>,
    /// The top-level value.
    pub(in crate::encoders::download) root: Ref,
}

impl Pickle {
    /// The value at `at`.
    pub(in crate::encoders::download) fn get(&self, at: Ref) -> &Value {
        &self.arena[at.0 as usize]
    }
}
