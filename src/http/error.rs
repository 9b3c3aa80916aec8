//! The one table of errors: code → status and title. Every error leaves as `application/problem+json` (RFC 9457).

use std::any::Any;

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::search::SearchError;

/// What can go wrong, as a client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    MalformedRequest,
    ForeignOrigin,
    MissingKey,
    InvalidKey,
    InsufficientScope,
    InvalidKeyRequest,
    NotFound,
    MethodNotAllowed,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidQuery,
    InvalidFilter,
    BadBase64,
    CursorExpired,
    InvalidItem,
    InvalidBatch,
    ItemExists,
    PreconditionFailed,
    InvalidSettings,
    TaskEnded,
    TaskAtWork,
    NoSuchModel,
    NoModelBefore,
    ImageDecodeFailed,
    ImageUnavailable,
    NoModel,
    Starting,
    Overloaded,
    Timeout,
    Internal,
}

impl Code {
    /// The table: stable name, status, title.
    fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::MalformedRequest => {
                ("malformed_request", StatusCode::BAD_REQUEST, "The request could not be understood")
            }
            Self::ForeignOrigin => ("foreign_origin", StatusCode::FORBIDDEN, "Another site's page may not do this"),
            Self::MissingKey => ("missing_key", StatusCode::UNAUTHORIZED, "A key is needed"),
            Self::InvalidKey => ("invalid_key", StatusCode::UNAUTHORIZED, "The key does not count"),
            Self::InsufficientScope => ("insufficient_scope", StatusCode::FORBIDDEN, "The key may not do this"),
            Self::InvalidKeyRequest => {
                ("invalid_key_request", StatusCode::UNPROCESSABLE_ENTITY, "No key can be made of this")
            }
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is nothing here"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "This cannot be done here")
            }
            Self::BodyTooLarge => ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE, "The request's body is too large"),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The request's body is of a type that is not read here",
            ),
            Self::InvalidQuery => ("invalid_query", StatusCode::UNPROCESSABLE_ENTITY, "The query cannot be answered"),
            Self::InvalidFilter => ("invalid_filter", StatusCode::UNPROCESSABLE_ENTITY, "The filter cannot be applied"),
            Self::BadBase64 => ("bad_base64", StatusCode::UNPROCESSABLE_ENTITY, "A picture is no base64"),
            Self::CursorExpired => ("cursor_expired", StatusCode::GONE, "The cursor is no longer known"),
            Self::InvalidItem => ("invalid_item", StatusCode::UNPROCESSABLE_ENTITY, "The item cannot be taken"),
            Self::InvalidBatch => {
                ("invalid_batch", StatusCode::UNPROCESSABLE_ENTITY, "The batch has too many items or none")
            }
            Self::ItemExists => ("item_exists", StatusCode::CONFLICT, "There is an item of this id already"),
            Self::InvalidSettings => {
                ("invalid_settings", StatusCode::UNPROCESSABLE_ENTITY, "No training can use these settings")
            }
            Self::TaskAtWork => ("task_at_work", StatusCode::CONFLICT, "A task of this kind is at work"),
            Self::TaskEnded => ("task_ended", StatusCode::CONFLICT, "The task is not at work"),
            Self::NoSuchModel => ("model_not_found", StatusCode::NOT_FOUND, "There is no such model"),
            Self::NoModelBefore => ("no_model_before", StatusCode::CONFLICT, "There is no model to go back to"),
            Self::PreconditionFailed => {
                ("precondition_failed", StatusCode::PRECONDITION_FAILED, "The item has changed")
            }
            Self::ImageDecodeFailed => {
                ("image_decode_failed", StatusCode::UNPROCESSABLE_ENTITY, "Image could not be decoded")
            }
            Self::ImageUnavailable => {
                ("image_unavailable", StatusCode::NOT_FOUND, "The item's picture can no longer be read")
            }
            Self::NoModel => ("no_model", StatusCode::SERVICE_UNAVAILABLE, "Nothing is trained yet"),
            Self::Starting => ("starting", StatusCode::SERVICE_UNAVAILABLE, "The service is starting"),
            Self::Overloaded => ("overloaded", StatusCode::SERVICE_UNAVAILABLE, "Too many queries at once"),
            Self::Timeout => ("timeout", StatusCode::GATEWAY_TIMEOUT, "The request took too long"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong in the service"),
        }
    }
}

/// An error on its way to a client. [`super::request::context`] gives it its body, for only there the request is known.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    code: Code,
    detail: String,
    /// Where in the request (RFC 6901), if that is a place.
    pointer: Option<String>,
    retry_after: Option<u32>,
}

/// What a handler gives.
pub(super) type Outcome<T> = Result<T, Problem>;

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = match code {
            Code::Overloaded | Code::Starting => Some(1),
            _ => None,
        };
        Self { code, detail: detail.into(), pointer: None, retry_after }
    }

    /// Says where in the request it is.
    pub(super) fn at(mut self, pointer: &str) -> Self {
        self.pointer = (!pointer.is_empty()).then(|| pointer.to_owned());
        self
    }

    #[cfg(test)]
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn item_not_found(id: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no item with the id {id:?}"))
    }

    /// The problem that a bare status of the framework stands for.
    pub(super) fn of_status(status: StatusCode, method: &str, path: &str) -> Self {
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

    /// The body that a client sees, less the request's id.
    pub(super) fn as_json(&self, instance: &str) -> Value {
        let (code, status, title) = self.code.row();
        let mut body = json!({
            "type": format!("/problems/{code}"),
            "title": title,
            "status": status.as_u16(),
            "code": code,
            "detail": self.detail,
            "instance": instance,
        });
        if let Some(pointer) = &self.pointer {
            body["errors"] = json!([{ "pointer": pointer, "code": code, "detail": self.detail }]);
        }
        body
    }

    /// The response that a client sees.
    pub(super) fn render(&self, instance: &str, request_id: &str) -> Response {
        let mut body = self.as_json(instance);
        body["request_id"] = json!(request_id);
        let status = self.code.row().1;
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

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        let code = match &error {
            SearchError::NoModel => Code::NoModel,
            SearchError::Starting => Code::Starting,
            SearchError::Overloaded => Code::Overloaded,
            SearchError::BadQuery { field, .. } if field == "filter" => Code::InvalidFilter,
            SearchError::BadQuery { .. } => Code::InvalidQuery,
            SearchError::CursorExpired => Code::CursorExpired,
            SearchError::NoSuchItem(_) => Code::NotFound,
            SearchError::BadItem { .. } => Code::InvalidItem,
            SearchError::ItemExists(_) => Code::ItemExists,
            SearchError::ItemChanged(_) => Code::PreconditionFailed,
            SearchError::Picture(_) => Code::ImageDecodeFailed,
            SearchError::NoSuchModel(_) => Code::NoSuchModel,
            SearchError::NoModelBefore(_) => Code::NoModelBefore,
            SearchError::Settings(_) => Code::InvalidSettings,
            SearchError::TaskAtWork { .. } => Code::TaskAtWork,
            SearchError::OtherEncoder { .. }
            | SearchError::NotEnough(_)
            | SearchError::Features(_)
            | SearchError::BadOutput(_)
            | SearchError::Stopped
            | SearchError::TrainingElsewhere
            | SearchError::Encoder(_)
            | SearchError::Space(_)
            | SearchError::Index(_)
            | SearchError::IndexOnDisk(_)
            | SearchError::Catalog(_)
            | SearchError::Io { .. }
            | SearchError::Background(_) => Code::Internal,
        };
        if code == Code::Internal {
            // The inside is for the log alone.
            tracing::error!(%error, "a request failed");
            return Self::of_status(StatusCode::INTERNAL_SERVER_ERROR, "", "");
        }
        let problem = Self::new(code, error.to_string());
        match &error {
            SearchError::BadQuery { field, .. } => problem.at(&format!("/{field}")),
            SearchError::BadItem { field, .. } => problem.at(&format!("/{field}")),
            _ => problem,
        }
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
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR, "", "").into_response()
}
