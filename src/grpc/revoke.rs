//! `TokenAdmin.RevokeTokens` by ids: each token for itself, several at a time.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::status::as_item;
use super::{convert, now};
use crate::authority::Authority;
use crate::authority::error::{Error, Reason};
use crate::authority::transaction::Call;
use crate::clock::Clock;
use crate::proto::v1;
use crate::store::Revision;

/// How many tokens one call revokes at a time: enough for the store to write them together, and a share of the look-ups of
/// tokens that are not loaded yet, which Verify needs too.
const REVOKED_AT_ONCE: usize = 16;

/// Revokes tokens, each for itself and several at a time, so that the store can write them together. The revision is that
/// of the last, from which on all are refused.
pub(super) async fn revoke_each(
    authority: &Arc<Authority>,
    clock: &Clock,
    call: Call,
    message: &v1::RevokeTokensRequest,
) -> Result<(Vec<v1::RevokeTokensResult>, Revision), Error> {
    let commands = convert::revoke_many(message)?;
    // A repeat finds what is revoked already: it needs no id.
    let call = Arc::new(Call {
        request: None,
        ..call
    });
    // What is no id is not repeated: it may be a secret.
    let mut results: Vec<_> = commands
        .iter()
        .map(|command| v1::RevokeTokensResult {
            token_id: command
                .as_ref()
                .map(|command| command.id.to_string())
                .unwrap_or_default(),
            error: None,
        })
        .collect();
    let (mut running, mut last) = (JoinSet::new(), Revision(0));
    let mut commands = commands.into_iter().enumerate();
    loop {
        while running.len() < REVOKED_AT_ONCE
            && let Some((i, command)) = commands.next()
        {
            let (authority, call) = (authority.clone(), call.clone());
            let now = now(clock);
            running.spawn(async move {
                let revoked = match command {
                    Ok(command) => authority.perform(&call, &command, now).await,
                    Err(error) => Err(error),
                };
                (i, revoked)
            });
        }
        match running.join_next().await {
            None => return Ok((results, last)),
            Some(Ok((_, Ok(done)))) => last = last.max(done.revision),
            Some(Ok((i, Err(error)))) => results[i].error = Some(as_item(error)),
            Some(Err(_)) => {
                let why = "a revocation was interrupted; repeat the call";
                return Err(Error::new(Reason::Internal, why));
            }
        }
    }
}
