//! A peer: a Python process that responds to each line of JSON with one line of JSON.

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// Median of some measurements.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The process. Dropping it ends the process.
pub(crate) struct Peer {
    process: Child,
    requests: ChildStdin,
    responses: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a script of this folder with `python3`.
    pub(crate) fn start(script: &str, arguments: &[&Path]) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(script))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (requests, responses) = pipes.ok_or("both pipes are open")?;
        Ok(Self { process, requests, responses: BufReader::new(responses) })
    }

    /// Sends a line of JSON and returns the response.
    pub(crate) fn request(&mut self, request: &Value) -> Result<Value, Box<dyn Error>> {
        writeln!(self.requests, "{request}")?;
        let mut response = String::new();
        self.responses.read_line(&mut response)?;
        if response.is_empty() {
            return Err(format!("the peer exited: {}", self.process.wait()?).into());
        }
        Ok(serde_json::from_str(&response)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It would also exit at the end of its input.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
