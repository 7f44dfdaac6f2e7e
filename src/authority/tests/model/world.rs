//! The authority itself, over an engine, with what a test knows of it: ids, uids and secrets, in the order of the model's records.

use std::sync::Arc;

use tempfile::TempDir;

use super::change::{Etag, Pick};
use super::records::Model;
use crate::authority::Authority;
use crate::authority::audit::AuditEvent;
use crate::authority::directory::Uid;
use crate::authority::index::Index;
use crate::authority::keys::RootKey;
use crate::authority::keyspace;
use crate::authority::moment::{Moment, Now};
use crate::authority::secret::{Secret, TokenId};
use crate::authority::tests::stage;
use crate::authority::tests::staged::{Staged, new_store};
use crate::store::sled::SledStore;
use crate::store::{Key, Load, Revision, Store};

/// The authority that is tested. It can't be printed: it knows secrets.
pub(super) struct World {
    pub(super) authority: Arc<Authority>,
    engine: Engine,
    store: Arc<dyn Store>,
    root: String,
    pub(super) ids: Vec<TokenId>,
    pub(super) secrets: Vec<String>,
    pub(super) uids: Vec<Uid>,
    loaded: Loaded,
}

/// Records that one look into the store takes.
const SLICE: usize = 1000;

/// How far the tokens are loaded.
enum Loaded {
    /// To this key; to none at first.
    To(Option<Key>),
    All,
}

/// Where the records are kept.
pub(super) enum Engine {
    Memory(Arc<Staged>),
    Disk(TempDir),
}

// === impl Engine ===

impl Engine {
    pub(super) fn memory() -> Engine {
        Engine::Memory(new_store())
    }

    pub(super) fn disk() -> Engine {
        Engine::Disk(tempfile::tempdir().unwrap())
    }
}

// === impl World ===

impl World {
    pub(super) async fn open(engine: Engine) -> World {
        let root = RootKey::mint().unwrap().1.to_string();
        let (authority, store) = opened(&engine, &root).await;
        World {
            authority,
            engine,
            store,
            root,
            ids: Vec::new(),
            secrets: Vec::new(),
            uids: Vec::new(),
            loaded: Loaded::To(None),
        }
    }

    /// Closes the store, and opens it anew. No token is loaded yet.
    pub(super) async fn reopen(&mut self, now: Now) {
        // The engine in memory lasts as long as its value.
        if matches!(self.engine, Engine::Disk(_)) {
            self.authority.close(now).await;
        }
        (self.authority, self.store) = opened(&self.engine, &self.root).await;
        self.loaded = Loaded::To(None);
    }

    /// Whether it can be killed: an engine on the disk is closed.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.engine, Engine::Memory(_))
    }

    /// The revision of the last commit.
    pub(super) fn revision(&self) -> u64 {
        self.authority.index.read().unwrap().revision().0
    }

    /// The audit events of the commits after a revision: of each library the oldest first.
    pub(super) async fn events_after(&self, revision: u64) -> Vec<(u64, AuditEvent)> {
        let mut after = None;
        let mut events = Vec::new();
        loop {
            let records = self
                .store
                .scan(keyspace::AUDIT.to_vec(), after, SLICE)
                .await;
            let records = records.unwrap();
            after = records.last().map(|record| record.key.clone());
            let new = records.iter().filter(|r| r.mod_revision.0 > revision);
            events.extend(new.map(|r| {
                (
                    r.mod_revision.0,
                    keyspace::decode::<AuditEvent>(r).unwrap().value,
                )
            }));
            if records.len() < SLICE {
                events.reverse();
                return events;
            }
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.loaded, Loaded::All)
    }

    /// Loads so many tokens more.
    pub(super) async fn load(&mut self, limit: usize) {
        if let Loaded::To(after) = &self.loaded {
            let slice = Load::Slice {
                prefix: keyspace::TOKENS.to_vec(),
                after: after.clone(),
                limit,
            };
            let last = self.store.load(slice).await.unwrap();
            if last.is_none() {
                // What tokens are used for comes last.
                self.authority.load_tokens().await.unwrap();
            }
            self.loaded = last.map_or(Loaded::All, |last| Loaded::To(Some(last)));
        }
    }

    pub(super) async fn load_all(&mut self) {
        while !self.is_complete() {
            self.load(1000).await;
        }
    }

    /// Makes an operator's token if there is no live one, and says whether it did.
    pub(super) async fn ensure_operator(&mut self, now: Now) -> bool {
        let mut kept = None;
        let keep = |secret: &crate::authority::secret::SecretString| {
            kept = Some(secret.expose().to_owned());
            Ok(())
        };
        let made = self
            .authority
            .ensure_operator(None, keep, now)
            .await
            .unwrap();
        if let Some(text) = kept {
            self.ids.push(Secret::parse(&text).unwrap().id);
            self.secrets.push(text);
        }
        made
    }

    pub(super) fn id(&self, model: &Model, pick: Pick) -> TokenId {
        pick.at(model).map_or(TokenId([7; 16]), |at| self.ids[at])
    }

    pub(super) fn etag(&self, etag: Etag, known: Option<u64>) -> String {
        let revision = match etag {
            Etag::Absent => return String::new(),
            // What the authority made by itself has one that was never told.
            Etag::Right if known == Some(0) => return String::new(),
            Etag::Right => known.unwrap_or(0),
            Etag::Stale => known.unwrap_or(1).wrapping_sub(1),
        };
        self.authority.revision_text(Revision(revision))
    }

    pub(super) fn token_etag(&self, model: &Model, pick: Pick, etag: Etag) -> String {
        self.etag(etag, pick.at(model).map(|at| model.tokens[at].revision))
    }
}

async fn opened(engine: &Engine, root: &str) -> (Arc<Authority>, Arc<dyn Store>) {
    match engine {
        Engine::Memory(store) => {
            let opened = stage::open(store, root).await.unwrap();
            (opened.authority, store.clone())
        }
        Engine::Disk(directory) => {
            let index = Arc::new(Index::new());
            let store = SledStore::open(directory.path(), Box::new(index.clone())).unwrap();
            let store: Arc<dyn Store> = Arc::new(store);
            let root = RootKey::parse(root).unwrap();
            let opened = Authority::open(store.clone(), index, root, Moment(0)).await;
            (opened.unwrap().authority, store)
        }
    }
}
