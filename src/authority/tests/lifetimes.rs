//! How long a token lasts.

use super::commands::{create_token, update_library};
use super::lifecycle::{a_year, extend, revoke, suspend, update_token};
use super::samples::{at, lifetime};
use super::stage::{DAY, Stage};
use crate::authority::change::Extension;
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::moment::{Moment, Until};
use crate::authority::update::UpdateToken;

#[expect(clippy::unnecessary_wraps, reason = "it is what the field takes")]
fn until(text: &str) -> Option<Until> {
    Some(Until::parse(text).unwrap())
}

#[tokio::test]
async fn without_a_lifetime_the_librarys_default_applies() {
    let stage = Stage::new().await;
    let (token, _) = stage.created("adam", &create_token("jane")).await;
    assert_eq!(token.expire_time, at("2027-03-01T12:00:00Z"));
}

#[tokio::test]
async fn a_default_that_some_months_make_longer_than_the_maximum_is_held_back_and_not_refused() {
    let stage = Stage::new().await;
    let policy = UpdateLibrary {
        default_lifetime: Some(lifetime("31d")),
        max_lifetime: Some(lifetime("1mo")),
        ..update_library("acme")
    };
    stage.done("root", &policy).await;
    stage.set_time("2026-04-10T00:00:00Z");
    let (token, _) = stage.created("root", &create_token("jane")).await;
    assert_eq!(token.expire_time, at("2026-05-10T00:00:00Z"));
}

#[tokio::test]
async fn what_is_asked_for_is_given_up_to_the_maximum_and_a_warning_says_what_is_long() {
    let stage = Stage::new().await;
    for (asked, end, warned) in [
        ("90d", "2026-05-30T12:00:00Z", false),
        ("12mo", "2027-03-01T12:00:00Z", false),
        ("2027-06-30", "2027-06-30T00:00:00Z", true),
        ("24mo", "2028-03-01T12:00:00Z", true),
    ] {
        let create = CreateToken {
            until: until(asked),
            ..create_token("jane")
        };
        let done = stage.done("adam", &create).await;
        assert_eq!(done.answer.unwrap().value.expire_time, at(end), "{asked}");
        assert_eq!(!done.warnings.is_empty(), warned, "{asked}");
    }
}

#[tokio::test]
async fn an_expiry_in_the_past_now_or_beyond_the_maximum_is_refused_and_the_latest_is_named() {
    let stage = Stage::new().await;
    let now = stage.time();
    for bad in [
        until("25mo"),
        until("8000y"),
        until("2026-03-01"),
        until("2028-03-02"),
        Some(Until::Moment(now)),
        Some(Until::Moment(Moment(0))),
        Some(Until::Moment(Moment(i64::MIN))),
        Some(Until::Moment(Moment(i64::MAX))),
    ] {
        let create = CreateToken {
            until: bad.clone(),
            ..create_token("jane")
        };
        let error = stage.perform("adam", &create).await.unwrap_err();
        assert_eq!(error.reason, Reason::InvalidFields, "{bad:?}");
        assert!(error.message.contains("2028-03-01T12:00:00Z"), "{error}");
    }
}

#[tokio::test]
async fn an_extension_is_one_year_from_the_current_expiry() {
    let stage = Stage::new().await;
    let create = CreateToken {
        until: until("90d"),
        ..create_token("jane")
    };
    let (token, _) = stage.created("adam", &create).await;
    let done = stage.done("adam", &extend(token.id, a_year())).await;
    assert_eq!(
        done.answer.unwrap().value.expire_time,
        at("2027-05-30T12:00:00Z")
    );
    assert!(!done.clamped);
}

#[tokio::test]
async fn an_expired_token_is_extended_from_now() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.set_time("2027-03-02T00:00:00Z");
    stage.remember("adam", &stage.secret("root"));
    assert_eq!(stage.verdict(&secret).await, Verdict::Expired);
    // The operator's own token ended long ago: a new start makes another.
    stage.ensure_operator().await.unwrap();
    let done = stage.done("root", &extend(id, a_year())).await;
    assert_eq!(
        done.answer.unwrap().value.expire_time,
        at("2028-03-02T00:00:00Z")
    );
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn an_extension_is_clamped_to_the_maximum_and_refused_at_it() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let far = Extension::By(lifetime("18mo"));
    let done = stage.done("adam", &extend(id, far)).await;
    assert_eq!(
        done.answer.unwrap().value.expire_time,
        at("2028-03-01T12:00:00Z")
    );
    assert!(done.clamped);
    assert_eq!(
        stage.refusal("adam", &extend(id, a_year())).await,
        Reason::LifetimeAtMaximum
    );
    stage.later(DAY);
    assert!(stage.done("adam", &extend(id, a_year())).await.clamped);
}

#[tokio::test]
async fn an_extension_never_shortens() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    for end in [
        "2026-02-01T00:00:00Z",
        "2026-04-01T00:00:00Z",
        "2027-03-01T12:00:00Z",
    ] {
        let to = Extension::To(at(end));
        assert_eq!(
            stage.refusal("adam", &extend(id, to)).await,
            Reason::InvalidFields,
            "{end}"
        );
    }
    let shorter = UpdateLibrary {
        max_lifetime: Some(lifetime("6mo")),
        default_lifetime: Some(lifetime("3mo")),
        ..update_library("acme")
    };
    stage.done("root", &shorter).await;
    assert_eq!(
        stage.refusal("adam", &extend(id, a_year())).await,
        Reason::LifetimeAtMaximum
    );
}

#[tokio::test]
async fn a_year_after_29_february_is_28_february() {
    let stage = Stage::new().await;
    let generous = UpdateLibrary {
        max_lifetime: Some(lifetime("5y")),
        ..update_library("acme")
    };
    stage.done("root", &generous).await;
    let create = CreateToken {
        until: until("2028-02-29"),
        ..create_token("jane")
    };
    let (token, _) = stage.created("adam", &create).await;
    let done = stage.done("adam", &extend(token.id, a_year())).await;
    assert_eq!(
        done.answer.unwrap().value.expire_time,
        at("2029-02-28T00:00:00Z")
    );
}

#[tokio::test]
async fn an_update_ends_a_token_earlier_or_as_late_as_an_extension_may() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let to = |end: &str| UpdateToken {
        expire_time: Some(at(end)),
        ..update_token(id)
    };
    let done = stage.done("adam", &to("2026-03-02T00:00:00Z")).await;
    assert_eq!(
        done.answer.unwrap().value.expire_time,
        at("2026-03-02T00:00:00Z")
    );
    stage.done("adam", &to("2028-03-01T12:00:00Z")).await;
    for bad in ["2026-03-01T12:00:00Z", "2020-01-01T00:00:00Z"] {
        assert_eq!(
            stage.refusal("adam", &to(bad)).await,
            Reason::InvalidFields,
            "{bad}"
        );
    }
    let far = to("2099-01-01T00:00:00Z");
    assert_eq!(stage.refusal("adam", &far).await, Reason::LifetimeAtMaximum);
    stage.later(DAY);
    let done = stage.done("adam", &far).await;
    assert!(done.clamped);
    assert_eq!(
        done.answer.unwrap().value.expire_time,
        at("2028-03-02T12:00:00Z")
    );
}

#[tokio::test]
async fn where_tokens_are_not_enabled_none_is_made_or_extended_and_all_work_on() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let off = UpdateLibrary {
        tokens_enabled: Some(false),
        ..update_library("acme")
    };
    stage.done("root", &off).await;
    let later = UpdateToken {
        expire_time: Some(at("2027-09-01T00:00:00Z")),
        ..update_token(id)
    };
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TokensNotEnabled
    );
    assert_eq!(
        stage.refusal("adam", &extend(id, a_year())).await,
        Reason::TokensNotEnabled
    );
    assert_eq!(
        stage.refusal("adam", &later).await,
        Reason::TokensNotEnabled
    );
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    stage.done("adam", &suspend(id)).await;
    stage.done("adam", &revoke(id)).await;
}
