//! Which names files have in an archive.

/// Names of files have fewer bytes, so that each fits into the one field that every tar reader knows.
const MAX_BYTES: usize = 100;

/// Folders of an archive, and how many segments the names in each have.
const FOLDERS: [(&str, &[usize]); 3] = [("models", &[3]), ("index", &[2, 3]), ("images", &[3])];

/// Files beside them.
const FILES: [&str; 3] = ["catalog.sqlite3", super::MANIFEST, super::MANIFEST_SUM];

/// Whether this is one plain part of a path: letters, digits, `.`, `-` and `_` of ASCII, not beginning with a dot.
pub fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(plain)
}

/// Why no file of an archive has this name, if so.
pub(super) fn fault(path: &str) -> Option<&'static str> {
    if path.len() >= MAX_BYTES {
        return Some("its name is too long");
    }
    if FILES.contains(&path) {
        return None;
    }
    let segments: Vec<&str> = path.split('/').collect();
    if !segments.iter().all(|segment| is_segment(segment)) {
        return Some("its name is not of plain parts, or leads out of the data folder");
    }
    let fits = FOLDERS.iter().any(|(folder, depths)| segments[0] == *folder && depths.contains(&segments.len()));
    (!fits).then_some("a backup holds a catalog, and files in models, index and images")
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn only_plain_names_below_the_data_folder_are_taken() {
        for good in ["catalog.sqlite3", "models/m-20261124-1/model.json", "index/CURRENT", "index/8/pictures.keys"] {
            assert_eq!(fault(good), None, "{good}");
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
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
