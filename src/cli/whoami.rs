//! `whoami`: who one is, to the authority.

use clap::Args;
use prost_types::Timestamp;

use super::connect::{Session, Settled, Source};
use super::failure::Failure;
use super::output::{Output, Shown};
use super::show::time;
use super::words::Word;
use crate::clock::{SystemTimeSource, TimeSource as _};
use crate::proto::v1;

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// What stands below its help.
pub(super) const EXAMPLES: &str = "\
Examples: everything; whether the credential lasts, for a script
  token-authority whoami
  token-authority whoami --field days-left";

/// `whoami`. It asks nothing but who calls.
#[derive(Debug, Args)]
pub struct Whoami {}

/// A caller as it looks at itself.
pub(super) struct Oneself<'a> {
    answer: &'a v1::WhoAmIResponse,
    token: v1::Token,
    settled: Option<&'a Settled>,
}

// === impl Whoami ===

impl Whoami {
    pub(super) async fn run(
        self,
        session: &Session,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let Whoami {} = self;
        let response = ask_who(session).await?;
        output.one(&response, Some(&Oneself::new(&response, session.settled())))?;
        Ok(())
    }
}

/// Asks the authority who calls.
pub(super) async fn ask_who(session: &Session) -> Result<v1::WhoAmIResponse, Failure> {
    let send = async |request| session.token_admin().who_am_i(request).await;
    session.ask(v1::WhoAmIRequest {}, send).await
}

/// Whole days from the server's time, else this machine's, to the end of a token; negative once it is over.
pub(super) fn days_left(answer: &v1::WhoAmIResponse) -> Option<i64> {
    let end = answer.token.as_ref()?.expire_time?.seconds;
    let now = match answer.server_time {
        Some(Timestamp { seconds, .. }) => seconds,
        None => SystemTimeSource.wall_ms() / 1000,
    };
    Some((end - now).div_euclid(DAY))
}

// === impl Oneself ===

impl<'a> Oneself<'a> {
    pub(super) fn new(answer: &'a v1::WhoAmIResponse, settled: Option<&'a Settled>) -> Self {
        let token = answer.token.clone().unwrap_or_default();
        Self {
            answer,
            token,
            settled,
        }
    }

    /// What the token is narrowed to.
    fn restrictions(&self) -> String {
        let token = &self.token;
        let mut told = Vec::new();
        match token.access_right() {
            v1::AccessRight::Unspecified | v1::AccessRight::Full => {}
            _ => told.push(v1::AccessRight::word(token.access_right)),
        }
        if !token.user_type.is_empty() {
            let library_wide = token.department.is_empty();
            let department = if library_wide {
                "the whole library"
            } else {
                &token.department
            };
            told.push(format!("as {} in {department}", token.user_type));
        }
        for (what, list) in [("apis", &token.apis), ("from", &token.allowed_cidrs)] {
            if !list.is_empty() {
                told.push(format!("{what} {}", list.join(" ")));
            }
        }
        told.join(", ")
    }
}

impl Shown for Oneself<'_> {
    const COLUMNS: &'static [&'static str] = &["user", "library", "token-id", "expires"];
    const MOMENTS: &'static [&'static str] = &["expires"];
    const NAMED_BY: &'static str = "user";

    fn fields(&self) -> Vec<(&'static str, String)> {
        let token = &self.token;
        let sourced = |value: &Option<(String, Source)>| match value {
            Some((value, source)) => format!("{value} (by {source})"),
            None => String::new(),
        };
        let mut fields = vec![
            ("user", token.user.clone()),
            ("acting-user", self.answer.acting_user.clone()),
            ("library", token.library.clone()),
            ("user-kind", v1::UserKind::word(self.answer.user_kind)),
            ("permission", self.answer.permissions.join(", ")),
            ("token-id", token.token_id.clone()),
            ("display-name", token.display_name.clone()),
            ("kind", v1::TokenKind::word(token.kind)),
            ("expires", time(token.expire_time.as_ref())),
            (
                "days-left",
                days_left(self.answer)
                    .map(|days| days.to_string())
                    .unwrap_or_default(),
            ),
            ("restricted-to", self.restrictions()),
            ("superseded-by", token.superseded_by.clone()),
        ];
        if let Some(settled) = self.settled {
            let context = settled.context.as_ref().map(|(name, _)| name.clone());
            fields.extend([
                ("context", context.unwrap_or_default()),
                (
                    "server",
                    format!("{} (by {})", settled.server.0, settled.server.1),
                ),
                ("credential", sourced(&settled.credential)),
                ("default-library", sourced(&settled.library)),
            ]);
        }
        fields
    }
}
