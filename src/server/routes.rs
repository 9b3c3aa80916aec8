//! Routes with their policies and their part of the OpenAPI document.

use axum::{Router, http::Method, routing::MethodRouter};
use utoipa::openapi::{OpenApi, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::{App, RoutePolicy};
use crate::server::route_policy::RoutePolicies;

/// Routes of one handler file, or of several that were merged.
#[derive(Default)]
pub(crate) struct Routes {
    router: OpenApiRouter<App>,
    policies: RoutePolicies,
}

impl Routes {
    /// No routes.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds the methods of one path, which share a policy.
    pub(crate) fn route(mut self, policy: RoutePolicy, methods: UtoipaMethodRouter<App>) -> Self {
        for (path, item) in &methods.1.paths {
            for method in methods_of(item) {
                self.policies.insert(path, method, policy);
            }
        }
        self.router = self.router.routes(methods);
        self
    }

    /// Adds a page: open to everyone and not part of the OpenAPI document.
    pub(crate) fn page(mut self, path: &str, handler: MethodRouter<App>) -> Self {
        self.policies.insert(path, Method::GET, RoutePolicy::OPEN);
        self.router = self.router.route(path, handler);
        self
    }

    /// Adds other routes.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.policies.merge(other.policies);
        self.router = self.router.merge(other.router);
        self
    }

    /// What the handlers document.
    pub(crate) fn operations(&self) -> &OpenApi {
        self.router.get_openapi()
    }

    pub(crate) fn policies(&self) -> &RoutePolicies {
        &self.policies
    }

    /// The router and the policies of its routes.
    pub(crate) fn into_parts(self) -> (Router<App>, RoutePolicies) {
        let (router, _) = self.router.split_for_parts();
        (router, self.policies)
    }
}

fn methods_of(item: &PathItem) -> impl Iterator<Item = Method> {
    [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.is_some().then_some(method))
}
