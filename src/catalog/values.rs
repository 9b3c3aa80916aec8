//! How values are stored: times, and lists and objects as JSON.

use super::error::CatalogError;

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// A list for `json_each(?)`, which unlike `in (…)` has no limit on its length.
pub(super) fn json_list(keys: &[i64]) -> String {
    serde_json::Value::from(keys).to_string()
}

/// Parses a JSON column that this room wrote itself.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(place: &'static str, text: &str) -> Result<T, CatalogError> {
    serde_json::from_str(text).map_err(|e| CatalogError::Damaged { place, reason: e.to_string() })
}
