//! Expiries that must not be taken, and times that must not run back.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use prost::Message as _;
use token_authority::proto::v1::{
    CreateLibraryRequest, CreateTokenRequest, ErrorReason, ExtendTokenRequest,
    UpdateLibraryRequest, Verdict,
};

use crate::host::Host;
use crate::refusal::{assert_refused, fields_of, reason_of};
use crate::wire::Wire;
use crate::world::{ACME, World, asking, later, pass, presenting};

type Moment = prost_types::Timestamp;

#[tokio::test]
async fn an_expiry_that_is_not_to_come_or_beyond_all_bounds_is_refused() {
    let world = ann().await;
    let now = world
        .token(asking(ACME, "ann"))
        .await
        .0
        .create_time
        .unwrap();
    let mut admin = world.operator.admin.clone();
    let moment = |seconds, nanos| Some(Moment { seconds, nanos });
    for expire_time in [
        Some(now),
        moment(now.seconds - 3600, 0),
        moment(0, 0),
        moment(1, 0),
        moment(-1, 0),
        moment(i64::MIN, 0),
        moment(i64::MAX, 0),
        moment(i64::MAX / 1000, 0),
        moment(253_402_300_799, 0),
        moment(253_402_300_800, 0),
        moment(now.seconds + 3600, -1),
        moment(now.seconds + 3600, 1_000_000_000),
        moment(now.seconds + 3600, i32::MIN),
        later(Some(now), 3 * 366 * 86_400),
    ] {
        let request = CreateTokenRequest {
            expire_time,
            ..asking(ACME, "ann")
        };
        let refused = assert_refused(
            admin.create_token(request).await,
            ErrorReason::InvalidFields,
        );
        assert_eq!(fields_of(&refused), ["expire_time"], "{expire_time:?}");
    }
}

#[tokio::test]
async fn a_lifetime_that_is_none_or_ends_never_is_refused() {
    let world = ann().await;
    let mut admin = world.operator.admin.clone();
    let mut directory = world.operator.directory.clone();
    let token_id = world.token(asking(ACME, "ann")).await.0.token_id;
    for lifetime in [
        "0d",
        "0s",
        "-1d",
        "-90d",
        "90",
        "d",
        "forever",
        "90 bananas",
        "99999y",
        "18446744073709551615s",
        "9223372036854775807d",
        "99999999999999999999999999999d",
        "1d -2d",
        "2020-01-01",
        "2026-02-30",
        "9999-12-31",
        "٩d",
    ] {
        let request = CreateTokenRequest {
            lifetime: lifetime.into(),
            ..asking(ACME, "ann")
        };
        let refused = assert_refused(
            admin.create_token(request).await,
            ErrorReason::InvalidFields,
        );
        assert_eq!(fields_of(&refused), ["lifetime"], "{lifetime}");
        let request = ExtendTokenRequest {
            token_id: token_id.clone(),
            extend_by: lifetime.into(),
            ..Default::default()
        };
        let refused = assert_refused(
            admin.extend_token(request).await,
            ErrorReason::InvalidFields,
        );
        assert_eq!(fields_of(&refused), ["extend_by"], "{lifetime}");
        let request = CreateLibraryRequest {
            library: "odd".into(),
            max_lifetime: lifetime.into(),
            ..Default::default()
        };
        let refused = directory.create_library(request).await;
        assert_refused(refused, ErrorReason::InvalidFields);
    }
}

#[tokio::test]
async fn an_expiry_beyond_the_librarys_maximum_is_refused_and_the_latest_is_named() {
    let world = ann().await;
    let request = CreateTokenRequest {
        lifetime: "25mo".into(),
        ..asking(ACME, "ann")
    };
    let answer = world.operator.admin.clone().create_token(request).await;
    let refused = assert_refused(answer, ErrorReason::InvalidFields);
    let now = world
        .token(asking(ACME, "ann"))
        .await
        .0
        .create_time
        .unwrap();
    let now = Timestamp::from_second(now.seconds).unwrap();
    let latest = now
        .to_zoned(TimeZone::UTC)
        .checked_add(24.months())
        .unwrap();
    assert!(
        refused.message().contains(&latest.date().to_string()),
        "{latest}: {}",
        refused.message()
    );
}

#[tokio::test]
async fn two_expiries_at_once_are_refused() {
    let world = ann().await;
    let now = world.token(asking(ACME, "ann")).await.0.create_time;
    let request = CreateTokenRequest {
        expire_time: later(now, 3600),
        lifetime: "1h".into(),
        ..asking(ACME, "ann")
    };
    let answer = world.operator.admin.clone().create_token(request).await;
    assert_refused(answer, ErrorReason::InvalidFields);
}

#[tokio::test]
async fn without_an_expiry_the_librarys_default_applies_and_never_none() {
    let world = ann().await;
    let request = UpdateLibraryRequest {
        library: ACME.into(),
        default_lifetime: Some("30d".into()),
        ..Default::default()
    };
    world
        .operator
        .directory
        .clone()
        .update_library(request)
        .await
        .unwrap();
    let (token, _) = world.token(asking(ACME, "ann")).await;
    assert_eq!(token.expire_time, later(token.create_time, 30 * 86_400));
}

#[tokio::test]
async fn a_date_ends_where_its_day_begins() {
    let world = ann().await;
    let now = world
        .token(asking(ACME, "ann"))
        .await
        .0
        .create_time
        .unwrap();
    let now = Timestamp::from_second(now.seconds).unwrap();
    let date = now.to_zoned(TimeZone::UTC).date() + 30.days();
    let request = CreateTokenRequest {
        lifetime: date.to_string(),
        ..asking(ACME, "ann")
    };
    let (token, _) = world.token(request).await;
    let midnight = date.to_zoned(TimeZone::UTC).unwrap().timestamp();
    let expected = Moment {
        seconds: midnight.as_second(),
        nanos: 0,
    };
    assert_eq!(token.expire_time, Some(expected));
}

#[tokio::test]
async fn a_token_that_would_begin_after_its_end_is_refused() {
    let world = ann().await;
    let now = world.token(asking(ACME, "ann")).await.0.create_time;
    let request = CreateTokenRequest {
        not_before: later(now, 7200),
        expire_time: later(now, 3600),
        ..asking(ACME, "ann")
    };
    let answer = world.operator.admin.clone().create_token(request).await;
    let refused = assert_refused(answer, ErrorReason::InvalidFields);
    assert_eq!(fields_of(&refused), ["not_before"]);
}

#[tokio::test]
async fn an_expired_token_is_still_expired_after_a_restart() {
    let world = ann().await;
    let secret = short_lived(&world).await;
    let world = world.killed_and_started().await;
    assert_eq!(world.verdict(&secret).await, Verdict::Expired);
}

#[tokio::test]
async fn a_token_that_expired_while_the_server_was_down_is_expired() {
    let world = ann().await;
    let request = CreateTokenRequest {
        lifetime: "1s".into(),
        ..asking(ACME, "ann")
    };
    let secret = world.token(request).await.1;
    let data = world.killed();
    pass(Duration::from_millis(1100)).await;
    let world = World::on(data, &[], &[]).await;
    assert_eq!(world.verdict(&secret).await, Verdict::Expired);
}

#[tokio::test]
async fn a_clock_set_back_an_hour_revives_nothing_that_this_store_has_seen_expire() {
    let host = Host::new();
    let world = ann().await;
    let secret = short_lived(&world).await;
    let (young, young_secret) = world.token(asking(ACME, "ann")).await;
    // A change after the expiry carries the time with it; the mark lags a second at most.
    pass(Duration::from_millis(1100)).await;
    world.user(ACME, "bob", &[]).await;

    let world = host.start(world.killed(), &[], -3600).await;
    assert_eq!(world.verdict(&secret).await, Verdict::Expired);
    assert_eq!(world.verdict(&young_secret).await, Verdict::Valid);
    let (newer, _) = world.token(asking(ACME, "ann")).await;
    assert!(newer.create_time.unwrap().seconds >= young.create_time.unwrap().seconds);
}

#[tokio::test]
async fn a_deadline_that_cannot_be_read_is_refused_rather_than_ignored() {
    let world = World::new().await;
    let operator = world.server.operator_secret();
    // Nothing at all, "0n", is read by this client too: the layer's own tests send it.
    for timeout in ["-1S", "soon", "1", "123456789S", "1S, 2S", "1.5S"] {
        let wire = Wire::new(world.server.channel()).bearer(&operator);
        let wire = wire.header("grpc-timeout", timeout);
        let body = presenting("nonsense").encode_to_vec();
        let answer = wire
            .call("/tokenauthority.v1.TokenVerify/Verify", body)
            .await;
        let status = answer.expect_err(timeout);
        assert_eq!(
            reason_of(&status),
            ErrorReason::MalformedRequest,
            "{timeout}"
        );
    }
}

async fn ann() -> World {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    world
}

/// The secret of a token that has just expired.
async fn short_lived(world: &World) -> String {
    let request = CreateTokenRequest {
        lifetime: "1s".into(),
        ..asking(ACME, "ann")
    };
    let secret = world.token(request).await.1;
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
    pass(Duration::from_millis(1100)).await;
    assert_eq!(world.verdict(&secret).await, Verdict::Expired);
    secret
}
