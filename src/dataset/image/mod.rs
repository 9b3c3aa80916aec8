//! How do the bytes of a file become a picture?

mod decode;
mod decoded;
mod error;
mod format;
mod jpeg;
mod limits;
mod raster;
mod svg;
mod thumbnail;

pub use decode::{decode, inspect, read_file};
pub use decoded::{Decoded, Header};
pub use error::PictureError;
pub use format::PictureFormat;
pub use limits::PictureLimits;
pub(super) use svg::{decode_text as svg_text, parse_xml as svg_xml};
pub use thumbnail::thumbnail;
