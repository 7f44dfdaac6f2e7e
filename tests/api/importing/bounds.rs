//! How many tokens are imported, in how many libraries, and how long their strings are.

use token_authority::proto::v1::UpdateLibraryRequest;

use super::*;

/// Strong and of 64 digits, another for each number.
fn drawn(number: usize) -> String {
    sha256(&format!("string number {number}"), "").sha256
}

async fn limit(world: &World, max: u32) {
    let request = UpdateLibraryRequest {
        library: ACME.into(),
        max_tokens_per_user: Some(max),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    directory.update_library(request).await.unwrap();
}

/// How many items came to what.
fn count(results: &[ImportTokensResult], reason: Option<ErrorReason>) -> usize {
    let reasons = results
        .iter()
        .map(|result| result.error.as_ref().map(|_| reason_of(&error_of(result))));
    reasons.filter(|found| *found == reason).count()
}

#[tokio::test]
async fn a_batch_imports_as_many_as_a_user_may_have_and_its_dry_run_says_so() {
    let world = world_with_ann().await;
    world.person(ACME, "bea", &["orders:*"]).await;
    limit(&world, 2).await;
    let items = (0..5).map(|number| plaintext(&drawn(number)));
    let request = batch(items.collect());
    for dry_run in [true, true, false] {
        let request = ImportTokensRequest {
            dry_run,
            ..request.clone()
        };
        let results = import(&world, request).await;
        assert_eq!(count(&results, None), 2);
        assert_eq!(count(&results, Some(ErrorReason::TooManyTokens)), 3);
    }
    limit(&world, 1).await;
    let of_bea = ImportItem {
        user: "bea".into(),
        ..plaintext(WEAK)
    };
    let results = import(&world, batch(vec![of_bea])).await;
    assert_eq!(count(&results, None), 1);
    assert_eq!(world.verdict(WEAK).await, Verdict::Valid);
}

#[tokio::test]
async fn a_string_of_any_library_has_a_verdict_where_none_is_named() {
    const LIBRARIES: usize = 18;
    let world = World::new().await;
    for number in 0..LIBRARIES {
        let library = format!("lib{number}");
        world.library(&library).await;
        world.person(&library, "ann", &["orders:*"]).await;
        let request = ImportTokensRequest {
            library,
            ..batch(vec![plaintext(&drawn(number))])
        };
        let results = import(&world, request).await;
        assert_eq!(count(&results, None), 1);
    }
    for number in 0..LIBRARIES {
        assert_eq!(world.verdict(&drawn(number)).await, Verdict::Valid);
    }
    let unknown = world.verdict("some-garbage-string").await;
    assert_eq!(unknown, Verdict::NotFound);
}

#[tokio::test]
async fn long_strings_and_many_copies_of_them_hold_up_nobody() {
    let world = world_with_ann().await;
    let (_, minted) = world.token(asking(ACME, "ann")).await;
    let beside = world.server.clients(&world.server.operator_secret());
    let long = |number: usize| {
        let parts = (0..16).map(|part| drawn(16 * number + part));
        ImportItem {
            user: "nobody".into(),
            ..plaintext(&parts.collect::<String>())
        }
    };
    let copies: Vec<ImportItem> = vec![long(0); 1000];
    let others: Vec<ImportItem> = (0..1000).map(long).collect();
    let mut imports = tokio::task::JoinSet::new();
    let began = Instant::now();
    for items in [copies.clone(), copies, others.clone(), others] {
        let mut admin = world.operator.admin.clone();
        imports.spawn(async move {
            let answer = admin.import_tokens(batch(items)).await;
            answer.unwrap().into_inner().results
        });
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let started = Instant::now();
        let answer = verify(&beside, presenting(&minted)).await;
        assert_eq!(answer.verdict(), Verdict::Valid);
        slowest = slowest.max(started.elapsed());
    }
    for results in imports.join_all().await {
        let repeated = count(&results, Some(ErrorReason::AlreadyImported));
        let nobody = count(&results, Some(ErrorReason::NotFound));
        assert!(
            [(999, 1), (0, 1000)].contains(&(repeated, nobody)),
            "{repeated}, {nobody}"
        );
    }
    let whole = began.elapsed();
    assert!(slowest < whole, "{slowest:?} of {whole:?}");
    crate::report(&format!(
        "4000 strings of 1,024 characters imported in {whole:?}; the slowest of 50 Verify beside them took {slowest:?}"
    ));
}
