//! The root key is changed.

use super::*;
use crate::authority::StartError;
use crate::authority::directory::SecretDisplay;
use crate::authority::keys::RootKey;
use crate::authority::rewrap::{is_under, rewrap};
use crate::authority::tests::revealing::{revealed, showing};
use crate::authority::tests::stage::open;
use crate::store::Store as _;

#[tokio::test]
async fn the_root_key_is_changed_and_the_keys_stay() {
    let stage = with_gate().await;
    let (_, secret) = stage.token().await;
    imported(&stage, &import(plaintext(WEAK))).await;
    stage
        .done("root", &showing(SecretDisplay::Revealable))
        .await;
    let (shown, shown_secret) = stage.token().await;
    let made = stage.request("adam", 1, 1, &create_token("jane")).await;
    rotate(&stage).await;
    rotate(&stage).await;
    stage.done("root", &forced(2)).await;

    let (old, old_text) = (
        RootKey::parse(stage.root()).unwrap(),
        stage.root().to_owned(),
    );
    let (new, new_text) = RootKey::mint().unwrap();
    let store = stage.store.clone();
    let before = store.head().await.unwrap();
    let count = rewrap(store.as_ref(), &old, &new, stage.time())
        .await
        .unwrap();
    // Two HMAC keys, two that last, the day's, the library's.
    assert_eq!(count, 6);
    assert_eq!(store.head().await.unwrap().0, before.0 + 1, "in one commit");
    assert!(is_under(store.as_ref(), &new).await.unwrap());
    assert!(!is_under(store.as_ref(), &old).await.unwrap());
    let refused = open(&store, &old_text).await.unwrap_err();
    assert!(matches!(refused, StartError::WrongRootKey));

    let stage = stage.under(&new_text).await;
    let event = stage.newest_event("system").await;
    assert_eq!(
        (event.action.as_str(), event.actor.as_str()),
        ("key.rewrap", "offline operator")
    );
    assert_eq!(stage.verdict(&secret).await, Verdict::Valid);
    assert_eq!(stage.verdict(WEAK).await, Verdict::Valid);
    logs_in(&stage, "pat", PASSWORD).await.unwrap();
    assert_eq!(revealed(&stage, "root", shown).await, Ok(shown_secret));
    let again = stage.request("adam", 1, 1, &create_token("jane")).await;
    let secret_of = |done: Done<Token>| done.secret.unwrap();
    assert!(secret_of(made.unwrap()).expose() == secret_of(again.unwrap()).expose());
}

#[tokio::test]
async fn a_key_that_can_not_be_unwrapped_stops_the_change_of_the_root_key_and_nothing_is_written() {
    let stage = Stage::new().await;
    rotate(&stage).await;
    let old = RootKey::parse(stage.root()).unwrap();
    let (other, new) = (RootKey::mint().unwrap().0, RootKey::mint().unwrap().0);
    let store = stage.store.clone();
    let before = store.head().await.unwrap();
    assert!(
        rewrap(store.as_ref(), &other, &new, stage.time())
            .await
            .is_err()
    );
    assert_eq!(store.head().await.unwrap(), before);
    assert!(is_under(store.as_ref(), &old).await.unwrap());
}
