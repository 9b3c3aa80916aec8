//! What every handler can reach.

use std::{sync::Arc, time::Instant};

use axum::http::HeaderValue;

use crate::{
    engine::Engine,
    server::{limits::HttpLimits, middleware::admission::Places},
};

/// What every handler can reach.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) limits: HttpLimits,
    pub(crate) places: Places,
    /// Of other sites whose pages may ask as well.
    pub(crate) origins: Arc<[HeaderValue]>,
    pub(crate) metrics_open: bool,
    pub(crate) started: Instant,
    /// The name of this run of the service.
    pub(crate) run: Arc<str>,
}
