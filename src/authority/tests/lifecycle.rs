//! Create, verify, extend, update, suspend, resume, revoke.

use super::commands::{create_token, create_user, update_library, update_user};
use super::samples::{address, lifetime, name, names, networks};
use super::stage::{DAY, Stage};
use crate::authority::change::{ExtendToken, Extension, ResumeToken, RevokeToken, SuspendToken};
use crate::authority::directory::UserKind;
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::{Demand, Verdict};
use crate::authority::keyspace;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::moment::Moment;
use crate::authority::secret::TokenId;
use crate::authority::token::{RevocationReason, Token};
use crate::authority::update::UpdateToken;
use crate::authority::users::{CreateUser, UpdateUser};
use crate::store::Store as _;

pub(super) fn update_token(id: TokenId) -> UpdateToken {
    UpdateToken {
        id,
        display_name: None,
        description: None,
        expire_time: None,
        pin: None,
        access_right: None,
        permissions: None,
        apis: None,
        allowed_cidrs: None,
        etag: String::new(),
    }
}

pub(super) fn extend(id: TokenId, by: Extension) -> ExtendToken {
    ExtendToken {
        id,
        by,
        etag: String::new(),
    }
}

pub(super) fn a_year() -> Extension {
    Extension::By(lifetime("1y"))
}

pub(super) fn suspend(id: TokenId) -> SuspendToken {
    SuspendToken {
        id,
        reason: "a leak?".to_owned(),
        etag: String::new(),
    }
}

pub(super) fn resume(id: TokenId) -> ResumeToken {
    ResumeToken {
        id,
        etag: String::new(),
    }
}

pub(super) fn revoke(id: TokenId) -> RevokeToken {
    RevokeToken {
        id,
        reason: RevocationReason::Compromised,
        comment: "leaked".to_owned(),
    }
}

// === stories ===

#[tokio::test]
async fn a_token_is_good_from_its_creation_until_it_is_revoked_and_never_again() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    let first = stage.done("adam", &revoke(id)).await.answer.unwrap();
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
    let again = RevokeToken {
        comment: "twice".to_owned(),
        ..revoke(id)
    };
    let second = stage.done("adam", &again).await.answer.unwrap();
    assert_eq!(second, first, "the first revocation stands");
    for refused in [
        stage.refusal("adam", &suspend(id)).await,
        stage.refusal("adam", &resume(id)).await,
        stage.refusal("adam", &extend(id, a_year())).await,
        stage.refusal("adam", &update_token(id)).await,
    ] {
        assert_eq!(refused, Reason::TokenState);
    }
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
}

#[tokio::test]
async fn suspending_can_be_undone() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.done("adam", &suspend(id)).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Suspended);
    let token = stage.done("tom", &suspend(id)).await.answer.unwrap().value;
    assert_eq!(
        token.suspension.unwrap().suspended_by,
        "acme/adam",
        "the first stands"
    );
    stage.done("adam", &resume(id)).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn a_token_may_be_made_suspended_or_for_later() {
    let stage = Stage::new().await;
    let suspended = CreateToken {
        suspended: true,
        ..create_token("jane")
    };
    let (_, secret) = stage.created("adam", &suspended).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Suspended);
    let start = Moment(stage.time().0 + DAY);
    let later = CreateToken {
        not_before: Some(start),
        ..create_token("jane")
    };
    let (_, secret) = stage.created("adam", &later).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::NotYetValid);
    stage.later(DAY);
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn a_changed_grant_holds_at_once() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let update = UpdateToken {
        allowed_cidrs: Some(networks(&["192.0.2.0/24"])),
        ..update_token(id)
    };
    stage.done("adam", &update).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::IpNotAllowed);
    let cleared = UpdateToken {
        allowed_cidrs: Some(Vec::new()),
        ..update_token(id)
    };
    stage.done("adam", &cleared).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn the_wrong_secret_of_a_revoked_token_is_not_found_and_tells_nothing() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    stage.done("adam", &revoke(id)).await;
    let mut forged = crate::authority::secret::Secret::mint().unwrap();
    let unknown = forged.to_secret_string();
    forged.id = id;
    let judged = async |text: &str| {
        let demand = Demand::default();
        stage
            .authority
            .verify(text, &demand, None, stage.now())
            .await
            .unwrap()
    };
    let forged = judged(forged.to_secret_string().expose()).await;
    assert_eq!(forged.verdict, Verdict::NotFound);
    assert_eq!(forged, judged(unknown.expose()).await);
    assert_eq!(forged.seen, None);
    assert_eq!(judged("tka_nonsense").await.verdict, Verdict::Malformed);
    assert_eq!(judged("").await.verdict, Verdict::Malformed);
}

#[tokio::test]
async fn a_secret_that_proves_another_token_is_still_of_an_unknown_id() {
    let stage = Stage::new().await;
    let (_, good) = stage.token().await;
    let unknown = crate::authority::secret::Secret::mint().unwrap();
    let tag = stage.authority.hmac_keys().unwrap().tag(&unknown);
    // Whichever token the unknown id is proved against in vain, it proves it.
    let tokens = stage.store.scan(keyspace::TOKENS.to_vec(), None, 1000);
    for record in tokens.await.unwrap() {
        let token = keyspace::decode::<Token>(&record).unwrap().value;
        let changed = Token { tag, ..token };
        let bytes = keyspace::encode(&changed);
        stage.overwrite(record.key, &bytes).await;
    }
    let text = unknown.to_secret_string();
    assert_eq!(stage.verdict(text.expose()).await, Verdict::NotFound);
    assert_eq!(stage.verdict(&good).await, Verdict::NotFound);
}

#[tokio::test]
async fn a_verdict_other_than_valid_shows_no_rights() {
    let stage = Stage::new().await;
    let (_, secret) = stage.token().await;
    let judged = async |api: Option<&str>, permission: &str| {
        let demand = Demand {
            api: api.map(name),
            permissions: vec![super::samples::demanded(permission)],
            client_ip: Some(address("192.0.2.1")),
            ..Demand::default()
        };
        stage
            .authority
            .verify(&secret, &demand, None, stage.now())
            .await
            .unwrap()
    };
    let good = judged(None, "orders:read").await.seen.unwrap();
    assert_eq!(
        (good.permissions, good.assignments.len()),
        (vec!["orders:*".to_owned()], 1)
    );
    let bad = judged(None, "users:read").await;
    assert_eq!(bad.verdict, Verdict::MissingPermission);
    let bad = bad.seen.unwrap();
    assert_eq!((bad.permissions, bad.assignments.len()), (Vec::new(), 0));
}

// === contacts ===

#[tokio::test]
async fn a_contacts_apis_default_to_the_librarys_and_never_exceed_them() {
    let stage = Stage::new().await;
    let contact = CreateUser {
        kind: UserKind::Contact,
        data_owner: "initech".to_owned(),
        ..create_user("carl", &["clerk"])
    };
    stage.done("adam", &contact).await;
    let create = |apis: &[&str]| CreateToken {
        apis: names(apis),
        ..create_token("carl")
    };
    assert_eq!(
        stage.refusal("adam", &create(&[])).await,
        Reason::InvalidFields
    );
    assert_eq!(
        stage.refusal("adam", &create(&["stock"])).await,
        Reason::InvalidFields
    );
    let policy = UpdateLibrary {
        contact_apis: Some(names(&["orders", "stock"])),
        ..update_library("acme")
    };
    stage.done("adam", &policy).await;
    let (token, _) = stage.created("adam", &create(&[])).await;
    assert_eq!(token.grant.apis, names(&["orders", "stock"]));
    let (token, _) = stage.created("adam", &create(&["stock"])).await;
    assert_eq!(token.grant.apis, names(&["stock"]));
    assert_eq!(
        stage.refusal("adam", &create(&["stock", "bills"])).await,
        Reason::InvalidFields
    );
    for apis in [&["bills"][..], &[]] {
        let update = UpdateToken {
            apis: Some(names(apis)),
            ..update_token(token.id)
        };
        assert_eq!(
            stage.refusal("adam", &update).await,
            Reason::InvalidFields,
            "{apis:?}"
        );
    }
}

#[tokio::test]
async fn a_disabled_user_gets_no_token_and_its_tokens_wait() {
    let stage = Stage::new().await;
    let (_, secret) = stage.token().await;
    stage
        .done(
            "adam",
            &UpdateUser {
                disabled: Some(true),
                ..update_user("jane")
            },
        )
        .await;
    assert_eq!(stage.verdict(&secret).await, Verdict::UserDisabled);
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::OwnerDisabled
    );
    stage
        .done(
            "adam",
            &UpdateUser {
                disabled: Some(false),
                ..update_user("jane")
            },
        )
        .await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
}
