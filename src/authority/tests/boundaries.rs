//! What one may not see is as if it were not.

use super::commands::create_library;
use super::lifecycle::{a_year, extend, resume, revoke, suspend, update_token};
use super::samples::name;
use super::stage::Stage;
use crate::authority::error::{Error, Reason};
use crate::authority::judge::Verdict;
use crate::authority::permission::Reserved;
use crate::authority::secret::TokenId;
use crate::authority::update::UpdateToken;
use crate::authority::{Caller, Scope};

#[tokio::test]
async fn naming_another_library_is_denied_whether_it_exists_or_not() {
    let stage = Stage::new().await;
    stage.done("root", &create_library("globex")).await;
    let adam = stage
        .authenticate("adam", Reserved::TokensAdmin)
        .await
        .unwrap();
    let errors =
        ["globex", "nothing", "system", "NOT A NAME"].map(|text| adam.reach(text).unwrap_err());
    assert_eq!(errors[0].reason, Reason::PermissionDenied);
    assert!(errors.iter().all(|error| *error == errors[0]));
    assert_eq!(adam.reach("").unwrap(), name("acme"));
    assert_eq!(adam.reach("acme").unwrap(), name("acme"));
    let root = stage
        .authenticate("root", Reserved::TokensAdmin)
        .await
        .unwrap();
    assert_eq!(root.reach("globex").unwrap(), name("globex"));
    assert_eq!(root.reach("").unwrap(), name("system"));
}

#[tokio::test]
async fn a_foreign_token_is_the_same_as_an_unknown_one_to_the_byte() {
    let stage = Stage::new().await;
    let foreign = stage
        .authenticate("root", Reserved::TokensAdmin)
        .await
        .unwrap()
        .token_id;
    let unknown = TokenId([7; 16]);
    let adam = stage
        .authenticate("adam", Reserved::TokensAdmin)
        .await
        .unwrap();
    let shown = async |id| {
        stage
            .authority
            .get_token(&adam, id, stage.time())
            .await
            .unwrap_err()
    };
    assert_eq!(shown(foreign).await, shown(unknown).await);
    assert_eq!(shown(foreign).await.reason, Reason::NotFound);
    let outdated = |id| UpdateToken {
        etag: "stale".to_owned(),
        ..update_token(id)
    };
    assert_eq!(
        refusals(&stage, foreign, outdated).await,
        refusals(&stage, unknown, outdated).await
    );
}

/// What `adam` is told of every command on a token, which must always be the same.
async fn refusals(
    stage: &Stage,
    id: TokenId,
    outdated: impl Fn(TokenId) -> UpdateToken,
) -> Vec<Error> {
    let errors = vec![
        stage.perform("adam", &suspend(id)).await.unwrap_err(),
        stage.perform("adam", &resume(id)).await.unwrap_err(),
        stage.perform("adam", &revoke(id)).await.unwrap_err(),
        stage
            .perform("adam", &extend(id, a_year()))
            .await
            .unwrap_err(),
        stage.perform("adam", &update_token(id)).await.unwrap_err(),
        stage.perform("adam", &outdated(id)).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.reason == Reason::NotFound));
    errors
}

#[tokio::test]
async fn a_verifier_of_a_library_does_not_find_the_tokens_of_another() {
    let stage = Stage::new().await;
    stage.done("root", &create_library("globex")).await;
    let (_, secret) = stage.token().await;
    let adam = stage
        .authenticate("adam", Reserved::TokensVerify)
        .await
        .unwrap();
    let root = stage
        .authenticate("root", Reserved::TokensVerify)
        .await
        .unwrap();
    let judged = async |text: &str, caller: &Caller| {
        let demand = crate::authority::judge::Demand::default();
        stage
            .authority
            .verify(text, &demand, Some(caller), stage.now())
            .await
            .unwrap()
    };
    assert_eq!(judged(&secret, &adam).await.verdict, Verdict::Valid);
    assert_eq!(judged(&secret, &root).await.verdict, Verdict::Valid);
    let elsewhere = Caller {
        scope: Scope::Library(crate::authority::directory::Uid([1; 16])),
        ..adam
    };
    let foreign = judged(&secret, &elsewhere).await;
    let unknown = crate::authority::secret::Secret::mint()
        .unwrap()
        .to_secret_string();
    assert_eq!(foreign, judged(unknown.expose(), &elsewhere).await);
}
