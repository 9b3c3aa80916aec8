//! Which records are learned from, which choose the model, and which are looked at once, at the end.

/// A record's part in learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Learned from.
    Train,
    /// Chooses the epoch, the settings and the calibration.
    Validation,
    /// Looked at once, at the end.
    Test,
}
