//! The tokens of the index, packed: 96 bytes each, in a slab, found by id through sharded tables of slab slots, and by user
//! through chains.

mod chains;
mod grants;
mod held;
mod slab;

use std::collections::HashMap;
use std::hint::black_box;

use hashbrown::HashTable;

use self::chains::{Chains, Link};
use self::grants::Grants;
pub use self::held::Held;
use self::held::HeldByKey;
use self::slab::Slab;
use super::order::{Place, Sort};
use crate::authority::import::Cut;
use crate::authority::judge::TokenFacts;
use crate::authority::keys::SHORT_TAG_BYTES;
use crate::authority::moment::Moment;
use crate::authority::secret::TokenId;
use crate::authority::token::{Grant, ImportStrength, Token, TokenKind};
use crate::store::Revision;

/// Every token, with what Verify and lists need of it.
pub(super) struct Tokens {
    slab: Slab,
    /// Sharded, so that no growth of a table rehashes more than a 256th of all tokens at once.
    shards: Vec<HashTable<u32>>,
    chains: Chains,
    grants: Grants,
    /// Of the few that were rotated.
    successors: HashMap<TokenId, Successor>,
    /// How many hang on each HMAC key.
    held: HeldByKey,
}

/// Which token took another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Successor {
    /// The token.
    pub id: TokenId,
    /// The first moment at which the other is revoked.
    pub until: Moment,
}

/// A token as the index keeps it.
#[derive(Debug, Clone, Copy)]
pub struct Packed {
    /// Its id.
    pub id: TokenId,
    /// What its secret must prove.
    pub tag: [u8; SHORT_TAG_BYTES],
    /// When it was made.
    pub create_time: Moment,
    /// The first moment at which it is good.
    pub not_before: Moment,
    /// The first moment at which it is no longer good.
    pub expire_time: Moment,
    /// The revision at which it was made.
    pub create_revision: Revision,
    /// The revision of its record.
    pub revision: Revision,
    /// The slot of its library.
    pub library: u32,
    /// The slot of its user.
    pub user: u32,
    link: Link,
    grant: u32,
    key_version: u16,
    flags: u8,
    /// The code of the cut that finds an imported token; 0 for none.
    cut: u8,
}

const SHARDS: usize = 256;
const SUSPENDED: u8 = 1;
const REVOKED: u8 = 2;
const SUPERSEDED: u8 = 4;
const SESSION: u8 = 8;
const IMPORTED: u8 = 16;
/// With IMPORTED.
const WEAK: u8 = 32;
/// With IMPORTED: its tag stands for nothing yet.
const UNPROVEN: u8 = 64;

// === impl Tokens ===

impl Tokens {
    /// None yet.
    pub(super) fn new() -> Tokens {
        Tokens {
            slab: Slab::default(),
            shards: vec![HashTable::new(); SHARDS],
            chains: Chains::default(),
            grants: Grants::default(),
            successors: HashMap::new(),
            held: HeldByKey::default(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(HashTable::len).sum()
    }

    /// The token of this id.
    pub(super) fn get(&self, id: TokenId) -> Option<&Packed> {
        let slot = self.shards[shard(id)].find(hash(id), |slot| self.slab.get(*slot).id == id)?;
        Some(self.slab.get(*slot))
    }

    /// The token of this id, or another in its place, and whether it is of this id. Both are found by the same steps, so that
    /// the time that it takes does not tell one from the other. `None` if there never was a token.
    pub(super) fn candidate(&self, id: TokenId) -> Option<(&Packed, bool)> {
        let decoy = self.slab.any(hash(id))?;
        let found = self.shards[shard(id)].find(hash(id), |slot| self.slab.get(*slot).id == id);
        let is = |slot: u32| self.slab.get(slot).id == id;
        let slot = found.copied().unwrap_or_else(|| {
            // What was found was compared with.
            black_box(is(decoy));
            decoy
        });
        let token = self.slab.get(black_box(slot));
        // A decoy may be what is left of a token that is gone.
        Some((token, found.is_some() & black_box(token.id == id)))
    }

    /// What the judge knows of a token.
    pub(super) fn facts(&self, packed: &Packed) -> TokenFacts {
        TokenFacts {
            kind: if packed.is(SESSION) {
                TokenKind::Session
            } else {
                TokenKind::Api
            },
            not_before: packed.not_before,
            expire_time: packed.expire_time,
            active_time: packed.create_time,
            suspended: packed.is(SUSPENDED),
            revoked_from: if packed.is(REVOKED) {
                Some(Moment(i64::MIN))
            } else {
                self.successor(packed).map(|successor| successor.until)
            },
        }
    }

    /// Which token took a token's place.
    pub(super) fn successor(&self, packed: &Packed) -> Option<&Successor> {
        // The flag spares all others the look-up.
        packed
            .is(SUPERSEDED)
            .then(|| self.successors.get(&packed.id))?
    }

    /// The grant of a token.
    pub(super) fn grant(&self, packed: &Packed) -> &Grant {
        self.grants.get(packed.grant)
    }

    /// Adds a token, made and changed at these revisions, or replaces what is known of it. Returns what was known before.
    /// `None` in `Err` if it can't be packed.
    pub(super) fn put(
        &mut self,
        token: &Token,
        (create_revision, revision): (Revision, Revision),
        library: u32,
        user: u32,
    ) -> Result<Option<Packed>, TokenTooOdd> {
        let key_version = u16::try_from(token.tag.key_version).map_err(|_| TokenTooOdd)?;
        let packed = Packed {
            id: token.id,
            tag: token.tag.short(),
            create_time: token.create_time,
            not_before: token.not_before.unwrap_or(Moment(i64::MIN)),
            expire_time: token.expire_time,
            create_revision,
            revision,
            library,
            user,
            link: Link::NONE,
            grant: self.grants.take(&token.grant),
            key_version,
            flags: flags(token),
            cut: cut(token),
        };
        let Tokens {
            slab,
            shards,
            chains,
            grants,
            successors,
            held,
        } = self;
        match &token.succession {
            Some(succession) => successors.insert(
                token.id,
                Successor {
                    id: succession.superseded_by,
                    until: succession.until,
                },
            ),
            None => successors.remove(&token.id),
        };
        held.add(&packed);
        let shard = &mut shards[shard(token.id)];
        if let Some(&slot) = shard.find(hash(token.id), |slot| slab.get(*slot).id == token.id) {
            let before = *slab.get(slot);
            chains.keep(slab, slot, packed);
            grants.give_back(before.grant);
            held.take(&before);
            return Ok(Some(before));
        }
        let slot = slab.insert(packed);
        chains.add(slab, slot);
        shard.insert_unique(hash(token.id), slot, |slot| hash(slab.get(*slot).id));
        Ok(None)
    }

    /// Forgets a token. Returns what was known of it.
    pub(super) fn remove(&mut self, id: TokenId) -> Option<Packed> {
        let Tokens {
            slab,
            shards,
            chains,
            grants,
            successors,
            held,
        } = self;
        successors.remove(&id);
        let found = shards[shard(id)].find_entry(hash(id), |slot| slab.get(*slot).id == id);
        let (slot, _) = found.ok()?.remove();
        chains.take(slab, slot);
        let packed = *slab.get(slot);
        slab.free(slot);
        grants.give_back(packed.grant);
        held.take(&packed);
        Some(packed)
    }

    /// How many tokens a user has, ended ones too.
    pub(super) fn count_of_user(&self, user: u32) -> usize {
        self.chains.len(user)
    }

    /// How many hang on a version of the HMAC key.
    pub(super) fn held(&self, key_version: u32) -> Held {
        self.held.of(key_version)
    }

    /// The tokens of a user, those put last first.
    pub(super) fn of_user(&self, user: u32) -> impl Iterator<Item = &Packed> {
        self.chains.all(&self.slab, user)
    }

    /// Those of the same user that come after this one.
    pub(super) fn of_user_after(&self, token: &Packed) -> impl Iterator<Item = &Packed> {
        Chains::after(&self.slab, token)
    }

    /// The grants in use, each with the number of tokens that have it.
    #[cfg(test)]
    pub(super) fn grants_in_use(&self) -> impl Iterator<Item = (&Grant, u32)> {
        self.grants.in_use()
    }

    /// Bytes allocated for them, the libraries' orders apart.
    pub(super) fn bytes(&self) -> usize {
        let slab = self.slab.bytes();
        // A slot number and one control byte for each place of a table.
        let tables: usize = self
            .shards
            .iter()
            .map(|t| t.capacity() * 8 / 7 * (size_of::<u32>() + 1))
            .sum();
        slab + tables + self.chains.bytes()
    }
}

/// A token that no sound record describes.
#[derive(Debug)]
pub(super) struct TokenTooOdd;

// === impl Packed ===

impl Packed {
    fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether it is a login.
    #[must_use]
    pub fn is_session(&self) -> bool {
        self.is(SESSION)
    }

    /// How hard its string is to guess, if it was imported.
    #[must_use]
    pub fn imported(&self) -> Option<ImportStrength> {
        self.is(IMPORTED).then(|| {
            if self.is(WEAK) {
                ImportStrength::Weak
            } else {
                ImportStrength::Strong
            }
        })
    }

    /// What cuts its string into what finds it and what proves it.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        Cut::of_code(self.cut)
    }

    /// Whether its string must match something slow until its first use: its tag stands for nothing until then.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        self.is(UNPROVEN)
    }

    /// The version of the key that made its tag.
    #[must_use]
    pub fn key_version(&self) -> u32 {
        self.key_version.into()
    }

    /// Its place in an order of its library.
    #[must_use]
    pub fn place(&self, sort: Sort) -> Place {
        let time = match sort {
            Sort::Created => self.create_time,
            Sort::Expires => self.expire_time,
        };
        Place {
            rank: sort.rank(time),
            id: self.id,
        }
    }
}

fn flags(token: &Token) -> u8 {
    let flag = |set, flag| if set { flag } else { 0 };
    flag(token.suspension.is_some(), SUSPENDED)
        | flag(token.revocation.is_some(), REVOKED)
        | flag(token.succession.is_some(), SUPERSEDED)
        | flag(token.kind == TokenKind::Session, SESSION)
        | token.imported.as_ref().map_or(0, |imported| {
            flag(imported.strength == ImportStrength::Weak, WEAK)
                | flag(imported.unproven.is_some(), UNPROVEN)
                | IMPORTED
        })
}

fn cut(token: &Token) -> u8 {
    let imported = token.imported.as_ref();
    imported
        .and_then(|imported| imported.cut)
        .map_or(0, Cut::code)
}

/// Ids are random, or made by a keyed hash, so their own bits serve as hash and shard. Nobody else chooses what is put in.
fn hash(id: TokenId) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id.0[..8]);
    u64::from_be_bytes(first)
}

fn shard(id: TokenId) -> usize {
    usize::from(id.0[15])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_token_takes_96_bytes() {
        assert_eq!(size_of::<Packed>(), 96);
    }
}
