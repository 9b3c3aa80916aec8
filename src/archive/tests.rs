use std::{
    fs,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use super::*;
use crate::util::hex;

/// Files of a small archive: one empty, one of whole blocks, one longer than a piece that is read at once.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("models/m-1/model.json", b"{}".to_vec()),
        ("index/CURRENT", Vec::new()),
        ("images/ab/ab.png", vec![7; 1024]),
        ("catalog.sqlite3", (0..(1usize << 20) + 77).map(|n| (n % 251) as u8).collect()),
    ]
}

struct Kept {
    folder: tempfile::TempDir,
    whole: Vec<u8>,
}

impl Kept {
    fn of(files: &[(&str, Vec<u8>)]) -> Self {
        let mut writer = Writer::new(Vec::new(), 1_764_000_000, Arc::new(AtomicBool::new(false)));
        for (path, bytes) in files {
            writer.append(path, bytes.len() as u64, bytes.as_slice()).expect("a file");
        }
        let about = About { program: "test".into(), ..About::default() };
        let (whole, written) = writer.finish(about).expect("an archive");
        assert_eq!(written.bytes, whole.len() as u64);
        Self { folder: tempfile::tempdir().expect("a folder"), whole }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("archive.tar")
    }

    /// What reading all of these bytes gives: the files.
    fn read(&self, bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
        fs::write(self.path(), bytes).expect("written");
        let archive = Archive::open(&self.path())?;
        let stop = AtomicBool::new(false);
        let read = |entry: &FileEntry| {
            let (mut bytes, mut told) = (Vec::new(), 0);
            archive.extract(entry, &mut bytes, &stop, &mut |more| told += more)?;
            assert_eq!(told, entry.bytes);
            Ok((entry.path.clone(), bytes))
        };
        archive.manifest().files.iter().map(read).collect()
    }

    fn refused(&self, bytes: &[u8], by: &str) -> ArchiveError {
        self.read(bytes).expect_err(by)
    }
}

#[test]
fn what_was_written_is_read_and_other_tools_read_it_too() {
    let kept = Kept::of(&files());
    let read = kept.read(&kept.whole).expect("it is whole");
    let read: Vec<_> = read.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    assert_eq!(read, files());
    let run = |command: &str| {
        let output = std::process::Command::new("sh").args(["-c", command]).current_dir(kept.folder.path()).output();
        let output = output.expect("a shell");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run("tar xf archive.tar && sha256sum --quiet -c manifest.json.sha256 && cmp -s index/CURRENT /dev/null");
}

#[test]
fn an_archive_that_is_cut_anywhere_is_torn() {
    let kept = Kept::of(&files());
    let length = kept.whole.len();
    let near = |place: usize| (place.saturating_sub(3)..place + 3).chain([place + 512]);
    let cuts = [0, 512, 1024, 4096, length / 2, length - 512, length - 1024, length - 2048];
    for cut in cuts.into_iter().flat_map(near).filter(|cut| *cut < length) {
        let error = kept.refused(&kept.whole[..cut], &format!("cut to {cut}"));
        assert!(matches!(error, ArchiveError::Torn(_)), "cut to {cut}: {error}");
    }
    let longer = [kept.whole.as_slice(), &[0; 512]].concat();
    assert!(matches!(kept.refused(&longer, "longer"), ArchiveError::Torn(_)));
}

#[test]
fn no_byte_can_be_another_unnoticed() {
    let files = vec![("index/CURRENT", b"8 x\n".to_vec()), ("catalog.sqlite3", vec![1; 600])];
    let kept = Kept::of(&files);
    for at in 0..kept.whole.len() {
        for bit in [0, 7] {
            let mut other = kept.whole.clone();
            other[at] ^= 1 << bit;
            kept.refused(&other, &format!("bit {bit} of byte {at} flipped"));
        }
    }
}

/// An archive that other tools could have made: files as they are given, with headers that fit.
fn made(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, bytes) in members {
        let mut made = header("placeholder", bytes.len() as u64, 0).expect("a header");
        let name = &mut made.as_old_mut().name;
        name.fill(0);
        name[..path.len()].copy_from_slice(path.as_bytes());
        made.set_entry_type(tar::EntryType::new(*kind));
        made.set_cksum();
        builder.append(&made, *bytes).expect("a file");
    }
    builder.into_inner().expect("an archive")
}

/// An archive of these files whose manifest, with its sum, lists what `list` says.
fn listed(members: &[(&str, u8, &[u8])], list: &[(&str, &[u8])]) -> Vec<u8> {
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
    made(&[members, &last].concat())
}

#[test]
fn what_does_not_belong_is_refused_by_its_name() {
    let kept = Kept::of(&[]);
    let (good, bytes): (&str, &[u8]) = ("images/ab/ab.png", b"picture");
    let one = [(good, bytes)];
    kept.read(&listed(&[(good, b'0', bytes)], &one)).expect("it is as it should be");

    for name in
        ["../x", "/etc/passwd", "images/../../x", "images/ab/../ab.png", "thumbnails/ab/x.jpg", "images/ab/.x", "x"]
    {
        let error = kept.refused(&listed(&[(name, b'0', bytes)], &[(name, bytes)]), name);
        assert!(matches!(&error, ArchiveError::Stray { file, .. } if file.contains(name)), "{error}");
    }
    // A hard link, a symbolic one, a device, a folder, a pipe, a sparse file, and extensions of names and sizes.
    for kind in *b"12345 67SLKxgD" {
        let error = kept.refused(&listed(&[(good, kind, b"")], &[(good, b"")]), "no plain file");
        assert!(matches!(error, ArchiveError::Stray { .. }), "{}: {error}", kind as char);
    }
    let error = kept.refused(&listed(&[(good, b'0', bytes), ("images/ab/b.png", b'0', b"")], &one), "one more");
    assert!(matches!(&error, ArchiveError::Stray { file, .. } if file == "images/ab/b.png"), "{error}");
    let error = kept.refused(&listed(&[(good, b'0', bytes), (good, b'0', bytes)], &one), "twice");
    assert!(matches!(error, ArchiveError::Stray { .. }), "{error}");
    let error = kept.refused(&listed(&[], &one), "one less");
    assert!(matches!(&error, ArchiveError::Missing(file) if file == good), "{error}");
    let error = kept.refused(&listed(&[(good, b'0', bytes)], &[one[0], one[0]]), "listed twice");
    assert!(matches!(&error, ArchiveError::Damaged { file, .. } if file == MANIFEST), "{error}");
    let error = kept.refused(&listed(&[(good, b'0', b"pictures")], &one), "longer");
    assert!(matches!(&error, ArchiveError::Damaged { file, .. } if file == good), "{error}");
    let error = kept.refused(&listed(&[(good, b'0', b"Picture")], &one), "other");
    assert!(matches!(&error, ArchiveError::Damaged { file, .. } if file == good), "{error}");

    let later = serde_json::json!({"format": 2, "files": "elsewhere"}).to_string();
    let line = sum_line(&hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&later)));
    let error =
        kept.refused(&made(&[(MANIFEST, b'0', later.as_bytes()), (MANIFEST_SUM, b'0', line.as_bytes())]), "later");
    assert!(matches!(error, ArchiveError::OtherFormat { found: 2 }), "{error}");
    let huge = vec![b' '; 2 << 20];
    let error = kept.refused(&made(&[(MANIFEST, b'0', &huge), (MANIFEST_SUM, b'0', b"")]), "huge");
    assert!(error.to_string().contains("likely"), "{error}");
}

#[test]
fn a_length_beyond_all_bounds_is_torn_and_costs_nothing() {
    let kept = Kept::of(&[]);
    for bytes in [1 << 40, u64::MAX / 2, u64::MAX - 511, u64::MAX] {
        let made = header("catalog.sqlite3", bytes, 0).expect("a header");
        let whole = [made.as_bytes().as_slice(), &[0; 2048]].concat();
        let error = kept.refused(&whole, "too long");
        assert!(matches!(error, ArchiveError::Torn(_) | ArchiveError::Damaged { .. }), "{bytes}: {error}");
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    for (said, there) in [(4u64, b"abc".as_slice()), (2, b"abc")] {
        let mut writer = Writer::new(Vec::new(), 0, Arc::new(AtomicBool::new(false)));
        let error = writer.append("catalog.sqlite3", said, there).expect_err("another length");
        assert!(matches!(error, ArchiveError::Refused { .. }), "{error}");
    }
    let mut writer = Writer::new(Vec::new(), 0, Arc::new(AtomicBool::new(true)));
    let error = writer.append("catalog.sqlite3", 3, b"abc".as_slice()).expect_err("stopped");
    assert!(matches!(error, ArchiveError::Stopped), "{error}");
}
