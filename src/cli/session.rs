//! `session`: log a user in.

use std::io::Read;
use std::mem;

use clap::{Args, Subcommand};

use super::call::Repeat;
use super::connect::Session;
use super::deliver::{Delivery, deliver};
use super::failure::Failure;
use super::output::Output;
use super::prompt::Wanted;
use crate::proto::v1;

/// A password on standard input.
pub(super) const PASSWORD: Wanted = Wanted {
    what: "password",
    hint: "type it, or hand it over as a file: token-authority ... < FILE",
    limit: 4096,
};

/// What can be done with sessions. They are tokens: `token list --kind session` lists them, `token revoke` ends one.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Log a user in with the password on standard input; the session's secret alone goes to standard output
    #[command(
        after_help = "Example: as a login page does it, with a credential that has tokens:verify\n  \
        token-authority session open --library acme --user ann \\\n    \
        --device 'phone of Ann' > session.token"
    )]
    Open(Open),
}

/// `session open`.
#[derive(Debug, Args)]
pub struct Open {
    /// The library of the user [default: your own]
    #[arg(long)]
    library: Option<String>,
    /// The user that logs in
    #[arg(long)]
    user: String,
    /// The device that is logged in from, as people know it
    #[arg(long, value_name = "TEXT")]
    device: Option<String>,
    /// The end client's address, by which wrong passwords are counted [default: your own]
    #[arg(long, value_name = "ADDRESS")]
    client_ip: Option<String>,
    #[command(flatten)]
    delivery: Delivery,
    #[command(flatten)]
    repeat: Repeat,
}

// === impl Verb ===

impl Verb {
    pub(super) async fn run(
        self,
        session: &Session,
        stdin: &mut dyn Read,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        match self {
            Self::Open(mut open) => {
                let delivery = mem::take(&mut open.delivery);
                let password = PASSWORD.read(stdin)?;
                let send = async |request| session.token_admin().open_session(request).await;
                deliver(session, open.request(&password), send, delivery, output).await
            }
        }
    }
}

// === impl Open ===

impl Open {
    fn request(self, password: &str) -> v1::OpenSessionRequest {
        v1::OpenSessionRequest {
            library: self.library.unwrap_or_default(),
            user: self.user,
            password: password.to_owned(),
            device_name: self.device.unwrap_or_default(),
            client_ip: self.client_ip.unwrap_or_default(),
            request_id: self.repeat.request_id(),
        }
    }
}
