//! Scatter plot of the projection: images as discs, captions as rings, one colour per class.

use maud::{Markup, html};

use crate::evaluation::{Diagnostics, EntryCard, EntryRef, ProjectedEntry};

/// Colour of a class. Hues are spaced by the golden angle, so that classes next to each other in the list differ most.
fn colour(class: u32) -> String {
    let hue = (f64::from(class) * 137.508) % 360.0;
    let light = [42, 58, 34][class as usize % 3];
    format!("hsl({hue:.0} 65% {light}%)")
}

pub(super) fn projection(diagnostics: &Diagnostics, card: &dyn Fn(EntryRef) -> EntryCard) -> Markup {
    let coordinate = |x: f32| format!("{:.0}", 500.0 + 480.0 * x);
    let point = |point: &ProjectedEntry| {
        let ([x, y], colour) = (point.position.map(coordinate), colour(point.class));
        let seen = card(point.entry);
        let title = html! { title { (seen.labels) ": " (seen.text) } };
        match point.entry {
            EntryRef::Image(_) => html! { circle cx=(x) cy=(y) r="5" fill=(colour) { (title) } },
            EntryRef::Caption(_) => html! { circle cx=(x) cy=(y) r="4" fill="none" stroke=(colour) { (title) } },
        }
    };
    html! {
        section {
            h2 { "What does the common space look like?" }
            p {
                "Images (discs) and captions (rings) of the " (diagnostics.split) " split, by principal components and \
                 t-SNE. Neighbours in the plot are neighbours in the space; distances between groups have no meaning. \
                 Point at an entry to read it."
            }
            div.sides {
                svg.map viewBox="0 0 1000 1000" xmlns="http://www.w3.org/2000/svg" role="img"
                    aria-label="projection of the common space" {
                    @for entry in &diagnostics.projection { (point(entry)) }
                }
                ul.keys {
                    @for (class, name) in (0..).zip(&diagnostics.classes) {
                        li { i style=(format!("background:{}", colour(class))) {} (name) }
                    }
                }
            }
        }
    }
}
