//! Refuses UTF-16, which Excel writes as "Unicode text".

use std::path::Path;

use crate::dataset::DatasetError;

/// Refuses a file that begins with a UTF-16 byte order mark: one error for the file instead of one for each line.
pub(super) fn refuse_utf16(path: &Path, head: &[u8]) -> Result<(), DatasetError> {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        let reason = "the file is UTF-16; save it as UTF-8".into();
        return Err(DatasetError::BadHeader { path: path.display().to_string(), reason });
    }
    Ok(())
}
