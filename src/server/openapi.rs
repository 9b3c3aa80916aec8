//! The document of the API (OpenAPI 3.1). Handlers say what they take and give; what all of them share is put in here: who may
//! ask, and what can go wrong.

use axum::{
    body::Bytes,
    http::{Method, header},
    response::{IntoResponse, Response},
};
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        self, Components, ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder,
        extensions::ExtensionsBuilder,
        path::{Operation, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use serde_json::{Value, json};

use crate::server::{
    error::{Code, ProblemView},
    middleware::auth,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "diptych", description = "Post words and get pictures, post a picture and get captions."),
    tags(
        (name = "search", description = "Words find pictures, pictures find captions. Scope `search`."),
        (name = "items", description = "What the collection holds. Reading needs the scope `search`, changing `ingest`."),
        (name = "admin", description = "Models, long work, keys. Scope `admin`."),
        (name = "info", description = "Open to everyone."),
    ),
)]
struct Document;

/// The name of the way to show a key.
const KEY: &str = "key";

/// The name of the answer to all that goes wrong.
const PROBLEM: &str = "Problem";

/// The document of all these routes, with what they share.
pub(crate) fn completed(routes: impl IntoIterator<Item = openapi::OpenApi>) -> openapi::OpenApi {
    let mut document = Document::openapi();
    routes.into_iter().for_each(|operations| document.merge(operations));
    for (route, item) in &mut document.paths.paths {
        for (method, operation) in operations_of(item) {
            complete(route, &method, operation);
        }
    }
    let components = document.components.get_or_insert_with(Components::default);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("dpt_<id>_<secret>")
        .description(Some("Until the first key is made, none is needed."))
        .build();
    components.add_security_scheme(KEY, SecurityScheme::Http(scheme));
    components.schemas.insert(PROBLEM.into(), ProblemView::schema());
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name(ProblemView::name()))));
    let problem = ResponseBuilder::new()
        .description("What went wrong, with a stable code")
        .content("application/problem+json", content.build())
        .build();
    components.responses.insert(PROBLEM.into(), problem.into());
    let codes = Code::ALL.iter().map(|code| code.row());
    let errors: Vec<Value> =
        codes.map(|(code, status, title)| json!({ "code": code, "status": status.as_u16(), "title": title })).collect();
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

fn complete(route: &str, method: &Method, operation: &mut Operation) {
    let mut wrong = vec!["400", "500", "503", "504"];
    if let Some(scope) = auth::needed(method, route) {
        operation.security = Some(vec![SecurityRequirement::new(KEY, [scope.name()])]);
        wrong.extend(["401", "403"]);
    }
    if route.contains('{') {
        wrong.push("404");
    }
    if operation.request_body.is_some() {
        wrong.extend(["413", "415"]);
    }
    let problem = || RefOr::Ref(Ref::from_response_name(PROBLEM));
    let mut responses = ResponsesBuilder::from(std::mem::take(&mut operation.responses));
    for status in wrong {
        responses = responses.response(status, problem());
    }
    // What is particular to an operation has one of the codes as well.
    operation.responses = responses.response("default", problem()).build();
}

/// The document as it is sent.
pub(crate) fn response_body(document: &openapi::OpenApi) -> Bytes {
    // It is made of texts, numbers and lists alone.
    document.to_pretty_json().unwrap_or_default().into()
}

/// `GET /openapi.json`
pub(crate) fn response(document: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], document).into_response()
}
