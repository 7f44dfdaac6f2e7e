//! What is said of rights that nothing needed, and that the mend for it is one.

use super::{review, sound, uses};
use crate::authority::issue::CreateToken;
use crate::authority::judge::{Demand, Verdict};
use crate::authority::review::Found;
use crate::authority::secret::TokenId;
use crate::authority::tests::commands::{create_user, create_user_type};
use crate::authority::tests::lifecycle::update_token;
use crate::authority::tests::samples::{address, demanded, granted, name};
use crate::authority::tests::stage::Stage;
use crate::authority::token::AccessRight;
use crate::authority::update::UpdateToken;
use crate::authority::user_types::UpdateUserType;

/// The access right, the list and the demands of a token; what is told as unused, and as needed.
type Case = (
    AccessRight,
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

const WIDE: [&str; 9] = [
    "orders:*",
    "orders:read",
    "stock:read",
    "stock:move",
    "tokens:admin",
    "tokens:self",
    "tokens:verify",
    "directory:read",
    "directory:admin",
];

/// A token with this list of a user who has all of [`WIDE`], used for these.
async fn used(
    stage: &Stage,
    right: AccessRight,
    list: &[&str],
    demands: &[&str],
) -> (TokenId, String) {
    stage.done("root", &create_user_type("wide", &WIDE)).await;
    stage.done("root", &create_user("wil", &["wide"])).await;
    let create = CreateToken {
        user: Some(name("wil")),
        access_right: Some(right),
        permissions: granted(list),
        ..sound()
    };
    let (token, secret) = stage.created("root", &create).await;
    for demand in demands {
        uses(stage, &secret, demand).await;
    }
    (token.id, secret)
}

async fn found(stage: &Stage, id: TokenId) -> Option<Found> {
    let found = review(stage, 1000).await.into_iter();
    let mut found = found.filter(|finding| finding.token.value.id == id);
    found.next().map(|finding| finding.found)
}

/// Does what the finding proposes.
async fn mend(stage: &Stage, id: TokenId, found: &Found) {
    let needed: Vec<&str> = found
        .needed_permissions
        .iter()
        .map(String::as_str)
        .collect();
    let narrower = UpdateToken {
        access_right: Some(AccessRight::Custom),
        permissions: Some(granted(&needed)),
        ..update_token(id)
    };
    stage.done("root", &narrower).await;
}

#[tokio::test]
async fn what_would_do_still_does_and_leaves_nothing_to_say() {
    const FULL: AccessRight = AccessRight::Full;
    const READ_ONLY: AccessRight = AccessRight::ReadOnly;
    const CUSTOM: AccessRight = AccessRight::Custom;
    let cases: [Case; 9] = [
        // Calls demand the least that may do: an administrator's are recorded as those of people.
        (
            CUSTOM,
            &["tokens:admin", "orders:*"],
            &["tokens:self"],
            &["orders:*"],
            &["tokens:admin"],
        ),
        // What a kept one includes is not told of.
        (
            CUSTOM,
            &["tokens:admin", "tokens:verify", "directory:read"],
            &["tokens:self-rotate"],
            &["directory:read"],
            &["tokens:admin", "tokens:verify"],
        ),
        (
            CUSTOM,
            &["tokens:self", "stock:*"],
            &["tokens:self"],
            &["stock:*"],
            &["tokens:self"],
        ),
        (
            CUSTOM,
            &["directory:admin", "tokens:verify"],
            &["directory:read"],
            &["tokens:verify"],
            &["directory:admin"],
        ),
        // The passwords of others are set with either of these.
        (
            CUSTOM,
            &["tokens:self", "directory:admin", "a:b"],
            &["tokens:self"],
            &["a:b"],
            &["tokens:self", "directory:admin"],
        ),
        (
            FULL,
            &["tokens:verify"],
            &["orders:read"],
            &["tokens:verify", "stock:move", "stock:read"],
            &["orders:*", "orders:read"],
        ),
        (
            FULL,
            &["tokens:self"],
            &["tokens:self", "orders:write", "stock:read"],
            &["orders:read", "stock:move"],
            &["tokens:self", "orders:*", "stock:read"],
        ),
        // Nothing of it may come back as a list: neither what it writes with, nor what it made void.
        (
            READ_ONLY,
            &["directory:admin", "tokens:admin"],
            &["orders:read", "directory:read"],
            &["orders:get", "orders:list", "stock:read"],
            &["directory:read", "orders:read"],
        ),
        (
            READ_ONLY,
            &["directory:read"],
            &["orders:list"],
            &["directory:read", "orders:get", "orders:read", "stock:read"],
            &["orders:list"],
        ),
    ];
    for (right, list, demands, unused, needed) in cases {
        let stage = Stage::new().await;
        let (id, secret) = used(&stage, right, list, demands).await;
        let told = found(&stage, id).await.expect("a finding");
        assert_eq!(told.unused_permissions, unused, "{right:?} {list:?}");
        assert_eq!(told.needed_permissions, needed, "{right:?} {list:?}");
        mend(&stage, id, &told).await;
        assert_eq!(found(&stage, id).await, None, "{right:?} {list:?}");
        for demand in demands {
            uses(&stage, &secret, demand).await;
        }
        // Nothing that it could not do before can it do now.
        let wider = Demand {
            permissions: vec![demanded("tokens:act-as")],
            client_ip: Some(address("192.0.2.7")),
            ..Demand::default()
        };
        let judged = stage
            .authority
            .verify(&secret, &wider, None, stage.now())
            .await;
        assert_eq!(judged.unwrap().verdict, Verdict::MissingPermission);
    }
}

#[tokio::test]
async fn of_a_token_that_needed_nothing_that_it_has_nothing_is_left() {
    let stage = Stage::new().await;
    let (id, secret) = used(
        &stage,
        AccessRight::Custom,
        &["orders:read"],
        &["orders:read"],
    )
    .await;
    let other = UpdateToken {
        permissions: Some(granted(&["stock:*"])),
        ..update_token(id)
    };
    stage.done("root", &other).await;
    let told = found(&stage, id).await.unwrap();
    assert_eq!(told.unused_permissions, ["stock:*"]);
    assert!(told.needed_permissions.is_empty());
    mend(&stage, id, &told).await;
    assert_eq!(found(&stage, id).await, None);
    let demand = Demand {
        permissions: vec![demanded("stock:read")],
        client_ip: Some(address("192.0.2.7")),
        ..Demand::default()
    };
    let judged = stage
        .authority
        .verify(&secret, &demand, None, stage.now())
        .await;
    assert_eq!(judged.unwrap().verdict, Verdict::MissingPermission);
}

#[tokio::test]
async fn what_is_told_of_one_token_is_bounded() {
    let stage = Stage::new().await;
    let (id, _) = used(&stage, AccessRight::Full, &[], &["stock:move"]).await;
    let many: Vec<String> = (0..63).map(|number| format!("r{number}:*")).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    many.push("stock:move");
    let wider = UpdateUserType {
        library: name("acme"),
        user_type: name("wide"),
        permissions: Some(granted(&many)),
        etag: String::new(),
    };
    stage.done("root", &wider).await;
    stage
        .done(
            "root",
            &create_user_type("other", &["*:a", "*:b", "stock:*"]),
        )
        .await;
    let both = crate::authority::users::UpdateUser {
        assignments: Some(crate::authority::tests::samples::assignments(&[
            "wide", "other",
        ])),
        ..crate::authority::tests::commands::update_user("wil")
    };
    stage.done("root", &both).await;
    let told = found(&stage, id).await.unwrap();
    assert_eq!(told.unused_permissions.len(), 64);
    assert_eq!(told.needed_permissions, ["stock:*", "stock:move"]);
}
