//! The authority decides: what records mean, what a verdict is, who may change what.
//!
//! It is given the time, a store, and requests in the form of the domain. It knows neither gRPC nor the engine.

pub mod audit;
mod bootstrap;
mod caller;
pub mod change;
pub mod cidr;
pub mod conform;
pub mod directory;
pub mod effects;
pub mod error;
mod expiry;
mod feed;
pub mod grant;
mod guess;
mod hashers;
pub mod hex;
pub mod idle;
pub mod import;
pub mod index;
pub mod issue;
pub mod judge;
pub mod key_versions;
pub mod keys;
pub mod keyspace;
pub mod libraries;
pub mod list;
pub mod moment;
pub mod name;
mod operators;
pub mod page;
pub mod password;
pub mod permission;
mod policy;
mod records;
pub mod requests;
mod retag;
pub mod reveal;
pub mod review;
pub mod rewrap;
pub mod rotate;
mod seats;
pub mod secret;
pub mod sessions;
mod slices;
mod start;
pub mod state;
mod sweep;
pub mod token;
pub mod transaction;
pub mod update;
mod usage;
pub mod user_types;
pub mod users;
pub mod uses;
mod verify;
pub mod watch;
pub mod watermark;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32};

use tokio::sync::{Mutex, Semaphore};

pub use caller::{Access, Authorised, Caller, Oneself};
pub use start::{Opened, StartError};
pub use verify::{Judgement, Scope, Seen};

use self::error::Error;
use self::guess::Guesses;
use self::hashers::Hashers;
use self::import::FirstUses;
use self::index::Index;
use self::keys::{HmacKeys, Keys, RootKey, RootSource};
use self::keyspace::{Stored, Versioned};
use self::moment::Now;
use self::retag::Retags;
use self::seats::Seats;
use self::uses::Uses;
use self::watch::Watchers;
use crate::store::{Key, Record, Revision, Store, StoreError, StoreId};

/// The authority: the store, the index that follows it, and the keys.
pub struct Authority {
    store: Arc<dyn Store>,
    index: Arc<Index>,
    keys: Keys,
    root: Arc<RootKey>,
    /// Tokens to be tagged anew.
    retags: Retags,
    /// The threads that passwords and weak imported tokens are hashed on.
    hashers: Hashers,
    /// How many wrong passwords and weak imported tokens were tried.
    guesses: Guesses,
    /// The tokens that are about to be made, where users may have so many at most.
    seats: Seats,
    /// Held while a weak imported token is used for the first time.
    first_uses: FirstUses,
    /// Places for look-ups of tokens that are not loaded yet.
    misses: Semaphore,
    /// Held while the day's sealing key is made.
    sealing: Mutex<()>,
    /// Orders audit events within a millisecond.
    sequence: AtomicU32,
    /// The latest time that is known to be stored, Unix milliseconds.
    mark: AtomicI64,
    /// What tokens are used for.
    uses: Arc<Uses>,
    /// Who watches for events.
    watchers: Watchers,
}

impl Authority {
    /// A revision as others see it: opaque, and different for another store or after a restore.
    #[must_use]
    pub fn revision_text(&self, revision: Revision) -> String {
        revision_text(self.store.id(), revision)
    }

    /// Waits until the store can go on no longer, and says why.
    pub async fn failed(&self) -> String {
        self.store.failed().await
    }

    /// Carries out what was asked before, tells of refused uses, writes what tokens were used for, then stops the store.
    pub async fn close(&self, now: Now) {
        let told = self.tell_all_refused(now).await;
        if let Err(error) = self.keep_all_uses(now).await.and(told) {
            tracing::warn!(error = %error, "what tokens were last used for is not stored whole");
        }
        self.store.close().await;
    }

    /// Whether every token is in the index, with what it was used for.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.index.read().is_ok_and(|state| state.is_complete())
    }

    /// The HMAC keys as of now. What is made with them names [`HmacKeys::unrotated`] where it is committed.
    fn hmac_keys(&self) -> Result<Arc<HmacKeys>, Error> {
        Ok(self.index.read()?.hmac_keys().clone())
    }

    /// Where the root key comes from.
    #[must_use]
    pub fn root_source(&self) -> RootSource {
        self.root.source()
    }

    async fn fetch<T: Stored>(&self, key: Key) -> Result<Option<Versioned<T>>, Error> {
        let mut found = self.store.get(vec![key]).await?;
        match found.pop().flatten() {
            Some(record) => understand(&record).map(Some),
            None => Ok(None),
        }
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

/// The one form of a revision.
fn revision_text(id: StoreId, revision: Revision) -> String {
    format!("{:016x}-{}-{}", id.uid, id.epoch, revision.0)
}

/// The inverse of [`revision_text`].
fn parse_revision(text: &str) -> Option<(StoreId, Revision)> {
    let mut parts = text.split('-');
    let (uid, epoch, number) = (parts.next()?, parts.next()?, parts.next()?);
    let id = StoreId {
        uid: u64::from_str_radix(uid, 16).ok()?,
        epoch: epoch.parse().ok()?,
    };
    let revision = Revision(number.parse().ok()?);
    (revision_text(id, revision) == text).then_some((id, revision))
}

/// A record in the form of the domain.
fn understand<T: Stored>(record: &Record) -> Result<Versioned<T>, Error> {
    keyspace::decode(record).ok_or_else(|| StoreError::Damaged(record.key.clone()).into())
}

#[cfg(test)]
mod tests;
