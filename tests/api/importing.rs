//! Tokens of another system: imported over the wire and by the command line, presented as they always were.

mod bounds;
mod starting;

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use prost::Message as _;
use ring::digest::{SHA256, digest};
use token_authority::proto::v1::{
    ErrorReason, ImportItem, ImportStrength, ImportTokensRequest, ImportTokensResult,
    ListTokensRequest, Verdict, VerifyRequest,
};
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::refusal::{assert_refused, fields_of, reason_of, told};
use crate::search::Search;
use crate::world::{ACME, ADMIN, RIVAL, VERIFY, World, asking, presenting, verify};

/// As another system draws its tokens.
const STRONG: &str = "Zq3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2UeQo7Ei4Bt";
/// As people make them up.
const WEAK: &str = "shop7.summer-of-2019";

fn item(display_name: &str) -> ImportItem {
    ImportItem {
        user: "ann".into(),
        display_name: display_name.into(),
        ..Default::default()
    }
}

fn plaintext(text: &str) -> ImportItem {
    ImportItem {
        plaintext: text.into(),
        ..item("a plaintext")
    }
}

fn sha256(text: &str, locator: &str) -> ImportItem {
    let digest = digest(&SHA256, text.as_bytes());
    let hex = digest
        .as_ref()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    ImportItem {
        sha256: hex,
        locator: locator.into(),
        ..item("a digest")
    }
}

fn argon2(text: &str, locator: &str) -> ImportItem {
    let params = Params::new(64, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2i, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(text.as_bytes(), b"0123456789abcdef");
    ImportItem {
        argon2_phc: hash.unwrap().to_string(),
        locator: locator.into(),
        ..item("a hash")
    }
}

fn batch(items: Vec<ImportItem>) -> ImportTokensRequest {
    ImportTokensRequest {
        library: ACME.into(),
        items,
        separator: ".".into(),
        ..Default::default()
    }
}

async fn import(world: &World, request: ImportTokensRequest) -> Vec<ImportTokensResult> {
    let mut admin = world.operator.admin.clone();
    let answer = admin.import_tokens(request).await;
    answer.unwrap().into_inner().results
}

/// The error of an item, as a call's own would be.
fn error_of(result: &ImportTokensResult) -> Status {
    let error = result.error.as_ref().expect("an error");
    let details = error.encode_to_vec().into();
    Status::with_details(error.code.into(), error.message.clone(), details)
}

async fn world_with_ann() -> World {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:*"]).await;
    world
}

#[tokio::test]
async fn imported_tokens_go_on_working_in_every_form_and_after_a_crash() {
    let world = world_with_ann().await;
    let gate = world.member(ACME, "gate", &[VERIFY]).await;
    let foreign = world.member(RIVAL, "gate", &[VERIFY]).await;
    let strings = [
        STRONG,
        WEAK,
        "shop9.digest-of-unknown",
        "shop8.hash-of-unknown",
    ];
    let request = batch(vec![
        plaintext(STRONG),
        plaintext(WEAK),
        sha256(strings[2], "shop9"),
        argon2(strings[3], "shop8"),
    ]);
    let dry = import(
        &world,
        ImportTokensRequest {
            dry_run: true,
            ..request.clone()
        },
    )
    .await;
    assert!(
        dry.iter()
            .all(|r| r.error.is_none() && r.token.as_ref().unwrap().token_id.is_empty())
    );
    assert_eq!(world.verdict(STRONG).await, Verdict::Malformed);
    let results = import(&world, request.clone()).await;
    let strengths: Vec<ImportStrength> = results.iter().map(ImportTokensResult::strength).collect();
    let weak = ImportStrength::Weak;
    assert_eq!(strengths, [ImportStrength::Strong, weak, weak, weak]);
    for (string, result) in strings.iter().zip(&results) {
        let token = result.token.as_ref().unwrap();
        assert_eq!(
            (token.imported(), token.issued_by.as_str()),
            (result.strength(), "system/root")
        );
        for _ in 0..2 {
            let seen = verify(&gate.clients, presenting(string)).await;
            assert_eq!(
                (seen.verdict(), &seen.token_id),
                (Verdict::Valid, &token.token_id)
            );
        }
        let wrong = format!("{string}x");
        assert_eq!(
            verify(&gate.clients, presenting(&wrong)).await.verdict(),
            Verdict::NotFound
        );
        let other = verify(&foreign.clients, presenting(string)).await;
        assert_eq!(other.verdict(), Verdict::Malformed);
    }
    // What was sent in its place is not it.
    for item in &request.items[2..] {
        for kept in [&item.sha256, &item.argon2_phc] {
            if !kept.is_empty() {
                assert_eq!(world.verdict(kept).await, Verdict::NotFound);
            }
        }
    }
    let again = import(&world, request).await;
    for (result, before) in again.iter().zip(&results) {
        let error = error_of(result);
        assert_eq!(reason_of(&error), ErrorReason::AlreadyImported);
        let there = before.token.as_ref().map(|token| token.token_id.clone());
        assert_eq!(told(&error, "token_id"), there);
    }
    let only_weak = ListTokensRequest {
        library: ACME.into(),
        imported: weak.into(),
        ..Default::default()
    };
    let mut admin = world.operator.admin.clone();
    let listed = admin.list_tokens(only_weak).await.unwrap().into_inner();
    assert_eq!(listed.tokens.len(), 3);
    let world = world.killed_and_started().await;
    for string in strings {
        assert_eq!(world.verdict(string).await, Verdict::Valid, "{string}");
    }
}

#[tokio::test]
async fn a_batch_is_judged_item_by_item_and_its_terms_as_a_whole() {
    let world = world_with_ann().await;
    let tom = world.member(ACME, "tom", &[ADMIN]).await;
    let both = ImportTokensRequest {
        prefix_length: 8,
        declared_entropy_bits: 1025,
        ..batch(Vec::new())
    };
    let mut admin = tom.clients.admin.clone();
    let status = assert_refused(admin.import_tokens(both).await, ErrorReason::InvalidFields);
    assert_eq!(
        fields_of(&status),
        ["items", "declared_entropy_bits", "prefix_length"]
    );
    let many = batch(vec![ImportItem::default(); 1001]);
    assert_refused(admin.import_tokens(many).await, ErrorReason::LimitExceeded);
    let foreign = ImportTokensRequest {
        library: RIVAL.into(),
        ..batch(Vec::new())
    };
    assert_refused(
        admin.import_tokens(foreign).await,
        ErrorReason::PermissionDenied,
    );

    let hostile = |phc: &str| ImportItem {
        argon2_phc: phc.into(),
        locator: "shop8".into(),
        ..item("hostile")
    };
    let salted = "c29tZXNhbHQ$B3ADfdgPqWsPmHHxwGHPjzGMcE1pRMPc8WNdCLdNRGk";
    let reserved = ImportItem {
        permissions: vec![ADMIN.into()],
        ..plaintext("Zr3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2UeQo7Ei4Bt")
    };
    let items = vec![
        (plaintext(STRONG), None),
        (plaintext(STRONG), Some(ErrorReason::AlreadyImported)),
        (
            plaintext("tka_and-so-on-and-so-on"),
            Some(ErrorReason::InvalidFields),
        ),
        (
            plaintext("weak-and-without-a-mark"),
            Some(ErrorReason::InvalidFields),
        ),
        (
            ImportItem {
                user: String::new(),
                ..plaintext(WEAK)
            },
            Some(ErrorReason::InvalidFields),
        ),
        (
            ImportItem {
                sha256: "ab".into(),
                ..plaintext(WEAK)
            },
            Some(ErrorReason::InvalidFields),
        ),
        (
            hostile(&format!("$argon2id$v=19$m=4194304,t=2,p=1${salted}")),
            Some(ErrorReason::InvalidFields),
        ),
        (
            hostile(&format!("$argon2id$v=19$m=64,t=1000000,p=1${salted}")),
            Some(ErrorReason::InvalidFields),
        ),
        (
            hostile(&format!("$argon2id$v=19$m=64,t=1,p=1$${salted}")),
            Some(ErrorReason::InvalidFields),
        ),
        (reserved, Some(ErrorReason::InvalidFields)),
        (item("nothing of it"), Some(ErrorReason::InvalidFields)),
        (plaintext(WEAK), None),
    ];
    let (sent, expected): (Vec<_>, Vec<_>) = items.into_iter().unzip();
    let answer = admin.import_tokens(batch(sent)).await.unwrap().into_inner();
    let found: Vec<_> = answer
        .results
        .iter()
        .map(|result| result.error.as_ref().map(|_| reason_of(&error_of(result))))
        .collect();
    assert_eq!(found, expected);
}

/// Guesses at weak tokens and a login's worth of slow hashes, while tokens of this authority's own are verified.
#[tokio::test]
async fn a_flood_of_guesses_at_weak_tokens_is_bounded_and_verify_goes_on_beside_it() {
    const TOKENS: usize = 20;
    const GUESSES: usize = 100 * TOKENS;
    let world = world_with_ann().await;
    let (_, minted) = world.token(asking(ACME, "ann")).await;
    // A connection of its own: calls of one wait for each other.
    let beside = world.server.clients(&world.server.operator_secret());
    let items = (0..TOKENS).map(|i| {
        argon2(
            &format!("shop{i:03}.by-another-system"),
            &format!("shop{i:03}"),
        )
    });
    let results = import(&world, batch(items.collect())).await;
    assert!(results.iter().all(|result| result.error.is_none()));
    let mut guesses = tokio::task::JoinSet::new();
    let began = Instant::now();
    for number in 0..GUESSES {
        let mut verifier = world.operator.verify.clone();
        let request = VerifyRequest {
            token: format!("shop{:03}.a-guess-at-it-{number}", number % TOKENS),
            // As if each came from elsewhere: the counts of the tokens alone hold them back.
            client_ip: format!("10.1.{}.{}", number / 256, number % 256),
            ..Default::default()
        };
        guesses.spawn(async move { verifier.verify(request).await });
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let started = Instant::now();
        let answer = verify(&beside, presenting(&minted)).await;
        assert_eq!(answer.verdict(), Verdict::Valid);
        slowest = slowest.max(started.elapsed());
    }
    let (mut checked, mut turned_away) = (0, 0);
    for answer in guesses.join_all().await {
        match answer {
            Ok(answer) => {
                assert_eq!(answer.into_inner().verdict(), Verdict::NotFound);
                checked += 1;
            }
            Err(status) => {
                assert_eq!(reason_of(&status), ErrorReason::LimitExceeded);
                assert!(status.get_details_retry_info().is_some());
                turned_away += 1;
            }
        }
    }
    let whole = began.elapsed();
    assert!(
        checked <= TOKENS * 75 && turned_away >= TOKENS * 25,
        "{checked}, {turned_away}"
    );
    assert!(slowest < whole, "{slowest:?} of {whole:?}");
    crate::report(&format!(
        "{GUESSES} guesses at {TOKENS} weak tokens: {checked} checked, {turned_away} turned away, in {whole:?}; the slowest of 50 Verify beside them took {slowest:?}"
    ));
}

/// Plants strings of another system, which are secrets like any other.
pub(crate) async fn plant(world: &World, search: &mut Search) {
    let strong = "CANARYimportedZq3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2";
    let weak = "canary7.CANARY-of-a-weak-one";
    let hashed = argon2("canary8.CANARY-of-a-hash", "canary8");
    search.add("an imported token", strong.as_bytes());
    search.add("a weak imported token", weak.as_bytes());
    search.add("a hash that was imported", hashed.argon2_phc.as_bytes());
    let of_subject = |item| ImportItem {
        user: "subject".into(),
        ..item
    };
    let digest = sha256("canary9.CANARY-of-a-digest", "canary9");
    search.add("a digest that was imported", digest.sha256.as_bytes());
    let items = [plaintext(strong), plaintext(weak), hashed, digest].map(of_subject);
    let request = batch(items.to_vec());
    // Once imported, once refused.
    for expected in [4, 0] {
        let results = import(world, request.clone()).await;
        let done = results.iter().filter(|result| result.error.is_none());
        assert_eq!(done.count(), expected);
    }
    for string in [strong, weak] {
        assert_eq!(world.verdict(string).await, Verdict::Valid);
    }
    assert_eq!(
        world.verdict("canary7.a-guess-at-it").await,
        Verdict::NotFound
    );
}
