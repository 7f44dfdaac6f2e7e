//! `audit`: what was changed in a library, by whom.

use super::call::Limit;
use super::connect::Session;
use super::failure::Failure;
use super::output::Output;
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
        let library = self.library.unwrap_or_default();
        let library_uid = self.library_uid.unwrap_or_default();
        let fetch = async |page_size, page_token| {
            let request = v1::ListAuditEventsRequest {
                library: library.clone(),
                library_uid: library_uid.clone(),
                page_size,
                page_token,
            };
            let send = async |request| session.token_admin().list_audit_events(request).await;
            let page = session.ask(request, send).await?;
            Ok((page.events, page.next_page_token))
        };
        let (events, next_page_token) = self.limit.pages(fetch).await?;
        let response = v1::ListAuditEventsResponse {
            events,
            next_page_token,
        };
        Ok(output.many(&response, &response.events, &response.next_page_token)?)
    }
}
