//! The index: every token record that the store holds, and the directory, compactly, in memory. Verify reads nothing else.
//!
//! The store's writer alone changes it, through [`Follower`]: each batch of durable commits whole, under one write lock. A
//! reader holds the read lock for the length of one judgement, so it sees the state at one revision and never a mixture of
//! two (G2); a panic half way through a change poisons the lock, and everything is refused from then on (G6).
//!
//! After a start the tokens are loaded in slices, in key order, between commits. A look-up behind the cursor that finds
//! nothing is final; one ahead of it says [`Lookup::NotLoaded`], and the store is asked for that one token. What tokens are
//! used for follows behind them in the same way; a session that is judged by it is not known before.

mod directory;
mod follow;
mod imports;
mod order;
mod tokens;
mod uses;
mod watermarks;

use std::collections::HashSet;
use std::sync::{Arc, RwLock, RwLockReadGuard};

pub use directory::{Directory, LibrarySlot, UserSlot};
pub use imports::Imports;
pub use order::{Orders, Place, Sort};
use tokens::Tokens;
pub use tokens::{Held, Packed, Successor};
use uses::LoadedUses;
pub use watermarks::Watermarks;

use super::error::{Error, Reason};
use super::feed::Feed;
use super::judge::{Records, TokenFacts};
use super::keys::{HmacKeys, RootKey};
use super::keyspace;
use super::moment::Moment;
use super::secret::TokenId;
use super::uses::Uses;
use super::watermark::Watermark;
use crate::store::{Key, Revision};

/// The index, shared between the writer and the readers.
pub struct Index(RwLock<State>, Feed);

/// The state at one revision.
pub struct State {
    revision: Revision,
    tokens: Tokens,
    directory: Directory,
    loaded: Loaded,
    /// What tokens are used for: sessions are judged by it.
    uses: Arc<Uses>,
    loaded_uses: LoadedUses,
    /// What secrets are proved by.
    hmac_keys: Arc<HmacKeys>,
    /// Opens the keys that are made while the authority runs.
    root: Option<Arc<RootKey>>,
    /// Tokens whose records can't be read: they are refused as that, and never as unknown.
    damaged: HashSet<TokenId>,
}

/// What a look-up finds.
pub enum Lookup<T> {
    /// The token.
    Known(T),
    /// There is none of this id.
    Unknown,
    /// It is not known yet whether there is one.
    NotLoaded,
    /// There is one, but its record can't be read.
    Damaged,
}

/// A token, with all that it is judged by.
pub struct View<'a> {
    /// The token.
    pub token: &'a Packed,
    /// Its library.
    pub library: &'a LibrarySlot,
    /// Its user.
    pub user: &'a UserSlot,
    /// Which token took its place.
    pub successor: Option<&'a Successor>,
    /// What revoked it together with others.
    pub watermark: Option<&'a Watermark>,
    /// What the judge reads.
    pub records: Records<'a>,
    state: &'a State,
}

/// How far the tokens are loaded.
#[derive(Debug, PartialEq, Eq)]
enum Loaded {
    /// Up to this key, itself included.
    Through(Key),
    All,
}

/// Figures for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// How many tokens it holds.
    pub tokens: usize,
    /// About how many bytes it takes for them.
    pub bytes: usize,
}

// === impl Index ===

impl Index {
    /// An empty one.
    #[must_use]
    pub fn new() -> Index {
        let state = State {
            revision: Revision(0),
            tokens: Tokens::new(),
            directory: Directory::default(),
            loaded: Loaded::Through(Key::new()),
            uses: Arc::new(Uses::new()),
            loaded_uses: LoadedUses::none(),
            hmac_keys: Arc::new(HmacKeys::none()),
            root: None,
            damaged: HashSet::new(),
        };
        Index(RwLock::new(state), Feed::default())
    }

    /// The state at the newest durable revision, for one judgement.
    pub fn read(&self) -> Result<RwLockReadGuard<'_, State>, Error> {
        self.0.read().map_err(|_| {
            Error::new(
                Reason::Internal,
                "the index is not sound; the authority must be restarted",
            )
        })
    }

    /// Says at which revision the store was opened, before anything is loaded or committed.
    pub fn start_at(&self, revision: Revision) {
        self.change(|state| state.revision = revision);
        self.1.start_at(revision);
    }

    /// Hands over the HMAC keys that there are, and what opens those to come.
    pub(super) fn hold_keys(&self, hmac_keys: HmacKeys, root: Arc<RootKey>) {
        self.change(|state| {
            state.hmac_keys = Arc::new(hmac_keys);
            state.root = Some(root);
        });
    }

    /// The newest audit events, for those who watch.
    pub(super) fn feed(&self) -> &Feed {
        &self.1
    }

    /// Notes that a record can't be read.
    pub fn mark_damaged(&self, key: &[u8]) {
        if let Ok(mut state) = self.0.write() {
            state.mark_damaged(key);
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "a poisoned lock is a panic of this same writer: it must not go on"
    )]
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.write().expect("the writer did not panic before"));
    }
}

impl Default for Index {
    fn default() -> Self {
        Index::new()
    }
}

// === impl View ===

impl<'a> View<'a> {
    /// The token that took its place.
    #[must_use]
    pub fn heir(&self) -> Option<View<'a>> {
        let heir = self.state.tokens.get(self.successor?.id)?;
        Some(self.state.view(heir))
    }
}

// === impl State ===

impl State {
    /// The revision that it is the state at.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The HMAC keys.
    #[must_use]
    pub fn hmac_keys(&self) -> &Arc<HmacKeys> {
        &self.hmac_keys
    }

    /// The tokens whose tags this version of the HMAC key made.
    #[must_use]
    pub fn held(&self, key_version: u32) -> Held {
        self.tokens.held(key_version)
    }

    /// Whether every token is loaded, and what it was used for.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.loaded == Loaded::All && self.loaded_uses.is_complete()
    }

    /// Its size.
    #[must_use]
    pub fn size(&self) -> Size {
        let orders: usize = self.directory.libraries().map(|l| l.tokens.bytes()).sum();
        Size {
            tokens: self.tokens.len(),
            bytes: self.tokens.bytes() + orders + self.uses.bytes(),
        }
    }

    /// Looks a token up, with all that it is judged by.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Lookup<View<'_>> {
        match self.tried(id) {
            (Some(token), Lookup::Known(())) => Lookup::Known(self.view(token)),
            (_, Lookup::NotLoaded) => Lookup::NotLoaded,
            (_, Lookup::Damaged) => Lookup::Damaged,
            (_, Lookup::Unknown | Lookup::Known(())) => Lookup::Unknown,
        }
    }

    /// What a secret is proved against, and what is known of its id. An id that is unknown is proved in vain against another
    /// token, if there was ever one; it takes the same steps as one that is known, and nothing that a token is judged by.
    #[must_use]
    pub fn tried(&self, id: TokenId) -> (Option<&Packed>, Lookup<()>) {
        let (token, is_known) = self.tokens.candidate(id).unzip();
        let awaited = token.is_some_and(|token| self.awaits_uses(token));
        let is_damaged = self.damaged.contains(&id);
        let is_ahead = matches!(&self.loaded, Loaded::Through(at) if *at < keyspace::token(id));
        let found = match is_known {
            Some(true) if awaited => Lookup::NotLoaded,
            Some(true) => Lookup::Known(()),
            _ if is_damaged => Lookup::Damaged,
            _ if is_ahead => Lookup::NotLoaded,
            _ => Lookup::Unknown,
        };
        (token, found)
    }

    /// How many tokens a user has, ended ones too.
    #[must_use]
    pub fn count_of_user(&self, user: u32) -> usize {
        self.tokens.count_of_user(user)
    }

    /// At most so many tokens of a user, after one of them, in an order that only grows at its beginning: what is made in the
    /// meantime is passed over, and what was there is not. `None` if that one is not there any more.
    #[must_use]
    pub fn some_of_user(
        &self,
        user: u32,
        after: Option<TokenId>,
        most: usize,
    ) -> Option<Vec<View<'_>>> {
        match after {
            None => Some(
                self.tokens
                    .of_user(user)
                    .take(most)
                    .map(|t| self.view(t))
                    .collect(),
            ),
            Some(id) => {
                let last = self.tokens.get(id).filter(|last| last.user == user)?;
                let rest = self.tokens.of_user_after(last).take(most);
                Some(rest.map(|t| self.view(t)).collect())
            }
        }
    }

    /// All that a token of this state is judged by.
    #[must_use]
    pub fn view<'a>(&'a self, token: &'a Packed) -> View<'a> {
        let library = self.directory.library(token.library);
        let user = self.directory.user(token.user);
        let facts = self.tokens.facts(token);
        let over = |owner: &'a Watermarks| {
            owner.over(facts.kind, token.create_revision, token.create_time)
        };
        let watermark = over(&library.watermarks).or_else(|| over(&user.watermarks));
        // Of no other token the judge asks when it was used.
        let last = self
            .times_out(token)
            .then(|| self.uses.last_active(token.id));
        let records = Records {
            token: TokenFacts {
                active_time: facts
                    .active_time
                    .max(last.flatten().unwrap_or(facts.active_time)),
                revoked_from: match watermark {
                    Some(_) => Some(Moment(i64::MIN)),
                    None => facts.revoked_from,
                },
                ..facts
            },
            grant: self.tokens.grant(token),
            library: library.facts.as_ref(),
            user: user.facts.as_ref(),
            user_types: &library.user_types,
        };
        View {
            token,
            library,
            user,
            successor: self.tokens.successor(token),
            watermark,
            records,
            state: self,
        }
    }
}

#[cfg(test)]
mod tests;
