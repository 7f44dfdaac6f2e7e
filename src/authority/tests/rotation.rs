//! Rotation: another token takes the place of one, and the two are good together for a while.

use super::commands::{create_token, create_user, create_user_type, update_library, update_user};
use super::lifecycle::{a_year, extend, resume, revoke, suspend, update_token};
use super::own_tokens::with_pat;
use super::samples::{assignments, granted, lifetime, names, networks};
use super::stage::{DAY, MINUTE, Stage};
use crate::authority::directory::UserKind;
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::judge::{Demand, Verdict};
use crate::authority::libraries::UpdateLibrary;
use crate::authority::moment::{Moment, Until};
use crate::authority::permission::Reserved;
use crate::authority::rotate::RotateToken;
use crate::authority::secret::TokenId;
use crate::authority::token::{AccessRight, Token};
use crate::authority::transaction::Call;
use crate::authority::update::UpdateToken;
use crate::authority::users::{CreateUser, UpdateUser};

const HOUR: i64 = 60 * MINUTE;

pub(super) fn rotate(id: TokenId) -> RotateToken {
    RotateToken {
        id,
        overlap: Some(lifetime("24h")),
        until: None,
        etag: String::new(),
    }
}

/// The new token, and its secret.
async fn rotated(stage: &Stage, by: &str, command: &RotateToken) -> (Token, String) {
    let done = stage.done(by, command).await;
    let secret = done.secret.unwrap().expose().to_owned();
    (done.answer.unwrap().value, secret)
}

#[tokio::test]
async fn both_are_good_for_the_overlap_and_then_the_new_one_alone() {
    let stage = Stage::new().await;
    let (old, old_secret) = stage.token().await;
    let (new, new_secret) = rotated(&stage, "adam", &rotate(old)).await;
    assert_eq!(new.rotated_from, Some(old));
    stage.later(24 * HOUR - 1);
    assert_eq!(stage.verdict(&old_secret).await, Verdict::Valid);
    assert_eq!(stage.verdict(&new_secret).await, Verdict::Valid);
    stage.later(1);
    let judged = stage
        .authority
        .verify(&old_secret, &Demand::default(), None, stage.now())
        .await
        .unwrap();
    assert_eq!(judged.verdict, Verdict::Revoked);
    let successor = judged.seen.unwrap().successor.unwrap();
    assert_eq!((successor.id, successor.until), (new.id, stage.time()));
    assert_eq!(stage.verdict(&new_secret).await, Verdict::Valid);
    let stage = stage.reopened().await;
    assert_eq!(stage.verdict(&old_secret).await, Verdict::Revoked);
}

#[tokio::test]
async fn the_new_one_has_the_same_settings_and_as_long_a_life() {
    let stage = Stage::new().await;
    let create = CreateToken {
        until: Some(Until::parse("90d").unwrap()),
        permissions: granted(&["orders:read"]),
        allowed_cidrs: networks(&["10.0.0.0/8"]),
        description: "for the till".to_owned(),
        ..create_token("jane")
    };
    let (old, _) = stage.created("adam", &create).await;
    stage.later(80 * DAY);
    let (new, _) = rotated(&stage, "tom", &rotate(old.id)).await;
    assert_eq!(new.expire_time, Moment(stage.time().0 + 90 * DAY));
    assert_eq!(
        (
            &new.grant,
            &new.description,
            &new.user_uid,
            new.issued_by.as_str()
        ),
        (&old.grant, &old.description, &old.user_uid, "acme/tom")
    );
    // The old one does not outlive itself.
    let old: Token = stage
        .stored(crate::authority::keyspace::token(old.id))
        .await
        .unwrap();
    assert_eq!(old.succession.unwrap().until, Moment(stage.time().0 + DAY));
}

#[tokio::test]
async fn the_life_of_the_new_one_is_held_back_or_as_it_is_asked_for() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let shorter = UpdateLibrary {
        max_lifetime: Some(lifetime("1mo")),
        default_lifetime: Some(lifetime("1mo")),
        ..update_library("acme")
    };
    stage.done("adam", &shorter).await;
    let too_long = RotateToken {
        until: Some(Until::parse("2mo").unwrap()),
        ..rotate(id)
    };
    assert_eq!(
        stage.refusal("adam", &too_long).await,
        Reason::InvalidFields
    );
    let done = stage.done("adam", &rotate(id)).await;
    assert!(done.clamped);
    let new = done.answer.unwrap().value;
    assert!(new.expire_time.0 <= stage.time().0 + 31 * DAY);
    let asked = RotateToken {
        until: Some(Until::parse("2d").unwrap()),
        ..rotate(new.id)
    };
    let (newest, _) = rotated(&stage, "adam", &asked).await;
    assert_eq!(newest.expire_time, Moment(stage.time().0 + 2 * DAY));
}

#[tokio::test]
async fn without_overlap_the_old_one_ends_at_once_and_never_later_than_it_would_have() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let now = RotateToken {
        overlap: None,
        ..rotate(id)
    };
    rotated(&stage, "adam", &now).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);

    let short = CreateToken {
        until: Some(Until::parse("1h").unwrap()),
        ..create_token("jane")
    };
    let (token, secret) = stage.created("adam", &short).await;
    rotated(&stage, "adam", &rotate(token.id)).await;
    stage.later(HOUR);
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
}

#[tokio::test]
async fn only_an_active_token_is_rotated_and_only_once() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    stage.done("adam", &suspend(id)).await;
    assert_eq!(stage.refusal("adam", &rotate(id)).await, Reason::TokenState);
    stage.done("adam", &resume(id)).await;
    stage.done("adam", &rotate(id)).await;
    assert_eq!(stage.refusal("adam", &rotate(id)).await, Reason::TokenState);
    // Nor is what it left behind prolonged.
    assert_eq!(
        stage.refusal("adam", &extend(id, a_year())).await,
        Reason::TokenState
    );
    let later = UpdateToken {
        expire_time: Some(Moment(stage.time().0 + 400 * DAY)),
        ..update_token(id)
    };
    assert_eq!(stage.refusal("adam", &later).await, Reason::TokenState);

    let future = CreateToken {
        not_before: Some(Moment(stage.time().0 + HOUR)),
        ..create_token("jane")
    };
    let (future, _) = stage.created("adam", &future).await;
    assert_eq!(
        stage.refusal("adam", &rotate(future.id)).await,
        Reason::TokenState
    );
    let (revoked, _) = stage.token().await;
    stage.done("adam", &revoke(revoked)).await;
    assert_eq!(
        stage.refusal("adam", &rotate(revoked)).await,
        Reason::TokenState
    );
    let disabled = UpdateUser {
        disabled: Some(true),
        ..update_user("jane")
    };
    let (id, _) = stage.token().await;
    stage.done("adam", &disabled).await;
    assert_eq!(
        stage.refusal("adam", &rotate(id)).await,
        Reason::OwnerDisabled
    );
}

#[tokio::test]
async fn what_was_superseded_is_revoked_for_good_and_its_revocation_is_no_change() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    stage.done("adam", &rotate(id)).await;
    stage.later(DAY);
    let head = stage.log("acme").await.len();
    stage.done("adam", &revoke(id)).await;
    assert_eq!(
        stage.log("acme").await.len(),
        head,
        "it was revoked already"
    );
    assert_eq!(
        stage.refusal("adam", &suspend(id)).await,
        Reason::TokenState
    );
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);

    // In the overlap, an administrator may still end it.
    let (id, secret) = stage.token().await;
    let (_, new) = rotated(&stage, "adam", &rotate(id)).await;
    stage.done("adam", &revoke(id)).await;
    assert_eq!(stage.verdict(&secret).await, Verdict::Revoked);
    assert_eq!(stage.verdict(&new).await, Verdict::Valid);
}

#[tokio::test]
async fn a_repeat_gets_the_same_secret() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let first = stage.request("adam", 1, 1, &rotate(id)).await.unwrap();
    let again = stage.request("adam", 1, 1, &rotate(id)).await.unwrap();
    assert_eq!(
        first.secret.unwrap().expose(),
        again.secret.unwrap().expose()
    );
    assert_eq!(
        first.answer.unwrap().value.id,
        again.answer.unwrap().value.id
    );
}

#[tokio::test]
async fn nobody_gets_a_secret_that_conveys_more_than_they_could_give() {
    let stage = with_pat().await;
    // An administrator of tokens alone, and a token of one of the directory.
    let dora = stage
        .authenticate("dora", Reserved::DirectoryAdmin)
        .await
        .unwrap()
        .token_id;
    assert_eq!(
        stage.refusal("tom", &rotate(dora)).await,
        Reason::ReservedPermission
    );

    // A narrow token of a person, and a wide one of the same.
    let (wide, _) = stage.created("adam", &create_token("pat")).await;
    stage.done("pat", &rotate(wide.id)).await;
    let (wide, _) = stage.created("adam", &create_token("pat")).await;
    let narrow = CreateToken {
        permissions: granted(&["tokens:self", "orders:read"]),
        ..create_token("pat")
    };
    let secret = stage.created("root", &narrow).await.1;
    stage.remember("pat", &secret);
    assert_eq!(
        stage.refusal("pat", &rotate(wide.id)).await,
        Reason::PermissionDenied
    );
}

#[tokio::test]
async fn a_token_that_may_rotates_itself_and_no_other() {
    let stage = Stage::new().await;
    let robot = create_user_type("robot", &["tokens:self-rotate", "orders:*"]);
    stage.done("root", &robot).await;
    let system = CreateUser {
        kind: UserKind::ApiOnly,
        ..create_user("till", &["robot"])
    };
    stage.done("root", &system).await;
    let own = CreateToken {
        permissions: granted(&["tokens:self-rotate", "orders:*"]),
        ..create_token("till")
    };
    let (token, secret) = stage.created("root", &own).await;
    let (other, _) = stage.created("root", &own).await;
    stage.remember("till", &secret);
    let call = || async {
        Call {
            caller: stage
                .authenticate("till", Reserved::TokensSelfRotate)
                .await
                .unwrap(),
            call_id: "call-1".to_owned(),
            request: None,
        }
    };
    let refused = stage
        .authority
        .perform(&call().await, &rotate(other.id), stage.now())
        .await;
    assert_eq!(refused.unwrap_err().reason, Reason::NotFound);
    let done = stage
        .authority
        .perform(&call().await, &rotate(token.id), stage.now())
        .await
        .unwrap();
    assert_eq!(done.answer.unwrap().value.rotated_from, Some(token.id));
    let done = done.secret.unwrap();
    assert_eq!(stage.verdict(done.expose()).await, Verdict::Valid);
}

#[tokio::test]
async fn a_repeat_tells_no_secret_to_a_token_that_could_not_be_given_it() {
    let stage = with_pat().await;
    // Adam makes and rotates with all rights, and repeats with a token that serves its own user alone.
    let both = UpdateUser {
        assignments: Some(assignments(&["admin", "person"])),
        ..update_user("adam")
    };
    stage.done("root", &both).await;
    let (old, _) = stage.token().await;
    let create = create_token("jane");
    stage.request("adam", 1, 1, &create).await.unwrap();
    stage.request("adam", 2, 2, &rotate(old)).await.unwrap();
    let narrow = CreateToken {
        permissions: granted(&["tokens:self", "orders:read"]),
        ..create_token("adam")
    };
    let secret = stage.created("root", &narrow).await.1;
    stage.remember("adam", &secret);
    let refused = stage.request("adam", 1, 1, &create).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);
    let refused = stage.request("adam", 2, 2, &rotate(old)).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);

    // The same between two tokens of one person.
    let mine = CreateToken {
        user: None,
        ..create_token("pat")
    };
    stage.request("pat", 3, 3, &mine).await.unwrap();
    let narrow = CreateToken {
        permissions: granted(&["tokens:self", "orders:read"]),
        ..create_token("pat")
    };
    let secret = stage.created("root", &narrow).await.1;
    stage.remember("pat", &secret);
    let refused = stage.request("pat", 3, 3, &mine).await.unwrap_err();
    assert_eq!(refused.reason, Reason::PermissionDenied);
}

#[tokio::test]
async fn a_contacts_token_is_not_renewed_beyond_what_its_library_allows_now() {
    let stage = Stage::new().await;
    let apis = |texts: &[&str]| UpdateLibrary {
        contact_apis: Some(names(texts)),
        ..update_library("acme")
    };
    stage.done("root", &apis(&["orders", "bills"])).await;
    let contact = CreateUser {
        kind: UserKind::Contact,
        data_owner: "customer-7".to_owned(),
        ..create_user("eve", &["clerk"])
    };
    stage.done("root", &contact).await;
    let (token, _) = stage.created("root", &create_token("eve")).await;
    stage.done("root", &apis(&["bills"])).await;
    assert_eq!(
        stage.refusal("root", &rotate(token.id)).await,
        Reason::InvalidFields
    );
}

#[tokio::test]
async fn a_token_that_shares_nothing_with_the_calling_one_is_not_rotated_by_it() {
    let stage = with_pat().await;
    let within = |network: &str| CreateToken {
        access_right: Some(AccessRight::Full),
        permissions: granted(&["tokens:self"]),
        allowed_cidrs: networks(&[network]),
        ..create_token("pat")
    };
    let (far, _) = stage.created("root", &within("10.0.0.0/8")).await;
    let secret = stage.created("root", &within("192.0.2.0/24")).await.1;
    stage.remember("pat", &secret);
    let refused = stage.refusal("pat", &rotate(far.id)).await;
    assert_eq!(refused, Reason::PermissionDenied);
}
