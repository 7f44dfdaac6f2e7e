//! Who vouches for the server, and what vouches for this client.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use zeroize::Zeroizing;

use super::super::failure::Failure;
use super::{Environment, path, read};

const CA_FILE: &str = "TOKEN_AUTHORITY_CA_FILE";
const CLIENT_CERT_FILE: &str = "TOKEN_AUTHORITY_CLIENT_CERT_FILE";
const CLIENT_KEY_FILE: &str = "TOKEN_AUTHORITY_CLIENT_KEY_FILE";

/// The files of an https:// connection.
#[derive(Debug, Default, clap::Args)]
#[expect(
    clippy::struct_field_names,
    reason = "they are the names of the options"
)]
pub(in crate::cli) struct TlsOptions {
    #[arg(
        long,
        value_name = "PATH",
        help = "The PEM certificates that vouch for an https:// server [env: TOKEN_AUTHORITY_CA_FILE]"
    )]
    ca_file: Option<PathBuf>,
    #[arg(
        long,
        value_name = "PATH",
        help = "The PEM certificate chain to show to an https:// server that asks for one [env: \
            TOKEN_AUTHORITY_CLIENT_CERT_FILE]"
    )]
    client_cert_file: Option<PathBuf>,
    #[arg(
        long,
        value_name = "PATH",
        help = "The PEM private key of that certificate [env: TOKEN_AUTHORITY_CLIENT_KEY_FILE]"
    )]
    client_key_file: Option<PathBuf>,
}

// === impl TlsOptions ===

impl TlsOptions {
    pub(super) fn or(self, outer: Self) -> Self {
        Self {
            ca_file: self.ca_file.or(outer.ca_file),
            client_cert_file: self.client_cert_file.or(outer.client_cert_file),
            client_key_file: self.client_key_file.or(outer.client_key_file),
        }
    }

    pub(super) fn config(&self, environment: Environment<'_>) -> Result<ClientTlsConfig, Failure> {
        let named = |option: &Option<PathBuf>, variable: &str| {
            option.clone().or_else(|| path(environment, variable))
        };
        let Some(file) = named(&self.ca_file, CA_FILE) else {
            let hint = format!(
                "name the PEM file of its certificate authority with --ca-file or {CA_FILE}"
            );
            return Err(Failure::usage(
                "nothing vouches for the https:// server",
                hint,
            ));
        };
        let ca = Certificate::from_pem(certificates(&file)?.as_slice());
        let config = ClientTlsConfig::new().ca_certificate(ca);
        let certificate = named(&self.client_cert_file, CLIENT_CERT_FILE);
        let key = named(&self.client_key_file, CLIENT_KEY_FILE);
        match (certificate, key) {
            (None, None) => Ok(config),
            (Some(certificate), Some(key)) => {
                let (certificate, key) = (certificates(&certificate)?, private_key(&key)?);
                Ok(config.identity(Identity::from_pem(certificate.as_slice(), key.as_slice())))
            }
            (Some(_), None) => Err(Failure::usage(
                "the client certificate has no key",
                format!("name its PEM file with --client-key-file or {CLIENT_KEY_FILE}"),
            )),
            (None, Some(_)) => Err(Failure::usage(
                "the client key has no certificate",
                format!("name its PEM file with --client-cert-file or {CLIENT_CERT_FILE}"),
            )),
        }
    }
}

fn certificates(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let pem = read(file).map_err(|error| Failure::file("the certificates", file, &error))?;
    if matches!(CertificateDer::pem_slice_iter(&pem).next(), Some(Ok(_))) {
        Ok(pem)
    } else {
        Err(not_pem(file, "certificate"))
    }
}

fn private_key(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let pem = read(file).map_err(|error| Failure::file("the private key", file, &error))?;
    if PrivateKeyDer::from_pem_slice(&pem).is_ok() {
        Ok(pem)
    } else {
        Err(not_pem(file, "private key"))
    }
}

fn not_pem(file: &Path, what: &str) -> Failure {
    Failure::usage(
        format!("{} does not hold a {what}", file.display()),
        "it must be in the PEM format",
    )
}
