//! Lists, page by page: sizes, and page tokens that somebody else made.

use std::collections::HashSet;

use token_authority::proto::v1::{
    CreateUserRequest, ErrorReason, ListAuditEventsRequest, ListLibrariesRequest,
    ListTokensRequest, ListUserTypesRequest, ListUsersRequest,
};

use crate::refusal::{assert_refused, fields_of};
use crate::world::{ACME, ADMIN, DIRECTORY_ADMIN, RIVAL, World, asking};

/// Users in the library: more than the largest page.
const USERS: usize = 1010;

#[tokio::test]
async fn a_page_is_50_unless_asked_and_1000_at_most_and_the_pages_make_the_whole() {
    let world = World::new().await;
    let made = (0..USERS).map(|number| {
        let mut directory = world.operator.directory.clone();
        let request = CreateUserRequest {
            library: ACME.into(),
            user: format!("user-{number:04}"),
            ..Default::default()
        };
        async move { directory.create_user(request).await }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for user in made {
        tasks.spawn(user);
    }
    for made in tasks.join_all().await {
        made.unwrap();
    }
    let page = async |page_size, page_token: String| {
        let request = ListUsersRequest {
            library: ACME.into(),
            page_size,
            page_token,
        };
        let answer = world.operator.directory.clone().list_users(request).await;
        answer.unwrap().into_inner()
    };
    for (size, expected) in [
        (0, 50),
        (-1, 50),
        (i32::MIN, 50),
        (1, 1),
        (1000, 1000),
        (1001, 1000),
        (i32::MAX, 1000),
    ] {
        assert_eq!(
            page(size, String::new()).await.users.len(),
            expected,
            "{size}"
        );
    }
    let mut seen = HashSet::new();
    let mut next = String::new();
    loop {
        let page = page(333, next).await;
        for user in page.users {
            assert!(seen.insert(user.user), "each once");
        }
        next = page.next_page_token;
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), USERS);
}

#[tokio::test]
async fn the_pages_of_every_list_make_the_whole_in_its_order() {
    let world = World::new().await;
    for user in ["ann", "bob", "eve"] {
        world.person(ACME, user, &["orders:read"]).await;
        world.token(asking(ACME, user)).await;
    }
    let mut admin = world.operator.admin.clone();
    let mut directory = world.operator.directory.clone();
    macro_rules! same_in_pages {
        ($client:ident . $list:ident, $items:ident, $request:expr) => {{
            let request = $request;
            let whole = $client.$list(request.clone()).await.unwrap().into_inner();
            assert!(whole.$items.len() >= 3, "{}", stringify!($list));
            assert_eq!(whole.next_page_token, "");
            let (mut items, mut page_token) = (Vec::new(), String::new());
            for _ in 0..whole.$items.len() {
                let mut request = request.clone();
                request.page_size = 1;
                request.page_token = page_token;
                let page = $client.$list(request).await.unwrap().into_inner();
                items.extend(page.$items);
                page_token = page.next_page_token;
            }
            assert_eq!(page_token, "", "{}", stringify!($list));
            assert_eq!(items, whole.$items, "{}", stringify!($list));
        }};
    }
    let library = || ACME.to_owned();
    same_in_pages!(
        admin.list_tokens,
        tokens,
        ListTokensRequest {
            library: library(),
            ..Default::default()
        }
    );
    same_in_pages!(
        admin.list_audit_events,
        events,
        ListAuditEventsRequest {
            library: library(),
            ..Default::default()
        }
    );
    same_in_pages!(
        directory.list_users,
        users,
        ListUsersRequest {
            library: library(),
            ..Default::default()
        }
    );
    same_in_pages!(
        directory.list_user_types,
        user_types,
        ListUserTypesRequest {
            library: library(),
            ..Default::default()
        }
    );
    same_in_pages!(
        directory.list_libraries,
        libraries,
        ListLibrariesRequest::default()
    );
}

#[tokio::test]
async fn a_page_token_is_good_for_its_caller_and_its_list_alone_and_unchanged() {
    let world = World::new().await;
    for library in [ACME, RIVAL] {
        for user in ["ann", "bob"] {
            world.person(library, user, &["orders:read"]).await;
            world.token(asking(library, user)).await;
            world.token(asking(library, user)).await;
        }
    }
    let first = ListTokensRequest {
        library: ACME.into(),
        page_size: 1,
        ..Default::default()
    };
    let mut admin = world.operator.admin.clone();
    let answer = admin.list_tokens(first.clone()).await.unwrap().into_inner();
    let good = ListTokensRequest {
        page_token: answer.next_page_token.clone(),
        ..first
    };
    admin
        .list_tokens(good.clone())
        .await
        .expect("the token as it was given");
    let more = ListTokensRequest {
        page_size: 2,
        ..good.clone()
    };
    admin
        .list_tokens(more)
        .await
        .expect("another size is no other list");

    // Another filter, another library, another list.
    let mut others = vec![
        ListTokensRequest {
            user: "ann".into(),
            ..good.clone()
        },
        ListTokensRequest {
            show_revoked: true,
            ..good.clone()
        },
        ListTokensRequest {
            library: RIVAL.into(),
            ..good.clone()
        },
        ListTokensRequest {
            library: String::new(),
            ..good.clone()
        },
    ];
    // Changed at any place, cut at any place, longer, nonsense.
    let token = &good.page_token;
    for (at, digit) in token.char_indices() {
        let other = if digit == '0' { '1' } else { '0' };
        others.push(with(
            &good,
            format!("{}{other}{}", &token[..at], &token[at + 1..]),
        ));
        others.push(with(&good, token[at + 1..].to_owned() + "0"));
        if at > 0 {
            others.push(with(&good, token[..at].to_owned()));
        }
    }
    for nonsense in [
        "zz",
        "0",
        "00",
        "é",
        "null",
        &"0".repeat(10_000),
        &format!("{token}00"),
    ] {
        others.push(with(&good, nonsense.to_owned()));
    }
    for request in others {
        let answer = admin.list_tokens(request.clone()).await;
        let refused = assert_refused(answer, ErrorReason::InvalidFields);
        assert_eq!(fields_of(&refused), ["page_token"], "{request:?}");
    }
    let request = ListAuditEventsRequest {
        library: ACME.into(),
        page_token: token.clone(),
        ..Default::default()
    };
    assert_refused(
        admin.list_audit_events(request).await,
        ErrorReason::InvalidFields,
    );
    let request = ListUsersRequest {
        library: ACME.into(),
        page_token: token.clone(),
        ..Default::default()
    };
    let answer = world.operator.directory.clone().list_users(request).await;
    assert_refused(answer, ErrorReason::InvalidFields);

    // Another caller, also one with the same rights.
    let other = world.member(ACME, "alice", &[ADMIN, DIRECTORY_ADMIN]).await;
    let answer = other.clients.admin.clone().list_tokens(good).await;
    assert_refused(answer, ErrorReason::InvalidFields);
}

fn with(request: &ListTokensRequest, page_token: String) -> ListTokensRequest {
    ListTokensRequest {
        page_token,
        ..request.clone()
    }
}
