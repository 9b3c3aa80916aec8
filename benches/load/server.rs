//! The service under load, on a copy of a collection, and what it takes of the machine.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    client::{Connection, get},
};

/// A running service; it ends with this, and its data with it.
pub(crate) struct Server {
    child: Child,
    data: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Copies `collection` to `data`, starts `binary` on it, and waits until it is ready.
    pub(crate) fn start(binary: &Path, collection: &Path, data: &Path, models: &Path) -> Outcome<Self> {
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
        copy(collection, data)?;
        let log = File::create(data.join("serve.log"))?;
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("DIPTYCH_DATA", data)
            .env("DIPTYCH_MODELS", models)
            .env("DIPTYCH_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("a pipe was asked for")?).lines();
        let address = lines.map_while(Result::ok).find_map(|line| {
            line.strip_prefix("diptych serves http://").and_then(|rest| rest.trim_end_matches('/').parse().ok())
        });
        let Some(address) = address else {
            let _ = child.kill();
            return Err(format!("the service ended: {}", fs::read_to_string(data.join("serve.log"))?).into());
        };
        let server = Self { child, data: data.to_owned(), address };
        let began = Instant::now();
        while server.connect()?.send(&get("/readyz"))?.0 != 200 {
            if began.elapsed() > Duration::from_secs(120) {
                return Err("the service does not become ready".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    pub(crate) fn connect(&self) -> Outcome<Connection> {
        Connection::open(self.address)
    }

    /// Megabytes that are its own or shared.
    pub(crate) fn resident_mb(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
    }

    /// Seconds of CPU since it started.
    pub(crate) fn cpu_seconds(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may hold anything: state and 10 more numbers, then user and system ticks of 10 ms.
        let after = stat.rsplit_once(')').ok_or("no name")?.1;
        let ticks: f64 = after.split_whitespace().skip(11).take(2).map(|n| n.parse::<f64>().unwrap_or(0.0)).sum();
        Ok(ticks / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// A folder with all that is in it, less the demo's packages.
fn copy(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "demo" {
                copy(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
