//! Watermarks: one record that revokes all the tokens made before it.

use std::sync::Arc;

use super::commands::{create_library, create_token, create_user};
use super::directory::delete_user;
use super::lifecycle::{a_year, extend, resume, suspend};
use super::own_tokens::with_pat;
use super::rotation::rotate;
use super::samples::{name, named};
use super::stage::{DAY, Stage};
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::keyspace;
use crate::authority::list::TokenFilter;
use crate::authority::moment::Moment;
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::state::TokenState;
use crate::authority::token::{RevocationReason, Token};
use crate::authority::watermark::{RevokeAll, Watermark};
use crate::store::Store as _;

pub(super) fn all_of(user: &str) -> RevokeAll {
    RevokeAll {
        user: Some(name(user)),
        ..everything()
    }
}

fn everything() -> RevokeAll {
    RevokeAll {
        library: name("acme"),
        user: None,
        sessions_only: false,
        created_before: None,
        reason: RevocationReason::OwnerLeft,
        comment: "left on Friday".to_owned(),
    }
}

#[tokio::test]
async fn all_tokens_of_a_user_end_at_once_and_those_made_later_are_good() {
    let stage = Stage::new().await;
    stage.done("root", &create_user("mary", &["clerk"])).await;
    let (first, first_secret) = stage.token().await;
    let (_, second_secret) = stage.token().await;
    let (_, of_mary) = stage.created("adam", &create_token("mary")).await;
    let before = stage.log("acme").await.len();
    stage.done("adam", &all_of("jane")).await;
    assert_eq!(stage.log("acme").await.len(), before + 1, "one event");
    // In the same millisecond: no clock matters.
    let (_, later) = stage.token().await;
    for (secret, verdict) in [
        (&first_secret, Verdict::Revoked),
        (&second_secret, Verdict::Revoked),
        (&of_mary, Verdict::Valid),
        (&later, Verdict::Valid),
    ] {
        assert_eq!(stage.verdict(secret).await, verdict);
    }
    // Neither an extension nor a resumption brings one back.
    assert_eq!(
        stage.refusal("adam", &extend(first, a_year())).await,
        Reason::TokenState
    );
    assert_eq!(
        stage.refusal("adam", &suspend(first)).await,
        Reason::TokenState
    );
    assert_eq!(
        stage.refusal("adam", &resume(first)).await,
        Reason::TokenState
    );
    assert_eq!(
        stage.refusal("adam", &rotate(first)).await,
        Reason::TokenState
    );

    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&first_secret).await, Verdict::Revoked);
    assert_eq!(stage.verdict(&later).await, Verdict::Valid);
}

#[tokio::test]
async fn all_tokens_of_a_library_end_and_those_of_others_do_not() {
    let stage = Stage::new().await;
    stage.done("root", &create_library("globex")).await;
    let (_, secret) = stage.token().await;
    stage.done("root", &everything()).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
    assert_eq!(stage.verdict(&stage.secret("adam")).await, Verdict::Revoked);
    assert_eq!(stage.verdict(&stage.secret("root")).await, Verdict::Valid);
    let (_, later) = stage.created("root", &create_token("jane")).await;
    assert_eq!(stage.verdict(&later).await, Verdict::Valid);
}

#[tokio::test]
async fn a_time_that_has_passed_parts_the_old_from_the_new_and_only_moves_forward() {
    let stage = Stage::new().await;
    let (_, old) = stage.token().await;
    stage.later(DAY);
    let noon = stage.time();
    let (_, young) = stage.token().await;
    stage.later(DAY);
    let before = |time| RevokeAll {
        created_before: Some(time),
        ..all_of("jane")
    };
    let future = before(Moment(stage.time().0 + 1));
    assert_eq!(stage.refusal("adam", &future).await, Reason::InvalidFields);
    stage.done("adam", &before(noon)).await;
    assert_eq!(stage.verdict(&old).await, Verdict::Revoked);
    assert_eq!(stage.verdict(&young).await, Verdict::Valid);
    let head = stage.store.head().await.unwrap();
    stage.done("adam", &before(Moment(noon.0 - DAY))).await;
    assert_eq!(stage.store.head().await.unwrap(), head, "it is further on");
    assert_eq!(stage.verdict(&old).await, Verdict::Revoked);
    // The two kinds don't take each other's place.
    stage.done("adam", &all_of("jane")).await;
    stage.done("adam", &before(stage.time())).await;
    assert_eq!(stage.verdict(&young).await, Verdict::Revoked);
}

#[tokio::test]
async fn a_watermark_for_sessions_leaves_integrations_working() {
    let stage = Stage::new().await;
    let (_, secret) = stage.token().await;
    let sessions = RevokeAll {
        sessions_only: true,
        ..everything()
    };
    stage.done("root", &sessions).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn lists_agree_and_say_why() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    stage.done("root", &all_of("jane")).await;
    let root = stage.authenticate("root", Reserved::TokensAdmin).await;
    let root = root.unwrap();
    for (state, expected) in [(TokenState::Active, 0), (TokenState::Revoked, 1)] {
        let filter = TokenFilter {
            user: Some(name("jane")),
            states: vec![state],
            ..TokenFilter::of(named("acme"))
        };
        let page = PageRequest::default();
        let listed = stage
            .authority
            .list_tokens(&root, &filter, &page, stage.time());
        assert_eq!(listed.await.unwrap().items.len(), expected);
    }
    let token: Token = stage.stored(keyspace::token(id)).await.unwrap();
    let (shown, revocation) = stage.authority.token_state(&token, stage.time()).unwrap();
    let revocation = revocation.unwrap();
    assert_eq!(shown, TokenState::Revoked);
    assert_eq!(
        (
            revocation.reason,
            revocation.revoked_by.as_str(),
            revocation.comment.as_str()
        ),
        (RevocationReason::OwnerLeft, "system/root", "left on Friday")
    );
}

#[tokio::test]
async fn a_person_ends_its_own_tokens_and_no_others() {
    let stage = with_pat().await;
    let (_, secret) = stage.created("adam", &create_token("pat")).await;
    assert_eq!(
        stage.refusal("pat", &all_of("jane")).await,
        Reason::NotFound
    );
    assert_eq!(
        stage.refusal("pat", &everything()).await,
        Reason::PermissionDenied
    );
    stage.done("pat", &all_of("pat")).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
    assert_eq!(stage.verdict(&stage.secret("pat")).await, Verdict::Revoked);
}

#[tokio::test]
async fn a_caller_that_a_watermark_ends_commits_nothing_more() {
    let stage = Stage::new().await;
    let call = stage.call::<CreateToken>("adam").await;
    let by = stage
        .authority
        .authorise(&call.caller, stage.time())
        .unwrap();
    for watermark in [all_of("adam"), everything()] {
        let before = stage.authority.authorise(&call.caller, stage.time());
        let before = before.map_or_else(|_| by.basis.clone(), |by| by.basis);
        stage.done("root", &watermark).await;
        // What the caller was judged by is no longer as it was: its commit would conflict.
        let late = stage.store.commit(before, Vec::new()).await;
        assert!(late.is_err(), "{watermark:?}");
    }
    let create = create_token("jane");
    let late = stage.authority.perform(&call, &create, stage.now());
    assert_eq!(late.await.unwrap_err().reason, Reason::CredentialRefused);
}

#[tokio::test]
async fn a_repeat_does_not_move_the_watermark() {
    let stage = Stage::new().await;
    stage.request("root", 1, 1, &all_of("jane")).await.unwrap();
    let (_, between) = stage.token().await;
    stage.request("root", 1, 1, &all_of("jane")).await.unwrap();
    assert_eq!(stage.verdict(&between).await, Verdict::Valid);
}

#[tokio::test]
async fn one_that_cannot_be_read_revokes_everything_of_its_owner() {
    let stage = Stage::new().await;
    let (_, secret) = stage.token().await;
    stage.done("root", &all_of("jane")).await;
    let (_, later) = stage.token().await;
    let key = stage.keys(keyspace::WATERMARKS).await.remove(0);
    stage.overwrite(key, b"\x01\xff\xff").await;
    for _ in 0..2 {
        assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
    }
    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&later).await, Verdict::Revoked);
    let (_, newest) = stage.token().await;
    assert_eq!(stage.verdict(&newest).await, Verdict::Revoked);
}

#[tokio::test]
async fn a_watermark_of_a_deleted_user_still_says_revoked_after_a_restart() {
    let stage = Stage::new().await;
    let (_, secret) = stage.token().await;
    stage.done("root", &all_of("jane")).await;
    stage.done("root", &delete_user("acme", "jane")).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
}

#[tokio::test]
async fn every_creation_lies_before_a_watermark_or_after_it() {
    let stage = Arc::new(Stage::new().await);
    let mut made = Vec::new();
    let creating = {
        let stage = stage.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                let done = stage.done("root", &create_token("jane")).await;
                let answer = done.answer.unwrap();
                made.push((answer.revision, done.secret.unwrap().expose().to_owned()));
                tokio::task::yield_now().await;
            }
            made
        })
    };
    let mut marks = Vec::new();
    for _ in 0..10 {
        let done = stage.done("root", &all_of("jane")).await;
        marks.push(done.revision);
        tokio::task::yield_now().await;
    }
    let last = *marks.last().unwrap();
    for (revision, secret) in creating.await.unwrap() {
        let expected = if revision < last {
            Verdict::Revoked
        } else {
            Verdict::Valid
        };
        assert_eq!(
            stage.verdict(&secret).await,
            expected,
            "{revision:?} against {last:?}"
        );
    }
    let kept = stage.keys(keyspace::WATERMARKS).await;
    assert_eq!(kept.len(), 1, "it takes the place of the one before");
    let kept: Watermark = stage.stored(kept[0].clone()).await.unwrap();
    assert_eq!(kept.time, stage.time());
}
