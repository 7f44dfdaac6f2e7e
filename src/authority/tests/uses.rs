//! What tokens are used for is noted, kept apart from them, and found again after a start.

use super::commands::create_token;
use super::lifecycle::suspend;
use super::samples::{address, demanded, name, named};
use super::stage::{DAY, MINUTE, Stage};
use crate::authority::directory::Library;
use crate::authority::judge::{Demand, Verdict};
use crate::authority::keyspace;
use crate::authority::list::{TokenFilter, Window};
use crate::authority::moment::Moment;
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::secret::TokenId;
use crate::authority::uses::{FLUSH_INTERVAL_MS, MAX_DEMANDED, Note, Service, Use};
use crate::store::{Change, Store as _};

impl Stage {
    /// A demand for a permission, by `adam`, of a client with an address.
    pub(super) async fn uses(&self, secret: &str, permission: &str) -> Verdict {
        let adam = self
            .authenticate("adam", Reserved::TokensVerify)
            .await
            .unwrap();
        let demand = Demand {
            permissions: vec![demanded(permission)],
            client_ip: Some(address("198.51.100.4")),
            ..Demand::default()
        };
        let judged = self
            .authority
            .verify(secret, &demand, Some(&adam), self.now());
        judged.await.unwrap().verdict
    }

    pub(super) fn used(&self, id: TokenId) -> Use {
        self.authority.uses().of(id).unwrap_or_default()
    }

    pub(super) async fn kept(&self) {
        self.authority.keep_uses(self.now()).await.unwrap();
    }

    /// The ids that a filter leaves.
    async fn finds(&self, filter: TokenFilter) -> Vec<TokenId> {
        let adam = self.authenticate("adam", Reserved::TokensAdmin).await;
        let (adam, page) = (adam.unwrap(), PageRequest::default());
        let listed = self
            .authority
            .list_tokens(&adam, &filter, &page, self.time());
        let items = listed.await.unwrap().items;
        items.into_iter().map(|token| token.value.id).collect()
    }
}

fn permissions(used: &Use) -> Vec<&str> {
    let mut listed: Vec<_> = used.permissions.iter().map(|text| &**text).collect();
    listed.sort_unstable();
    listed
}

#[tokio::test]
async fn a_use_is_noted_with_its_time_its_place_its_service_and_its_demand() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    assert_eq!(stage.used(id), Use::default());
    assert_eq!(stage.uses(&secret, "orders:read").await, Verdict::Valid);
    stage.later(MINUTE);
    assert_eq!(stage.uses(&secret, "orders:write").await, Verdict::Valid);
    assert_eq!(
        stage.uses(&secret, "stock:move").await,
        Verdict::MissingPermission
    );
    let used = stage.used(id);
    let last = used.last.clone().unwrap();
    assert_eq!(last.time, stage.time());
    assert_eq!(last.client_ip, Some(address("198.51.100.4")));
    assert_eq!(last.by.as_deref(), Some("acme/adam"));
    assert_eq!(permissions(&used), ["orders:read", "orders:write"]);
    assert_eq!(used.refused[0].verdict, Verdict::MissingPermission);
    // A wrong secret is nobody's use.
    let other = crate::authority::secret::Secret::mint().unwrap();
    stage.verdict(other.to_secret_string().expose()).await;
    assert_eq!(stage.used(other.id), Use::default());
}

#[tokio::test]
async fn a_credential_for_a_call_of_the_authority_s_own_is_used_by_it() {
    let stage = Stage::new().await;
    let (token, secret) = stage.created("root", &create_token("adam")).await;
    stage.remember("bare", &secret);
    // It lists no reserved permission: the call is refused, and says nothing of the token.
    let lacking = stage.authenticate("bare", Reserved::TokensAdmin).await;
    assert!(lacking.unwrap_err().is_refusal());
    assert_eq!(stage.used(token.id), Use::default());

    let adam = stage.authenticate("adam", Reserved::TokensSelf).await;
    let id = adam.unwrap().token_id;
    let used = stage.used(id);
    let last = used.last.clone().unwrap();
    assert_eq!(last.by.as_deref(), Some("token-authority"));
    assert_eq!(last.client_ip, Some(address("192.0.2.1")));
    assert!(permissions(&used).contains(&"tokens:self"));
    stage.done("root", &suspend(id)).await;
    stage.later(MINUTE);
    assert!(
        stage
            .authenticate("adam", Reserved::TokensSelf)
            .await
            .is_err()
    );
    let after = stage.used(id);
    assert_eq!(after.last, used.last, "a refused use is none");
    assert_eq!(
        (after.refused[0].verdict, after.refused[0].count),
        (Verdict::Suspended, 1)
    );
}

#[tokio::test]
async fn uses_are_kept_apart_from_the_token_and_found_after_a_start() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let before = stage.store_value(&keyspace::token(id)).await;
    let log = stage.log("acme").await;
    stage.uses(&secret, "orders:read").await;
    let commits = stage
        .store
        .commits
        .load(std::sync::atomic::Ordering::SeqCst);
    stage.kept().await;
    let after = stage
        .store
        .commits
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(after - commits, 1, "all buckets in one commit");
    stage.kept().await;
    assert_eq!(
        stage
            .store
            .commits
            .load(std::sync::atomic::Ordering::SeqCst),
        after,
        "nothing new is not written"
    );
    assert_eq!(stage.store_value(&keyspace::token(id)).await, before);
    assert_eq!(stage.log("acme").await, log);
    let used = stage.used(id);
    let stage = stage.reopened().await;
    assert_eq!(stage.used(id), used);
    // A use that was not written is lost with the process, and nothing else.
    stage.later(MINUTE);
    stage.uses(&secret, "orders:write").await;
    let stage = stage.reopened().await;
    assert_eq!(stage.used(id), used);
    // Where the end is told, nothing is, however little time has passed since it was written.
    stage.uses(&secret, "orders:write").await;
    stage.kept().await;
    stage.later(1000);
    stage.uses(&secret, "orders:read").await;
    let exact = stage.used(id);
    assert_ne!(exact, used);
    stage.authority.keep_all_uses(stage.now()).await.unwrap();
    let stage = stage.reopened().await;
    assert_eq!(stage.used(id), exact);
}

#[tokio::test]
async fn what_is_written_before_all_is_loaded_forgets_nothing() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.uses(&secret, "orders:read").await;
    stage.kept().await;
    let stage = stage.opened().await;
    stage.later(MINUTE);
    stage.uses(&secret, "orders:write").await;
    stage.kept().await;
    let stage = stage.reopened().await;
    let used = stage.used(id);
    assert_eq!(permissions(&used), ["orders:read", "orders:write"]);
    assert_eq!(used.last.unwrap().time, stage.time());
}

#[tokio::test]
async fn a_turn_writes_so_many_records_and_the_rest_in_the_next() {
    let stage = Stage::new().await;
    for _ in 0..70 {
        let (_, secret) = stage.token().await;
        stage.verdict(&secret).await;
    }
    stage.kept().await;
    let first = stage.keys(keyspace::USES).await.len();
    assert!((50..=51).contains(&first), "{first}");
    stage.kept().await;
    assert!(stage.keys(keyspace::USES).await.len() > 65);
}

#[tokio::test]
async fn a_write_that_fails_is_made_up_for() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.uses(&secret, "orders:read").await;
    stage.store.refuses_commits(true);
    assert!(stage.authority.keep_uses(stage.now()).await.is_err());
    stage.store.refuses_commits(false);
    stage.kept().await;
    let used = stage.used(id);
    assert_eq!(stage.reopened().await.used(id), used);
}

#[tokio::test]
async fn a_record_that_is_damaged_keeps_no_other_from_being_written() {
    let stage = Stage::new().await;
    let (damaged, secret) = stage.token().await;
    stage.verdict(&secret).await;
    let (id, secret) = stage.token().await;
    stage.uses(&secret, "orders:read").await;
    let bucket = crate::authority::uses::Bucket::of(damaged);
    stage.store.damages(keyspace::uses(bucket, 0));
    assert!(stage.authority.keep_uses(stage.now()).await.is_err());
    stage.kept().await;
    let used = stage.used(id);
    assert_eq!(stage.reopened().await.used(id), used);
}

#[tokio::test]
async fn uses_of_a_token_that_is_gone_are_forgotten() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.verdict(&secret).await;
    stage.kept().await;
    let key = keyspace::uses(crate::authority::uses::Bucket::of(id), 0);
    stage.store_value(&key).await;
    let gone = Change::Delete(keyspace::token(id));
    stage.store.commit(Vec::new(), vec![gone]).await.unwrap();
    stage.authority.uses().note(&crate::authority::uses::Note {
        id,
        library: crate::authority::directory::Uid([1; 16]),
        is_session: false,
        verdict: Verdict::Valid,
        demanded: &[],
        right: None,
        client_ip: None,
        by: crate::authority::uses::Service::Anonymous,
        time: Moment(stage.time().0 + DAY),
        ahead: None,
    });
    stage.kept().await;
    assert_eq!(stage.used(id), Use::default());
    assert!(!stage.keys(keyspace::USES).await.contains(&key));
}

#[tokio::test]
async fn tokens_are_found_by_when_they_were_last_used() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for days in [0, 10, 100] {
        let (id, secret) = stage.token().await;
        ids.push((id, secret, days));
    }
    let (never, _) = stage.token().await;
    for (_, secret, days) in &ids {
        stage.set_time("2026-03-02T12:00:00Z");
        stage.later(days * DAY);
        stage.verdict(secret).await;
    }
    let now = stage.time();
    let (new, _) = stage.token().await;
    let ago = |days: i64| Some(Moment(now.0 - days * DAY));
    let jane = || TokenFilter {
        user: Some(name("jane")),
        ..TokenFilter::of(named("acme"))
    };
    let used = |from, to| TokenFilter {
        used: Window { from, to },
        ..jane()
    };
    let sorted = |mut found: Vec<TokenId>| {
        found.sort_unstable();
        found
    };
    let [first, second, third] = [ids[0].0, ids[1].0, ids[2].0];
    assert_eq!(stage.finds(used(ago(1), None)).await, [third]);
    assert_eq!(stage.finds(used(ago(100), ago(0))).await.len(), 2);
    assert_eq!(stage.finds(used(None, ago(95))).await, [first]);
    let unused = |days| TokenFilter {
        unused_since: ago(days),
        ..jane()
    };
    assert_eq!(
        sorted(stage.finds(unused(50)).await),
        sorted(vec![first, second, never])
    );
    assert_eq!(
        sorted(stage.finds(unused(95)).await),
        sorted(vec![first, never])
    );
    // What was made since then has had no time to be used.
    assert!(!stage.finds(unused(0)).await.contains(&new));

    let stage = stage.opened().await;
    let adam = stage.authenticate("adam", Reserved::TokensAdmin).await;
    let (adam, page) = (adam.unwrap(), PageRequest::default());
    let filter = unused(50);
    let listed = stage
        .authority
        .list_tokens(&adam, &filter, &page, now)
        .await;
    assert_eq!(
        listed.unwrap_err().reason,
        crate::authority::error::Reason::NotReady
    );
}

/// What a kill takes back, at most, is no more than what sessions are given.
#[tokio::test]
async fn a_kill_takes_back_less_than_the_flush_interval() {
    let mut stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    for _ in 0..40 {
        stage.later(7000);
        stage.verdict(&secret).await;
        // A turn of upkeep each second, and then the kill.
        stage.kept().await;
        let now = stage.time();
        stage = stage.reopened().await;
        let known = stage.used(id).last.unwrap().time;
        assert!(now.0 - known.0 < FLUSH_INTERVAL_MS, "{now} {known}");
    }
}

#[tokio::test]
async fn texts_that_no_use_names_any_more_make_room_for_new_ones() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let library = stage.stored::<Library>(keyspace::library("acme")).await;
    let library = library.unwrap().uid;
    // Of tokens that there are not, so that what is noted of them is forgotten.
    for number in 0..300_u16 {
        let [high, low] = number.to_be_bytes();
        let mut bytes = [7; 16];
        (bytes[2], bytes[3]) = (high, low);
        let demanded: Vec<_> = (0..MAX_DEMANDED)
            .map(|n| demanded(&format!("p{number}:a{n}")))
            .collect();
        stage.authority.uses().note(&Note {
            id: TokenId(bytes),
            library,
            is_session: false,
            verdict: Verdict::Valid,
            demanded: &demanded,
            right: None,
            client_ip: None,
            by: Service::Anonymous,
            time: stage.time(),
            ahead: None,
        });
    }
    assert_eq!(stage.uses(&secret, "orders:read").await, Verdict::Valid);
    assert!(stage.used(id).more_permissions);
    stage.kept().await;
    // Those tokens are forgotten by now, and with the next text that finds no room, theirs are.
    let (_, secret) = stage.token().await;
    stage.uses(&secret, "orders:write").await;
    stage.kept().await;
    let (id, secret) = stage.token().await;
    assert_eq!(stage.uses(&secret, "orders:write").await, Verdict::Valid);
    assert_eq!(permissions(&stage.used(id)), ["orders:write"]);
    assert!(!stage.used(id).more_permissions);
}
