//! Imports take seats as all tokens do, and a rehearsal takes none from them.

use super::*;
use crate::authority::tests::seats::limit;

fn strong(number: u32) -> ImportToken {
    import(plaintext(&hex(&format!("token number {number}"))))
}

async fn limited(max: u32) -> Stage {
    let stage = Stage::new().await;
    stage.done("dora", &limit(max)).await;
    stage
}

async fn rehearsed(
    stage: &Stage,
    asked: &ImportToken,
    rehearsal: &Rehearsal,
) -> Result<(), Reason> {
    let call = call(stage, "adam").await;
    let into = stage
        .authority
        .import_into(&call.caller, &name("acme"), stage.time())
        .unwrap();
    let placed = stage.authority.place_import(asked, into).unwrap();
    let done = stage
        .authority
        .import_token(&call, asked, &placed, Some(rehearsal), stage.now());
    done.await.map(drop).map_err(|error| error.reason)
}

#[tokio::test]
async fn as_many_are_imported_as_the_limit_allows() {
    for max in [1, 3] {
        let stage = limited(max).await;
        for number in 0..max {
            let asked = strong(number);
            try_import(&stage, "adam", &asked, true).await.unwrap();
            imported(&stage, &asked).await;
        }
        let error = refused(&stage, &strong(max)).await;
        assert_eq!(error.reason, Reason::TooManyTokens);
        let weak = refused(&stage, &import(plaintext(WEAK))).await;
        assert_eq!(weak.reason, Reason::TooManyTokens);
        // What is there already is told so still.
        let again = refused(&stage, &strong(0)).await;
        assert_eq!(again.reason, Reason::AlreadyImported);
    }
}

#[tokio::test]
async fn however_many_are_imported_at_once_no_more_than_the_limit_are() {
    for max in [1, 3] {
        let stage = limited(max).await;
        let mut imports = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (authority, now) = (stage.authority.clone(), stage.now());
            let call = call(&stage, "adam").await;
            imports.spawn(async move {
                let asked = strong(number);
                let into = authority.import_into(&call.caller, &name("acme"), now.time)?;
                let placed = authority.place_import(&asked, into)?;
                let done = authority.import_token(&call, &asked, &placed, None, now);
                done.await.map(drop)
            });
        }
        let results = imports.join_all().await;
        let done = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(done, usize::try_from(max).unwrap());
        for error in results.into_iter().filter_map(Result::err) {
            assert_eq!(error.reason, Reason::TooManyTokens);
        }
    }
}

#[tokio::test]
async fn a_rehearsal_counts_what_stands_before_in_it_and_holds_nobody_up() {
    let stage = limited(3).await;
    imported(&stage, &strong(0)).await;
    let rehearsal = Rehearsal::default();
    for (number, expected) in [
        (1, Ok(())),
        (2, Ok(())),
        (3, Err(Reason::TooManyTokens)),
        (4, Err(Reason::TooManyTokens)),
    ] {
        assert_eq!(
            rehearsed(&stage, &strong(number), &rehearsal).await,
            expected
        );
    }
    // While it goes on, all seats are there for what is really made.
    stage.token().await;
    stage.token().await;
    assert_eq!(
        stage.refusal("adam", &create_token("jane")).await,
        Reason::TooManyTokens
    );
}
