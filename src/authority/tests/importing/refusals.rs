//! What is not imported, and why.

use super::*;
use crate::authority::libraries::UpdateLibrary;
use crate::authority::tests::commands::{update_library, update_user};

fn field(error: &Error) -> &str {
    assert_eq!(error.reason, Reason::InvalidFields, "{error}");
    &error.violations[0].field
}

#[tokio::test]
async fn a_weak_one_that_nothing_would_find_is_refused() {
    let stage = Stage::new().await;
    let uncut = |form| ImportToken {
        cut: None,
        ..import(form)
    };
    for asked in [
        uncut(plaintext(WEAK)),
        import(plaintext("no-dot-in-this-one")),
        import(plaintext("abc.locator-is-too-short")),
        import(plaintext("shop7.short")),
    ] {
        assert_eq!(field(&refused(&stage, &asked).await), "plaintext");
    }
    for asked in [
        import(sha256("unknown.what-it-is", None)),
        declared(sha256("unknown.what-it-is", None), 111),
        import(sha256("unknown.what-it-is", Some("un.known"))),
        import(sha256("unknown.what-it-is", Some("abc"))),
        import(sha256("unknown.what-it-is", Some("with space"))),
        uncut(sha256("unknown.what-it-is", Some("unknown"))),
        uncut(argon2("unknown.what-it-is", "unknown")),
        // Entropy makes nothing of an Argon2 hash found by the whole string.
        declared(
            Form::Argon2(
                SlowHash::foreign(&phc("some-string", Algorithm::Argon2id)).unwrap(),
                None,
            ),
            256,
        ),
    ] {
        assert_eq!(field(&refused(&stage, &asked).await), "locator");
    }
    // What is strong needs nothing of it.
    imported(&stage, &uncut(plaintext(STRONG))).await;
    imported(&stage, &declared(sha256("unknown.what-it-is", None), 112)).await;
}

#[tokio::test]
async fn a_second_import_of_a_string_or_a_locator_finds_the_first() {
    let stage = Stage::new().await;
    let strong = imported(&stage, &import(plaintext(STRONG))).await.value;
    let weak = imported(&stage, &import(plaintext(WEAK))).await.value;
    stage.verdict(WEAK).await;
    for (asked, id, same) in [
        (import(plaintext(STRONG)), strong.id, "true"),
        // Its digest is it, too.
        (declared(sha256(STRONG, None), 200), strong.id, "true"),
        (import(plaintext(WEAK)), weak.id, "false"),
        (import(plaintext("shop7.another-string")), weak.id, "false"),
        (
            import(sha256("shop7.another", Some("shop7"))),
            weak.id,
            "false",
        ),
    ] {
        let error = refused(&stage, &asked).await;
        assert_eq!(error.reason, Reason::AlreadyImported);
        let expected = [("token_id", id.to_string()), ("same", same.to_owned())];
        assert_eq!(error.metadata, expected);
    }
    assert_eq!(stage.verdict(STRONG).await, Verdict::Valid);
    assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
}

#[tokio::test]
async fn of_two_imports_of_one_string_at_once_one_is_done() {
    let stage = Stage::new().await;
    let asked = import(plaintext(STRONG));
    let first = async { try_import(&stage, "adam", &asked, false).await.map(drop) };
    let second = async { try_import(&stage, "tom", &asked, false).await.map(drop) };
    let (first, second) = tokio::join!(first, second);
    let refused = [first, second].into_iter().filter_map(Result::err);
    let reasons: Vec<Reason> = refused.map(|error| error.reason).collect();
    assert_eq!(reasons, [Reason::AlreadyImported]);
}

#[tokio::test]
async fn a_ninth_way_to_cut_is_refused() {
    let stage = Stage::new().await;
    let with = |cut, text: &str| ImportToken {
        cut: Some(cut),
        ..import(plaintext(text))
    };
    for length in 4..12 {
        let text = format!("{}-and-so-on-{length}", "shop-of-the-town");
        imported(&stage, &with(Cut::Prefix(length), &text)).await;
    }
    let error = refused(&stage, &import(plaintext(WEAK))).await;
    assert_eq!(field(&error), "locator");
    assert!(error.message.contains("prefix length 4"), "{error}");
    // One of those that are in use is fine, and strong ones need none.
    imported(&stage, &with(Cut::Prefix(4), "till-and-so-on-1")).await;
    imported(&stage, &import(plaintext(STRONG))).await;
}

#[tokio::test]
async fn imports_follow_the_rules_of_creation() {
    let stage = Stage::new().await;
    let of = |token| ImportToken {
        token,
        ..import(plaintext(STRONG))
    };
    for (token, reason) in [
        (create_token("nobody"), Reason::NotFound),
        (
            CreateToken {
                until: Some(crate::authority::moment::Until::parse("10y").unwrap()),
                ..create_token("jane")
            },
            Reason::InvalidFields,
        ),
        (
            CreateToken {
                display_name: format!("the key {STRONG}"),
                ..create_token("jane")
            },
            Reason::InvalidFields,
        ),
    ] {
        assert_eq!(refused(&stage, &of(token)).await.reason, reason);
    }
    let mut disabled = update_user("jane");
    disabled.disabled = Some(true);
    stage.done("adam", &disabled).await;
    let error = refused(&stage, &import(plaintext(STRONG))).await;
    assert_eq!(error.reason, Reason::OwnerDisabled);
    let off = UpdateLibrary {
        tokens_enabled: Some(false),
        ..update_library("acme")
    };
    stage.done("root", &off).await;
    let error = refused(&stage, &import(plaintext(STRONG))).await;
    assert_eq!(error.reason, Reason::TokensNotEnabled);
}

#[tokio::test]
async fn what_is_shown_holds_no_part_that_proves() {
    let stage = Stage::new().await;
    let shown = |display_name: &str, description: &str| ImportToken {
        token: CreateToken {
            display_name: display_name.to_owned(),
            description: description.to_owned(),
            ..create_token("jane")
        },
        ..import(plaintext(WEAK))
    };
    for (asked, expected) in [
        (shown("summer-of-2019", ""), "display_name"),
        (shown("till", &format!("see {WEAK}")), "description"),
        (shown("till", "it is summer-of-2019!"), "description"),
    ] {
        assert_eq!(field(&refused(&stage, &asked).await), expected);
    }
    // What finds it is public.
    imported(&stage, &shown("shop7", "Summer-of-2019")).await;
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_and_writes_nothing() {
    let stage = Stage::new().await;
    for text in [STRONG, WEAK] {
        let asked = import(plaintext(text));
        let commits = stage
            .store
            .commits
            .load(std::sync::atomic::Ordering::SeqCst);
        let done = try_import(&stage, "adam", &asked, true).await.unwrap();
        let token = done.answer.unwrap().value;
        assert_eq!(token.user, name("jane"));
        let after = stage
            .store
            .commits
            .load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(commits, after);
        assert_eq!(stage.verdict(text).await, Verdict::Malformed);
    }
    assert_ne!(stage.newest_event("acme").await.action, "token.import");
}

#[tokio::test]
async fn who_does_not_administer_imports_nothing() {
    let stage = Stage::new().await;
    let refused = stage.authenticate("dora", Reserved::TokensAdmin).await;
    assert_eq!(refused.unwrap_err().reason, Reason::PermissionDenied);
    let caller = stage
        .authenticate("adam", Reserved::TokensAdmin)
        .await
        .unwrap();
    let foreign = stage
        .authority
        .import_into(&caller, &name("nowhere"), stage.time());
    assert_eq!(foreign.unwrap_err().reason, Reason::NotFound);
}
