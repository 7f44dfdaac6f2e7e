//! The configuration file: whatever stands in it, all faults are told, and no value is.

#![no_main]

use std::ffi::OsString;
use std::io::{Seek as _, Write as _};
use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;
use token_authority::config::{Config, Settings};

/// What stands for a secret in a value.
const CANARY: &str = "canary";

static FILE: LazyLock<Mutex<NamedTempFile>> =
    LazyLock::new(|| Mutex::new(NamedTempFile::new().expect("a file")));

fuzz_target!(|input: &[u8]| {
    let table: Option<toml::Table> = std::str::from_utf8(input)
        .ok()
        .and_then(|text| text.parse().ok());
    // A name would be looked up, which takes as long as it takes.
    let listen = table
        .as_ref()
        .and_then(|table| table.get("listen")?.as_str());
    if listen.is_some_and(|listen| listen.parse::<SocketAddr>().is_err()) {
        return;
    }
    let mut file = FILE.lock().expect("one thread");
    let written = file
        .as_file_mut()
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(input));
    written.expect("the file is written");
    let environment = [("TOKEN_AUTHORITY_CONFIG".into(), OsString::from(file.path()))];
    match Config::load(&Settings::default(), environment) {
        Ok(config) => {
            assert!(table.is_some(), "what is no TOML is no configuration");
            assert!(config.worker_count() >= 1 && config.connection_cap() >= 1);
            assert!(!config.request_deadline.is_zero());
            assert!(
                config.listen.ip().is_loopback()
                    || config.insecure_plaintext
                    || config.tls_cert_file.is_some()
            );
        }
        Err(faults) => {
            // Names that are no setting's are told, values never.
            let named = table.is_some_and(|table| table.keys().any(|key| key.contains(CANARY)));
            assert!(named || !faults.to_string().contains(CANARY), "{faults}");
        }
    }
});
