//! Computes the size of the tree that an SVG's references expand to, from the XML, before anything is expanded.
//!
//! `use`, patterns, masks, clips, filters and markers refer to elements that refer to others: a kilobyte can expand to
//! more nodes than fit in memory, or nest deeper than the stack. Every reference is followed once; its size and its
//! depth are memoised, so that the computation costs about as much as parsing.
//!
//! Style sheets are matched with every element, which is quadratic, so their selectors are counted as well.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node, NodeId};

use crate::dataset::PictureError;

/// Maximum depth of nested elements, references included. The renderer is recursive; drawings rarely reach 40.
const MAX_DEPTH: u32 = 192;
/// Maximum number of references that follow each other. Rendering a pattern in a pattern takes more stack than an
/// element in an element.
const MAX_REFERENCES: u32 = 16;
/// Maximum number of selectors times elements. This many comparisons take a tenth of a second.
const MAX_COMPARISONS: usize = 10_000_000;
/// Maximum number of elements and attributes in the expanded tree.
const MAX_SIZE: u64 = 3_000_000;

/// Refuses a document whose expanded tree would be too deep or too large.
pub(super) fn check(document: &Document<'_>) -> Result<(), PictureError> {
    let ids = document.descendants().filter_map(|node| Some((node.attribute("id")?, node))).collect::<HashMap<_, _>>();
    let mut expansion = Expansion { ids, known: HashMap::new(), style: Vec::new() };
    let sheets = document.descendants().filter(|node| node.tag_name().name() == "style");
    let sheets: Vec<&str> = sheets.flat_map(|sheet| sheet.children()).filter_map(|child| child.text()).collect();
    let elements = document.descendants().filter(Node::is_element).count();
    let selectors: usize = sheets.iter().map(|sheet| sheet.matches(['{', ',']).count()).sum();
    if selectors.saturating_mul(elements) > MAX_COMPARISONS {
        return Err(too_complex(format!(
            "its style sheets have {selectors} selectors for {elements} elements; the maximum of their product is \
             {MAX_COMPARISONS}"
        )));
    }
    // A style sheet can add a reference to any element. Gradients, by far the most common, expand to nothing.
    let named = sheets.into_iter().flat_map(references);
    let mut style: Vec<_> =
        named.filter_map(|id| expansion.ids.get(id).copied()).filter(|node| expands(*node)).collect();
    style.dedup();
    expansion.style = style;
    let Extent { size, .. } = expansion.extent(document.root_element(), Position::default())?;
    if size > MAX_SIZE {
        return Err(too_complex(format!("its references expand to {size} elements; the maximum is {MAX_SIZE}")));
    }
    Ok(())
}

/// How far from the root an element is rendered.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    depth: u32,
    references: u32,
}

/// What an element expands to.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    /// Number of elements and attributes.
    size: u64,
    /// Levels of elements below it.
    height: u32,
    /// References that follow each other below it.
    references: u32,
}

impl Extent {
    fn add(&mut self, times: u64, below: Self) {
        self.size = self.size.saturating_add(below.size.saturating_mul(times));
        self.height = self.height.max(below.height + 1);
        self.references = self.references.max(below.references);
    }
}

struct Expansion<'a, 'input> {
    ids: HashMap<&'a str, Node<'a, 'input>>,
    /// Extents of referenced elements; nothing while one is computed, so that cycles end (the renderer breaks cycles as
    /// well).
    known: HashMap<NodeId, Extent>,
    /// Elements that the style sheets refer to.
    style: Vec<Node<'a, 'input>>,
}

impl<'a, 'input> Expansion<'a, 'input> {
    fn extent(&mut self, node: Node<'a, 'input>, at: Position) -> Result<Extent, PictureError> {
        check_position(at)?;
        let mut extent = Extent { size: 1 + node.attributes().len() as u64, ..Extent::default() };
        let mut corners = 1;
        for attribute in node.attributes() {
            if matches!(attribute.name(), "d" | "points") {
                corners = attribute.value().len() as u64 / 2 + 1;
            }
        }
        let times = |target: Node<'_, '_>| if target.tag_name().name() == "marker" { corners } else { 1 };
        for attribute in node.attributes() {
            let value = attribute.value();
            let link = if attribute.name() == "href" { value.trim().strip_prefix('#') } else { None };
            for id in link.into_iter().chain(references(value)) {
                if let Some(target) = self.ids.get(id).copied().filter(|target| link.is_some() || expands(*target)) {
                    extent.add(times(target), self.extent_of_target(target, at)?);
                }
            }
        }
        if is_rendered(node) {
            for target in 0..self.style.len() {
                let target = self.style[target];
                extent.add(times(target), self.extent_of_target(target, at)?);
            }
        }
        for child in node.children().filter(Node::is_element) {
            extent.add(1, self.extent(child, Position { depth: at.depth + 1, ..at })?);
        }
        Ok(extent)
    }

    /// The extent of an element that one at this position refers to, the reference included.
    fn extent_of_target(&mut self, target: Node<'a, 'input>, at: Position) -> Result<Extent, PictureError> {
        let at = Position { depth: at.depth + 1, references: at.references + 1 };
        let extent = match self.known.get(&target.id()) {
            Some(&known) => known,
            None => {
                self.known.insert(target.id(), Extent::default());
                let extent = self.extent(target, at)?;
                self.known.insert(target.id(), extent);
                extent
            }
        };
        // It may have been reached before from a place nearer to the root.
        let Extent { height, references, .. } = extent;
        check_position(Position { depth: at.depth + height, references: at.references + references })?;
        Ok(Extent { references: references + 1, ..extent })
    }
}

fn check_position(at: Position) -> Result<(), PictureError> {
    if at.depth > MAX_DEPTH {
        return Err(too_complex(format!("its elements are nested deeper than {MAX_DEPTH}")));
    }
    if at.references > MAX_REFERENCES {
        return Err(too_complex(format!("more than {MAX_REFERENCES} of its references follow each other")));
    }
    Ok(())
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
