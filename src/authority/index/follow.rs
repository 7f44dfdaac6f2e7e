//! Following the store: each commit, and each record that is loaded, changes the index.

use std::sync::Arc;

use super::tokens::TokenTooOdd;
use super::{Imports, Index, Loaded, State};
use crate::authority::directory::{Library, User, UserType};
use crate::authority::import::Cuts;
use crate::authority::key_versions::KeyVersion;
use crate::authority::keyspace::{self, Versioned};
use crate::authority::token::Token;
use crate::authority::watermark::Watermark;
use crate::store::{Committed, Event, Follower, Load, Record, Revision};

impl Follower for Arc<Index> {
    fn publish(&mut self, commits: &[Committed]) {
        self.change(|state| {
            for commit in commits {
                for event in &commit.events {
                    state.apply(event);
                }
                state.revision = commit.revision;
            }
        });
        // Who is told of an event finds in the index what it changed.
        self.1.publish(commits);
    }

    fn loaded(&mut self, load: &Load, records: Vec<Record>) {
        self.change(|state| {
            if let Load::Slice { prefix, limit, .. } = load {
                if prefix.as_slice() == keyspace::TOKENS {
                    state.loaded = match records.last() {
                        Some(last) if records.len() == *limit => Loaded::Through(last.key.clone()),
                        _ => Loaded::All,
                    };
                }
                state.loaded_uses.note(prefix, &records, *limit);
            }
            for record in records {
                state.revision = state.revision.max(record.mod_revision);
                state.apply(&Event::Put(record));
            }
        });
    }
}

impl State {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Put(record) => {
                if self.put(record).is_none() {
                    tracing::error!(key = %record.key.escape_ascii(), "a stored record can't be understood");
                    if let Some(watermark) = Watermark::unreadable(&record.key) {
                        self.directory.put_watermark(watermark);
                    }
                    // What was known before no longer holds.
                    self.delete(&record.key);
                    self.mark_damaged(&record.key);
                }
            }
            Event::Delete(key) => {
                self.delete(key);
            }
        }
    }

    /// `None` if it is a record of the index, but can't be understood.
    fn put(&mut self, record: &Record) -> Option<()> {
        match record.key.get(..1)? {
            keyspace::TOKENS => {
                let token = keyspace::decode::<Token>(record)?;
                self.put_token(&token, record.create_revision).ok()?;
            }
            keyspace::LIBRARIES => {
                let Versioned { value, revision } = keyspace::decode::<Library>(record)?;
                self.directory.put_library(value, revision);
            }
            keyspace::USER_TYPES => {
                let Versioned { value, revision } = keyspace::decode::<UserType>(record)?;
                self.directory.put_user_type(value, revision);
            }
            keyspace::USERS => {
                let Versioned { value, revision } = keyspace::decode::<User>(record)?;
                self.directory.put_user(value, revision);
            }
            keyspace::WATERMARKS => {
                let watermark = keyspace::decode::<Watermark>(record)?;
                self.directory.put_watermark(watermark);
            }
            keyspace::IMPORTS => {
                let cuts = keyspace::decode::<Cuts>(record)?;
                self.directory
                    .put_imports(cuts.value.library, Imports::Known(cuts));
            }
            keyspace::HMAC_KEYS => self.put_hmac_key(record)?,
            keyspace::USES => self.uses.put(record, |id| {
                let token = self.tokens.get(id)?;
                Some(self.directory.library(token.library).uid)
            })?,
            _ => {}
        }
        Some(())
    }

    /// A key that was made or retired while the authority runs. Those that there were before are handed over.
    fn put_hmac_key(&mut self, record: &Record) -> Option<()> {
        let Versioned { value, revision } = keyspace::decode::<KeyVersion>(record)?;
        let Some(root) = self.root.clone() else {
            return Some(());
        };
        let key = value.open(&root).ok()?;
        let keys = Arc::make_mut(&mut self.hmac_keys);
        match key {
            Some(key) => keys.put(value.version, revision, &key),
            None => keys.remove(value.version),
        }
        Some(())
    }

    /// A record can't be read: its token is refused, or what is found by it.
    pub(super) fn mark_damaged(&mut self, key: &[u8]) {
        if let Some(library) = keyspace::imports_library(key) {
            self.directory.put_imports(library, Imports::Unreadable);
        }
        let token = keyspace::token_id(key).filter(|_| key.starts_with(keyspace::TOKENS));
        self.damaged.extend(token);
    }

    fn put_token(
        &mut self,
        token: &Versioned<Token>,
        created: Revision,
    ) -> Result<(), TokenTooOdd> {
        let Versioned {
            value: token,
            revision,
        } = token;
        let library = self
            .directory
            .library_slot(token.library_uid, &token.library);
        let user = self.directory.user_slot(token.user_uid, &token.user);
        let before = self
            .tokens
            .put(token, (created, *revision), library, user)?;
        let now = self.tokens.get(token.id);
        self.directory.replace_token(library, before.as_ref(), now);
        self.damaged.remove(&token.id);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Option<()> {
        match key.get(..1)? {
            keyspace::TOKENS => {
                let packed = self.tokens.remove(keyspace::token_id(key)?)?;
                self.directory
                    .replace_token(packed.library, Some(&packed), None);
            }
            keyspace::HMAC_KEYS => {
                let version = keyspace::number(key)?;
                Arc::make_mut(&mut self.hmac_keys).remove(version);
            }
            keyspace::LIBRARIES => self.directory.delete_library(&keyspace::library_name(key)?),
            keyspace::USER_TYPES => {
                let (library, name) = keyspace::uid_and_name(key)?;
                self.directory.delete_user_type(library, &name);
            }
            keyspace::USERS => {
                let (library, name) = keyspace::uid_and_name(key)?;
                self.directory.delete_user(library, &name);
            }
            _ => {}
        }
        Some(())
    }
}
