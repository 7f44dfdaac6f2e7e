//! HMAC keys are rotated and retired; tokens and passwords move to the newest as they are used; the root key is changed.

mod rewrapping;

use std::sync::Arc;

use super::commands::create_token;
use super::importing::{STRONG, WEAK, import, imported, plaintext, try_import};
use super::lifecycle::{revoke, suspend};
use super::lists::{all, list, page};
use super::sessions::{PASSWORD, logs_in, with_gate};
use super::stage::Stage;
use crate::authority::error::Reason;
use crate::authority::judge::Verdict;
use crate::authority::key_versions::{KeyStatus, KeyVersion, RetireKey, RotateKey};
use crate::authority::keyspace;
use crate::authority::secret::TokenId;
use crate::authority::token::Token;
use crate::authority::transaction::Done;

fn retire(version: u32) -> RetireKey {
    RetireKey {
        version,
        force: false,
    }
}

fn forced(version: u32) -> RetireKey {
    RetireKey {
        version,
        force: true,
    }
}

async fn rotate(stage: &Stage) -> u32 {
    let done = stage.done("root", &RotateKey).await;
    done.answer.unwrap().value.version
}

async fn status(stage: &Stage) -> Vec<KeyStatus> {
    stage.authority.key_status().await.unwrap()
}

/// How many tokens hang on each version, oldest first.
async fn tokens(stage: &Stage) -> Vec<usize> {
    let all = status(stage).await;
    all.iter().map(|status| status.held.tokens).collect()
}

async fn stored(stage: &Stage, id: TokenId) -> Token {
    stage.stored::<Token>(keyspace::token(id)).await.unwrap()
}

/// These users' tokens move to the newest key.
async fn moved(stage: &Stage, users: &[&str]) {
    for user in users {
        assert_eq!(stage.verdict(&stage.secret(user)).await, Verdict::Valid);
    }
    upkeep(stage).await;
}

async fn upkeep(stage: &Stage) {
    stage.authority.keep_uses(stage.now()).await.unwrap();
}

#[tokio::test]
async fn a_token_moves_to_the_newest_key_when_it_is_used_and_nothing_else_of_it_changes() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let before = stored(&stage, id).await;
    let etag = |stage: &Stage| {
        let authority = stage.authority.clone();
        async move {
            let found = authority.fetch::<Token>(keyspace::token(id)).await;
            found.unwrap().unwrap().etag()
        }
    };
    let first_etag = etag(&stage).await;
    assert_eq!(rotate(&stage).await, 2);
    assert_eq!(stage.newest_event("system").await.action, "key.rotate");
    let held = tokens(&stage).await;

    let (new, new_secret) = stage.token().await;
    assert_eq!(stored(&stage, new).await.tag.key_version, 2, "at once");
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    assert_eq!(stage.verdict(&new_secret).await, Verdict::Valid);
    assert_eq!(stored(&stage, id).await.tag.key_version, 1, "not by Verify");
    let events = stage.log("acme").await;
    upkeep(&stage).await;

    let after = stored(&stage, id).await;
    assert_eq!(after.tag.key_version, 2);
    assert_eq!(etag(&stage).await, first_etag);
    let same = Token {
        tag: before.tag,
        etag: None,
        ..after
    };
    assert!(same == before, "the tag alone");
    assert_eq!(stage.log("acme").await, events, "no event");
    // Those of the callers above have moved too: verifying is authenticating.
    let now = tokens(&stage).await;
    assert!(now[0] < held[0], "{now:?} {held:?}");
    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    assert_eq!(tokens(&stage).await, now, "counted alike after a start");
}

#[tokio::test]
async fn a_key_is_retired_once_nothing_hangs_on_it() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let (revoked, _) = stage.token().await;
    stage.done("adam", &revoke(revoked)).await;
    rotate(&stage).await;
    moved(&stage, &["root"]).await;
    let refused = stage.perform("root", &retire(1)).await.unwrap_err();
    assert_eq!(refused.reason, Reason::InUse);
    let told = refused.metadata.iter().find(|(name, _)| *name == "tokens");
    assert_eq!(told.unwrap().1, tokens(&stage).await[0].to_string());
    moved(&stage, &["root", "adam", "tom", "dora"]).await;
    assert_eq!(tokens(&stage).await[0], 1, "the one that was not used");
    assert_eq!(stage.refusal("root", &retire(1)).await, Reason::InUse);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    upkeep(&stage).await;

    let done = stage.done("root", &retire(1)).await;
    assert_eq!(done.warnings, Vec::<String>::new());
    assert_eq!(stage.newest_event("system").await.action, "key.retire");
    let again = stage.done("root", &retire(1)).await;
    assert_eq!(again.revision, done.revision, "and is retired once");
    let first = status(&stage).await.swap_remove(0);
    assert!(first.key.retire_time.is_some() && first.key.wrapped.is_empty());
    assert_eq!(first.held.revoked, 1);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    assert_eq!(stored(&stage, id).await.tag.key_version, 2);
}

#[tokio::test]
async fn a_key_that_is_retired_by_force_takes_what_hangs_on_it_along_and_says_so() {
    let stage = with_gate().await;
    let (_, lost) = stage.token().await;
    rotate(&stage).await;
    // Not the one that it is done with.
    assert_eq!(stage.refusal("root", &forced(1)).await, Reason::InUse);
    moved(&stage, &["root", "gate", "pat"]).await;
    let done = stage.done("root", &forced(1)).await;
    let warning = done.warnings.concat();
    assert!(
        warning.contains("and 1 passwords are good no more"),
        "{warning}"
    );
    let event = stage.newest_event("system").await;
    assert!(event.comment.contains(&warning), "{}", event.comment);
    assert_eq!(stage.verdict(&lost).await, Verdict::NotFound);
    let login = logs_in(&stage, "pat", PASSWORD).await.unwrap_err();
    assert_eq!(login.reason, Reason::LoginRefused);
    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&lost).await, Verdict::NotFound);
    assert_eq!(stage.verdict(&stage.secret("root")).await, Verdict::Valid);
}

#[tokio::test]
async fn the_newest_key_is_never_retired_and_none_but_operators_touch_keys() {
    let stage = Stage::new().await;
    assert_eq!(stage.refusal("root", &forced(1)).await, Reason::InUse);
    rotate(&stage).await;
    assert_eq!(stage.refusal("root", &forced(2)).await, Reason::InUse);
    assert_eq!(stage.refusal("root", &forced(3)).await, Reason::NotFound);
    assert_eq!(
        stage.refusal("adam", &RotateKey).await,
        Reason::PermissionDenied
    );
    assert_eq!(
        stage.refusal("adam", &forced(1)).await,
        Reason::PermissionDenied
    );
    for version in 3..=16 {
        assert_eq!(rotate(&stage).await, version);
    }
    assert_eq!(stage.refusal("root", &RotateKey).await, Reason::InUse);
    moved(&stage, &["root"]).await;
    stage.done("root", &forced(1)).await;
    assert_eq!(rotate(&stage).await, 17, "a number is never used again");
}

#[tokio::test]
async fn a_repeated_rotation_makes_one_key() {
    let stage = Stage::new().await;
    let first = stage.request("root", 1, 1, &RotateKey).await.unwrap();
    let again = stage.request("root", 1, 1, &RotateKey).await.unwrap();
    let version = |done: Done<KeyVersion>| done.answer.unwrap().value.version;
    assert_eq!((version(first), version(again)), (2, 2));
    assert_eq!(status(&stage).await.len(), 2);
    moved(&stage, &["root"]).await;
    let retired = stage.request("root", 2, 1, &forced(1)).await.unwrap();
    let again = stage.request("root", 2, 1, &forced(1)).await.unwrap();
    assert!(!retired.warnings.is_empty());
    assert_eq!(retired.warnings, again.warnings);
}

#[tokio::test]
async fn what_is_made_while_the_key_is_rotated_hangs_on_the_new_one() {
    let stage = Arc::new(with_gate().await);
    let other = stage.clone();
    stage.store.before_commit(async move {
        rotate(&other).await;
    });
    let (created, _) = stage.token().await;
    assert_eq!(stored(&stage, created).await.tag.key_version, 2);
    let other = stage.clone();
    stage.store.before_commit(async move {
        rotate(&other).await;
    });
    let (session, _) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    assert_eq!(session.tag.key_version, 3);
}

#[tokio::test]
async fn a_new_tag_undoes_no_change_that_was_quicker() {
    let stage = Arc::new(Stage::new().await);
    let (id, secret) = stage.token().await;
    let (untouched, other_secret) = stage.token().await;
    rotate(&stage).await;
    for secret in [&secret, &other_secret] {
        assert_eq!(stage.verdict(secret).await, Verdict::Valid);
    }
    let other = stage.clone();
    stage.store.before_commit(async move {
        other.done("adam", &revoke(id)).await;
    });
    upkeep(&stage).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
    assert_eq!(stored(&stage, id).await.tag.key_version, 1);
    assert_eq!(stored(&stage, untouched).await.tag.key_version, 2);
    // It was used again, so it moves now, and stays what it is.
    upkeep(&stage).await;
    assert_eq!(stored(&stage, id).await.tag.key_version, 2);
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
    stage.done("adam", &suspend(untouched)).await;
    assert_eq!(stage.verdict(&other_secret).await, Verdict::Suspended);
}

#[tokio::test]
async fn new_tags_and_uses_share_what_upkeep_may_write() {
    let stage = Stage::new().await;
    let mut secrets = Vec::new();
    for _ in 0..120 {
        secrets.push(stage.token().await.1);
    }
    rotate(&stage).await;
    for secret in &secrets {
        stage.verdict(secret).await;
    }
    let (mut before, mut turns) = (tokens(&stage).await[0], 0);
    let left = before - 120;
    while before > left {
        upkeep(&stage).await;
        let after = tokens(&stage).await[0];
        let moved = before - after;
        assert!(moved > 0 && moved <= 50, "{moved}");
        // The first turn has as many buckets of uses to write as it may.
        assert!(turns > 0 || moved == 25, "{moved}");
        (before, turns) = (after, turns + 1);
    }
}

#[tokio::test]
async fn a_store_that_refuses_loses_no_new_tag() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    rotate(&stage).await;
    stage.verdict(&secret).await;
    stage.store.refuses_commits(true);
    assert!(stage.authority.keep_uses(stage.now()).await.is_err());
    stage.store.refuses_commits(false);
    upkeep(&stage).await;
    assert_eq!(stored(&stage, id).await.tag.key_version, 2);
}

#[tokio::test]
async fn a_password_moves_at_the_next_login_and_stays_the_same_to_all_others() {
    let stage = Arc::new(with_gate().await);
    rotate(&stage).await;
    let passwords = |all: Vec<KeyStatus>| all.iter().map(|s| s.passwords).collect::<Vec<_>>();
    assert_eq!(passwords(status(&stage).await), [1, 0]);
    let other = stage.clone();
    // Two log in at once: neither is refused because of the other.
    stage.store.before_commit(async move {
        logs_in(&other, "pat", PASSWORD).await.unwrap();
    });
    logs_in(&stage, "pat", PASSWORD).await.unwrap();
    assert_eq!(passwords(status(&stage).await), [0, 1]);
    logs_in(&stage, "pat", PASSWORD).await.unwrap();
    assert!(logs_in(&stage, "pat", "incorrect horse").await.is_err());
    moved(&stage, &["root", "gate"]).await;
    stage.done("root", &forced(1)).await;
    logs_in(&stage, "pat", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn imported_tokens_are_found_and_proved_over_rotations_and_move_when_they_are_used() {
    let stage = Stage::new().await;
    let strong = imported(&stage, &import(plaintext(STRONG))).await.value;
    let weak = imported(&stage, &import(plaintext(WEAK))).await.value;
    rotate(&stage).await;
    assert_eq!(status(&stage).await[0].held.unused, 1);
    assert_eq!(stage.verdict(STRONG).await, Verdict::Valid);
    // Its first use makes its tag with the newest key by itself.
    assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
    assert_eq!(status(&stage).await[0].held.unused, 0);
    upkeep(&stage).await;
    for token in [&strong, &weak] {
        assert_eq!(stored(&stage, token.id).await.tag.key_version, 2);
    }
    // Also one whose tag an older key made.
    rotate(&stage).await;
    for string in [STRONG, WEAK] {
        assert_eq!(stage.verdict(string).await, Verdict::Valid);
    }
    moved(&stage, &["root", "adam"]).await;
    for version in [1, 2] {
        stage.done("root", &forced(version)).await;
    }
    let stage = stage.reopened().await;
    for string in [STRONG, WEAK] {
        assert_eq!(stage.verdict(string).await, Verdict::Valid);
        let again = try_import(&stage, "adam", &import(plaintext(string)), false).await;
        assert_eq!(again.unwrap_err().reason, Reason::AlreadyImported);
    }
}

#[tokio::test]
async fn a_page_token_and_a_request_id_outlast_every_key_that_there_was() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        stage.token().await;
    }
    let made = stage.request("adam", 1, 1, &create_token("jane")).await;
    let first = list(&stage, "adam", &all(), page(1, "")).await.unwrap();
    rotate(&stage).await;
    moved(&stage, &["root", "adam"]).await;
    stage.done("root", &forced(1)).await;
    let second = list(&stage, "adam", &all(), page(1, &first.1)).await;
    assert_eq!(second.unwrap().0.len(), 1);
    let again = stage.request("adam", 1, 1, &create_token("jane")).await;
    let id = |done: Done<Token>| done.answer.unwrap().value.id;
    assert_eq!(id(made.unwrap()), id(again.unwrap()));
}
