//! Configuration: one table of settings, each with one spelling.
//!
//! `data_dir` is the key in the file, `--data-dir` the flag and `TOKEN_AUTHORITY_DATA_DIR` the environment variable. A flag
//! outranks the environment, which outranks the file, which outranks the default. No setting holds a secret, but people
//! put secrets where they don't belong: no fault ever repeats a value.

mod faults;
mod file;
mod flags;
mod rewrap;
mod rules;
mod value;

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use faults::ConfigFaults;
pub use flags::{LIMITS, Settings};
pub use rewrap::Rewrap;
pub use value::{ClientAuth, LogFilter, LogFormat, Value};

/// What every environment variable of this service begins with.
pub const ENV_PREFIX: &str = "TOKEN_AUTHORITY_";
/// Variables that the command line reads as a client; the server leaves them alone.
const CLIENT_VARIABLES: [&str; 7] = [
    "TOKEN_AUTHORITY_CONTEXT",
    "TOKEN_AUTHORITY_SERVER",
    "TOKEN_AUTHORITY_TOKEN",
    "TOKEN_AUTHORITY_CREDENTIAL_FILE",
    "TOKEN_AUTHORITY_CA_FILE",
    "TOKEN_AUTHORITY_CLIENT_CERT_FILE",
    "TOKEN_AUTHORITY_CLIENT_KEY_FILE",
];
/// Connections that `health_listen` has for itself, whatever the cap of the others: probes come and go, a few at once.
pub const HEALTH_CONNECTIONS: usize = 64;
/// Descriptors kept for everything but connections under the cap: the store, the listeners, the runtimes, the log, what they
/// open, and the connections of probes.
const RESERVED_DESCRIPTORS: usize = 128 + HEALTH_CONNECTIONS;
/// Connections by default at most: more need memory that an operator should have thought about.
const DEFAULT_CONNECTIONS: usize = 16_384;
/// Connections that one peer may hold by default, however few there are in all: a lone client is not locked out.
const FEW_CONNECTIONS: usize = 64;

/// One row of the table.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the file; flag and environment variable follow from it.
    pub name: &'static str,
    /// What a value looks like.
    pub shape: &'static str,
    /// The value if none is given; empty for none.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Whether the flag may stand alone, for `true`.
    pub switch: bool,
}

macro_rules! settings {
    ($($(#[doc = $help:literal])+ $name:ident: $type:ty = $default:literal, $shape:literal;)+) => {
        /// Every setting that there is.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            shape: $shape,
            default: $default,
            help: concat!($($help),+),
            switch: <$type as Value>::SWITCH,
        }),+];

        /// What the server was told, checked.
        #[derive(Debug, Clone)]
        pub struct Config {
            $($(#[doc = $help])+ pub $name: $type,)+
        }

        impl Config {
            /// Reads every setting, those after a bad one too.
            fn read(given: &Given, faults: &mut ConfigFaults) -> Option<Config> {
                $(let $name = given.value::<$type>(stringify!($name), $default, faults);)+
                Some(Config { $($name: $name?),+ })
            }
        }
    };
}

settings! {
    /// Where to listen for all that has no listener of its own. With one for verifying and one for administrators, nothing listens here.
    listen: SocketAddr = "127.0.0.1:50051", "HOST:PORT";
    /// Where to listen for TokenVerify, alone; health and reflection are there too. Without it: at listen.
    verify_listen: Option<SocketAddr> = "", "HOST:PORT";
    /// Where to listen for TokenAdmin and Directory, alone; health and reflection are there too. Without it: at listen.
    admin_listen: Option<SocketAddr> = "", "HOST:PORT";
    /// Where to listen for health alone, always in plaintext, beside and not under the cap of connections: for probes that speak no TLS.
    health_listen: Option<SocketAddr> = "", "HOST:PORT";
    /// Where the embedded store and the files made at first start lie.
    data_dir: PathBuf = "token-authority-data", "DIR";
    /// The file with the root key that wraps all other keys; without it, one is made in the data directory.
    root_key_file: Option<PathBuf> = "", "FILE";
    /// The file with the passphrase that the root key is derived from, instead of a root key file.
    root_passphrase_file: Option<PathBuf> = "", "FILE";
    /// The file with the first operator's token; without it, one is minted into the data directory.
    bootstrap_token_file: Option<PathBuf> = "", "FILE";
    /// The server's certificate chain, PEM. Together with its key file: serves TLS.
    tls_cert_file: Option<PathBuf> = "", "FILE";
    /// The private key of the certificate, PEM.
    tls_key_file: Option<PathBuf> = "", "FILE";
    /// Whether clients must show a certificate that their authority vouches for; optional checks one that is shown.
    tls_client_auth: ClientAuth = "off", "off|optional|required";
    /// The certificates of the authority that vouches for clients, PEM.
    tls_client_ca_file: Option<PathBuf> = "", "FILE";
    /// Names of which a client's certificate must bear one: a DNS name, URI or e-mail address of its alternative names, or, without alternative names, its common name. Without any: each certificate that is vouched for.
    tls_client_names: Vec<String> = "", "NAME,...";
    /// How often to look whether these files were replaced. New connections then get what is new; those that there are go on.
    tls_reload_interval: Duration = "10s", "DURATION";
    /// Serves plaintext on an address that is not loopback.
    insecure_plaintext: bool = "false", "BOOL";
    /// Verifies tokens for callers without a credential: the network decides who may ask.
    verify_anonymous: bool = "false", "BOOL";
    /// Addresses and networks whose x-forwarded-for is believed.
    trusted_proxies: Vec<IpNet> = "", "CIDR,...";
    /// Serves server reflection: the schema, never data.
    reflection: bool = "true", "BOOL";
    /// How the log is written.
    log_format: LogFormat = "text", "text|json";
    /// What is logged: a level, or the directives of a tracing filter.
    log_level: LogFilter = "info", "LEVEL";
    /// Threads that serve connections; 0 for one per core.
    workers: usize = "0", "COUNT";
    /// Connections at once; 0 for what the descriptor limit leaves.
    max_connections: usize = "0", "COUNT";
    /// Connections at once from one address, or from one /64 of IPv6; 0 for half of all. A balancer may be one address.
    max_connections_per_peer: usize = "0", "COUNT";
    /// Calls at once on one connection.
    max_concurrent_streams: u32 = "256", "COUNT";
    /// The longest that a call may take: 2m at most.
    request_deadline: Duration = "10s", "DURATION";
    /// The longest that a connection may take to say that it speaks HTTP/2, TLS included, and to end headers that it began.
    handshake_timeout: Duration = "5s", "DURATION";
    /// How long a client may take nothing of an answer that is ready for it, 64 KiB at a time, before the call is cut.
    send_timeout: Duration = "30s", "DURATION";
    /// How often a connection is asked whether its peer is still there.
    keepalive_interval: Duration = "30s", "DURATION";
    /// How long the peer may take to answer that.
    keepalive_timeout: Duration = "10s", "DURATION";
    /// How long a connection may be without a call before it is asked to close: 10s where others wait for its place.
    max_connection_idle: Duration = "5m", "DURATION";
    /// Age at which a connection is asked to close, so that clients find new replicas.
    max_connection_age: Duration = "30m", "DURATION";
    /// How long calls on such a connection may still take.
    max_connection_age_grace: Duration = "30s", "DURATION";
    /// When stopping: how long to go on serving, so that balancers see that it is not ready.
    drain_wait: Duration = "1s", "DURATION";
    /// When stopping: how long calls under way may still take.
    drain_timeout: Duration = "20s", "DURATION";
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    File,
    Environment,
    Flag,
}

/// What was given, by setting; the source that outranks the others.
#[derive(Default)]
struct Given(HashMap<&'static str, (Source, String)>);

// === impl Config ===

impl Config {
    /// Reads flags, environment and file, and reports all that is wrong with them at once.
    pub fn load(
        settings: &Settings,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Config, ConfigFaults> {
        let mut faults = ConfigFaults::default();
        let (variables, file) = from_environment(environment, &mut faults);
        let mut given = Given::default();
        if let Some(path) = settings.file().or(file.as_deref()) {
            given.add(Source::File, file::read(path, &mut faults));
        }
        given.add(Source::Environment, variables);
        given.add(Source::Flag, settings.values().to_vec());

        let config = Config::read(&given, &mut faults);
        if let Some(config) = &config {
            config.check(&mut faults);
        }
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(faults),
        }
    }

    /// How many connections to hold at once.
    #[must_use]
    pub fn connection_cap(&self) -> usize {
        match self.max_connections {
            0 => descriptors_for_connections().min(DEFAULT_CONNECTIONS),
            cap => cap,
        }
    }

    /// How many connections one peer may hold at once.
    #[must_use]
    pub fn connections_per_peer(&self) -> usize {
        match self.max_connections_per_peer {
            0 => (self.connection_cap() / 2).max(FEW_CONNECTIONS),
            most => most,
        }
    }

    /// How many threads serve connections.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        }
    }
}

// === impl Setting ===

impl Setting {
    /// Its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.to_ascii_uppercase())
    }
}

// === impl Given ===

impl Given {
    /// Adds what a source says, over what the sources before it said.
    fn add(&mut self, source: Source, values: Vec<(&'static str, String)>) {
        for (name, value) in values {
            self.0.insert(name, (source, value));
        }
    }

    /// The value of a setting. After a fault it is the default, so that the rules between settings can still be checked.
    fn value<T: Value>(
        &self,
        name: &'static str,
        default: &str,
        faults: &mut ConfigFaults,
    ) -> Option<T> {
        if let Some((source, text)) = self.0.get(name) {
            match T::parse(text) {
                Ok(value) => return Some(value),
                Err(wanted) => faults.add(name, format!("{}must be {wanted}", source.origin(name))),
            }
        }
        T::parse(default).ok()
    }
}

// === impl Source ===

impl Source {
    fn origin(self, name: &str) -> String {
        match self {
            Source::File => "(in the file) ".to_owned(),
            Source::Environment => {
                format!("(in {ENV_PREFIX}{}) ", name.to_ascii_uppercase())
            }
            Source::Flag => format!("(in --{}) ", name.replace('_', "-")),
        }
    }
}

/// The setting of this name.
fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// What the environment says, and the configuration file that it names.
fn from_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    faults: &mut ConfigFaults,
) -> (Vec<(&'static str, String)>, Option<PathBuf>) {
    let mut values = Vec::new();
    let mut file = None;
    for (variable, value) in environment {
        let Some(variable) = variable.to_str() else {
            continue;
        };
        let Some(name) = variable.strip_prefix(ENV_PREFIX) else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        match setting(&name) {
            Some(setting) if setting.variable() == variable => match value.into_string() {
                Ok(value) => values.push((setting.name, value)),
                Err(_) => faults.add(variable, "is not UTF-8"),
            },
            _ if variable == "TOKEN_AUTHORITY_CONFIG" => file = Some(PathBuf::from(value)),
            _ if CLIENT_VARIABLES.contains(&variable) => {}
            _ => faults.add_unknown(variable, &name),
        }
    }
    (values, file)
}

/// Connections that the descriptor limit leaves room for.
fn descriptors_for_connections() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    limit.saturating_sub(RESERVED_DESCRIPTORS).max(1)
}

#[cfg(test)]
mod tests;
