//! After a start, while no token is loaded yet: what is said of a string of another system is what is said later.

use super::*;
use crate::authority::keys::RootKey;
use crate::authority::libraries::{DeleteLibrary, UpdateLibrary};
use crate::authority::tests::commands::update_library;
use crate::proto::store::KeyRecord;

/// What a string is to this library, or to whoever names none.
async fn verdict(stage: &Stage, text: &str, library: Option<&str>) -> Result<Verdict, Reason> {
    let demand = Demand {
        library: library.map(name),
        ..Demand::default()
    };
    let judged = stage.authority.verify(text, &demand, None, stage.now());
    judged
        .await
        .map(|judged| judged.verdict)
        .map_err(|error| error.reason)
}

#[tokio::test]
async fn imported_tokens_are_judged_before_they_are_loaded_and_what_is_none_is_told_so() {
    let stage = Stage::new().await;
    stage.done("root", &create_library("rival")).await;
    let bare = stage.opened().await;
    assert!(!bare.authority.is_complete());
    assert_eq!(verdict(&bare, WEAK, None).await, Ok(Verdict::Malformed));
    let stage = bare.reopened().await;
    imported(&stage, &import(plaintext(STRONG))).await;
    imported(&stage, &import(plaintext(WEAK))).await;
    imported(&stage, &import(argon2("shop8.by-another-system", "shop8"))).await;
    let stage = stage.opened().await;
    for _ in 0..2 {
        for (text, library, expected) in [
            (STRONG, None, Verdict::Valid),
            (WEAK, Some("acme"), Verdict::Valid),
            ("shop8.by-another-system", None, Verdict::Valid),
            ("shop8.by-nobody", None, Verdict::NotFound),
            ("never-seen-before", None, Verdict::NotFound),
            ("shop9.never-seen-before", Some("acme"), Verdict::NotFound),
            (STRONG, Some("rival"), Verdict::Malformed),
            (WEAK, Some("rival"), Verdict::Malformed),
        ] {
            let told = verdict(&stage, text, library).await;
            assert_eq!(told, Ok(expected), "{text} of {library:?}");
        }
    }
    assert!(!stage.authority.is_complete());
}

#[tokio::test]
async fn imports_go_on_before_the_tokens_are_loaded_and_find_what_is_there() {
    let stage = Stage::new().await;
    imported(&stage, &import(plaintext(STRONG))).await;
    imported(&stage, &import(plaintext(WEAK))).await;
    let stage = stage.opened().await;
    for asked in [
        import(plaintext(STRONG)),
        import(plaintext("shop7.another-string")),
    ] {
        let reason = refused(&stage, &asked).await.reason;
        assert_eq!(reason, Reason::AlreadyImported);
    }
    let six = ImportToken {
        cut: Some(Cut::Prefix(6)),
        ..import(plaintext("market-day-of-2020"))
    };
    imported(&stage, &six).await;
    assert!(!stage.authority.is_complete());
    let stage = stage.opened().await;
    for text in [WEAK, "market-day-of-2020"] {
        assert_eq!(verdict(&stage, text, None).await, Ok(Verdict::Valid));
    }
}

#[tokio::test]
async fn a_library_whose_record_of_imports_is_damaged_says_no_to_no_string_and_others_answer_on() {
    let stage = Stage::new().await;
    stage.done("root", &create_library("rival")).await;
    imported(&stage, &import(plaintext(STRONG))).await;
    imported(&stage, &import(plaintext(WEAK))).await;
    let (_, minted) = stage.token().await;
    let uid = stage.authority.library(&name("acme")).unwrap().value.uid;
    let key = keyspace::imports(uid);
    let sound = stage.store_value(&key).await;
    let mut stage = stage;
    for bytes in [&b""[..], b"\x02", b"\x01\xff\xff", b"\x01\x0a\x01\x41"] {
        stage.overwrite(key.clone(), bytes).await;
        for _ in 0..2 {
            says_no_to_none(&stage, &minted).await;
            stage = stage.opened().await;
        }
    }
    stage.overwrite(key.clone(), &sound).await;
    assert_eq!(verdict(&stage, WEAK, None).await, Ok(Verdict::Valid));
    // Bytes that the engine can't read are no less, and keep nobody from starting.
    stage.store.spoil(key);
    let stage = stage.reopened().await;
    says_no_to_none(&stage, &minted).await;
}

async fn says_no_to_none(stage: &Stage, minted: &str) {
    for library in [None, Some("acme")] {
        for text in [WEAK, "never-seen-before", "shop7.wrong-string"] {
            let told = verdict(stage, text, library).await;
            assert_eq!(told, Err(Reason::RecordDamaged), "{text} of {library:?}");
        }
        // The whole string finds it, and its own record is sound.
        let told = verdict(stage, STRONG, library).await;
        assert_eq!(told, Ok(Verdict::Valid));
        let told = verdict(stage, "short", library).await;
        assert_eq!(told, Ok(Verdict::Malformed), "no token has this form");
    }
    let rival = verdict(stage, WEAK, Some("rival")).await;
    assert_eq!(rival, Ok(Verdict::Malformed));
    assert_eq!(stage.verdict(minted).await, Verdict::Valid);
    let another = import(plaintext("Yq3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2UeQo7Ei4Bt"));
    let reason = refused(stage, &another).await.reason;
    assert_eq!(reason, Reason::RecordDamaged);
}

#[tokio::test]
async fn tokens_of_a_library_that_was_deleted_are_told_as_disabled_after_a_restart_too() {
    let stage = Stage::new().await;
    for text in [STRONG, WEAK] {
        imported(&stage, &import(plaintext(text))).await;
    }
    let disable = UpdateLibrary {
        disabled: Some(true),
        ..update_library("acme")
    };
    stage.done("root", &disable).await;
    let delete = DeleteLibrary {
        library: name("acme"),
        etag: String::new(),
    };
    stage.done("root", &delete).await;
    stage.done("root", &create_library("acme")).await;
    let stage = stage.opened().await;
    for text in [STRONG, WEAK] {
        let told = verdict(&stage, text, None).await;
        assert_eq!(told, Ok(Verdict::LibraryDisabled));
        // The one of that name now never had any.
        let told = verdict(&stage, text, Some("acme")).await;
        assert_eq!(told, Ok(Verdict::Malformed));
    }
}

#[tokio::test]
async fn under_a_newer_key_what_an_older_one_imported_is_found_and_is_not_imported_again() {
    let stage = Stage::new().await;
    let strong = imported(&stage, &import(plaintext(STRONG))).await.value;
    let weak = imported(&stage, &import(plaintext(WEAK))).await.value;
    let place = keyspace::hmac_key(2);
    let root = RootKey::parse(stage.root()).unwrap();
    let newer = KeyRecord {
        wrapped: root.wrap(&place, &[9; 32]).unwrap(),
        create_time: stage.time().0,
    };
    stage.overwrite(place, &keyspace::frame(&newer)).await;
    let stage = stage.opened().await;
    for (text, id) in [(STRONG, strong.id), (WEAK, weak.id)] {
        let error = refused(&stage, &import(plaintext(text))).await;
        assert_eq!(error.reason, Reason::AlreadyImported);
        assert_eq!(error.metadata[0], ("token_id", id.to_string()));
        assert_eq!(verdict(&stage, text, None).await, Ok(Verdict::Valid));
    }
    let other = "Yq3Xv8LmT1yRk6Wd0NpJ5bHs9CgAf2UeQo7Ei4Bt";
    let token = imported(&stage, &import(plaintext(other))).await.value;
    assert_eq!(token.tag.key_version, 2);
    assert_eq!(verdict(&stage, other, None).await, Ok(Verdict::Valid));
}
