//! `diptych health`: readiness probe of a running service, for supervisors.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Maximum duration of the probe.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of bytes of the response that are read.
const MAX_RESPONSE: u64 = 64 << 10;

pub(super) async fn run(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let address = reachable(listen);
    let response = tokio::time::timeout(TIMEOUT, get_readyz(address)).await;
    let response = response
        .unwrap_or_else(|_| bail!("no response within {TIMEOUT:?}"))
        .with_context(|| format!("cannot reach http://{address}/readyz"))?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    println!("{}", body.trim());
    let ready = head.split(' ').nth(1) == Some("200");
    Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn get_readyz(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE).read_to_end(&mut response).await?;
    Ok(String::from_utf8_lossy(&response).into_owned())
}

/// Address at which a service is reached from this machine: loopback if it listens on all addresses.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
