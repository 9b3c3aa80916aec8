//! The OpenAPI document (3.1). Handlers describe their operations; this adds what all of them share: the scope they
//! need and the errors they can return.

use axum::{
    body::Bytes,
    http::{Method, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        self, Components, ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder,
        extensions::ExtensionsBuilder,
        path::{Operation, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{Code, RoutePolicy, Routes, error::ProblemBody};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "diptych",
        description = "Cross-modal retrieval: search images by text and captions by image. Errors are described at \
                       `/problems/{code}`."
    ),
    tags(
        (name = "search", description = "Search, classify and embed. Scope `search`."),
        (name = "items", description = "Items of the collection. Reading needs the scope `search`, writing `ingest`."),
        (name = "admin", description = "Models, tasks, keys and data quality. Scope `admin`."),
        (name = "info", description = "State of the service. Open to everyone."),
    ),
)]
struct Document;

/// Name of the security scheme.
const SECURITY_SCHEME: &str = "key";

/// Name of the response for errors, and of its schema.
const PROBLEM: &str = "Problem";

/// The document of these routes, with everything that they share.
pub(crate) fn complete(routes: &Routes) -> openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(routes.operations().clone());
    for (route, item) in &mut document.paths.paths {
        for (method, operation) in operations_of(item) {
            add_errors(route, routes.policies().find(route, &method), operation);
        }
    }
    let components = document.components.get_or_insert_with(Components::default);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("dpt_<id>_<secret>")
        .description(Some("Not required until the first key is created."))
        .build();
    components.add_security_scheme(SECURITY_SCHEME, SecurityScheme::Http(scheme));
    components.schemas.insert(PROBLEM.into(), ProblemBody::schema());
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name(ProblemBody::name()))));
    let problem = ResponseBuilder::new()
        .description("An error with a stable code")
        .content("application/problem+json", content.build())
        .build();
    components.responses.insert(PROBLEM.into(), problem.into());
    let errors = Code::ALL.iter().map(|code| code.info());
    let errors: Vec<Value> = errors
        .map(|error| json!({ "code": error.code, "status": error.status.as_u16(), "title": error.title }))
        .collect();
    document.extensions = Some(ExtensionsBuilder::new().add("x-errors", errors).build());
    document
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Adds the operation's scope and the errors that it can return.
fn add_errors(route: &str, policy: RoutePolicy, operation: &mut Operation) {
    let mut errors = vec!["400", "500", "503", "504"];
    if let Some(scope) = policy.scope {
        operation.security = Some(vec![SecurityRequirement::new(SECURITY_SCHEME, [scope.name()])]);
        errors.extend(["401", "403"]);
    }
    if route.contains('{') {
        errors.push("404");
    }
    if operation.request_body.is_some() {
        errors.extend(["413", "415"]);
    }
    let problem = || RefOr::Ref(Ref::from_response_name(PROBLEM));
    let mut responses = ResponsesBuilder::from(std::mem::take(&mut operation.responses));
    for status in errors {
        responses = responses.response(status, problem());
    }
    // Errors that only this operation can return have the same form.
    operation.responses = responses.response("default", problem()).build();
}

/// The document in JSON.
pub(crate) fn to_json(document: &openapi::OpenApi) -> Bytes {
    // Serialization cannot fail: the document consists of strings, numbers and lists.
    document.to_pretty_json().unwrap_or_default().into()
}

/// `GET /openapi.json`
pub(crate) fn response(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], document).into_response()
}
