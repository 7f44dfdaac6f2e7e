//! How the values of settings are spelt: the same in file, environment and flag.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// A type that a setting can have.
pub trait Value: Sized {
    /// Whether the flag may stand alone, for `true`.
    const SWITCH: bool = false;

    /// Reads a value; the error says what one must be, and does not repeat this one.
    fn parse(text: &str) -> Result<Self, &'static str>;
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Nobody is asked for one.
    Off,
    /// One that is shown must be right; none is right too.
    Optional,
    /// Who shows none is refused.
    Required,
}

/// Filter directives that were seen to be well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

// === impl LogFilter ===

impl LogFilter {
    /// The directives as they were given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Value ===

impl Value for SocketAddr {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut addresses = text.to_socket_addrs().map_err(|_| ADDRESS)?;
        addresses.next().ok_or(ADDRESS)
    }
}

impl Value for Option<SocketAddr> {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "" => Ok(None),
            address => SocketAddr::parse(address).map(Some),
        }
    }
}

const ADDRESS: &str = "HOST:PORT, such as 127.0.0.1:50051";

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "" => Err("a path"),
            path => Ok(PathBuf::from(path)),
        }
    }
}

impl Value for Option<PathBuf> {
    fn parse(text: &str) -> Result<Self, &'static str> {
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }
}

impl Value for bool {
    const SWITCH: bool = true;

    fn parse(text: &str) -> Result<Self, &'static str> {
        text.parse().map_err(|_| "true or false")
    }
}

impl Value for Vec<IpNet> {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items
            .map(|item| {
                item.parse::<IpNet>()
                    .or_else(|_| item.parse::<IpAddr>().map(IpNet::from))
            })
            .collect::<Result<_, _>>()
            .map_err(|_| "addresses and networks such as 10.0.0.0/8, separated by commas")
    }
}

impl Value for Vec<String> {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let items = text.split(',').map(str::trim);
        Ok(items
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect())
    }
}

impl Value for ClientAuth {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "off" => Ok(ClientAuth::Off),
            "optional" => Ok(ClientAuth::Optional),
            "required" => Ok(ClientAuth::Required),
            _ => Err("off, optional or required"),
        }
    }
}

impl Value for LogFormat {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("text or json"),
        }
    }
}

impl Value for LogFilter {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const WANTED: &str = "error, warn, info, debug, trace, off, or directives such as info,token_authority::store=debug";
        // A bare word that is no level would name a target, and silence all others: it is a slip of the pen.
        let mut bare = text.split(',').filter(|part| !part.contains('='));
        if !bare.all(|level| !level.is_empty() && level.parse::<LevelFilter>().is_ok()) {
            return Err(WANTED);
        }
        EnvFilter::builder()
            .parse(text)
            .map(|_| LogFilter(text.to_owned()))
            .map_err(|_| WANTED)
    }
}

impl Value for usize {
    fn parse(text: &str) -> Result<Self, &'static str> {
        text.parse().map_err(|_| "a whole number")
    }
}

impl Value for u32 {
    fn parse(text: &str) -> Result<Self, &'static str> {
        text.parse().map_err(|_| "a whole number")
    }
}

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const WANTED: &str = "a duration such as 500ms, 10s, 5m or 1h";
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(WANTED)?;
        let (count, unit) = text.split_at(digits);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(WANTED),
        };
        // In u32 a count of hours stays far below what the clocks of the runtime can add.
        let count: u32 = count.parse().map_err(|_| WANTED)?;
        Ok(Duration::from_millis(u64::from(count) * millis))
    }
}
