//! `audit`: what was changed in a library, by whom.

mod follow;

use jiff::Timestamp;

use self::follow::Follow;
use super::call::Limit;
use super::connect::Session;
use super::failure::Failure;
use super::output::Output;
use super::words::{moment, time};
use crate::proto::v1;

/// Which events.
#[derive(Debug, clap::Args)]
pub struct Audit {
    /// The library [default: your own]
    #[arg(long)]
    library: Option<String>,
    /// Of operators: a library by its uid, which finds it even after it was deleted
    #[arg(long, value_name = "UID", conflicts_with = "library")]
    library_uid: Option<String>,
    /// Only what was done to this token: its public id
    #[arg(long, value_name = "TOKEN_ID")]
    token_id: Option<String>,
    /// Only what was done to this user, or to its tokens
    #[arg(long)]
    user: Option<String>,
    /// Only what was done by this one, or in its name, such as acme/jane
    #[arg(long, value_name = "LIBRARY/USER")]
    actor: Option<String>,
    /// Only this action, such as token.create, or all that begin so: `token.`, with the dot at the end
    #[arg(long)]
    action: Option<String>,
    /// Only what was done at this moment or later, such as 2027-06-30 or 2027-06-30T00:00:00Z, in UTC
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only what was done before this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Go on: tell what is changed from now on, a line for each event, until Ctrl-C; reconnects by itself
    #[arg(long, conflicts_with_all = ["since", "until", "limit"])]
    follow: bool,
    /// Tell first what was changed after this revision, as an earlier answer named it; 0 for all that is kept
    #[arg(long, value_name = "REVISION", requires = "follow")]
    after: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

// === impl Audit ===

impl Audit {
    pub(super) async fn run(
        self,
        session: &Session,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        if self.follow {
            return Follow::new(session, output, self.watch()).run().await;
        }
        let fetch = async |page_size, page_token| {
            let send = async |request| session.token_admin().list_audit_events(request).await;
            let page = session
                .ask(self.request(page_size, page_token), send)
                .await?;
            Ok((page.events, page.next_page_token))
        };
        let (events, next_page_token) = self.limit.pages(output, fetch).await?;
        let response = v1::ListAuditEventsResponse {
            events,
            next_page_token,
        };
        Ok(output.many(&response, &response.events, &response.next_page_token)?)
    }

    fn watch(&self) -> v1::WatchEventsRequest {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        v1::WatchEventsRequest {
            library: text(&self.library),
            library_uid: text(&self.library_uid),
            after_revision: text(&self.after),
            token_id: text(&self.token_id),
            user: text(&self.user),
            actor: text(&self.actor),
            action: text(&self.action),
        }
    }

    fn request(&self, page_size: i32, page_token: String) -> v1::ListAuditEventsRequest {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        v1::ListAuditEventsRequest {
            library: text(&self.library),
            library_uid: text(&self.library_uid),
            page_size,
            page_token,
            token_id: text(&self.token_id),
            user: text(&self.user),
            actor: text(&self.actor),
            action: text(&self.action),
            since: self.since.map(time),
            until: self.until.map(time),
        }
    }
}
