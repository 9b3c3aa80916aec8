//! The main job: from nothing to a searchable collection with one command.

use crate::support::{Server, demo_output, diptych, own_copy, succeed, trained_collection};

#[test]
fn the_demo_ends_with_its_table() {
    let Some(_) = trained_collection() else { return };
    let said = demo_output();
    for part in ["pictures", "captions", "classes", "mAP", "chance", "R@1", "import", "encode", "train"] {
        assert!(said.contains(part), "{part:?} is missing from:\n{said}");
    }
}

#[tokio::test]
async fn a_second_start_encodes_nothing_and_trains_nothing() {
    let Some(collection) = trained_collection() else { return };
    let data = own_copy(collection);
    let said = succeed(diptych(data.path()).args(["demo", "--no-serve", "--per-class", crate::support::PER_CLASS]));
    assert!(said.contains("mAP"), "the table comes again:\n{said}");
    for work in ["encode pictures", "encode captions", "epoch"] {
        assert!(!said.contains(work), "{work:?} was done again:\n{said}");
    }
}

#[tokio::test]
async fn sigterm_ends_the_service_well() {
    let Some(collection) = trained_collection() else { return };
    let data = own_copy(collection);
    let server = Server::start(data.path()).await;
    let ended = server.terminate();
    assert!(ended.success(), "{ended}");
}

#[test]
fn the_terminal_searches_both_ways() {
    let Some(collection) = trained_collection() else { return };
    let data = own_copy(collection);
    let said = succeed(diptych(data.path()).args(["search", "a", "bird", "--limit", "5"]));
    assert_eq!(said.lines().filter(|l| l.contains('%')).count(), 5, "{said}");
    let picture = collection.join("picture.png");
    std::fs::write(&picture, crate::search::drawn_picture()).expect("a picture");
    let said = succeed(diptych(data.path()).args(["search", "--limit", "3", "--image"]).arg(&picture));
    assert_eq!(said.lines().filter(|l| l.contains('%')).count(), 3, "{said}");
    let status = succeed(diptych(data.path()).arg("status"));
    assert!(status.contains("pictures") && status.contains("model        m-"), "{status}");
    let index = succeed(diptych(data.path()).arg("index"));
    assert!(index.contains("| pictures |") && index.contains("1.0000"), "{index}");
}
