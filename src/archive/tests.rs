use std::{
    fs,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use super::*;
use crate::util::hex;

/// Files of a small archive: one empty, one of whole blocks, one larger than the read buffer.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("models/m-1/model.json", b"{}".to_vec()),
        ("index/CURRENT", Vec::new()),
        ("images/ab/ab.png", vec![7; 1024]),
        ("catalog.sqlite3", (0..(1usize << 20) + 77).map(|n| (n % 251) as u8).collect()),
    ]
}

struct TestArchive {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl TestArchive {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let mut writer = Writer::new(Vec::new(), 1_764_000_000, Arc::new(AtomicBool::new(false)));
        for (path, bytes) in files {
            writer.append(path, bytes.len() as u64, bytes.as_slice()).expect("a file");
        }
        let about = About { program: "test".into(), ..About::default() };
        let (bytes, written) = writer.finish(about).expect("an archive");
        assert_eq!(written.bytes, bytes.len() as u64);
        Self { folder: tempfile::tempdir().expect("a folder"), bytes }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("archive.tar")
    }

    /// Reads all files of an archive with these bytes.
    fn read(&self, bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
        fs::write(self.path(), bytes).expect("written");
        let archive = Archive::open(&self.path())?;
        let stop = AtomicBool::new(false);
        let read = |entry: &FileEntry| {
            let (mut bytes, mut extracted) = (Vec::new(), 0);
            archive.extract(entry, &mut bytes, &stop, &mut |more| extracted += more)?;
            assert_eq!(extracted, entry.bytes);
            Ok((entry.path.clone(), bytes))
        };
        archive.manifest().files.iter().map(read).collect()
    }

    fn read_error(&self, bytes: &[u8], what: &str) -> ArchiveError {
        self.read(bytes).expect_err(what)
    }
}

#[test]
fn written_archive_is_read_back_and_by_other_tools() {
    let archive = TestArchive::new(&files());
    let read = archive.read(&archive.bytes).expect("the archive is valid");
    let read: Vec<_> = read.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    assert_eq!(read, files());
    let run = |command: &str| {
        let output = std::process::Command::new("sh").args(["-c", command]).current_dir(archive.folder.path()).output();
        let output = output.expect("a shell");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run("tar xf archive.tar && sha256sum --quiet -c manifest.json.sha256 && cmp -s index/CURRENT /dev/null");
}

#[test]
fn archive_that_is_truncated_anywhere_is_malformed() {
    let archive = TestArchive::new(&files());
    let length = archive.bytes.len();
    let near = |place: usize| (place.saturating_sub(3)..place + 3).chain([place + 512]);
    let cuts = [0, 512, 1024, 4096, length / 2, length - 512, length - 1024, length - 2048];
    for cut in cuts.into_iter().flat_map(near).filter(|cut| *cut < length) {
        let error = archive.read_error(&archive.bytes[..cut], &format!("cut to {cut}"));
        assert!(matches!(error, ArchiveError::Malformed(_)), "cut to {cut}: {error}");
    }
    let longer = [archive.bytes.as_slice(), &[0; 512]].concat();
    assert!(matches!(archive.read_error(&longer, "longer"), ArchiveError::Malformed(_)));
}

#[test]
fn every_flipped_bit_is_detected() {
    let files = vec![("index/CURRENT", b"8 x\n".to_vec()), ("catalog.sqlite3", vec![1; 600])];
    let archive = TestArchive::new(&files);
    for at in 0..archive.bytes.len() {
        for bit in [0, 7] {
            let mut other = archive.bytes.clone();
            other[at] ^= 1 << bit;
            archive.read_error(&other, &format!("bit {bit} of byte {at} flipped"));
        }
    }
}

/// A tar archive of members with arbitrary names and types, as another tool could write it.
fn tar_of(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, bytes) in members {
        let mut header = header("placeholder", bytes.len() as u64, 0).expect("a header");
        let name = &mut header.as_old_mut().name;
        name.fill(0);
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_cksum();
        builder.append(&header, *bytes).expect("a file");
    }
    builder.into_inner().expect("an archive")
}

/// An archive with these members, and a manifest, with a valid hash, that lists the files of `list`.
fn archive_with_manifest(members: &[(&str, u8, &[u8])], list: &[(&str, &[u8])]) -> Vec<u8> {
    let sum = |bytes: &[u8]| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes));
    let entry = |(path, bytes): &(&str, &[u8])| FileEntry {
        path: (*path).into(),
        bytes: bytes.len() as u64,
        sha256: sum(bytes),
    };
    let manifest = Manifest { format: FORMAT, about: About::default(), files: list.iter().map(entry).collect() };
    let text = serde_json::to_vec(&manifest).expect("JSON");
    let line = sum_line(&sum(&text));
    let last: [(&str, u8, &[u8]); 2] = [(MANIFEST, b'0', &text), (MANIFEST_SUM, b'0', line.as_bytes())];
    tar_of(&[members, &last].concat())
}

#[test]
fn unexpected_files_are_rejected_by_name() {
    let archive = TestArchive::new(&[]);
    let (good, bytes): (&str, &[u8]) = ("images/ab/ab.png", b"picture");
    let one = [(good, bytes)];
    archive.read(&archive_with_manifest(&[(good, b'0', bytes)], &one)).expect("the archive is valid");

    for name in
        ["../x", "/etc/passwd", "images/../../x", "images/ab/../ab.png", "thumbnails/ab/x.jpg", "images/ab/.x", "x"]
    {
        let error = archive.read_error(&archive_with_manifest(&[(name, b'0', bytes)], &[(name, bytes)]), name);
        assert!(matches!(&error, ArchiveError::Unexpected { file, .. } if file.contains(name)), "{error}");
    }
    // Links, devices, folders, pipes, sparse files, and extensions for names and sizes.
    for kind in *b"12345 67SLKxgD" {
        let error =
            archive.read_error(&archive_with_manifest(&[(good, kind, b"")], &[(good, b"")]), "not a regular file");
        assert!(matches!(error, ArchiveError::Unexpected { .. }), "{}: {error}", kind as char);
    }
    let error = archive
        .read_error(&archive_with_manifest(&[(good, b'0', bytes), ("images/ab/b.png", b'0', b"")], &one), "one more");
    assert!(matches!(&error, ArchiveError::Unexpected { file, .. } if file == "images/ab/b.png"), "{error}");
    let error = archive.read_error(&archive_with_manifest(&[(good, b'0', bytes), (good, b'0', bytes)], &one), "twice");
    assert!(matches!(error, ArchiveError::Unexpected { .. }), "{error}");
    let error = archive.read_error(&archive_with_manifest(&[], &one), "one less");
    assert!(matches!(&error, ArchiveError::Missing(file) if file == good), "{error}");
    let error = archive.read_error(&archive_with_manifest(&[(good, b'0', bytes)], &[one[0], one[0]]), "listed twice");
    assert!(matches!(&error, ArchiveError::Damaged { file, .. } if file == MANIFEST), "{error}");
    let error = archive.read_error(&archive_with_manifest(&[(good, b'0', b"pictures")], &one), "longer");
    assert!(matches!(&error, ArchiveError::Damaged { file, .. } if file == good), "{error}");
    let error = archive.read_error(&archive_with_manifest(&[(good, b'0', b"Picture")], &one), "other");
    assert!(matches!(&error, ArchiveError::Damaged { file, .. } if file == good), "{error}");

    let later = serde_json::json!({"format": 2, "files": "elsewhere"}).to_string();
    let line = sum_line(&hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&later)));
    let error = archive
        .read_error(&tar_of(&[(MANIFEST, b'0', later.as_bytes()), (MANIFEST_SUM, b'0', line.as_bytes())]), "later");
    assert!(matches!(error, ArchiveError::OtherFormat { found: 2 }), "{error}");
    let huge = vec![b' '; 2 << 20];
    let error = archive.read_error(&tar_of(&[(MANIFEST, b'0', &huge), (MANIFEST_SUM, b'0', b"")]), "huge");
    assert!(error.to_string().contains("are allowed"), "{error}");
}

#[test]
fn huge_length_is_rejected_without_allocating() {
    let archive = TestArchive::new(&[]);
    for bytes in [1 << 40, u64::MAX / 2, u64::MAX - 511, u64::MAX] {
        let header = header("catalog.sqlite3", bytes, 0).expect("a header");
        let truncated = [header.as_bytes().as_slice(), &[0; 2048]].concat();
        let error = archive.read_error(&truncated, "too long");
        assert!(matches!(error, ArchiveError::Malformed(_) | ArchiveError::Damaged { .. }), "{bytes}: {error}");
    }
}

#[test]
fn file_that_changes_while_it_is_read_is_rejected() {
    for (declared, content) in [(4u64, b"abc".as_slice()), (2, b"abc")] {
        let mut writer = Writer::new(Vec::new(), 0, Arc::new(AtomicBool::new(false)));
        let error = writer.append("catalog.sqlite3", declared, content).expect_err("another length");
        assert!(matches!(error, ArchiveError::Rejected { .. }), "{error}");
    }
    let mut writer = Writer::new(Vec::new(), 0, Arc::new(AtomicBool::new(true)));
    let error = writer.append("catalog.sqlite3", 3, b"abc".as_slice()).expect_err("stopped");
    assert!(matches!(error, ArchiveError::Cancelled), "{error}");
}
