//! What a thief of the data directory has in hand.

use token_authority::authority::keyspace;
use token_authority::authority::secret::Secret;
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
