//! What one caller can make, and what it must not cost the others.

use std::sync::Arc;
use std::time::Duration;

use super::commands::{create_token, create_user, create_user_type, update_library};
use super::lifecycle::{suspend, update_token};
use super::samples::{granted, name, named};
use super::stage::Stage;
use crate::authority::change::ResumeToken;
use crate::authority::cidr::Cidr;
use crate::authority::error::Reason;
use crate::authority::index::View;
use crate::authority::issue::CreateToken;
use crate::authority::judge::{Demand, Verdict};
use crate::authority::libraries::UpdateLibrary;
use crate::authority::list::TokenFilter;
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::token::AccessRight;
use crate::authority::update::UpdateToken;
use crate::authority::user_types::{DeleteUserType, UpdateUserType};

fn many(count: usize, text: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(text).collect()
}

fn listing(permissions: &[String]) -> CreateToken {
    let texts: Vec<&str> = permissions.iter().map(String::as_str).collect();
    CreateToken {
        permissions: granted(&texts),
        ..create_token("jane")
    }
}

#[tokio::test]
async fn no_token_changes_its_own_grant() {
    let stage = Stage::new().await;
    let own = stage
        .authenticate("adam", Reserved::TokensAdmin)
        .await
        .unwrap()
        .token_id;
    let full = UpdateToken {
        access_right: Some(AccessRight::Full),
        permissions: Some(granted(&[])),
        ..update_token(own)
    };
    assert_eq!(stage.refusal("adam", &full).await, Reason::PermissionDenied);
    let renamed = UpdateToken {
        display_name: Some("another name".to_owned()),
        ..update_token(own)
    };
    stage.done("adam", &renamed).await;
}

#[tokio::test]
async fn looks_at_tokens_that_take_long_give_way_and_miss_none() {
    let stage = Stage::new().await;
    let mut made = Vec::new();
    for _ in 0..30 {
        stage.later(1);
        made.insert(0, stage.created("adam", &create_token("jane")).await.0.id);
    }
    let library = stage.authority.library(&name("acme")).unwrap().value.uid;
    let is_of_jane = |view: &View<'_>| view.user.user == name("jane");
    let (mut at, mut looked, mut looks) = (None, Vec::new(), 0);
    loop {
        let before = looked.len();
        at = stage
            .authority
            .look_at_library(library, at, 1000, |view| {
                std::thread::sleep(Duration::from_millis(1));
                looked.push((view.token.id, is_of_jane(view)));
                true
            })
            .unwrap();
        looks += 1;
        assert!(
            looked.len() - before <= 4,
            "{} under one lock",
            looked.len() - before
        );
        if at.is_none() {
            break;
        }
    }
    assert!(looks > 7);
    let of_jane = looked.iter().filter(|(_, is)| *is).map(|(id, _)| *id);
    assert_eq!(of_jane.collect::<Vec<_>>(), made);
    // Of a user the same, in whatever order.
    let jane = {
        let index = stage.authority.index.read().unwrap();
        let slot = index.directory().library_of(library).unwrap();
        slot.user_named("jane").unwrap()
    };
    let (authority, kept) = (
        stage.authority.clone(),
        std::sync::atomic::AtomicUsize::new(0),
    );
    let found = authority.look_at_user(jane, usize::MAX, |view| {
        std::thread::sleep(Duration::from_millis(1));
        kept.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Some(view.token.id)
    });
    let mut found = found.await.unwrap();
    found.sort_unstable();
    made.sort_unstable();
    assert_eq!(found, made);
    assert_eq!(kept.into_inner(), made.len(), "each once");
}

#[tokio::test]
async fn nobody_locks_itself_out_by_networks() {
    let stage = Stage::new().await;
    let elsewhere = |library: &str, network: &str| UpdateLibrary {
        allowed_cidrs: Some(vec![Cidr::parse(network).unwrap()]),
        ..update_library(library)
    };
    for (user, library) in [("dora", "acme"), ("root", "system")] {
        let away = elsewhere(library, "198.51.100.0/24");
        assert_eq!(stage.refusal(user, &away).await, Reason::InUse, "{user}");
        stage.done(user, &elsewhere(library, "192.0.2.0/24")).await;
    }
    // Who is not of the library is not locked out of it.
    stage
        .done("root", &elsewhere("acme", "198.51.100.0/24"))
        .await;
}

#[tokio::test]
async fn a_create_with_many_warnings_is_as_good_with_a_request_id() {
    let stage = Stage::new().await;
    let create = listing(&many(64, |i| format!("invoices-of-the-year-{i}:read")));
    let first = stage.request("adam", 1, 1, &create).await.unwrap();
    assert_eq!(first.warnings.len(), 1);
    assert!(
        first.warnings[0].contains("and 56 more"),
        "{:?}",
        first.warnings
    );
    let second = stage.request("adam", 1, 1, &create).await.unwrap();
    assert_eq!(second.warnings, first.warnings);
}

#[tokio::test]
async fn a_repeat_of_a_call_that_found_all_as_it_should_be_changes_nothing() {
    let stage = Stage::new().await;
    let (id, secret) = stage.token().await;
    let (other, _) = stage.token().await;
    stage.done("adam", &suspend(id)).await;
    let events = stage.log("acme").await.len();
    let first = stage.request("adam", 1, 1, &suspend(id)).await.unwrap();
    assert_eq!(
        stage.log("acme").await.len(),
        events,
        "it was suspended already"
    );
    let resume = ResumeToken {
        id,
        etag: String::new(),
    };
    stage.done("adam", &resume).await;
    stage.request("adam", 1, 1, &suspend(id)).await.unwrap();
    assert_eq!(
        stage.verdict(&secret).await,
        Verdict::Valid,
        "it is not suspended again"
    );
    let reused = stage.request("adam", 1, 2, &suspend(other)).await;
    assert_eq!(reused.unwrap_err().reason, Reason::RequestIdReused);
    assert!(first.answer.unwrap().value.suspension.is_some());
}

#[tokio::test]
async fn patterns_that_cross_are_listed_up_to_a_bound_and_judged_in_full() {
    let stage = Stage::new().await;
    for i in 0..20 {
        let actions = many(64, |a| format!("*:a{i}-{a}"));
        let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
        let of = create_user_type(&format!("type-{i}"), &actions);
        stage.done("root", &of).await;
    }
    let types = many(20, |i| format!("type-{i}"));
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    stage.done("root", &create_user("wide", &types)).await;
    let create = CreateToken {
        user: Some(name("wide")),
        ..listing(&many(64, |r| format!("r{r}:*")))
    };
    let secret = stage.created("adam", &create).await.1;
    let demand = Demand {
        permissions: vec![crate::authority::permission::Permission::parse("r63:a19-63").unwrap()],
        ..Demand::default()
    };
    let judged = stage.authority.verify(&secret, &demand, None, stage.now());
    let judged = judged.await.unwrap();
    assert_eq!(judged.verdict, Verdict::Valid);
    assert_eq!(judged.seen.unwrap().permissions.len(), 1024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn users_of_one_type_are_made_at_once_without_getting_in_each_others_way() {
    let stage = Arc::new(Stage::new().await);
    let before = stage
        .authority
        .get_user_type(&name("acme"), &name("clerk"))
        .unwrap();
    let mut making = tokio::task::JoinSet::new();
    for i in 0..100 {
        let stage = stage.clone();
        making.spawn(async move {
            let create = create_user(&format!("user-{i}"), &["clerk"]);
            stage.perform("dora", &create).await.map(drop)
        });
    }
    for made in making.join_all().await {
        made.unwrap();
    }
    let after = stage
        .authority
        .get_user_type(&name("acme"), &name("clerk"))
        .unwrap();
    assert_eq!(after.revision, before.revision, "its etag stands");
    let etag = stage.authority.revision_text(before.revision);
    let update = UpdateUserType {
        library: name("acme"),
        user_type: name("clerk"),
        permissions: Some(granted(&["orders:read"])),
        etag,
    };
    stage.done("dora", &update).await;
}

#[tokio::test]
async fn a_user_type_that_was_taken_from_everybody_can_be_deleted() {
    let stage = Stage::new().await;
    stage
        .done("root", &create_user_type("spare", &["a:b"]))
        .await;
    stage.done("root", &create_user("sam", &["spare"])).await;
    let delete = DeleteUserType {
        library: name("acme"),
        user_type: name("spare"),
        etag: String::new(),
    };
    assert_eq!(stage.refusal("dora", &delete).await, Reason::InUse);
    let taken = crate::authority::users::UpdateUser {
        assignments: Some(Vec::new()),
        ..super::commands::update_user("sam")
    };
    stage.done("root", &taken).await;
    stage.done("dora", &delete).await;
}

#[tokio::test]
async fn a_page_of_large_records_is_a_shorter_page_and_nothing_is_left_out() {
    let stage = Stage::new().await;
    let long = CreateToken {
        description: "x".repeat(1024),
        ..listing(&many(30, |i| {
            format!("a-resource-with-a-long-name-{i}:{}", "y".repeat(30))
        }))
    };
    for _ in 0..900 {
        stage.done("adam", &long).await;
    }
    let caller = stage
        .authenticate("adam", Reserved::TokensAdmin)
        .await
        .unwrap();
    let filter = TokenFilter {
        user: Some(name("jane")),
        ..TokenFilter::of(named("acme"))
    };
    let (mut pages, mut listed, mut token) = (0, std::collections::HashSet::new(), String::new());
    loop {
        let page = PageRequest { size: 1000, token };
        let page = stage
            .authority
            .list_tokens(&caller, &filter, &page, stage.time())
            .await
            .unwrap();
        listed.extend(page.items.iter().map(|t| t.value.id));
        (pages, token) = (pages + 1, page.next);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.len(), 900);
    assert!(pages > 1);
}
