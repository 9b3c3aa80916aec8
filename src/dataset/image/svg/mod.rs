//! How is an SVG drawn, and what may drawing it cost?

mod expansion_limit;
mod render;
mod render_budget;

pub(super) use render::{decode, inspect};
pub(in crate::dataset) use render::{parse_xml, text};
