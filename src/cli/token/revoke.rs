//! `token revoke` and `token revoke-all`.

use clap::{ArgGroup, Args};
use jiff::Timestamp;

use super::super::call::Repeat;
use super::super::connect::Session;
use super::super::failure::Failure;
use super::super::output::Output;
use super::super::words::{moment, number, time};
use crate::proto::v1;

/// `token revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The tokens' public ids, up to 1000
    #[arg(required = true, value_name = "TOKEN_ID", num_args = 1..=1000)]
    token_ids: Vec<String>,
    #[command(flatten)]
    why: Why,
}

/// `token revoke-all`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whose").args(["user", "whole_library"]).required(true))]
pub struct RevokeAll {
    /// The library [default: your own]
    #[arg(long)]
    library: Option<String>,
    /// This user's tokens
    #[arg(long)]
    user: Option<String>,
    /// The tokens of all users of the library
    #[arg(long)]
    whole_library: bool,
    /// Sessions alone; integrations go on working
    #[arg(long)]
    sessions_only: bool,
    /// Those made before this time alone [default: all up to now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    created_before: Option<Timestamp>,
    #[command(flatten)]
    why: Why,
}

/// Why they end.
#[derive(Debug, Args)]
struct Why {
    /// The kind of reason
    #[arg(long, value_enum)]
    reason: Option<v1::RevocationReason>,
    /// A comment
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    repeat: Repeat,
}

// === impl Revoke ===

impl Revoke {
    pub(super) async fn run(
        self,
        session: &Session,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        if let [token_id] = self.token_ids.as_slice() {
            let request = v1::RevokeTokenRequest {
                token_id: token_id.clone(),
                reason: number(self.why.reason),
                comment: self.why.comment.unwrap_or_default(),
                request_id: self.why.repeat.request_id(),
            };
            let send = async |request| session.token_admin().revoke_token(request).await;
            let response = session.change(request, send).await?;
            return Ok(output.one(&response, response.token.as_ref())?);
        }
        let request = self.why.request(self.token_ids, None);
        let send = async |request| session.token_admin().revoke_tokens(request).await;
        let response = session.change(request, send).await?;
        output.many(&response, &response.results, "")?;
        let failed = response
            .results
            .iter()
            .filter(|r| r.error.is_some())
            .count();
        match failed {
            0 => Ok(()),
            failed => Err(Failure::Partly {
                failed,
                of: response.results.len(),
            }),
        }
    }
}

// === impl RevokeAll ===

impl RevokeAll {
    pub(super) async fn run(
        self,
        session: &Session,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let what = if self.sessions_only {
            "sessions"
        } else {
            "tokens"
        };
        let whose = self
            .user
            .clone()
            .unwrap_or_else(|| "the library".to_owned());
        let all = v1::RevokeAll {
            library: self.library.unwrap_or_default(),
            user: self.user.unwrap_or_default(),
            sessions_only: self.sessions_only,
            created_before: self.created_before.map(time),
        };
        let request = self.why.request(Vec::new(), Some(all));
        let send = async |request| session.token_admin().revoke_tokens(request).await;
        let response = session.change(request, send).await?;
        output.done(&response, &format!("all {what} of {whose} are revoked"))?;
        Ok(())
    }
}

// === impl Why ===

impl Why {
    fn request(
        self,
        token_ids: Vec<String>,
        all: Option<v1::RevokeAll>,
    ) -> v1::RevokeTokensRequest {
        v1::RevokeTokensRequest {
            token_ids,
            all,
            reason: number(self.reason),
            comment: self.comment.unwrap_or_default(),
            request_id: self.repeat.request_id(),
        }
    }
}
