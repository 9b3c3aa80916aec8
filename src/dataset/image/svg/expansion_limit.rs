//! How large a tree an SVG's references unfold to, counted on the XML before anything is unfolded.
//!
//! `use`, patterns, masks, clips, filters and markers name other elements, those name others: a kilobyte can unfold to
//! more nodes than there is memory, or nest deeper than the stack. Here every reference is followed once and its size
//! remembered, so that counting costs what reading costs.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node, NodeId};

use crate::dataset::PictureError;

/// Elements that may be nested in each other, references followed. The renderer is recursive; drawings seldom reach 40.
const MAX_DEPTH: u32 = 192;
/// Elements and attributes of the unfolded tree.
const MAX_WEIGHT: u64 = 3_000_000;

/// Refuses a document whose unfolded tree would be too deep or too heavy.
pub(super) fn check(document: &Document<'_>) -> Result<(), PictureError> {
    let ids = document.descendants().filter_map(|node| Some((node.attribute("id")?, node))).collect::<HashMap<_, _>>();
    let mut scale = Scale { ids, known: HashMap::new(), style: Vec::new() };
    // A style sheet may give any element a reference. Gradients, by far the most common, unfold to nothing.
    let sheets = document.descendants().filter(|node| node.tag_name().name() == "style");
    let named = sheets.filter_map(|sheet| sheet.text()).flat_map(references);
    let mut style: Vec<_> = named.filter_map(|id| scale.ids.get(id).copied()).filter(|node| unfolds(*node)).collect();
    style.dedup();
    scale.style = style;
    let weight = scale.weigh(document.root_element(), 0)?;
    if weight > MAX_WEIGHT {
        return Err(too_complex(format!("its references unfold to {weight} elements; at most {MAX_WEIGHT} are drawn")));
    }
    Ok(())
}

struct Scale<'a, 'input> {
    ids: HashMap<&'a str, Node<'a, 'input>>,
    /// Weights of elements that are referred to; 0 while one is being weighed, so that a circle ends (the renderer
    /// cuts circles as well).
    known: HashMap<NodeId, u64>,
    /// What the style sheets refer to.
    style: Vec<Node<'a, 'input>>,
}

impl<'a, 'input> Scale<'a, 'input> {
    fn weigh(&mut self, node: Node<'a, 'input>, depth: u32) -> Result<u64, PictureError> {
        if depth > MAX_DEPTH {
            return Err(too_complex(format!("its elements are nested deeper than {MAX_DEPTH}")));
        }
        let mut weight = 1 + node.attributes().len() as u64;
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
                if let Some(target) = self.ids.get(id).copied().filter(|target| link.is_some() || unfolds(*target)) {
                    let times = if target.tag_name().name() == "marker" { corners } else { 1 };
                    weight = weight.saturating_add(self.weigh_target(target, depth)?.saturating_mul(times));
                }
            }
        }
        if is_drawn(node) {
            for target in 0..self.style.len() {
                let target = self.style[target];
                let times = if target.tag_name().name() == "marker" { corners } else { 1 };
                weight = weight.saturating_add(self.weigh_target(target, depth)?.saturating_mul(times));
            }
        }
        for child in node.children().filter(Node::is_element) {
            weight = weight.saturating_add(self.weigh(child, depth + 1)?);
        }
        Ok(weight)
    }

    fn weigh_target(&mut self, target: Node<'a, 'input>, depth: u32) -> Result<u64, PictureError> {
        if let Some(&weight) = self.known.get(&target.id()) {
            return Ok(weight);
        }
        self.known.insert(target.id(), 0);
        let weight = self.weigh(target, depth + 1)?;
        self.known.insert(target.id(), weight);
        Ok(weight)
    }
}

/// Whether a reference to this element makes the renderer draw what is inside.
fn unfolds(node: Node<'_, '_>) -> bool {
    matches!(node.tag_name().name(), "pattern" | "mask" | "clipPath" | "marker" | "filter")
}

fn is_drawn(node: Node<'_, '_>) -> bool {
    matches!(
        node.tag_name().name(),
        "g" | "a" | "use" | "svg" | "switch" | "path" | "rect" | "circle" | "ellipse" | "line" | "polyline" | "polygon"
    )
}

/// Every `id` that stands in a `url(#id)`, quoted or not.
fn references(value: &str) -> impl Iterator<Item = &str> {
    value.split("url(").skip(1).filter_map(|rest| {
        let id = rest.split_once(')')?.0.trim().trim_matches(['\'', '"']).trim();
        id.strip_prefix('#')
    })
}

fn too_complex(reason: String) -> PictureError {
    PictureError::TooComplex { reason }
}
