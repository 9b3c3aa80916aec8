//! The command `demo` creates a searchable collection from scratch.

use crate::common::{Server, copy_collection, demo_output, diptych, succeed, trained_collection};

#[test]
fn demo_prints_an_evaluation() {
    let Some(_) = trained_collection() else { return };
    let output = demo_output();
    for term in ["pictures", "captions", "classes", "mAP", "chance", "R@1", "import", "encode", "train"] {
        assert!(output.contains(term), "{term:?} is missing from:\n{output}");
    }
}

/// Every id, picture, label, caption and author of the demo collection, as one hash.
///
/// After an intended change of the curation rules, replace the hash and increment `IMPORTED_FORM` in `cli/demo.rs`.
#[test]
fn curation_rules_yield_the_pinned_collection() {
    const COLLECTION: &str = "3ef11ec6188e12a95362e70b7a1c59e2638c4eccf3b4e172b30531cd44dcb02e";
    // Hashes of the changelogs in Debian 12: other versions of the packages have other pictures.
    const PACKAGES: [(&str, &str); 2] = [
        ("openclipart-svg", "e6cfe1d27b39f4c2527ef82fe0da341a258b97fb24a022c125c3dee39c79d84f"),
        ("tuxpaint-stamps-default", "a3bcbb2b8a4103fd6393d65384fef6638a3297662ae4735aafe31cae8caaea63"),
    ];
    let Some(_) = trained_collection() else { return };
    let folder = crate::common::cache().join("demo-packages");
    for (package, expected) in PACKAGES {
        let changelog = folder.join("usr/share/doc").join(package).join("changelog.Debian.gz");
        let found = std::fs::read(changelog).map(|bytes| blake3::hash(&bytes).to_hex());
        if found.is_ok_and(|found| found.as_str() != expected) {
            eprintln!("skipped: the collection is pinned for another version of {package}");
            return;
        }
    }
    let mut hash = blake3::Hasher::new();
    let records = diptych::dataset::demo::collect(&folder).expect("the packages are unpacked");
    for record in &records {
        let image = record.image.as_deref().expect("a picture").strip_prefix(&folder).expect("in the folder");
        let (id, labels, captions, meta) = (&record.id, &record.labels, &record.captions, &record.meta);
        let line = serde_json::json!({
            "id": id, "image": image, "labels": labels, "captions": captions, "split": record.split, "meta": meta,
        });
        hash.update(format!("{line}\n").as_bytes());
    }
    assert_eq!(records.len(), 3550);
    assert_eq!(hash.finalize().to_hex().as_str(), COLLECTION);
}

#[tokio::test]
async fn repeated_demo_neither_encodes_nor_trains() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let output = succeed(diptych(data.path()).args(["demo", "--no-serve", "--per-class", crate::common::PER_CLASS]));
    assert!(output.contains("mAP"), "the evaluation is printed again:\n{output}");
    for step in ["encode pictures", "encode captions", "epoch"] {
        assert!(!output.contains(step), "{step:?} ran again:\n{output}");
    }
}

#[tokio::test]
async fn service_exits_cleanly_on_sigterm() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let status = server.terminate();
    assert!(status.success(), "{status}");
}

#[test]
fn terminal_search_finds_pictures_and_captions() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let output = succeed(diptych(data.path()).args(["search", "a", "bird", "--limit", "5"]));
    assert_eq!(output.lines().filter(|l| l.contains('%')).count(), 5, "{output}");
    let picture = collection.join("picture.png");
    std::fs::write(&picture, crate::search::drawn_picture()).expect("a picture");
    let output = succeed(diptych(data.path()).args(["search", "--limit", "3", "--image"]).arg(&picture));
    assert_eq!(output.lines().filter(|l| l.contains('%')).count(), 3, "{output}");
    let status = succeed(diptych(data.path()).arg("status"));
    assert!(status.contains("images") && status.contains("m-2"), "{status}");
    let index = succeed(diptych(data.path()).arg("index"));
    assert!(index.contains("| pictures |") && index.contains("1.0000"), "{index}");
}
