//! Downloads the two Debian packages of the demo collection and unpacks them into a folder.
//!
//! `apt-get download` and `dpkg-deb --extract` need no root and install nothing. All work is done in `DIR.partial`, and
//! the last step is one rename, so `DIR` is either complete or does not exist. Packages that were downloaded before an
//! interruption are not downloaded again.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use walkdir::WalkDir;

use crate::dataset::DatasetError;

/// Folder of Tux Paint's stamps in its package.
pub(super) const STAMPS: &str = "usr/share/tuxpaint/stamps";
/// Folder of Openclipart's drawings in its package.
pub(super) const DRAWINGS: &str = "usr/share/openclipart/svg";

/// The packages, and the folder in each that holds its pictures.
const PACKAGES: &[(&str, &str)] = &[("tuxpaint-stamps-default", STAMPS), ("openclipart-svg", DRAWINGS)];

/// Progress of [`fetch()`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchProgress {
    /// Packages are being downloaded.
    Downloading {
        /// Bytes downloaded.
        done: u64,
        /// Bytes of all packages.
        total: u64,
    },
    /// A package is being unpacked.
    Unpacking {
        /// Name of the package.
        package: &'static str,
    },
}

/// Fills `dir` with the demo collection (downloads 185 MB, keeps 220 MB) unless it is complete already. `progress` is
/// called several times a second during the download.
///
/// # Errors
/// [`DatasetError::NoApt`] if apt is not installed; [`DatasetError::DemoFailed`] with the message of apt, dpkg or the
/// operating system.
pub fn fetch(dir: &Path, progress: &mut dyn FnMut(FetchProgress)) -> Result<(), DatasetError> {
    Fetch { apt_get: "apt-get", dpkg_deb: "dpkg-deb", packages: PACKAGES }.run(dir, progress)
}

struct Fetch {
    apt_get: &'static str,
    dpkg_deb: &'static str,
    packages: &'static [(&'static str, &'static str)],
}

/// A package file, as `apt-get download --print-uris` describes it.
struct PackageFile {
    name: String,
    bytes: u64,
}

impl Fetch {
    fn run(&self, dir: &Path, progress: &mut dyn FnMut(FetchProgress)) -> Result<(), DatasetError> {
        if self.is_complete(dir) {
            return Ok(());
        }
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            let reason = format!("{} is not empty; choose an empty or a new folder", dir.display());
            return Err(failed("creating its folder", reason));
        }
        let partial = partial(dir)?;
        let (packages, unpacked) = (partial.join("packages"), partial.join("unpacked"));
        fs::create_dir_all(&packages).map_err(on_disk("creating its folder"))?;
        let files = self.package_files()?;
        self.download(&packages, &files, progress)?;
        // An interrupted run may have left truncated files.
        if unpacked.exists() {
            fs::remove_dir_all(&unpacked).map_err(on_disk("removing files of an interrupted run"))?;
        }
        for (&(package, _), file) in self.packages.iter().zip(&files) {
            progress(FetchProgress::Unpacking { package });
            self.unpack(&packages.join(&file.name), &unpacked)?;
        }
        if !self.is_complete(&unpacked) {
            return Err(failed("unpacking", "the packages lack the expected folders".into()));
        }
        // `dir` may exist as an empty folder.
        let _ = fs::remove_dir(dir);
        fs::rename(&unpacked, dir).map_err(on_disk("moving it into place"))?;
        fs::remove_dir_all(&partial).map_err(on_disk("removing temporary files"))
    }

    fn is_complete(&self, dir: &Path) -> bool {
        self.packages.iter().all(|(_, folder)| dir.join(folder).is_dir())
    }

    /// The files that apt would download, in the order of [`Self::packages`].
    fn package_files(&self) -> Result<Vec<PackageFile>, DatasetError> {
        let mut apt = self.apt();
        apt.arg("--print-uris").args(self.names());
        let output = output(apt, self.apt_get, "looking up the packages")?;
        let listed = String::from_utf8_lossy(&output.stdout);
        let find = |name: &str| {
            listed.lines().find_map(|line| {
                let mut words = line.split_whitespace().skip(1);
                let (file, bytes) = (words.next()?, words.next()?.parse().ok()?);
                file.starts_with(&format!("{name}_")).then(|| PackageFile { name: file.to_owned(), bytes })
            })
        };
        self.names()
            .map(|name| {
                find(name).ok_or_else(|| failed("looking up the packages", format!("apt lists no file for {name}")))
            })
            .collect()
    }

    /// apt verifies the files against the signed package lists.
    fn download(
        &self,
        into: &Path,
        files: &[PackageFile],
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<(), DatasetError> {
        const TICK: Duration = Duration::from_millis(200);
        let step = "downloading";
        let total = files.iter().map(|file| file.bytes).sum();
        let downloaded = || {
            let sizes = fs::read_dir(into).into_iter().flatten().flatten().filter_map(|entry| entry.metadata().ok());
            sizes.filter(fs::Metadata::is_file).map(|file| file.len()).sum::<u64>().min(total)
        };
        let mut apt = self.apt();
        apt.args(self.names()).current_dir(into).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = apt.spawn().map_err(|error| not_started(self.apt_get, step, &error))?;
        let mut errors = child.stderr.take().expect("stderr is piped");
        let reader = thread::spawn(move || {
            let mut text = Vec::new();
            // An unreadable message is not quoted.
            let _ = errors.read_to_end(&mut text);
            text
        });
        let status = loop {
            progress(FetchProgress::Downloading { done: downloaded(), total });
            match child.try_wait().map_err(on_disk(step))? {
                Some(status) => break status,
                None => thread::sleep(TICK),
            }
        };
        let stderr = reader.join().unwrap_or_default();
        if !status.success() {
            return Err(command_failed(step, &stderr));
        }
        for file in files {
            let found = fs::metadata(into.join(&file.name)).map(|metadata| metadata.len()).unwrap_or(0);
            if found != file.bytes {
                let reason = format!("{} has {found} bytes instead of {}", file.name, file.bytes);
                return Err(failed(step, reason));
            }
        }
        progress(FetchProgress::Downloading { done: total, total });
        Ok(())
    }

    fn unpack(&self, package: &Path, into: &Path) -> Result<(), DatasetError> {
        let mut dpkg = Command::new(self.dpkg_deb);
        dpkg.env("LC_ALL", "C").arg("--extract").arg(package).arg(into);
        output(dpkg, self.dpkg_deb, "unpacking")?;
        // Spoken names of the stamps in twelve languages are half of the data.
        for entry in WalkDir::new(into).into_iter().flatten() {
            let is_sound = entry.path().extension().is_some_and(|extension| extension == "ogg" || extension == "wav");
            if is_sound && entry.file_type().is_file() {
                fs::remove_file(entry.path()).map_err(on_disk("unpacking"))?;
            }
        }
        Ok(())
    }

    fn apt(&self) -> Command {
        let mut apt = Command::new(self.apt_get);
        // Otherwise apt, run as root, warns that its sandbox user may not write here.
        apt.env("LC_ALL", "C").args(["-o", "APT::Sandbox::User=root", "-qq", "download"]);
        apt
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.packages.iter().map(|&(name, _)| name)
    }
}

fn partial(dir: &Path) -> Result<PathBuf, DatasetError> {
    let dir = std::path::absolute(dir).map_err(on_disk("creating its folder"))?;
    let mut name =
        dir.file_name().ok_or_else(|| failed("creating its folder", "it cannot be the root folder".into()))?.to_owned();
    name.push(".partial");
    Ok(dir.with_file_name(name))
}

fn output(mut command: Command, program: &'static str, step: &str) -> Result<Output, DatasetError> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_started(program, step, &error))?;
    if output.status.success() { Ok(output) } else { Err(command_failed(step, &output.stderr)) }
}

fn not_started(program: &'static str, step: &str, error: &io::Error) -> DatasetError {
    match error.kind() {
        io::ErrorKind::NotFound => DatasetError::NoApt { program },
        _ => failed(step, format!("{program}: {error}")),
    }
}

/// The message of a failed program, with a hint if its package lists are out of date.
fn command_failed(step: &str, stderr: &[u8]) -> DatasetError {
    let text = String::from_utf8_lossy(stderr);
    let errors: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with("E:")).collect();
    let reason = if errors.is_empty() { text.trim().to_owned() } else { errors.join(" ") };
    let is_list_stale =
        ["Unable to locate", "404", "No packages found", "Can't find a source", "no installation candidate"]
            .iter()
            .any(|sign| reason.contains(sign));
    let hint = if is_list_stale { "; `apt-get update` (as root) brings apt's package lists up to date" } else { "" };
    DatasetError::DemoFailed { step: step.into(), reason, hint }
}

fn on_disk(step: &'static str) -> impl Fn(io::Error) -> DatasetError {
    move |error| failed(step, error.to_string())
}

fn failed(step: &str, reason: String) -> DatasetError {
    DatasetError::DemoFailed { step: step.into(), reason, hint: "" }
}

#[cfg(all(test, unix))]
mod tests;
