use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::source::{Crate, cycles};

/// A crate with these files.
fn crate_of(files: &[(&str, &str)]) -> Crate {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    Crate::read(Path::new("src/lib.rs"), &|path| files.get(path.to_str()?).map(|text| (*text).to_owned()))
}

/// Dependencies of a file, without `src/` and `.rs`.
fn dependencies(of: &Crate, file: &str) -> Vec<String> {
    let all = of.dependencies();
    let short = |path: &std::path::PathBuf| path.to_str().expect("UTF-8")[4..].trim_end_matches(".rs").to_owned();
    all[Path::new(file)].iter().map(short).collect()
}

fn module(path: &str) -> Vec<String> {
    path.split("::").map(str::to_owned).collect()
}

const FOLDER: (&str, &str) = ("src/b/mod.rs", "mod c; mod d; pub use c::C; pub(crate) use d::{D, helper as help};");
const C: (&str, &str) = ("src/b/c.rs", "pub struct C; impl C { pub fn new() -> Self { C } }");
const D: (&str, &str) = ("src/b/d.rs", "pub struct D; pub fn helper() {}");

/// The crate above, with a file `a.rs` of this text.
fn crate_with_a(text: &str) -> Crate {
    crate_of(&[("src/lib.rs", "pub mod a; pub mod b;"), ("src/a.rs", text), FOLDER, C, D])
}

#[test]
fn every_form_of_name_resolves_to_its_defining_file() {
    for (text, expected) in [
        ("use crate::b::C;", &["b/c"][..]),
        ("use crate::{b::{C, D}};", &["b/c", "b/d"]),
        ("use super::b::help;", &["b/d"]),
        ("use crate::b; fn f(c: b::C) {}", &["b/c"]),
        ("use crate::b::{self as folder}; fn f() { folder::C::new() }", &["b/c"]),
        ("fn f() { let x = crate::b::C::new(); }", &["b/c"]),
        ("fn f() { use crate::b::D; }", &["b/d"]),
        ("use crate::b::*; fn f(d: D) {}", &["b/d"]),
        ("#[derive(crate::b::C)] struct A;", &["b/c"]),
        ("macro_rules! m { () => { $crate::b::C::new() } }", &["b/c"]),
        ("mod inner { use super::super::b::C; }", &["b/c"]),
        ("use crate::b::made_by_a_macro;", &["b/mod"]),
        // Naming a module is not a dependency, and neither is a re-export.
        ("use crate::b;", &[]),
        ("pub use crate::b::C;", &[]),
        ("pub use crate::b::C; fn f() -> C { todo!() }", &["b/c"]),
        ("// use crate::b::C;\n/// [`crate::b::C`]\nfn f() -> &'static str { \"crate::b::C\" }", &[]),
        ("#[cfg(test)] mod tests { use crate::b::C; }", &[]),
        ("#[cfg(test)] use crate::b::{C, D}; fn f() {}", &[]),
        ("#[cfg(test)] fn g() -> crate::b::C { todo!() } fn f(d: crate::b::D) {}", &["b/d"]),
        ("use std::b::C; fn f() { ::b::C::new() }", &[]),
    ] {
        assert_eq!(dependencies(&crate_with_a(text), "src/a.rs"), expected, "{text}");
    }
}

#[test]
fn re_export_is_not_a_dependency() {
    let all = crate_with_a("").dependencies();
    assert_eq!(all[Path::new("src/b/mod.rs")], BTreeSet::new());
    assert!(cycles(&all).is_empty());
}

#[test]
fn files_under_cfg_test_are_not_read() {
    let of = crate_of(&[("src/lib.rs", "#[cfg(test)]\nmod tests;\npub mod a;"), ("src/a.rs", "")]);
    assert_eq!(of.modules.keys().map(|path| path.join("::")).collect::<Vec<_>>(), ["", "a"]);
}

#[test]
fn cycles_are_found_through_re_exports_and_over_several_files() {
    let cycles_in = |files: &[(&str, &str)]| {
        let cycles = cycles(&crate_of(files).dependencies());
        cycles
            .iter()
            .map(|cycle| cycle.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" "))
            .collect()
    };
    let lib = ("src/lib.rs", "pub mod a; pub mod b;");
    let none: [String; 0] = [];
    let found: Vec<String> = cycles_in(&[lib, ("src/a.rs", "use crate::b::C;"), FOLDER, C, D]);
    assert_eq!(found, none);
    // `d` is named through a renaming re-export of its folder.
    let back = ("src/b/d.rs", "use crate::a::A; pub struct D; pub fn helper() {}");
    let found: Vec<String> = cycles_in(&[lib, ("src/a.rs", "use crate::b::help; pub struct A;"), FOLDER, C, back]);
    assert_eq!(found, ["src/a.rs src/b/d.rs src/a.rs"]);
    // A hub that imports its files, which import it.
    let hub = ("src/b/mod.rs", "mod c; use c::C; pub struct Hub(C);");
    let found: Vec<String> =
        cycles_in(&[("src/lib.rs", "pub mod b;"), hub, ("src/b/c.rs", "use super::Hub; pub struct C;")]);
    assert_eq!(found, ["src/b/c.rs src/b/mod.rs src/b/c.rs"]);
    let file = |next: &str| format!("use crate::{next}::File as Next; pub struct File(Next);");
    let (a, b, c) = (file("b"), file("c"), file("a"));
    let ring = [("src/lib.rs", "mod a; mod b; mod c;"), ("src/a.rs", &*a), ("src/b.rs", &*b), ("src/c.rs", &*c)];
    let found: Vec<String> = cycles_in(&ring);
    assert_eq!(found, ["src/a.rs src/b.rs src/c.rs src/a.rs"]);
}

#[test]
fn every_form_of_path_names_its_folder_or_crate() {
    let of = crate_with_a(
        "use crate::b::C; use axum::{http, Router}; #[derive(sqlx::FromRow)] struct A; fn f() { ::csv::read(); }",
    );
    assert_eq!(of.folders_named(&module("a")), BTreeSet::from(["b".to_owned()]));
    let crates = of.externals_named(&module("a"));
    assert_eq!(crates, ["axum", "csv", "sqlx"].map(str::to_owned).into());
    // A module with the name of an external crate.
    let own = crate_of(&[
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "mod image; fn f() { image::decode() }"),
        ("src/a/image.rs", ""),
    ]);
    assert!(own.externals_named(&module("a")).is_empty());
    let import = crate_with_a("use axum::http; fn f() { http::get() }");
    assert_eq!(import.externals_named(&module("a")), ["axum"].map(str::to_owned).into());
}

#[test]
fn comments_and_tests_have_no_types_or_identifiers() {
    let of = crate_with_a("pub struct Kept; enum Asked {} fn came_to() {} // Gone\n#[cfg(test)] struct Put;");
    let a = &of.modules[&module("a")];
    assert_eq!(a.types, ["Asked", "Kept"].map(str::to_owned).into());
    assert!(a.identifiers.contains("came_to") && !a.identifiers.contains("Gone") && !a.identifiers.contains("Put"));
}
