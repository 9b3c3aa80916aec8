//! The one table of errors: code → status and title. Every error leaves as `application/problem+json` (RFC 9457).

use std::{any::Any, borrow::Cow, fmt::Display, ops::RangeInclusive};

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::server::extract::search_params::schema_of;
use crate::{catalog::CatalogError, collection::CollectionError, engine::EngineError};

macro_rules! table {
    ($($name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// What can go wrong, as a client sees it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($name),*
        }

        impl Code {
            /// All of them, by status.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// Stable name, status, title.
            pub(crate) fn row(self) -> (&'static str, StatusCode, &'static str) {
                match self {
                    $(Self::$name => ($code, StatusCode::$status, $title)),*
                }
            }
        }
    };
}

table! {
    MalformedRequest = "malformed_request", BAD_REQUEST, "The request could not be understood";
    MissingKey = "missing_key", UNAUTHORIZED, "A key is needed";
    InvalidKey = "invalid_key", UNAUTHORIZED, "The key does not count";
    ForeignOrigin = "foreign_origin", FORBIDDEN, "Another site's page may not do this";
    InsufficientScope = "insufficient_scope", FORBIDDEN, "The key may not do this";
    NotFound = "not_found", NOT_FOUND, "There is nothing here";
    NoSuchModel = "model_not_found", NOT_FOUND, "There is no such model";
    ImageUnavailable = "image_unavailable", NOT_FOUND, "The item's picture can no longer be read";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This cannot be done here";
    BodyTooSlow = "body_too_slow", REQUEST_TIMEOUT, "The request's body took too long";
    ItemExists = "item_exists", CONFLICT, "There is an item of this id already";
    TaskEnded = "task_ended", CONFLICT, "The task is not at work";
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT, "The request is at work";
    TaskAtWork = "task_at_work", CONFLICT, "A task of this kind is at work";
    NoModelBefore = "no_model_before", CONFLICT, "There is no model to go back to";
    CursorExpired = "cursor_expired", GONE, "The cursor is no longer known";
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "The item has changed";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The request's body is too large";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The request's body is of a type that is not read here";
    InvalidKeyRequest = "invalid_key_request", UNPROCESSABLE_ENTITY, "No key can be made of this";
    InvalidQuery = "invalid_query", UNPROCESSABLE_ENTITY, "The query cannot be answered";
    InvalidFilter = "invalid_filter", UNPROCESSABLE_ENTITY, "The filter cannot be applied";
    BadBase64 = "bad_base64", UNPROCESSABLE_ENTITY, "A picture is no base64";
    InvalidItem = "invalid_item", UNPROCESSABLE_ENTITY, "The item cannot be taken";
    InvalidBatch = "invalid_batch", UNPROCESSABLE_ENTITY, "The batch has too many items or none";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key was another request's";
    InvalidSettings = "invalid_settings", UNPROCESSABLE_ENTITY, "No training can use these settings";
    ImageDecodeFailed = "image_decode_failed", UNPROCESSABLE_ENTITY, "Image could not be decoded";
    HeadTooLarge = "head_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's headers are too large or too many";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong in the service";
    NoModel = "no_model", SERVICE_UNAVAILABLE, "Nothing is trained yet";
    Starting = "starting", SERVICE_UNAVAILABLE, "The service is starting";
    Draining = "draining", SERVICE_UNAVAILABLE, "The service is about to end";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too many queries at once";
    Timeout = "timeout", GATEWAY_TIMEOUT, "The request took too long";
}

/// What a client is told that went wrong (RFC 9457), as `application/problem+json`.
#[derive(Serialize)]
pub(crate) struct ProblemView<'p> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'p str,
    instance: &'p str,
    request_id: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Place<'p>; 1]>,
}

/// Where in the request it is.
#[derive(Serialize)]
struct Place<'p> {
    pointer: &'p str,
    code: &'static str,
    detail: &'p str,
}

impl PartialSchema for ProblemView<'_> {
    fn schema() -> RefOr<Schema> {
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.row().0).collect();
        let text = |says: &str| json!({ "type": "string", "description": says });
        schema_of(json!({
            "type": "object",
            "description": "What went wrong (RFC 9457).",
            "properties": {
                "type": text("/problems/ and the code"),
                "title": text("What the code means"),
                "status": { "type": "integer", "minimum": 400, "maximum": 599 },
                "code": { "type": "string", "enum": codes, "description": "Stable; the one to compare with." },
                "detail": text("What was found, where, and what is allowed"),
                "instance": text("The path of the request"),
                "request_id": text("As in the header X-Request-Id and in the log"),
                "errors": { "type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "pointer": text("A place in the body (RFC 6901)"),
                        "code": { "type": "string" },
                        "detail": { "type": "string" },
                    },
                    "required": ["pointer", "code", "detail"],
                } },
            },
            "required": ["type", "title", "status", "code", "detail", "instance", "request_id"],
        }))
    }
}

impl ToSchema for ProblemView<'_> {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }
}

/// An error on its way to a client. [`crate::server::middleware::request_context::context`] gives it its body, for only there the request is known.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
    /// Where in the request (RFC 6901), if that is a place.
    pointer: Option<String>,
    retry_after: Option<u32>,
}

/// What a handler gives.
pub(crate) type Outcome<T> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::Overloaded | Code::Starting | Code::Draining => Some(1),
            _ => None,
        };
        Self { code, detail: detail.into(), pointer: None, retry_after }
    }

    /// Says where in the request it is.
    pub(crate) fn at(mut self, pointer: &str) -> Self {
        self.pointer = (!pointer.is_empty()).then(|| pointer.to_owned());
        self
    }

    /// A number of a query that is not among those that are allowed.
    pub(crate) fn out_of_range<T: Display>(field: &str, found: T, allowed: &RangeInclusive<T>) -> Self {
        let detail = format!("{field}: it is {found}; allowed are {} to {}", allowed.start(), allowed.end());
        Self::new(Code::InvalidQuery, detail).at(&format!("/{field}"))
    }

    /// Its stable name and status.
    pub(crate) fn code(&self) -> (&'static str, StatusCode) {
        let (code, status, _) = self.code.row();
        (code, status)
    }

    /// What is wrong, in a sentence.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn item_not_found(id: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no item with the id {id:?}"))
    }

    /// The problem that a bare status of the framework stands for.
    pub(crate) fn of_status(status: StatusCode, method: &str, path: &str) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(Code::NotFound, format!("there is no {path}")),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(Code::MethodNotAllowed, format!("{method} is not among what {path} allows; see Allow"))
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::BodyTooLarge, "the body is larger than this route reads"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::new(Code::UnsupportedMediaType, "the Content-Type is not one that this route reads")
            }
            StatusCode::GATEWAY_TIMEOUT => Self::new(Code::Timeout, "the time allowed for a request is over"),
            status if status.is_client_error() => Self::new(Code::MalformedRequest, status.to_string()),
            _ => Self::new(Code::Internal, "the log says more, under this request's id"),
        }
    }

    /// The response that a client sees.
    pub(crate) fn render(&self, instance: &str, request_id: &str) -> Response {
        let (code, status, title) = self.code.row();
        let detail = self.detail.as_str();
        let body = ProblemView {
            r#type: format!("/problems/{code}"),
            title,
            status: status.as_u16(),
            code,
            detail,
            instance,
            request_id,
            errors: self.pointer.as_deref().map(|pointer| [Place { pointer, code, detail }]),
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"diptych\""));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.row().1.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let code = match &error {
            EngineError::Starting => Code::Starting,
            EngineError::ShuttingDown => Code::Draining,
            EngineError::Overloaded => Code::Overloaded,
            EngineError::TimedOut => Code::Timeout,
            EngineError::BadFilter(_) => Code::InvalidFilter,
            EngineError::BadQuery { .. } => Code::InvalidQuery,
            EngineError::CursorExpired => Code::CursorExpired,
            EngineError::NoSuchItem(_) => Code::NotFound,
            EngineError::BadItem { .. } => Code::InvalidItem,
            EngineError::ItemExists(_) => Code::ItemExists,
            EngineError::ItemChanged(_) => Code::PreconditionFailed,
            EngineError::TaskRunning { .. } => Code::TaskAtWork,
            EngineError::NotWritten(_) => Code::Internal,
            EngineError::Collection(error) => code_of(error),
        };
        if code == Code::Internal {
            // Clients learn nothing of the inside; the log has it.
            tracing::error!(%error, "a request failed");
            return Self::of_status(StatusCode::INTERNAL_SERVER_ERROR, "", "");
        }
        let problem = Self::new(code, error.to_string());
        match &error {
            EngineError::BadQuery { field, .. }
            | EngineError::BadItem { field, .. }
            | EngineError::Collection(CollectionError::BadField { field, .. }) => problem.at(&format!("/{field}")),
            EngineError::BadFilter(_) => problem.at("/filter"),
            _ => problem,
        }
    }
}

impl From<CollectionError> for Problem {
    fn from(error: CollectionError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        EngineError::from(error).into()
    }
}

/// The code of an error of the collection.
fn code_of(error: &CollectionError) -> Code {
    match error {
        CollectionError::NoModel => Code::NoModel,
        CollectionError::BadField { .. } => Code::InvalidQuery,
        CollectionError::Picture(_) => Code::ImageDecodeFailed,
        CollectionError::NoSuchModel(_) => Code::NoSuchModel,
        CollectionError::NoPreviousModel(_) => Code::NoModelBefore,
        CollectionError::Settings(_) => Code::InvalidSettings,
        CollectionError::OtherEncoder { .. }
        | CollectionError::NotEnoughData(_)
        | CollectionError::Dataset(_)
        | CollectionError::BadOutput(_)
        | CollectionError::Cancelled
        | CollectionError::TrainingElsewhere
        | CollectionError::Encoder(_)
        | CollectionError::Model(_)
        | CollectionError::Index(_)
        | CollectionError::IndexOnDisk(_)
        | CollectionError::Catalog(_)
        | CollectionError::Archive(_)
        | CollectionError::Io { .. }
        | CollectionError::Internal(_) => Code::Internal,
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::new(Code::UnsupportedMediaType, "this route reads Content-Type: application/json")
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::BodyTooLarge, rejection.body_text()),
            _ => Self::new(Code::MalformedRequest, rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Code::MalformedRequest, rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(Code::MalformedRequest, rejection.body_text())
    }
}

/// What a client sees of a panic: nothing of the inside. The log has it.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over by value")]
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR, "", "").into_response()
}
