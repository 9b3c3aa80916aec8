//! What the service allows, and to whom it is open.

use std::time::Duration;

use crate::server::extract::filter::FilterLimits;

/// What the service allows.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Bytes of a body that may hold pictures.
    pub picture_bytes: usize,
    /// Bytes of any other body.
    pub body_bytes: usize,
    /// Bytes of all bodies that are read at the same time.
    pub upload_bytes: usize,
    /// Bytes of a request's first line and headers.
    pub head_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Items of a batch.
    pub batch: usize,
    /// How much a filter may ask.
    pub filter: FilterLimits,
    /// Searches and changes at work at the same time.
    pub requests: usize,
    /// Connections at the same time.
    pub connections: usize,
    /// How long a request's head may take to come.
    pub head: Duration,
    /// How long a request's body may take to come.
    pub body: Duration,
    /// How long an answer may take, once the request is there.
    pub request: Duration,
    /// How long running requests may take once the service is asked to end.
    pub drain: Duration,
}

/// How the service is open to others.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// What it allows.
    pub limits: HttpLimits,
    /// Origins of other sites' pages that may ask as well.
    pub cors_origins: Vec<String>,
    /// Whether `/metrics` is for everyone.
    pub metrics_open: bool,
}
