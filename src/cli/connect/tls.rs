//! Who vouches for the server, and what vouches for this client.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use zeroize::Zeroizing;

use super::super::failure::Failure;
use super::{Environment, path, read};
use crate::cli::context::written::Context;

pub(super) const CA_FILE: &str = "TOKEN_AUTHORITY_CA_FILE";
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
    pub(super) ca_file: Option<PathBuf>,
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

/// The files that are in force.
#[derive(Debug, Default)]
pub(in crate::cli) struct TlsFiles {
    pub(in crate::cli) ca: Option<PathBuf>,
    pub(in crate::cli) certificate: Option<PathBuf>,
    pub(in crate::cli) key: Option<PathBuf>,
}

// === impl TlsOptions ===

impl TlsOptions {
    /// What options name, and where they are silent, the environment.
    pub(in crate::cli) fn files(&self, environment: Environment<'_>) -> TlsFiles {
        let named = |option: &Option<PathBuf>, variable: &str| {
            option.clone().or_else(|| path(environment, variable))
        };
        TlsFiles {
            ca: named(&self.ca_file, CA_FILE),
            certificate: named(&self.client_cert_file, CLIENT_CERT_FILE),
            key: named(&self.client_key_file, CLIENT_KEY_FILE),
        }
    }

    /// Shows the certificate of a context to the server, unless another, or another key, is named: they go together.
    pub(super) fn or_client_of(&mut self, context: &Context, environment: Environment<'_>) {
        let named = self.files(environment);
        if named.certificate.is_none() && named.key.is_none() {
            self.client_cert_file.clone_from(&context.client_cert_file);
            self.client_key_file.clone_from(&context.client_key_file);
        }
    }

    /// Keeps in a context what is named, for every directory, and fills in what is not with what was kept.
    pub(super) fn keep(
        &mut self,
        kept: &mut Context,
        environment: Environment<'_>,
    ) -> Result<(), Failure> {
        // Named for the directory that one stands in, and used from others.
        let whole = |file: PathBuf| {
            let whole = std::path::absolute(&file);
            whole.map_err(|error| Failure::file("the certificates", &file, &error))
        };
        let named = self.files(environment);
        if let Some(file) = named.ca {
            kept.ca_file = Some(whole(file)?);
        }
        if named.certificate.is_some() || named.key.is_some() {
            kept.client_cert_file = named.certificate.map(whole).transpose()?;
            kept.client_key_file = named.key.map(whole).transpose()?;
        }
        self.ca_file.clone_from(&kept.ca_file);
        self.client_cert_file.clone_from(&kept.client_cert_file);
        self.client_key_file.clone_from(&kept.client_key_file);
        Ok(())
    }

    pub(super) fn or(self, outer: Self) -> Self {
        Self {
            ca_file: self.ca_file.or(outer.ca_file),
            client_cert_file: self.client_cert_file.or(outer.client_cert_file),
            client_key_file: self.client_key_file.or(outer.client_key_file),
        }
    }

    pub(super) fn config(&self, environment: Environment<'_>) -> Result<ClientTlsConfig, Failure> {
        let files = self.files(environment);
        let Some(file) = files.ca else {
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
        match (files.certificate, files.key) {
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
