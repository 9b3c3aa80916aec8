//! How is a report shown to people?
//!
//! As one HTML file without scripts or external resources.

mod card;
mod page;
mod plots;
mod projection;
mod tables;

pub use card::{EntryCard, MAX_LISTED};
pub use page::{HtmlReport, render};
