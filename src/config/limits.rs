//! Limits of the service: each is a flag, a setting and, where clients need it, a field of `limits` in `GET /v1/info`.

use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::units::{count, size, time};

/// Limits of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args, Serialize, ToSchema)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Maximum size of a request body without images
    #[arg(long, env = "DIPTYCH_MAX_BODY", default_value = "1MiB", value_name = "SIZE",
          value_parser = size(1 << 10..=1 << 30))]
    #[serde(rename = "body_bytes")]
    pub max_body: usize,
    /// Maximum size of a request body that may contain images
    #[arg(long, env = "DIPTYCH_MAX_PICTURE", default_value = "32MiB", value_name = "SIZE",
          value_parser = size(1 << 10..=1 << 30))]
    #[serde(rename = "picture_bytes")]
    pub max_picture: usize,
    /// Maximum memory for request bodies in progress; a request that would exceed it gets 503
    #[arg(long, env = "DIPTYCH_MAX_UPLOADS", default_value = "512MiB", value_name = "SIZE",
          value_parser = size(1 << 20..=1 << 40))]
    #[serde(rename = "upload_bytes")]
    pub max_uploads: usize,
    /// Maximum size of a request's head: request line and all headers
    #[arg(long, env = "DIPTYCH_MAX_HEAD", default_value = "16KiB", value_name = "SIZE",
          value_parser = size(1 << 10..=1 << 20))]
    #[serde(rename = "head_bytes")]
    pub max_head: usize,
    /// Maximum number of headers of a request
    #[arg(long, env = "DIPTYCH_MAX_HEADERS", default_value_t = 64, value_name = "N", value_parser = count(8..=1000))]
    #[serde(rename = "headers")]
    pub max_headers: usize,
    /// Maximum number of characters in the text of a query
    #[arg(long, env = "DIPTYCH_MAX_TEXT_CHARS", default_value_t = 10_000, value_name = "N",
          value_parser = count(1..=1_000_000))]
    #[serde(rename = "text_chars")]
    pub max_text_chars: usize,
    /// Maximum number of terms in a query
    #[arg(long, env = "DIPTYCH_MAX_TERMS", default_value_t = 16, value_name = "N", value_parser = count(1..=1000))]
    #[serde(rename = "terms")]
    pub max_terms: usize,
    /// Maximum number of results per page, and of inputs embedded by one request
    #[arg(long, env = "DIPTYCH_MAX_RESULTS", default_value_t = 100, value_name = "N", value_parser = count(1..=1000))]
    #[serde(rename = "results")]
    pub max_results: usize,
    /// Maximum number of items in a batch that is written while the client waits; a larger batch becomes a task
    #[arg(long, env = "DIPTYCH_MAX_BATCH", default_value_t = 200, value_name = "N", value_parser = count(1..=10_000))]
    #[serde(rename = "batch")]
    pub max_batch: usize,
    /// Maximum nesting depth of filters
    #[arg(long, env = "DIPTYCH_MAX_FILTER_DEPTH", default_value_t = 8, value_name = "N", value_parser = count(1..=32))]
    #[serde(rename = "filter_depth")]
    pub max_filter_depth: usize,
    /// Maximum number of conditions in a filter, including nested filters
    #[arg(long, env = "DIPTYCH_MAX_FILTER_CONDITIONS", default_value_t = 100, value_name = "N",
          value_parser = count(1..=500))]
    #[serde(rename = "filter_conditions")]
    pub max_filter_conditions: usize,
    /// Maximum number of queries waiting for an encoder; further ones get 503
    #[arg(long, env = "DIPTYCH_QUEUE", default_value_t = 64, value_name = "N", value_parser = count(1..=10_000))]
    pub queue: usize,
    /// Maximum number of query texts whose embeddings are cached; 0 disables the cache
    #[arg(long, alias = "kept-texts", env = "DIPTYCH_QUERY_CACHE_ENTRIES", default_value_t = 4096, value_name = "N",
          value_parser = count(0..=1_000_000))]
    #[serde(skip)]
    pub query_cache_entries: usize,
    /// Maximum memory of the query cache
    #[arg(long, alias = "kept-bytes", env = "DIPTYCH_QUERY_CACHE_SIZE", default_value = "32MiB", value_name = "SIZE",
          value_parser = size(1 << 20..=1 << 40))]
    #[serde(skip)]
    pub query_cache_size: usize,
    /// Maximum number of concurrent searches and writes; further ones get 503. Probes and admin requests do not count
    #[arg(long, env = "DIPTYCH_MAX_REQUESTS", default_value_t = 256, value_name = "N",
          value_parser = count(1..=100_000))]
    #[serde(rename = "requests")]
    pub max_requests: usize,
    /// Maximum number of concurrent connections; some more are accepted for probes and admin requests
    #[arg(long, env = "DIPTYCH_MAX_CONNECTIONS", default_value_t = 512, value_name = "N",
          value_parser = count(1..=100_000))]
    #[serde(rename = "connections")]
    pub max_connections: usize,
    /// Maximum time to receive the head of a request, and maximum idle time of a connection
    #[arg(long, env = "DIPTYCH_HEAD_TIMEOUT", default_value = "15s", value_name = "TIME", value_parser = time(3600))]
    #[serde(rename = "head_timeout_ms", serialize_with = "milliseconds")]
    #[schema(value_type = u64)]
    pub head_timeout: Duration,
    /// Maximum time to receive the body of a request, and maximum time that a client may not read from a response
    #[arg(long, env = "DIPTYCH_BODY_TIMEOUT", default_value = "30s", value_name = "TIME", value_parser = time(3600))]
    #[serde(rename = "body_timeout_ms", serialize_with = "milliseconds")]
    #[schema(value_type = u64)]
    pub body_timeout: Duration,
    /// Maximum time to produce a response once the request is received
    #[arg(long, env = "DIPTYCH_REQUEST_TIMEOUT", default_value = "30s", value_name = "TIME",
          value_parser = time(3600))]
    #[serde(rename = "request_timeout_ms", serialize_with = "milliseconds")]
    #[schema(value_type = u64)]
    pub request_timeout: Duration,
    /// Maximum time for running requests to complete on shutdown
    #[arg(long, env = "DIPTYCH_DRAIN_TIMEOUT", default_value = "10s", value_name = "TIME", value_parser = time(3600))]
    #[serde(rename = "drain_timeout_ms", serialize_with = "milliseconds")]
    #[schema(value_type = u64)]
    pub drain_timeout: Duration,
}

impl Limits {
    /// Contradictions between limits, a sentence each.
    pub fn faults(&self) -> Vec<String> {
        let bodies = [("max_body", self.max_body), ("max_picture", self.max_picture)];
        let too_large = bodies.into_iter().filter(|(_, bytes)| *bytes > self.max_uploads);
        let fault = |(name, bytes)| {
            let uploads = self.max_uploads;
            format!("{name} is {bytes} bytes but max_uploads {uploads}: no body of that size could be received")
        };
        too_large.map(fault).collect()
    }
}

/// The defaults of the flags.
impl Default for Limits {
    fn default() -> Self {
        #[derive(Parser)]
        struct Flags {
            #[command(flatten)]
            limits: Limits,
        }
        let command = Flags::command().mut_args(|arg| arg.env(None::<&'static str>));
        let flags = command.try_get_matches_from(["limits"]).and_then(|matches| Flags::from_arg_matches(&matches));
        flags.expect("the flags' defaults are valid").limits
    }
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_limits_do_not_contradict_each_other() {
        assert_eq!(Limits::default().faults(), Vec::<String>::new());
        let limits = Limits { max_uploads: 1 << 20, ..Limits::default() };
        assert_eq!(limits.faults().len(), 1, "a picture of 32 MiB cannot be received in 1 MiB");
    }
}
