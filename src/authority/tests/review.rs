//! What an administrator is told to look at.

mod spare;

use super::commands::{create_token, create_user, create_user_type, update_library, update_user};
use super::lifecycle::{revoke, suspend, update_token};
use super::rotation::rotate;
use super::samples::{demanded, granted, lifetime, name, networks};
use super::sessions::{PASSWORD, logs_in, with_gate};
use super::stage::{DAY, Stage};
use crate::authority::issue::CreateToken;
use crate::authority::judge::Demand;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::moment::Until;
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::review::{Finding, ReviewReason};
use crate::authority::secret::TokenId;
use crate::authority::update::UpdateToken;
use crate::authority::users::UpdateUser;

async fn review(stage: &Stage, size: i32) -> Vec<Finding> {
    let caller = stage.authenticate("tom", Reserved::TokensAdmin).await;
    let (caller, acme) = (caller.unwrap(), name("acme"));
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = PageRequest { size, token };
        let page = stage
            .authority
            .review_tokens(&caller, &acme, &page, stage.time());
        let page = page.await.unwrap();
        assert!(page.items.len() <= usize::try_from(size).unwrap());
        found.extend(page.items);
        token = page.next;
        if token.is_empty() {
            return found;
        }
    }
}

async fn reasons(stage: &Stage, id: TokenId) -> Vec<ReviewReason> {
    let found = review(stage, 1000).await;
    let found = found.into_iter().find(|f| f.token.value.id == id);
    found.map(|f| f.found.reasons).unwrap_or_default()
}

/// A token that there is nothing to say of.
fn sound() -> CreateToken {
    CreateToken {
        until: Some(Until::Lifetime(lifetime("12mo"))),
        allowed_cidrs: networks(&["192.0.2.0/24"]),
        permissions: granted(&["orders:read"]),
        ..create_token("jane")
    }
}

async fn uses(stage: &Stage, secret: &str, permission: &str) {
    let demand = Demand {
        permissions: vec![demanded(permission)],
        client_ip: Some(super::samples::address("192.0.2.7")),
        ..Demand::default()
    };
    let judged = stage.authority.verify(secret, &demand, None, stage.now());
    assert_eq!(judged.await.unwrap().verdict.as_str(), "VALID");
}

#[tokio::test]
async fn a_token_that_is_used_as_it_was_meant_is_not_told_of() {
    let stage = Stage::new().await;
    let (token, secret) = stage.created("root", &sound()).await;
    assert_eq!(reasons(&stage, token.id).await, []);
    stage.later(6 * DAY);
    assert_eq!(reasons(&stage, token.id).await, []);
    uses(&stage, &secret, "orders:read").await;
    stage.later(89 * DAY);
    assert_eq!(reasons(&stage, token.id).await, []);
}

#[tokio::test]
async fn a_token_that_nobody_uses_is_told_of() {
    let stage = Stage::new().await;
    let (token, secret) = stage.created("root", &sound()).await;
    stage.later(7 * DAY);
    assert_eq!(reasons(&stage, token.id).await, [ReviewReason::NeverUsed]);
    uses(&stage, &secret, "orders:read").await;
    assert_eq!(reasons(&stage, token.id).await, []);
    stage.later(90 * DAY);
    assert_eq!(reasons(&stage, token.id).await, [ReviewReason::Unused]);
    // Suspended, it may come back; revoked, it is done with.
    stage.done("adam", &suspend(token.id)).await;
    assert_eq!(reasons(&stage, token.id).await, [ReviewReason::Unused]);
    stage.done("adam", &revoke(token.id)).await;
    assert_eq!(reasons(&stage, token.id).await, []);
}

#[tokio::test]
async fn a_token_that_is_not_good_yet_is_not_told_to_lie_unused() {
    let stage = Stage::new().await;
    let later = CreateToken {
        not_before: Some(stage.time().plus(30 * DAY)),
        ..sound()
    };
    let (token, _) = stage.created("root", &later).await;
    for (days, expected) in [(29, &[][..]), (7, &[]), (1, &[ReviewReason::NeverUsed])] {
        stage.later(days * DAY);
        assert_eq!(reasons(&stage, token.id).await, expected);
    }
}

#[tokio::test]
async fn a_token_that_ends_soon_or_too_late_is_told_of() {
    let stage = Stage::new().await;
    let soon = CreateToken {
        until: Some(Until::Lifetime(lifetime("30d"))),
        ..sound()
    };
    let (token, _) = stage.created("root", &soon).await;
    assert_eq!(reasons(&stage, token.id).await, [ReviewReason::ExpiresSoon]);
    let rotated = stage.done("root", &rotate(token.id)).await;
    assert_eq!(
        reasons(&stage, token.id).await,
        [],
        "another took its place"
    );
    let next = rotated.answer.unwrap().value.id;
    assert_eq!(reasons(&stage, next).await, [ReviewReason::ExpiresSoon]);
    stage.later(30 * DAY);
    assert_eq!(reasons(&stage, next).await, [], "it has ended");

    let (long, secret) = stage.created("root", &sound()).await;
    uses(&stage, &secret, "orders:read").await;
    let tighter = UpdateLibrary {
        default_lifetime: Some(lifetime("6mo")),
        max_lifetime: Some(lifetime("6mo")),
        ..update_library("acme")
    };
    stage.done("root", &tighter).await;
    let found = review(&stage, 1000).await;
    let found = found.iter().find(|f| f.token.value.id == long.id).unwrap();
    assert_eq!(found.found.reasons, [ReviewReason::LongerThanPolicy]);
    let latest = stage.time().checked_add(&lifetime("6mo"));
    assert_eq!(found.found.latest_expire_time, latest);
    // What policy would hold it back to, held back to.
    let shorter = UpdateToken {
        expire_time: latest,
        ..update_token(long.id)
    };
    stage.done("root", &shorter).await;
    assert_eq!(reasons(&stage, long.id).await, []);
}

#[tokio::test]
async fn longer_than_policy_is_counted_from_now() {
    let stage = Stage::new().await;
    let (token, secret) = stage.created("root", &sound()).await;
    let tighter = UpdateLibrary {
        default_lifetime: Some(lifetime("6mo")),
        max_lifetime: Some(lifetime("6mo")),
        ..update_library("acme")
    };
    stage.done("root", &tighter).await;
    uses(&stage, &secret, "orders:read").await;
    let too_long = [ReviewReason::LongerThanPolicy];
    assert_eq!(reasons(&stage, token.id).await, too_long);
    stage.later(7 * 31 * DAY);
    uses(&stage, &secret, "orders:read").await;
    assert_eq!(reasons(&stage, token.id).await, []);
}

#[tokio::test]
async fn rights_that_nothing_needed_are_named() {
    let stage = Stage::new().await;
    let wide = create_user_type(
        "wide",
        &["orders:*", "stock:read", "stock:move", "tokens:self"],
    );
    stage.done("root", &wide).await;
    stage.done("root", &create_user("wil", &["wide"])).await;
    let full = CreateToken {
        permissions: granted(&["orders:*", "stock:*", "tokens:self"]),
        ..sound()
    };
    let full = CreateToken {
        user: Some(name("wil")),
        ..full
    };
    let (token, secret) = stage.created("root", &full).await;
    let unused = async || {
        let found = review(&stage, 1000).await;
        let found = found.into_iter().find(|f| f.token.value.id == token.id);
        found.map(|f| f.found.unused_permissions)
    };
    // Of one for which nothing was demanded nothing is known.
    let nothing = Demand {
        client_ip: Some(super::samples::address("192.0.2.7")),
        ..Demand::default()
    };
    let judged = stage.authority.verify(&secret, &nothing, None, stage.now());
    judged.await.unwrap();
    assert_eq!(unused().await, None);
    uses(&stage, &secret, "orders:write").await;
    assert_eq!(unused().await.unwrap(), ["tokens:self", "stock:*"]);
    // What a wider right includes was needed if any of it was.
    uses(&stage, &secret, "tokens:self-rotate").await;
    assert_eq!(unused().await.unwrap(), ["stock:*"]);
    uses(&stage, &secret, "stock:read").await;
    assert_eq!(unused().await, None);
}

#[tokio::test]
async fn what_comes_with_a_right_that_was_needed_is_not_told_of() {
    let stage = Stage::new().await;
    let own = create_user_type("own", &["tokens:self"]);
    stage.done("root", &own).await;
    stage.done("root", &create_user("olga", &["own"])).await;
    let create = CreateToken {
        user: Some(name("olga")),
        permissions: granted(&["tokens:self"]),
        ..sound()
    };
    let (token, secret) = stage.created("root", &create).await;
    uses(&stage, &secret, "tokens:self").await;
    assert_eq!(reasons(&stage, token.id).await, []);
}

#[tokio::test]
async fn nothing_is_said_of_rights_where_more_was_demanded_than_is_known() {
    let stage = Stage::new().await;
    let wide = create_user_type("wide", &["orders:*", "stock:read"]);
    stage.done("root", &wide).await;
    stage.done("root", &create_user("wil", &["wide"])).await;
    let create = CreateToken {
        user: Some(name("wil")),
        permissions: granted(&["orders:*", "stock:read"]),
        ..sound()
    };
    let (token, secret) = stage.created("root", &create).await;
    for number in 0..16 {
        uses(&stage, &secret, &format!("orders:act-{number}")).await;
        assert_eq!(
            reasons(&stage, token.id).await,
            [ReviewReason::MoreRightsThanUsed]
        );
    }
    uses(&stage, &secret, "orders:act-16").await;
    assert_eq!(reasons(&stage, token.id).await, []);
}

#[tokio::test]
async fn a_token_that_is_good_from_anywhere_or_whose_owner_is_not_is_told_of() {
    let stage = Stage::new().await;
    let anywhere = CreateToken {
        allowed_cidrs: Vec::new(),
        ..sound()
    };
    let (token, _) = stage.created("root", &anywhere).await;
    assert_eq!(
        reasons(&stage, token.id).await,
        [ReviewReason::NoIpRestriction]
    );
    let disable = UpdateUser {
        disabled: Some(true),
        ..update_user("jane")
    };
    stage.done("root", &disable).await;
    assert_eq!(
        reasons(&stage, token.id).await,
        [ReviewReason::OwnerDisabled, ReviewReason::NoIpRestriction]
    );
    let networks = UpdateLibrary {
        allowed_cidrs: Some(networks(&["192.0.0.0/16"])),
        ..update_library("acme")
    };
    stage.done("root", &networks).await;
    assert_eq!(
        reasons(&stage, token.id).await,
        [ReviewReason::OwnerDisabled]
    );
}

#[tokio::test]
async fn of_a_session_is_said_only_what_its_user_could_mend() {
    let stage = with_gate().await;
    let (session, secret) = logs_in(&stage, "pat", PASSWORD).await.unwrap();
    assert_eq!(reasons(&stage, session.id).await, []);
    uses(&stage, &secret, "orders:read").await;
    assert_eq!(reasons(&stage, session.id).await, []);
    stage.later(90 * DAY);
    assert_eq!(reasons(&stage, session.id).await, [ReviewReason::Unused]);
}

#[tokio::test]
async fn a_review_comes_in_pages_without_gap_or_repeat() {
    let stage = Stage::new().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        stage.later(1);
        expected.insert(0, stage.token().await.0);
        stage.created("root", &sound()).await;
    }
    for size in [1, 2, 3, 1000] {
        let found: Vec<_> = review(&stage, size)
            .await
            .into_iter()
            .map(|finding| finding.token.value)
            .filter(|token| token.user.as_str() == "jane")
            .map(|token| token.id)
            .collect();
        assert_eq!(found, expected, "{size}");
    }
}
