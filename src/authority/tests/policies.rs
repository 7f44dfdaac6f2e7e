//! A policy that is changed: what it would hit, what it hits at once, and what is brought within it when somebody asks.

mod applied;

use std::time::Duration;

use super::commands::{create_token, create_user, update_library};
use super::lifecycle::{revoke, update_token};
use super::rotation::rotate;
use super::samples::{granted, lifetime, name, names, networks};
use super::seats::limit;
use super::stage::Stage;
use crate::authority::directory::{Library, UserKind};
use crate::authority::effects::{Hits, PolicyEffects};
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::keyspace;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::moment::Until;
use crate::authority::secret::TokenId;
use crate::authority::token::Token;
use crate::authority::update::UpdateToken;
use crate::authority::users::CreateUser;

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
    let call = stage.call::<UpdateLibrary>("root").await;
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
    assert!(!hit.incomplete);
    let after: Library = stage.stored(keyspace::library("acme")).await.unwrap();
    assert_eq!(after, before);
    // Of what there was no time for, nothing is claimed.
    let cut = stage
        .authority
        .policy_effects_within(Duration::ZERO, &after, stage.time());
    let cut = cut.await.unwrap();
    assert!(cut.incomplete);
    assert_eq!(cut.examined, 0);
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
    let outdated = UpdateLibrary {
        etag: "another".to_owned(),
        ..update_library("acme")
    };
    assert_eq!(refusal(outdated).await, Reason::EtagMismatch);
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
