//! Finding tokens and events through the API: every filter, alone and with others, and what is wrong with one.

use prost_types::Timestamp;
use token_authority::proto::v1::{
    CreateTokenRequest, ErrorReason, ListAuditEventsRequest, ListTokensRequest, RevokeTokenRequest,
    SuspendTokenRequest, TokenSort, TokenState,
};

use crate::refusal::{assert_refused, fields_of};
use crate::world::{ACME, RIVAL, SELF, World, asking, later, texts};

/// Made in this order, so that a list shows them the other way round.
const MADE: [&str; 5] = ["till", "office", "export", "sleeping", "ended"];

struct Found {
    world: World,
    ids: Vec<String>,
    times: Vec<Option<Timestamp>>,
}

async fn with_tokens() -> Found {
    let world = World::new().await;
    world.user_type(ACME, "clerk", &["orders:*"]).await;
    world.user_type(ACME, "reader", &["*:read"]).await;
    world.user(ACME, "ann", &["north:clerk", "reader"]).await;
    world.user(ACME, "bob", &["reader"]).await;
    let of = |user: &str, name: &str, lifetime: &str| CreateTokenRequest {
        display_name: name.into(),
        description: format!("made for {name}"),
        lifetime: lifetime.into(),
        ..asking(ACME, user)
    };
    let (mut ids, mut times) = (Vec::new(), Vec::new());
    for request in [
        CreateTokenRequest {
            department: "north".into(),
            user_type: "clerk".into(),
            ..of("ann", "till", "90d")
        },
        CreateTokenRequest {
            allowed_cidrs: texts(&["192.0.2.0/24"]),
            ..of("ann", "office", "10d")
        },
        of("bob", "export", "20mo"),
        of("bob", "sleeping", "30d"),
        of("ann", "ended", "40d"),
    ] {
        let token = world.token(request).await.0;
        ids.push(token.token_id);
        times.push(token.create_time);
    }
    let mut admin = world.operator.admin.clone();
    let suspend = SuspendTokenRequest {
        token_id: ids[3].clone(),
        ..Default::default()
    };
    admin.suspend_token(suspend).await.expect("suspended");
    let revoke = RevokeTokenRequest {
        token_id: ids[4].clone(),
        ..Default::default()
    };
    admin.revoke_token(revoke).await.expect("revoked");
    Found { world, ids, times }
}

#[tokio::test]
async fn each_filter_of_tokens_leaves_what_it_says_in_the_order_that_is_asked_for() {
    let Found { world, ids, times } = with_tokens().await;
    let list = async |request: ListTokensRequest| -> Vec<&str> {
        let request = ListTokensRequest {
            library: ACME.into(),
            ..request
        };
        let mut admin = world.operator.admin.clone();
        let listed = admin.list_tokens(request).await.expect("a list");
        let name = |id: &str| MADE[ids.iter().position(|made| made == id).expect("one of them")];
        let tokens = listed.into_inner().tokens;
        tokens.iter().map(|token| name(&token.token_id)).collect()
    };
    macro_rules! left {
        ($expected:expr, $($field:ident: $value:expr),*) => {
            let request = ListTokensRequest { $($field: $value,)* ..Default::default() };
            assert_eq!(list(request.clone()).await, $expected, "{request:?}");
        };
    }
    let states = |states: &[TokenState]| states.iter().map(|state| (*state).into()).collect();
    let none: [&str; 0] = [];
    left!(["sleeping", "export", "office", "till"], page_size: 9);
    left!(["sleeping"], states: states(&[TokenState::Suspended]));
    left!(["ended", "sleeping"], states: states(&[TokenState::Suspended, TokenState::Revoked]));
    left!(none, states: states(&[TokenState::Expired]));
    left!(["sleeping", "export"], user: "bob".into());
    left!(["till"], department: "north".into());
    left!(["till"], user_type: "clerk".into());
    left!(["sleeping", "export"], created_after: times[2]);
    left!(["office", "till"], created_before: times[2]);
    left!(["sleeping", "office"], expires_before: later(times[0], 31 * 86_400));
    left!(["export", "till"], expires_after: later(times[0], 31 * 86_400));
    left!(["sleeping", "office"], expires_within: "31d".into());
    left!(["sleeping", "export", "office", "till"], issued_by: "system/root".into());
    left!(none, issued_by: "token-authority".into());
    left!(["export"], name_contains: "EXPO".into());
    left!(["office", "till"], permission: "orders:write".into());
    left!(["sleeping", "export", "office"], permission: "stock:read".into());
    left!(["office"], restricted_by_ip: Some(true));
    left!(["sleeping", "export", "till"], restricted_by_ip: Some(false));
    left!(none, longer_than_policy: true);
    let sort = TokenSort::Expires.into();
    left!(["office", "sleeping", "till", "export"], sort: sort);
    left!(
        ["office", "till"],
        sort: sort, permission: "orders:read".into(), user: "ann".into(), name_contains: "made for".into()
    );
    let mut directory = world.operator.directory.clone();
    let shorter = token_authority::proto::v1::UpdateLibraryRequest {
        library: ACME.into(),
        default_lifetime: Some("30d".into()),
        suggested_lifetime: Some("30d".into()),
        max_lifetime: Some("1y".into()),
        ..Default::default()
    };
    directory.update_library(shorter).await.expect("a policy");
    left!(["export"], longer_than_policy: true);
}

#[tokio::test]
async fn each_filter_of_events_leaves_what_it_says() {
    let Found { world, ids, .. } = with_tokens().await;
    let list = async |request: ListAuditEventsRequest| {
        let request = ListAuditEventsRequest {
            library: ACME.into(),
            ..request
        };
        let mut admin = world.operator.admin.clone();
        let listed = admin.list_audit_events(request).await.expect("a list");
        listed.into_inner().events
    };
    let actions = async |request: ListAuditEventsRequest| -> Vec<String> {
        let events = list(request).await.into_iter();
        events.map(|event| event.action).collect()
    };
    let of_token = ListAuditEventsRequest {
        token_id: ids[3].clone(),
        ..Default::default()
    };
    assert_eq!(
        actions(of_token.clone()).await,
        ["token.suspend", "token.create"]
    );
    let of_bob = ListAuditEventsRequest {
        user: "bob".into(),
        ..Default::default()
    };
    let expected = [
        "token.suspend",
        "token.create",
        "token.create",
        "user.create",
    ];
    assert_eq!(actions(of_bob.clone()).await, expected);
    let of_tokens = ListAuditEventsRequest {
        action: "token.".into(),
        ..of_bob.clone()
    };
    assert_eq!(actions(of_tokens).await, expected[..3]);
    let exact = ListAuditEventsRequest {
        action: "user-type.create".into(),
        ..Default::default()
    };
    assert_eq!(actions(exact).await.len(), 2);
    for (actor, some) in [("system/root", true), ("acme/ann", false)] {
        let by = ListAuditEventsRequest {
            actor: actor.into(),
            ..Default::default()
        };
        assert_eq!(!list(by).await.is_empty(), some, "{actor}");
    }
    let time = list(of_token).await[0].time;
    let since = ListAuditEventsRequest {
        since: time,
        ..of_bob.clone()
    };
    assert_eq!(actions(since).await, expected[..1]);
    let until = ListAuditEventsRequest {
        until: time,
        ..of_bob
    };
    assert_eq!(actions(until).await, expected[1..]);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_filter_is_said_at_once() {
    let world = World::new().await;
    let mut admin = world.operator.admin.clone();
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let request = ListTokensRequest {
        library: ACME.into(),
        user: "Ann".into(),
        show_revoked: true,
        states: vec![1, 0, 99],
        department: "no rth".into(),
        user_type: "Ü".into(),
        created_after: at(-1),
        created_before: at(i64::MAX),
        expires_after: at(2000),
        expires_before: at(2000),
        expires_within: "soon".into(),
        issued_by: "ann".into(),
        name_contains: "x".repeat(129),
        permission: "orders:*".into(),
        sort: 77,
        ..Default::default()
    };
    let refused = assert_refused(admin.list_tokens(request).await, ErrorReason::InvalidFields);
    let mut fields = fields_of(&refused);
    fields.sort_unstable();
    fields.dedup();
    let expected = [
        "created_after",
        "created_before",
        "department",
        "expires_before",
        "expires_within",
        "issued_by",
        "name_contains",
        "permission",
        "show_revoked",
        "sort",
        "states[1]",
        "states[2]",
        "user",
        "user_type",
    ];
    assert_eq!(fields, expected);
    let request = ListAuditEventsRequest {
        library: ACME.into(),
        token_id: "short".into(),
        user: "Ann".into(),
        actor: "acme/".into(),
        action: "Token.create".into(),
        since: at(2000),
        until: at(1000),
        ..Default::default()
    };
    let answer = admin.list_audit_events(request).await;
    let refused = assert_refused(answer, ErrorReason::InvalidFields);
    let expected = ["token_id", "user", "actor", "action", "until"];
    assert_eq!(fields_of(&refused), expected);
}

#[tokio::test]
async fn a_filter_shows_a_person_its_own_tokens_alone() {
    let Found { world, .. } = with_tokens().await;
    let pat = world.member(ACME, "pat", &[SELF]).await;
    let mut admin = pat.clients.admin.clone();
    let list = ListTokensRequest {
        issued_by: "system/root".into(),
        ..Default::default()
    };
    let own = admin.list_tokens(list).await.expect("a list").into_inner();
    let ids: Vec<_> = own.tokens.iter().map(|token| &token.token_id).collect();
    assert_eq!(ids, [&pat.token_id]);
    let others = ListTokensRequest {
        name_contains: "till".into(),
        ..Default::default()
    };
    let none = admin
        .list_tokens(others)
        .await
        .expect("a list")
        .into_inner();
    assert_eq!(none.tokens, []);
    let elsewhere = ListTokensRequest {
        library: RIVAL.into(),
        permission: "orders:read".into(),
        ..Default::default()
    };
    let answer = admin.list_tokens(elsewhere).await;
    assert_refused(answer, ErrorReason::PermissionDenied);
}
