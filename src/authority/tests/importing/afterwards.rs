//! What becomes of imported tokens: as of others, but for what they are no good for.

use super::*;
use crate::authority::review::ReviewReason;
use crate::authority::tests::samples::lifetime;

#[tokio::test]
async fn an_imported_token_is_changed_listed_rotated_and_ended_as_others_are() {
    let stage = Stage::new().await;
    let strong = imported(&stage, &import(plaintext(STRONG))).await.value;
    let weak = imported(&stage, &import(plaintext(WEAK))).await.value;
    stage.later(DAY);
    stage.done("adam", &extend(strong.id, a_year())).await;
    stage.done("adam", &suspend(strong.id)).await;
    assert_eq!(stage.verdict(STRONG).await, Verdict::Suspended);
    let revealed = stage.refusal("adam", &RevealToken { id: weak.id }).await;
    assert_eq!(revealed, Reason::NotRevealable);
    for (wanted, found) in [
        (Some(ImportStrength::Weak), vec![weak.id]),
        (Some(ImportStrength::Strong), vec![strong.id]),
    ] {
        let filter = TokenFilter {
            imported: wanted,
            ..TokenFilter::of(named("acme"))
        };
        assert_eq!(listed(&stage, &filter).await, found);
    }
    let rotate = RotateToken {
        id: weak.id,
        overlap: Some(lifetime("1d")),
        until: None,
        etag: String::new(),
    };
    assert!(is_told_weak(&stage, weak.id).await);
    assert!(!is_told_weak(&stage, strong.id).await);
    let done = stage.done("adam", &rotate).await;
    let (new, secret) = (done.answer.unwrap().value, done.secret.unwrap());
    assert_eq!((new.imported, new.etag), (None, None));
    // Not even while it works on.
    assert!(!is_told_weak(&stage, weak.id).await);
    assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
    stage.later(DAY);
    assert_eq!(stage.verdict(secret.expose()).await, Verdict::Valid);
    assert_eq!(stage.verdict(WEAK).await, Verdict::Revoked);
    stage.done("adam", &revoke(strong.id)).await;
    assert_eq!(stage.verdict(STRONG).await, Verdict::Revoked);
}

/// Whether a review says that a token is to be rotated.
async fn is_told_weak(stage: &Stage, id: TokenId) -> bool {
    let caller = stage.authenticate("adam", Reserved::TokensAdmin).await;
    let (caller, acme, page) = (caller.unwrap(), name("acme"), PageRequest::default());
    let found = stage
        .authority
        .review_tokens(&caller, &acme, &page, stage.time());
    let found = found.await.unwrap().items;
    let found = found.iter().find(|found| found.token.value.id == id);
    found.is_some_and(|found| found.found.reasons.contains(&ReviewReason::ImportedWeak))
}

async fn listed(stage: &Stage, filter: &TokenFilter) -> Vec<TokenId> {
    let caller = stage
        .authenticate("adam", Reserved::TokensSelf)
        .await
        .unwrap();
    let page = PageRequest::default();
    let page = stage
        .authority
        .list_tokens(&caller, filter, &page, stage.time())
        .await;
    page.unwrap()
        .items
        .iter()
        .map(|token| token.value.id)
        .collect()
}

#[tokio::test]
async fn an_imported_token_is_no_credential_and_gets_no_reserved_permission() {
    let stage = Stage::new().await;
    let reserved = ImportToken {
        token: CreateToken {
            permissions: granted(&["tokens:admin"]),
            ..create_token("adam")
        },
        ..import(plaintext(STRONG))
    };
    assert_eq!(
        refused(&stage, &reserved).await.violations[0].field,
        "permissions"
    );
    let token = CreateToken {
        permissions: granted(&["orders:read"]),
        ..create_token("adam")
    };
    let asked = ImportToken {
        token,
        ..import(plaintext(STRONG))
    };
    let token = imported(&stage, &asked).await.value;
    let mut update = update_token(token.id);
    update.permissions = Some(granted(&["tokens:admin"]));
    assert_eq!(stage.refusal("adam", &update).await, Reason::InvalidFields);
    stage.remember("imported", STRONG);
    let error = stage.authenticate("imported", Reserved::TokensAdmin).await;
    assert_eq!(error.unwrap_err().reason, Reason::CredentialRefused);
    // Its id with a secret of somebody's own making proves nothing, before and after its first use.
    let weak = imported(&stage, &import(plaintext(WEAK))).await.value;
    for _ in 0..2 {
        for id in [token.id, weak.id] {
            let mut forged = Secret::mint().unwrap();
            forged.id = id;
            let text = forged.to_secret_string();
            assert_eq!(stage.verdict(text.expose()).await, Verdict::NotFound);
        }
        assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
    }
}

#[tokio::test]
async fn nothing_that_is_kept_holds_or_gives_away_what_was_imported() {
    let stage = Stage::new().await;
    let phc_text = phc("shop8.by-another-system", Algorithm::Argon2id);
    imported(&stage, &import(plaintext(STRONG))).await;
    imported(&stage, &import(plaintext(WEAK))).await;
    imported(&stage, &import(argon2("shop8.by-another-system", "shop8"))).await;
    stage.verdict(WEAK).await;
    let records = stage.keys(b"").await;
    for key in records {
        let value = stage.store_value(&key).await;
        for text in [
            STRONG,
            WEAK,
            "shop8",
            phc_text.rsplit('$').next().unwrap(),
            &hex(STRONG),
            &hex(WEAK),
        ] {
            let found = value
                .windows(text.len())
                .any(|part| part == text.as_bytes());
            assert!(!found, "{text} in {}", key.escape_ascii());
        }
        for text in [STRONG, WEAK] {
            let plain = digest(&SHA256, text.as_bytes());
            let found = value.windows(32).any(|part| part == plain.as_ref());
            assert!(!found && !key.windows(16).any(|part| part == &plain.as_ref()[..16]));
        }
    }
}
