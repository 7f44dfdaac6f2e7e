//! The rules between settings, and those that a type alone can't state.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::{ClientAuth, Config, ConfigFaults, descriptors_for_connections};

/// Longest deadline of a call: by it is bounded how far behind the newest events one may still be committed.
const MAX_REQUEST_DEADLINE: Duration = Duration::from_mins(2);

impl Config {
    /// Whether anything listens at `listen`.
    #[must_use]
    pub fn listens_at_listen(&self) -> bool {
        self.verify_listen.is_none() || self.admin_listen.is_none()
    }

    /// Checks them all.
    pub(super) fn check(&self, faults: &mut ConfigFaults) {
        self.check_tls(faults);
        self.check_client_auth(faults);
        self.check_listeners(faults);
        self.check_files(faults);
        self.check_limits(faults);
    }

    fn check_tls(&self, faults: &mut ConfigFaults) {
        match (&self.tls_cert_file, &self.tls_key_file) {
            (Some(_), None) => faults.add("tls_key_file", "is missing: tls_cert_file needs it"),
            (None, Some(_)) => faults.add("tls_cert_file", "is missing: tls_key_file needs it"),
            (Some(_), Some(_)) if self.insecure_plaintext => {
                faults.add("insecure_plaintext", "contradicts tls_cert_file");
            }
            _ => {}
        }
    }

    fn check_client_auth(&self, faults: &mut ConfigFaults) {
        const SWITCHED_OFF: &str =
            "means nothing while tls_client_auth is off: make that optional or required";
        if self.tls_client_auth == ClientAuth::Off {
            // Whoever names them believes that clients are checked.
            if self.tls_client_ca_file.is_some() {
                faults.add("tls_client_ca_file", SWITCHED_OFF);
            }
            if !self.tls_client_names.is_empty() {
                faults.add("tls_client_names", SWITCHED_OFF);
            }
            return;
        }
        if self.tls_cert_file.is_none() && self.tls_key_file.is_none() {
            faults.add(
                "tls_client_auth",
                "needs TLS: give tls_cert_file and tls_key_file",
            );
        }
        if self.tls_client_ca_file.is_none() {
            faults.add("tls_client_ca_file", "is missing: tls_client_auth needs it");
        }
    }

    fn check_listeners(&self, faults: &mut ConfigFaults) {
        let mut listeners: Vec<(&str, SocketAddr)> = Vec::new();
        listeners.extend(self.listens_at_listen().then_some(("listen", self.listen)));
        listeners.extend(self.verify_listen.map(|address| ("verify_listen", address)));
        listeners.extend(self.admin_listen.map(|address| ("admin_listen", address)));
        let plaintext = self.tls_cert_file.is_none() && self.tls_key_file.is_none();
        for (name, address) in &listeners {
            if plaintext && !address.ip().is_loopback() && !self.insecure_plaintext {
                faults.add(
                    name,
                    "is not a loopback address, and tokens would travel in plaintext: give tls_cert_file and tls_key_file, or insecure_plaintext",
                );
            }
        }
        // No token travels to health, so that its address may be any.
        listeners.extend(self.health_listen.map(|address| ("health_listen", address)));
        for (at, (name, address)) in listeners.iter().enumerate() {
            let same = |(_, other): &&(&str, SocketAddr)| other == address && address.port() != 0;
            if let Some((other, _)) = listeners.iter().take(at).find(same) {
                faults.add(
                    name,
                    format!("is the address of {other} too: each needs one of its own"),
                );
            }
        }
    }

    fn check_files(&self, faults: &mut ConfigFaults) {
        if self.root_key_file.is_some() && self.root_passphrase_file.is_some() {
            faults.add(
                "root_passphrase_file",
                "contradicts root_key_file: give one of them",
            );
        }
        for (name, file) in [
            ("root_key_file", &self.root_key_file),
            ("root_passphrase_file", &self.root_passphrase_file),
            ("bootstrap_token_file", &self.bootstrap_token_file),
            ("tls_cert_file", &self.tls_cert_file),
            ("tls_key_file", &self.tls_key_file),
            ("tls_client_ca_file", &self.tls_client_ca_file),
        ] {
            if let Some(error) = file.as_ref().and_then(|path| unreadable(path)) {
                faults.add(name, format!("names a file that can't be read: {error}"));
            }
        }
    }

    fn check_limits(&self, faults: &mut ConfigFaults) {
        for (name, duration) in [
            ("request_deadline", self.request_deadline),
            ("handshake_timeout", self.handshake_timeout),
            ("send_timeout", self.send_timeout),
            ("keepalive_interval", self.keepalive_interval),
            ("keepalive_timeout", self.keepalive_timeout),
            ("max_connection_idle", self.max_connection_idle),
            ("max_connection_age", self.max_connection_age),
            ("tls_reload_interval", self.tls_reload_interval),
        ] {
            if duration.is_zero() {
                faults.add(name, "must be longer than nothing");
            }
        }
        if self.request_deadline > MAX_REQUEST_DEADLINE {
            faults.add("request_deadline", "must be at most 2m");
        }
        if self.max_concurrent_streams == 0 {
            faults.add("max_concurrent_streams", "must be at least 1");
        }
        let most = descriptors_for_connections();
        if self.max_connections > most {
            faults.add(
                "max_connections",
                format!(
                    "is more than the descriptor limit of this process leaves, which is {most}"
                ),
            );
        }
    }
}

fn unreadable(path: &Path) -> Option<ErrorKind> {
    match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_dir() => Some(ErrorKind::IsADirectory),
        Ok(_) => None,
        Err(error) => Some(error.kind()),
    }
}
