//! Requests that are too large, from the future, or from nobody sound.

use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage as _, Value};
use token_authority::proto::v1::{
    AccessRight, CreateTokenRequest, CreateUserRequest, ErrorReason, ListTokensRequest,
    RevokeTokenRequest, UpdateLibraryRequest, UpdateUserRequest, Verdict, VerifyRequest,
};

use crate::refusal::{assert_refused, bytes_sent, fields_of, reason_of};
use crate::schema::{self, PASSWORD, bytes, path, short};
use crate::wire::Wire;
use crate::world::{ACME, World, asking, assignments, presenting, texts};

/// Most bytes of an error's headers: what clients take by default is 8 KiB, in grpc-go, C++ and Java alike.
const MAX_ERROR_BYTES: usize = 8 * 1024;
/// Entries of a list that nobody means.
const FLOOD: usize = 10_000;

#[tokio::test]
async fn a_list_of_ten_thousand_entries_is_refused_in_an_answer_that_every_client_can_read() {
    let world = subject().await;
    let wire = Wire::new(world.server.channel()).bearer(&world.server.operator_secret());
    let mut floods = 0;
    for method in schema::methods() {
        let sound = sound(&world, &method).await;
        let input = method.input();
        let lists = input.fields().filter(|field| {
            // The items of a batch have a limit of their own.
            let batches = ["TokenVerify/VerifyBatch", "TokenAdmin/ImportTokens"];
            field.is_list() && !batches.contains(&short(&method).as_str())
        });
        for field in lists {
            let item = match field.kind() {
                Kind::Message(message) => Value::Message(DynamicMessage::new(message)),
                Kind::Enum(_) => Value::EnumNumber(99),
                Kind::String => Value::String("X".to_owned()),
                other => panic!(
                    "{} holds {other:?}: what is a flood of it?",
                    field.full_name()
                ),
            };
            let mut request = sound.clone();
            request.set_field(&field, Value::List(vec![item; FLOOD]));
            let answer = wire.call(&path(&method), bytes(&request)).await;
            let status = answer.expect_err(field.full_name());
            assert_eq!(
                reason_of(&status),
                ErrorReason::InvalidFields,
                "{}",
                field.full_name()
            );
            assert!(
                fields_of(&status)
                    .iter()
                    .all(|named| named.starts_with(field.name())),
                "{status:?}"
            );
            let sent = status.message().len() + status.details().len() * 4 / 3;
            assert!(
                sent < MAX_ERROR_BYTES,
                "{}: {sent} bytes",
                field.full_name()
            );
            floods += 1;
        }
    }
    assert!(floods > 15, "{floods}");
}

#[tokio::test]
async fn an_error_about_every_field_is_one_that_every_client_can_read() {
    let world = subject().await;
    let odd = || vec!["\u{1F511} not a permission".to_owned(); 64];
    let request = CreateTokenRequest {
        permissions: odd(),
        apis: odd(),
        allowed_cidrs: odd(),
        lifetime: "soon".into(),
        ..asking(ACME, "NO NAME")
    };
    let answer = world.operator.admin.clone().create_token(request).await;
    let status = assert_refused(answer, ErrorReason::InvalidFields);
    let sent = bytes_sent(&status);
    assert!(sent < MAX_ERROR_BYTES, "{sent} bytes");
}

#[tokio::test]
async fn a_value_of_an_enum_that_is_not_known_is_refused_and_never_taken_for_another() {
    let world = subject().await;
    let secret = world.token(asking(ACME, "subject")).await.1;
    let mut directory = world.operator.directory.clone();
    let mut admin = world.operator.admin.clone();
    for unknown in [99, -1, i32::MAX, i32::MIN] {
        let request = CreateTokenRequest {
            access_right: unknown,
            ..asking(ACME, "subject")
        };
        let refused = assert_refused(
            admin.create_token(request).await,
            ErrorReason::InvalidFields,
        );
        assert_eq!(fields_of(&refused), ["access_right"]);
        let request = RevokeTokenRequest {
            token_id: secret[4..26].into(),
            reason: unknown,
            ..Default::default()
        };
        assert_refused(
            admin.revoke_token(request).await,
            ErrorReason::InvalidFields,
        );
        let request = CreateUserRequest {
            library: ACME.into(),
            user: "odd".into(),
            kind: unknown,
            ..Default::default()
        };
        assert_refused(
            directory.create_user(request).await,
            ErrorReason::InvalidFields,
        );
        let request = UpdateUserRequest {
            library: ACME.into(),
            user: "subject".into(),
            state: Some(unknown),
            ..Default::default()
        };
        assert_refused(
            directory.update_user(request).await,
            ErrorReason::InvalidFields,
        );
        let request = UpdateLibraryRequest {
            library: ACME.into(),
            state: Some(unknown),
            ..Default::default()
        };
        assert_refused(
            directory.update_library(request).await,
            ErrorReason::InvalidFields,
        );
    }
    // Nor is 0 a promise.
    for filter in [0, 99, -1] {
        let request = VerifyRequest {
            filters: vec![filter],
            ..presenting(&secret)
        };
        let answer = world.operator.verify.clone().verify(request).await;
        assert_refused(answer, ErrorReason::InvalidFields);
    }
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn a_field_of_the_future_is_ignored_by_every_method() {
    let world = subject().await;
    let wire = Wire::new(world.server.channel()).bearer(&world.server.operator_secret());
    for method in schema::methods() {
        let mut body = bytes(&sound(&world, &method).await);
        // Fields 1000 and 1001: a number, and a text with a permission in it.
        body.extend(b"\xc0\x3e\x01\xca\x3e\x0corders:write");
        let answer = wire.call(&path(&method), body).await;
        // What is in use or not kept is so with it too.
        if let Err(status) = answer {
            let expected = [ErrorReason::InUse, ErrorReason::NotRevealable];
            assert!(expected.contains(&reason_of(&status)), "{}", short(&method));
        }
    }
}

#[tokio::test]
async fn a_message_nested_without_end_is_refused_and_the_server_lives_on() {
    let world = subject().await;
    let wire = Wire::new(world.server.channel()).bearer(&world.server.operator_secret());
    // Groups of an unknown field, each in the one before: one byte pair opens field 100, the other closes it.
    let deep = [[0xa3, 0x06].repeat(FLOOD), [0xa4, 0x06].repeat(FLOOD)].concat();
    for method in schema::methods() {
        let answer = wire.call(&path(&method), deep.clone()).await;
        let status = answer.expect_err("nested without end");
        assert_eq!(
            reason_of(&status),
            ErrorReason::MalformedRequest,
            "{}",
            short(&method)
        );
    }
    assert_eq!(world.verdict("nonsense").await, Verdict::Malformed);
}

#[tokio::test]
async fn a_record_that_would_be_too_large_is_refused_and_leaves_nothing_behind() {
    let world = World::new().await;
    let long = |i: usize| format!("orders-{i:02}-{}:read", "x".repeat(49));
    let permissions: Vec<String> = (0..64).map(long).collect();
    assert!(permissions.iter().all(|permission| permission.len() == 64));
    world.person(ACME, "ann", &["orders:read"]).await;
    let request = CreateTokenRequest {
        permissions,
        description: "d".repeat(1024),
        ..asking(ACME, "ann")
    };
    let answer = world.operator.admin.clone().create_token(request).await;
    assert_refused(answer, ErrorReason::InvalidFields);
    let request = ListTokensRequest {
        library: ACME.into(),
        ..Default::default()
    };
    let listed = world.operator.admin.clone().list_tokens(request).await;
    assert_eq!(listed.unwrap().into_inner().tokens, []);
}

#[tokio::test]
async fn texts_are_bounded_and_hold_no_control_characters() {
    let world = subject().await;
    let mut admin = world.operator.admin.clone();
    let display = |text: String| CreateTokenRequest {
        display_name: text,
        ..asking(ACME, "subject")
    };
    let described = |text: String| CreateTokenRequest {
        description: text,
        ..asking(ACME, "subject")
    };
    for (request, field) in [
        (display("d".repeat(129)), "display_name"),
        (display("é".repeat(65)), "display_name"),
        (display("two\nlines".into()), "display_name"),
        (display("\u{1b}[31mred".into()), "display_name"),
        (display("nul\0".into()), "display_name"),
        (described("d".repeat(1025)), "description"),
        (described("\u{85}".into()), "description"),
    ] {
        let refused = assert_refused(
            admin.create_token(request).await,
            ErrorReason::InvalidFields,
        );
        assert_eq!(fields_of(&refused), [field]);
    }
    world.token(display("d".repeat(128))).await;
    world.token(described("d".repeat(1024))).await;
    for name in [
        "",
        "A",
        "Ann",
        "-ann",
        "_ann",
        "ann smith",
        "ann/bob",
        "änn",
        "..",
        &"a".repeat(64),
    ] {
        let request = CreateUserRequest {
            library: ACME.into(),
            user: name.into(),
            ..Default::default()
        };
        let answer = world.operator.directory.clone().create_user(request).await;
        let refused = assert_refused(answer, ErrorReason::InvalidFields);
        assert_eq!(fields_of(&refused), ["user"], "{name:?}");
    }
    world.user(ACME, &"a".repeat(63), &[]).await;
    world.user(ACME, "0.ann_smith@example-7.com", &[]).await;
}

#[tokio::test]
async fn a_repeat_of_a_request_is_answered_as_the_first_and_another_payload_is_refused() {
    let world = subject().await;
    let mut admin = world.operator.admin.clone();
    let request = CreateTokenRequest {
        request_id: "3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9f".into(),
        access_right: AccessRight::ReadOnly.into(),
        ..asking(ACME, "subject")
    };
    let first = admin
        .create_token(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = admin
        .create_token(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    assert_eq!(world.verdict(&again.secret).await, Verdict::Valid);
    let other = CreateTokenRequest {
        display_name: "another".into(),
        ..request.clone()
    };
    assert_refused(
        admin.create_token(other).await,
        ErrorReason::RequestIdReused,
    );
    // It is the caller's own: somebody else's is another one.
    let administrator = world.member(ACME, "alice", &[crate::world::ADMIN]).await;
    let theirs = administrator
        .clients
        .admin
        .clone()
        .create_token(request.clone())
        .await;
    assert_ne!(theirs.unwrap().into_inner().token, first.token);
    // And it outlives the process.
    let world = world.killed_and_started().await;
    let answer = world.operator.admin.clone().create_token(request).await;
    assert_eq!(answer.unwrap().into_inner(), first);
    for bad in [
        "1",
        "3f1c9a528a0e4f0b9d530a1b6c7d8e9f",
        "3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9g",
    ] {
        let request = CreateTokenRequest {
            request_id: bad.into(),
            ..asking(ACME, "subject")
        };
        let answer = world.operator.admin.clone().create_token(request).await;
        let refused = assert_refused(answer, ErrorReason::InvalidFields);
        assert_eq!(fields_of(&refused), ["request_id"]);
    }
}

/// A server with what the sound requests are about.
async fn subject() -> World {
    let world = World::new().await;
    world.person(ACME, "subject", &["orders:read"]).await;
    world.password(ACME, "subject", PASSWORD).await;
    world
}

/// The sound request for a method, with a token of its own to be about.
async fn sound(world: &World, method: &prost_reflect::MethodDescriptor) -> DynamicMessage {
    let (token, secret) = world.token(asking(ACME, "subject")).await;
    let name = format!("new-{}", token.token_id.to_lowercase());
    if short(method) == "Directory/DeleteUser" {
        world.user(ACME, &name, &[]).await;
    }
    let words = [
        ("$TOKEN", token.token_id.as_str()),
        ("$REVOCABLE", &token.token_id),
        ("$SECRET", &secret),
        ("$NEW", &name),
        ("$VICTIM", &name),
    ];
    let sound = schema::sound(method, &words);
    assert_eq!(sound.descriptor(), method.input());
    sound
}

#[test]
fn a_sound_request_is_what_its_bytes_say() {
    let method = schema::methods()
        .into_iter()
        .find(|method| short(method) == "TokenVerify/Verify");
    let method = method.unwrap();
    let words = [("$SECRET", "s")];
    let request = VerifyRequest::decode(&bytes(&schema::sound(&method, &words))[..]).unwrap();
    assert_eq!(
        (request.token.as_str(), request.library.as_str()),
        ("s", ACME)
    );
    assert_eq!(request.permissions, texts(&["orders:read"]));
    assert_eq!(assignments(&["a:b"])[0].department, "a");
}
