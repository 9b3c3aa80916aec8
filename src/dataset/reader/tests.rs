use std::{fs, path::Path};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::dataset::Split;

/// A folder with some files. Images may be empty files, because reading decodes nothing.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

fn all(path: &Path) -> (Vec<Record>, Vec<String>) {
    let (mut records, mut rejections) = (Vec::new(), Vec::new());
    for item in read(path).unwrap() {
        match item {
            Ok(record) => records.push(record),
            // The path of the folder is random.
            Err(rejection) => {
                let folder = if path.is_dir() { path } else { path.parent().unwrap() };
                rejections.push(rejection.to_string().replace(&format!("{}/", folder.display()), ""));
            }
        }
    }
    (records, rejections)
}

fn list(text: impl AsRef<[u8]>) -> (Vec<Record>, Vec<String>) {
    let dir = folder(&[("data.jsonl", text.as_ref()), ("a.png", b""), ("b.png", b"")]);
    all(dir.path())
}

fn table(text: impl AsRef<[u8]>) -> (Vec<Record>, Vec<String>) {
    let dir = folder(&[("items.csv", text.as_ref()), ("a.png", b""), ("b.png", b"")]);
    all(&dir.path().join("items.csv"))
}

fn header(text: &str) -> String {
    let dir = folder(&[("items.csv", text.as_bytes())]);
    let error = read(&dir.path().join("items.csv")).err().unwrap().to_string();
    error.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn image_folder_has_labels_captions_and_ids_in_name_order() {
    let dir = folder(&[
        ("bird/b/crow.PNG", b""),
        ("bird/b/crow.txt", "\u{feff}A black crow.\r\n\r\n  It sits on a branch. \n".as_bytes()),
        ("bird/a gull.jpg", b""),
        ("bird/a gull.txt", b"\n \n"),
        ("bus/red_double-decker bus01.jpg", b""),
        ("IMG_0042.jpg", b""),
        ("notes.md", b"not an image"),
        (".hidden.png", b""),
        (".git/x.png", b""),
        ("__MACOSX/bus/x.png", b""),
    ]);
    let (records, rejections) = all(dir.path());
    assert!(rejections.is_empty(), "{rejections:?}");
    let seen: Vec<(&str, &[String], &[String])> = records
        .iter()
        .map(|record| (record.id.as_str(), record.labels.as_slice(), record.captions.as_slice()))
        .collect();
    let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        seen,
        [
            ("IMG_0042.jpg", &text(&[])[..], &text(&[])[..]),
            ("bird/a gull.jpg", &text(&["bird"])[..], &text(&["a gull"])[..]),
            ("bird/b/crow.PNG", &text(&["bird"])[..], &text(&["A black crow.", "It sits on a branch."])[..]),
            ("bus/red_double-decker bus01.jpg", &text(&["bus"])[..], &text(&["red double decker bus"])[..]),
        ]
    );
    assert!(records.iter().all(|record| record.image.as_ref().unwrap().is_absolute()));
}

#[test]
fn bad_caption_file_is_rejected_with_its_line() {
    let dir = folder(&[
        ("a/1.png", b""),
        ("a/1.txt", b"fine\nnot \xff fine\n"),
        ("a/2.png", b""),
        ("a/3.png", b""),
        ("a/3.txt", &vec![b'x'; 20_000]),
        ("a/4.png", b""),
        ("a/4.txt", &vec![b'x'; 2 << 20]),
    ]);
    let (records, rejections) = all(dir.path());
    assert_eq!(records.len(), 1);
    assert_eq!(
        rejections,
        [
            "a/1.txt:2: this caption is not valid UTF-8 (at byte 4)",
            "a/3.png: a caption has 20000 characters; the maximum is 10000",
            "a/4.txt: this caption file has more than 1048576 bytes, the maximum",
        ]
    );
}

#[cfg(unix)]
#[test]
fn link_to_an_ancestor_is_rejected() {
    let dir = folder(&[("a/1.png", b"")]);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("a/again")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("nowhere"), dir.path().join("a/gone.png")).unwrap();
    let (records, rejections) = all(dir.path());
    assert_eq!(records.len(), 1);
    assert_eq!(rejections.len(), 2, "{rejections:?}");
    assert!(rejections[0].contains("points to its ancestor"), "{rejections:?}");
}

#[test]
fn data_jsonl_is_read_in_place_of_its_folder() {
    let (records, rejections) = list(concat!(
        "\u{feff}{\"id\":\"1\",\"image\":\"a.png\",\"captions\":[\" one \",\"\",\"two\",\"one\"],",
        "\"label\":\"x\",\"split\":\"val\",\"meta\":{\"year\":1990}}\r\n",
        "\n",
        "{\"image\":\"b.png\",\"caption\":\"only\",\"labels\":[\"x\",\"y\"],\"author\":\"me\"}\n",
        "{\"caption\":\"words alone\",\"image\":null}\n",
        "{\"id\":7,\"caption\":\"last line has no end\"}",
    ));
    assert!(rejections.is_empty(), "{rejections:?}");
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["1", "b.png", "line-4", "7"]);
    assert_eq!(records[0].captions, ["one", "two", "one"]);
    assert_eq!(records[0].split, Some(Split::Validation));
    assert_eq!(records[0].meta["year"], 1990);
    assert_eq!(records[1].labels, ["x", "y"]);
    assert_eq!(records[1].meta["author"], "me");
    assert_eq!(records[2].image, None);
    assert_eq!(records[3].origin.line, Some(5));
}

#[test]
fn bad_jsonl_lines_are_rejected_and_reading_continues() {
    let long = format!("{{\"caption\":\"{}\"}}", "x".repeat(2 << 20));
    let million = format!("{{\"caption\":\"{}\"}}", "é".repeat(400_000));
    let many = format!(
        "{{\"caption\":\"a\",\"labels\":[{}]}}",
        (0..101).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(",")
    );
    let lines: Vec<&[u8]> = vec![
        b"{\"id\":\"1\",\"caption\":\"fine\"}",
        b"this is not JSON",
        b"{\"caption\":\"cut",
        b"[1,2]",
        b"{\"caption\":\"\xff\"}",
        long.as_bytes(),
        b"{\"id\":\"1\",\"caption\":\"again\"}",
        b"{\"id\":\"2\",\"caption\":\"  \"}",
        b"{\"image\":\"gone.png\"}",
        b"{\"captions\":[1]}",
        b"{\"captoins\":[\"a\"]}",
        b"{\"caption\":\"a\",\"split\":\"dev\"}",
        million.as_bytes(),
        many.as_bytes(),
        b"{\"image\":\"https://localhost/a.png\"}",
        b"{\"caption\":\"a\",\"id\":\" \"}",
        b"{\"id\":\"3\",\"caption\":\"fine as well\"}",
    ];
    let (records, rejections) = list(lines.join(&b'\n'));
    assert_eq!(records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    let gone = rejections.iter().position(|rejection| rejection.contains("gone.png")).unwrap();
    assert!(rejections[gone].starts_with("data.jsonl:9: its image "), "{}", rejections[gone]);
    assert!(rejections[gone].ends_with("gone.png does not exist"), "{}", rejections[gone]);
    let others: Vec<&str> =
        rejections.iter().map(String::as_str).filter(|rejection| !rejection.contains("gone.png")).collect();
    assert_eq!(
        others,
        [
            "data.jsonl:2: the line is not JSON: expected ident at column 2",
            "data.jsonl:3: the line is not JSON: EOF while parsing a string at column 15",
            "data.jsonl:4: a line must be a JSON object; found a list",
            "data.jsonl:5: the line is not valid UTF-8 (at byte 12)",
            "data.jsonl:6: the line is longer than 1048576 bytes, the maximum",
            "data.jsonl:7: the id `1` is already used in line 1; ids must be unique",
            "data.jsonl:8: it has neither an image nor a caption; at least one is required",
            "data.jsonl:10: `captions` must be a text or a list of texts; found a number",
            "data.jsonl:11: unknown field `captoins` is a list; known fields are id, image, caption, captions, label, \
             labels, split and meta, and others must have a single value",
            "data.jsonl:12: unknown split `dev`; expected train, validation (or val) or test",
            "data.jsonl:13: a caption has 400000 characters; the maximum is 10000",
            "data.jsonl:14: it has more than 100 labels, the maximum",
            "data.jsonl:15: its image `https://localhost/a.png` is a URL; images must be local files",
            "data.jsonl:16: its id is empty",
        ]
    );
}

#[test]
fn deeply_nested_json_is_rejected() {
    let (records, rejections) = list(format!("{{\"meta\":{}", "[".repeat(500_000)));
    assert!(records.is_empty());
    assert!(rejections[0].contains("recursion limit"), "{rejections:?}");
}

#[test]
fn csv_header_determines_the_fields() {
    let (records, rejections) = table(concat!(
        "\u{feff}Image,caption,caption,labels,split,Year\r\n",
        "a.png,one,\"two,\nover two lines\",x|y,test,1990\r\n",
        "b.png,,\"say \"\"hi\"\"\",,,\r\n",
    ));
    assert!(rejections.is_empty(), "{rejections:?}");
    assert_eq!(records[0].id, "a.png");
    assert_eq!(records[0].captions, ["one", "two,\nover two lines"]);
    assert_eq!(records[0].labels, ["x", "y"]);
    assert_eq!(records[0].split, Some(Split::Test));
    assert_eq!(records[0].meta["Year"], "1990");
    assert_eq!(records[1].captions, ["say \"hi\""]);
    assert_eq!(records[1].origin.line, Some(4));
    assert!(records[1].meta.is_empty());
    assert_eq!(table("image;captions\na.png;one|two\n").0[0].captions, ["one", "two"]);
    let dir = folder(&[("items.tsv", b"image\tcaption\na.png\tone, two\n"), ("a.png", b"")]);
    assert_eq!(all(&dir.path().join("items.tsv")).0[0].captions, ["one, two"]);
}

#[test]
fn bad_csv_header_is_one_error() {
    assert_eq!(
        header("file,text\na,b\n"),
        "items.csv:1: a column `image` or `caption` is required; found: file, text; known columns are id, image, \
         caption (repeatable), captions (separated by |), label, labels (separated by |) and split, others are \
         stored in meta"
    );
    assert!(header("").contains("found: none;"));
    assert_eq!(header("image,label,label\n"), "items.csv:1: the column `label` is repeated; only `caption` may be");
    assert!(header(&"x".repeat(2 << 20)).contains("header cannot be read"));
    let dir = folder(&[("items.csv", b"\xff\xfei\0m\0")]);
    let error = read(&dir.path().join("items.csv")).err().unwrap().to_string();
    assert!(error.ends_with("the file is UTF-16; save it as UTF-8"), "{error}");
}

#[test]
fn bad_csv_rows_are_rejected_and_reading_continues() {
    let (records, rejections) =
        table(b"id,caption,label\n1,fine,x\n2,too,many,fields\n3\n4,\xff,x\n1,again,x\n5,,x\n6,fine,y\n".as_slice());
    assert_eq!(records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["1", "6"]);
    assert_eq!(
        rejections,
        [
            "items.csv:3: the row has 4 fields, the header has 3",
            "items.csv:4: the row has 1 fields, the header has 3",
            "items.csv:5: field 2 is not valid UTF-8 (at byte 0)",
            "items.csv:6: the id `1` is already used in line 2; ids must be unique",
            "items.csv:7: it has neither an image nor a caption; at least one is required",
        ]
    );
}

#[test]
fn csv_lines_are_counted_for_lf_and_crlf() {
    for (end, text) in
        [("\n", "id,caption\n\n1,\"two\nlines\"\n\n\n2\n3"), ("\r\n", "id,caption\r\n1,\"two\r\nlines\"\r\n2\r\n3")]
    {
        let (records, rejections) = table(text);
        let first = if end == "\n" { 3 } else { 2 };
        assert_eq!(records[0].origin.line, Some(first), "{end:?}");
        let lines: Vec<&str> = rejections.iter().map(|rejection| rejection.split(": ").next().unwrap()).collect();
        let expected = if end == "\n" { ["items.csv:7", "items.csv:8"] } else { ["items.csv:4", "items.csv:5"] };
        assert_eq!(lines, expected, "{end:?}");
    }
}

#[test]
fn reading_continues_after_an_unclosed_quotation_mark() {
    let mut text = String::from("id,caption\n1,fine\n2,\"open\n");
    for id in 3..100_000 {
        text.push_str(&format!("{id},also fine and long enough\n"));
    }
    let (records, rejections) = table(&text);
    assert_eq!(records.len(), 99_998);
    assert_eq!(records[1].id, "3");
    assert_eq!(records[1].origin.line, Some(4));
    assert_eq!(rejections.len(), 1);
    assert!(rejections[0].starts_with("items.csv:3: the row is longer than 1048576 bytes"), "{rejections:?}");
}

#[test]
fn unsupported_file_is_an_error() {
    let dir = folder(&[("a.zip", b"PK"), ("a", b"")]);
    let error = |name: &str| read(&dir.path().join(name)).err().unwrap().to_string();
    assert!(
        error("a.zip").contains("a .zip file is not a collection; expected a folder of images or a .jsonl"),
        "{}",
        error("a.zip")
    );
    assert!(error("a").contains("a file without an extension"));
    assert!(error("nowhere").contains("No such file"));
}

#[test]
fn progress_grows_from_zero_to_one() {
    let dir = folder(&[("data.jsonl", "{\"caption\":\"a\"}\n".repeat(10).as_bytes())]);
    let mut reader = read(dir.path()).unwrap();
    assert_eq!(reader.progress(), Some(0.0));
    let mut last = 0.0;
    while reader.next().is_some() {
        assert!(reader.progress().unwrap() >= last);
        last = reader.progress().unwrap();
    }
    assert_eq!(last, 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reader_never_panics_and_always_ends(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "[\\[\\]{}\",:;|\\n\\r a-c1]{0,200}"
    ) {
        let starts = [("x.jsonl", &b""[..]), ("x.csv", b"id,image,caption\n"), ("x.tsv", b"caption\tcaption\n")];
        for (name, start) in starts {
            for body in [bytes.as_slice(), text.as_bytes()] {
                let whole = [start, body].concat();
                let dir = folder(&[(name, &whole)]);
                if let Ok(reader) = read(&dir.path().join(name)) {
                    prop_assert!(reader.count() <= whole.len());
                }
            }
        }
    }

    #[test]
    fn captions_and_ids_survive_a_round_trip_through_json(
        captions in proptest::collection::vec("\\PC{1,40}", 1..5), id in "[a-z]{1,9}"
    ) {
        let line = serde_json::json!({"id": id, "captions": captions}).to_string();
        let mut expected: Vec<String> = Vec::new();
        for caption in captions {
            let caption = caption.trim().to_owned();
            if !caption.is_empty() && !expected.contains(&caption) {
                expected.push(caption);
            }
        }
        let (records, rejections) = list(line);
        if expected.is_empty() {
            prop_assert_eq!(rejections.len(), 1);
        } else {
            prop_assert_eq!(&records[0].captions, &expected);
            prop_assert_eq!(&records[0].id, &id);
        }
    }
}
