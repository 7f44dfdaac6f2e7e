//! Strings that are looked for in many libraries, and those that several of them know.

use super::*;
use crate::authority::libraries::{DeleteLibrary, UpdateLibrary};
use crate::authority::tests::commands::update_library;
use crate::authority::user_types::CreateUserType;
use crate::authority::users::CreateUser;

/// Makes a library with a user `jane`.
async fn library(stage: &Stage, library: &str) {
    stage.done("root", &create_library(library)).await;
    let user_type = CreateUserType {
        library: name(library),
        ..create_user_type("clerk", &["orders:*"])
    };
    stage.done("root", &user_type).await;
    let user = CreateUser {
        library: name(library),
        ..create_user("jane", &["clerk"])
    };
    stage.done("root", &user).await;
}

async fn import_into(stage: &Stage, library: &str, text: &str) -> TokenId {
    let asked = ImportToken {
        token: CreateToken {
            library: name(library),
            ..create_token("jane")
        },
        ..import(plaintext(text))
    };
    let done = try_import(stage, "root", &asked, false).await;
    done.unwrap().answer.unwrap().value.id
}

#[tokio::test]
async fn a_verifier_that_names_no_library_finds_strings_in_all_of_them() {
    let stage = Stage::new().await;
    let mut strings = Vec::new();
    for number in 0..20 {
        let of = format!("lib{number}");
        library(&stage, &of).await;
        let strong = hex(&of);
        import_into(&stage, &of, &strong).await;
        strings.push(strong);
    }
    // One of them has a weak one, found by its locator.
    import_into(&stage, "lib7", WEAK).await;
    strings.push(WEAK.to_owned());
    for text in &strings {
        assert_eq!(stage.verdict(text).await, Verdict::Valid, "{text}");
    }
    // A string that is known nowhere has a verdict as well.
    for text in ["some-garbage-string", "shop7.a-guess-at-it"] {
        assert_eq!(stage.verdict(text).await, Verdict::NotFound, "{text}");
    }
    let stage = stage.opened().await;
    for text in &strings {
        assert_eq!(stage.verdict(text).await, Verdict::Valid, "{text}");
    }
}

#[tokio::test]
async fn where_two_libraries_know_a_string_the_live_token_is_meant() {
    let stage = Stage::new().await;
    library(&stage, "rival").await;
    let (first, second) = (hex("first"), hex("second"));
    for (text, live, ended) in [
        (first.as_str(), "acme", "rival"),
        (&second, "rival", "acme"),
        // Weak ones: of the ended one a tag is kept, the live one was never used.
        ("shopx.summer-of-2019", "acme", "rival"),
        ("shopy.summer-of-2019", "rival", "acme"),
    ] {
        let old = import_into(&stage, ended, text).await;
        assert_eq!(stage.verdict(text).await, Verdict::Valid);
        stage.done("root", &revoke(old)).await;
        assert_eq!(stage.verdict(text).await, Verdict::Revoked, "the only one");
        let new = import_into(&stage, live, text).await;
        for _ in 0..2 {
            let judged = judged(&stage, text, Scope::All).await.unwrap();
            assert_eq!(judged.verdict, Verdict::Valid, "{text}");
            assert_eq!(judged.seen.unwrap().token_id, new);
        }
        let demand = Demand {
            library: Some(name(ended)),
            ..Demand::default()
        };
        let judged = stage.authority.verify(text, &demand, None, stage.now());
        assert_eq!(judged.await.unwrap().verdict, Verdict::Revoked);
        stage.done("root", &revoke(new)).await;
        assert_eq!(stage.verdict(text).await, Verdict::Revoked);
    }
}

#[tokio::test]
async fn a_locator_that_is_guessed_at_in_one_library_is_free_in_another() {
    let stage = Stage::new().await;
    library(&stage, "rival").await;
    for (number, library) in ["acme", "rival"].into_iter().enumerate() {
        let other = ["rival", "acme"][number];
        let text = format!("shop{number}.the-right-string");
        import_into(&stage, other, &format!("shop{number}.of-the-other-one")).await;
        let demand = Demand {
            library: Some(name(other)),
            ..Demand::default()
        };
        for guess in 0..6 {
            let guess = format!("shop{number}.a-guess-{guess}");
            let _ = stage
                .authority
                .verify(&guess, &demand, None, stage.now())
                .await;
        }
        import_into(&stage, library, &text).await;
        for _ in 0..2 {
            assert_eq!(stage.verdict(&text).await, Verdict::Valid);
        }
    }
}

/// Of a runtime with one thread, whatever else waits has its turn only where a call lets it.
#[tokio::test]
async fn a_string_that_is_looked_for_in_many_libraries_lets_others_have_their_turn() {
    let stage = Stage::new().await;
    for number in 0..65 {
        let of = format!("lib{number}");
        library(&stage, &of).await;
        import_into(&stage, &of, &hex(&of)).await;
    }
    let other = tokio::spawn(async {});
    assert_eq!(stage.verdict(&hex("unknown")).await, Verdict::NotFound);
    assert!(other.is_finished());
}

#[tokio::test]
async fn where_one_library_proves_a_string_it_is_no_guess_at_the_other_s() {
    let stage = Stage::new().await;
    library(&stage, "rival").await;
    let proved = "shop7.summer-of-2019";
    import_into(&stage, "acme", proved).await;
    assert_eq!(stage.verdict(proved).await, Verdict::Valid);
    let unproven = "shop7.winter-of-2020";
    import_into(&stage, "rival", unproven).await;
    for _ in 0..20 {
        assert_eq!(stage.verdict(proved).await, Verdict::Valid);
    }
    assert_eq!(stage.verdict(unproven).await, Verdict::Valid);
}

#[tokio::test]
async fn a_string_that_another_cut_leads_to_a_token_is_no_guess_at_it() {
    let stage = Stage::new().await;
    imported(&stage, &import(plaintext("shop7.summer-of-2019"))).await;
    let by_length = ImportToken {
        cut: Some(Cut::Prefix(5)),
        ..import(plaintext("store-of-2019-and-on"))
    };
    imported(&stage, &by_length).await;
    for _ in 0..20 {
        assert_eq!(stage.verdict("shop7-of-no-token").await, Verdict::NotFound);
    }
    assert_eq!(stage.verdict("shop7.summer-of-2019").await, Verdict::Valid);
    assert_eq!(stage.verdict("store-of-2019-and-on").await, Verdict::Valid);
}

#[tokio::test]
async fn what_was_placed_in_a_library_is_not_made_in_another_of_its_name() {
    let stage = Stage::new().await;
    library(&stage, "rival").await;
    let asked = ImportToken {
        token: CreateToken {
            library: name("rival"),
            ..create_token("jane")
        },
        ..import(plaintext(STRONG))
    };
    let (call, now) = (call(&stage, "root").await, stage.now());
    let authority = &stage.authority;
    let into = authority.import_into(&call.caller, &name("rival"), now.time);
    let placed = authority.place_import(&asked, into.unwrap()).unwrap();
    let disable = UpdateLibrary {
        disabled: Some(true),
        ..update_library("rival")
    };
    stage.done("root", &disable).await;
    let delete = DeleteLibrary {
        library: name("rival"),
        etag: String::new(),
    };
    stage.done("root", &delete).await;
    library(&stage, "rival").await;
    let late = authority.import_token(&call, &asked, &placed, None, now);
    assert_eq!(late.await.unwrap_err().reason, Reason::NotFound);
    import_into(&stage, "rival", STRONG).await;
    assert_eq!(stage.verdict(STRONG).await, Verdict::Valid);
}
