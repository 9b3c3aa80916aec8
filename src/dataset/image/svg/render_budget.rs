//! Estimates the cost of rendering an SVG, in pixels touched and bytes held, before a pixmap is allocated.
//!
//! The estimate walks the tree as the renderer does and stops at the budget, so its own cost is bounded too.

use resvg::{
    tiny_skia::{PathSegment, Transform},
    usvg::{ClipPath, Group, Mask, Node, Paint, Path, Pattern, Stroke, Tree, filter},
};

use crate::dataset::PictureError;

/// Maximum number of touched pixels, where filters count by their work per pixel: a few seconds on one core.
const MAX_PIXELS: f64 = 2e9;
/// Maximum bytes that layers, masks and patterns hold at one time.
const MAX_BYTES: f64 = 512e6;
/// The renderer clips layers to a region of five canvases in each direction.
const MAX_LAYER_CANVASES: f64 = 25.0;

/// Refuses a tree that costs too much on a canvas of `width × height` pixels, with `scale` pixels per user unit.
pub(super) fn check(tree: &Tree, scale: f32, width: u32, height: u32) -> Result<(), PictureError> {
    let canvas = f64::from(width) * f64::from(height);
    let mut budget = Budget { canvas, pixels: 0.0 };
    budget.group(tree.root(), Transform::from_scale(scale, scale), canvas, 4.0 * canvas)
}

struct Budget {
    canvas: f64,
    pixels: f64,
}

impl Budget {
    fn spend(&mut self, pixels: f64) -> Result<(), PictureError> {
        self.pixels += pixels;
        if self.pixels <= MAX_PIXELS {
            Ok(())
        } else {
            refuse("its layers, patterns and filters cost too much to render")
        }
    }

    /// `surface`: pixels of the pixmap that is rendered to; `bytes`: size of all pixmaps held so far.
    fn group(&mut self, group: &Group, transform: Transform, surface: f64, bytes: f64) -> Result<(), PictureError> {
        let transform = transform.pre_concat(group.transform());
        let (mut surface, mut bytes) = (surface, bytes);
        if group.should_isolate() {
            let bounds = group.layer_bounding_box();
            let layer =
                area(bounds.width() + 4.0, bounds.height() + 4.0, transform).min(MAX_LAYER_CANVASES * self.canvas);
            surface = layer;
            // The layer, and one more of its size for a mask, a clip or the result of each filter step.
            let steps: usize = group.filters().iter().map(|filter| filter.primitives().len()).sum();
            bytes = check_bytes(bytes + 4.0 * layer * (2 + steps) as f64)?;
            self.spend(2.0 * layer)?;
            for filter in group.filters() {
                self.filter(filter, transform, layer, bytes)?;
            }
            if let Some(clip) = group.clip_path() {
                self.clip(clip, transform, layer, bytes)?;
            }
            if let Some(mask) = group.mask() {
                self.mask(mask, transform, layer, bytes)?;
            }
        }
        self.children(group, transform, surface, bytes)
    }

    fn children(&mut self, group: &Group, transform: Transform, surface: f64, bytes: f64) -> Result<(), PictureError> {
        for child in group.children() {
            match child {
                Node::Group(group) => self.group(group, transform, surface, bytes)?,
                Node::Path(path) => self.path(path, transform, surface, bytes)?,
                // Not rendered.
                Node::Image(_) | Node::Text(_) => {}
            }
        }
        Ok(())
    }

    fn path(&mut self, path: &Path, transform: Transform, surface: f64, bytes: f64) -> Result<(), PictureError> {
        const OVERHEAD: f64 = 200.0;
        let bounds = path.stroke_bounding_box();
        let covered = area(bounds.width(), bounds.height(), transform).min(surface);
        let corners = path.data().len() as f64;
        if let Some(fill) = path.fill() {
            self.spend(OVERHEAD + covered + 20.0 * corners)?;
            self.paint(fill.paint(), transform, bytes)?;
        }
        if let Some(stroke) = path.stroke() {
            self.spend(OVERHEAD + covered + 100.0 * (corners + dashes(path, stroke)))?;
            self.paint(stroke.paint(), transform, bytes)?;
        }
        Ok(())
    }

    fn paint(&mut self, paint: &Paint, transform: Transform, bytes: f64) -> Result<(), PictureError> {
        match paint {
            Paint::Pattern(pattern) => self.pattern(pattern, transform, bytes),
            Paint::Color(_) | Paint::LinearGradient(_) | Paint::RadialGradient(_) => Ok(()),
        }
    }

    fn pattern(&mut self, pattern: &Pattern, transform: Transform, bytes: f64) -> Result<(), PictureError> {
        let (sx, sy) = transform.pre_concat(pattern.transform()).get_scale();
        let tile = area(pattern.rect().width(), pattern.rect().height(), Transform::from_scale(sx, sy));
        let bytes = check_bytes(bytes + 4.0 * tile)?;
        self.spend(tile)?;
        self.children(pattern.root(), Transform::from_scale(sx, sy), tile, bytes)
    }

    fn clip(&mut self, clip: &ClipPath, transform: Transform, layer: f64, bytes: f64) -> Result<(), PictureError> {
        self.spend(2.0 * layer)?;
        let bytes = check_bytes(bytes + 4.0 * layer)?;
        self.children(clip.root(), transform.pre_concat(clip.transform()), layer, bytes)?;
        clip.clip_path().map_or(Ok(()), |clip| self.clip(clip, transform, layer, bytes))
    }

    fn mask(&mut self, mask: &Mask, transform: Transform, layer: f64, bytes: f64) -> Result<(), PictureError> {
        self.spend(3.0 * layer)?;
        let bytes = check_bytes(bytes + 6.0 * layer)?;
        self.children(mask.root(), transform, layer, bytes)?;
        mask.mask().map_or(Ok(()), |mask| self.mask(mask, transform, layer, bytes))
    }

    fn filter(
        &mut self,
        filter: &filter::Filter,
        transform: Transform,
        layer: f64,
        bytes: f64,
    ) -> Result<(), PictureError> {
        let (sx, sy) = transform.get_scale();
        let reach = layer.sqrt().max(1.0);
        for primitive in filter.primitives() {
            let work = match primitive.kind() {
                filter::Kind::Turbulence(noise) => 100.0 * f64::from(noise.num_octaves()).max(1.0),
                filter::Kind::Morphology(shape) => {
                    let window = |radius: f32, scale: f32| (2.0 * f64::from(radius * scale) + 1.0).min(2.0 * reach);
                    window(shape.radius_x().get(), sx) * window(shape.radius_y().get(), sy)
                }
                filter::Kind::ConvolveMatrix(kernel) => {
                    2.0 * f64::from(kernel.matrix().columns()) * f64::from(kernel.matrix().rows())
                }
                filter::Kind::GaussianBlur(_) | filter::Kind::DropShadow(_) => 30.0,
                filter::Kind::DiffuseLighting(_) | filter::Kind::SpecularLighting(_) => 30.0,
                filter::Kind::Image(image) => {
                    self.children(image.root(), transform, layer, bytes)?;
                    5.0
                }
                filter::Kind::Merge(merge) => 5.0 * merge.inputs().len() as f64,
                filter::Kind::Blend(_)
                | filter::Kind::ColorMatrix(_)
                | filter::Kind::ComponentTransfer(_)
                | filter::Kind::Composite(_)
                | filter::Kind::DisplacementMap(_)
                | filter::Kind::Flood(_)
                | filter::Kind::Offset(_)
                | filter::Kind::Tile(_) => 10.0,
            };
            self.spend(work * layer)?;
        }
        Ok(())
    }
}

fn check_bytes(bytes: f64) -> Result<f64, PictureError> {
    if bytes <= MAX_BYTES { Ok(bytes) } else { refuse("its layers and patterns need too much memory") }
}

fn refuse<T>(reason: &str) -> Result<T, PictureError> {
    Err(PictureError::TooComplex { reason: reason.into() })
}

/// Pixels of a box in user units, at least one.
fn area(width: f32, height: f32, transform: Transform) -> f64 {
    let (sx, sy) = transform.get_scale();
    // A rotated box covers at most the square of its diagonal.
    let (width, height) = (f64::from(width * sx), f64::from(height * sy));
    let rotated = transform.kx != 0.0 || transform.ky != 0.0;
    let pixels = if rotated { width * width + height * height } else { width * height };
    if pixels.is_nan() { f64::INFINITY } else { pixels.max(1.0) }
}

/// Number of dashes of a stroke; the renderer stops at a million.
fn dashes(path: &Path, stroke: &Stroke) -> f64 {
    let Some(pattern) = stroke.dasharray() else { return 0.0 };
    let mut length = 0.0_f64;
    let mut last = None;
    for segment in path.data().segments() {
        let points = match segment {
            PathSegment::MoveTo(point) => {
                last = Some(point);
                continue;
            }
            PathSegment::LineTo(a) => [a, a, a],
            PathSegment::QuadTo(a, b) => [a, b, b],
            PathSegment::CubicTo(a, b, c) => [a, b, c],
            PathSegment::Close => continue,
        };
        for point in points {
            length += last.map_or(0.0, |from: resvg::tiny_skia::Point| f64::from(from.distance(point)));
            last = Some(point);
        }
    }
    let period = f64::from(pattern.iter().sum::<f32>()).max(1e-9);
    (pattern.len() as f64 * length / period).min(1e6)
}
