//! Who may call what: every method of the API, called by everybody.

use std::time::Duration;

use token_authority::proto::v1::{
    CreateTokenRequest, ErrorReason, RevokeTokenRequest, SuspendTokenRequest,
};

use crate::refusal::{reason_of, told};
use crate::schema::{self, bytes, path, short};
use crate::wire::Wire;
use crate::world::{
    ACME, ADMIN, DIRECTORY_ADMIN, Member, RIVAL, VERIFY, World, asking, pass, texts,
};

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    Garbage,
    WrongSecret,
    UnknownToken,
    Ordinary,
    Verifier,
    TokensAdmin,
    DirectoryReader,
    DirectoryAdmin,
    RivalTokensAdmin,
    RivalDirectoryAdmin,
    Operator,
    Suspended,
    Expired,
    Revoked,
    NotYetValid,
}

/// What a call comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Served,
    Refused(ErrorReason),
    /// For the verdict on the caller's own token.
    Judged(&'static str),
}

use Outcome::{Judged, Refused, Served};

const DENIED: Outcome = Refused(ErrorReason::PermissionDenied);

/// A row: who of the library is let in, what those find whom the request names a foreign library or token, and what who is
/// let in finds. All others are denied.
struct Row {
    method: &'static str,
    let_in: &'static [Who],
    foreign: &'static [(Who, ErrorReason)],
    finds: Outcome,
}

const TOKENS: &[Who] = &[Who::TokensAdmin, Who::Operator];
const READING: &[Who] = &[Who::DirectoryReader, Who::DirectoryAdmin, Who::Operator];
const WRITING: &[Who] = &[Who::DirectoryAdmin, Who::Operator];
const VERIFYING: &[Who] = &[Who::Verifier, Who::TokensAdmin, Who::Operator];
/// A token of another library is the same as none.
const UNSEEN: &[(Who, ErrorReason)] = &[(Who::RivalTokensAdmin, ErrorReason::NotFound)];

fn rows() -> Vec<Row> {
    let row = |method, let_in| Row {
        method,
        let_in,
        foreign: &[],
        finds: Served,
    };
    let unseen = |method| Row {
        foreign: UNSEEN,
        ..row(method, TOKENS)
    };
    let finds = |row: Row, reason| Row {
        finds: Refused(reason),
        ..row
    };
    vec![
        row("TokenAdmin/CreateToken", TOKENS),
        unseen("TokenAdmin/GetToken"),
        row("TokenAdmin/ListTokens", TOKENS),
        unseen("TokenAdmin/UpdateToken"),
        unseen("TokenAdmin/ExtendToken"),
        unseen("TokenAdmin/SuspendToken"),
        unseen("TokenAdmin/ResumeToken"),
        unseen("TokenAdmin/RevokeToken"),
        row("TokenAdmin/ListAuditEvents", TOKENS),
        row("Directory/CreateLibrary", &[Who::Operator]),
        row("Directory/GetLibrary", READING),
        // Whoever may read is shown what is its own.
        row(
            "Directory/ListLibraries",
            &[
                Who::DirectoryReader,
                Who::DirectoryAdmin,
                Who::RivalDirectoryAdmin,
                Who::Operator,
            ],
        ),
        row("Directory/UpdateLibrary", WRITING),
        finds(
            row("Directory/DeleteLibrary", &[Who::Operator]),
            ErrorReason::InUse,
        ),
        row("Directory/CreateUserType", WRITING),
        row("Directory/GetUserType", READING),
        row("Directory/ListUserTypes", READING),
        row("Directory/UpdateUserType", WRITING),
        finds(row("Directory/DeleteUserType", WRITING), ErrorReason::InUse),
        row("Directory/CreateUser", WRITING),
        row("Directory/GetUser", READING),
        row("Directory/ListUsers", READING),
        row("Directory/UpdateUser", WRITING),
        row("Directory/DeleteUser", WRITING),
        row("TokenVerify/Verify", VERIFYING),
        // Each item is refused for itself, so a verifier of another library is served a batch of refusals.
        row(
            "TokenVerify/VerifyBatch",
            &[
                Who::Verifier,
                Who::TokensAdmin,
                Who::RivalTokensAdmin,
                Who::Operator,
            ],
        ),
    ]
}

// === impl Row ===

impl Row {
    fn expected(&self, who: Who) -> Outcome {
        match who {
            Who::Nobody => Refused(ErrorReason::CredentialMissing),
            Who::Garbage | Who::WrongSecret | Who::UnknownToken => {
                Refused(ErrorReason::CredentialRefused)
            }
            Who::Suspended => Judged("SUSPENDED"),
            Who::Expired => Judged("EXPIRED"),
            Who::Revoked => Judged("REVOKED"),
            Who::NotYetValid => Judged("NOT_YET_VALID"),
            _ if self.let_in.contains(&who) => self.finds.clone(),
            _ => self
                .foreign
                .iter()
                .find(|(foreign, _)| *foreign == who)
                .map_or(DENIED, |(_, reason)| Refused(*reason)),
        }
    }
}

#[tokio::test]
async fn every_method_is_open_to_those_whom_its_row_lets_in_and_to_nobody_else() {
    let world = World::new().await;
    world.person(ACME, "subject", &["orders:read"]).await;
    let callers = callers(&world).await;
    let rows = rows();
    let channel = world.server.channel();
    let mut calls = 0;
    for method in schema::methods() {
        let name = short(&method);
        let row = rows
            .iter()
            .find(|row| row.method == name)
            .unwrap_or_else(|| panic!("{name} has no row: who may call it?"));
        for (number, (who, secret)) in callers.iter().enumerate() {
            let victim = format!("victim-{number}");
            if name == "Directory/DeleteUser" {
                world.user(ACME, &victim, &[]).await;
            }
            let (token, secret_of_it) = world.token(asking(ACME, "subject")).await;
            let words = [
                ("$TOKEN", token.token_id.as_str()),
                ("$REVOCABLE", &token.token_id),
                ("$SECRET", &secret_of_it),
                ("$NEW", &format!("new-{calls}")),
                ("$VICTIM", &victim),
            ];
            let request = bytes(&schema::sound(&method, &words));
            let mut wire = Wire::new(channel.clone());
            if let Some(secret) = secret {
                wire = wire.bearer(secret);
            }
            let outcome = match wire.call(&path(&method), request).await {
                Ok(_) => Served,
                Err(status) => match (reason_of(&status), told(&status, "verdict")) {
                    (ErrorReason::CredentialRefused, Some(verdict)) => Judged(verdict.leak()),
                    (reason, None) => Refused(reason),
                    (reason, Some(verdict)) => panic!("{reason:?} with {verdict}"),
                },
            };
            assert_eq!(outcome, row.expected(*who), "{name} called by {who:?}");
            calls += 1;
        }
    }
    assert_eq!(calls, rows.len() * callers.len());
}

/// Everybody, with what they present.
async fn callers(world: &World) -> Vec<(Who, Option<String>)> {
    let secret = |member: Member| Some(member.secret);
    let powerful = [ADMIN, DIRECTORY_ADMIN];
    let ordinary = world.member(ACME, "ordinary", &["orders:read"]).await;
    let verifier = world.member(ACME, "verifier", &[VERIFY]).await;
    let administrator = world.member(ACME, "tokens", &[ADMIN]).await;
    let reader = world.member(ACME, "reader", &["directory:read"]).await;
    let directory = world.member(ACME, "directory", &[DIRECTORY_ADMIN]).await;
    let rival = world.member(RIVAL, "tokens", &[ADMIN]).await;
    let rival_directory = world.member(RIVAL, "directory", &[DIRECTORY_ADMIN]).await;
    let suspended = world.member(ACME, "suspended", &powerful).await;
    let revoked = world.member(ACME, "revoked", &powerful).await;
    let mut admin = world.operator.admin.clone();
    let request = SuspendTokenRequest {
        token_id: suspended.token_id.clone(),
        ..Default::default()
    };
    admin.suspend_token(request).await.unwrap();
    let request = RevokeTokenRequest {
        token_id: revoked.token_id.clone(),
        ..Default::default()
    };
    admin.revoke_token(request).await.unwrap();
    world.person(ACME, "timed", &powerful).await;
    let timed = CreateTokenRequest {
        permissions: texts(&powerful),
        ..asking(ACME, "timed")
    };
    let (short, expired) = world
        .token(CreateTokenRequest {
            lifetime: "1s".into(),
            ..timed.clone()
        })
        .await;
    let (_, early) = world
        .token(CreateTokenRequest {
            not_before: crate::world::later(short.create_time, 3600),
            ..timed
        })
        .await;
    pass(Duration::from_millis(1100)).await;

    vec![
        (Who::Nobody, None),
        (Who::Garbage, Some("garbage".into())),
        (
            Who::WrongSecret,
            Some(crate::token::forged(&administrator.secret)),
        ),
        (Who::UnknownToken, Some(crate::token::UNKNOWN.into())),
        (Who::Ordinary, secret(ordinary)),
        (Who::Verifier, secret(verifier)),
        (Who::TokensAdmin, secret(administrator)),
        (Who::DirectoryReader, secret(reader)),
        (Who::DirectoryAdmin, secret(directory)),
        (Who::RivalTokensAdmin, secret(rival)),
        (Who::RivalDirectoryAdmin, secret(rival_directory)),
        (Who::Operator, Some(world.server.operator_secret())),
        (Who::Suspended, secret(suspended)),
        (Who::Expired, Some(expired)),
        (Who::Revoked, secret(revoked)),
        (Who::NotYetValid, Some(early)),
    ]
}
