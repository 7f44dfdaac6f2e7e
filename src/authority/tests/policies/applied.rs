//! Bringing the tokens that there are within the policy.

use std::sync::Arc;

use super::{at_most, for_apis, hits, kept, lasting, made, with_contact};
use crate::authority::conform::{Applied, ApplyPolicy, PolicyChange};
use crate::authority::effects::PolicyEffects;
use crate::authority::error::{Error, Reason};
use crate::authority::keyspace::{self, Stored as _};
use crate::authority::libraries::UpdateLibrary;
use crate::authority::moment::Moment;
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::secret::TokenId;
use crate::authority::tests::commands::{create_library, update_user};
use crate::authority::tests::lifecycle::{revoke, suspend, update_token};
use crate::authority::tests::samples::{name, names};
use crate::authority::tests::stage::{DAY, Stage};
use crate::authority::token::TokenKind;
use crate::authority::transaction::Call;
use crate::authority::update::UpdateToken;
use crate::authority::users::UpdateUser;

async fn apply(stage: &Stage, user: &str, asked: &ApplyPolicy) -> Result<Applied, Error> {
    let call = Call {
        caller: stage.authenticate(user, Reserved::TokensAdmin).await?,
        call_id: "call-1".to_owned(),
        request: None,
    };
    let now = stage.now();
    stage.authority.apply_policy(&call, asked, now).await
}

fn to_acme(dry_run: bool) -> ApplyPolicy {
    ApplyPolicy {
        library: name("acme"),
        dry_run,
        page: PageRequest::default(),
    }
}

/// What was changed, of a call that changed all it found.
async fn applied(stage: &Stage, dry_run: bool) -> Vec<(TokenId, PolicyChange)> {
    let applied = apply(stage, "tom", &to_acme(dry_run)).await.unwrap();
    assert_eq!(applied.next, "");
    let changes = applied.changes.into_iter();
    changes.map(|(id, change)| (id, change.unwrap())).collect()
}

#[tokio::test]
async fn a_policy_holds_for_new_tokens_and_for_old_ones_only_when_asked() {
    let stage = with_contact().await;
    let long = kept(&stage, made(&stage, &lasting("jane", "10mo")).await).await;
    let short = kept(&stage, made(&stage, &lasting("jane", "30d")).await).await;
    let both = kept(&stage, made(&stage, &for_apis(&["orders", "stock"])).await).await;
    let orders = kept(&stage, made(&stage, &for_apis(&["orders"])).await).await;
    let tightened = UpdateLibrary {
        contact_apis: Some(names(&["stock"])),
        ..at_most("90d")
    };
    stage.done("dora", &tightened).await;
    for token in [&long, &short, &both, &orders] {
        assert_eq!(kept(&stage, token.id).await, *token);
    }
    let planned = applied(&stage, true).await;
    for token in [&long, &short, &both, &orders] {
        assert_eq!(kept(&stage, token.id).await, *token, "that was a dry run");
    }
    assert_eq!(stage.log("acme").await[0], "library.update");

    let latest = Moment(stage.time().0 + 90 * DAY);
    let changes = applied(&stage, false).await;
    assert_eq!(changes, planned);
    let change = |id| changes.iter().find(|(changed, _)| *changed == id).unwrap();
    let (_, of_long) = change(long.id);
    assert_eq!(of_long.fields, ["expire_time"]);
    assert_eq!(
        (of_long.old_expire_time, of_long.new_expire_time),
        (long.expire_time, latest)
    );
    assert_eq!(of_long.user, name("jane"));
    assert_eq!(change(both.id).1.fields, ["apis"]);
    assert_eq!(change(orders.id).1.fields, ["state"]);
    // With those of the three administrators.
    assert_eq!(changes.len(), 6);

    assert_eq!(kept(&stage, long.id).await.expire_time, latest);
    assert_eq!(kept(&stage, short.id).await, short);
    assert_eq!(kept(&stage, both.id).await.grant.apis, names(&["stock"]));
    let suspended = kept(&stage, orders.id).await;
    assert_eq!(suspended.grant, orders.grant);
    let suspension = suspended.suspension.unwrap();
    assert_eq!(suspension.reason, "policy");
    assert_eq!(suspension.suspended_by, "acme/tom");
    assert!(suspension.by_administrator);
    let done = stage.log("acme").await;
    let events = done.iter().filter(|action| *action == "token.apply-policy");
    assert_eq!(events.count(), changes.len());

    // Again, at once and later: there is nothing left to do, and nothing grows back.
    let commits = stage.keys(b"").await;
    assert_eq!(applied(&stage, false).await, []);
    stage.later(DAY);
    assert_eq!(applied(&stage, false).await, []);
    assert_eq!(stage.keys(b"").await, commits);
    let wider = UpdateLibrary {
        contact_apis: Some(names(&["orders", "stock"])),
        ..at_most("24mo")
    };
    stage.done("dora", &wider).await;
    assert_eq!(applied(&stage, false).await, []);
    assert_eq!(kept(&stage, long.id).await.expire_time, latest);
    assert!(kept(&stage, orders.id).await.suspension.is_some());
}

#[tokio::test]
async fn the_event_names_what_was_changed_of_which_token() {
    let stage = Stage::new().await;
    let token = made(&stage, &lasting("jane", "90d")).await;
    // All but this one are within a year.
    stage.done("dora", &at_most("12mo")).await;
    let longest = UpdateToken {
        expire_time: Some(Moment(stage.time().0 + 80 * DAY)),
        ..update_token(token)
    };
    stage.done("adam", &longest).await;
    stage.done("dora", &at_most("70d")).await;
    applied(&stage, false).await;
    let event = stage.newest_event("acme").await;
    assert_eq!(event.action, "token.apply-policy");
    assert_eq!(
        (event.fields, event.actor),
        (vec!["expire_time".to_owned()], "acme/tom".to_owned())
    );
    assert!(!event.token_id.is_empty() && !event.user.is_empty());
}

#[tokio::test]
async fn what_has_ended_stays_as_it_is_and_what_is_suspended_stays_suspended() {
    let stage = with_contact().await;
    let revoked = made(&stage, &lasting("jane", "10mo")).await;
    stage.done("adam", &revoke(revoked)).await;
    let expired = made(&stage, &lasting("jane", "1d")).await;
    let suspended = made(&stage, &lasting("jane", "10mo")).await;
    stage.done("adam", &suspend(suspended)).await;
    let of_contact = made(&stage, &for_apis(&["orders"])).await;
    stage.done("adam", &suspend(of_contact)).await;
    let mut session = kept(&stage, made(&stage, &lasting("jane", "10mo")).await).await;
    session.kind = TokenKind::Session;
    let record = keyspace::encode(&session);
    stage.overwrite(session.key(), &record).await;
    stage.later(DAY);
    let mut before = Vec::new();
    for id in [revoked, expired, of_contact] {
        before.push(kept(&stage, id).await);
    }
    let tightened = UpdateLibrary {
        contact_apis: Some(Vec::new()),
        ..at_most("60d")
    };
    stage.done("dora", &tightened).await;
    applied(&stage, false).await;
    for token in before {
        assert_eq!(kept(&stage, token.id).await, token);
    }
    let latest = Moment(stage.time().0 + 60 * DAY);
    let held_back = kept(&stage, suspended).await;
    assert_eq!(held_back.expire_time, latest);
    assert_eq!(held_back.suspension.unwrap().reason, "a leak?");
    assert_eq!(kept(&stage, session.id).await.expire_time, latest);
}

#[tokio::test]
async fn pages_change_each_token_once_and_the_last_tells_who_has_too_many() {
    let stage = Stage::new().await;
    for _ in 0..25 {
        made(&stage, &lasting("jane", "90d")).await;
        stage.later(1);
    }
    let tightened = UpdateLibrary {
        max_tokens_per_user: Some(20),
        ..at_most("30d")
    };
    stage.done("dora", &tightened).await;
    let (mut asked, mut changed, mut pages) = (to_acme(false), Vec::new(), 0);
    asked.page.size = 4;
    loop {
        let page = apply(&stage, "tom", &asked).await.unwrap();
        assert!(page.changes.len() <= 4);
        changed.extend(page.changes.into_iter().map(|(id, _)| id));
        pages += 1;
        assert_eq!(page.left.is_some(), page.next.is_empty());
        if let Some(left) = page.left {
            assert_eq!(left.over_lifetime.count, 0);
            assert_eq!(left.users_over_limit, hits(&[name("jane")]));
            break;
        }
        let other = ApplyPolicy {
            dry_run: true,
            page: PageRequest {
                size: 4,
                token: page.next.clone(),
            },
            ..asked.clone()
        };
        let refused = apply(&stage, "tom", &other).await.unwrap_err();
        assert_eq!(refused.reason, Reason::InvalidFields);
        asked.page.token = page.next;
    }
    assert_eq!((changed.len(), pages), (28, 7));
    changed.sort_unstable();
    changed.dedup();
    assert_eq!(changed.len(), 28);
}

#[tokio::test]
async fn one_that_ends_meanwhile_is_left_as_it_ended() {
    let stage = Arc::new(Stage::new().await);
    let one = made(&stage, &lasting("jane", "90d")).await;
    let other = made(&stage, &lasting("jane", "90d")).await;
    stage.done("dora", &at_most("30d")).await;
    let meanwhile = stage.clone();
    stage.store.before_commit(async move {
        meanwhile.done("root", &revoke(one)).await;
        meanwhile.done("root", &revoke(other)).await;
    });
    let changed: Vec<TokenId> = applied(&stage, false)
        .await
        .into_iter()
        .map(|c| c.0)
        .collect();
    assert_eq!(changed.len(), 3);
    for id in [one, other] {
        assert!(!changed.contains(&id));
        let token = kept(&stage, id).await;
        assert!(token.revocation.is_some());
        assert_eq!(token.expire_time, Moment(stage.time().0 + 90 * DAY));
    }
}

#[tokio::test]
async fn a_caller_whose_right_goes_changes_nothing_more() {
    let stage = Arc::new(Stage::new().await);
    for _ in 0..3 {
        made(&stage, &lasting("jane", "90d")).await;
    }
    stage.done("dora", &at_most("30d")).await;
    let meanwhile = stage.clone();
    stage.store.before_commit(async move {
        let off = UpdateUser {
            disabled: Some(true),
            ..update_user("tom")
        };
        meanwhile.done("root", &off).await;
    });
    let applied = apply(&stage, "tom", &to_acme(false)).await.unwrap();
    assert_eq!(applied.changes.len(), 6);
    let refused = |change: &Result<PolicyChange, Error>| {
        change
            .as_ref()
            .is_err_and(|e| e.reason == Reason::CredentialRefused)
    };
    assert!(applied.changes.iter().all(|(_, change)| refused(change)));
    let log = stage.log("acme").await;
    assert!(!log.contains(&"token.apply-policy".to_owned()));
}

#[tokio::test]
async fn a_policy_is_applied_in_a_library_that_there_is() {
    let stage = Stage::new().await;
    stage.done("root", &create_library("globex")).await;
    let gone = ApplyPolicy {
        library: name("nowhere"),
        ..to_acme(false)
    };
    let refused = apply(&stage, "root", &gone).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);
    let empty = ApplyPolicy {
        library: name("globex"),
        ..to_acme(false)
    };
    let applied = apply(&stage, "root", &empty).await.unwrap();
    assert_eq!(applied.changes.len(), 0);
    assert_eq!(applied.left, Some(PolicyEffects::default()));
}
