//! Who may call a route, how large its bodies may be, and whether it honours `Idempotency-Key`.
//!
//! Each handler file declares the policies of its routes next to the handlers. The middlewares read the policy of the
//! matched route from the request's extensions.

use std::collections::HashMap;

use axum::http::Method;

use crate::catalog::Scope;

/// What the middlewares know of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoutePolicy {
    /// Scope that the caller's key needs; `None` for a route that is open to everyone.
    pub(crate) scope: Option<Scope>,
    /// Which limit applies to the body.
    pub(crate) body: BodySize,
    /// Whether a `POST` with an `Idempotency-Key` runs only once.
    pub(crate) idempotent: bool,
}

/// Class of body sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodySize {
    /// No images: `--max-body`.
    Plain,
    /// Images, also as base64: `--max-picture`.
    WithImages,
}

impl RoutePolicy {
    /// Open to everyone.
    pub(crate) const OPEN: Self = Self { scope: None, body: BodySize::Plain, idempotent: false };
    /// Needs the scope `search`.
    pub(crate) const SEARCH: Self = Self { scope: Some(Scope::Search), ..Self::OPEN };
    /// Needs the scope `ingest`.
    pub(crate) const INGEST: Self = Self { scope: Some(Scope::Ingest), ..Self::OPEN };
    /// Needs the scope `admin`.
    pub(crate) const ADMIN: Self = Self { scope: Some(Scope::Admin), ..Self::OPEN };

    /// Reads bodies that hold images.
    pub(crate) const fn with_images(self) -> Self {
        Self { body: BodySize::WithImages, ..self }
    }

    /// Runs a `POST` with an `Idempotency-Key` only once.
    pub(crate) const fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }
}

/// Policies of all routes, by path template and method.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoutePolicies(HashMap<String, Vec<(Method, RoutePolicy)>>);

impl RoutePolicies {
    /// Declares the policy of a route.
    pub(crate) fn insert(&mut self, path: &str, method: Method, policy: RoutePolicy) {
        self.0.entry(path.to_owned()).or_default().push((method, policy));
    }

    /// Adds the policies of other routes.
    pub(crate) fn merge(&mut self, other: Self) {
        for (path, methods) in other.0 {
            self.0.entry(path).or_default().extend(methods);
        }
    }

    /// The policy of a route. Routes without a declared policy need the scope `admin`, except methods that an open path
    /// does not have.
    pub(crate) fn find(&self, path: &str, method: &Method) -> RoutePolicy {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let Some(methods) = self.0.get(path) else { return RoutePolicy::ADMIN };
        match methods.iter().find(|(known, _)| known == method) {
            Some((_, policy)) => *policy,
            None if methods.iter().all(|(_, policy)| policy.scope.is_none()) => RoutePolicy::OPEN,
            None => RoutePolicy::ADMIN,
        }
    }
}
