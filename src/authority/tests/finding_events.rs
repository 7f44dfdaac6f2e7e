//! Finding audit events: what a filter leaves is what a plain look at every event leaves, page by page.

use super::commands::{create_token, create_user};
use super::lifecycle::{resume, revoke, suspend};
use super::own_tokens::with_pat;
use super::samples::{name, named};
use super::stage::{MINUTE, Stage};
use crate::authority::Caller;
use crate::authority::audit::AuditEvent;
use crate::authority::directory::Library;
use crate::authority::keyspace;
use crate::authority::list::{EventFilter, Window};
use crate::authority::moment::Moment;
use crate::authority::page::PageRequest;
use crate::authority::permission::Reserved;
use crate::authority::secret::TokenId;

/// Narrows a filter by one more field.
type Narrow = Box<dyn Fn(&mut EventFilter)>;
/// What that field means.
type Plain = Box<dyn Fn(&AuditEvent) -> bool>;

async fn caller(stage: &Stage, user: &str) -> Caller {
    stage
        .authenticate(user, Reserved::TokensAdmin)
        .await
        .unwrap()
}

async fn found(stage: &Stage, filter: &EventFilter, size: i32) -> Vec<AuditEvent> {
    let adam = caller(stage, "adam").await;
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let request = PageRequest { size, token };
        let page = stage
            .authority
            .list_audit_events(&adam, filter, &request, stage.time())
            .await
            .unwrap();
        found.extend(page.items.into_iter().map(|event| event.value));
        token = page.next;
        if token.is_empty() {
            return found;
        }
    }
}

/// A library in which some things were done, a minute apart, by several.
async fn with_history() -> (Stage, TokenId) {
    let stage = with_pat().await;
    let (id, _) = stage.token().await;
    stage.later(MINUTE);
    stage.done("tom", &suspend(id)).await;
    stage.later(MINUTE);
    stage.done("adam", &resume(id)).await;
    stage.done("dora", &create_user("eve", &["clerk"])).await;
    stage.later(MINUTE);
    stage.done("pat", &create_token("pat")).await;
    stage.done("tom", &revoke(id)).await;
    stage.later(MINUTE);
    (stage, id)
}

#[tokio::test]
async fn every_filter_of_events_and_all_pairs_leave_what_a_plain_look_leaves() {
    let (stage, id) = with_history().await;
    let all = found(&stage, &EventFilter::of(named("acme")), 1000).await;
    let text = |text: &str| Some(text.to_owned());
    let minutes = |count: i64| Some(Moment(stage.time().0 - count * MINUTE));
    let token_id = id.to_string();
    let mut filters: Vec<(Narrow, Plain)> = vec![
        (
            Box::new(move |f| f.token_id = Some(id)),
            Box::new(move |e| e.token_id == token_id),
        ),
        (
            Box::new(|f| f.user = Some(name("pat"))),
            Box::new(|e| e.user == "pat"),
        ),
    ];
    for actor in ["acme/tom", "system/root", "acme/nobody"] {
        filters.push((
            Box::new(move |f| f.actor = text(actor)),
            Box::new(move |e| e.actor == actor),
        ));
    }
    for (action, begins) in [
        ("token.", true),
        ("token.create", false),
        ("token", false),
        ("user.", true),
        ("token.creat", false),
    ] {
        filters.push((
            Box::new(move |f| f.action = text(action)),
            Box::new(move |e| e.action == action || (begins && e.action.starts_with(action))),
        ));
    }
    for (from, to) in [
        (minutes(3), None),
        (None, minutes(3)),
        (minutes(4), minutes(2)),
        (minutes(0), None),
        (None, minutes(9)),
    ] {
        filters.push((
            Box::new(move |f| f.time = Window { from, to }),
            Box::new(move |e| {
                from.is_none_or(|from| e.time >= from) && to.is_none_or(|to| e.time < to)
            }),
        ));
    }
    let mut told = 0;
    for (one, is_one) in &filters {
        for (other, is_other) in &filters {
            let mut filter = EventFilter::of(named("acme"));
            one(&mut filter);
            other(&mut filter);
            // Two of the same field are no pair: the second replaced the first.
            let mut again = filter.clone();
            one(&mut again);
            if format!("{again:?}") != format!("{filter:?}") {
                continue;
            }
            let plain = all.iter().filter(|e| is_one(e) && is_other(e)).cloned();
            let expected: Vec<AuditEvent> = plain.collect();
            for size in [1, 3, 1000] {
                assert_eq!(found(&stage, &filter, size).await, expected, "{filter:?}");
            }
            told += usize::from(!expected.is_empty() && expected.len() < all.len());
        }
    }
    assert!(told > 40, "{told}");
}

#[tokio::test]
async fn what_a_backend_did_for_a_user_is_found_under_both() {
    let stage = with_pat().await;
    let event = AuditEvent {
        actor: "acme/backend".to_owned(),
        acting_for: "acme/pat".to_owned(),
        ..stage.newest_event("acme").await
    };
    stage
        .overwrite(event.key.clone(), &keyspace::encode(&event))
        .await;
    for actor in ["acme/backend", "acme/pat"] {
        let filter = EventFilter {
            actor: Some(actor.to_owned()),
            ..EventFilter::of(named("acme"))
        };
        assert!(found(&stage, &filter, 9).await.contains(&event), "{actor}");
    }
}

#[tokio::test]
async fn a_filter_of_events_that_finds_little_goes_on_in_short_pages() {
    let stage = Stage::new().await;
    let event = stage.newest_event("acme").await;
    let library = stage.stored::<Library>(keyspace::library("acme")).await;
    let library = library.unwrap().uid;
    for number in 1..=10_100_i64 {
        let time = Moment(stage.time().0 + number);
        let many = AuditEvent {
            key: keyspace::audit_event(library, time, 0, [0; 4]),
            time,
            action: "token.flood".to_owned(),
            ..event.clone()
        };
        stage
            .overwrite(many.key.clone(), &keyspace::encode(&many))
            .await;
    }
    let first = stage.time();
    stage.later(20_000);
    let adam = caller(&stage, "adam").await;
    let list = async |filter: &EventFilter, token: String| {
        let request = PageRequest { size: 500, token };
        let listed = stage
            .authority
            .list_audit_events(&adam, filter, &request, stage.time());
        listed.await.unwrap()
    };
    let little = EventFilter {
        action: Some("user-type.".to_owned()),
        ..EventFilter::of(named("acme"))
    };
    let page = list(&little, String::new()).await;
    assert!(page.items.is_empty() && !page.next.is_empty());
    let rest = list(&little, page.next).await;
    assert_eq!((rest.items.len(), rest.next.as_str()), (4, ""));
    // A stretch of time begins where it lies, and ends there.
    let early = EventFilter {
        time: Window {
            from: Some(Moment(first.0 + 10)),
            to: Some(Moment(first.0 + 20)),
        },
        action: Some("token.flood".to_owned()),
        ..EventFilter::of(named("acme"))
    };
    let page = list(&early, String::new()).await;
    assert_eq!((page.items.len(), page.next.as_str()), (10, ""));
}

#[tokio::test]
async fn a_page_token_of_events_is_good_for_the_same_filter_alone() {
    let (stage, id) = with_history().await;
    let adam = caller(&stage, "adam").await;
    let list = async |filter: &EventFilter, token: &str| {
        let request = PageRequest {
            size: 1,
            token: token.to_owned(),
        };
        let listed = stage
            .authority
            .list_audit_events(&adam, filter, &request, stage.time());
        listed.await
    };
    let all = || EventFilter::of(named("acme"));
    let next = list(&all(), "").await.unwrap().next;
    list(&all(), &next).await.unwrap();
    for other in [
        EventFilter {
            token_id: Some(id),
            ..all()
        },
        EventFilter {
            user: Some(name("jane")),
            ..all()
        },
        EventFilter {
            actor: Some("acme/tom".to_owned()),
            ..all()
        },
        EventFilter {
            action: Some("token.".to_owned()),
            ..all()
        },
        EventFilter {
            time: Window {
                from: Some(Moment(1)),
                to: None,
            },
            ..all()
        },
    ] {
        let refused = list(&other, &next).await.unwrap_err();
        assert_eq!(refused.violations[0].field, "page_token", "{other:?}");
    }
}
