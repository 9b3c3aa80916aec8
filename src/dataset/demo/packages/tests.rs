use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use super::*;

const PACKAGES: &[(&str, &str)] = &[("diptych-test-package", "usr/share/diptych-test")];

/// A test package and an `apt-get` script that delivers it.
fn archive(at: &Path) -> Option<&'static str> {
    let tree = at.join("tree");
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs::create_dir_all(tree.join("usr/share/diptych-test")).unwrap();
    let control = "Package: diptych-test-package\nVersion: 1\nArchitecture: all\n\
                   Maintainer: nobody <nobody@localhost>\nDescription: a test\n";
    fs::write(tree.join("DEBIAN/control"), control).unwrap();
    fs::write(tree.join("usr/share/diptych-test/picture.svg"), "<svg/>").unwrap();
    fs::write(tree.join("usr/share/diptych-test/sound.ogg"), "la").unwrap();
    let deb = at.join("diptych-test-package_1_all.deb");
    let built = Command::new("dpkg-deb").arg("--build").arg(&tree).arg(&deb).output().ok()?;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let script = format!(
        "#!/bin/sh\nfor word; do [ \"$word\" = --print-uris ] && \
         {{ echo \"'http://localhost/' {name} {bytes} SHA256:0\"; exit 0; }}; \
         done\ncp {from} . && echo once >> {log}\n",
        name = "diptych-test-package_1_all.deb",
        bytes = fs::metadata(&deb).unwrap().len(),
        from = deb.display(),
        log = at.join("log").display(),
    );
    let apt = at.join("apt-get");
    fs::write(&apt, script).unwrap();
    fs::set_permissions(&apt, fs::Permissions::from_mode(0o755)).unwrap();
    Some(apt.to_str().unwrap().to_owned().leak())
}

#[test]
fn collection_is_complete_or_absent_and_is_fetched_once() {
    let room = tempfile::tempdir().unwrap();
    let Some(apt_get) = archive(room.path()) else {
        println!("skipped: dpkg-deb is not installed");
        return;
    };
    let fetch = Fetch { apt_get, dpkg_deb: "dpkg-deb", packages: PACKAGES };
    let dir = room.path().join("demo");
    // The state after a killed run.
    let unpacked = room.path().join("demo.partial/unpacked/usr/share/diptych-test");
    fs::create_dir_all(&unpacked).unwrap();
    fs::write(unpacked.join("truncated.svg"), "<sv").unwrap();

    let mut steps = Vec::new();
    fetch.run(&dir, &mut |step| steps.push(step)).unwrap();
    assert!(dir.join("usr/share/diptych-test/picture.svg").is_file());
    assert!(!dir.join("usr/share/diptych-test/truncated.svg").exists());
    assert!(!dir.join("usr/share/diptych-test/sound.ogg").exists());
    assert!(!room.path().join("demo.partial").exists());
    let is_full = |step: &FetchProgress| matches!(step, FetchProgress::Downloading { done, total } if done == total);
    assert!(steps.iter().any(is_full), "{steps:?}");
    assert_eq!(steps.last(), Some(&FetchProgress::Unpacking { package: "diptych-test-package" }));

    fetch.run(&dir, &mut |step| panic!("nothing is left to do, got {step:?}")).unwrap();
    assert_eq!(fs::read_to_string(room.path().join("log")).unwrap(), "once\n");
}

#[test]
fn missing_apt_is_reported_with_the_command_to_import_a_folder() {
    let room = tempfile::tempdir().unwrap();
    let fetch = Fetch { apt_get: "apt-get-that-is-not-here", dpkg_deb: "dpkg-deb", packages: PACKAGES };
    let error = fetch.run(&room.path().join("demo"), &mut |_| {}).unwrap_err();
    assert_eq!(error, DatasetError::NoApt { program: "apt-get-that-is-not-here" });
    assert!(error.to_string().ends_with("diptych import PATH"), "{error}");
}

#[test]
fn apt_errors_are_reported_with_a_hint() {
    let room = tempfile::tempdir().unwrap();
    let apt = room.path().join("apt-get");
    fs::write(&apt, "#!/bin/sh\necho 'W: something' >&2\necho 'E: Unable to locate package tuxpaint' >&2\nexit 100\n")
        .unwrap();
    fs::set_permissions(&apt, fs::Permissions::from_mode(0o755)).unwrap();
    let apt_get = apt.to_str().unwrap().to_owned().leak();
    let fetch = Fetch { apt_get, dpkg_deb: "dpkg-deb", packages: PACKAGES };
    let error = fetch.run(&room.path().join("demo"), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("E: Unable to locate package tuxpaint; `apt-get update`"), "{error}");
    assert!(!error.contains("W: something"), "{error}");
}

#[test]
fn folder_with_other_files_is_refused_and_unchanged() {
    let room = tempfile::tempdir().unwrap();
    fs::write(room.path().join("mine.txt"), "mine").unwrap();
    let fetch = Fetch { apt_get: "apt-get", dpkg_deb: "dpkg-deb", packages: PACKAGES };
    let error = fetch.run(room.path(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
    assert!(room.path().join("mine.txt").is_file());
}
