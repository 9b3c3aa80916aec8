//! The service under load, on a copy of a collection, with the resources that it uses.

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
    client::{Connection, get},
    options::{BenchResult, Options},
};

/// A running service. Dropping it stops the service and removes its data.
pub(crate) struct Server {
    child: Child,
    data: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts the service on a copy of the collection, and waits until it is ready.
    pub(crate) fn start(options: &Options) -> BenchResult<Self> {
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("load-{}", std::process::id()));
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        copy(&options.collection, &data)?;
        let log = File::create(data.join("serve.log"))?;
        let mut child = Command::new(&options.binary)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("DIPTYCH_DATA", &data)
            .env("DIPTYCH_MODELS", &options.models)
            .env("DIPTYCH_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("the output is piped")?).lines();
        let address = lines.map_while(Result::ok).find_map(|line| {
            line.strip_prefix("diptych serves http://").and_then(|rest| rest.trim_end_matches('/').parse().ok())
        });
        let Some(address) = address else {
            let _ = child.kill();
            return Err(format!("the service ended: {}", fs::read_to_string(data.join("serve.log"))?).into());
        };
        let server = Self { child, data, address };
        let started = Instant::now();
        while server.connect()?.send(&get("/readyz"))?.0 != 200 {
            if started.elapsed() > Duration::from_secs(120) {
                return Err("the service does not become ready".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    pub(crate) fn connect(&self) -> BenchResult<Connection> {
        Connection::open(self.address)
    }

    /// Resident set size, in megabytes.
    pub(crate) fn resident_mb(&self) -> BenchResult<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
    }

    /// CPU seconds since the start.
    pub(crate) fn cpu_seconds(&self) -> BenchResult<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name, which may contain anything: the state and 10 numbers, then user and system ticks of 10 ms.
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

/// Copies a folder without the packages of the demo.
fn copy(from: &Path, to: &Path) -> BenchResult<()> {
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
