//! How does a picture find its own captions among those of its class?

pub(super) mod info_nce;
