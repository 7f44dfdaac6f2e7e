//! A policy that is changed: what it would hit, what it hits at once, and what is brought within it when somebody asks.

use std::sync::Arc;

use super::commands::{create_library, create_token, create_user, update_library, update_user};
use super::lifecycle::{revoke, suspend, update_token};
use super::rotation::rotate;
use super::samples::{granted, lifetime, name, names, networks};
use super::seats::limit;
use super::stage::{DAY, Stage};
use crate::authority::conform::{Applied, ApplyPolicy, PolicyChange};
use crate::authority::directory::{Library, UserKind};
use crate::authority::effects::{Hits, PolicyEffects};
use crate::authority::error::{Error, Reason};
use crate::authority::issue::CreateToken;
use crate::authority::keyspace::{self, Stored as _};
use crate::authority::libraries::UpdateLibrary;
use crate::authority::moment::{Moment, Until};
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::secret::TokenId;
use crate::authority::token::{Token, TokenKind};
use crate::authority::transaction::Call;
use crate::authority::update::UpdateToken;
use crate::authority::users::{CreateUser, UpdateUser};

/// A library with users, of whom `carl` is a contact.
async fn with_contact() -> Stage {
    let stage = Stage::new().await;
    let contact = CreateUser {
        kind: UserKind::Contact,
        data_owner: "initech".to_owned(),
        ..create_user("carl", &["clerk"])
    };
    stage.done("adam", &contact).await;
    let policy = UpdateLibrary {
        contact_apis: Some(names(&["orders", "stock"])),
        ..update_library("acme")
    };
    stage.done("adam", &policy).await;
    stage
}

fn lasting(user: &str, text: &str) -> CreateToken {
    CreateToken {
        until: Some(Until::Lifetime(lifetime(text))),
        ..create_token(user)
    }
}

fn for_apis(apis: &[&str]) -> CreateToken {
    CreateToken {
        apis: names(apis),
        ..lasting("carl", "30d")
    }
}

fn within(nets: &[&str]) -> CreateToken {
    CreateToken {
        allowed_cidrs: networks(nets),
        ..lasting("jane", "30d")
    }
}

fn at_most(text: &str) -> UpdateLibrary {
    UpdateLibrary {
        default_lifetime: Some(lifetime("1d")),
        max_lifetime: Some(lifetime(text)),
        ..update_library("acme")
    }
}

async fn made(stage: &Stage, create: &CreateToken) -> TokenId {
    stage.created("adam", create).await.0.id
}

async fn kept(stage: &Stage, id: TokenId) -> Token {
    stage.stored(keyspace::token(id)).await.unwrap()
}

/// What a change of the policy would hit.
async fn effects(stage: &Stage, change: &UpdateLibrary) -> PolicyEffects {
    let call = stage.call::<UpdateLibrary>("dora").await;
    let proposed = stage
        .authority
        .rehearse(&call.caller, change, stage.time())
        .await;
    let proposed = proposed.unwrap().unwrap();
    stage
        .authority
        .policy_effects(&proposed, stage.time())
        .await
        .unwrap()
}

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

fn hits<T: Clone>(examples: &[T]) -> Hits<T> {
    Hits {
        count: u32::try_from(examples.len()).unwrap(),
        examples: examples.to_vec(),
    }
}

// === dry runs ===

#[tokio::test]
async fn a_rehearsal_tells_what_a_policy_would_hit_and_changes_nothing() {
    let stage = with_contact().await;
    let long = made(&stage, &lasting("jane", "10mo")).await;
    stage.later(1);
    made(&stage, &lasting("jane", "90d")).await;
    let ended = made(&stage, &lasting("jane", "10mo")).await;
    stage.done("adam", &revoke(ended)).await;
    let orders = made(&stage, &for_apis(&["orders"])).await;
    stage.later(1);
    let both = made(&stage, &for_apis(&["orders", "stock"])).await;
    made(&stage, &within(&["10.0.0.0/8"])).await;
    let outside = made(&stage, &within(&["192.0.2.0/24", "2001:db8::/32"])).await;
    let before: Library = stage.stored(keyspace::library("acme")).await.unwrap();
    let (events, commits) = (stage.log("acme").await, stage.keys(b"").await);
    let tightened = UpdateLibrary {
        contact_apis: Some(names(&["stock"])),
        allowed_cidrs: Some(networks(&["10.1.0.0/16", "198.51.100.0/24"])),
        max_tokens_per_user: Some(3),
        ..at_most("90d")
    };
    let hit = effects(&stage, &tightened).await;
    let everybody = stage.keys(keyspace::TOKENS).await.len();
    // The operator's is in another library, one was revoked.
    assert_eq!(hit.examined as usize, everybody - 2);
    // Those of the three administrators last a year.
    assert_eq!(hit.over_lifetime.count, 4);
    assert!(hit.over_lifetime.examples.contains(&long));
    assert_eq!(hit.outside_apis, hits(&[both, orders]));
    assert_eq!(hit.outside_cidrs, hits(&[outside]));
    assert_eq!(hit.users_over_limit, hits(&[name("jane")]));
    let after: Library = stage.stored(keyspace::library("acme")).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(stage.log("acme").await, events);
    assert_eq!(stage.keys(b"").await, commits);
}

#[tokio::test]
async fn a_rehearsal_refuses_what_the_change_would_be_refused() {
    let stage = with_contact().await;
    let call = stage.call::<UpdateLibrary>("dora").await;
    let now = stage.time();
    let refusal = async |change: UpdateLibrary| {
        let rehearsed = stage.authority.rehearse(&call.caller, &change, now).await;
        rehearsed.unwrap_err().reason
    };
    let too_short = UpdateLibrary {
        max_lifetime: Some(lifetime("1mo")),
        ..update_library("acme")
    };
    assert_eq!(refusal(too_short).await, Reason::InvalidFields);
    let operators = UpdateLibrary {
        tokens_enabled: Some(false),
        ..update_library("acme")
    };
    assert_eq!(refusal(operators).await, Reason::PermissionDenied);
    let stale = UpdateLibrary {
        etag: "another".to_owned(),
        ..update_library("acme")
    };
    assert_eq!(refusal(stale).await, Reason::EtagMismatch);
}

#[tokio::test]
async fn no_more_than_twenty_examples_are_given_and_all_are_counted() {
    let stage = Stage::new().await;
    for _ in 0..30 {
        made(&stage, &lasting("jane", "90d")).await;
    }
    let hit = effects(&stage, &at_most("30d")).await;
    assert_eq!(hit.over_lifetime.count, 33);
    assert_eq!(hit.over_lifetime.examples.len(), 20);
    assert_eq!(hit.users_over_limit.count, 0, "there is no limit");
    // Nobody is over a limit that it has just reached; a rotation takes no second seat.
    assert_eq!(effects(&stage, &limit(30)).await.users_over_limit.count, 0);
    let one = made(&stage, &lasting("jane", "90d")).await;
    assert_eq!(effects(&stage, &limit(30)).await.users_over_limit.count, 1);
    stage.done("adam", &rotate(one)).await;
    assert_eq!(effects(&stage, &limit(31)).await.users_over_limit.count, 0);
}

// === applying it ===

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
    let log = stage.log("acme").await;
    let events = log.iter().filter(|action| *action == "token.apply-policy");
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

// === networks ===

#[tokio::test]
async fn a_token_that_could_be_used_from_nowhere_is_made_with_a_warning() {
    let stage = Stage::new().await;
    let policy = UpdateLibrary {
        allowed_cidrs: Some(networks(&["192.0.2.0/24"])),
        ..update_library("acme")
    };
    stage.done("adam", &policy).await;
    let warned = |warnings: &[String]| warnings.iter().any(|w| w.contains("from anywhere"));
    let apart = stage.done("adam", &within(&["10.0.0.0/8"])).await;
    assert!(warned(&apart.warnings));
    let sound = stage.done("adam", &within(&["192.0.2.128/25"])).await;
    assert!(!warned(&sound.warnings));
    let update = UpdateToken {
        allowed_cidrs: Some(networks(&["10.0.0.0/8"])),
        permissions: Some(granted(&[])),
        ..update_token(sound.answer.unwrap().value.id)
    };
    assert!(warned(&stage.done("adam", &update).await.warnings));
}
