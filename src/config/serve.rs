//! Arguments of `serve`: its address, allowed origins, and limits.

use std::net::SocketAddr;

use clap::{ArgAction, Args};

use super::limits::Limits;

/// Address of the service.
#[derive(Debug, Clone, Copy, Args)]
pub struct ListenArgs {
    /// Address to listen on; port 0 chooses a free one
    #[arg(long, env = "DIPTYCH_LISTEN", default_value = "127.0.0.1:7700", value_name = "HOST:PORT")]
    pub listen: SocketAddr,
}

/// Arguments of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address to listen on
    #[command(flatten)]
    pub at: ListenArgs,
    /// Origin of a site whose pages may use the API (CORS), such as `https://example.org`; may be repeated, or a list
    /// separated by commas
    #[arg(long = "cors-origin", env = "DIPTYCH_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',',
          value_parser = origin)]
    pub cors_origins: Vec<String>,
    /// Whether /metrics is public; if not, it requires a key with the scope admin
    #[arg(long, env = "DIPTYCH_METRICS_OPEN", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    pub metrics_open: bool,
    /// Limits of the service
    #[command(flatten)]
    pub limits: Limits,
}

/// Parses an origin as browsers send it: scheme, host and optionally a port.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let plain = host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:[]".contains(&b));
    if host.is_empty() || !plain {
        return Err(
            "an origin is http:// or https://, a host in lower case and optionally a port, without a path".into()
        );
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_accepted_as_browsers_send_them() {
        for good in ["https://example.org", "http://localhost:8080", "http://[::1]:80", "https://a-b.example"] {
            assert_eq!(origin(good), Ok(good.to_owned()));
        }
        for bad in ["*", "null", "example.org", "https://", "https://example.org/", "https://Example.org", "ftp://a"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
