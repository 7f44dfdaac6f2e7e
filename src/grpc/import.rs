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
use crate::authority::import::{ImportToken, Placed, Rehearsal};
use crate::authority::keys::Digest;
use crate::authority::name::Name;
use crate::authority::secret::TokenId;
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

/// How long one call may prepare items before others of its thread get a turn.
const TURN: Duration = Duration::from_millis(1);

/// What stood earlier in a call: the strings, of which each is measured once, and what finds them.
#[derive(Default)]
struct Seen {
    digests: HashSet<Digest>,
    ids: HashSet<TokenId>,
}

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
        let rehearsal = message.dry_run.then(|| Arc::new(Rehearsal::default()));
        let until = Instant::now() + BUDGET;
        let mut results = vec![v1::ImportTokensResult::default(); message.items.len()];
        let mut items = message.items.into_iter().enumerate();
        let (mut running, mut seen) = (JoinSet::new(), Seen::default());
        let mut turn = Instant::now();
        loop {
            while running.len() < AT_ONCE
                && let Some((i, item)) = items.next()
            {
                let result = &mut results[i];
                if Instant::now() >= until {
                    result.error = Some(as_item(too_late()));
                    continue;
                }
                if turn.elapsed() >= TURN {
                    tokio::task::yield_now().await;
                    turn = Instant::now();
                }
                match self.place(item, terms, into, &mut seen) {
                    Err(error) => result.error = Some(as_item(error)),
                    Ok((asked, placed)) => {
                        result.strength = convert::import_strength(Some(placed.strength)).into();
                        let (importer, rehearsal) = (self.clone(), rehearsal.clone());
                        running.spawn(async move {
                            let done = importer.import_one(asked, placed, rehearsal.as_deref());
                            (i, done.await)
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
        seen: &mut Seen,
    ) -> Result<(ImportToken, Placed), Error> {
        let asked = convert::import_token(item, terms, &self.library)?;
        if let Some(digest) = asked.form.digest()
            && !seen.digests.insert(digest)
        {
            return Err(Placed::twice());
        }
        let placed = self.authority.place_import(&asked, into)?;
        if !seen.ids.insert(placed.id) {
            return Err(Placed::twice());
        }
        Ok((asked, placed))
    }

    async fn import_one(
        &self,
        asked: ImportToken,
        placed: Placed,
        rehearsal: Option<&Rehearsal>,
    ) -> Result<(v1::Token, Vec<String>), Error> {
        let now = now(&self.clock);
        let done = self
            .authority
            .import_token(&self.call, &asked, &placed, rehearsal, now)
            .await?;
        let token = done
            .answer
            .ok_or_else(|| Error::new(Reason::Internal, "an import has no token"))?;
        let shown = if rehearsal.is_some() {
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
