//! A minimal HTTP/1.1 client. It shares the cores with the service that it measures, so it must be cheap.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::options::BenchResult;

/// A persistent connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> BenchResult<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(1 << 16, stream), line: String::new(), body: Vec::new() })
    }

    /// Sends the bytes of a request and returns the response's status and body.
    pub(crate) fn send(&mut self, request: &[u8]) -> BenchResult<(u16, &[u8])> {
        self.stream.get_mut().write_all(request)?;
        self.next_line()?;
        let status = self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status line")?;
        let mut length = 0;
        loop {
            self.next_line()?;
            let Some((name, value)) = self.line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        Ok((status, &self.body))
    }

    /// Sends a request and parses the response as JSON. Any other status than success is an error.
    pub(crate) fn json(&mut self, request: &[u8]) -> BenchResult<Value> {
        let (status, body) = self.send(request)?;
        if !(200..300).contains(&status) {
            return Err(format!("{status}: {}", String::from_utf8_lossy(body)).into());
        }
        Ok(serde_json::from_slice(body)?)
    }

    fn next_line(&mut self) -> BenchResult<()> {
        self.line.clear();
        if self.stream.read_line(&mut self.line)? == 0 {
            return Err("the service closed the connection".into());
        }
        Ok(())
    }
}

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: load\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    request("GET", path, "application/json", &[])
}

pub(crate) fn post(path: &str, body: &Value) -> Vec<u8> {
    request("POST", path, "application/json", body.to_string().as_bytes())
}
