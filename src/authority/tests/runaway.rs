//! A clock that ran away: tokens are judged by it, and nothing that was noted meanwhile outlives it.

use super::idle::with_timeout;
use super::lifecycle::suspend;
use super::sessions::{PASSWORD, logs_in};
use super::stage::{DAY, MINUTE, Stage};
use crate::authority::directory::Uid;
use crate::authority::judge::{Demand, Verdict};
use crate::authority::moment::Now;
use crate::authority::secret::TokenId;
use crate::authority::uses::{Note, Service};

/// The time of a clock that has run away: nobody trusts it, and yet it is what there is to judge by.
fn away(stage: &Stage, milliseconds: i64) -> Now {
    Now {
        time: stage.time().plus(milliseconds),
        mark: None,
    }
}

fn note(stage: &Stage, id: TokenId, verdict: Verdict, ahead_ms: i64) {
    stage.authority.uses().note(&Note {
        id,
        library: Uid([1; 16]),
        is_session: false,
        verdict,
        demanded: &[],
        right: None,
        client_ip: None,
        by: Service::Anonymous,
        time: stage.time().plus(ahead_ms),
        ahead: None,
    });
}

async fn verdict_at(stage: &Stage, secret: &str, now: Now) -> Verdict {
    let demand = Demand::default();
    let judged = stage.authority.verify(secret, &demand, None, now);
    judged.await.unwrap().verdict
}

#[tokio::test]
async fn a_clock_that_ran_away_leaves_no_use_in_the_future() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.kept().await;
    let known = stage.time();
    stage.later(5000);
    let away = away(&stage, 30 * DAY);
    assert_eq!(verdict_at(&stage, &secret, away).await, Verdict::Valid);
    assert_eq!(stage.used(id).last.unwrap().time, known);
    stage.done("adam", &suspend(id)).await;
    for _ in 0..2 {
        assert_eq!(verdict_at(&stage, &secret, away).await, Verdict::Suspended);
        stage.authority.tell_refused(away).await.unwrap();
    }
    let refused = stage.used(id).refused[0].clone();
    assert_eq!(refused.last_time, stage.time());
    assert_eq!((refused.told, refused.told_count), (Some(stage.time()), 1));
    assert_eq!(
        stage.newest_event("acme").await.comment,
        format!("SUSPENDED: refused 1 time, the last at {}", stage.time())
    );
}

#[tokio::test]
async fn what_is_stored_of_a_time_that_nobody_knows_is_not_believed() {
    // A minute ahead may be.
    for (ahead, read) in [(MINUTE, MINUTE), (30 * DAY, 0)] {
        let stage = Stage::new().await;
        let (id, secret) = stage.token().await;
        note(&stage, id, Verdict::Valid, ahead);
        note(&stage, id, Verdict::Revoked, ahead);
        let told = stage.time().plus(ahead);
        stage.authority.uses().tell(id, Verdict::Revoked, told);
        stage.kept().await;
        let known = stage.time();
        let stage = stage.reopened().await;
        let used = stage.used(id);
        assert_eq!(used.last.unwrap().time, known.plus(read));
        assert_eq!(used.refused[0].last_time, known.plus(read));
        assert_eq!(used.refused[0].told, Some(known.plus(read)));
        stage.later(2 * MINUTE);
        stage.verdict(&secret).await;
        assert_eq!(stage.used(id).last.unwrap().time, stage.time());
    }
}

#[tokio::test]
async fn sessions_lie_idle_by_the_time_that_they_are_judged_by() {
    let stage = with_timeout().await;
    let (session, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    let known = stage.time();
    // It is used all the time, so it does not lie idle, however long nobody trusts the clock.
    for step in 1..=12 {
        let now = away(&stage, step * 10 * MINUTE);
        assert_eq!(verdict_at(&stage, &secret, now).await, Verdict::Valid);
        stage.authority.keep_uses(now).await.unwrap();
    }
    assert_eq!(stage.used(session.id).last.unwrap().time, known);
    let idle = away(&stage, 160 * MINUTE);
    assert_eq!(verdict_at(&stage, &secret, idle).await, Verdict::Expired);
    // The clock is back: its last use was no later than now, and not in the future.
    stage.later(100 * MINUTE);
    stage.kept().await;
    assert_eq!(stage.used(session.id).last.unwrap().time, stage.time());
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    stage.later(40 * MINUTE);
    assert_eq!(stage.verdict(&secret).await, Verdict::Expired);
}
