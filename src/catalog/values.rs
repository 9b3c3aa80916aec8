//! Conversion of values from and to their stored form: times in Unix milliseconds, lists and objects as JSON.

use super::error::CatalogError;

/// Current time in milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// A list for `json_each(?)`, which, unlike the placeholders of `in (…)`, is not limited in length.
pub(super) fn json_list(keys: &[i64]) -> String {
    serde_json::Value::from(keys).to_string()
}

/// Parses the text of a JSON column.
pub(super) fn from_json<T: serde::de::DeserializeOwned>(place: &'static str, text: &str) -> Result<T, CatalogError> {
    serde_json::from_str(text).map_err(|e| CatalogError::Damaged { place, reason: e.to_string() })
}
