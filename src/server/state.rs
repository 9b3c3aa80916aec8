//! State that all handlers and middlewares share.

use std::{sync::Arc, time::Instant};

use axum::http::HeaderValue;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{config::Limits, engine::Engine, server::route_policy::RoutePolicies};

/// State that all handlers and middlewares share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) limits: Limits,
    pub(crate) admission: AdmissionControl,
    pub(crate) policies: Arc<RoutePolicies>,
    /// Allowed origins of other sites.
    pub(crate) origins: Arc<[HeaderValue]>,
    pub(crate) started: Instant,
    /// Identifies this run of the service.
    pub(crate) run: Arc<str>,
}

/// Permits for concurrent requests and for the memory of their bodies.
#[derive(Debug, Clone)]
pub(crate) struct AdmissionControl {
    requests: Arc<Semaphore>,
    max_requests: usize,
    /// One permit per KiB.
    bodies: Arc<Semaphore>,
}

impl AdmissionControl {
    pub(crate) fn new(limits: &Limits) -> Self {
        let kib = (limits.max_uploads >> 10).min(Semaphore::MAX_PERMITS);
        Self {
            requests: Arc::new(Semaphore::new(limits.max_requests)),
            max_requests: limits.max_requests,
            bodies: Arc::new(Semaphore::new(kib)),
        }
    }

    /// A permit for a search or a write, if one is left.
    pub(crate) fn request(&self) -> Option<SemaphorePermit<'_>> {
        self.requests.try_acquire().ok()
    }

    /// A permit for a body of `bytes` bytes, if that much memory is left.
    pub(crate) fn body(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        self.bodies.try_acquire_many(bytes.div_ceil(1 << 10) as u32).ok()
    }

    /// Searches and writes that are running.
    pub(crate) fn running(&self) -> usize {
        self.max_requests - self.requests.available_permits()
    }
}

/// What a connection may be used for; in the extensions of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionClass {
    /// All requests.
    Normal,
    /// Probes and admin requests: the maximum number of connections is reached.
    Overflow,
    /// Probes: the service is shutting down.
    Draining,
}
