//! What an Openclipart drawing says about itself: title, description, keywords and authors in its RDF metadata.

use resvg::usvg::roxmltree::Node;

use crate::dataset::image::{svg_text, svg_xml};

/// The metadata of a drawing; empty where it has none.
#[derive(Default)]
pub(super) struct Metadata {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) keywords: Vec<String>,
    pub(super) authors: Vec<String>,
}

/// A hash of the drawing without its metadata, and the metadata; `None` if the file draws nothing.
pub(super) fn shape_and_metadata(bytes: &[u8]) -> Option<(blake3::Hash, Metadata)> {
    let text = svg_text(bytes).ok()?;
    let xml = svg_xml(&text).ok()?;
    let named = |name: &'static str| xml.descendants().find(|node| node.tag_name().name() == name);
    let draws = xml.descendants().any(|node| {
        matches!(node.tag_name().name(), "path" | "rect" | "circle" | "ellipse" | "polygon" | "polyline" | "line")
    });
    let root = xml.root_element().range();
    let metadata = named("metadata").map_or(root.end..root.end, |node| node.range());
    let mut shape = blake3::Hasher::new();
    shape.update(text[root.start..metadata.start.max(root.start)].trim_end().as_bytes());
    shape.update(text[metadata.end..].trim_start().as_bytes());
    draws.then(|| (shape.finalize(), named("Work").map(metadata_of).unwrap_or_default()))
}

fn metadata_of(work: Node<'_, '_>) -> Metadata {
    let child = |name: &str| work.children().find(|node| node.tag_name().name() == name);
    let all_text = |node: Node<'_, '_>| {
        node.descendants().filter(Node::is_text).filter_map(|part| part.text()).collect::<Vec<_>>().join(" ")
    };
    let texts = |node: Option<Node<'_, '_>>, name: &str| {
        let found = node.into_iter().flat_map(|node| node.descendants()).filter(|node| node.tag_name().name() == name);
        found.map(|node| node.text().unwrap_or_default().trim().to_owned()).filter(|text| !text.is_empty()).collect()
    };
    Metadata {
        title: child("title").map(all_text).unwrap_or_default(),
        description: child("description").map(all_text).unwrap_or_default(),
        keywords: texts(child("subject"), "li"),
        authors: texts(child("creator"), "title"),
    }
}
