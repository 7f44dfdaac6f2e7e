//! What verifiers are told: of their own library, of others', of contacts, departments and narrowed tokens.

use token_authority::proto::v1::{
    AccessRight, CreateTokenRequest, CreateUserRequest, ErrorReason, Filter, UpdateLibraryRequest,
    UpdateUserRequest, UserKind, Verdict, VerifyBatchRequest, VerifyBatchResult, VerifyRequest,
    verify_batch_result::Result as Item,
};
use tonic::Code;

use crate::refusal::assert_refused;
use crate::world::{ACME, RIVAL, VERIFY, World, asking, assignments, presenting, texts, verify};

#[tokio::test]
async fn a_verifier_of_a_library_judges_its_own_tokens_and_learns_nothing_of_others() {
    let world = World::new().await;
    for library in [ACME, RIVAL] {
        world.person(library, "ann", &["orders:read"]).await;
    }
    let own = world.token(asking(ACME, "ann")).await.1;
    let foreign = world.token(asking(RIVAL, "ann")).await.1;
    let backend = world.member(ACME, "backend", &[VERIFY]).await.clients;

    // The library left out is its own, and naming it is the same.
    for library in ["", ACME] {
        let request = |secret| VerifyRequest {
            library: library.into(),
            ..presenting(secret)
        };
        let good = verify(&backend, request(&own)).await;
        assert_eq!(
            (good.verdict(), good.library.as_str()),
            (Verdict::Valid, ACME)
        );
        let unknown = verify(&backend, request(&foreign)).await;
        assert_eq!(unknown.verdict(), Verdict::NotFound);
        assert_eq!(unknown.token_id, "");
        assert_eq!(unknown.user, "");
    }
    for library in [RIVAL, "nowhere", "system"] {
        let request = VerifyRequest {
            library: library.into(),
            ..presenting(&own)
        };
        let answer = backend.verify.clone().verify(request).await;
        assert_refused(answer, ErrorReason::PermissionDenied);
    }

    // An operator may name any, or none.
    let request = |library: &str| VerifyRequest {
        library: library.into(),
        ..presenting(&foreign)
    };
    assert_eq!(world.verify(request("")).await.library, RIVAL);
    assert_eq!(world.verify(request(RIVAL)).await.verdict(), Verdict::Valid);
    let wrong = world.verify(request(ACME)).await;
    assert_eq!(wrong.verdict(), Verdict::WrongLibrary);
    assert_eq!(wrong.library, RIVAL);
}

#[tokio::test]
async fn verification_is_anonymous_only_where_that_is_switched_on() {
    let world = World::with(&["--verify-anonymous"]).await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    let mut nobody = token_authority::proto::v1::token_verify_client::TokenVerifyClient::new(
        world.server.channel(),
    );
    for library in ["", ACME] {
        let request = VerifyRequest {
            library: library.into(),
            ..presenting(&secret)
        };
        let answer = nobody.verify(request).await.unwrap().into_inner();
        assert_eq!(answer.verdict(), Verdict::Valid);
    }
    let mut admin = token_authority::proto::v1::token_admin_client::TokenAdminClient::new(
        world.server.channel(),
    );
    let answer = admin.create_token(asking(ACME, "ann")).await;
    assert_refused(answer, ErrorReason::CredentialMissing);
}

#[tokio::test]
async fn a_pinned_token_serves_its_department_alone_and_dies_with_its_assignment() {
    let world = World::new().await;
    world.user_type(ACME, "clerk", &["orders:read"]).await;
    world
        .user_type(ACME, "chief", &["orders:*", "users:write"])
        .await;
    world.user(ACME, "ann", &["sales:clerk", "chief"]).await;
    let request = CreateTokenRequest {
        department: "sales".into(),
        user_type: "clerk".into(),
        ..asking(ACME, "ann")
    };
    let (token, secret) = world.token(request).await;
    assert_eq!(
        (token.department.as_str(), token.user_type.as_str()),
        ("sales", "clerk")
    );
    let demand = |department: &str, permission: &str| VerifyRequest {
        department: department.into(),
        permissions: texts(&[permission]),
        ..presenting(&secret)
    };
    let verdict = async |request| world.verify(request).await.verdict();

    let good = world.verify(demand("sales", "orders:read")).await;
    assert_eq!(good.verdict(), Verdict::Valid);
    assert_eq!(good.assignments, assignments(&["sales:clerk"]));
    assert_eq!(good.permissions, ["orders:read"]);
    assert_eq!(
        verdict(demand("sales", "users:write")).await,
        Verdict::MissingPermission
    );
    assert_eq!(
        verdict(demand("north", "orders:read")).await,
        Verdict::WrongDepartment
    );
    assert_eq!(
        verdict(demand("", "orders:read")).await,
        Verdict::WrongDepartment
    );
    let promise = VerifyRequest {
        filters: vec![Filter::Department.into()],
        ..demand("", "orders:read")
    };
    let promised = world.verify(promise).await;
    assert_eq!(promised.verdict(), Verdict::Valid);
    assert_eq!(promised.assignments, assignments(&["sales:clerk"]));

    let request = UpdateUserRequest {
        library: ACME.into(),
        user: "ann".into(),
        assignments: assignments(&["chief"]),
        ..Default::default()
    };
    world
        .operator
        .directory
        .clone()
        .update_user(request)
        .await
        .unwrap();
    assert_eq!(
        verdict(demand("sales", "orders:read")).await,
        Verdict::AssignmentRemoved
    );
}

#[tokio::test]
async fn a_department_demanded_leaves_out_what_its_user_may_do_in_others() {
    let world = World::new().await;
    world.user_type(ACME, "clerk", &["orders:read"]).await;
    world.user_type(ACME, "packer", &["stock:write"]).await;
    world.user_type(ACME, "member", &["news:read"]).await;
    let assigned = ["sales:clerk", "north:packer", "member"];
    world.user(ACME, "ann", &assigned).await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    let request = |department: &str| VerifyRequest {
        department: department.into(),
        ..presenting(&secret)
    };
    let sales = world.verify(request("sales")).await;
    assert_eq!(sales.permissions, ["news:read", "orders:read"]);
    assert_eq!(sales.assignments, assignments(&["member", "sales:clerk"]));
    let anywhere = world.verify(request("")).await;
    assert_eq!(
        anywhere.permissions,
        ["news:read", "orders:read", "stock:write"]
    );
    let write = VerifyRequest {
        permissions: texts(&["stock:write"]),
        ..request("sales")
    };
    assert_eq!(
        world.verify(write).await.verdict(),
        Verdict::MissingPermission
    );
}

#[tokio::test]
async fn a_contact_sees_one_customers_data_through_the_apis_of_contacts_alone() {
    let world = World::new().await;
    world.user_type(ACME, "customer", &["orders:read"]).await;
    let eve = CreateUserRequest {
        library: ACME.into(),
        user: "eve".into(),
        kind: UserKind::Contact.into(),
        assignments: assignments(&["customer"]),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    let ownerless = directory.create_user(eve.clone()).await;
    assert_refused(ownerless, ErrorReason::InvalidFields);
    let eve = CreateUserRequest {
        data_owner: "customer-7".into(),
        ..eve
    };
    directory.create_user(eve).await.unwrap();

    // With no APIs for contacts there is nothing that the token could be for.
    let mut admin = world.operator.admin.clone();
    let aimless = admin.create_token(asking(ACME, "eve")).await;
    assert_refused(aimless, ErrorReason::InvalidFields);
    let request = UpdateLibraryRequest {
        library: ACME.into(),
        contact_apis: texts(&["portal", "files"]),
        ..Default::default()
    };
    directory.update_library(request).await.unwrap();
    let beyond = CreateTokenRequest {
        apis: texts(&["portal", "backoffice"]),
        ..asking(ACME, "eve")
    };
    assert_refused(admin.create_token(beyond).await, ErrorReason::InvalidFields);
    let (token, secret) = world.token(asking(ACME, "eve")).await;
    assert_eq!(token.apis, ["files", "portal"]);

    let demand = |api: &str, owner: &str| VerifyRequest {
        api: api.into(),
        data_owner: owner.into(),
        permissions: texts(&["orders:read"]),
        ..presenting(&secret)
    };
    let good = world.verify(demand("portal", "customer-7")).await;
    assert_eq!(good.verdict(), Verdict::Valid);
    assert_eq!(good.user_kind(), UserKind::Contact);
    assert_eq!(good.data_owner, "customer-7");
    for (request, verdict) in [
        (demand("", "customer-7"), Verdict::WrongApi),
        (demand("backoffice", "customer-7"), Verdict::WrongApi),
        (demand("portal", ""), Verdict::WrongDataOwner),
        (demand("portal", "customer-8"), Verdict::WrongDataOwner),
    ] {
        assert_eq!(world.verify(request).await.verdict(), verdict);
    }
    let promise = VerifyRequest {
        filters: vec![Filter::DataOwner.into()],
        ..demand("portal", "")
    };
    let promised = world.verify(promise).await;
    assert_eq!(promised.verdict(), Verdict::Valid);
    assert_eq!(promised.data_owner, "customer-7");
}

#[tokio::test]
async fn a_grant_narrows_to_reading_or_to_a_list_and_never_widens() {
    let world = World::new().await;
    world
        .person(ACME, "ann", &["orders:*", "stock:write"])
        .await;
    let permissions = async |request| {
        let secret = world.token(request).await.1;
        world.verify(presenting(&secret)).await.permissions
    };
    let full = asking(ACME, "ann");
    assert_eq!(permissions(full.clone()).await, ["orders:*", "stock:write"]);
    let reading = CreateTokenRequest {
        access_right: AccessRight::ReadOnly.into(),
        ..full.clone()
    };
    assert_eq!(
        permissions(reading).await,
        ["orders:get", "orders:list", "orders:read"]
    );
    let listed = CreateTokenRequest {
        permissions: texts(&["*:write"]),
        ..full.clone()
    };
    assert_eq!(permissions(listed).await, ["orders:write", "stock:write"]);

    // What the user does not have is told, and gives nothing.
    let vain = CreateTokenRequest {
        access_right: AccessRight::Custom.into(),
        permissions: texts(&["orders:read", "users:write"]),
        ..full.clone()
    };
    let answer = world.operator.admin.clone().create_token(vain).await;
    let answer = answer.unwrap().into_inner();
    assert_eq!(answer.warnings.len(), 1);
    assert!(
        answer.warnings[0].contains("users:write"),
        "{:?}",
        answer.warnings
    );
    let found = world.verify(presenting(&answer.secret)).await;
    assert_eq!(found.permissions, ["orders:read"]);

    // FULL and READ_ONLY list nothing but reserved permissions.
    for right in [AccessRight::Full, AccessRight::ReadOnly] {
        let request = CreateTokenRequest {
            access_right: right.into(),
            permissions: texts(&["orders:read"]),
            ..full.clone()
        };
        let answer = world.operator.admin.clone().create_token(request).await;
        assert_refused(answer, ErrorReason::InvalidFields);
    }
}

#[tokio::test]
async fn a_batch_answers_each_item_in_its_place_as_verify_would() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    let backend = world.member(ACME, "backend", &[VERIFY]).await.clients;
    let bad_address = VerifyRequest {
        client_ip: "192.0.2.7:443".into(),
        ..presenting(&secret)
    };
    let foreign = VerifyRequest {
        library: RIVAL.into(),
        ..presenting(&secret)
    };
    let requests = vec![
        presenting("nonsense"),
        bad_address.clone(),
        presenting(&secret),
        foreign.clone(),
        VerifyRequest::default(),
        presenting(&secret),
    ];
    let batch = VerifyBatchRequest {
        requests: requests.clone(),
    };
    let answer = backend.verify.clone().verify_batch(batch).await.unwrap();
    let results = answer.into_inner().results;
    assert_eq!(results.len(), requests.len());
    for (request, result) in requests.into_iter().zip(results) {
        match backend.verify.clone().verify(request).await {
            Ok(alone) => {
                let VerifyBatchResult {
                    result: Some(Item::Response(item)),
                } = result
                else {
                    panic!("{result:?}");
                };
                assert_eq!(item, alone.into_inner());
            }
            Err(alone) => {
                let VerifyBatchResult {
                    result: Some(Item::Error(item)),
                } = result
                else {
                    panic!("{result:?}");
                };
                assert_eq!(item.code, i32::from(alone.code()));
                assert_eq!(item.message, alone.message());
                assert_eq!(prost::Message::encode_to_vec(&item), alone.details());
            }
        }
    }
}

#[tokio::test]
async fn a_batch_holds_1_to_1000_items() {
    let world = World::new().await;
    let mut verifier = world.operator.verify.clone();
    let batch = |count| VerifyBatchRequest {
        requests: vec![presenting("nonsense"); count],
    };
    assert_refused(
        verifier.verify_batch(batch(0)).await,
        ErrorReason::InvalidFields,
    );
    let full = verifier
        .verify_batch(batch(1000))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(full.results.len(), 1000);
    let refused = assert_refused(
        verifier.verify_batch(batch(1001)).await,
        ErrorReason::LimitExceeded,
    );
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let million = verifier.verify_batch(VerifyBatchRequest {
        requests: vec![VerifyRequest::default(); 1_000_000],
    });
    assert_refused(million.await, ErrorReason::LimitExceeded);
}

#[tokio::test]
async fn an_empty_list_of_permissions_only_authenticates() {
    let world = World::new().await;
    world.user(ACME, "ann", &[]).await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    let found = world.verify(presenting(&secret)).await;
    assert_eq!(found.verdict(), Verdict::Valid);
    assert!(found.permissions.is_empty() && found.assignments.is_empty());
    let demand = VerifyRequest {
        permissions: texts(&["orders:read"]),
        ..presenting(&secret)
    };
    assert_eq!(
        world.verify(demand).await.verdict(),
        Verdict::MissingPermission
    );
}
