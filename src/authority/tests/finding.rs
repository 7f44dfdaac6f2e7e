//! Finding tokens: what a filter leaves is what a plain look at every token leaves, page by page.

mod plain;
mod users;

use self::plain::{Dice, FIELDS, USERS, any_token, naively, narrow, state};
use super::commands::{create_library, create_token, create_user, create_user_type};
use super::own_tokens::with_pat;
use super::samples::{demanded, granted, name, named, networks, token};
use super::stage::Stage;
use crate::authority::Caller;
use crate::authority::directory::{Library, Uid, User};
use crate::authority::error::Reason;
use crate::authority::index::Sort;
use crate::authority::issue::CreateToken;
use crate::authority::keyspace::{self, Stored};
use crate::authority::list::{TokenFilter, Window};
use crate::authority::moment::Moment;
use crate::authority::page::{Page, PageRequest};
use crate::authority::permission::Reserved;
use crate::authority::secret::TokenId;
use crate::authority::state::TokenState;
use crate::authority::token::Token;
use crate::authority::users::DeleteUser;

/// A library with users who have different rights, and many tokens of all kinds.
async fn with_many(count: u16) -> (Stage, Vec<Token>) {
    let stage = Stage::new().await;
    stage
        .done("root", &create_user_type("reader", &["*:read"]))
        .await;
    let mover = create_user_type("mover", &["stock:move", "orders:read"]);
    stage.done("root", &mover).await;
    let ann = create_user("ann", &["north/clerk", "reader"]);
    let bob = create_user("bob", &["south/mover", "north/reader"]);
    for user in [ann, bob, create_user("gone", &["clerk"])] {
        stage.done("root", &user).await;
    }
    let library = library_uid(&stage).await;
    let mut uids = Vec::new();
    for (user, _) in USERS {
        let stored = stage.stored::<User>(keyspace::user(library, &name(user)));
        uids.push(stored.await.unwrap().uid);
    }
    let mut dice = Dice(0x9e37_79b9);
    let mut tokens = listed(&stage).await;
    for number in 0..count {
        let token = any_token(&mut dice, number, library, &uids, stage.time());
        stage
            .overwrite(token.key(), &keyspace::encode(&token))
            .await;
        tokens.push(token);
    }
    let gone = DeleteUser {
        library: name("acme"),
        user: name("gone"),
        etag: String::new(),
    };
    stage.done("root", &gone).await;
    (stage, tokens)
}

/// The tokens that are there already.
async fn listed(stage: &Stage) -> Vec<Token> {
    let (all, page) = (TokenFilter::of(named("acme")), PageRequest::default());
    let adam = caller(stage, "adam").await;
    let listed = stage
        .authority
        .list_tokens(&adam, &all, &page, stage.time());
    let items = listed.await.unwrap().items;
    items.into_iter().map(|token| token.value).collect()
}

async fn library_uid(stage: &Stage) -> Uid {
    let library = stage.stored::<Library>(keyspace::library("acme")).await;
    library.unwrap().uid
}

async fn caller(stage: &Stage, user: &str) -> Caller {
    stage
        .authenticate(user, Reserved::TokensSelf)
        .await
        .unwrap()
}

async fn page(stage: &Stage, filter: &TokenFilter, size: i32, token: &str) -> Page<TokenId> {
    let caller = caller(stage, "adam").await;
    let request = PageRequest {
        size,
        token: token.to_owned(),
    };
    let listed = stage
        .authority
        .list_tokens(&caller, filter, &request, stage.time())
        .await
        .unwrap();
    Page {
        items: listed.items.into_iter().map(|t| t.value.id).collect(),
        next: listed.next,
    }
}

/// All pages, one behind the other.
async fn whole(stage: &Stage, filter: &TokenFilter, size: i32) -> Vec<TokenId> {
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let page = page(stage, filter, size, &next).await;
        assert!(page.items.len() <= usize::try_from(size).unwrap());
        found.extend(page.items);
        next = page.next;
        if next.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn every_filter_alone_and_several_together_leave_what_a_plain_look_leaves() {
    let (stage, tokens) = with_many(400).await;
    let (mut dice, now) = (Dice(0x2545_f491), stage.time());
    let mut told = [0; FIELDS];
    for round in 0..600 {
        let mut filter = TokenFilter::of(named("acme"));
        filter.sort = dice.one(&[Sort::Created, Sort::Expires]);
        let first = round % FIELDS;
        narrow(&mut filter, first, &mut dice, now);
        let alone = round < 20 * FIELDS;
        if !alone {
            for _ in 0..=dice.below(2) {
                let field = dice.below(u32::try_from(FIELDS).unwrap());
                narrow(&mut filter, field as usize, &mut dice, now);
            }
        }
        let size = dice.one(&[3, 17, 1000]);
        let expected = naively(&filter, &tokens, now);
        let found = whole(&stage, &filter, size).await;
        assert_eq!(found, expected, "{filter:?} {size}");
        if alone && !expected.is_empty() && expected.len() < tokens.len() {
            told[first] += 1;
        }
    }
    // Each of them left some out and some in.
    assert!(told.iter().all(|times| *times > 2), "{told:?}");
}

#[tokio::test]
async fn states_that_are_named_are_shown_and_no_others_and_the_rest_hides_revoked_ones() {
    let (stage, tokens) = with_many(200).await;
    let now = stage.time();
    let all = TokenFilter::of(named("acme"));
    let hidden = tokens
        .iter()
        .filter(|t| state(t, now) == TokenState::Revoked);
    let shown = whole(&stage, &all, 1000).await;
    assert_eq!(shown.len(), tokens.len() - hidden.count());
    let mut sum = 0;
    for one in TokenState::ALL {
        let filter = TokenFilter {
            states: vec![one],
            ..all.clone()
        };
        let found = whole(&stage, &filter, 1000).await;
        assert!(!found.is_empty(), "{one:?}");
        for id in &found {
            let token = tokens.iter().find(|token| token.id == *id).unwrap();
            let told = stage.authority.token_state(token, now).unwrap();
            assert_eq!(told.0, one, "the list and the token itself agree");
        }
        sum += found.len();
    }
    assert_eq!(sum, tokens.len());
}

#[tokio::test]
async fn what_is_there_is_listed_once_while_others_are_made_and_extended_between_the_pages() {
    for sort in [Sort::Created, Sort::Expires] {
        let (stage, _) = with_many(120).await;
        let filter = TokenFilter {
            permission: Some(demanded("orders:read")),
            sort,
            ..TokenFilter::of(named("acme"))
        };
        let before = whole(&stage, &filter, 1000).await;
        assert!(before.len() > 20);
        let (mut seen, mut next, mut made) = (Vec::new(), String::new(), Vec::new());
        loop {
            let page = page(&stage, &filter, 4, &next).await;
            seen.extend(page.items);
            next = page.next;
            if next.is_empty() {
                break;
            }
            stage.later(1);
            made.push(stage.token().await.0);
        }
        let of_before: Vec<TokenId> = seen
            .iter()
            .copied()
            .filter(|id| !made.contains(id))
            .collect();
        assert_eq!(of_before, before, "{sort:?}");
        let of_made = seen.iter().filter(|id| made.contains(id)).count();
        let behind = match sort {
            Sort::Created => of_made == 0,
            Sort::Expires => of_made > 0,
        };
        assert!(
            behind,
            "{sort:?}: what comes before the place is left out, what comes after it is there"
        );
    }
}

#[tokio::test]
async fn a_token_moves_in_the_order_by_expiry_when_it_is_extended() {
    let stage = Stage::new().await;
    let (first, _) = stage.token().await;
    stage.later(1);
    let (second, _) = stage.token().await;
    let filter = TokenFilter {
        user: Some(name("jane")),
        sort: Sort::Expires,
        ..TokenFilter::of(named("acme"))
    };
    assert_eq!(whole(&stage, &filter, 10).await, [first, second]);
    let extend = super::lifecycle::extend(first, super::lifecycle::a_year());
    stage.done("adam", &extend).await;
    assert_eq!(whole(&stage, &filter, 10).await, [second, first]);
    let stage = stage.reopened().await;
    assert_eq!(whole(&stage, &filter, 10).await, [second, first]);
}

#[tokio::test]
async fn a_filter_that_finds_little_among_many_goes_on_in_short_pages() {
    let stage = Stage::new().await;
    let library = library_uid(&stage).await;
    let jane = stage.stored::<User>(keyspace::user(library, &name("jane")));
    let jane = jane.await.unwrap().uid;
    for number in 0..10_500_u16 {
        let mut token = token(0, 0, 0, 0);
        let [high, low] = number.to_be_bytes();
        (token.id.0[0], token.id.0[15], token.id.0[7]) = (low, high, 1);
        (token.library_uid, token.user_uid) = (library, jane);
        token.create_time = Moment(stage.time().0 - i64::from(number));
        token.expire_time = Moment(stage.time().0 + i64::from(number) + 1);
        if number == 10_100 {
            token.display_name = "the needle".to_owned();
            token.grant.allowed_cidrs = networks(&["10.0.0.0/8"]);
        }
        stage
            .overwrite(token.key(), &keyspace::encode(&token))
            .await;
    }
    let all = || TokenFilter::of(named("acme"));
    let by_text = TokenFilter {
        name_contains: Some("NEEDLE".to_owned()),
        ..all()
    };
    let by_address = TokenFilter {
        restricted_by_ip: Some(true),
        sort: Sort::Expires,
        ..all()
    };
    let nothing = TokenFilter {
        department: Some(name("nowhere")),
        ..all()
    };
    for (filter, expected) in [(by_text, 1), (by_address, 1), (nothing, 0)] {
        let (mut lengths, mut next) = (Vec::new(), String::new());
        loop {
            let page = page(&stage, &filter, 5, &next).await;
            lengths.push(page.items.len());
            next = page.next;
            if next.is_empty() {
                break;
            }
        }
        assert_eq!(lengths, [0, expected], "{filter:?}");
    }
    // A stretch of time begins where it lies and ends there, however much there is ahead of it and behind.
    let old = TokenFilter {
        created: Window {
            from: None,
            to: Some(Moment(stage.time().0 - 10_400)),
        },
        name_contains: Some("a token".to_owned()),
        ..all()
    };
    let soon = TokenFilter {
        expires: Window {
            from: None,
            to: Some(Moment(stage.time().0 + 50)),
        },
        sort: Sort::Expires,
        ..all()
    };
    for (filter, expected) in [(old, 99), (soon, 49)] {
        let page = page(&stage, &filter, 1000, "").await;
        assert_eq!((page.items.len(), page.next.as_str()), (expected, ""));
    }
}

#[tokio::test]
async fn a_page_token_is_good_for_the_same_filter_and_order_alone() {
    let (stage, _) = with_many(60).await;
    let first = TokenFilter::of(named("acme"));
    let next = page(&stage, &first, 1, "").await.next;
    let adam = caller(&stage, "adam").await;
    let request = PageRequest {
        size: 1,
        token: next.clone(),
    };
    let mut dice = Dice(0x1234_5678);
    let mut others = vec![TokenFilter {
        sort: Sort::Expires,
        ..first.clone()
    }];
    for field in 0..FIELDS {
        let mut other = first.clone();
        narrow(&mut other, field, &mut dice, stage.time());
        others.push(other);
    }
    for other in others {
        let refused = stage
            .authority
            .list_tokens(&adam, &other, &request, stage.time())
            .await
            .unwrap_err();
        assert_eq!(refused.reason, Reason::InvalidFields, "{other:?}");
        assert_eq!(refused.violations[0].field, "page_token", "{other:?}");
    }
    assert_eq!(page(&stage, &first, 1, &next).await.items.len(), 1);
}

#[tokio::test]
async fn filters_reach_no_further_than_their_caller() {
    let stage = with_pat().await;
    let of_adam = CreateToken {
        display_name: "secret project".to_owned(),
        ..create_token("adam")
    };
    stage.done("adam", &of_adam).await;
    stage.done("root", &create_library("globex")).await;
    let pat = caller(&stage, "pat").await;
    let list = async |filter: TokenFilter| {
        let page = PageRequest::default();
        stage
            .authority
            .list_tokens(&pat, &filter, &page, stage.time())
            .await
    };
    let own = || TokenFilter::of(named("acme"));
    let all = list(own()).await.unwrap().items;
    assert!(!all.is_empty());
    assert!(all.iter().all(|token| token.value.user == name("pat")));
    for filter in [
        TokenFilter {
            name_contains: Some("project".to_owned()),
            ..own()
        },
        TokenFilter {
            permission: Some(demanded("tokens:admin")),
            sort: Sort::Expires,
            ..own()
        },
    ] {
        assert_eq!(list(filter).await.unwrap().items, []);
    }
    for filter in [
        TokenFilter {
            user: Some(name("adam")),
            ..own()
        },
        TokenFilter::of(named("globex")),
    ] {
        assert_eq!(list(filter).await.unwrap_err().reason, Reason::NotFound);
    }
}

#[tokio::test]
async fn a_permission_is_looked_for_as_it_is_in_effect_now() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let filter = TokenFilter {
        permission: Some(demanded("stock:move")),
        ..TokenFilter::of(named("acme"))
    };
    assert_eq!(whole(&stage, &filter, 10).await, []);
    let wider = crate::authority::user_types::UpdateUserType {
        library: name("acme"),
        user_type: name("clerk"),
        permissions: Some(granted(&["stock:*"])),
        etag: String::new(),
    };
    stage.done("root", &wider).await;
    assert_eq!(whole(&stage, &filter, 10).await, [id]);
}
