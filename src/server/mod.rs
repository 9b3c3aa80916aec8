//! How does the world talk to it? One file for each resource, one table of errors, one middleware that gives every
//! request an id and every error its form.

#![expect(unused_qualifications, reason = "utoipa's macros write the paths of the types that they name")]

mod assets;
mod error;
mod extract;
mod handlers;
mod limits;
mod listener;
mod middleware;
mod no_script;
mod openapi;
mod responses;
mod router;
mod state;

pub use extract::filter::FilterLimits;
pub use limits::{HttpLimits, HttpSettings};
pub use listener::serve;
pub use router::document;
