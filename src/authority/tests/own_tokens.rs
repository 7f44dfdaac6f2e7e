//! People manage their own tokens, and no others.

use super::commands::{create_token, create_user, create_user_type};
use super::lifecycle::{a_year, extend, resume, revoke, suspend, update_token};
use super::samples::{granted, name, named, networks};
use super::stage::{DAY, Stage};
use crate::authority::directory::UserKind;
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::Verdict;
use crate::authority::list::TokenFilter;
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::secret::TokenId;
use crate::authority::state::TokenState;
use crate::authority::token::AccessRight;
use crate::authority::update::UpdateToken;
use crate::authority::users::CreateUser;

/// With `pat`, a person who manages its own tokens, and the credential that it does so with.
pub(super) async fn with_pat() -> Stage {
    let stage = Stage::new().await;
    let person = create_user_type("person", &["tokens:self", "orders:*", "reports:read"]);
    stage.done("root", &person).await;
    stage.done("root", &create_user("pat", &["person"])).await;
    let full = CreateToken {
        access_right: Some(AccessRight::Full),
        permissions: granted(&["tokens:self"]),
        ..create_token("pat")
    };
    let secret = stage.created("root", &full).await.1;
    stage.remember("pat", &secret);
    stage
}

/// What a person asks for without naming itself.
fn mine() -> CreateToken {
    CreateToken {
        user: None,
        ..create_token("pat")
    }
}

async fn listed(stage: &Stage, user: &str, of: Option<&str>) -> Result<Vec<TokenId>, Reason> {
    let caller = stage
        .authenticate(user, Reserved::TokensSelf)
        .await
        .unwrap();
    let filter = TokenFilter {
        user: of.map(name),
        states: TokenState::ALL.to_vec(),
        ..TokenFilter::of(named("acme"))
    };
    let page = PageRequest::default();
    let listed = stage
        .authority
        .list_tokens(&caller, &filter, &page, stage.time());
    let page = listed.await.map_err(|error| error.reason)?;
    Ok(page.items.iter().map(|token| token.value.id).collect())
}

#[tokio::test]
async fn a_person_makes_changes_and_ends_tokens_of_its_own() {
    let stage = with_pat().await;
    let (token, secret) = stage.created("pat", &mine()).await;
    assert_eq!(
        (token.user, token.issued_by.as_str()),
        (name("pat"), "acme/pat")
    );
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    assert!(
        listed(&stage, "pat", None)
            .await
            .unwrap()
            .contains(&token.id)
    );
    stage.done("pat", &extend(token.id, a_year())).await;
    stage.done("pat", &suspend(token.id)).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Suspended);
    stage.done("pat", &resume(token.id)).await;
    stage.done("pat", &revoke(token.id)).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
}

#[tokio::test]
async fn the_tokens_of_others_are_as_if_they_were_not() {
    let stage = with_pat().await;
    let (id, _) = stage.token().await;
    let unknown = TokenId([7; 16]);
    for id in [id, unknown] {
        for refused in [
            stage.perform("pat", &suspend(id)).await.unwrap_err(),
            stage.perform("pat", &revoke(id)).await.unwrap_err(),
            stage.perform("pat", &update_token(id)).await.unwrap_err(),
            stage
                .perform("pat", &extend(id, a_year()))
                .await
                .unwrap_err(),
        ] {
            assert_eq!(refused, crate::authority::error::Error::not_found("token"));
        }
    }
    assert_eq!(
        listed(&stage, "pat", Some("jane")).await,
        Err(Reason::NotFound)
    );
    assert_eq!(
        listed(&stage, "pat", Some("nobody")).await,
        Err(Reason::NotFound)
    );
    assert!(!listed(&stage, "pat", None).await.unwrap().contains(&id));
    for other in ["jane", "nobody"] {
        assert_eq!(
            stage.refusal("pat", &create_token(other)).await,
            Reason::NotFound
        );
    }
}

#[tokio::test]
async fn what_an_administrator_suspended_its_user_does_not_resume() {
    let stage = with_pat().await;
    let (token, _) = stage.created("pat", &mine()).await;
    stage.done("adam", &suspend(token.id)).await;
    assert_eq!(
        stage.refusal("pat", &resume(token.id)).await,
        Reason::PermissionDenied
    );
    stage.done("adam", &resume(token.id)).await;
    // An administrator's word also goes over what the user did itself.
    stage.done("pat", &suspend(token.id)).await;
    stage.done("adam", &suspend(token.id)).await;
    assert_eq!(
        stage.refusal("pat", &resume(token.id)).await,
        Reason::PermissionDenied
    );
    // And is not taken back by the user's suspending it again.
    stage.done("pat", &suspend(token.id)).await;
    assert_eq!(
        stage.refusal("pat", &resume(token.id)).await,
        Reason::PermissionDenied
    );
}

#[tokio::test]
async fn an_expired_token_is_extended_by_administrators_alone() {
    let stage = with_pat().await;
    let (token, _) = stage.created("adam", &create_token("pat")).await;
    let long = stage
        .created(
            "root",
            &CreateToken {
                access_right: Some(AccessRight::Full),
                permissions: granted(&["tokens:self"]),
                until: Some(crate::authority::moment::Until::parse("23mo").unwrap()),
                ..create_token("pat")
            },
        )
        .await;
    stage.remember("pat", &long.1);
    let admin = stage
        .created(
            "root",
            &CreateToken {
                permissions: granted(&["tokens:admin"]),
                until: Some(crate::authority::moment::Until::parse("23mo").unwrap()),
                ..create_token("adam")
            },
        )
        .await;
    stage.remember("adam", &admin.1);
    stage.later(370 * DAY);
    let again = extend(token.id, a_year());
    assert_eq!(stage.refusal("pat", &again).await, Reason::TokenState);
    let moved = UpdateToken {
        expire_time: Some(crate::authority::moment::Moment(stage.time().0 + DAY)),
        ..update_token(token.id)
    };
    assert_eq!(stage.refusal("pat", &moved).await, Reason::TokenState);
    stage.done("adam", &again).await;
}

#[tokio::test]
async fn systems_and_contacts_do_not_serve_themselves() {
    let stage = with_pat().await;
    let contact = CreateUser {
        kind: UserKind::Contact,
        data_owner: "customer-7".to_owned(),
        ..create_user("eve", &["person"])
    };
    let system = CreateUser {
        kind: UserKind::ApiOnly,
        ..create_user("till", &["person"])
    };
    stage.done("root", &contact).await;
    stage.done("root", &system).await;
    let library = crate::authority::libraries::UpdateLibrary {
        contact_apis: Some(vec![name("token-authority")]),
        ..super::commands::update_library("acme")
    };
    stage.done("root", &library).await;
    for user in ["eve", "till"] {
        let own = CreateToken {
            permissions: granted(&["tokens:self"]),
            ..create_token(user)
        };
        let secret = stage.created("root", &own).await.1;
        stage.remember(user, &secret);
        let refused = stage.authenticate(user, Reserved::TokensSelf).await;
        let reason = refused.unwrap_err().reason;
        assert_eq!(reason, Reason::SelfServiceDenied, "{user}");
    }
    // An administrator stays one, whatever its kind.
    let boss = CreateUser {
        kind: UserKind::ApiOnly,
        ..create_user("robot", &["token-admin"])
    };
    stage.done("root", &boss).await;
    let own = CreateToken {
        permissions: granted(&["tokens:admin"]),
        ..create_token("robot")
    };
    let secret = stage.created("root", &own).await.1;
    stage.remember("robot", &secret);
    stage.created("robot", &create_token("pat")).await;
}

#[tokio::test]
async fn a_token_makes_none_that_has_more_than_itself() {
    let stage = with_pat().await;
    let narrow = CreateToken {
        permissions: granted(&["tokens:self", "orders:read", "orders:list"]),
        allowed_cidrs: networks(&["192.0.2.0/24"]),
        ..create_token("pat")
    };
    let secret = stage.created("root", &narrow).await.1;
    stage.remember("pat", &secret);

    let done = stage.done("pat", &mine()).await;
    let grant = done.answer.unwrap().value.grant;
    assert_eq!(grant.access_right, AccessRight::Custom);
    assert_eq!(grant.permissions, granted(&["orders:list", "orders:read"]));
    assert_eq!(grant.allowed_cidrs, networks(&["192.0.2.0/24"]));
    assert!(!done.warnings.is_empty());

    let wider = CreateToken {
        permissions: granted(&["*:read", "reports:write"]),
        allowed_cidrs: networks(&["192.0.0.0/16"]),
        ..mine()
    };
    let (token, _) = stage.created("pat", &wider).await;
    assert_eq!(token.grant.permissions, granted(&["orders:read"]));
    assert_eq!(token.grant.allowed_cidrs, networks(&["192.0.2.0/24"]));

    let elsewhere = CreateToken {
        allowed_cidrs: networks(&["10.0.0.0/8"]),
        ..mine()
    };
    assert_eq!(
        stage.refusal("pat", &elsewhere).await,
        Reason::InvalidFields
    );

    // Nor does it widen one that is there.
    let widened = UpdateToken {
        access_right: Some(AccessRight::Full),
        permissions: Some(granted(&[])),
        allowed_cidrs: Some(Vec::new()),
        ..update_token(token.id)
    };
    let grant = stage
        .done("pat", &widened)
        .await
        .answer
        .unwrap()
        .value
        .grant;
    assert_eq!(grant.permissions, granted(&["orders:list", "orders:read"]));
    assert_eq!(grant.allowed_cidrs, networks(&["192.0.2.0/24"]));
}

#[tokio::test]
async fn a_reading_token_that_is_asked_for_stays_one_whatever_made_it() {
    let stage = with_pat().await;
    let custom = CreateToken {
        permissions: granted(&["tokens:self", "orders:*"]),
        ..create_token("pat")
    };
    let secret = stage.created("root", &custom).await.1;
    stage.remember("pat", &secret);
    let reading = CreateToken {
        access_right: Some(AccessRight::ReadOnly),
        permissions: granted(&["tokens:self"]),
        ..mine()
    };
    let (token, secret) = stage.created("pat", &reading).await;
    let expected = granted(&["orders:get", "orders:list", "orders:read"]);
    assert_eq!(token.grant.permissions, expected);
    stage.remember("pat", &secret);
    let refused = stage.authenticate("pat", Reserved::TokensSelf).await;
    assert_eq!(refused.unwrap_err().reason, Reason::PermissionDenied);
}

#[tokio::test]
async fn a_list_that_its_access_right_makes_void_is_refused_whoever_asks() {
    let stage = with_pat().await;
    let (token, _) = stage.created("pat", &mine()).await;
    for right in [AccessRight::Full, AccessRight::ReadOnly] {
        let void = CreateToken {
            access_right: Some(right),
            permissions: granted(&["orders:read"]),
            ..create_token("pat")
        };
        let update = UpdateToken {
            access_right: Some(right),
            permissions: Some(granted(&["orders:read"])),
            ..update_token(token.id)
        };
        for by in ["pat", "adam"] {
            assert_eq!(stage.refusal(by, &void).await, Reason::InvalidFields);
            assert_eq!(stage.refusal(by, &update).await, Reason::InvalidFields);
        }
    }
}
