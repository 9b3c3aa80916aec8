//! How do the bytes of a file become a picture?

mod decode;
mod error;
mod format;
mod jpeg;
mod raster;
mod svg;
mod thumbnail;

pub use decode::{Decoded, PictureLimits, decode, inspect, read_file};
pub use error::PictureError;
pub use format::PictureFormat;
pub(super) use svg::{parse_xml as svg_xml, text as svg_text};
pub use thumbnail::thumbnail;
