//! Tagging tokens anew: a token that is used moves to the newest HMAC key, so that older ones can be retired.
//!
//! Verify notes, in memory, what the tag would be; upkeep writes it, a few each second, and only if the token's record is what it
//! was then. What does not fit in or is lost waits for the token's next use.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Authority;
use super::error::Error;
use super::keys::{HmacKeys, SHORT_TAG_BYTES, Tag};
use super::keyspace::{self, Stored, Versioned};
use super::secret::TokenId;
use super::token::Token;
use crate::store::{Change, Precondition, Record, StoreError};

/// Tokens that wait at most: a few minutes' writes, in half a MiB.
const MAX_WAITING: usize = 10_000;

/// The tokens that are to be tagged anew.
#[derive(Default)]
pub(super) struct Retags(Mutex<HashMap<TokenId, Retag>>);

/// What was proved, and what would prove the same.
#[derive(Clone, Copy)]
struct Retag {
    proved: ([u8; SHORT_TAG_BYTES], u32),
    tag: Tag,
}

// === impl Retags ===

impl Retags {
    /// Notes that a token was proved by its tag, if an older key made that. It waits for nobody: of two at once, one is noted.
    pub(super) fn note(
        &self,
        id: TokenId,
        proved: ([u8; SHORT_TAG_BYTES], u32),
        keys: &HmacKeys,
        tag: impl FnOnce() -> Tag,
    ) {
        if proved.1 == keys.newest() {
            return;
        }
        let Ok(mut waiting) = self.0.try_lock() else {
            return;
        };
        // What waits since before another rotation would not be written.
        let waits = waiting.get(&id).map(|retag| retag.tag.key_version);
        let has_room = waits.is_some() || waiting.len() < MAX_WAITING;
        if has_room && waits != Some(keys.newest()) {
            waiting.insert(id, Retag { proved, tag: tag() });
        }
    }

    fn take(&self, most: usize) -> Vec<(TokenId, Retag)> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: Vec<_> = waiting.iter().take(most).map(|(id, r)| (*id, *r)).collect();
        for (id, _) in &taken {
            waiting.remove(id);
        }
        taken
    }

    fn put_back(&self, taken: Vec<(TokenId, Retag)>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, retag) in taken {
            waiting.entry(id).or_insert(retag);
        }
    }
}

impl Authority {
    /// Writes the new tags of so many tokens at most; says of how many.
    pub(super) async fn retag(&self, most: usize) -> Result<usize, Error> {
        let mut taken = self.retags.take(most);
        if taken.is_empty() {
            return Ok(0);
        }
        let places = taken.iter().map(|(id, _)| keyspace::token(*id)).collect();
        let found = match self.store.get(places).await {
            Ok(found) => found,
            Err(error) => {
                if let StoreError::Damaged(key) = &error {
                    // It would stop all the others for ever.
                    taken.retain(|(id, _)| keyspace::token(*id) != *key);
                }
                self.retags.put_back(taken);
                return Err(error.into());
            }
        };
        let keys = self.hmac_keys()?;
        let written: Vec<(Precondition, Change)> = taken
            .iter()
            .zip(found)
            .filter_map(|((_, retag), record)| retag.written(&record?, &keys))
            .collect();
        let wrote = match self.commit_retags(&keys, written.clone()).await {
            // Something was changed meanwhile: the others are written one by one.
            Err(StoreError::Conflict) => self.retag_each(&keys, written).await,
            wrote => wrote,
        };
        if wrote.is_err() {
            self.retags.put_back(taken);
        }
        Ok(wrote?)
    }

    async fn retag_each(
        &self,
        keys: &HmacKeys,
        written: Vec<(Precondition, Change)>,
    ) -> Result<usize, StoreError> {
        let mut wrote = 0;
        for one in written {
            match self.commit_retags(keys, vec![one]).await {
                Ok(one) => wrote += one,
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(wrote)
    }

    async fn commit_retags(
        &self,
        keys: &HmacKeys,
        written: Vec<(Precondition, Change)>,
    ) -> Result<usize, StoreError> {
        if written.is_empty() {
            return Ok(0);
        }
        let count = written.len();
        let (mut unchanged, changes): (Vec<_>, Vec<_>) = written.into_iter().unzip();
        unchanged.push(keys.unrotated());
        self.store.commit(unchanged, changes).await?;
        Ok(count)
    }
}

// === impl Retag ===

impl Retag {
    /// The record with the new tag, and what must still be so when it is written; `None` if it is not the token that was proved, or
    /// the tag is not the newest key's any more.
    fn written(&self, record: &Record, keys: &HmacKeys) -> Option<(Precondition, Change)> {
        let found: Versioned<Token> = keyspace::decode(record)?;
        let kept = found.value.tag;
        if (kept.short(), kept.key_version) != self.proved || self.tag.key_version != keys.newest()
        {
            return None;
        }
        Some(tagged(found, self.tag))
    }
}

/// The record with another tag, and that it must still be what it was. No administrative change: there is no event, and its etag
/// stays.
pub(super) fn tagged(found: Versioned<Token>, tag: Tag) -> (Precondition, Change) {
    let etag = Some(found.etag());
    let token = Token {
        tag,
        etag,
        ..found.value
    };
    let unchanged = Precondition::At(token.key(), found.revision);
    let change = Change::Put(token.key(), keyspace::encode(&token));
    (unchanged, change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;

    #[test]
    fn what_waits_is_bounded_and_each_token_waits_once() {
        let mut keys = HmacKeys::none();
        keys.put(1, Revision(1), &[1; 32]);
        keys.put(2, Revision(2), &[2; 32]);
        let retags = Retags::default();
        let note = |number: usize, version| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let tag = Tag {
                bytes: [0; 32],
                key_version: 2,
            };
            retags.note(TokenId(id), ([0; SHORT_TAG_BYTES], version), &keys, || tag);
            retags.0.lock().unwrap().len()
        };
        assert_eq!(note(0, 2), 0, "it is where it should be");
        assert_eq!((note(0, 1), note(0, 1), note(1, 1)), (1, 1, 2));
        for number in 2..=MAX_WAITING {
            note(number, 1);
        }
        assert_eq!(note(MAX_WAITING + 1, 1), MAX_WAITING);
        let taken = retags.take(50);
        assert_eq!(taken.len(), 50);
        assert_eq!(retags.take(MAX_WAITING).len(), MAX_WAITING - 50);
        retags.put_back(taken);
        assert_eq!(retags.take(MAX_WAITING).len(), 50);
    }
}
