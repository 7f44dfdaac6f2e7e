//! What a library's imported tokens are found by: written when it changes, by one import at a time, and for good.

use std::sync::Arc;

use super::*;
use crate::authority::import::Cuts;
use crate::store::Revision;

/// How the tokens of `acme` are found, and since which revision.
async fn known(stage: &Stage) -> Option<Versioned<Cuts>> {
    let uid = stage.authority.library(&name("acme")).unwrap().value.uid;
    let found = stage.authority.fetch::<Cuts>(keyspace::imports(uid)).await;
    found.unwrap()
}

fn with(cut: Cut, text: &str) -> ImportToken {
    ImportToken {
        cut: Some(cut),
        ..import(plaintext(text))
    }
}

/// Has `tom` import this just before the next commit.
fn meanwhile(stage: &Arc<Stage>, asked: ImportToken) {
    let other = stage.clone();
    stage.store.before_commit(async move {
        let done = try_import(&other, "tom", &asked, false).await;
        done.unwrap();
    });
}

#[tokio::test]
async fn only_the_first_import_and_each_new_cut_are_written_down() {
    let stage = Stage::new().await;
    stage.token().await;
    assert_eq!(known(&stage).await, None);
    let mut last = Revision(0);
    for (asked, in_use, is_new) in [
        (import(plaintext(STRONG)), vec![], true),
        (import(plaintext(WEAK)), vec![DOT], true),
        (import(plaintext("shop8.summer-of-2019")), vec![DOT], false),
        (
            with(Cut::Prefix(6), "market-day-of-2020"),
            vec![DOT, Cut::Prefix(6)],
            true,
        ),
        (
            declared(sha256("a-digest-declared-strong", None), 128),
            vec![DOT, Cut::Prefix(6)],
            false,
        ),
    ] {
        imported(&stage, &asked).await;
        let known = known(&stage).await.unwrap();
        assert_eq!(known.value.in_use, in_use);
        assert_eq!(known.revision > last, is_new);
        last = known.revision;
    }
    stage.token().await;
    assert_eq!(known(&stage).await.unwrap().revision, last);
}

#[tokio::test]
async fn of_two_first_imports_at_once_neither_cut_is_lost() {
    let stage = Arc::new(Stage::new().await);
    meanwhile(&stage, import(plaintext(WEAK)));
    imported(&stage, &with(Cut::Prefix(6), "market-day-of-2020")).await;
    assert_eq!(
        known(&stage).await.unwrap().value.in_use,
        [DOT, Cut::Prefix(6)]
    );
    for text in [WEAK, "market-day-of-2020"] {
        assert_eq!(stage.verdict(text).await, Verdict::Valid);
    }
}

#[tokio::test]
async fn of_two_imports_at_once_that_each_bring_the_eighth_cut_one_is_refused() {
    let stage = Arc::new(Stage::new().await);
    for length in 4..11 {
        let text = format!("shop-of-the-town-and-so-on-{length}");
        imported(&stage, &with(Cut::Prefix(length), &text)).await;
    }
    let late = with(Cut::Prefix(20), "another-shop-of-the-same-town");
    meanwhile(&stage, import(plaintext(WEAK)));
    let error = try_import(&stage, "adam", &late, false).await.unwrap_err();
    assert_eq!(error.violations[0].field, "locator");
    let in_use = known(&stage).await.unwrap().value.in_use;
    assert_eq!((in_use.len(), in_use.last()), (8, Some(&DOT)));
    assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
    let lost = stage.verdict("another-shop-of-the-same-town").await;
    assert_eq!(lost, Verdict::NotFound);
}
