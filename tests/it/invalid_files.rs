//! Invalid files among valid ones: each is reported with a reason, the rest is imported, and nothing panics.

use std::{fs, path::Path};

use crate::{
    common::{combined_output, count, diptych, succeed},
    search::drawn_picture,
};

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

#[tokio::test]
async fn import_skips_and_reports_every_kind_of_bad_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join("pictures").join(name);
    let disc = drawn_picture();
    write(&at("discs/red disc.bmp"), &disc);
    write(&at("discs/second.bmp"), &[disc.as_slice(), &[0]].concat());
    write(&at("discs/second.txt"), "a disc with a caption of its own\n".as_bytes());
    write(&at("discs/empty.png"), b"");
    write(&at("discs/no picture.jpg"), b"only words");
    write(&at("discs/torn.bmp"), &disc[..disc.len() / 3]);
    write(&at("discs/giant.png"), &crate::errors::giant_png());
    write(&at("discs/deep.svg"), deep_svg().as_bytes());
    write(
        &at("discs/outside.svg"),
        br#"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">
            <image href="file:///etc/passwd" width="9" height="9"/></svg>"#,
    );
    write(&at("discs/bad caption.bmp"), &[disc.as_slice(), &[1]].concat());
    write(&at("discs/bad caption.txt"), b"\xff\xfe not utf-8 \x80");
    write(&at("notes.md"), b"not a picture, and not meant to be one");

    let data = folder.path().join("data");
    let output = diptych(&data).arg("import").arg(folder.path().join("pictures")).output().expect("the binary starts");
    let text = combined_output(&output);
    assert!(output.status.success(), "{text}");
    for bad in ["empty.png", "no picture.jpg", "torn.bmp", "giant.png", "deep.svg", "bad caption"] {
        assert!(text.lines().any(|l| l.contains("rejected: ") && l.contains(bad)), "{bad} is not reported in:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    assert!(count(&data, "select count(*) from items").await >= 2);
    assert_eq!(count(&data, "select count(*) from items where id like '%torn%'").await, 0);
    let rejected = count(&data, "select count(*) from rejections").await;

    // Importing again changes nothing.
    let again = succeed(diptych(&data).arg("import").arg(folder.path().join("pictures")));
    assert!(again.contains("imported 0"), "{again}");
    assert_eq!(count(&data, "select count(*) from rejections").await, rejected);

    // A fixed file is imported and its rejection removed.
    write(&at("discs/torn.bmp"), &[disc.as_slice(), &[2]].concat());
    let mended = succeed(diptych(&data).arg("import").arg(folder.path().join("pictures")));
    assert!(mended.contains("imported 1"), "{mended}");
    assert_eq!(count(&data, "select count(*) from rejections").await, rejected - 1);

    // One class with three pictures is not enough for training, and the message says so.
    let output = diptych(&data).arg("train").output().expect("the binary starts");
    let text = combined_output(&output);
    assert!(!output.status.success() && text.contains("class"), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

fn deep_svg() -> String {
    let depth = 50_000;
    format!(r#"<svg xmlns="http://www.w3.org/2000/svg">{}{}</svg>"#, "<g>".repeat(depth), "</g>".repeat(depth))
}

#[tokio::test]
async fn import_reports_bad_lines_with_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("disc.bmp"), &drawn_picture());
    let long = "word ".repeat(200_000);
    let lines = [
        r#"{"id": "good", "image": "disc.bmp", "captions": ["a red disc"], "label": "discs"}"#.to_owned(),
        "this is not JSON".to_owned(),
        r#"{"id": "nothing", "label": "discs"}"#.to_owned(),
        r#"{"id": "gone", "image": "gone.png", "captions": ["x"]}"#.to_owned(),
        format!(r#"{{"id": "long", "captions": ["{long}"]}}"#),
        r#"{"id": "words", "captions": ["only words"], "label": "discs"}"#.to_owned(),
    ];
    write(&folder.path().join("data.jsonl"), lines.join("\n").as_bytes());
    let data = folder.path().join("data");
    let text = succeed(diptych(&data).arg("import").arg(folder.path().join("data.jsonl")));
    for line in [2, 3, 4, 5] {
        assert!(text.contains(&format!("data.jsonl:{line}: ")), "line {line} is not reported in:\n{text}");
    }
    assert!(text.contains("imported 2"), "{text}");

    write(&folder.path().join("table.csv"), b"picture,words\ndisc.bmp,a disc\n");
    let output = diptych(&data).arg("import").arg(folder.path().join("table.csv")).output().expect("the binary starts");
    let text = combined_output(&output);
    assert!(!output.status.success() && text.contains("picture") && text.contains("image"), "{text}");

    let output = diptych(&data).arg("import").arg(folder.path().join("nowhere")).output().expect("the binary starts");
    assert!(!output.status.success() && combined_output(&output).contains("nowhere"));
}

#[test]
fn public_address_without_admin_key_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = diptych(folder.path()).args(["serve", "--listen", "0.0.0.0:0"]).output().expect("the binary starts");
    assert!(
        !output.status.success() && combined_output(&output).contains("key create --scope admin"),
        "{}",
        combined_output(&output)
    );
}
