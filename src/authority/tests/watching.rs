//! Watching events: each is told, in order, whatever the memory holds, and to nobody whose right is gone.

use std::time::Duration;

use super::commands::{create_library, create_token, update_user};
use super::lifecycle::{revoke, suspend};
use super::samples::named;
use super::stage::{DAY, MINUTE, Stage};
use crate::authority::audit::{AuditEvent, SLACK_MS};
use crate::authority::directory::{Library, Uid};
use crate::authority::error::{Error, Reason};
use crate::authority::feed::KEPT;
use crate::authority::keyspace;
use crate::authority::list::EventFilter;
use crate::authority::moment::{Moment, Now};
use crate::authority::permission::Reserved;
use crate::authority::users::UpdateUser;
use crate::authority::watch::{Step, Watch};
use crate::store::{Revision, Store as _};

/// How long a watch may take to find out that there is more.
const PATIENCE: Duration = Duration::from_millis(50);

async fn watch_of(
    stage: &Stage,
    user: &str,
    filter: &EventFilter,
    after: &str,
) -> Result<Watch, Error> {
    let caller = stage.authenticate(user, Reserved::TokensAdmin).await?;
    let authority = &stage.authority;
    authority.watch_events(&caller, filter, after, stage.time())
}

pub(super) async fn watch(stage: &Stage, after: &str) -> Watch {
    let all = EventFilter::of(named("acme"));
    watch_of(stage, "tom", &all, after).await.unwrap()
}

/// All that is told until the watch has to wait.
pub(super) async fn told(
    stage: &Stage,
    watch: &mut Watch,
) -> Result<Vec<(Revision, String)>, Error> {
    let mut told = Vec::new();
    loop {
        match watch.step(stage.time()).await? {
            Step::Told(events) => {
                told.extend(events.iter().map(|e| (e.revision, e.value.action.clone())));
            }
            Step::Searching | Step::Passed => {}
            Step::Waiting => {
                if tokio::time::timeout(PATIENCE, watch.more()).await.is_err() {
                    return Ok(told);
                }
            }
        }
    }
}

async fn library(stage: &Stage) -> Uid {
    let library = stage.stored::<Library>(keyspace::library("acme")).await;
    library.unwrap().uid
}

/// Logs an event behind the authority's back.
async fn log(stage: &Stage, library: Uid, time: Moment, number: u32) {
    let event = AuditEvent {
        key: keyspace::audit_event(library, time, number, [0; 4]),
        time,
        action: format!("token.{number}"),
        ..AuditEvent::default()
    };
    let value = keyspace::encode(&event);
    stage.overwrite(event.key, &value).await;
}

fn actions(told: &[(Revision, String)]) -> Vec<&str> {
    told.iter().map(|(_, action)| action.as_str()).collect()
}

#[tokio::test]
async fn what_is_changed_is_told_in_order_and_once_and_of_one_library_alone() {
    let stage = Stage::new().await;
    let mut watching = watch(&stage, "").await;
    assert_eq!(told(&stage, &mut watching).await.unwrap(), []);
    let (id, _) = stage.token().await;
    stage.done("tom", &suspend(id)).await;
    stage.done("root", &create_library("other")).await;
    let first = told(&stage, &mut watching).await.unwrap();
    assert_eq!(actions(&first), ["token.create", "token.suspend"]);
    stage.done("tom", &revoke(id)).await;
    let second = told(&stage, &mut watching).await.unwrap();
    assert_eq!(actions(&second), ["token.revoke"]);
    assert_eq!(told(&stage, &mut watching).await.unwrap(), []);
    let head = stage.store.head().await.unwrap();
    assert_eq!(watching.told(), stage.authority.revision_text(head));

    let only = EventFilter {
        action: Some("token.suspend".to_owned()),
        ..EventFilter::of(named("acme"))
    };
    let mut of_log = watch_of(&stage, "tom", &only, "0").await.unwrap();
    let found = told(&stage, &mut of_log).await.unwrap();
    assert_eq!(actions(&found), ["token.suspend"]);
    // From now on it takes from memory.
    let (id, _) = stage.token().await;
    stage.done("tom", &suspend(id)).await;
    let found = told(&stage, &mut of_log).await.unwrap();
    assert_eq!(actions(&found), ["token.suspend"]);
}

#[tokio::test]
async fn from_every_revision_all_that_came_after_it_is_told_though_the_log_is_ordered_by_time() {
    let stage = Stage::new().await;
    let library = library(&stage).await;
    let mut random = 1_u64;
    for number in 0..600 {
        // As late as a call may be: of the events of some hours, each up to the slack behind the newest.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let late = i64::try_from(random >> 33).unwrap() % SLACK_MS;
        let time = Moment(stage.time().0 + i64::from(number) * MINUTE / 2 - late);
        log(&stage, library, time, number).await;
    }
    let stage = stage.reopened().await;
    let mut whole = watch(&stage, "0").await;
    let all = told(&stage, &mut whole).await.unwrap();
    assert!(all.is_sorted_by_key(|(revision, _)| *revision));
    assert_eq!(all.len(), stage.log("acme").await.len());
    let head = stage.store.head().await.unwrap().0;
    for after in (0..head).step_by(7).chain([head]) {
        let text = stage.authority.revision_text(Revision(after));
        let mut resumed = watch(&stage, &text).await;
        let rest = told(&stage, &mut resumed).await.unwrap();
        let expected: Vec<_> = all.iter().filter(|(r, _)| r.0 > after).cloned().collect();
        assert_eq!(rest, expected, "after {after}");
    }
}

#[tokio::test]
async fn a_watcher_that_falls_behind_what_is_kept_misses_nothing() {
    let stage = Stage::new().await;
    let library = library(&stage).await;
    let mut slow = watch(&stage, "").await;
    assert_eq!(told(&stage, &mut slow).await.unwrap(), []);
    let many = u32::try_from(KEPT).unwrap() + 500;
    for number in 0..many {
        log(&stage, library, stage.time(), number).await;
    }
    let all = told(&stage, &mut slow).await.unwrap();
    let expected: Vec<String> = (0..many).map(|number| format!("token.{number}")).collect();
    assert_eq!(actions(&all), expected);
    log(&stage, library, stage.time(), many).await;
    assert_eq!(told(&stage, &mut slow).await.unwrap().len(), 1);
}

#[tokio::test]
async fn whose_right_is_gone_is_told_of_nothing_that_came_after() {
    let refused = async |stage: &Stage, watching: &mut Watch| {
        stage.token().await;
        told(stage, watching).await.unwrap_err().reason
    };
    let stage = Stage::new().await;
    let mut revoked = watch(&stage, "").await;
    let mut of_log = watch(&stage, "0").await;
    let caller = stage.authenticate("tom", Reserved::TokensAdmin).await;
    stage.done("adam", &revoke(caller.unwrap().token_id)).await;
    let gone = Reason::CredentialRefused;
    assert_eq!(refused(&stage, &mut revoked).await, gone);
    assert_eq!(refused(&stage, &mut of_log).await, gone);

    let stage = Stage::new().await;
    let mut stripped = watch(&stage, "").await;
    let no_admin = UpdateUser {
        assignments: Some(super::samples::assignments(&["clerk"])),
        ..update_user("tom")
    };
    stage.done("root", &no_admin).await;
    let gone = Reason::PermissionDenied;
    assert_eq!(refused(&stage, &mut stripped).await, gone);

    let stage = Stage::new().await;
    let mut expired = watch(&stage, "").await;
    stage.later(400 * DAY);
    let gone = told(&stage, &mut expired).await.unwrap_err();
    assert_eq!(gone.reason, Reason::CredentialRefused);
    assert_eq!(gone.metadata, [("verdict", "EXPIRED".to_owned())]);
}

#[tokio::test]
async fn a_watch_ends_when_the_authority_stops_and_another_goes_on_where_it_ended() {
    let stage = Stage::new().await;
    let mut watching = watch(&stage, "").await;
    stage.token().await;
    assert_eq!(told(&stage, &mut watching).await.unwrap().len(), 1);
    let last = watching.told();
    stage.authority.end_watches();
    stage.token().await;
    let mut late = watch(&stage, "").await;
    for watching in [&mut watching, &mut late] {
        let over = told(&stage, watching).await.unwrap_err();
        assert_eq!(over.reason, Reason::NotReady);
        assert!(over.retry_after.is_some());
    }
    drop((watching, late));
    let stage = stage.reopened().await;
    let mut resumed = watch(&stage, &last).await;
    let rest = told(&stage, &mut resumed).await.unwrap();
    assert_eq!(actions(&rest), ["token.create"]);
}

#[tokio::test]
async fn a_revision_is_one_that_this_store_has_had() {
    let stage = Stage::new().await;
    let all = EventFilter::of(named("acme"));
    let refused = async |after: &str| watch_of(&stage, "tom", &all, after).await.unwrap_err();
    let head = stage.store.head().await.unwrap();
    let ahead = stage.authority.revision_text(Revision(head.0 + 1));
    let foreign = Stage::new().await.authority.revision_text(head);
    let (uid, rest) = ahead.split_once('-').unwrap();
    let epoch = format!("{uid}-2-{}", rest.split_once('-').unwrap().1);
    for unknown in [&ahead, &foreign, &epoch] {
        assert_eq!(refused(unknown).await.reason, Reason::RevisionUnknown);
    }
    let known = stage.authority.revision_text(head);
    for garbage in [
        "1",
        "00",
        "x",
        "-",
        &known[1..],
        &format!("{known}-1"),
        &known.to_uppercase().replace('-', "+"),
    ] {
        let error = refused(garbage).await;
        assert_eq!(error.violations[0].field, "after_revision", "{garbage}");
    }
    // Who may not watch is told nothing of revisions.
    let denied = watch_of(&stage, "dora", &all, "x").await.unwrap_err();
    assert_eq!(denied.reason, Reason::PermissionDenied);
}

#[tokio::test]
async fn an_event_under_a_clock_that_ran_away_is_logged_at_the_time_that_was_known_before() {
    let stage = Stage::new().await;
    let mut watching = watch(&stage, "").await;
    let last = watching.told();
    let call = stage
        .call::<crate::authority::issue::CreateToken>("tom")
        .await;
    let command = create_token("jane");
    let away = Now {
        time: Moment(stage.time().0 + 30 * DAY),
        mark: None,
    };
    stage
        .authority
        .perform(&call, &command, away)
        .await
        .unwrap();
    let event = stage.newest_event("acme").await;
    assert_eq!(event.time, stage.time());
    assert_eq!(keyspace::audit_time(&event.key), Some(event.time));
    stage.later(MINUTE);
    stage.token().await;
    assert_eq!(told(&stage, &mut watching).await.unwrap().len(), 2);
    let stage = stage.reopened().await;
    let mut resumed = watch(&stage, &last).await;
    assert_eq!(told(&stage, &mut resumed).await.unwrap().len(), 2);
}

fn revision_of(told: &str) -> u64 {
    told.rsplit('-').next().unwrap().parse().unwrap()
}

/// Events of some months, ever more of them.
async fn with_months(stage: &Stage) -> Uid {
    let library = library(stage).await;
    for number in 0..300 {
        let time = Moment(stage.time().0 + i64::from(number) * i64::from(number) * 2 * MINUTE);
        log(stage, library, time, number).await;
    }
    library
}

#[tokio::test]
async fn a_watch_that_finds_nothing_tells_how_far_it_has_come_and_is_resumed_there() {
    let stage = Stage::new().await;
    with_months(&stage).await;
    let stage = stage.reopened().await;
    let only = EventFilter {
        action: Some("token.299".to_owned()),
        ..EventFilter::of(named("acme"))
    };
    let (mut after, mut passed) = ("0".to_owned(), Vec::new());
    // Each time it is resumed after the first part.
    let found = loop {
        let mut watching = watch_of(&stage, "tom", &only, &after).await.unwrap();
        let step = loop {
            match watching.step(stage.time()).await.unwrap() {
                Step::Waiting => watching.more().await,
                Step::Searching => {}
                step => break step,
            }
        };
        after = watching.told();
        match step {
            Step::Passed => passed.push(revision_of(&watching.told())),
            Step::Told(events) => break events,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found[0].value.action, "token.299");
    assert!(passed.len() > 2, "{passed:?}");
    assert!(passed.is_sorted_by(|a, b| a < b), "{passed:?}");
}

#[tokio::test]
async fn who_does_not_read_what_was_found_keeps_nobody_waiting() {
    let stage = Stage::new().await;
    with_months(&stage).await;
    let stage = stage.reopened().await;
    let mut idle = Vec::new();
    for user in ["tom", "root"] {
        for _ in 0..4 {
            let all = EventFilter::of(named("acme"));
            let mut watching = watch_of(&stage, user, &all, "0").await.unwrap();
            let step = watching.step(stage.time()).await.unwrap();
            assert!(matches!(step, Step::Waiting), "{step:?}");
            idle.push(watching);
        }
    }
    let mut reading = watch(&stage, "0").await;
    assert_eq!(
        told(&stage, &mut reading).await.unwrap().len(),
        stage.log("acme").await.len()
    );
    // They find it when they come back.
    for watching in &mut idle {
        assert!(told(&stage, watching).await.unwrap().len() > 300);
    }
}
