//! Every error leaves the service as `application/problem+json` (RFC 9457).

use std::{any::Any, fmt::Display, ops::RangeInclusive};

use axum::{
    Json,
    extract::rejection::{PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use super::error_code::Code;
use crate::{catalog::CatalogError, collection::CollectionError, engine::EngineError};

/// Result of a handler.
pub(crate) type ApiResult<T> = Result<T, Problem>;

/// Description of an error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'p> {
    /// Path of the page that explains the code.
    #[schema(example = "/problems/invalid_query")]
    r#type: String,
    /// Short name of the error.
    title: &'static str,
    /// HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    // Described where its schema is: a comment here would be joined to it as a schema of its own.
    #[schema(inline)]
    code: Code,
    /// What was found, where, and what is allowed.
    detail: &'p str,
    /// Path of the request.
    instance: &'p str,
    /// As in the header X-Request-Id and in the log.
    request_id: &'p str,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline, nullable = false)]
    errors: Option<Vec<FieldError<'p>>>,
}

/// Error in one field of the request.
#[derive(Serialize, ToSchema)]
struct FieldError<'p> {
    /// Place in the request's body (RFC 6901).
    pointer: &'p str,
    #[schema(value_type = String)]
    code: Code,
    detail: &'p str,
}

/// An error on its way to a client. The middleware [`request_context`](crate::server::middleware::request_context)
/// renders its body, for only the middleware knows the request.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
    /// Place in the request (RFC 6901), if the error has one.
    pointer: Option<String>,
    retry_after: Option<u32>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::Overloaded | Code::Starting | Code::Draining => Some(1),
            _ => None,
        };
        Self { code, detail: detail.into(), pointer: None, retry_after }
    }

    /// Adds the place in the request, as a JSON pointer. The empty pointer, the whole body, is left out.
    pub(crate) fn with_pointer(mut self, pointer: &str) -> Self {
        self.pointer = (!pointer.is_empty()).then(|| pointer.to_owned());
        self
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::MalformedRequest, detail)
    }

    /// A field of the request that has a value that is not allowed.
    pub(crate) fn invalid_field(code: Code, field: &str, reason: impl Display) -> Self {
        Self::new(code, format!("{field}: {reason}")).with_pointer(&format!("/{field}"))
    }

    /// A number in a query, unless it is outside of its range.
    pub(crate) fn check_range<T: Display + PartialOrd>(
        field: &str,
        found: T,
        allowed: RangeInclusive<T>,
    ) -> ApiResult<T> {
        if allowed.contains(&found) {
            return Ok(found);
        }
        let reason = format!("{found} is out of range; allowed are {} to {}", allowed.start(), allowed.end());
        Err(Self::invalid_field(Code::InvalidQuery, field, reason))
    }

    pub(crate) fn item_not_found(id: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no item with the id {id:?}"))
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The problem for a bare status of the framework.
    pub(crate) fn from_status(status: StatusCode, method: &str, path: &str) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(Code::NotFound, format!("there is nothing at {path}")),
            StatusCode::METHOD_NOT_ALLOWED => {
                let detail =
                    format!("{path} does not support {method}; the header Allow lists the methods it supports");
                Self::new(Code::MethodNotAllowed, detail)
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::BodyTooLarge, "the body is larger than this route allows"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Self::new(Code::UnsupportedMediaType, "the Content-Type is not one that this route accepts")
            }
            StatusCode::GATEWAY_TIMEOUT => Self::new(Code::Timeout, "the request took longer than is allowed"),
            status if status.is_client_error() => Self::malformed(status.to_string()),
            _ => Self::new(Code::Internal, "the log has the cause, with this request's id"),
        }
    }

    /// The problem for an error whose cause is for the log alone.
    fn internal() -> Self {
        Self::from_status(StatusCode::INTERNAL_SERVER_ERROR, "", "")
    }

    /// The response that the client sees.
    pub(crate) fn render(&self, instance: &str, request_id: &str) -> Response {
        let (info, code, detail) = (self.code.info(), self.code, self.detail.as_str());
        let body = ProblemBody {
            r#type: format!("/problems/{}", info.code),
            title: info.title,
            status: info.status.as_u16(),
            code,
            detail,
            instance,
            request_id,
            errors: self.pointer.as_deref().map(|pointer| vec![FieldError { pointer, code, detail }]),
        };
        let mut response = (info.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if info.status == StatusCode::UNAUTHORIZED {
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
        let mut response = self.code.info().status.into_response();
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
            // The cause is for the log alone.
            tracing::error!(%error, "a request failed");
            return Self::internal();
        }
        let problem = Self::new(code, error.to_string());
        match &error {
            EngineError::BadQuery { field, .. }
            | EngineError::BadItem { field, .. }
            | EngineError::Collection(CollectionError::BadField { field, .. }) => {
                problem.with_pointer(&format!("/{field}"))
            }
            EngineError::BadFilter(_) => problem.with_pointer("/filter"),
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

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}

/// The response to a request whose handler panicked. The message is for the log alone.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over by value")]
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
    Problem::internal().into_response()
}
