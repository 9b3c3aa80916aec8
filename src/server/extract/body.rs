//! Reads request bodies within the limit of their route.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};

use crate::server::error::{ApiResult, Code, Problem};

/// Maximum size of a request's body, in bytes; in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit(pub(crate) usize);

impl BodyLimit {
    pub(crate) fn of(request: &Request) -> Self {
        request.extensions().get().copied().unwrap_or(Self(usize::MAX))
    }

    /// The problem with a body that could not be read to its end.
    pub(crate) fn problem(self, status: StatusCode, detail: &str) -> Problem {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(Code::BodyTooLarge, format!("the body has more than {} bytes, the maximum here", self.0))
            }
            _ => Problem::malformed(detail),
        }
    }
}

/// The whole body.
pub(crate) async fn read_body(request: Request) -> ApiResult<Bytes> {
    let limit = BodyLimit::of(&request);
    Bytes::from_request(request, &()).await.map_err(|e| limit.problem(e.status(), &e.body_text()))
}

/// The media type of a request's body, without parameters, in lower case.
pub(crate) fn media_type(request: &Request) -> String {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a media type is that of JSON.
pub(crate) fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type.starts_with("application/") && media_type.ends_with("+json")
}
