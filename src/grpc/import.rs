//! `TokenAdmin.ImportTokens`: each item for itself, several at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::convert::{self, Terms};
use super::now;
use super::status::as_item;
use crate::authority::Authority;
use crate::authority::directory::Uid;
use crate::authority::error::{Error, Reason};
use crate::authority::import::{ImportToken, Placed};
use crate::authority::name::Name;
use crate::authority::state::TokenState;
use crate::authority::transaction::Call;
use crate::clock::Clock;
use crate::proto::v1;

/// How many tokens one call imports at a time: enough for the store to write them together, and half of what may wait for a
/// slow hash.
const AT_ONCE: usize = 16;
/// After this long no further item is begun: slow hashes would take the call beyond its deadline, and nobody would be told
/// what was imported.
const BUDGET: Duration = Duration::from_secs(5);
/// Bytes of answers after which tokens are told by their ids alone: with the last ones, they stay below the 4 MiB that gRPC
/// clients take unless told otherwise.
const MAX_ANSWER_BYTES: usize = 3 * 1024 * 1024;

/// An import under way.
#[derive(Clone)]
pub(super) struct Importer {
    pub(super) authority: Arc<Authority>,
    pub(super) clock: Arc<Clock>,
    pub(super) call: Arc<Call>,
    pub(super) library: Name,
}

// === impl Importer ===

impl Importer {
    /// Imports all items of a message. The results are in its order.
    pub(super) async fn import(
        self,
        message: v1::ImportTokensRequest,
    ) -> Result<Vec<v1::ImportTokensResult>, Error> {
        let at = now(&self.clock).time;
        let into = self
            .authority
            .import_into(&self.call.caller, &self.library, at)?;
        let terms = convert::import_terms(&message)?;
        let (dry_run, until) = (message.dry_run, Instant::now() + BUDGET);
        let mut results = vec![v1::ImportTokensResult::default(); message.items.len()];
        let mut items = message.items.into_iter().enumerate();
        let (mut running, mut seen) = (JoinSet::new(), HashSet::new());
        loop {
            while running.len() < AT_ONCE
                && let Some((i, item)) = items.next()
            {
                let result = &mut results[i];
                if Instant::now() >= until {
                    result.error = Some(as_item(too_late()));
                    continue;
                }
                match self.place(item, terms, into) {
                    Err(error) => result.error = Some(as_item(error)),
                    Ok((_, placed)) if !seen.insert(placed.id) => {
                        result.error = Some(as_item(placed.twice()));
                    }
                    Ok((asked, placed)) => {
                        result.strength = convert::import_strength(Some(placed.strength)).into();
                        let importer = self.clone();
                        running.spawn(async move {
                            (i, importer.import_one(asked, placed, dry_run).await)
                        });
                    }
                }
            }
            match running.join_next().await {
                None => break,
                Some(Ok((i, Ok((token, warnings))))) => {
                    results[i].token = Some(token);
                    results[i].warnings = warnings;
                }
                Some(Ok((i, Err(error)))) => results[i].error = Some(as_item(error)),
                Some(Err(_)) => {
                    let why = "an import was interrupted; repeat the call";
                    return Err(Error::new(Reason::Internal, why));
                }
            }
        }
        shorten(&mut results);
        Ok(results)
    }

    fn place(
        &self,
        item: v1::ImportItem,
        terms: Terms,
        into: Uid,
    ) -> Result<(ImportToken, Placed), Error> {
        let asked = convert::import_token(item, terms, &self.library)?;
        let placed = self.authority.place_import(&asked, into)?;
        Ok((asked, placed))
    }

    async fn import_one(
        &self,
        asked: ImportToken,
        placed: Placed,
        dry_run: bool,
    ) -> Result<(v1::Token, Vec<String>), Error> {
        let now = now(&self.clock);
        let done = self
            .authority
            .import_token(&self.call, &asked, &placed, dry_run, now)
            .await?;
        let token = done
            .answer
            .ok_or_else(|| Error::new(Reason::Internal, "an import has no token"))?;
        let shown = if dry_run {
            let state = TokenState::of_new(&token.value, now.time);
            v1::Token {
                token_id: String::new(),
                ..convert::token(&token.value, (state, None), None, String::new())
            }
        } else {
            let state = self.authority.token_state(&token.value, now.time)?;
            let etag = self.authority.revision_text(token.etag());
            convert::token(&token.value, state, None, etag)
        };
        Ok((shown, done.warnings))
    }
}

/// Tells the last of a very large batch by their ids alone.
fn shorten(results: &mut [v1::ImportTokensResult]) {
    let mut bytes = 0;
    for result in results {
        bytes += result.encoded_len();
        if bytes > MAX_ANSWER_BYTES {
            result.warnings.clear();
            if let Some(token) = &mut result.token {
                *token = v1::Token {
                    token_id: std::mem::take(&mut token.token_id),
                    ..v1::Token::default()
                };
            }
        }
    }
}

fn too_late() -> Error {
    Error::new(
        Reason::LimitExceeded,
        "not reached: weak tokens take time; nothing was done with this item, send it again",
    )
}
