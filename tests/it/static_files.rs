//! The static files of the pages, as the service sends them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use crate::common::shared_server;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("static")
}

/// Adds a script and everything that it imports, as paths in `static/`.
fn imports(script: &Path, found: &mut BTreeSet<PathBuf>) {
    if !found.insert(script.to_owned()) {
        return;
    }
    let source = fs::read_to_string(root().join(script)).unwrap_or_else(|_| panic!("{} is missing", script.display()));
    let lines = source.lines().filter(|line| line.starts_with("import ") || line.starts_with("} from "));
    for import in lines.filter_map(|line| line.strip_suffix("';")?.rsplit_once('\'')).map(|(_, import)| import) {
        let mut path = script.parent().expect("a folder").to_owned();
        for component in Path::new(import).components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => drop(path.pop()),
                other => path.push(other),
            }
        }
        imports(&path, found);
    }
}

#[test]
fn search_page_preloads_exactly_what_it_imports() {
    let page = fs::read_to_string(root().join("search.html")).expect("a page");
    let preloaded: BTreeSet<PathBuf> = page
        .split("rel=\"modulepreload\" href=\"/static/")
        .skip(1)
        .map(|rest| PathBuf::from(rest.split('"').next().expect("a path")))
        .collect();
    let mut imported = BTreeSet::new();
    let script = Path::new("search/index.js");
    imports(script, &mut imported);
    imported.remove(script);
    assert_eq!(preloaded, imported);
}

#[tokio::test]
async fn static_files_have_types_and_entity_tags() {
    let Some(base) = shared_server().await else { return };
    let client = reqwest::Client::new();
    for (path, content_type) in [
        ("search/index.js", "text/javascript; charset=utf-8"),
        ("styles/base.css", "text/css; charset=utf-8"),
        ("locales/de.json", "application/json"),
        ("favicon.svg", "image/svg+xml"),
    ] {
        let address = format!("{base}/static/{path}");
        let sent = client.get(&address).send().await.expect("a response");
        assert_eq!(sent.status(), 200, "{path}");
        assert_eq!(sent.headers()["content-type"], content_type, "{path}");
        assert_eq!(sent.headers()["cache-control"], "no-cache", "{path}");
        assert_eq!(sent.headers()["x-content-type-options"], "nosniff", "{path}");
        let etag = sent.headers()["etag"].clone();
        let again = client.get(&address).header("if-none-match", etag).send().await.expect("a response");
        assert_eq!(again.status(), 304, "{path}");
    }
    for path in ["readme/search.webp", "search.html", "search", "missing.js"] {
        let sent = client.get(format!("{base}/static/{path}")).send().await.expect("a response");
        assert_eq!(sent.status(), 404, "{path}");
        assert_eq!(sent.headers()["content-type"], "application/problem+json", "{path}");
    }
}
