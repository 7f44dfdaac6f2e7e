//! An authority over the engine in memory, with operators and the library `acme` at work in it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use super::commands::{create_library, create_token, create_user, create_user_type};
use super::samples::{address, at, granted, name, named};
use super::staged::{Staged, new_store};
use crate::authority::audit::AuditEvent;
use crate::authority::caller::{Access, Caller};
use crate::authority::error::{Error, Reason};
use crate::authority::index::Index;
use crate::authority::issue::CreateToken;
use crate::authority::judge::{Demand, Verdict};
use crate::authority::keys::RootKey;
use crate::authority::keyspace::Stored;
use crate::authority::list::EventFilter;
use crate::authority::moment::{Moment, Now};
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::requests::RequestKey;
use crate::authority::secret::TokenId;
use crate::authority::token::Token;
use crate::authority::transaction::{Call, Command, Done};
use crate::authority::{Authority, Opened, StartError};
use crate::store::{Change, Key, Store};

/// Everything of a test.
pub(super) struct Stage {
    pub(super) authority: Arc<Authority>,
    pub(super) store: Arc<Staged>,
    root: String,
    now: AtomicI64,
    /// The secret strings by user; the operator is `root`.
    secrets: Mutex<HashMap<String, String>>,
}

/// When every test begins.
pub(super) const START: &str = "2026-03-01T12:00:00Z";
pub(super) const MINUTE: i64 = 60 * 1000;
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

// === opening ===

/// Opens an authority with an index of its own.
pub(super) async fn open(store: &Arc<Staged>, root: &str) -> Result<Opened, StartError> {
    let index = Arc::new(Index::new());
    *store.index.lock().unwrap() = index.clone();
    let root = RootKey::parse(root).unwrap();
    Authority::open(store.clone(), index, root, at(START)).await
}

pub(super) fn at_time(time: Moment) -> Now {
    Now {
        time,
        mark: Some(time),
    }
}

// === impl Stage ===

impl Stage {
    /// An authority with its first operator and nothing else.
    pub(super) async fn bare() -> Stage {
        let store = new_store();
        let root = RootKey::mint().unwrap().1.to_string();
        let authority = open(&store, &root).await.unwrap().authority;
        authority.load_tokens().await.unwrap();
        let stage = Stage {
            authority,
            store,
            root,
            now: AtomicI64::new(at(START).0),
            secrets: Mutex::default(),
        };
        assert!(stage.ensure_operator().await.unwrap());
        stage
    }

    /// With the library `acme`, its user types and these users, of whom the last three have a token with all their rights:
    /// `jane` (clerk), `adam` (administrator of all), `tom` (of tokens), `dora` (of the directory).
    pub(super) async fn new() -> Stage {
        let stage = Stage::bare().await;
        stage.done("root", &create_library("acme")).await;
        for (user_type, permissions) in [
            ("clerk", &["orders:*"][..]),
            ("admin", &["tokens:admin", "directory:admin"]),
            ("token-admin", &["tokens:admin"]),
            ("directory-admin", &["directory:admin"]),
        ] {
            stage
                .done("root", &create_user_type(user_type, permissions))
                .await;
        }
        for (user, user_type, permissions) in [
            ("jane", "clerk", &[][..]),
            ("adam", "admin", &["tokens:admin", "directory:admin"]),
            ("tom", "token-admin", &["tokens:admin"]),
            ("dora", "directory-admin", &["directory:admin"]),
        ] {
            stage.done("root", &create_user(user, &[user_type])).await;
            if !permissions.is_empty() {
                let create = CreateToken {
                    permissions: granted(permissions),
                    ..create_token(user)
                };
                let secret = stage.created("root", &create).await.1;
                stage.remember(user, &secret);
            }
        }
        stage
    }

    pub(super) async fn ensure_operator(&self) -> Result<bool, StartError> {
        let mut kept = None;
        let keep = |secret: &crate::authority::secret::SecretString| {
            kept = Some(secret.expose().to_owned());
            Ok(())
        };
        let made = self
            .authority
            .ensure_operator(None, keep, self.now())
            .await?;
        if let Some(secret) = kept {
            self.remember("root", &secret);
        }
        Ok(made)
    }

    /// The same store opened by another process, with this root key or its own.
    pub(super) async fn reopened(self) -> Stage {
        let stage = self.opened().await;
        stage.authority.load_tokens().await.unwrap();
        stage
    }

    /// The same, with no token loaded yet.
    pub(super) async fn opened(self) -> Stage {
        let authority = open(&self.store, &self.root).await.unwrap().authority;
        Stage { authority, ..self }
    }

    /// The same store opened by another process, under another root key.
    pub(super) async fn under(self, root: &str) -> Stage {
        let root = root.to_owned();
        Stage { root, ..self }.reopened().await
    }

    pub(super) fn root(&self) -> &str {
        &self.root
    }

    pub(super) fn now(&self) -> Now {
        at_time(self.time())
    }

    pub(super) fn time(&self) -> Moment {
        Moment(self.now.load(Ordering::SeqCst))
    }

    pub(super) fn later(&self, milliseconds: i64) {
        self.now.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub(super) fn set_time(&self, time: &str) {
        self.now.store(at(time).0, Ordering::SeqCst);
    }

    pub(super) fn remember(&self, user: &str, secret: &str) {
        let mut secrets = self.secrets.lock().unwrap();
        secrets.insert(user.to_owned(), secret.to_owned());
    }

    pub(super) fn secret(&self, user: &str) -> String {
        self.secrets.lock().unwrap()[user].clone()
    }

    pub(super) async fn authenticate(&self, user: &str, right: Reserved) -> Result<Caller, Error> {
        self.authenticate_for(user, right, None).await
    }

    /// The same for another user, if one is named.
    pub(super) async fn authenticate_for(
        &self,
        user: &str,
        right: Reserved,
        acting_for: Option<&str>,
    ) -> Result<Caller, Error> {
        let access = Access {
            right: Some(right),
            acting_for: acting_for.map(name),
            address: address("192.0.2.1"),
        };
        let secret = self.secret(user);
        self.authority
            .authenticate(&secret, access, self.now())
            .await
    }

    /// A call of this user, with the right that the command's RPC demands.
    pub(super) async fn call<C: Command>(&self, user: &str) -> Call {
        let right = match C::ACTION.split_once('.') {
            Some(("token", "rotate")) => Reserved::TokensSelfRotate,
            Some(("token", "import")) => Reserved::TokensAdmin,
            Some(("token", _)) => Reserved::TokensSelf,
            _ => Reserved::DirectoryAdmin,
        };
        Call {
            caller: self.authenticate(user, right).await.unwrap(),
            call_id: "call-1".to_owned(),
            request: None,
        }
    }

    pub(super) async fn perform<C: Command>(
        &self,
        user: &str,
        command: &C,
    ) -> Result<Done<C::Answer>, Error> {
        let call = self.call::<C>(user).await;
        self.authority.perform(&call, command, self.now()).await
    }

    /// The same with a request id and a payload, each told by one byte.
    pub(super) async fn request<C: Command>(
        &self,
        user: &str,
        id: u8,
        payload: u8,
        command: &C,
    ) -> Result<Done<C::Answer>, Error> {
        let mut call = self.call::<C>(user).await;
        call.request = Some(RequestKey {
            id: [id; 16],
            payload_hash: [payload; 32],
        });
        self.authority.perform(&call, command, self.now()).await
    }

    /// Performs a command that is carried out.
    pub(super) async fn done<C: Command>(&self, user: &str, command: &C) -> Done<C::Answer> {
        match self.perform(user, command).await {
            Ok(done) => done,
            Err(error) => panic!("{} by {user}: {error}", C::ACTION),
        }
    }

    /// Performs a command that is refused, and tells why.
    pub(super) async fn refusal<C: Command>(&self, user: &str, command: &C) -> Reason
    where
        C::Answer: std::fmt::Debug,
    {
        self.perform(user, command).await.unwrap_err().reason
    }

    /// A new token and its secret.
    pub(super) async fn created(&self, user: &str, command: &CreateToken) -> (Token, String) {
        let done = self.done(user, command).await;
        let secret = done.secret.unwrap().expose().to_owned();
        (done.answer.unwrap().value, secret)
    }

    /// A token for `jane`, as `adam` makes it.
    pub(super) async fn token(&self) -> (TokenId, String) {
        let (token, secret) = self.created("adam", &create_token("jane")).await;
        (token.id, secret)
    }

    pub(super) async fn verdict(&self, secret: &str) -> Verdict {
        let demand = Demand::default();
        let judged = self
            .authority
            .verify(secret, &demand, None, self.now())
            .await;
        judged.unwrap().verdict
    }

    /// The actions in a library's log, newest first.
    pub(super) async fn log(&self, library: &str) -> Vec<String> {
        let events = self.events(library).await;
        events.into_iter().map(|event| event.action).collect()
    }

    /// A library's newest event.
    pub(super) async fn newest_event(&self, library: &str) -> AuditEvent {
        self.events(library).await.swap_remove(0)
    }

    async fn events(&self, library: &str) -> Vec<AuditEvent> {
        let caller = self
            .authenticate("root", Reserved::TokensAdmin)
            .await
            .unwrap();
        let of_library = EventFilter::of(named(library));
        let page = PageRequest {
            size: 1000,
            ..PageRequest::default()
        };
        let listed = self
            .authority
            .list_audit_events(&caller, &of_library, &page, self.time());
        listed
            .await
            .unwrap()
            .items
            .into_iter()
            .map(|event| event.value)
            .collect()
    }

    /// Writes a record behind the authority's back.
    pub(super) async fn overwrite(&self, key: Key, value: &[u8]) {
        let change = Change::Put(key, value.to_vec());
        self.store
            .inner
            .commit(Vec::new(), vec![change])
            .await
            .unwrap();
    }

    pub(super) async fn keys(&self, prefix: &[u8]) -> Vec<Key> {
        let records = self
            .store
            .scan(prefix.to_vec(), None, 10_000)
            .await
            .unwrap();
        records.into_iter().map(|record| record.key).collect()
    }

    pub(super) async fn store_value(&self, key: &Key) -> Vec<u8> {
        let found = self.store.get(vec![key.clone()]).await.unwrap();
        found[0].clone().unwrap().value
    }

    pub(super) async fn stored<T: Stored>(&self, key: Key) -> Option<T> {
        let found = self.authority.fetch::<T>(key).await.unwrap();
        found.map(|found| found.value)
    }
}
