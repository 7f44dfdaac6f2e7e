//! `token rotate`.

use std::{mem, slice};

use clap::Args;
use jiff::Timestamp;

use super::super::Asker;
use super::super::call::{BasedOn, Repeat};
use super::super::connect::Session;
use super::super::consent::Consent;
use super::super::deliver::{Delivery, deliver};
use super::super::failure::Failure;
use super::super::output::Output;
use super::super::words::{moment, time};
use super::revoke::preview;
use crate::proto::v1;

/// `token rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// The token's public id
    token_id: String,
    /// How long it works on beside the new one, such as 2h or 7d; 0s for not at all [default: 24h]
    #[arg(long, value_name = "TIME")]
    overlap: Option<String>,
    /// How long the new one is good, or the date before which it must be used [default: as long as the old one was made for]
    #[arg(long)]
    lifetime: Option<String>,
    /// The moment from which on the new one is no longer good, such as 2027-06-30T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "lifetime")]
    expires: Option<Timestamp>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    delivery: Delivery,
    #[command(flatten)]
    based_on: BasedOn,
    #[command(flatten)]
    repeat: Repeat,
}

// === impl Rotate ===

impl Rotate {
    pub(super) async fn run(
        mut self,
        session: &Session,
        ask: Asker<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        // With an overlap, whoever uses the old secret has time to take the new one.
        let at_once = self.overlap.as_deref().is_some_and(is_nothing);
        let ask = ask.filter(|_| at_once);
        if self.consent.looks(ask) {
            preview(session, slice::from_ref(&self.token_id), output).await?;
        }
        let when = if at_once {
            ", and end its secret at once"
        } else {
            ""
        };
        let what = format!("rotate the token {}{when}", self.token_id);
        if !self.consent.to(&what, ask, output)? {
            return Ok(());
        }
        let send = async |request| session.token_admin().rotate_token(request).await;
        let delivery = mem::take(&mut self.delivery);
        deliver(session, self.request(), send, delivery, output).await
    }

    fn request(self) -> v1::RotateTokenRequest {
        v1::RotateTokenRequest {
            token_id: self.token_id,
            overlap: self.overlap.unwrap_or_default(),
            lifetime: self.lifetime.unwrap_or_default(),
            expire_time: self.expires.map(time),
            etag: self.based_on.etag(),
            request_id: self.repeat.request_id(),
        }
    }
}

/// Whether a span of time is none, such as 0s.
fn is_nothing(span: &str) -> bool {
    let number = span.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    number.parse::<u64>() == Ok(0)
}
