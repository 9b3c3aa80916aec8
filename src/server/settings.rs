//! Settings of the server.

use crate::config::Limits;

/// Settings of the server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Limits of requests, connections and times.
    pub limits: Limits,
    /// Origins of other sites whose pages may use the API (CORS).
    pub cors_origins: Vec<String>,
    /// Whether `/metrics` is public; if not, it requires a key with the scope admin.
    pub metrics_open: bool,
}
