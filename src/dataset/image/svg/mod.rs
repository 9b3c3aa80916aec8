//! How is an SVG rendered, and what may that cost?

mod expansion_limit;
mod render;
mod render_budget;
mod xml;

pub(super) use render::{decode, inspect};
pub(in crate::dataset) use xml::{decode_text, parse_xml};

#[cfg(test)]
mod tests;
