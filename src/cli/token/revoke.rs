//! `token revoke` and `token revoke-all`.

use clap::{ArgGroup, Args};
use jiff::Timestamp;

use super::super::Asker;
use super::super::call::Repeat;
use super::super::connect::Session;
use super::super::consent::Consent;
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
    consent: Consent,
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
    consent: Consent,
    #[command(flatten)]
    why: Why,
}

/// States in which a token may still be used, now or later.
const LIVE: [v1::TokenState; 3] = [
    v1::TokenState::Active,
    v1::TokenState::Suspended,
    v1::TokenState::NotYetValid,
];
/// Tokens that are counted at most.
const MOST_COUNTED: i32 = 1000;
/// Tokens that are shown at most: nobody reads more of them.
const MOST_SHOWN: usize = 20;

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
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        if self.consent.looks(ask) {
            preview(session, &self.token_ids, output).await?;
        }
        let what = match self.token_ids.len() {
            1 => "revoke this token for good".to_owned(),
            count => format!("revoke these {count} tokens for good"),
        };
        if !self.consent.to(&what, ask, output)? {
            return Ok(());
        }
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
        ask: Asker<'_>,
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
        let count = if self.consent.looks(ask) {
            self.count(session).await?
        } else {
            String::new()
        };
        let deed = format!("revoke all {what} of {whose} for good{count}");
        let go = if self.whole_library {
            self.consent.to_all(&deed, ask, output)?
        } else {
            self.consent.to(&deed, ask, output)?
        };
        if !go {
            return Ok(());
        }
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

    /// How many of them there are, in words.
    async fn count(&self, session: &Session) -> Result<String, Failure> {
        let request = v1::ListTokensRequest {
            library: self.library.clone().unwrap_or_default(),
            user: self.user.clone().unwrap_or_default(),
            kind: if self.sessions_only {
                v1::TokenKind::Session.into()
            } else {
                v1::TokenKind::Unspecified.into()
            },
            states: LIVE.map(Into::into).to_vec(),
            created_before: self.created_before.map(time),
            page_size: MOST_COUNTED,
            ..Default::default()
        };
        let send = async |request| session.token_admin().list_tokens(request).await;
        let page = session.ask(request, send).await?;
        let or_more = if page.next_page_token.is_empty() {
            ""
        } else {
            " or more"
        };
        Ok(format!(
            " ({}{or_more} of them live now)",
            page.tokens.len()
        ))
    }
}

/// Shows the tokens that something is about to be done to.
pub(super) async fn preview(
    session: &Session,
    token_ids: &[String],
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut tokens = Vec::new();
    for token_id in token_ids.iter().take(MOST_SHOWN) {
        let request = v1::GetTokenRequest {
            token_id: token_id.clone(),
        };
        let send = async |request| session.token_admin().get_token(request).await;
        tokens.extend(session.ask(request, send).await?.token);
    }
    output.preview(&tokens);
    let more = token_ids.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        output.note("note", &format!("and {more} more"));
    }
    Ok(())
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
