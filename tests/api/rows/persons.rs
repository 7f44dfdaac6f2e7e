//! Tokens that people make for themselves, and that are made for those who can't.

use token_authority::proto::v1::{
    CreateTokenRequest, CreateUserRequest, ErrorReason, ListTokensRequest, UpdateLibraryRequest,
    UpdateTokenRequest, UserKind, Verdict, VerifyRequest,
};

use super::{administrator, demand, list, make, reason, support};
use crate::refusal::assert_refused;
use crate::world::{ACME, SELF, World, asking, assignments, later, texts};

#[tokio::test]
async fn a_person_makes_several_named_expiring_tokens_for_itself_and_edits_them_later() {
    let world = World::new().await;
    let ann = world.member(ACME, "ann", &[SELF, "orders:*"]).await;
    let mut made = Vec::new();
    for name in ["laptop", "script"] {
        let generate = CreateTokenRequest {
            display_name: name.into(),
            lifetime: "30d".into(),
            ..Default::default()
        };
        made.push(make(&ann.clients, generate).await);
    }
    for (token, secret) in &made {
        assert_eq!(token.user, "ann");
        assert_eq!(world.verdict(secret).await, Verdict::Valid);
    }
    let edit = UpdateTokenRequest {
        token_id: made[1].0.token_id.clone(),
        display_name: Some("nightly script".into()),
        expire_time: later(made[1].0.create_time, 86_400),
        ..Default::default()
    };
    let mut own = ann.clients.admin.clone();
    let edited = own.update_token(edit).await.unwrap().into_inner();
    let edited = edited.token.unwrap();
    assert_eq!(edited.display_name, "nightly script");
    assert_eq!(edited.expire_time, later(made[1].0.create_time, 86_400));
    assert!(
        list(&ann.clients, ListTokensRequest::default())
            .await
            .contains(&edited)
    );
}

#[tokio::test]
async fn tokens_for_another_user_take_an_administrator() {
    let world = World::new().await;
    world.person(ACME, "bob", &["orders:read"]).await;
    let ann = world.member(ACME, "ann", &[SELF, "orders:*"]).await;
    let boss = administrator(&world).await;
    let request = || CreateTokenRequest {
        display_name: "for bob".into(),
        ..reason("bob", "")
    };
    let refused = ann.clients.admin.clone().create_token(request()).await;
    assert_refused(refused, ErrorReason::NotFound);
    let (token, secret) = make(&boss.clients, request()).await;
    assert_eq!(
        (token.user.as_str(), token.issued_by.as_str()),
        ("bob", "acme/boss")
    );
    let seen = world.verify(demand(&secret, &["orders:read"])).await;
    assert_eq!(
        (seen.verdict(), seen.user.as_str()),
        (Verdict::Valid, "bob")
    );
}

#[tokio::test]
async fn a_contact_of_a_customer_calls_one_api_and_sees_its_own_data_alone() {
    let world = World::new().await;
    world.user_type(ACME, "customer", &["orders:read"]).await;
    let eve = CreateUserRequest {
        library: ACME.into(),
        user: "eve".into(),
        kind: UserKind::Contact.into(),
        assignments: assignments(&["customer"]),
        data_owner: "customer-7".into(),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.create_user(eve).await.unwrap();
    // As long as nobody has said which API that is, there is none.
    let mut admin = world.operator.admin.clone();
    let refused = admin.create_token(asking(ACME, "eve")).await;
    assert_refused(refused, ErrorReason::InvalidFields);
    let portal = UpdateLibraryRequest {
        contact_apis: texts(&["order-status"]),
        ..Default::default()
    };
    support(&world, portal).await;
    let wider = CreateTokenRequest {
        apis: texts(&["order-status", "invoices"]),
        ..asking(ACME, "eve")
    };
    let refused = admin.create_token(wider).await;
    assert_refused(refused, ErrorReason::InvalidFields);

    let (token, secret) = world.token(asking(ACME, "eve")).await;
    assert_eq!(token.apis, ["order-status"]);
    let asked = async |api: &str, data_owner: &str| {
        let request = VerifyRequest {
            api: api.into(),
            data_owner: data_owner.into(),
            ..demand(&secret, &["orders:read"])
        };
        world.verify(request).await
    };
    let own = asked("order-status", "customer-7").await;
    assert_eq!(
        (own.verdict(), own.data_owner.as_str()),
        (Verdict::Valid, "customer-7")
    );
    let others = asked("order-status", "customer-8").await;
    assert_eq!(others.verdict(), Verdict::WrongDataOwner);
    let elsewhere = asked("invoices", "customer-7").await;
    assert_eq!(elsewhere.verdict(), Verdict::WrongApi);
}

#[tokio::test]
async fn a_user_that_is_a_system_gets_its_tokens_from_an_administrator() {
    let world = World::new().await;
    let secret = world.of_kind(UserKind::ApiOnly).await;
    let system = world.server.clients(&secret);
    let itself = CreateTokenRequest {
        display_name: "mine".into(),
        ..Default::default()
    };
    let refused = system.admin.clone().create_token(itself).await;
    let status = assert_refused(refused, ErrorReason::SelfServiceDenied);
    assert!(status.message().contains("administrator"), "{status:?}");
    let boss = administrator(&world).await;
    let (_, secret) = make(&boss.clients, reason("apionly", "integration")).await;
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
}
