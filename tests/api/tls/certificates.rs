//! Certificates made for a test, and the files that a server finds them in.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, SanType, date_time_ymd,
};
use tonic::transport::Identity;

/// An authority that issues certificates.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: Certificate,
}

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate: Certificate,
    pub(crate) key: String,
}

/// What a certificate says of its owner.
pub(crate) struct Owner(CertificateParams);

/// The files of a server, as Kubernetes mounts a Secret: links into a folder that is itself reached by a link.
pub(crate) struct Mounted {
    folder: PathBuf,
    versions: usize,
}

// === impl Ca ===

impl Ca {
    pub(crate) fn new(name: &str) -> Ca {
        let key = KeyPair::generate().unwrap();
        let mut params = Owner::called(name).0;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Ca {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub(crate) fn issue(&self, owner: Owner) -> Pair {
        let (Owner(params), key) = (owner, KeyPair::generate().unwrap());
        Pair {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            key: key.serialize_pem(),
        }
    }

    /// A certificate of this machine.
    pub(crate) fn server(&self) -> Pair {
        self.issue(Owner::called("tokens").host("localhost"))
    }
}

// === impl Pair ===

impl Pair {
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_pem(self.certificate.pem(), &self.key)
    }
}

// === impl Owner ===

impl Owner {
    /// With this common name, and no alternative names.
    pub(crate) fn called(name: &str) -> Owner {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        Owner(params)
    }

    pub(crate) fn host(self, name: &str) -> Owner {
        self.also(SanType::DnsName(name.try_into().unwrap()))
    }

    pub(crate) fn uri(self, name: &str) -> Owner {
        self.also(SanType::URI(name.try_into().unwrap()))
    }

    pub(crate) fn email(self, name: &str) -> Owner {
        self.also(SanType::Rfc822Name(name.try_into().unwrap()))
    }

    pub(crate) fn address(self, address: &str) -> Owner {
        self.also(SanType::IpAddress(address.parse().unwrap()))
    }

    /// That ends at the beginning of this day.
    pub(crate) fn until(mut self, year: i32, month: u8, day: u8) -> Owner {
        self.0.not_after = date_time_ymd(year, month, day);
        self
    }

    fn also(mut self, name: SanType) -> Owner {
        self.0.subject_alt_names.push(name);
        self
    }
}

// === impl Mounted ===

impl Mounted {
    pub(crate) fn new(folder: &Path, pair: &Pair, client_ca: &str) -> Mounted {
        let mut mounted = Mounted {
            folder: folder.to_owned(),
            versions: 0,
        };
        mounted.swap(pair, client_ca);
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
        mounted
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// All at once, by a link.
    pub(crate) fn swap(&mut self, pair: &Pair, client_ca: &str) {
        self.versions += 1;
        let version = format!("..version-{}", self.versions);
        let folder = self.folder.join(&version);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("tls.crt"), pair.certificate.pem()).unwrap();
        fs::write(folder.join("tls.key"), &pair.key).unwrap();
        fs::write(folder.join("ca.crt"), client_ca).unwrap();
        let link = self.folder.join("..data_tmp");
        symlink(version, &link).unwrap();
        fs::rename(link, self.folder.join("..data")).unwrap();
    }

    /// One file after the other, each emptied first.
    pub(crate) fn overwrite(&self, pair: &Pair) {
        self.write("tls.crt", &pair.certificate.pem());
        self.write("tls.key", &pair.key);
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }
}
