//! Commits that become durable together: each is checked against sled and those admitted before it.

use std::{collections::HashMap, mem, ops::Bound};

use super::{
    envelope::{META_KEY, Meta, caller_key, seal, stored_key, unseal},
    writer::Fatal,
};
use crate::store::{Change, Committed, Event, Key, Precondition, Record, Revision, StoreError};

/// Why a commit is not admitted, or a read not carried out.
pub(super) enum Refusal {
    /// For a reason of its own: the others go on.
    Own(StoreError),
    /// sled can go on no longer.
    All(Fatal),
}

/// The commits that were admitted, and what they leave behind.
pub(super) struct Batch<'a> {
    tree: &'a ::sled::Tree,
    meta: Meta,
    /// Keys that were looked at or changed, as they are after the last admitted commit.
    known: HashMap<Key, Option<Revisions>>,
    writes: ::sled::Batch,
    committed: Vec<Committed>,
}

/// What of a record decides about a commit.
#[derive(Clone, Copy)]
struct Revisions {
    created: Revision,
    modified: Revision,
}

// === impl Batch ===

impl<'a> Batch<'a> {
    pub(super) fn new(tree: &'a ::sled::Tree, meta: Meta) -> Batch<'a> {
        Batch {
            tree,
            meta,
            known: HashMap::new(),
            writes: ::sled::Batch::default(),
            committed: Vec::new(),
        }
    }

    /// Takes a commit in, or leaves no trace of it.
    pub(super) fn admit(
        &mut self,
        preconditions: &[Precondition],
        changes: Vec<Change>,
    ) -> Result<Revision, Refusal> {
        for precondition in preconditions {
            if !self.holds(precondition)? {
                return Err(Refusal::Own(StoreError::Conflict));
            }
        }
        let revision = Revision(self.meta.head.0 + 1);
        // All that can fail comes first. A delete looks at nothing, so that a damaged record can be removed.
        let mut created = Vec::with_capacity(changes.len());
        for change in &changes {
            created.push(match change {
                Change::Put(key, _) => self.look(key)?.map_or(revision, |found| found.created),
                Change::Delete(_) => revision,
            });
        }
        let events = changes
            .into_iter()
            .zip(created)
            .map(|(change, created)| self.apply(change, created, revision))
            .collect();
        self.meta.head = revision;
        self.committed.push(Committed { revision, events });
        Ok(revision)
    }

    /// What to write, what to tell the follower, and the store's own record after it; `None` if nothing was admitted.
    pub(super) fn finish(mut self) -> Option<(::sled::Batch, Vec<Committed>, Meta)> {
        if self.committed.is_empty() {
            return None;
        }
        let mut writes = mem::take(&mut self.writes);
        writes.insert(META_KEY, self.meta.encode());
        Some((writes, self.committed, self.meta))
    }

    fn holds(&mut self, precondition: &Precondition) -> Result<bool, Refusal> {
        Ok(match precondition {
            Precondition::Absent(key) => self.look(key)?.is_none(),
            Precondition::At(key, revision) => self
                .look(key)?
                .is_some_and(|found| found.modified == *revision),
        })
    }

    fn look(&mut self, key: &Key) -> Result<Option<Revisions>, Refusal> {
        if let Some(known) = self.known.get(key) {
            return Ok(*known);
        }
        let found = read(self.tree, key)?.map(|record| Revisions {
            created: record.create_revision,
            modified: record.mod_revision,
        });
        self.known.insert(key.clone(), found);
        Ok(found)
    }

    fn apply(&mut self, change: Change, created: Revision, revision: Revision) -> Event {
        match change {
            Change::Put(key, value) => {
                let now = Revisions {
                    created,
                    modified: revision,
                };
                self.known.insert(key.clone(), Some(now));
                let record = Record {
                    key,
                    value,
                    create_revision: created,
                    mod_revision: revision,
                };
                self.writes.insert(stored_key(&record.key), seal(&record));
                Event::Put(record)
            }
            Change::Delete(key) => {
                self.known.insert(key.clone(), None);
                self.writes.remove(stored_key(&key));
                Event::Delete(key)
            }
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// sled found a page damaged, or can read no more.
    fn of_sled(error: &::sled::Error, key: &[u8]) -> Refusal {
        match error {
            ::sled::Error::Corruption { .. } => Refusal::Own(StoreError::Damaged(key.to_vec())),
            other => Refusal::All(Fatal::of_sled("read", other)),
        }
    }
}

// === reading ===

/// The record of a key, checked.
pub(super) fn read(tree: &::sled::Tree, key: &[u8]) -> Result<Option<Record>, Refusal> {
    let found = tree
        .get(stored_key(key))
        .map_err(|error| Refusal::of_sled(&error, key))?;
    found.map(|sealed| checked(key, &sealed)).transpose()
}

/// Up to `limit` records under this prefix, after this key, checked.
pub(super) fn scan(
    tree: &::sled::Tree,
    prefix: &[u8],
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<Record>, Refusal> {
    let stored_prefix = stored_key(prefix);
    let from = match after {
        Some(after) if after.as_slice() >= prefix => Bound::Excluded(stored_key(after)),
        _ => Bound::Included(stored_prefix.clone()),
    };
    let mut records = Vec::new();
    for entry in tree.range((from, Bound::Unbounded)).take(limit) {
        let (stored, sealed) = entry.map_err(|error| Refusal::of_sled(&error, prefix))?;
        if !stored.starts_with(&stored_prefix) {
            break;
        }
        records.push(checked(caller_key(&stored), &sealed)?);
    }
    Ok(records)
}

fn checked(key: &[u8], sealed: &[u8]) -> Result<Record, Refusal> {
    unseal(key, sealed).map_err(|_| Refusal::Own(StoreError::Damaged(key.to_vec())))
}
