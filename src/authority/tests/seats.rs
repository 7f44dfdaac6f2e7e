//! No user has more live API tokens than its library allows, however they are made, and however many at once.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::commands::{create_token, create_user, update_library, update_user};
use super::lifecycle::{a_year, extend, resume, revoke, suspend, update_token};
use super::rotation::rotate;
use super::samples::lifetime;
use super::stage::{DAY, Stage, open};
use super::watermarks::all_of;
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::moment::{Moment, Until};
use crate::authority::rotate::RotateToken;
use crate::authority::update::UpdateToken;
use crate::authority::users::UpdateUser;

pub(super) fn limit(max: u32) -> UpdateLibrary {
    UpdateLibrary {
        max_tokens_per_user: Some(max),
        ..update_library("acme")
    }
}

fn for_a_day() -> CreateToken {
    CreateToken {
        until: Some(Until::Lifetime(lifetime("1d"))),
        ..create_token("jane")
    }
}

async fn limited(max: u32) -> Stage {
    let stage = Stage::new().await;
    stage.done("dora", &limit(max)).await;
    stage
}

#[tokio::test]
async fn a_user_has_no_more_live_tokens_than_its_library_allows() {
    let stage = limited(2).await;
    let (first, _) = stage.token().await;
    let (second, _) = stage.token().await;
    let refused = stage
        .perform("adam", &create_token("jane"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason, Reason::TooManyTokens);
    assert_eq!(refused.retry_after, None, "waiting does not help");
    assert_eq!(refused.metadata, [("limit", "2".to_owned())]);
    // Another user has a limit of its own.
    stage.done("adam", &create_user("ann", &["clerk"])).await;
    stage.done("adam", &create_token("ann")).await;
    // What is suspended can be resumed, and what is disabled can be switched on again.
    stage.done("adam", &suspend(first)).await;
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TooManyTokens
    );
    stage.done("adam", &resume(first)).await;
    stage.done("adam", &revoke(second)).await;
    stage.token().await;
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TooManyTokens
    );
    let stage = stage.reopened().await;
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TooManyTokens
    );
    // What was ended together counts no longer either.
    stage.done("adam", &all_of("jane")).await;
    for _ in 0..2 {
        stage.token().await;
    }
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TooManyTokens
    );
    stage.done("dora", &limit(0)).await;
    stage.token().await;
}

#[tokio::test]
async fn what_has_expired_makes_room_and_takes_it_again_when_it_is_revived() {
    let stage = limited(1).await;
    let (old, _) = stage.created("adam", &for_a_day()).await;
    stage.later(DAY);
    let (new, _) = stage.created("adam", &for_a_day()).await;
    let later = UpdateToken {
        expire_time: Some(Moment(stage.time().0 + DAY)),
        ..update_token(old.id)
    };
    for _ in 0..2 {
        assert_eq!(
            stage.refusal("adam", &extend(old.id, a_year())).await,
            Reason::TooManyTokens
        );
        assert_eq!(stage.refusal("adam", &later).await, Reason::TooManyTokens);
    }
    // One that is live has its seat.
    stage.done("adam", &extend(new.id, a_year())).await;
    stage.done("adam", &revoke(new.id)).await;
    stage.done("adam", &extend(old.id, a_year())).await;
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TooManyTokens
    );
}

#[tokio::test]
async fn rotation_replaces_and_a_lower_limit_ends_nothing() {
    let stage = limited(3).await;
    let (first, _) = stage.token().await;
    let (second, _) = stage.token().await;
    stage.done("dora", &limit(2)).await;
    stage.done("adam", &rotate(first)).await;
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TooManyTokens
    );
    stage.done("dora", &limit(1)).await;
    stage.done("adam", &extend(second, a_year())).await;
    stage.done("adam", &revoke(second)).await;
    // The other is still good, beside what it replaced.
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TooManyTokens
    );
    let off = UpdateUser {
        disabled: Some(true),
        ..update_user("jane")
    };
    stage.done("adam", &off).await;
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::OwnerDisabled
    );
}

#[tokio::test]
async fn a_token_that_another_replaced_takes_no_seat_beside_it() {
    let stage = limited(2).await;
    let (old, secret) = stage.token().await;
    stage.done("adam", &rotate(old)).await;
    stage.token().await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TooManyTokens
    );
}

#[tokio::test]
async fn a_chain_of_rotations_takes_a_seat_for_each_but_the_last_two() {
    let stage = limited(2).await;
    let rotated = async |id| {
        let long = RotateToken {
            overlap: Some(lifetime("300d")),
            ..rotate(id)
        };
        let done = stage.perform("adam", &long).await;
        done.map(|done| done.answer.unwrap().value.id)
    };
    let (first, secret) = stage.token().await;
    let second = rotated(first).await.unwrap();
    let third = rotated(second).await.unwrap();
    // The first stands alone now, beside the second, which the third stands for.
    let refused = rotated(third).await.unwrap_err();
    assert_eq!(refused.reason, Reason::TooManyTokens);
    assert!(refused.message.contains("revoke it"), "{refused}");
    let refused = stage.refusal("adam", &create_token("jane")).await;
    assert_eq!(refused, Reason::TooManyTokens);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    stage.done("adam", &revoke(first)).await;
    stage.token().await;
    assert_eq!(
        rotated(third).await.unwrap_err().reason,
        Reason::TooManyTokens
    );
    stage.done("adam", &revoke(second)).await;
    rotated(third).await.unwrap();
}

#[tokio::test]
async fn a_token_whose_successor_ended_counts_again() {
    let stage = limited(1).await;
    let (old, _) = stage.token().await;
    let new = stage.done("adam", &rotate(old)).await.answer.unwrap();
    stage.done("adam", &revoke(new.value.id)).await;
    let refused = stage.refusal("adam", &create_token("jane")).await;
    assert_eq!(refused, Reason::TooManyTokens);
    stage.done("adam", &revoke(old)).await;
    stage.token().await;
}

#[tokio::test]
async fn a_repeat_of_a_call_that_took_the_last_seat_is_answered_by_what_it_did() {
    let stage = limited(1).await;
    let first = stage.request("adam", 7, 1, &create_token("jane")).await;
    let again = stage.request("adam", 7, 1, &create_token("jane")).await;
    assert_eq!(
        first.unwrap().answer.unwrap().value,
        again.unwrap().answer.unwrap().value
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_are_made_at_once_the_limit_are() {
    const AT_ONCE: usize = 200;
    let stage = Arc::new(limited(7).await);
    for round in 1..=3 {
        stage.done("dora", &limit(7 * round)).await;
        let mut calls = JoinSet::new();
        for _ in 0..AT_ONCE {
            let stage = stage.clone();
            calls.spawn(async move { stage.perform("adam", &create_token("jane")).await });
        }
        let outcomes = calls.join_all().await;
        let made = outcomes.iter().filter(|made| made.is_ok()).count();
        assert_eq!(made, 7);
        let refused = outcomes.into_iter().filter_map(Result::err);
        assert!(
            refused
                .into_iter()
                .all(|e| e.reason == Reason::TooManyTokens)
        );
    }
}

#[tokio::test]
async fn one_that_is_about_to_be_committed_counts_already() {
    let stage = Arc::new(limited(1).await);
    let other = stage.clone();
    stage.store.before_commit(async move {
        assert_eq!(
            other.refusal("root", &create_token("jane")).await,
            Reason::TooManyTokens
        );
    });
    stage.token().await;
}

#[tokio::test]
async fn one_whose_caller_has_gone_counts_until_its_commit_is_decided() {
    let stage = Arc::new(limited(1).await);
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (at_commit, released) = (reached.clone(), go_on.clone());
    stage.store.before_commit(async move {
        at_commit.notify_one();
        released.notified().await;
    });
    let given_up = {
        let stage = stage.clone();
        tokio::spawn(async move { stage.token().await })
    };
    reached.notified().await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    let create = create_token("jane");
    assert_eq!(stage.refusal("root", &create).await, Reason::TooManyTokens);
    go_on.notify_one();
    while stage.log("acme").await[0] != "token.create" {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.refusal("root", &create).await, Reason::TooManyTokens);
}

#[tokio::test]
async fn a_seat_is_given_back_where_nothing_comes_of_it() {
    let stage = Arc::new(limited(1).await);
    let other = stage.clone();
    stage.store.before_commit(async move {
        let off = UpdateLibrary {
            tokens_enabled: Some(false),
            ..update_library("acme")
        };
        other.done("root", &off).await;
    });
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TokensNotEnabled
    );
    let on = UpdateLibrary {
        tokens_enabled: Some(true),
        ..update_library("acme")
    };
    stage.done("root", &on).await;
    stage.token().await;
}

#[tokio::test]
async fn nothing_is_counted_before_all_is_loaded() {
    let stage = limited(1).await;
    stage.token().await;
    let unloaded = open(&stage.store, stage.root()).await.unwrap().authority;
    let call = stage.call::<CreateToken>("adam").await;
    let create = create_token("jane");
    let perform = async || unloaded.perform(&call, &create, stage.now()).await;
    // The caller's own token is there; how many the user has is not known.
    let secret = stage.secret("adam");
    let again = call.caller.access.clone();
    unloaded
        .authenticate(&secret, again, stage.now())
        .await
        .unwrap();
    assert_eq!(perform().await.unwrap_err().reason, Reason::NotReady);
    unloaded.load_tokens().await.unwrap();
    assert_eq!(perform().await.unwrap_err().reason, Reason::TooManyTokens);
}
