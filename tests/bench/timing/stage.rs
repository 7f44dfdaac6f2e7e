//! An authority in memory, with tokens that are known.

use std::sync::Arc;

use token_authority::authority::Authority;
use token_authority::authority::index::Index;
use token_authority::authority::keys::{HmacKeys, RootKey};
use token_authority::authority::keyspace;
use token_authority::authority::moment::Moment;
use token_authority::authority::secret::TokenId;
use token_authority::proto::store::{GrantRecord, LibraryRecord, TokenRecord, UserRecord};
use token_authority::store::memory::MemoryStore;
use token_authority::store::{Change, Revision, Store as _};

use crate::harness::{LIBRARY, USER};
use crate::judge::wide;

/// Known tokens: as many as a processor's caches hold, so that none is told by how long ago it was looked at.
pub(super) const TOKENS: usize = 1000;
pub(super) const NOW: Moment = Moment(1_800_000_000_000);
const UID: [u8; 16] = [7; 16];

pub(super) fn keys() -> HmacKeys {
    let mut keys = HmacKeys::none();
    keys.put(1, Revision(1), &[3; 32]);
    keys
}

/// The id of a token that there is.
pub(super) fn known(n: usize) -> TokenId {
    TokenId(wide(n % TOKENS, 1))
}

/// The id of one that there is not.
pub(super) fn unknown(n: usize) -> TokenId {
    TokenId(wide(n % TOKENS, 2))
}

pub(super) fn authority() -> Arc<Authority> {
    let index = Arc::new(Index::new());
    let store = Arc::new(MemoryStore::new(Box::new(index.clone())));
    crate::runtime().block_on(async {
        let (root, _) = RootKey::mint().expect("randomness");
        let opened = Authority::open(store.clone(), index, root, NOW)
            .await
            .expect("an empty store");
        store
            .commit(Vec::new(), records())
            .await
            .expect("sound records");
        opened.authority.load_tokens().await.expect("sound tokens");
        opened.authority
    })
}

fn records() -> Vec<Change> {
    let library = LibraryRecord {
        uid: UID.to_vec(),
        default_lifetime: "12mo".into(),
        suggested_lifetime: "12mo".into(),
        max_lifetime: "24mo".into(),
        ..Default::default()
    };
    let user = UserRecord {
        uid: UID.to_vec(),
        kind: 1,
        ..Default::default()
    };
    let mut records = vec![
        put(keyspace::library(LIBRARY), &library),
        put([keyspace::USERS, &UID, USER.as_bytes()].concat(), &user),
    ];
    records.extend((0..TOKENS).map(|n| put(keyspace::token(known(n)), &token())));
    records
}

fn put(key: Vec<u8>, record: &impl prost::Message) -> Change {
    Change::Put(key, keyspace::frame(record))
}

fn token() -> TokenRecord {
    TokenRecord {
        kind: 1,
        library: LIBRARY.into(),
        library_uid: UID.to_vec(),
        user: USER.into(),
        user_uid: UID.to_vec(),
        create_time: NOW.0 - 1000,
        expire_time: NOW.0 + 1_000_000,
        grant: Some(GrantRecord {
            access_right: 1,
            ..Default::default()
        }),
        tag: vec![0; 32],
        key_version: 1,
        ..Default::default()
    }
}
