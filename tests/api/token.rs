//! Secret strings that were never issued, and what they are answered.

use std::time::Duration;

use prost::Message as _;
use token_authority::authority::secret::Secret;
use token_authority::proto::v1::{ErrorReason, Verdict, VerifyRequest, VerifyResponse};

use crate::refusal::{assert_refused, fields_of, reason_of};
use crate::wire::Wire;
use crate::world::{ACME, VERIFY, World, asking, presenting, verify};

/// A well-formed token that nobody has made.
pub(crate) const UNKNOWN: &str =
    "tka_0WCfTognxqNqfz8qrH12uH_85paEWcHsaLCYRbPIpw4jhcJNV56UuFl5TIPa3K9PAw3amTmB";
const PATH: &str = "/tokenauthority.v1.TokenVerify/Verify";

/// A token with the id of this one, a secret of its own and a checksum that is right.
pub(crate) fn forged(secret: &str) -> String {
    let mut forged = Secret::parse(secret).expect("a token");
    forged.bytes[0] ^= 1;
    forged.to_secret_string().expose().to_owned()
}

#[tokio::test]
async fn a_token_that_lacks_a_character_or_has_one_too_many_is_malformed() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
    for length in 1..secret.len() {
        assert_eq!(
            world.verdict(&secret[..length]).await,
            Verdict::Malformed,
            "{length}"
        );
        assert_eq!(
            world.verdict(&secret[length..]).await,
            Verdict::Malformed,
            "{length}"
        );
    }
    for around in [
        "{} ",
        " {}",
        "{}\n",
        "{}0",
        "0{}",
        "Bearer {}",
        "\"{}\"",
        "{}\0",
    ] {
        let text = around.replace("{}", &secret);
        assert_eq!(world.verdict(&text).await, Verdict::Malformed, "{around:?}");
    }
}

#[tokio::test]
async fn a_token_with_one_letter_of_the_other_case_is_not_that_token() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    for (at, letter) in secret
        .char_indices()
        .filter(|(_, letter)| letter.is_ascii_alphabetic())
    {
        let flipped = if letter.is_ascii_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        };
        let text = format!("{}{flipped}{}", &secret[..at], &secret[at + 1..]);
        assert_eq!(world.verdict(&text).await, Verdict::Malformed, "at {at}");
    }
    for text in [
        secret.to_uppercase(),
        secret.to_lowercase(),
        secret.replacen("tka", "TKA", 1),
    ] {
        assert_eq!(world.verdict(&text).await, Verdict::Malformed);
    }
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_id_are_answered_byte_for_byte_the_same() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    let forged = forged(&secret);
    assert_eq!(forged[..27], secret[..27]);
    let backend = world.member(ACME, "backend", &[VERIFY]).await;
    for caller in [world.server.operator_secret(), backend.secret] {
        let wire = Wire::new(world.server.channel()).bearer(&caller);
        let wrong = wire
            .call(PATH, presenting(&forged).encode_to_vec())
            .await
            .unwrap();
        let unknown = wire
            .call(PATH, presenting(UNKNOWN).encode_to_vec())
            .await
            .unwrap();
        assert_eq!(wrong.message, unknown.message);
        let found = VerifyResponse::decode(wrong.message).unwrap();
        assert_eq!(found.verdict(), Verdict::NotFound);
        let silent = VerifyResponse {
            verdict: found.verdict,
            revision: found.revision.clone(),
            message: found.message.clone(),
            ..Default::default()
        };
        assert_eq!(found, silent, "nothing is told of the token");
        let names = |answer: &tonic::metadata::MetadataMap| {
            let mut keys: Vec<String> = answer.keys().map(|key| format!("{key:?}")).collect();
            keys.sort();
            keys
        };
        assert_eq!(names(&wrong.metadata), names(&unknown.metadata));
    }
}

#[tokio::test]
async fn no_token_at_all_is_an_invalid_request_and_not_a_verdict() {
    let world = World::new().await;
    let answer = world
        .operator
        .verify
        .clone()
        .verify(VerifyRequest::default())
        .await;
    let refused = assert_refused(answer, ErrorReason::InvalidFields);
    assert_eq!(fields_of(&refused), ["token"]);
}

#[tokio::test]
async fn a_token_far_too_long_is_refused_by_its_length_alone() {
    let world = World::new().await;
    let mut verifier = world.operator.verify.clone();
    // As long as a Verify may be, it is simply none; beyond that it is not even read.
    let long = "t".repeat(60 * 1024);
    assert_eq!(world.verdict(&long).await, Verdict::Malformed);
    for bytes in [1 << 20, 5 << 20] {
        let answer = verifier.verify(presenting(&"t".repeat(bytes))).await;
        assert_refused(answer, ErrorReason::LimitExceeded);
    }
    assert_eq!(world.verdict("t").await, Verdict::Malformed);
}

#[tokio::test]
async fn a_stored_tag_presented_as_a_token_is_not_found() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    let (tag, world) = crate::disk::tag_of(world, &secret).await;
    let mut stolen = Secret::parse(&secret).unwrap();
    assert_ne!(stolen.bytes[..], tag[..]);
    stolen.bytes.copy_from_slice(&tag);
    let stolen = stolen.to_secret_string();
    assert_eq!(world.verdict(stolen.expose()).await, Verdict::NotFound);
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused_without_a_word_of_it() {
    let world = World::new().await;
    let wire = Wire::new(world.server.channel()).bearer(&world.server.operator_secret());
    for (path, field) in [
        (PATH, "token"),
        ("/tokenauthority.v1.TokenAdmin/GetToken", "token_id"),
        ("/tokenauthority.v1.Directory/GetLibrary", "library"),
    ] {
        // Field 1, a text of 8 bytes.
        let body = b"\x0a\x08secret\xff\xfe".to_vec();
        let status = wire.call(path, body).await.unwrap_err();
        assert_eq!(reason_of(&status), ErrorReason::MalformedRequest);
        let told = format!("{status:?}{}", String::from_utf8_lossy(status.details()));
        for word in ["secret", field, "Request", "utf", "UTF"] {
            assert!(!status.message().contains(&format!(".{word}")), "{told}");
            assert!(!told.contains(&format!("{word}:")), "{word}: {told}");
        }
        assert!(!told.contains("secret"), "{told}");
    }
}

#[tokio::test]
async fn a_credential_is_taken_in_one_form_from_one_header_alone() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let operator = world.server.operator_secret();
    let wire = || Wire::new(world.server.channel());
    let body = || presenting(UNKNOWN).encode_to_vec();
    let refused = [
        wire().header("authorization", &operator),
        wire().header("authorization", &format!("Bearer  {operator}")),
        wire().header("authorization", &format!("Bearer\t{operator}")),
        wire().header("authorization", &format!("Bearer {operator} ")),
        wire().header(
            "authorization",
            &format!("Bearer {operator}, Bearer {operator}"),
        ),
        wire().header("authorization", &format!("Basic {operator}")),
        wire().header("authorization", &format!("Token {operator}")),
        wire().header("authorization", "Bearer"),
        wire().header("proxy-authorization", &format!("Bearer {operator}")),
        wire().header("x-api-key", &operator),
        wire().header("cookie", &format!("token={operator}")),
        wire().header("token", &operator),
        // Two of them: it is not for the server to choose.
        wire().bearer(&operator).bearer(&operator),
        wire().bearer("nonsense").bearer(&operator),
    ];
    for (number, wire) in refused.iter().enumerate() {
        let answer = wire.call(PATH, body()).await;
        let status = answer.expect_err("no credential");
        assert_eq!(
            reason_of(&status),
            ErrorReason::CredentialMissing,
            "{number}"
        );
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let wire = wire().header("authorization", &format!("{scheme} {operator}"));
        wire.call(PATH, body()).await.expect("the one form");
    }
}

#[tokio::test]
async fn a_token_in_the_path_or_its_query_is_never_read() {
    let world = World::new().await;
    let operator = world.server.operator_secret();
    let wire = Wire::new(world.server.channel());
    for path in [
        format!("{PATH}?access_token={operator}"),
        format!("{PATH}?authorization=Bearer%20{operator}"),
    ] {
        let answer = wire.call(&path, presenting(UNKNOWN).encode_to_vec()).await;
        let status = answer.expect_err("no credential");
        assert_eq!(reason_of(&status), ErrorReason::CredentialMissing);
    }
    let status = wire
        .call(&format!("{PATH}/{operator}"), Vec::new())
        .await
        .expect_err("no method");
    assert_eq!(reason_of(&status), ErrorReason::UnknownMethod);
    assert!(!format!("{status:?}").contains(&operator[27..70]));
}

#[tokio::test]
async fn a_token_works_at_once_in_every_connection_and_after_a_restart() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let secret = world.token(asking(ACME, "ann")).await.1;
    let other = world.server.clients(&world.server.operator_secret());
    assert_eq!(
        verify(&other, presenting(&secret)).await.verdict(),
        Verdict::Valid
    );
    crate::world::pass(Duration::from_millis(1)).await;
    let world = world.killed_and_started().await;
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
}
