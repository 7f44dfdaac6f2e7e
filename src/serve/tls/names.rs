//! The names that a certificate bears, and the rule that a client's must bear one of some.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

/// One name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name<'a> {
    /// Of a host, in which case means nothing (RFC 4343).
    Host(&'a str),
    /// A URI, an e-mail address, or a common name.
    Exact(&'a str),
}

/// Believes what `inner` believes, if it also bears one of the names.
#[derive(Debug)]
pub(super) struct Named {
    names: Arc<[String]>,
    inner: Arc<dyn ClientCertVerifier>,
}

/// The names of a certificate: its alternative names, or, only where it has no such extension, its common name (RFC 6125,
/// section 6.4.4). None where the extension can't be read.
pub(super) fn names<'a>(certificate: &'a X509Certificate<'_>) -> Vec<Name<'a>> {
    match certificate.subject_alternative_name() {
        Ok(Some(alternative)) => {
            let names = alternative.value.general_names.iter();
            names.filter_map(Name::of).collect()
        }
        Ok(None) => {
            let common = certificate.subject().iter_common_name();
            common
                .filter_map(|name| name.as_str().ok().map(Name::Exact))
                .collect()
        }
        Err(_) => Vec::new(),
    }
}

// === impl Name ===

impl<'a> Name<'a> {
    fn of(name: &GeneralName<'a>) -> Option<Name<'a>> {
        match *name {
            GeneralName::DNSName(host) => Some(Name::Host(host)),
            GeneralName::URI(name) | GeneralName::RFC822Name(name) => Some(Name::Exact(name)),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> &'a str {
        match *self {
            Name::Host(name) | Name::Exact(name) => name,
        }
    }

    fn is(&self, wanted: &str) -> bool {
        match self {
            Name::Host(host) => host.eq_ignore_ascii_case(wanted),
            Name::Exact(name) => *name == wanted,
        }
    }
}

// === impl Named ===

impl Named {
    /// Without any names, `inner` alone decides.
    pub(super) fn one_of(
        names: Arc<[String]>,
        inner: Arc<dyn ClientCertVerifier>,
    ) -> Arc<dyn ClientCertVerifier> {
        if names.is_empty() {
            inner
        } else {
            Arc::new(Named { names, inner })
        }
    }

    fn admits(&self, certificate: &CertificateDer<'_>) -> Result<bool, Error> {
        let (_, certificate) = X509Certificate::from_der(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let borne = names(&certificate);
        Ok(self
            .names
            .iter()
            .any(|wanted| borne.iter().any(|name| name.is(wanted))))
    }
}

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Names mean something only once somebody vouches for them.
        let verified = self
            .inner
            .verify_client_cert(end_entity, intermediates, now)?;
        if self.admits(end_entity)? {
            Ok(verified)
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.inner.requires_raw_public_keys()
    }
}
