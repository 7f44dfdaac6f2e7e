//! `verify`: is the token on standard input good for this, right now?

use std::io::Read;

use super::Exit;
use super::connect::Session;
use super::failure::Failure;
use super::output::Output;
use super::prompt::Wanted;
use crate::proto::v1;

/// A token on standard input. As many bytes as the authority reads of a request: more is no token.
const TOKEN: Wanted = Wanted {
    what: "token",
    hint: "hand over one token: token-authority verify ... < FILE",
    limit: 64 << 10,
};

/// What stands below its help.
pub(super) const EXAMPLES: &str = "\
The token is read from standard input, never from an argument: others can read those.

Examples: does it authenticate; may it read a department's orders from that address
  token-authority verify --library acme < till.token
  token-authority verify --library acme --permission orders:read \\
    --department sales --client-ip 192.0.2.7 < till.token";

/// What is about to be allowed.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The library it must belong to [default: your own; any, for an operator]
    #[arg(long)]
    library: Option<String>,
    /// A permission needed, such as orders:read; may be repeated, all are needed [default: none, it authenticates only]
    #[arg(long, value_name = "PERMISSION")]
    permission: Vec<String>,
    /// The department whose data is touched
    #[arg(long)]
    department: Option<String>,
    /// The API being called; required for a token that is restricted to some
    #[arg(long)]
    api: Option<String>,
    /// The customer whose data is touched; required for a contact's token
    #[arg(long, value_name = "ID")]
    data_owner: Option<String>,
    /// The end client's address; required for a token or a library that is restricted to some
    #[arg(long, value_name = "ADDRESS")]
    client_ip: Option<String>,
    /// Promise to confine what is shown, instead of naming it here; may be repeated
    #[arg(long, value_enum)]
    filter: Vec<v1::Filter>,
}

// === impl Verify ===

impl Verify {
    pub(super) async fn run(
        self,
        session: &Session,
        stdin: &mut dyn Read,
        output: &mut Output<'_>,
    ) -> Result<Exit, Failure> {
        let token = TOKEN.read(stdin)?;
        let send = async |request| session.token_verify().verify(request).await;
        let response = session.ask(self.request(&token), send).await?;
        output.one(&response, Some(&response))?;
        Ok(exit(response.verdict()))
    }

    fn request(self, token: &str) -> v1::VerifyRequest {
        v1::VerifyRequest {
            token: token.to_owned(),
            library: self.library.unwrap_or_default(),
            permissions: self.permission,
            department: self.department.unwrap_or_default(),
            api: self.api.unwrap_or_default(),
            data_owner: self.data_owner.unwrap_or_default(),
            client_ip: self.client_ip.unwrap_or_default(),
            filters: self.filter.into_iter().map(Into::into).collect(),
        }
    }
}

/// Only VALID is a yes: a verdict of a newer server is a no as well.
fn exit(verdict: v1::Verdict) -> Exit {
    if verdict == v1::Verdict::Valid {
        Exit::Success
    } else {
        Exit::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut input: &[u8]) -> Result<String, Failure> {
        TOKEN.read(&mut input).map(|token| token.to_string())
    }

    #[test]
    fn a_token_loses_the_newline_of_its_file_and_nothing_else() {
        assert_eq!(read(b"tka_x\n").unwrap(), "tka_x");
        assert_eq!(read(b"tka_x\r\n").unwrap(), "tka_x");
        assert_eq!(read(b"tka_x").unwrap(), "tka_x");
        assert_eq!(read(b" tka_x \n\n").unwrap(), " tka_x \n");
    }

    #[test]
    fn what_can_not_be_a_token_is_not_sent() {
        for input in [b"".as_slice(), b"\n", b"\xff", &vec![b'a'; 70_000]] {
            assert!(
                matches!(read(input), Err(Failure::Usage { .. })),
                "{} bytes",
                input.len()
            );
        }
    }

    #[test]
    fn only_valid_is_a_yes() {
        assert_eq!(exit(v1::Verdict::Valid), Exit::Success);
        for verdict in [0].into_iter().chain(2..=16) {
            assert_eq!(exit(v1::Verdict::try_from(verdict).unwrap()), Exit::Refused);
        }
        let newer = v1::VerifyResponse {
            verdict: 99,
            ..Default::default()
        };
        assert_eq!(exit(newer.verdict()), Exit::Refused);
    }
}
