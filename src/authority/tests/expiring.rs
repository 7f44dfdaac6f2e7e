//! It is told which tokens expire, once each, in time, and also what fell due while nobody was there to tell it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::commands::create_token;
use super::directory::delete_user;
use super::lifecycle::{a_year, extend, revoke, suspend};
use super::rotation::rotate;
use super::sessions::{PASSWORD, logs_in, with_gate};
use super::stage::{DAY, MINUTE, Stage, at_time};
use crate::authority::audit::{AUTHORITY, AuditEvent};
use crate::authority::issue::CreateToken;
use crate::authority::keyspace;
use crate::authority::list::EventFilter;
use crate::authority::moment::{Moment, Now, Until};
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::token::Token;

/// More than it lies behind.
const LAG: i64 = 6 * MINUTE;

async fn tell(stage: &Stage) {
    while stage.authority.tell_due(stage.now()).await.unwrap() {}
}

/// A stage on which expiries are told from now on.
async fn telling() -> Stage {
    let stage = with_gate().await;
    tell(&stage).await;
    stage
}

async fn token(stage: &Stage, lifetime: &str) -> Token {
    let create = CreateToken {
        until: Some(Until::parse(lifetime).unwrap()),
        ..create_token("jane")
    };
    stage.created("root", &create).await.0
}

/// What the authority has told, oldest first.
async fn events(stage: &Stage) -> Vec<AuditEvent> {
    let caller = stage.authenticate("root", Reserved::TokensAdmin).await;
    let caller = caller.unwrap();
    let filter = EventFilter {
        actor: Some(AUTHORITY.to_owned()),
        ..EventFilter::of(super::samples::named("acme"))
    };
    let page = PageRequest {
        size: 1000,
        token: String::new(),
    };
    let listed = stage
        .authority
        .list_audit_events(&caller, &filter, &page, stage.time());
    let events = listed.await.unwrap().items.into_iter().rev();
    events.map(|event| event.value).collect()
}

/// The same of one token, shortly.
async fn told(stage: &Stage, token: &Token) -> Vec<String> {
    let id = token.id.to_string();
    let mine = events(stage).await.into_iter().filter(|e| e.token_id == id);
    let short = mine.map(|event| {
        let days = event.comment.split(' ').next().unwrap().to_owned();
        match event.action.as_str() {
            "token.expired" => "expired".to_owned(),
            "token.expiring" => days,
            other => panic!("{other}"),
        }
    });
    short.collect()
}

/// Lets time pass in steps, and tells at each.
async fn pass(stage: &Stage, days: i64) {
    for _ in 0..days * 4 {
        stage.later(DAY / 4);
        tell(stage).await;
    }
    // The operator's own token lives shorter than some of these.
    stage.ensure_operator().await.unwrap();
}

#[tokio::test]
async fn a_token_is_told_30_7_and_1_days_before_it_expires_and_then() {
    let stage = telling().await;
    let long = token(&stage, "60d").await;
    let short = token(&stage, "10d").await;
    let brief = token(&stage, "1h").await;
    pass(&stage, 29).await;
    assert_eq!(told(&stage, &long).await, Vec::<String>::new());
    assert_eq!(told(&stage, &short).await, ["7", "1", "expired"]);
    assert_eq!(told(&stage, &brief).await, ["expired"]);
    pass(&stage, 2).await;
    assert_eq!(told(&stage, &long).await, ["30"]);
    pass(&stage, 31).await;
    assert_eq!(told(&stage, &long).await, ["30", "7", "1", "expired"]);

    let id = long.id.to_string();
    let mut events = events(&stage).await.into_iter();
    let event = events.find(|event| event.token_id == id).unwrap();
    assert_eq!(
        (event.user.as_str(), event.library.as_str()),
        ("jane", "acme")
    );
    assert_eq!(event.fields, ["expire_time"]);
    let comment = format!("30 days before it expires, at {}", long.expire_time);
    assert_eq!(event.comment, comment);
    assert_eq!(event.actor, AUTHORITY);
}

#[tokio::test]
async fn what_is_no_news_is_not_told() {
    let stage = telling().await;
    let revoked = token(&stage, "10d").await;
    stage.done("adam", &revoke(revoked.id)).await;
    let rotated = token(&stage, "10d").await;
    stage.done("adam", &rotate(rotated.id)).await;
    let suspended = token(&stage, "10d").await;
    stage.done("adam", &suspend(suspended.id)).await;
    let extended = token(&stage, "10d").await;
    let (session, _) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    pass(&stage, 5).await;
    stage.done("root", &extend(extended.id, a_year())).await;
    pass(&stage, 10).await;
    assert_eq!(told(&stage, &revoked).await, Vec::<String>::new());
    assert_eq!(told(&stage, &rotated).await, Vec::<String>::new());
    // It expires all the same.
    assert_eq!(told(&stage, &suspended).await, ["7", "1", "expired"]);
    assert_eq!(told(&stage, &extended).await, ["7"]);

    stage.set_time(&Moment(session.expire_time.0 + LAG).to_string());
    stage.ensure_operator().await.unwrap();
    tell(&stage).await;
    assert_eq!(told(&stage, &session).await, ["expired"]);

    let orphan = token(&stage, "2d").await;
    stage.done("root", &delete_user("acme", "jane")).await;
    pass(&stage, 3).await;
    assert_eq!(told(&stage, &orphan).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_fell_due_during_a_downtime_is_told_after_it_and_once() {
    let stage = telling().await;
    let token = token(&stage, "20d").await;
    let stage = stage.reopened().await;
    stage.later(40 * DAY);
    for _ in 0..3 {
        tell(&stage).await;
        assert_eq!(told(&stage, &token).await, ["7", "1", "expired"]);
        stage.later(DAY);
    }
}

#[tokio::test]
async fn many_that_fall_due_at_once_are_told_each_once_though_it_is_cut_short() {
    let stage = telling().await;
    let mut expected = BTreeMap::new();
    for _ in 0..250 {
        expected.insert(token(&stage, "2h").await.id.to_string(), 1);
    }
    stage.later(DAY);
    stage.store.before_commit(std::future::ready(()));
    stage.store.before_commit(std::future::pending());
    let cut_short = stage.authority.tell_due(stage.now());
    let cut_short = tokio::time::timeout(Duration::from_millis(200), cut_short).await;
    assert!(cut_short.is_err());
    let counted = async |stage: &Stage| {
        let mut counted = BTreeMap::new();
        for event in events(stage).await {
            *counted.entry(event.token_id).or_default() += 1;
        }
        counted
    };
    assert_eq!(counted(&stage).await.len(), 100);
    let stage = stage.reopened().await;
    tell(&stage).await;
    assert_eq!(counted(&stage).await, expected);
}

#[tokio::test]
async fn a_token_whose_commit_comes_late_is_told_too() {
    let stage = telling().await;
    let (authority, late) = (stage.authority.clone(), stage.time().0 + 3 * MINUTE - 1);
    stage.store.before_commit(async move {
        let now = at_time(Moment(late));
        assert!(!authority.tell_due(now).await.unwrap());
    });
    let token = token(&stage, "1s").await;
    stage.later(10 * MINUTE);
    tell(&stage).await;
    assert_eq!(told(&stage, &token).await, ["expired"]);
}

#[tokio::test]
async fn nothing_is_told_by_a_clock_that_ran_away_or_of_before_the_first_time() {
    let stage = with_gate().await;
    let before = token(&stage, "1h").await;
    stage.later(DAY);
    tell(&stage).await;
    let token = token(&stage, "2d").await;
    stage.later(LAG);
    tell(&stage).await;
    let away = Now {
        time: Moment(stage.time().0 + 30 * DAY),
        mark: None,
    };
    assert!(!stage.authority.tell_due(away).await.unwrap());
    assert_eq!(events(&stage).await, []);
    pass(&stage, 3).await;
    assert_eq!(told(&stage, &token).await, ["1", "expired"]);
    assert_eq!(told(&stage, &before).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_record_of_how_far_it_is_told_that_can_not_be_read_tells_nothing() {
    let stage = telling().await;
    let token = token(&stage, "1h").await;
    stage.overwrite(keyspace::DUE.to_vec(), b"\x01\xff").await;
    stage.later(DAY);
    assert!(stage.authority.tell_due(stage.now()).await.is_err());
    assert_eq!(told(&stage, &token).await, Vec::<String>::new());
}

#[tokio::test]
async fn of_two_that_begin_to_tell_at_once_one_has_nothing_left_to_do() {
    let stage = Stage::new().await;
    let token = token(&stage, "1d").await;
    for days in [0, 2] {
        stage.later(days * DAY);
        let (authority, now) = (stage.authority.clone(), stage.now());
        stage.store.before_commit(async move {
            authority.tell_due(now).await.unwrap();
        });
        assert_eq!(stage.authority.tell_due(stage.now()).await, Ok(false));
    }
    let events = events(&stage).await;
    assert!(events.iter().all(|e| e.token_id == token.id.to_string()));
    let told: Vec<_> = events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(told, ["token.expiring", "token.expired"]);
}
