//! The caller's own token, from a file or the environment.

use std::fmt;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tonic::metadata::{Ascii, MetadataValue};
use zeroize::Zeroizing;

use super::super::failure::Failure;
use super::super::output::Output;
use super::{CREDENTIAL_FILE, CallOptions, Environment, TOKEN, path, read};

/// The permission bits of everybody but the file's owner.
const OTHERS: u32 = 0o077;

/// Where a token is to be found.
const CREDENTIAL_HINT: &str = "log in, and a token is kept for you: token-authority login; or name the file that \
    holds your token with --credential-file or TOKEN_AUTHORITY_CREDENTIAL_FILE, or put the token itself into TOKEN_AUTHORITY_TOKEN; an operator's first token is \
    in <data_dir>/operator.token on the machine that runs the authority";

/// The caller's own token. It can't be printed.
#[derive(Clone)]
pub(in crate::cli) struct Credential(MetadataValue<Ascii>);

// === impl CallOptions ===

impl CallOptions {
    /// The token to call with: of the option, else of the environment.
    pub(super) fn credential(
        &self,
        environment: Environment<'_>,
        output: &mut Output<'_>,
    ) -> Result<Credential, Failure> {
        let token = environment(TOKEN).filter(|token| !token.is_empty());
        let named = self.credential_file.clone();
        let file = match (named, path(environment, CREDENTIAL_FILE), &token) {
            (Some(file), _, _) => Some(file),
            (None, Some(_), Some(_)) => {
                let both = format!("{CREDENTIAL_FILE} and {TOKEN} are both set");
                return Err(Failure::usage(
                    both,
                    "unset one of them, or name the file with --credential-file",
                ));
            }
            (None, file, _) => file,
        };
        match (file, token) {
            (Some(file), _) => Credential::read(&file, output),
            (None, Some(token)) => {
                let token = Zeroizing::new(token.into_encoded_bytes());
                Credential::parse(&token).ok_or_else(|| {
                    Failure::usage(format!("{TOKEN} does not hold a token"), CREDENTIAL_HINT)
                })
            }
            (None, None) => Err(Failure::usage(
                "no credential to call with",
                CREDENTIAL_HINT,
            )),
        }
    }
}

// === impl Credential ===

impl Credential {
    /// The token in a file, white space around it aside. Warns of a file that others can read.
    pub(super) fn read(path: &Path, output: &mut Output<'_>) -> Result<Self, Failure> {
        let failure = |error: io::Error| Failure::file("the credential", path, &error);
        let mode = path.metadata().map_err(failure)?.permissions().mode();
        if mode & OTHERS != 0 {
            let path = path.display();
            output.note(
                "warning",
                &format!("others can read your credential; stop them: chmod 600 {path}"),
            );
        }
        let token = read(path).map_err(failure)?;
        let none = || {
            Failure::usage(
                format!("{} does not hold a token", path.display()),
                CREDENTIAL_HINT,
            )
        };
        Self::parse(&token).ok_or_else(none)
    }

    pub(super) fn parse(token: &[u8]) -> Option<Self> {
        let token = token.trim_ascii();
        if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let header = Zeroizing::new([b"Bearer ", token].concat());
        let mut value = MetadataValue::try_from(header.as_slice()).ok()?;
        // Kept out of Debug, and out of the compression table that later calls could be compared with.
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// What is sent.
    pub(super) fn header(&self) -> MetadataValue<Ascii> {
        self.0.clone()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_not_shown_by_debug() {
        let credential = Credential::parse(b" tka_canary\n").unwrap();
        let header = &credential.0;
        assert_eq!(header.to_str().unwrap(), "Bearer tka_canary");
        assert!(!format!("{credential:?} {header:?}").contains("canary"));
    }
}
