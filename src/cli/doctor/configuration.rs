//! A server's configuration: what its file says, whether its certificate serves, and whether it can listen.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Check, certificate, machine};
use crate::config::{Config, Settings};

/// The rights of everybody in a file's mode; a group may read what Kubernetes mounts.
const EVERYBODY: u32 = 0o007;

/// Looks at what the file says; what the server's own environment and flags say outranks it, and is not known here.
pub(super) fn look(file: &Path, checks: &mut Vec<Check>) {
    let config = match Config::load(&Settings::of_file(file), []) {
        Ok(config) => config,
        Err(faults) => {
            let told = faults.to_string();
            for fault in told.lines().skip(1) {
                checks.push(Check::fail(
                    "configuration",
                    fault.trim(),
                    "`token-authority serve --help` names each setting and its form",
                ));
            }
            return;
        }
    };
    checks.push(Check::ok(
        "configuration",
        format!("{} is in order", file.display()),
    ));
    checks.extend(tls(&config));
    checks.push(listener(&config));
    if let Some(key) = &config.root_key_file {
        checks.push(root_key(key, &config.data_dir));
    }
    if config.data_dir.exists() {
        machine::look(&config.data_dir, checks);
    } else {
        let dir = config.data_dir.display();
        checks.push(Check::ok(
            "data directory",
            format!("{dir} is made at the first start"),
        ));
    }
}

fn tls(config: &Config) -> Vec<Check> {
    let (Some(chain_file), Some(key_file)) = (&config.tls_cert_file, &config.tls_key_file) else {
        let found = "none: plaintext";
        return vec![if config.listen.ip().is_loopback() {
            Check::ok("certificate", format!("{found}, to this machine alone"))
        } else {
            let advice = "give tls_cert_file and tls_key_file, unless a mesh encrypts";
            Check::warn("certificate", format!("{found}, to other machines"), advice)
        }];
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(chain_file).and_then(Iterator::collect);
    let chain = chain.unwrap_or_default();
    let Some(leaf) = chain.first().cloned() else {
        let found = format!("{} holds no certificate", chain_file.display());
        return vec![Check::fail(
            "certificate",
            found,
            "it must be in the PEM format",
        )];
    };
    let mut checks = vec![certificate::expiry("certificate", &leaf)];
    let Ok(key) = PrivateKeyDer::from_pem_file(key_file) else {
        let found = format!("{} holds no private key", key_file.display());
        checks.push(Check::fail(
            "private key",
            found,
            "it must be in the PEM format",
        ));
        return checks;
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let together = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|tls| tls.with_no_client_auth().with_single_cert(chain, key));
    checks.push(match together {
        Ok(_) => Check::ok("private key", "it goes with the certificate"),
        Err(error) => Check::fail(
            "private key",
            error.to_string(),
            "tls_key_file must hold the key of the first certificate in tls_cert_file",
        ),
    });
    checks
}

fn listener(config: &Config) -> Check {
    let address = config.listen;
    match TcpListener::bind(address) {
        Ok(_) => Check::ok("listener", format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Check::warn(
            "listener",
            format!("{address} is in use"),
            "nothing, if that is this server; else end the other program, or choose another `listen`",
        ),
        Err(error) => Check::fail(
            "listener",
            format!("can't listen on {address}: {error}"),
            "choose another `listen`",
        ),
    }
}

fn root_key(file: &Path, data_dir: &Path) -> Check {
    let what = "root key file";
    let path = file.display();
    let mode = match file.metadata() {
        Ok(metadata) => metadata.permissions().mode(),
        Err(error) => return Check::fail(what, format!("{path}: {error}"), "check the path"),
    };
    if mode & EVERYBODY != 0 {
        let found = format!("everybody on this machine can get at {path}");
        return Check::fail(what, found, format!("chmod 600 {path}"));
    }
    let inside = |(file, dir): (std::path::PathBuf, std::path::PathBuf)| file.starts_with(dir);
    let whole = file.canonicalize().ok().zip(data_dir.canonicalize().ok());
    if whole.is_some_and(inside) {
        return Check::warn(
            what,
            format!("{path} lies in the data directory"),
            "keep it on another volume: whoever copies the directory has both",
        );
    }
    Check::ok(what, format!("{path}"))
}
