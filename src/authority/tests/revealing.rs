//! Secrets that can be shown again, and instructions.

use super::commands::{create_library, create_token, update_library};
use super::directory::delete_user;
use super::lifecycle::revoke;
use super::own_tokens::with_pat;
use super::rotation::rotate;
use super::samples::{granted, name};
use super::stage::Stage;
use crate::authority::directory::{Library, SecretDisplay};
use crate::authority::error::Reason;
use crate::authority::issue::CreateToken;
use crate::authority::keyspace;
use crate::authority::libraries::{CreateLibrary, DeleteLibrary, UpdateLibrary};
use crate::authority::reveal::RevealToken;
use crate::authority::secret::TokenId;
use crate::authority::token::Token;

pub(super) fn showing(display: SecretDisplay) -> UpdateLibrary {
    UpdateLibrary {
        secret_display: Some(display),
        ..update_library("acme")
    }
}

pub(super) async fn revealed(stage: &Stage, by: &str, id: TokenId) -> Result<String, Reason> {
    let done = stage.perform(by, &RevealToken { id }).await;
    let done = done.map_err(|error| error.reason)?;
    Ok(done.secret.unwrap().expose().to_owned())
}

#[tokio::test]
async fn a_secret_is_shown_once_unless_the_library_keeps_them() {
    let stage = Stage::new().await;
    let (before, _) = stage.token().await;
    assert_eq!(
        revealed(&stage, "adam", before).await,
        Err(Reason::NotRevealable)
    );
    stage
        .done("adam", &showing(SecretDisplay::Revealable))
        .await;
    let (id, secret) = stage.token().await;
    assert_eq!(revealed(&stage, "adam", id).await, Ok(secret));
    let event = stage.newest_event("acme").await;
    assert_eq!(
        (event.action.as_str(), event.actor.as_str()),
        ("token.reveal", "acme/adam")
    );
    // What was made before was not kept.
    assert_eq!(
        revealed(&stage, "adam", before).await,
        Err(Reason::NotRevealable)
    );
    let rotated = stage.done("adam", &rotate(id)).await;
    let new = rotated.answer.unwrap().value.id;
    let secret = rotated.secret.unwrap().expose().to_owned();
    let stage = stage.reopened().await;
    assert_eq!(revealed(&stage, "adam", new).await, Ok(secret));
}

#[tokio::test]
async fn a_library_may_keep_them_from_its_creation() {
    let stage = Stage::new().await;
    let create = CreateLibrary {
        secret_display: SecretDisplay::Revealable,
        ..create_library("system2")
    };
    stage.done("root", &create).await;
    let uid = stage
        .stored::<Library>(keyspace::library("system2"))
        .await
        .unwrap()
        .uid;
    assert_eq!(stage.keys(&keyspace::reveal_key(uid)).await.len(), 1);
}

#[tokio::test]
async fn switching_back_destroys_what_was_sealed_for_good() {
    let stage = Stage::new().await;
    stage
        .done("adam", &showing(SecretDisplay::Revealable))
        .await;
    let (id, secret) = stage.token().await;
    stage.done("adam", &showing(SecretDisplay::Once)).await;
    assert!(stage.keys(keyspace::REVEAL_KEYS).await.is_empty());
    assert_eq!(
        revealed(&stage, "adam", id).await,
        Err(Reason::NotRevealable)
    );
    stage
        .done("adam", &showing(SecretDisplay::Revealable))
        .await;
    assert_eq!(
        revealed(&stage, "adam", id).await,
        Err(Reason::NotRevealable)
    );
    assert_eq!(
        stage.verdict(&secret).await,
        crate::authority::judge::Verdict::Valid
    );
}

#[tokio::test]
async fn what_is_kept_is_sealed_and_bound_to_its_token() {
    let stage = Stage::new().await;
    stage
        .done("adam", &showing(SecretDisplay::Revealable))
        .await;
    let (first, secret) = stage.token().await;
    let (second, _) = stage.token().await;
    let place = keyspace::token(first);
    let stored = stage.store_value(&place).await;
    let bytes = crate::authority::secret::Secret::parse(&secret)
        .unwrap()
        .bytes;
    assert!(!stored.windows(32).any(|window| window == &bytes[..]));
    // Moved to another record, it does not open.
    let moved = Token {
        sealed_secret: stage.stored::<Token>(place).await.unwrap().sealed_secret,
        ..stage.stored(keyspace::token(second)).await.unwrap()
    };
    stage
        .overwrite(keyspace::token(second), &keyspace::encode(&moved))
        .await;
    assert_eq!(
        revealed(&stage, "adam", second).await,
        Err(Reason::NotRevealable)
    );
}

#[tokio::test]
async fn nobody_is_shown_a_secret_that_conveys_more_than_they_could_give() {
    let stage = with_pat().await;
    stage
        .done("adam", &showing(SecretDisplay::Revealable))
        .await;
    let mighty = CreateToken {
        permissions: granted(&["directory:admin"]),
        ..create_token("dora")
    };
    let (mighty, _) = stage.created("adam", &mighty).await;
    assert_eq!(
        revealed(&stage, "tom", mighty.id).await,
        Err(Reason::ReservedPermission)
    );
    let (wide, secret) = stage.created("adam", &create_token("pat")).await;
    assert_eq!(revealed(&stage, "pat", wide.id).await, Ok(secret));
    let (of_jane, _) = stage.token().await;
    assert_eq!(
        revealed(&stage, "pat", of_jane).await,
        Err(Reason::NotFound)
    );
    let narrow = CreateToken {
        permissions: granted(&["tokens:self", "orders:read"]),
        ..create_token("pat")
    };
    let narrow = stage.created("root", &narrow).await.1;
    stage.remember("pat", &narrow);
    assert_eq!(
        revealed(&stage, "pat", wide.id).await,
        Err(Reason::PermissionDenied)
    );
    stage.done("adam", &revoke(wide.id)).await;
    assert_eq!(
        revealed(&stage, "adam", wide.id).await,
        Err(Reason::TokenState)
    );
}

#[tokio::test]
async fn whoever_inspects_a_token_is_told_how_to_use_it() {
    let stage = Stage::new().await;
    let (id, _) = stage.token().await;
    let token: Token = stage.stored(keyspace::token(id)).await.unwrap();
    assert_eq!(stage.authority.usage(&token).await.unwrap(), "");
    let told = |text: &str| UpdateLibrary {
        usage_instructions: Some(text.to_owned()),
        ..update_library("acme")
    };
    stage
        .done(
            "adam",
            &told("Send {token_id} of {user}@{library} until {expire_time}."),
        )
        .await;
    let event = stage.newest_event("acme").await;
    assert_eq!(event.fields, ["usage_instructions"]);
    let usage = stage.authority.usage(&token).await.unwrap();
    assert_eq!(
        usage,
        format!("Send {id} of jane@acme until {}.", token.expire_time)
    );
    // The same text is no change, another is, and none takes it away.
    let before = stage.log("acme").await.len();
    stage
        .done(
            "adam",
            &told("Send {token_id} of {user}@{library} until {expire_time}."),
        )
        .await;
    assert_eq!(stage.log("acme").await.len(), before);
    let etag = stage
        .done("adam", &told("Ask {user}."))
        .await
        .answer
        .unwrap();
    assert_eq!(stage.authority.usage(&token).await.unwrap(), "Ask jane.");
    let etag = stage.authority.revision_text(etag.revision);
    let last = UpdateLibrary { etag, ..told("") };
    stage.done("adam", &last).await;
    assert_eq!(stage.authority.usage(&token).await.unwrap(), "");
    assert!(stage.keys(keyspace::USAGE).await.is_empty());
}

#[tokio::test]
async fn a_deleted_library_leaves_neither_key_nor_instructions() {
    let stage = Stage::new().await;
    let update = UpdateLibrary {
        usage_instructions: Some("Ask.".to_owned()),
        disabled: Some(true),
        ..showing(SecretDisplay::Revealable)
    };
    stage.done("root", &delete_user("acme", "jane")).await;
    stage.done("root", &update).await;
    let delete = DeleteLibrary {
        library: name("acme"),
        etag: String::new(),
    };
    stage.done("root", &delete).await;
    assert!(stage.keys(keyspace::REVEAL_KEYS).await.is_empty());
    assert!(stage.keys(keyspace::USAGE).await.is_empty());
}

#[tokio::test]
async fn a_repeat_of_a_reveal_does_not_outlive_the_key() {
    let stage = Stage::new().await;
    stage
        .done("adam", &showing(SecretDisplay::Revealable))
        .await;
    let (id, _) = stage.token().await;
    let reveal = RevealToken { id };
    stage.request("adam", 1, 1, &reveal).await.unwrap();
    let before = stage.log("acme").await.len();
    stage.request("adam", 1, 1, &reveal).await.unwrap();
    assert_eq!(stage.log("acme").await.len(), before + 1, "each is known");
    stage.done("adam", &showing(SecretDisplay::Once)).await;
    let refused = stage.request("adam", 1, 1, &reveal).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotRevealable);
}

#[tokio::test]
async fn a_secret_of_a_deleted_library_is_not_kept() {
    let stage = Stage::new().await;
    stage
        .done("adam", &showing(SecretDisplay::Revealable))
        .await;
    let (id, _) = stage.token().await;
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
    let refused = revealed(&stage, "root", id).await;
    assert_eq!(refused, Err(Reason::NotRevealable));
}
