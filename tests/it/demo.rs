//! The main job: from nothing to a searchable collection with one command.

use crate::common::{Server, copy_collection, demo_output, diptych, succeed, trained_collection};

#[test]
fn demo_prints_its_evaluation() {
    let Some(_) = trained_collection() else { return };
    let said = demo_output();
    for part in ["pictures", "captions", "classes", "mAP", "chance", "R@1", "import", "encode", "train"] {
        assert!(said.contains(part), "{part:?} is missing from:\n{said}");
    }
}

/// Every id, picture, label, caption and author of the demo collection, as one hash.
///
/// After a deliberate change of the curation rules, replace the hash and count up `IMPORTED_FORM` in `cli/demo.rs`.
#[test]
fn curation_rules_yield_the_pinned_collection() {
    const COLLECTION: &str = "3ef11ec6188e12a95362e70b7a1c59e2638c4eccf3b4e172b30531cd44dcb02e";
    // By the changelogs of Debian 12's packages; other versions hold other pictures.
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
async fn second_start_of_demo_encodes_and_trains_nothing() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let said = succeed(diptych(data.path()).args(["demo", "--no-serve", "--per-class", crate::common::PER_CLASS]));
    assert!(said.contains("mAP"), "the table comes again:\n{said}");
    for work in ["encode pictures", "encode captions", "epoch"] {
        assert!(!said.contains(work), "{work:?} was done again:\n{said}");
    }
}

#[tokio::test]
async fn service_exits_cleanly_on_sigterm() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let server = Server::start(data.path()).await;
    let ended = server.terminate();
    assert!(ended.success(), "{ended}");
}

#[test]
fn terminal_search_finds_pictures_and_captions() {
    let Some(collection) = trained_collection() else { return };
    let data = copy_collection(collection);
    let said = succeed(diptych(data.path()).args(["search", "a", "bird", "--limit", "5"]));
    assert_eq!(said.lines().filter(|l| l.contains('%')).count(), 5, "{said}");
    let picture = collection.join("picture.png");
    std::fs::write(&picture, crate::search::drawn_picture()).expect("a picture");
    let said = succeed(diptych(data.path()).args(["search", "--limit", "3", "--image"]).arg(&picture));
    assert_eq!(said.lines().filter(|l| l.contains('%')).count(), 3, "{said}");
    let status = succeed(diptych(data.path()).arg("status"));
    assert!(status.contains("images") && status.contains("m-2"), "{status}");
    let index = succeed(diptych(data.path()).arg("index"));
    assert!(index.contains("| pictures |") && index.contains("1.0000"), "{index}");
}
