//! The table of error codes: what each one is called, its status, what it means and what to do about it.
//!
//! Problems, the OpenAPI document and the pages at `/problems/{code}` are made from this table.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorInfo {
    /// Stable name.
    pub(crate) code: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    /// When this error occurs.
    pub(crate) meaning: &'static str,
    /// What the client should do.
    pub(crate) remedy: &'static str,
}

macro_rules! error_codes {
    ($($name:ident = $code:literal, $status:ident, $title:literal, $meaning:literal, $remedy:literal;)*) => {
        /// Error codes, by status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub(crate) enum Code {
            $(#[serde(rename = $code)] $name),*
        }

        impl Code {
            /// All codes.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// The row of this code.
            pub(crate) fn info(self) -> ErrorInfo {
                match self {
                    $(Self::$name => ErrorInfo {
                        code: $code,
                        status: StatusCode::$status,
                        title: $title,
                        meaning: $meaning,
                        remedy: $remedy,
                    }),*
                }
            }
        }
    };
}

/// The derive cannot see names that a macro fills in.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().map(|code| code.info().code);
        let description = "Stable name of the error, for programs.";
        let object = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        object.enum_values(Some(codes)).build().into()
    }
}

impl ToSchema for Code {}

error_codes! {
    MalformedRequest = "malformed_request", BAD_REQUEST, "Malformed request",
        "The request is not valid HTTP or JSON, a field is unknown or has the wrong type, or a parameter is given \
         twice.",
        "Correct the field that `errors[].pointer` names. The OpenAPI document lists the fields of every request.";
    MissingKey = "missing_key", UNAUTHORIZED, "API key required",
        "The service requires an API key, and the request has none.",
        "Send the header `Authorization: Bearer dpt_…`. `diptych key create` creates a key.";
    InvalidKey = "invalid_key", UNAUTHORIZED, "Invalid API key",
        "The API key is unknown, expired or revoked.",
        "Use a valid key. `diptych key list` shows the keys and their state, `diptych key create` creates one.";
    ForeignOrigin = "foreign_origin", FORBIDDEN, "Cross-origin request refused",
        "A page of another site sent a request that changes something.",
        "If you trust the site, start the service with `--cors-origin` and the origin of the page.";
    InsufficientScope = "insufficient_scope", FORBIDDEN, "Insufficient scope",
        "The API key is valid, but it lacks the scope that this request needs.",
        "Use a key with the scope that `detail` names. The owner creates keys with `diptych key create --scope`.";
    NotFound = "not_found", NOT_FOUND, "Not found",
        "The path does not exist, or there is no item, task, key or issue with this id.",
        "Check the path and the id. Ids in a path are percent-encoded: `/` becomes `%2F`.";
    NoSuchModel = "model_not_found", NOT_FOUND, "Model not found",
        "There is no model with this id.",
        "`GET /v1/models` lists the models.";
    ImageUnavailable = "image_unavailable", NOT_FOUND, "Image no longer readable",
        "The item's image file was moved, deleted or damaged after it was imported.",
        "Restore the file, or replace the image with `PUT` or `PATCH /v1/items/{id}`.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "The path exists, but not with this method.",
        "Use one of the methods in the header `Allow`.";
    BodyTooSlow = "body_too_slow", REQUEST_TIMEOUT, "Request body too slow",
        "The request's body did not arrive within `--body-timeout`.",
        "Send a smaller body, or raise the limit.";
    ItemExists = "item_exists", CONFLICT, "Item already exists",
        "There is already an item with this id.",
        "Choose another id, or replace the item with `PUT /v1/items/{id}`.";
    TaskEnded = "task_ended", CONFLICT, "Task not running",
        "The task has ended and cannot be cancelled.",
        "Nothing: `GET /v1/tasks/{id}` shows how it ended.";
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT, "Request still running",
        "The first request with this Idempotency-Key is still running.",
        "Retry with the same key in a moment; you will get the response of the first request.";
    TaskAtWork = "task_at_work", CONFLICT, "Task already running",
        "A task of this kind is running, and there can be only one.",
        "Wait until it ends, or cancel it with `POST /v1/tasks/{id}/cancel`.";
    NoModelBefore = "no_model_before", CONFLICT, "No previous model",
        "No model was active before the current one, so there is nothing to roll back to.",
        "Activate a model by its id with `POST /v1/models/{id}/activate`.";
    CursorExpired = "cursor_expired", GONE, "Cursor expired",
        "The ranking that the cursor belongs to is no longer stored: it is older than ten minutes, or the service has \
         restarted.",
        "Send the query again without a cursor.";
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "Item has changed",
        "The item does not have the ETag that the header If-Match names.",
        "Fetch the item again, apply the change to its current state, and send its current ETag.";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Request body too large",
        "The request's body is larger than this route allows.",
        "Send fewer items or a smaller image. `GET /v1/info` lists the limits.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported Content-Type",
        "The request's Content-Type is not one that this route accepts.",
        "Use one of the types that `detail` lists.";
    InvalidKeyRequest = "invalid_key_request", UNPROCESSABLE_ENTITY, "Invalid key request",
        "The name, the scopes or the expiry of the key to create are not allowed.",
        "Correct the field that `errors[].pointer` names.";
    InvalidQuery = "invalid_query", UNPROCESSABLE_ENTITY, "Invalid query",
        "A parameter of the query is missing or outside of its range.",
        "Correct the field that `errors[].pointer` names. `GET /v1/info` lists the limits.";
    InvalidFilter = "invalid_filter", UNPROCESSABLE_ENTITY, "Invalid filter",
        "The filter has an unknown field or operator, a value of the wrong type, or too many conditions.",
        "Correct the place in the filter that `errors[].pointer` names.";
    BadBase64 = "bad_base64", UNPROCESSABLE_ENTITY, "Invalid base64",
        "`image_base64` is not valid base64.",
        "Encode the bytes of the image file in standard base64 with padding (RFC 4648, section 4), without a data URL.";
    InvalidItem = "invalid_item", UNPROCESSABLE_ENTITY, "Invalid item",
        "A field of the item is not allowed, or the item has neither an image nor a caption.",
        "Correct the field that `errors[].pointer` names.";
    InvalidBatch = "invalid_batch", UNPROCESSABLE_ENTITY, "Invalid batch",
        "The batch has no items.",
        "Send one JSON object per line.";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency-Key reused",
        "A different request used this Idempotency-Key within the last 24 hours.",
        "Use a new key for each new request, and the same key only to retry the same request.";
    InvalidSettings = "invalid_settings", UNPROCESSABLE_ENTITY, "Invalid training settings",
        "A training setting is unknown, or its value is not allowed.",
        "Correct the setting that `detail` names.";
    ImageDecodeFailed = "image_decode_failed", UNPROCESSABLE_ENTITY, "Image could not be decoded",
        "The image is damaged, too large, or in a format that is not supported.",
        "Send a PNG, JPEG, WebP, GIF, BMP, TIFF or SVG file within the limits of `GET /v1/info`.";
    HeadTooLarge = "head_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "Request headers too large",
        "The request has too many headers, or its address and headers have too many bytes.",
        "Send long queries in the body of a POST, and fewer headers.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error",
        "The service failed to answer. The log has the cause, with the request's id.",
        "Retry later. If the error stays, give the owner of the service the `request_id`.";
    NoModel = "no_model", SERVICE_UNAVAILABLE, "No model trained",
        "No model has been trained yet, so queries cannot be answered.",
        "Import items, then train with `diptych train` or `POST /v1/admin/train`.";
    Starting = "starting", SERVICE_UNAVAILABLE, "Service is starting",
        "The service is loading its model and index.",
        "Retry after the number of seconds in the header Retry-After, or wait for `/readyz`.";
    Draining = "draining", SERVICE_UNAVAILABLE, "Service is shutting down",
        "The service finishes running requests and accepts no new ones.",
        "Retry after the number of seconds in the header Retry-After: another instance may take over.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Service is overloaded",
        "Too many requests are running at the same time.",
        "Retry after the number of seconds in the header Retry-After, with fewer concurrent requests.";
    Timeout = "timeout", GATEWAY_TIMEOUT, "Request timed out",
        "The request was not answered within its `timeout_ms` or within `--request-timeout`.",
        "Retry, or raise the limit.";
}
