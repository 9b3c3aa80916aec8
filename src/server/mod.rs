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

use error::{ApiResult, Code, Problem};
use route_policy::RoutePolicy;
use routes::Routes;
use state::App;

pub use listener::serve;
pub use router::document;
pub use settings::ServerSettings;
