//! Images and captions in the report: worst queries, possible label errors, possibly misplaced captions.

use maud::{Markup, html};

use crate::evaluation::{Diagnostics, EntryRef, LabelIssue, Mismatch, RankedEntry, WorstQuery};

/// Maximum number of items in each list of possible errors.
pub const MAX_LISTED: usize = 60;

/// Appearance of an image or a caption.
#[derive(Debug, Clone, Default)]
pub struct EntryCard {
    /// Id of the item.
    pub id: String,
    /// The caption, or the first one of the image.
    pub text: String,
    /// Labels of the item.
    pub labels: String,
    /// Image of the item as a `data:` URL.
    pub image: Option<String>,
}

/// Image of an item with a caption below.
fn figure(card: &EntryCard, below: &Markup) -> Markup {
    html! {
        figure title=(card.id) {
            @match &card.image {
                Some(url) => { img src=(url) alt="" loading="lazy"; }
                None => { div.blank {} }
            }
            figcaption { (below) }
        }
    }
}

pub(super) fn worst_queries(diagnostics: &Diagnostics, card: &dyn Fn(EntryRef) -> EntryCard) -> Markup {
    let result = |result: &RankedEntry| {
        let seen = card(result.entry);
        html! {
            li.relevant[result.relevant].other[!result.relevant] data-cosine=(format!("{:.3}", result.cosine)) {
                @match result.entry {
                    EntryRef::Image(_) => { (figure(&seen, &html! { (seen.labels) })) }
                    EntryRef::Caption(_) => { p title=(seen.id) { (seen.text) br; small { (seen.labels) } } }
                }
            }
        }
    };
    let query = |worst: &WorstQuery| {
        let seen = card(worst.query);
        html! {
            div.query {
                div {
                    @match worst.query {
                        EntryRef::Image(_) => { (figure(&seen, &html! { (seen.labels) })) }
                        EntryRef::Caption(_) => { blockquote { (seen.text) br; small { (seen.labels) } } }
                    }
                    small { "AP " (format!("{:.3}", worst.average_precision)) }
                }
                ol { @for entry in &worst.results { (result(entry)) } }
            }
        }
    };
    html! {
        section {
            h2 { "Which queries went wrong?" }
            p {
                "The queries with the lowest average precision, and their first results: "
                span.key.relevant { "same class as the query" } " " span.key.other { "another class" }
            }
            @for worst in &diagnostics.worst { (query(worst)) }
        }
    }
}

pub(super) fn label_issues(diagnostics: &Diagnostics, card: &dyn Fn(EntryRef) -> EntryCard) -> Markup {
    let one = |issue: &LabelIssue| {
        let seen = card(EntryRef::Image(issue.item));
        let suggested = &diagnostics.classes[issue.suggested as usize];
        figure(&seen, &html! { b { (seen.labels) } " → " (suggested) "?" br; small { (seen.text) } })
    };
    html! {
        section {
            h2 { "Which labels may be wrong?" }
            p {
                "Items of all splits whose nearest neighbours, by image and by captions, have another label; the most \
                 likely errors first. Further down the list, more and more labels are correct."
            }
            @if diagnostics.label_issues.is_empty() { p { "None." } } @else {
                div.grid { @for issue in diagnostics.label_issues.iter().take(MAX_LISTED) { (one(issue)) } }
            }
        }
    }
}

pub(super) fn mismatches(diagnostics: &Diagnostics, card: &dyn Fn(EntryRef) -> EntryCard) -> Markup {
    let one = |mismatch: &Mismatch| {
        let seen = card(EntryRef::Image(mismatch.item));
        let text = card(EntryRef::Caption(mismatch.caption)).text;
        let distance = format!("{:.2}", mismatch.distance);
        figure(&seen, &html! { (text) br; small { (seen.labels) ", ‖u − v‖ " (distance) } })
    };
    html! {
        section {
            h2 { "Which captions may belong elsewhere?" }
            p { "Captions of all splits that are farthest from their own image, at most one per item." }
            div.grid { @for mismatch in diagnostics.mismatches.iter().take(MAX_LISTED) { (one(mismatch)) } }
        }
    }
}
