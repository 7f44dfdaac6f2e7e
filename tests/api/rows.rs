//! What the four guides let people do, point by point: a test for each. [`crate::guides`] tells each guide as one story.

mod applications;
mod bearer;
mod persons;
mod tenants;

use token_authority::proto::v1::{
    CreateTokenRequest, GetTokenRequest, GetTokenResponse, ListTokensRequest, OpenSessionRequest,
    Token, UpdateLibraryRequest, VerifyRequest,
};

use crate::harness::Clients;
use crate::world::{ACME, Member, World, texts};

const PASSWORD: &str = "correct horse battery staple";

/// A demand of [`ACME`]'s backends.
fn demand(secret: &str, permissions: &[&str]) -> VerifyRequest {
    VerifyRequest {
        token: secret.into(),
        library: ACME.into(),
        permissions: texts(permissions),
        ..Default::default()
    }
}

/// A token for a user of the caller's library, with a reason and nothing else.
fn reason(user: &str, description: &str) -> CreateTokenRequest {
    CreateTokenRequest {
        user: user.into(),
        description: description.into(),
        ..Default::default()
    }
}

/// Makes a token, with these clients.
async fn make(clients: &Clients, request: CreateTokenRequest) -> (Token, String) {
    let made = clients.admin.clone().create_token(request).await;
    let made = made.expect("a token").into_inner();
    (made.token.expect("the token"), made.secret)
}

async fn inspect(clients: &Clients, token_id: &str) -> GetTokenResponse {
    let get = GetTokenRequest {
        token_id: token_id.into(),
    };
    let answer = clients.admin.clone().get_token(get).await;
    answer.expect("a token").into_inner()
}

async fn list(clients: &Clients, filter: ListTokensRequest) -> Vec<Token> {
    let answer = clients.admin.clone().list_tokens(filter).await;
    answer.expect("a list").into_inner().tokens
}

/// An operator changes [`ACME`].
async fn support(world: &World, update: UpdateLibraryRequest) {
    let update = UpdateLibraryRequest {
        library: ACME.into(),
        ..update
    };
    let mut directory = world.operator.directory.clone();
    directory.update_library(update).await.expect("a library");
}

/// An administrator of [`ACME`]'s tokens.
async fn administrator(world: &World) -> Member {
    world
        .member(ACME, "boss", &[crate::world::ADMIN, "directory:read"])
        .await
}

/// The login of a user of [`ACME`] with [`PASSWORD`].
async fn log_in(clients: &Clients, user: &str, device: &str) -> (Token, String) {
    let login = OpenSessionRequest {
        user: user.into(),
        password: PASSWORD.into(),
        device_name: device.into(),
        ..Default::default()
    };
    let opened = clients.admin.clone().open_session(login).await;
    let opened = opened.expect("a session").into_inner();
    (opened.token.expect("the session"), opened.secret)
}
