//! What `serve` may be told: where it listens, who may ask from where, and how much of everything it allows.

use std::{net::SocketAddr, time::Duration};

use clap::{ArgAction, Args};

use super::units::{count, size, time};

/// Where the service listens.
#[derive(Debug, Clone, Copy, Args)]
pub struct ListenArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "DIPTYCH_LISTEN", default_value = "127.0.0.1:7700", value_name = "HOST:PORT")]
    pub listen: SocketAddr,
}

/// Settings of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where to listen
    #[command(flatten)]
    pub at: ListenArgs,
    /// Origin of another site's pages that may ask as well, such as `https://example.org`; may be given more than once, or as a
    /// list with commas
    #[arg(long = "cors-origin", env = "DIPTYCH_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',',
          value_parser = origin)]
    pub cors_origins: Vec<String>,
    /// Whether /metrics is for everyone; otherwise it needs a key of the scope admin
    #[arg(long, env = "DIPTYCH_METRICS_OPEN", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    pub metrics_open: bool,
    /// How much of everything is allowed
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// How much of everything the service allows.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Largest body of a request that holds no picture
    #[arg(long, env = "DIPTYCH_MAX_BODY", default_value = "1MiB", value_name = "SIZE",
          value_parser = size(1 << 10..=1 << 30))]
    pub max_body: usize,
    /// Largest body of a request that may hold pictures
    #[arg(long, env = "DIPTYCH_MAX_PICTURE", default_value = "32MiB", value_name = "SIZE",
          value_parser = size(1 << 10..=1 << 30))]
    pub max_picture: usize,
    /// Most memory for bodies that are read at the same time; what would exceed it gets 503
    #[arg(long, env = "DIPTYCH_MAX_UPLOADS", default_value = "512MiB", value_name = "SIZE",
          value_parser = size(1 << 20..=1 << 40))]
    pub max_uploads: usize,
    /// Largest head of a request: its first line and all headers
    #[arg(long, env = "DIPTYCH_MAX_HEAD", default_value = "16KiB", value_name = "SIZE",
          value_parser = size(1 << 10..=1 << 20))]
    pub max_head: usize,
    /// Most headers of a request
    #[arg(long, env = "DIPTYCH_MAX_HEADERS", default_value_t = 64, value_name = "N", value_parser = count(8..=1000))]
    pub max_headers: usize,
    /// Most characters of a query's text
    #[arg(long, env = "DIPTYCH_MAX_TEXT_CHARS", default_value_t = 10_000, value_name = "N",
          value_parser = count(1..=1_000_000))]
    pub max_text_chars: usize,
    /// Most terms of a query
    #[arg(long, env = "DIPTYCH_MAX_TERMS", default_value_t = 16, value_name = "N", value_parser = count(1..=1000))]
    pub max_terms: usize,
    /// Most results of a page, and inputs that are embedded at once
    #[arg(long, env = "DIPTYCH_MAX_RESULTS", default_value_t = 100, value_name = "N", value_parser = count(1..=1000))]
    pub max_results: usize,
    /// Most items of a batch
    #[arg(long, env = "DIPTYCH_MAX_BATCH", default_value_t = 200, value_name = "N", value_parser = count(1..=10_000))]
    pub max_batch: usize,
    /// How deep filters may lie within each other
    #[arg(long, env = "DIPTYCH_MAX_FILTER_DEPTH", default_value_t = 8, value_name = "N", value_parser = count(1..=32))]
    pub max_filter_depth: usize,
    /// Most conditions of a filter, those of filters within it included
    #[arg(long, env = "DIPTYCH_MAX_FILTER_CONDITIONS", default_value_t = 100, value_name = "N",
          value_parser = count(1..=500))]
    pub max_filter_conditions: usize,
    /// Queries that may wait for an encoder; the next gets 503
    #[arg(long, env = "DIPTYCH_QUEUE", default_value_t = 64, value_name = "N", value_parser = count(1..=10_000))]
    pub queue: usize,
    /// Texts whose points are kept for whoever asks them again; 0 keeps none
    #[arg(long, env = "DIPTYCH_KEPT_TEXTS", default_value_t = 4096, value_name = "N", value_parser = count(0..=1_000_000))]
    pub kept_texts: usize,
    /// Memory that they may take
    #[arg(long, env = "DIPTYCH_KEPT_BYTES", default_value = "32MiB", value_name = "SIZE", value_parser = size(1 << 20..=1 << 40))]
    pub kept_bytes: usize,
    /// Searches and changes at work at the same time; the next gets 503. Probes and what owners do are not counted
    #[arg(long, env = "DIPTYCH_MAX_REQUESTS", default_value_t = 256, value_name = "N", value_parser = count(1..=100_000))]
    pub max_requests: usize,
    /// Connections at the same time; some more are answered as long as they ask for probes or what owners do
    #[arg(long, env = "DIPTYCH_MAX_CONNECTIONS", default_value_t = 512, value_name = "N",
          value_parser = count(1..=100_000))]
    pub max_connections: usize,
    /// How long the head of a request may take to come, and how long a connection may be idle
    #[arg(long, env = "DIPTYCH_HEAD_TIMEOUT", default_value = "15s", value_name = "TIME", value_parser = time(3600))]
    pub head_timeout: Duration,
    /// How long the body of a request may take to come, and how long a client may read nothing of an answer
    #[arg(long, env = "DIPTYCH_BODY_TIMEOUT", default_value = "30s", value_name = "TIME", value_parser = time(3600))]
    pub body_timeout: Duration,
    /// How long the answer may take, once the request is there
    #[arg(long, env = "DIPTYCH_REQUEST_TIMEOUT", default_value = "30s", value_name = "TIME",
          value_parser = time(3600))]
    pub request_timeout: Duration,
    /// How long running requests may take to end once the service is asked to stop
    #[arg(long, env = "DIPTYCH_DRAIN_TIMEOUT", default_value = "10s", value_name = "TIME", value_parser = time(3600))]
    pub drain_timeout: Duration,
}

impl LimitArgs {
    /// What does not fit together, a sentence each; nothing if all does.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, bytes) in [("max_body", self.max_body), ("max_picture", self.max_picture)] {
            if bytes > self.max_uploads {
                let all = self.max_uploads;
                faults.push(format!("{name} is {bytes} bytes and max_uploads {all}: no such body could ever be read"));
            }
        }
        faults
    }
}

/// An origin as browsers send it: scheme, host and perhaps a port, nothing behind.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let plain = host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b));
    if host.is_empty() || !plain {
        return Err("an origin is http:// or https://, a host in lower case, perhaps a port, and nothing behind".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for good in ["https://example.org", "http://localhost:8080", "http://[::1]:80", "https://a-b.example"] {
            assert_eq!(origin(good), Ok(good.to_owned()));
        }
        for bad in ["*", "null", "example.org", "https://", "https://example.org/", "https://Example.org", "ftp://a"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
