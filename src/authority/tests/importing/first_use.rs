//! The first use of a weak token: slow, counted, and the last of its kind.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::*;
use crate::authority::tests::stage::{MINUTE, at_time};
use crate::store::{Change, Store as _};

/// What a guesser is told, in order.
async fn guesses(stage: &Stage, locator: &str, count: usize) -> Vec<Result<Verdict, Reason>> {
    let mut told = Vec::new();
    for number in 0..count {
        let text = format!("{locator}.guess-number-{number}");
        let judged = judged(stage, &text, Scope::All).await;
        told.push(judged.map(|j| j.verdict).map_err(|error| error.reason));
    }
    told
}

#[tokio::test]
async fn the_first_use_leaves_a_tag_no_event_and_the_etag_as_it_was() {
    let stage = Stage::new().await;
    for (form, string) in [
        (plaintext(WEAK), WEAK),
        (
            argon2("shop8.by-another-system", "shop8"),
            "shop8.by-another-system",
        ),
    ] {
        let before = imported(&stage, &import(form)).await;
        let events = stage.log("acme").await.len();
        assert!(before.value.imported.as_ref().unwrap().unproven.is_some());
        let etag = stage.authority.revision_text(before.etag());
        assert_eq!(stage.verdict(string).await, Verdict::Valid);
        let after = kept(&stage, before.value.id).await;
        let imported = after.imported.as_ref().unwrap();
        assert!(imported.unproven.is_none());
        assert_eq!(
            imported.strength,
            ImportStrength::Weak,
            "it stays what it was"
        );
        assert_eq!(stage.log("acme").await.len(), events);
        // Who read it before its first use may still change it; that change has an etag of its own.
        let mut update = update_token(before.value.id);
        update.etag.clone_from(&etag);
        update.description = Some("to be rotated".to_owned());
        let changed = stage.done("adam", &update).await.answer.unwrap();
        assert_ne!(stage.authority.revision_text(changed.etag()), etag);
        assert_eq!(changed.value.etag, None);
        assert_eq!(stage.refusal("adam", &update).await, Reason::EtagMismatch);
        assert_eq!(stage.verdict(string).await, Verdict::Valid);
    }
}

#[tokio::test]
async fn a_first_use_whose_tag_is_not_kept_is_good_and_the_next_one_is_another_first() {
    let stage = Stage::new().await;
    let token = imported(&stage, &import(plaintext(WEAK))).await.value;
    let (authority, id) = (stage.authority.clone(), token.id);
    let call = stage
        .call::<crate::authority::change::SuspendToken>("adam")
        .await;
    let now = stage.now();
    // Somebody changes it in between.
    stage.store.before_commit(async move {
        let mut update = update_token(id);
        update.description = Some("changed meanwhile".to_owned());
        authority.perform(&call, &update, now).await.unwrap();
    });
    assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
    let record = kept(&stage, token.id).await;
    assert_eq!(record.description, "changed meanwhile");
    assert!(record.imported.unwrap().unproven.is_some());
    assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
    let record = kept(&stage, token.id).await;
    assert!(record.imported.unwrap().unproven.is_none());
    assert_eq!(record.description, "changed meanwhile");
}

#[tokio::test]
async fn many_first_uses_at_once_are_all_good_and_hashed_once() {
    let stage = Stage::new().await;
    imported(&stage, &import(plaintext(WEAK))).await;
    let commits = stage
        .store
        .commits
        .load(std::sync::atomic::Ordering::SeqCst);
    let mut uses = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (authority, time) = (stage.authority.clone(), stage.time());
        uses.spawn(async move {
            let demand = Demand::default();
            authority.verify(WEAK, &demand, None, at_time(time)).await
        });
    }
    for judged in uses.join_all().await {
        assert_eq!(judged.unwrap().verdict, Verdict::Valid);
    }
    let after = stage
        .store
        .commits
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(after, commits + 1);
}

#[tokio::test]
async fn guesses_are_refused_beyond_an_allowance_before_and_after_the_first_use() {
    let stage = Stage::new().await;
    imported(&stage, &import(plaintext(WEAK))).await;
    let (_, minted) = stage.token().await;
    let expected: Vec<_> = std::iter::repeat_n(Ok(Verdict::NotFound), 5)
        .chain(std::iter::repeat_n(Err(Reason::LimitExceeded), 3))
        .collect();
    assert_eq!(guesses(&stage, "shop7", 8).await, expected);
    // Until its first use a guesser stands in its own way.
    let error = judged(&stage, WEAK, Scope::All).await.unwrap_err();
    assert_eq!(error.reason, Reason::LimitExceeded);
    assert!(error.retry_after.is_some());
    assert_eq!(stage.verdict(&minted).await, Verdict::Valid);
    stage.later(10 * MINUTE);
    assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
    // From then on none does, and still nobody guesses on.
    assert_eq!(guesses(&stage, "shop7", 8).await, expected);
    for _ in 0..20 {
        assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
    }
    // What has no locator of a token here is no guess at one.
    let unknown = guesses(&stage, "other", 20).await;
    assert!(unknown.iter().all(|told| *told == Ok(Verdict::NotFound)));
}

fn from(client: &str) -> Demand {
    Demand {
        client_ip: Some(crate::authority::tests::samples::address(client)),
        ..Demand::default()
    }
}

async fn verdict_from(stage: &Stage, text: &str, client: &str) -> Result<Verdict, Reason> {
    let demand = from(client);
    let judged = stage.authority.verify(text, &demand, None, stage.now());
    let judged = judged.await;
    judged.map(|j| j.verdict).map_err(|error| error.reason)
}

#[tokio::test]
async fn a_guesser_blocks_itself_and_no_other_client_before_and_after_the_first_use() {
    let stage = Stage::new().await;
    imported(&stage, &import(plaintext(WEAK))).await;
    for _ in 0..2 {
        for _ in 0..5 {
            let guessed = verdict_from(&stage, "shop7.a-wrong-string", "192.0.2.7").await;
            assert_eq!(guessed, Ok(Verdict::NotFound));
        }
        let guessed = verdict_from(&stage, "shop7.a-wrong-string", "192.0.2.7").await;
        assert_eq!(guessed, Err(Reason::LimitExceeded));
        let owner = verdict_from(&stage, WEAK, "192.0.2.8").await;
        assert_eq!(owner, Ok(Verdict::Valid));
        stage.later(10 * MINUTE);
    }
}

#[tokio::test]
async fn many_clients_together_guess_no_faster_than_a_token_s_allowance() {
    let stage = Stage::new().await;
    imported(&stage, &import(argon2("shop7.by-another-system", "shop7"))).await;
    let mut checked = 0;
    for number in 0..100 {
        let client = format!("192.0.2.{number}");
        match verdict_from(&stage, "shop7.a-wrong-string", &client).await {
            Ok(verdict) => {
                assert_eq!(verdict, Verdict::NotFound);
                checked += 1;
            }
            Err(reason) => assert_eq!(reason, Reason::LimitExceeded),
        }
    }
    assert_eq!(checked, 60);
    stage.later(6000);
    let right = verdict_from(&stage, "shop7.by-another-system", "192.0.2.200").await;
    assert_eq!(right, Ok(Verdict::Valid));
}

#[tokio::test]
async fn a_client_that_tries_many_tokens_is_stopped_and_others_are_not() {
    let stage = Stage::new().await;
    for number in 0..70 {
        let string = format!("shop{number:02}.by-another-system");
        let locator = &string[..6];
        imported(&stage, &import(argon2(&string, locator))).await;
    }
    let guess = async |number: usize, client: &str| {
        verdict_from(&stage, &format!("shop{number:02}.a-wrong-string"), client).await
    };
    for number in 0..60 {
        assert_eq!(
            guess(number, "192.0.2.7").await,
            Ok(Verdict::NotFound),
            "{number}"
        );
    }
    assert_eq!(guess(60, "192.0.2.7").await, Err(Reason::LimitExceeded));
    assert_eq!(guess(60, "192.0.2.8").await, Ok(Verdict::NotFound));
    let owner = verdict_from(&stage, "shop61.by-another-system", "192.0.2.8").await;
    assert_eq!(owner, Ok(Verdict::Valid));
}

#[tokio::test]
async fn another_system_s_hash_that_was_altered_or_moved_opens_for_nobody() {
    let stage = Stage::new().await;
    let one = imported(&stage, &import(argon2("shop1.by-another-system", "shop1"))).await;
    let two = imported(&stage, &import(argon2("shop2.by-another-system", "shop2"))).await;
    let moved = Token {
        imported: one.value.imported.clone(),
        ..two.value.clone()
    };
    let key = keyspace::token(two.value.id);
    stage.overwrite(key, &keyspace::encode(&moved)).await;
    let error = judged(&stage, "shop1.by-another-system", Scope::All).await;
    assert_eq!(error.unwrap().verdict, Verdict::Valid);
    for string in ["shop2.by-another-system", "shop2.by-another-sys"] {
        let error = judged(&stage, string, Scope::All).await.unwrap_err();
        assert_eq!(error.reason, Reason::Internal);
    }
}

#[tokio::test]
async fn who_may_not_guess_is_told_so_while_another_first_use_is_under_way() {
    let stage = Arc::new(Stage::new().await);
    imported(&stage, &import(plaintext(WEAK))).await;
    for _ in 0..5 {
        let guessed = verdict_from(&stage, "shop7.a-wrong-string", "192.0.2.7").await;
        assert_eq!(guessed, Ok(Verdict::NotFound));
    }
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (at_commit, released) = (reached.clone(), go_on.clone());
    stage.store.before_commit(async move {
        at_commit.notify_one();
        released.notified().await;
    });
    let owner = {
        let stage = stage.clone();
        tokio::spawn(async move { verdict_from(&stage, WEAK, "192.0.2.8").await })
    };
    reached.notified().await;
    let guessed = verdict_from(&stage, "shop7.a-wrong-string", "192.0.2.7");
    let guessed = tokio::time::timeout(Duration::from_secs(10), guessed).await;
    assert_eq!(guessed.unwrap(), Err(Reason::LimitExceeded));
    go_on.notify_one();
    assert_eq!(owner.await.unwrap(), Ok(Verdict::Valid));
}

#[tokio::test]
async fn a_string_that_proved_right_is_not_that_of_another_token_of_its_locator() {
    let stage = Arc::new(Stage::new().await);
    let old = imported(&stage, &import(plaintext(WEAK))).await.value;
    let other = stage.clone();
    // While it is being used for the first time, it is gone, and one with its locator is there.
    stage.store.before_commit(async move {
        let gone = Change::Delete(keyspace::token(old.id));
        other.store.commit(Vec::new(), vec![gone]).await.unwrap();
        other.later(1);
        let next = import(plaintext("shop7.winter-of-2020"));
        let next = imported(&other, &next).await.value;
        assert_eq!(next.id, old.id);
    });
    assert_eq!(stage.verdict(WEAK).await, Verdict::NotFound);
    assert_eq!(stage.verdict("shop7.winter-of-2020").await, Verdict::Valid);
}
