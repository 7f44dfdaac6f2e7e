//! Lists, their pages, and the audit log.

use super::commands::{create_library, create_token, create_user, update_library};
use super::lifecycle::{resume, revoke, suspend};
use super::samples::{name, named};
use super::stage::Stage;
use crate::authority::Caller;
use crate::authority::directory::Library;
use crate::authority::error::{Error, Reason};
use crate::authority::keyspace;
use crate::authority::libraries::{DeleteLibrary, UpdateLibrary};
use crate::authority::list::{EventFilter, LibraryRef, TokenFilter};
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::secret::TokenId;
use crate::authority::state::TokenState;
use crate::authority::users::DeleteUser;

pub(super) fn all() -> TokenFilter {
    TokenFilter::of(named("acme"))
}

pub(super) fn page(size: i32, token: &str) -> PageRequest {
    PageRequest {
        size,
        token: token.to_owned(),
    }
}

async fn caller(stage: &Stage, user: &str) -> Caller {
    stage
        .authenticate(user, Reserved::TokensAdmin)
        .await
        .unwrap()
}

pub(super) async fn list(
    stage: &Stage,
    user: &str,
    filter: &TokenFilter,
    page: PageRequest,
) -> Result<(Vec<TokenId>, String), Error> {
    let caller = caller(stage, user).await;
    let listed = stage
        .authority
        .list_tokens(&caller, filter, &page, stage.time())
        .await?;
    Ok((
        listed.items.iter().map(|t| t.value.id).collect(),
        listed.next,
    ))
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let stage = Stage::new().await;
    for _ in 0..7 {
        stage.later(1);
        stage.token().await;
    }
    let (whole, next) = list(&stage, "adam", &all(), page(0, "")).await.unwrap();
    assert_eq!((whole.len(), next.as_str()), (10, ""));
    for size in [1, 3, 5, 10] {
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let (ids, after) = list(&stage, "adam", &all(), page(size, &next))
                .await
                .unwrap();
            assert!(ids.len() <= usize::try_from(size).unwrap());
            seen.extend(ids);
            next = after;
            if next.is_empty() {
                break;
            }
        }
        assert_eq!(seen, whole, "{size}");
    }
}

#[tokio::test]
async fn a_page_goes_on_after_a_token_that_was_revoked_or_made_meanwhile() {
    let stage = Stage::new().await;
    let (whole, _) = list(&stage, "adam", &all(), page(0, "")).await.unwrap();
    let (first, next) = list(&stage, "root", &all(), page(1, "")).await.unwrap();
    stage.done("root", &revoke(first[0])).await;
    stage.later(1);
    stage.done("root", &create_token("jane")).await;
    let (rest, _) = list(&stage, "root", &all(), page(9, &next)).await.unwrap();
    assert_eq!(rest, whole[1..]);
}

#[tokio::test]
async fn page_sizes_are_clamped() {
    let stage = Stage::new().await;
    for _ in 0..60 {
        stage.token().await;
    }
    for (size, length) in [(0, 50), (-1, 50), (i32::MIN, 50), (7, 7), (i32::MAX, 63)] {
        let (ids, _) = list(&stage, "adam", &all(), page(size, "")).await.unwrap();
        assert_eq!(ids.len(), length, "{size}");
    }
}

#[tokio::test]
async fn a_page_token_is_good_for_its_caller_its_filter_and_its_list_alone() {
    let stage = Stage::new().await;
    let (_, next) = list(&stage, "adam", &all(), page(1, "")).await.unwrap();
    list(&stage, "adam", &all(), page(1, &next)).await.unwrap();
    let refused = async |user: &str, filter: TokenFilter, token: &str| {
        let error = list(&stage, user, &filter, page(1, token))
            .await
            .unwrap_err();
        assert_eq!(
            error.reason,
            Reason::InvalidFields,
            "{user} {filter:?} {token}"
        );
    };
    refused("tom", all(), &next).await;
    refused("root", all(), &next).await;
    refused(
        "adam",
        TokenFilter {
            states: TokenState::ALL.to_vec(),
            ..all()
        },
        &next,
    )
    .await;
    refused(
        "adam",
        TokenFilter {
            user: Some(name("adam")),
            ..all()
        },
        &next,
    )
    .await;
    for i in 0..next.len() {
        let mut tampered = next.clone().into_bytes();
        tampered[i] = if tampered[i] == b'0' { b'1' } else { b'0' };
        refused("adam", all(), &String::from_utf8(tampered).unwrap()).await;
    }
    for bad in [
        "0",
        "zz",
        "é",
        &next[2..],
        &next[..next.len() - 2],
        &format!("{next}00"),
        &"0".repeat(5000),
    ] {
        refused("adam", all(), bad).await;
    }
    let caller = caller(&stage, "adam").await;
    let elsewhere = stage
        .authority
        .list_users(&caller, &name("acme"), &page(1, &next), stage.time())
        .await;
    assert_eq!(elsewhere.unwrap_err().reason, Reason::InvalidFields);
    let users = stage
        .authority
        .list_users(&caller, &name("acme"), &page(1, ""), stage.time())
        .await
        .unwrap();
    let types = stage
        .authority
        .list_user_types(&caller, &name("acme"), &page(1, &users.next), stage.time())
        .await;
    assert_eq!(types.unwrap_err().reason, Reason::InvalidFields);
}

#[tokio::test]
async fn lists_hide_revoked_tokens_unless_asked_and_filter_by_user() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let jane = TokenFilter {
        user: Some(name("jane")),
        ..all()
    };
    assert_eq!(
        list(&stage, "adam", &jane, page(0, "")).await.unwrap().0,
        [id]
    );
    stage.done("adam", &revoke(id)).await;
    assert_eq!(
        list(&stage, "adam", &jane, page(0, "")).await.unwrap().0,
        []
    );
    let shown = TokenFilter {
        states: TokenState::ALL.to_vec(),
        ..jane
    };
    assert_eq!(
        list(&stage, "adam", &shown, page(0, "")).await.unwrap().0,
        [id]
    );
    let nobody = TokenFilter {
        user: Some(name("nobody")),
        ..all()
    };
    assert_eq!(
        list(&stage, "adam", &nobody, page(0, ""))
            .await
            .unwrap_err()
            .reason,
        Reason::NotFound
    );
}

#[tokio::test]
async fn everybody_but_operators_lists_the_own_library_alone() {
    let stage = Stage::new().await;
    stage.done("root", &create_library("globex")).await;
    let listed = async |user: &str| -> Vec<String> {
        let caller = caller(&stage, user).await;
        let page = stage
            .authority
            .list_libraries(&caller, &page(0, ""), stage.time())
            .await
            .unwrap();
        page.items
            .iter()
            .map(|l| l.value.library.to_string())
            .collect()
    };
    assert_eq!(listed("adam").await, ["acme"]);
    assert_eq!(listed("root").await, ["acme", "globex", "system"]);
}

#[tokio::test]
async fn a_list_tells_the_state_of_each_token() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let shown = async || {
        let caller = caller(&stage, "adam").await;
        let token = stage
            .authority
            .get_token(&caller, id, stage.time())
            .await
            .unwrap()
            .value;
        stage.authority.token_state(&token, stage.time()).unwrap().0
    };
    assert_eq!(shown().await, TokenState::Active);
    stage.done("adam", &suspend(id)).await;
    assert_eq!(shown().await, TokenState::Suspended);
    stage.done("adam", &resume(id)).await;
    let gone = DeleteUser {
        library: name("acme"),
        user: name("jane"),
        etag: String::new(),
    };
    stage.done("adam", &gone).await;
    assert_eq!(shown().await, TokenState::OwnerDeleted);
    stage.done("adam", &create_user("jane", &["clerk"])).await;
    assert_eq!(
        shown().await,
        TokenState::OwnerDeleted,
        "the one of the same name is another"
    );
    stage.done("adam", &revoke(id)).await;
    assert_eq!(shown().await, TokenState::Revoked);
}

#[tokio::test]
async fn what_is_left_of_a_deleted_library_operators_find_by_its_uid() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let uid = stage.stored::<Library>(keyspace::library("acme")).await;
    let uid = LibraryRef::Uid(uid.unwrap().uid);
    let of_deleted = TokenFilter {
        library: uid.clone(),
        ..all()
    };
    let refused = list(&stage, "adam", &of_deleted, page(10, "")).await;
    assert_eq!(refused.unwrap_err().reason, Reason::PermissionDenied);
    let disabled = UpdateLibrary {
        disabled: Some(true),
        ..update_library("acme")
    };
    stage.done("root", &disabled).await;
    let delete = DeleteLibrary {
        library: name("acme"),
        etag: String::new(),
    };
    stage.done("root", &delete).await;
    let event = stage.newest_event("system").await;
    let LibraryRef::Uid(digits) = &uid else {
        panic!("a uid");
    };
    assert_eq!(event.comment, format!("uid {digits}"));
    let (found, _) = list(&stage, "root", &of_deleted, page(10, ""))
        .await
        .unwrap();
    assert!(found.contains(&id));
    let caller = caller(&stage, "root").await;
    let (of_deleted, first) = (EventFilter::of(uid), page(10, ""));
    let log = stage
        .authority
        .list_audit_events(&caller, &of_deleted, &first, stage.time());
    assert!(
        log.await
            .unwrap()
            .items
            .iter()
            .any(|e| e.value.action == "token.create")
    );
}

#[tokio::test]
async fn a_page_of_a_library_is_none_of_another_of_the_same_name() {
    let stage = Stage::new().await;
    for _ in 0..3 {
        stage.token().await;
    }
    let (_, next) = list(&stage, "root", &all(), page(1, "")).await.unwrap();
    let disabled = UpdateLibrary {
        disabled: Some(true),
        ..update_library("acme")
    };
    stage.done("root", &disabled).await;
    let delete = DeleteLibrary {
        library: name("acme"),
        etag: String::new(),
    };
    stage.done("root", &delete).await;
    stage.done("root", &create_library("acme")).await;
    let refused = list(&stage, "root", &all(), page(1, &next)).await;
    assert_eq!(refused.unwrap_err().reason, Reason::InvalidFields);
}
