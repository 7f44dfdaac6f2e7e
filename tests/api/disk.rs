//! What lies in the data directory, in hand while no server has it open.

use std::path::Path;

use token_authority::authority::keyspace::{self, Stored as _};
use token_authority::authority::secret::{Secret, TokenId};
use token_authority::authority::token::Token;
use token_authority::proto::store::TokenRecord;
use token_authority::store::sled::SledStore;
use token_authority::store::{Change, Committed, Follower, Load, Record, Store as _};

use crate::world::World;

/// Nobody needs to be told what changes.
struct Deaf;

impl Follower for Deaf {
    fn publish(&mut self, _: &[Committed]) {}
    fn loaded(&mut self, _: &Load, _: Vec<Record>) {}
}

/// The same store with a record of this token that nobody can read.
pub(crate) async fn damaged(world: World, secret: &str) -> World {
    let id = Secret::parse(secret).expect("a token").id;
    let data = world.killed();
    let store = SledStore::open(&data.path().join("store"), Box::new(Deaf)).expect("the store");
    let nonsense = Change::Put(keyspace::token(id), b"nonsense".to_vec());
    store
        .commit(Vec::new(), vec![nonsense])
        .await
        .expect("a commit");
    store.close().await;
    drop(store);
    World::on(data, &[], &[]).await
}

/// What the store keeps of a token's secret, read while the server is down.
pub(crate) async fn tag_of(world: World, secret: &str) -> (Vec<u8>, World) {
    let secret = Secret::parse(secret).expect("a token");
    let data = world.killed();
    let store = SledStore::open(&data.path().join("store"), Box::new(Deaf)).expect("the store");
    let found = store.get(vec![keyspace::token(secret.id)]).await;
    let record = found.expect("an answer").remove(0).expect("the record");
    let token: TokenRecord = keyspace::unframe(&record).expect("a token's record");
    store.close().await;
    drop(store);
    (token.tag, World::on(data, &[], &[]).await)
}

/// Adds tokens to a store, all like one of its own but for their ids, so that loading takes a while.
pub(crate) async fn fill(data_dir: &Path, like: &str, tokens: usize) {
    const AT_ONCE: usize = 1000;
    let store = SledStore::open(&data_dir.join("store"), Box::new(Deaf)).expect("the store");
    let id = TokenId::parse(like).expect("an id");
    let found = store.get(vec![keyspace::token(id)]).await;
    let record = found.expect("an answer").remove(0).expect("the record");
    let token = keyspace::decode::<Token>(&record).expect("a sound record");
    for _ in 0..tokens / AT_ONCE {
        let changes = (0..AT_ONCE).map(|_| {
            let other = Token {
                id: Secret::mint().expect("randomness").id,
                ..token.value.clone()
            };
            Change::Put(other.key(), keyspace::encode(&other))
        });
        let committed = store.commit(Vec::new(), changes.collect()).await;
        committed.expect("a commit");
    }
    store.close().await;
}
