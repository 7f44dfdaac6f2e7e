//! `token list`.

use clap::{ArgAction, Args};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::super::call::Limit;
use super::super::connect::Session;
use super::super::failure::Failure;
use super::super::output::Output;
use super::super::words::{moment, now, number, time};
use crate::proto::v1;

/// `token list`.
#[derive(Debug, Args)]
pub struct List {
    /// The library [default: your own]
    #[arg(long)]
    library: Option<String>,
    /// Of operators: a library by its uid, which finds it even after it was deleted
    #[arg(long, value_name = "UID", conflicts_with = "library")]
    library_uid: Option<String>,
    /// What comes first [default: created]
    #[arg(long, value_enum)]
    sort: Option<v1::TokenSort>,
    #[command(flatten)]
    limit: Limit,
    #[command(flatten)]
    only: Only,
}

/// Which tokens.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which: those of which all holds that is given")]
struct Only {
    /// Only this user's
    #[arg(long)]
    user: Option<String>,
    /// Only those of this kind
    #[arg(long, value_enum)]
    kind: Option<v1::TokenKind>,
    /// List revoked ones too
    #[arg(long, conflicts_with = "state")]
    show_revoked: bool,
    /// Only those in this state now; may be repeated [default: all but revoked]
    #[arg(long, value_enum)]
    state: Vec<v1::TokenState>,
    /// Only those pinned to an assignment in this department
    #[arg(long)]
    department: Option<String>,
    /// Only those pinned to an assignment with this user type
    #[arg(long)]
    user_type: Option<String>,
    /// Only those made at this moment or later, such as 2027-06-30T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    created_after: Option<Timestamp>,
    /// Only those made before this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    created_before: Option<Timestamp>,
    /// Only those that expire at this moment or later
    #[arg(long, value_name = "TIME", value_parser = moment)]
    expires_after: Option<Timestamp>,
    /// Only those that expire before this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    expires_before: Option<Timestamp>,
    /// Only those that have not expired but will within this time, such as 30d
    #[arg(long, value_name = "LIFETIME", conflicts_with_all = ["expires_after", "expires_before"])]
    expires_within: Option<String>,
    /// Only those last used at this moment or later
    #[arg(long, value_name = "TIME", value_parser = moment)]
    used_after: Option<Timestamp>,
    /// Only those last used before this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    used_before: Option<Timestamp>,
    /// Only those that have been there and gone unused for so long, such as 90d, those that were never used too
    #[arg(long, value_name = "LIFETIME", value_parser = ago, conflicts_with_all = ["used_after", "used_before"])]
    unused_for: Option<Timestamp>,
    /// Only those made by this one, such as acme/jane
    #[arg(long, value_name = "LIBRARY/USER")]
    issued_by: Option<String>,
    /// Only those whose name or description holds this text, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only those that have this permission in effect, such as orders:read, whatever their state
    #[arg(long)]
    permission: Option<String>,
    /// Only those that client addresses are named for, or only those without
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    restricted: Option<bool>,
    /// Only those that were imported with this strength: weak ones are to be rotated
    #[arg(long, value_enum)]
    imported: Option<v1::ImportStrength>,
    /// Only those that last longer, from now on, than the library allows
    #[arg(long)]
    longer_than_policy: bool,
}

// === impl List ===

impl List {
    pub(super) async fn run(
        self,
        session: &Session,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let fetch = async |page_size, page_token| {
            let send = async |request| session.token_admin().list_tokens(request).await;
            let page = session
                .ask(self.request(page_size, page_token), send)
                .await?;
            Ok((page.tokens, page.next_page_token))
        };
        let (tokens, next_page_token) = self.limit.pages(output, fetch).await?;
        let response = v1::ListTokensResponse {
            tokens,
            next_page_token,
        };
        Ok(output.many(&response, &response.tokens, &response.next_page_token)?)
    }

    fn request(&self, page_size: i32, page_token: String) -> v1::ListTokensRequest {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let only = &self.only;
        v1::ListTokensRequest {
            library: text(&self.library),
            library_uid: text(&self.library_uid),
            user: text(&only.user),
            kind: number(only.kind),
            show_revoked: only.show_revoked,
            page_size,
            page_token,
            states: only.state.iter().map(|state| (*state).into()).collect(),
            department: text(&only.department),
            user_type: text(&only.user_type),
            created_after: only.created_after.map(time),
            created_before: only.created_before.map(time),
            expires_after: only.expires_after.map(time),
            expires_before: only.expires_before.map(time),
            expires_within: text(&only.expires_within),
            issued_by: text(&only.issued_by),
            name_contains: text(&only.name),
            permission: text(&only.permission),
            restricted_by_ip: only.restricted,
            longer_than_policy: only.longer_than_policy,
            used_after: only.used_after.map(time),
            used_before: only.used_before.map(time),
            unused_since: only.unused_for.map(time),
            imported: number(only.imported),
            sort: number(self.sort),
        }
    }
}

/// The moment that lies so far back, by the calendar in UTC.
fn ago(text: &str) -> Result<Timestamp, String> {
    let what = || "must be a length of time such as 90d or 6mo".to_owned();
    let span: Span = text.parse().map_err(|_| what())?;
    if !span.is_positive() {
        return Err(what());
    }
    let now = now().to_zoned(TimeZone::UTC);
    let then = now.checked_sub(span).map_err(|_| what())?;
    Ok(then.timestamp())
}
