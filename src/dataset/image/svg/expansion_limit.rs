//! Computes the size of the tree that an SVG's references expand to, from the XML, before anything is expanded.
//!
//! `use`, patterns, masks, clips, filters and markers refer to elements that refer to others: a kilobyte can expand to
//! more nodes than fit in memory, or nest deeper than the stack. Every reference is followed once and its size
//! memoised, so that the computation costs about as much as parsing.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node, NodeId};

use crate::dataset::PictureError;

/// Maximum depth of nested elements, references included. The renderer is recursive; drawings rarely reach 40.
const MAX_DEPTH: u32 = 192;
/// Maximum number of elements and attributes in the expanded tree.
const MAX_SIZE: u64 = 3_000_000;

/// Refuses a document whose expanded tree would be too deep or too large.
pub(super) fn check(document: &Document<'_>) -> Result<(), PictureError> {
    let ids = document.descendants().filter_map(|node| Some((node.attribute("id")?, node))).collect::<HashMap<_, _>>();
    let mut expansion = Expansion { ids, known: HashMap::new(), style: Vec::new() };
    // A style sheet can add a reference to any element. Gradients, by far the most common, expand to nothing.
    let sheets = document.descendants().filter(|node| node.tag_name().name() == "style");
    let named = sheets.filter_map(|sheet| sheet.text()).flat_map(references);
    let mut style: Vec<_> =
        named.filter_map(|id| expansion.ids.get(id).copied()).filter(|node| expands(*node)).collect();
    style.dedup();
    expansion.style = style;
    let size = expansion.size(document.root_element(), 0)?;
    if size > MAX_SIZE {
        return Err(too_complex(format!("its references expand to {size} elements; the maximum is {MAX_SIZE}")));
    }
    Ok(())
}

struct Expansion<'a, 'input> {
    ids: HashMap<&'a str, Node<'a, 'input>>,
    /// Sizes of referenced elements; 0 while one is computed, so that cycles end (the renderer breaks cycles as well).
    known: HashMap<NodeId, u64>,
    /// Elements that the style sheets refer to.
    style: Vec<Node<'a, 'input>>,
}

impl<'a, 'input> Expansion<'a, 'input> {
    fn size(&mut self, node: Node<'a, 'input>, depth: u32) -> Result<u64, PictureError> {
        if depth > MAX_DEPTH {
            return Err(too_complex(format!("its elements are nested deeper than {MAX_DEPTH}")));
        }
        let mut size = 1 + node.attributes().len() as u64;
        let mut corners = 1;
        for attribute in node.attributes() {
            if matches!(attribute.name(), "d" | "points") {
                corners = attribute.value().len() as u64 / 2 + 1;
            }
        }
        for attribute in node.attributes() {
            let value = attribute.value();
            let link = if attribute.name() == "href" { value.trim().strip_prefix('#') } else { None };
            for id in link.into_iter().chain(references(value)) {
                if let Some(target) = self.ids.get(id).copied().filter(|target| link.is_some() || expands(*target)) {
                    let times = if target.tag_name().name() == "marker" { corners } else { 1 };
                    size = size.saturating_add(self.size_of_target(target, depth)?.saturating_mul(times));
                }
            }
        }
        if is_rendered(node) {
            for target in 0..self.style.len() {
                let target = self.style[target];
                let times = if target.tag_name().name() == "marker" { corners } else { 1 };
                size = size.saturating_add(self.size_of_target(target, depth)?.saturating_mul(times));
            }
        }
        for child in node.children().filter(Node::is_element) {
            size = size.saturating_add(self.size(child, depth + 1)?);
        }
        Ok(size)
    }

    fn size_of_target(&mut self, target: Node<'a, 'input>, depth: u32) -> Result<u64, PictureError> {
        if let Some(&size) = self.known.get(&target.id()) {
            return Ok(size);
        }
        self.known.insert(target.id(), 0);
        let size = self.size(target, depth + 1)?;
        self.known.insert(target.id(), size);
        Ok(size)
    }
}

/// Whether a reference to this element makes the renderer render its content.
fn expands(node: Node<'_, '_>) -> bool {
    matches!(node.tag_name().name(), "pattern" | "mask" | "clipPath" | "marker" | "filter")
}

fn is_rendered(node: Node<'_, '_>) -> bool {
    matches!(
        node.tag_name().name(),
        "g" | "a" | "use" | "svg" | "switch" | "path" | "rect" | "circle" | "ellipse" | "line" | "polyline" | "polygon"
    )
}

/// Every `id` in a `url(#id)`, quoted or not.
fn references(value: &str) -> impl Iterator<Item = &str> {
    value.split("url(").skip(1).filter_map(|rest| {
        let id = rest.split_once(')')?.0.trim().trim_matches(['\'', '"']).trim();
        id.strip_prefix('#')
    })
}

fn too_complex(reason: String) -> PictureError {
    PictureError::TooComplex { reason }
}
