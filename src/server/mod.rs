//! How do clients reach the service over HTTP?

#![expect(unused_qualifications, reason = "utoipa's macros write the paths of the types that they name")]

mod assets;
mod conditional;
mod error;
mod error_code;
mod extract;
mod handlers;
mod listener;
mod middleware;
mod no_script;
mod openapi;
mod problem_pages;
mod responses;
mod route_policy;
mod router;
mod routes;
mod settings;
mod state;

pub use listener::serve;
pub use router::document;
pub use settings::ServerSettings;
