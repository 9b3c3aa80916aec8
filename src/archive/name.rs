//! Valid names of files in an archive.

/// Names are shorter than this, so that they fit into the name field that every tar reader supports.
const MAX_BYTES: usize = 100;

/// Folders of an archive, and the allowed numbers of path segments in each.
const FOLDERS: [(&str, &[usize]); 3] = [("models", &[3]), ("index", &[2, 3]), ("images", &[3])];

/// Files at the top level.
const FILES: [&str; 3] = ["catalog.sqlite3", super::MANIFEST, super::MANIFEST_SUM];

/// Whether a text is a plain path segment: ASCII letters, digits, `.`, `-` and `_`, not starting with a dot.
pub fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(plain)
}

/// Reason why a name is invalid, if it is.
pub(super) fn name_error(path: &str) -> Option<&'static str> {
    if path.len() >= MAX_BYTES {
        return Some("its name is too long");
    }
    if FILES.contains(&path) {
        return None;
    }
    let segments: Vec<&str> = path.split('/').collect();
    if !segments.iter().all(|segment| is_segment(segment)) {
        return Some("its name has special characters or leads out of the data folder");
    }
    let fits = FOLDERS.iter().any(|(folder, depths)| segments[0] == *folder && depths.contains(&segments.len()));
    (!fits).then_some("a backup only contains a catalog, and files in models, index and images")
}

#[cfg(test)]
mod tests {
    use super::name_error;

    #[test]
    fn only_plain_names_below_the_data_folder_are_valid() {
        for good in ["catalog.sqlite3", "models/m-20261124-1/model.json", "index/CURRENT", "index/8/pictures.keys"] {
            assert_eq!(name_error(good), None, "{good}");
        }
        let long = format!("models/m/{}", "x".repeat(100));
        for bad in [
            "",
            "/",
            ".",
            "..",
            "../x",
            "/etc/passwd",
            "images/../../x",
            "images/ab/../x",
            "images//x",
            "images/ab/.x",
            "images/ab",
            "images/ab/c/d",
            "thumbnails/ab/x.jpg",
            "serve.log",
            "catalog.sqlite3-wal",
            "images/ab/x\\y",
            "images/ab/x\0",
            "images/ab/é.png",
            "C:/x/y",
            &long,
        ] {
            assert!(name_error(bad).is_some(), "{bad}");
        }
    }
}
