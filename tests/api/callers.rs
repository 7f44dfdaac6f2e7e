//! Who may call what: every method of the API, called by everybody.

use std::time::Duration;

use token_authority::proto::v1::{
    AccessRight, CreateTokenRequest, ErrorReason, RevokeTokenRequest, SuspendTokenRequest, UserKind,
};

use crate::refusal::{reason_of, told};
use crate::schema::{self, PASSWORD, bytes, path, short};
use crate::wire::Wire;
use crate::world::{
    ACME, ADMIN, DIRECTORY_ADMIN, Member, RIVAL, SELF, VERIFY, World, asking, pass, texts,
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
    /// The user that the requests are about.
    Oneself,
    /// Another one, who manages its own tokens too.
    OtherPerson,
    /// A backend that acts for others, in the name of the user that the requests are about.
    ActingForOneself,
    /// The same without naming a user.
    ActingForNobody,
    /// A user that can't log in, with the right to serve itself.
    System,
    /// A customer's person, with the same right.
    Contact,
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
    /// Whether people may, for their own tokens.
    self_service: bool,
}

const TOKENS: &[Who] = &[Who::TokensAdmin, Who::Operator];
const READING: &[Who] = &[Who::DirectoryReader, Who::DirectoryAdmin, Who::Operator];
const WRITING: &[Who] = &[Who::DirectoryAdmin, Who::Operator];
const VERIFYING: &[Who] = &[Who::Verifier, Who::TokensAdmin, Who::Operator];
/// Everybody with a good credential is told who it is, whatever it may do.
const ANYBODY: &[Who] = &[
    Who::Ordinary,
    Who::Verifier,
    Who::TokensAdmin,
    Who::DirectoryReader,
    Who::DirectoryAdmin,
    Who::RivalTokensAdmin,
    Who::RivalDirectoryAdmin,
    Who::Oneself,
    Who::OtherPerson,
    Who::ActingForOneself,
    Who::ActingForNobody,
    Who::System,
    Who::Contact,
    Who::Operator,
];
/// A token of another library is the same as none.
const UNSEEN: &[(Who, ErrorReason)] = &[(Who::RivalTokensAdmin, ErrorReason::NotFound)];

fn rows() -> Vec<Row> {
    let row = |method, let_in| Row {
        method,
        let_in,
        foreign: &[],
        finds: Served,
        self_service: false,
    };
    let own = |row: Row| Row {
        self_service: true,
        ..row
    };
    let unseen = |method| Row {
        foreign: UNSEEN,
        ..own(row(method, TOKENS))
    };
    let finds = |row: Row, reason| Row {
        finds: Refused(reason),
        ..row
    };
    vec![
        own(row("TokenAdmin/CreateToken", TOKENS)),
        unseen("TokenAdmin/GetToken"),
        own(row("TokenAdmin/ListTokens", TOKENS)),
        unseen("TokenAdmin/UpdateToken"),
        unseen("TokenAdmin/ExtendToken"),
        unseen("TokenAdmin/SuspendToken"),
        unseen("TokenAdmin/ResumeToken"),
        unseen("TokenAdmin/RevokeToken"),
        // A system with `tokens:self` may rotate the token that it presents, and no other.
        Row {
            foreign: &[
                (Who::RivalTokensAdmin, ErrorReason::NotFound),
                (Who::System, ErrorReason::NotFound),
            ],
            ..own(row("TokenAdmin/RotateToken", TOKENS))
        },
        finds(unseen("TokenAdmin/RevealToken"), ErrorReason::NotRevealable),
        own(row("TokenAdmin/RevokeTokens", TOKENS)),
        row("TokenAdmin/ApplyPolicy", TOKENS),
        row("TokenAdmin/ImportTokens", TOKENS),
        row("TokenAdmin/OpenSession", VERIFYING),
        // Its user may serve itself, which an administrator of users alone may not: who sets a password can be its user.
        Row {
            foreign: &[(Who::DirectoryAdmin, ErrorReason::ReservedPermission)],
            ..own(row("TokenAdmin/SetPassword", &[Who::Operator]))
        },
        row("TokenAdmin/WhoAmI", ANYBODY),
        row("TokenAdmin/ListAuditEvents", TOKENS),
        row("TokenAdmin/ReviewTokens", TOKENS),
        row("TokenAdmin/WatchEvents", TOKENS),
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
        row("Keys/GetKeyStatus", &[Who::Operator]),
        row("Keys/RotateKey", &[Who::Operator]),
        // The first key has a successor by then, and all tokens hang on it.
        finds(row("Keys/RetireKey", &[Who::Operator]), ErrorReason::InUse),
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
        let foreign = self.foreign.iter().find(|(foreign, _)| *foreign == who);
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
            _ if let Some((_, reason)) = foreign => Refused(*reason),
            Who::Oneself | Who::ActingForOneself if self.self_service => self.finds.clone(),
            Who::OtherPerson if self.self_service => Refused(ErrorReason::NotFound),
            Who::System | Who::Contact if self.self_service => {
                Refused(ErrorReason::SelfServiceDenied)
            }
            // It may see one customer's data alone, and no other call of this API confines itself to that.
            Who::Contact => Judged("WRONG_DATA_OWNER"),
            _ => DENIED,
        }
    }
}

#[tokio::test]
async fn every_method_is_open_to_those_whom_its_row_lets_in_and_to_nobody_else() {
    let world = World::new().await;
    world.user_type(ACME, "subject", &["orders:read"]).await;
    world.user_type(ACME, "self-service", &[SELF]).await;
    world
        .user(ACME, "subject", &["subject", "self-service"])
        .await;
    world.password(ACME, "subject", PASSWORD).await;
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
            if *who == Who::ActingForOneself {
                wire = wire.header("ta-acting-user", "subject");
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
    let of_subject = CreateTokenRequest {
        access_right: AccessRight::Full.into(),
        permissions: texts(&[SELF]),
        ..asking(ACME, "subject")
    };
    let (_, oneself) = world.token(of_subject).await;
    let other = world.member(ACME, "other", &[SELF]).await;
    let portal = world.member(ACME, "portal", &["tokens:act-as"]).await;
    let system = world.of_kind(UserKind::ApiOnly).await;
    let contact = world.of_kind(UserKind::Contact).await;
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
        (Who::Oneself, Some(oneself)),
        (Who::OtherPerson, secret(other)),
        (Who::ActingForOneself, Some(portal.secret.clone())),
        (Who::ActingForNobody, secret(portal)),
        (Who::System, Some(system)),
        (Who::Contact, Some(contact)),
        (Who::Operator, Some(world.server.operator_secret())),
        (Who::Suspended, secret(suspended)),
        (Who::Expired, Some(expired)),
        (Who::Revoked, secret(revoked)),
        (Who::NotYetValid, Some(early)),
    ]
}
