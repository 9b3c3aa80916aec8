//! Parameters in the path of an address.

use axum::extract::FromRequestParts;

use crate::server::error::Problem;

/// Parameters in the path of an address.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);
