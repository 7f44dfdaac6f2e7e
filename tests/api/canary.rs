//! Secrets planted wherever a client, an operator or a mistake could put one, and searched for wherever they could turn up:
//! the log at its most talkative, every answer, the data directory, the audit log.
//!
//! Real secrets are planted in every text of every request, the free ones too: what people type there is stored and shown,
//! so a text that holds a token is refused. A text that only looks like a token is what was typed, and where texts are free
//! it is stored as such: there, and only there, it is not planted.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MethodDescriptor, Value};
use token_authority::proto::v1::{
    CreateTokenRequest, ListAuditEventsRequest, OpenSessionRequest, RevokeTokenRequest, Verdict,
};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::report;
use crate::schema::{self, bytes, path, short};
use crate::search::Search;
use crate::sessions::login;
use crate::wire::Wire;
use crate::world::{ACME, ADMIN, DIRECTORY_ADMIN, RIVAL, World, asking};

/// As long as a token, and nobody's.
const LOOKALIKE: &str =
    "tka_CANARYcanaryCANARYcana_CANARYcanaryCANARYcanaryCANARYcanaryCANARYcanary01234";
/// What people type for people, and find again where they typed it.
const FREE: [&str; 9] = [
    "usage_instructions",
    "comment",
    "data_owner",
    "description",
    "device_name",
    "display_name",
    "email",
    "reason",
    "tenant_id",
];

/// What was planted and searched.
#[derive(Default)]
struct Count {
    fields: usize,
    calls: usize,
    refused: usize,
}

#[tokio::test]
async fn no_secret_turns_up_in_a_log_of_text_an_answer_the_data_directory_or_the_audit_log() {
    plant_everywhere("text").await;
}

#[tokio::test]
async fn no_secret_turns_up_in_a_log_of_json_an_answer_the_data_directory_or_the_audit_log() {
    plant_everywhere("json").await;
}

async fn plant_everywhere(format: &str) {
    let world = World::with(&["--log-level", "trace", "--log-format", format]).await;
    world.person(ACME, "subject", &["orders:read"]).await;
    let alice = world.member(ACME, "alice", &[ADMIN, DIRECTORY_ADMIN]).await;
    let operator = world.server.operator_secret();
    // Its secret is kept for a repeat, sealed.
    let request = CreateTokenRequest {
        request_id: "3f1c9a52-8a0e-4f0b-9d53-0a1b6c7d8e9f".into(),
        ..asking(ACME, "subject")
    };
    let (token, secret) = world.token(request.clone()).await;
    assert_eq!(world.token(request).await.1, secret);

    let mut search = Search::default();
    let planted = [
        ("the operator's token", operator.as_str()),
        ("a caller's token", &alice.secret),
        ("a created token", &secret),
    ];
    for (name, secret) in planted {
        search.add_token(name, secret);
    }
    search.add("the lookalike", &LOOKALIKE.as_bytes()[27..70]);
    log_in(&world, &mut search).await;
    crate::importing::plant(&world, &mut search).await;

    let mut count = Count::default();
    let channel = world.server.channel();
    let texts: Vec<&str> = planted
        .iter()
        .map(|(_, secret)| *secret)
        .chain([LOOKALIKE])
        .collect();
    for method in schema::methods() {
        let sound = sound(&world, &method, &token.token_id, &secret, &mut search).await;
        for text in &texts {
            plant_in_fields(
                &world,
                &channel,
                &method,
                &sound,
                text,
                &mut search,
                &mut count,
            )
            .await;
            // Around the message it is one layer for all: in one of the formats, a method of each service will do.
            if format == "json" || method.index() == 0 {
                plant_around(&world, &channel, &method, text, &mut search, &mut count).await;
            }
        }
    }
    let revoke = RevokeTokenRequest {
        token_id: token.token_id,
        ..Default::default()
    };
    world
        .operator
        .admin
        .clone()
        .revoke_token(revoke)
        .await
        .unwrap();
    assert_eq!(world.verdict(&secret).await, Verdict::Revoked);

    for library in [ACME, RIVAL, "system"] {
        look_at_audit(&world, library, &mut search).await;
    }
    search.look_below(world.data_dir(), "operator.token");
    let (server, data) = world.parts();
    server.ask_to_stop();
    let (status, log) = server.wait();
    assert!(status.success());
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the log is talkative"
    );
    search.look("the log", log.as_bytes());
    search.look_below(data.path(), "operator.token");

    report(&format!(
        "{format}: {} secrets planted {} times in {} calls, {} refused; {} bytes searched, {} of them log; found: {}",
        texts.len(),
        count.fields,
        count.calls,
        count.refused,
        search.searched,
        log.len(),
        search.found.len()
    ));
    assert_eq!(search.found, Vec::<String>::new());
    // The search works: the one file that holds a secret is the one that was left out.
    search.look_below(data.path(), "none");
    assert!(
        search
            .found
            .iter()
            .all(|found| found.contains("operator.token"))
    );
    assert_eq!(search.found.len(), 1);
}

/// What is typed for passwords: one that is set and logs in, and one that is wrong.
async fn log_in(world: &World, search: &mut Search) {
    let [right, wrong] = ["CANARY of a password", "no CANARY of a password"];
    for password in [right, wrong] {
        search.add("a password", password.as_bytes());
    }
    world.password(ACME, "subject", right).await;
    let mut admin = world.operator.admin.clone();
    let login = |password: &str| OpenSessionRequest {
        request_id: "6c1b0a7f-5d2e-4f30-9b4c-0d9e8f7a6b5c".into(),
        ..login("subject", password)
    };
    admin.open_session(login(wrong)).await.unwrap_err();
    let session = admin.open_session(login(right)).await.unwrap();
    search.add_token("a session", &session.into_inner().secret);
}

/// The sound request for a method. What it is about lives on: a text in the wrong place must not end it.
async fn sound(
    world: &World,
    method: &MethodDescriptor,
    token_id: &str,
    secret: &str,
    search: &mut Search,
) -> DynamicMessage {
    let (revocable, another) = world.token(asking(ACME, "subject")).await;
    search.add_token("another created token", &another);
    let name = format!("new-{}", revocable.token_id.to_lowercase());
    let words = [
        ("$TOKEN", token_id),
        ("$REVOCABLE", &revocable.token_id),
        ("$SECRET", secret),
        ("$NEW", &name),
        ("$VICTIM", &name),
    ];
    schema::sound(method, &words)
}

/// Plants a text in every field of a request that takes one: in a request that is sound otherwise, and in an empty one.
async fn plant_in_fields(
    world: &World,
    channel: &Channel,
    method: &MethodDescriptor,
    sound: &DynamicMessage,
    text: &str,
    search: &mut Search,
    count: &mut Count,
) {
    let wire = Wire::new(channel.clone()).bearer(&world.server.operator_secret());
    let empty = DynamicMessage::new(method.input());
    for message in [sound, &empty] {
        for (field, planted) in plantings(message, text) {
            let name = field.rsplit('.').next().unwrap_or(&field);
            let stored = FREE.contains(&name) && method.parent_service().name() != "TokenVerify";
            if text == LOOKALIKE && stored {
                continue;
            }
            count.fields += 1;
            let answer = wire.call(&path(method), bytes(&planted)).await;
            let place = format!("the answer to {} with {field}", short(method));
            // Each item is refused for itself.
            if stored && method.name() != "ImportTokens" {
                let status = answer.as_ref().expect_err(&place);
                assert_ne!(status.code(), Code::Ok, "{place}");
            }
            // A token is made with a secret of its own: that one is no secret here.
            look_at(
                &place,
                answer.map(|answer| answer.message.to_vec()),
                search,
                count,
            );
        }
    }
}

/// Every message that this one becomes if one of its texts is replaced, with the path to it.
fn plantings(message: &DynamicMessage, text: &str) -> BTreeMap<String, DynamicMessage> {
    let mut all = BTreeMap::new();
    for field in prost_reflect::ReflectMessage::descriptor(message).fields() {
        let name = field.name();
        match field.kind() {
            Kind::String => {
                let value = Value::String(text.to_owned());
                let value = if field.is_list() {
                    Value::List(vec![value])
                } else {
                    value
                };
                let mut planted = message.clone();
                planted.set_field(&field, value);
                all.insert(name.to_owned(), planted);
            }
            Kind::Message(inner) if inner.package_name().starts_with("tokenauthority") => {
                assert!(!field.is_map(), "how does one plant in {name}?");
                let inside = match message.get_field(&field).as_ref() {
                    Value::List(items) => items.first().cloned(),
                    value => Some(value.clone()),
                };
                let inside = inside.and_then(|value| value.as_message().cloned());
                let inside = inside.unwrap_or_else(|| DynamicMessage::new(inner));
                for (below, value) in plantings(&inside, text) {
                    let value = Value::Message(value);
                    let value = if field.is_list() {
                        Value::List(vec![value])
                    } else {
                        value
                    };
                    let mut planted = message.clone();
                    planted.set_field(&field, value);
                    all.insert(format!("{name}.{below}"), planted);
                }
            }
            Kind::Bytes => panic!("{name} holds bytes: plant in it too"),
            _ => {}
        }
    }
    all
}

/// Plants a text around a request: in its headers, its path, and where its body should be.
async fn plant_around(
    world: &World,
    channel: &Channel,
    method: &MethodDescriptor,
    text: &str,
    search: &mut Search,
    count: &mut Count,
) {
    let operator = world.server.operator_secret();
    let wire = || Wire::new(channel.clone());
    let path = path(method);
    let mut calls = Vec::new();
    for credential in [
        text.to_owned(),
        format!("Basic {text}"),
        format!("Bearer  {text}"),
        format!("Bearer {text}{text}"),
        format!("Bearer {}", &text[..text.len() - 1]),
        format!("Bearer {}", text.to_lowercase()),
    ] {
        calls.push((
            wire().header("authorization", &credential),
            path.clone(),
            Vec::new(),
        ));
    }
    let twice = wire().bearer(text).bearer(text);
    calls.push((twice, path.clone(), Vec::new()));
    for header in [
        "grpc-timeout",
        "grpc-encoding",
        "grpc-accept-encoding",
        "x-forwarded-for",
        "forwarded",
        "traceparent",
        "tracestate",
        "baggage",
        "x-request-id",
        "ta-call-id",
        "ta-acting-user",
        "cookie",
        "x-api-key",
    ] {
        let wire = wire().bearer(&operator).header(header, text);
        // Refused or not: it must not be a call that changes anything.
        calls.push((wire, path.clone(), b"\xff".to_vec()));
    }
    for path in [
        format!("{path}?token={text}"),
        format!("{path}/{text}"),
        format!("/{text}"),
        format!("/{text}/Verify"),
        format!("/tokenauthority.v1.TokenVerify/{text}"),
    ] {
        calls.push((wire().bearer(&operator), path.clone(), b"\xff".to_vec()));
        calls.push((wire(), path, Vec::new()));
    }
    // As the body itself; as a field of the future in one that can't be read to its end; as a text that is no UTF-8.
    let future = [b"\xca\x3e\x4c", text.as_bytes(), b"\xff"].concat();
    let broken = [b"\x0a\x4d", text.as_bytes(), b"\xff"].concat();
    for body in [text.as_bytes().to_vec(), future, broken] {
        calls.push((wire().bearer(&operator), path.clone(), body));
    }
    for (wire, path, body) in calls {
        count.fields += 1;
        let answer = wire.call(&path, body).await;
        let place = format!("an answer to {}", short(method));
        look_at(
            &place,
            answer.map(|answer| answer.message.to_vec()),
            search,
            count,
        );
    }
}

/// Looks at all that a caller is answered.
fn look_at(place: &str, answer: Result<Vec<u8>, Status>, search: &mut Search, count: &mut Count) {
    count.calls += 1;
    match answer {
        Ok(message) => search.look(place, &message),
        Err(status) => {
            count.refused += 1;
            search.look(place, status.message().as_bytes());
            search.look(place, status.details());
            search.look(place, format!("{status:?}").as_bytes());
        }
    }
}

async fn look_at_audit(world: &World, library: &str, search: &mut Search) {
    let mut request = ListAuditEventsRequest {
        library: library.into(),
        page_size: 1000,
        ..Default::default()
    };
    loop {
        let answer = world
            .operator
            .admin
            .clone()
            .list_audit_events(request.clone())
            .await;
        let page = answer.unwrap().into_inner();
        search.look("the audit log", &page.encode_to_vec());
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
}
