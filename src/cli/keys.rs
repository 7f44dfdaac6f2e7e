//! `keys`: what secrets are proved by, and the root key that wraps it.

use clap::{Args, Subcommand};

use super::Asker;
use super::call::Repeat;
use super::connect::Session;
use super::failure::Failure;
use super::output::{Output, Shown};
use super::show::time;
use super::words::Word;
use crate::config::Rewrap;
use crate::proto::v1;

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show every key that there was, and what hangs on it
    Status,
    /// Make a new key: new tokens hang on it at once, old ones move to it when they are used
    #[command(
        after_help = "Example: once a year; the second, until nothing hangs on the old key\n  \
        token-authority keys rotate\n  \
        token-authority keys status\n  \
        token-authority keys retire 1"
    )]
    Rotate(Rotate),
    /// Destroy an old key, once nothing hangs on it
    Retire(Retire),
    /// Change the root key: on the machine of the store, while the server is stopped
    ///
    /// No token is asked for: whoever can read the data directory and both root keys may. It can be interrupted at any moment, and
    /// repeated: until it says that it is done, the old root key or the new one opens the store, and nothing is lost.
    #[command(
        after_help = "Example: from the key that the authority made to a passphrase\n  \
        token-authority keys rewrap --data-dir data \\\n    \
        --new-root-passphrase-file passphrase\n  \
        token-authority serve --data-dir data --root-passphrase-file passphrase"
    )]
    Rewrap(Rewrap),
}

/// `keys rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    #[command(flatten)]
    repeat: Repeat,
}

/// `keys retire`.
#[derive(Debug, Args)]
pub struct Retire {
    /// Its version
    version: u32,
    /// Even though tokens or passwords hang on it: they are good no more, for ever
    #[arg(long)]
    force: bool,
    /// Don't ask first
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    repeat: Repeat,
}

// === impl Verb ===

impl Verb {
    /// What needs no server, but that there is none.
    pub(super) fn offline(&self) -> Option<&Rewrap> {
        match self {
            Self::Rewrap(asked) => Some(asked),
            _ => None,
        }
    }

    pub(super) async fn run(
        self,
        session: &Session,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Status => {
                let send = async |request| session.keys().get_key_status(request).await;
                let response = session.ask(v1::GetKeyStatusRequest {}, send).await?;
                output.many(&response, &response.keys, "")?;
                let source = v1::RootKeySource::word(response.root_key_source);
                output.remark("root key", &source);
            }
            Self::Rotate(rotate) => {
                let request = v1::RotateKeyRequest {
                    request_id: rotate.repeat.request_id(),
                };
                let send = async |request| session.keys().rotate_key(request).await;
                let response = session.change(request, send).await?;
                let sentence = format!(
                    "new tokens hang on key {} now; old ones move to it when they are used",
                    response.version
                );
                output.done(&response, &sentence)?;
            }
            Self::Retire(retire) => retire.run(session, ask, output).await?,
            Self::Rewrap(_) => {
                return Err(Failure::usage(
                    "the root key is changed where the store is",
                    "run it there, while the server is stopped",
                ));
            }
        }
        Ok(())
    }
}

// === impl Retire ===

impl Retire {
    async fn run(
        self,
        session: &Session,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        if !self.yes {
            self.confirm(session, ask, output).await?;
        }
        let request = v1::RetireKeyRequest {
            version: self.version,
            force: self.force,
            request_id: self.repeat.request_id(),
        };
        let send = async |request| session.keys().retire_key(request).await;
        let response = session.change(request, send).await?;
        output.done(&response, &format!("key {} is destroyed", self.version))?;
        output.warnings(&response.warnings);
        Ok(())
    }

    async fn confirm(
        &self,
        session: &Session,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let Some(ask) = ask else {
            return Err(Failure::usage(
                "there is no terminal to ask on whether the key shall be destroyed",
                "`keys status` tells what hangs on it, --yes destroys it",
            ));
        };
        let send = async |request| session.keys().get_key_status(request).await;
        let status = session.ask(v1::GetKeyStatusRequest {}, send).await?;
        let mut found = status.keys;
        found.retain(|key| key.version == self.version);
        output.preview(&found);
        let question = format!(
            "Destroy key {}, and with it all that hangs on it? Type yes to go on: ",
            self.version
        );
        if ask(&question)?.trim() != "yes" {
            return Err(Failure::usage("nothing was changed", "type yes to go on"));
        }
        Ok(())
    }
}

// === impl Shown ===

impl Shown for v1::KeyVersion {
    const COLUMNS: &'static [&'static str] = &[
        "version",
        "state",
        "created",
        "tokens",
        "unused-imported",
        "revoked",
        "passwords",
    ];
    const MOMENTS: &'static [&'static str] = &["created", "retired"];
    const NAMED_BY: &'static str = "version";

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("version", self.version.to_string()),
            ("state", v1::KeyState::word(self.state)),
            ("created", time(self.create_time.as_ref())),
            ("retired", time(self.retire_time.as_ref())),
            ("tokens", self.tokens().to_string()),
            ("unused-imported", self.unused_imported_tokens().to_string()),
            ("revoked", self.revoked_tokens().to_string()),
            ("passwords", self.passwords().to_string()),
        ]
    }
}
