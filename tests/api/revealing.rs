//! What a library tells the people who use its tokens: how, and if it wants to, the secret once more.

use token_authority::proto::v1::{
    CreateTokenResponse, ErrorReason, GetLibraryRequest, GetTokenRequest, RevealTokenRequest,
    SecretDisplay, UpdateLibraryRequest, Verdict,
};

use crate::refusal::{assert_refused, fields_of};
use crate::world::{ACME, World, asking};

#[tokio::test]
async fn a_library_that_keeps_secrets_shows_them_again_until_it_no_longer_does() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let display = |display: SecretDisplay| UpdateLibraryRequest {
        library: ACME.into(),
        secret_display: Some(display.into()),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    let mut admin = world.operator.admin.clone();
    let kept = directory.update_library(display(SecretDisplay::Revealable));
    let kept = kept.await.unwrap().into_inner().library.unwrap();
    assert_eq!(kept.secret_display(), SecretDisplay::Revealable);
    let (token, secret) = world.token(asking(ACME, "ann")).await;
    let reveal = RevealTokenRequest {
        token_id: token.token_id,
        ..Default::default()
    };
    let shown = admin.reveal_token(reveal.clone()).await.unwrap();
    assert_eq!(shown.into_inner().secret, secret);

    let world = world.killed_and_started().await;
    let mut directory = world.operator.directory.clone();
    let mut admin = world.operator.admin.clone();
    let shown = admin.reveal_token(reveal.clone()).await.unwrap();
    assert_eq!(shown.into_inner().secret, secret);
    directory
        .update_library(display(SecretDisplay::Once))
        .await
        .unwrap();
    assert_refused(admin.reveal_token(reveal).await, ErrorReason::NotRevealable);
    assert_eq!(world.verdict(&secret).await, Verdict::Valid);
}

#[tokio::test]
async fn instructions_come_with_a_token_that_is_made_or_inspected() {
    let world = World::new().await;
    world.person(ACME, "ann", &["orders:read"]).await;
    let update = |text: &str| UpdateLibraryRequest {
        library: ACME.into(),
        usage_instructions: Some(text.into()),
        ..Default::default()
    };
    let mut directory = world.operator.directory.clone();
    let mut admin = world.operator.admin.clone();
    let text = "Send token {token_id} of {user} as APPTOKEN.";
    directory.update_library(update(text)).await.unwrap();
    let request = GetLibraryRequest {
        library: ACME.into(),
    };
    let library = directory.get_library(request).await.unwrap().into_inner();
    assert_eq!(library.library.unwrap().usage_instructions, text);
    let made = admin.create_token(asking(ACME, "ann")).await.unwrap();
    let CreateTokenResponse { token, usage, .. } = made.into_inner();
    let token_id = token.unwrap().token_id;
    assert_eq!(usage, format!("Send token {token_id} of ann as APPTOKEN."));
    let request = GetTokenRequest { token_id };
    let got = admin.get_token(request).await.unwrap().into_inner();
    assert_eq!(got.usage, usage);

    let long = directory.update_library(update(&"x".repeat(2049))).await;
    let refused = assert_refused(long, ErrorReason::InvalidFields);
    assert_eq!(fields_of(&refused), ["usage_instructions"]);
}
