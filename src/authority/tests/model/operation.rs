//! What may happen, and how often.

use super::applying::ApplyPolicy;
use super::change::{Pick, USERS};
use super::ending::{RevealToken, RevokeAll, RevokeToken};
use super::finding::{ListEvents, ListTokens};
use super::imports::ImportToken;
use super::libraries::{CreateLibrary, DeleteLibrary, UpdateLibrary};
use super::logins::{OpenSession, SetPassword};
use super::records::{Model, Text};
use super::reviewing::Review;
use super::time::Time;
use super::token_changes::CreateToken;
use super::token_states::{ExtendToken, ResumeToken, RotateToken, SuspendToken};
use super::updating::UpdateToken;
use super::user_types::{CreateUserType, DeleteUserType, UpdateUserType};
use super::users::{CreateUser, DeleteUser, UpdateUser};
use super::verifying::Verify;
use super::watching::Watch;
use crate::authority::tests::dice::Dice;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) by: Who,
    pub(super) from: Text,
    pub(super) acting_for: Option<Text>,
    pub(super) request: Option<u8>,
    /// Whether its caller is made able to work first.
    pub(super) mended: bool,
    pub(super) operation: Operation,
}

/// Whose token is presented.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    Staff(Role),
    /// Whoever holds this token.
    Holder(Pick),
}

/// Who works here: each has a user of this name, and a token with all its reserved rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Operator,
    /// `acme/adam`.
    Administrator,
    /// `acme/dora`.
    Director,
    /// `acme/jane`.
    Clerk,
    /// `acme/portal`, which acts for others.
    Portal,
    /// `globex/adam`.
    Stranger,
    /// `acme/carl`, a customer's person.
    Contact,
    /// `acme/bot`, a system.
    Machine,
}

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Verify(Verify),
    CreateToken(CreateToken),
    UpdateToken(UpdateToken),
    ExtendToken(ExtendToken),
    SuspendToken(SuspendToken),
    ResumeToken(ResumeToken),
    RotateToken(RotateToken),
    RevokeToken(RevokeToken),
    RevokeMany(Vec<RevokeToken>),
    RevokeAll(RevokeAll),
    RevealToken(RevealToken),
    GetToken(Pick),
    CreateLibrary(CreateLibrary),
    UpdateLibrary(UpdateLibrary),
    DeleteLibrary(DeleteLibrary),
    CreateUserType(CreateUserType),
    UpdateUserType(UpdateUserType),
    DeleteUserType(DeleteUserType),
    CreateUser(CreateUser),
    UpdateUser(UpdateUser),
    DeleteUser(DeleteUser),
    SetPassword(SetPassword),
    OpenSession(OpenSession),
    ListTokens(ListTokens),
    ListEvents(ListEvents),
    /// An earlier call with a request id once more, with the same payload or another one.
    Repeat {
        back: usize,
        same_payload: bool,
    },
    Pass(Time),
    /// The store is closed and opened again, with so many tokens loaded at first.
    Restart {
        loaded: usize,
        /// Nothing is written before.
        killed: bool,
    },
    /// What was noted of uses is written.
    KeepUses,
    /// A change of a policy that is only rehearsed, and what it would hit.
    TryPolicy(UpdateLibrary),
    ApplyPolicy(ApplyPolicy),
    ImportToken(ImportToken),
    /// Upkeep tells what has expired, and what is about to.
    TellDue,
    /// Upkeep tells of refused uses.
    TellRefused,
    Watch(Watch),
    Review(Review),
    Load,
    Sweep,
    /// The operator disables and deletes this library.
    Raze(Text),
    /// Whatever keeps this one from working is mended by the operator.
    Mend(Role),
}

/// Every name that is counted under [`Operation::name`].
pub(super) const OPERATIONS: [Text; 40] = [
    "verify",
    "create-token",
    "update-token",
    "extend-token",
    "suspend-token",
    "resume-token",
    "rotate-token",
    "revoke-token",
    "revoke-many",
    "revoke-all",
    "reveal-token",
    "get-token",
    "create-library",
    "update-library",
    "delete-library",
    "create-user-type",
    "update-user-type",
    "delete-user-type",
    "create-user",
    "update-user",
    "delete-user",
    "set-password",
    "open-session",
    "list-tokens",
    "list-events",
    "repeat",
    "pass",
    "restart",
    "load",
    "sweep",
    "mend",
    "raze",
    "keep-uses",
    "try-policy",
    "apply-policy",
    "import-token",
    "tell-due",
    "tell-refused",
    "watch",
    "review",
];
/// How often each of them is chosen, of the sum. Argon2 takes long, and a restart or a list looks at everything.
const WEIGHTS: [usize; 40] = [
    320, 130, 50, 40, 35, 35, 50, 25, 6, 12, 20, 20, 8, 22, 6, 10, 14, 10, 20, 30, 8, 1, 2, 16, 8,
    25, 60, 4, 8, 4, 20, 2, 4, 8, 5, 25, 8, 6, 4, 5,
];

/// Whom a backend acts for.
const SERVED: [Text; 6] = ["jane", "ann", "adam", USERS[7], "bot", "jane"];

// === impl Step ===

impl Step {
    pub(super) fn of(bytes: [u8; 32]) -> Step {
        Step::any(&mut Dice(bytes.to_vec()))
    }

    fn any(dice: &mut Dice) -> Step {
        let operation = Operation::any(dice);
        let by = match dice.roll() {
            roll @ 200.. => Who::Holder(Pick::Recent(roll - 200)),
            _ => Who::Staff(dice.weighted(operation.callers())),
        };
        let acting_for = match by {
            Who::Staff(Role::Portal) if dice.roll() < 230 => Some(dice.one(&SERVED)),
            // An operator may act for another, here for itself.
            Who::Staff(Role::Operator) if dice.roll() >= 235 => Some("root"),
            _ if dice.roll() == 255 => Some(dice.one(&SERVED)),
            _ => None,
        };
        Step {
            by,
            from: dice.weighted(&[(12, "192.0.2.1"), (1, "10.0.0.5")]),
            acting_for,
            request: dice.chance(25).then(|| dice.one(&[1, 2, 3])),
            mended: !dice.chance(15),
            operation,
        }
    }
}

// === impl Operation ===

impl Operation {
    fn any(dice: &mut Dice) -> Operation {
        let numbered: Vec<(usize, usize)> = WEIGHTS.into_iter().zip(0..).collect();
        match OPERATIONS[dice.weighted(&numbered)] {
            "verify" => Operation::Verify(Verify::any(dice)),
            "create-token" => Operation::CreateToken(CreateToken::any(dice)),
            "update-token" => Operation::UpdateToken(UpdateToken::any(dice)),
            "extend-token" => Operation::ExtendToken(ExtendToken::any(dice)),
            "suspend-token" => Operation::SuspendToken(SuspendToken::any(dice)),
            "resume-token" => Operation::ResumeToken(ResumeToken::any(dice)),
            "rotate-token" => Operation::RotateToken(RotateToken::any(dice)),
            "revoke-token" => Operation::RevokeToken(RevokeToken::any(dice)),
            "revoke-many" => {
                let count = dice.roll() % 4;
                Operation::RevokeMany((0..count).map(|_| RevokeToken::any(dice)).collect())
            }
            "revoke-all" => Operation::RevokeAll(RevokeAll::any(dice)),
            "reveal-token" => Operation::RevealToken(RevealToken::any(dice)),
            "get-token" => Operation::GetToken(Pick::any(dice)),
            "create-library" => Operation::CreateLibrary(CreateLibrary::any(dice)),
            "update-library" => Operation::UpdateLibrary(UpdateLibrary::any(dice)),
            "delete-library" => Operation::DeleteLibrary(DeleteLibrary::any(dice)),
            "create-user-type" => Operation::CreateUserType(CreateUserType::any(dice)),
            "update-user-type" => Operation::UpdateUserType(UpdateUserType::any(dice)),
            "delete-user-type" => Operation::DeleteUserType(DeleteUserType::any(dice)),
            "create-user" => Operation::CreateUser(CreateUser::any(dice)),
            "update-user" => Operation::UpdateUser(UpdateUser::any(dice)),
            "delete-user" => Operation::DeleteUser(DeleteUser::any(dice)),
            "set-password" => Operation::SetPassword(SetPassword::any(dice)),
            "open-session" => Operation::OpenSession(OpenSession::any(dice)),
            "list-tokens" => Operation::ListTokens(ListTokens::any(dice)),
            "list-events" => Operation::ListEvents(ListEvents::any(dice)),
            "repeat" => Operation::Repeat {
                back: dice.roll() % 4,
                same_payload: !dice.chance(15),
            },
            "pass" => Operation::Pass(Time::any(dice)),
            "restart" => Operation::Restart {
                loaded: dice.roll(),
                killed: dice.chance(40),
            },
            "keep-uses" => Operation::KeepUses,
            "try-policy" => Operation::TryPolicy(UpdateLibrary::any(dice)),
            "apply-policy" => Operation::ApplyPolicy(ApplyPolicy::any(dice)),
            "import-token" => Operation::ImportToken(ImportToken::any(dice)),
            "tell-due" => Operation::TellDue,
            "tell-refused" => Operation::TellRefused,
            "watch" => Operation::Watch(Watch::any(dice)),
            "review" => Operation::Review(Review::any(dice)),
            "load" => Operation::Load,
            "sweep" => Operation::Sweep,
            "mend" => Operation::Mend(dice.one(&ROLES)),
            "raze" => Operation::Raze(dice.one(&["globex", "acme"])),
            other => panic!("{other}"),
        }
    }

    /// Its name, one of [`OPERATIONS`].
    pub(super) fn name(&self) -> Text {
        let at = match self {
            Operation::Verify(_) => 0,
            Operation::CreateToken(_) => 1,
            Operation::UpdateToken(_) => 2,
            Operation::ExtendToken(_) => 3,
            Operation::SuspendToken(_) => 4,
            Operation::ResumeToken(_) => 5,
            Operation::RotateToken(_) => 6,
            Operation::RevokeToken(_) => 7,
            Operation::RevokeMany(_) => 8,
            Operation::RevokeAll(_) => 9,
            Operation::RevealToken(_) => 10,
            Operation::GetToken(_) => 11,
            Operation::CreateLibrary(_) => 12,
            Operation::UpdateLibrary(_) => 13,
            Operation::DeleteLibrary(_) => 14,
            Operation::CreateUserType(_) => 15,
            Operation::UpdateUserType(_) => 16,
            Operation::DeleteUserType(_) => 17,
            Operation::CreateUser(_) => 18,
            Operation::UpdateUser(_) => 19,
            Operation::DeleteUser(_) => 20,
            Operation::SetPassword(_) => 21,
            Operation::OpenSession(_) => 22,
            Operation::ListTokens(_) => 23,
            Operation::ListEvents(_) => 24,
            Operation::Repeat { .. } => 25,
            Operation::Pass(_) => 26,
            Operation::Restart { .. } => 27,
            Operation::Load => 28,
            Operation::Sweep => 29,
            Operation::Mend(_) => 30,
            Operation::Raze(_) => 31,
            Operation::KeepUses => 32,
            Operation::TryPolicy(_) => 33,
            Operation::ApplyPolicy(_) => 34,
            Operation::ImportToken(_) => 35,
            Operation::TellDue => 36,
            Operation::TellRefused => 37,
            Operation::Watch(_) => 38,
            Operation::Review(_) => 39,
        };
        OPERATIONS[at]
    }

    /// Who asks for it, and how often.
    fn callers(&self) -> &'static [(usize, Role)] {
        use Role::{Administrator, Clerk, Contact, Director, Machine, Operator, Portal, Stranger};
        let of_library = match self {
            Operation::UpdateLibrary(update) | Operation::TryPolicy(update) => {
                update.disabled.is_none()
                    && update.tokens_enabled.is_none()
                    && update.tenant.is_none()
            }
            Operation::CreateLibrary(_) | Operation::DeleteLibrary(_) => false,
            Operation::OpenSession(_) => {
                return &[(3, Director), (3, Administrator), (1, Operator), (1, Clerk)];
            }
            Operation::CreateUserType(_)
            | Operation::UpdateUserType(_)
            | Operation::DeleteUserType(_)
            | Operation::CreateUser(_)
            | Operation::UpdateUser(_)
            | Operation::DeleteUser(_)
            | Operation::SetPassword(_) => true,
            _ => {
                return &[
                    (4, Administrator),
                    (3, Operator),
                    (4, Clerk),
                    (3, Portal),
                    (1, Stranger),
                    (1, Director),
                    (1, Contact),
                    (1, Machine),
                ];
            }
        };
        if of_library {
            &[
                (4, Administrator),
                (4, Operator),
                (3, Director),
                (1, Clerk),
                (1, Portal),
                (1, Stranger),
            ]
        } else {
            &[(10, Operator), (1, Administrator)]
        }
    }

    /// Means the same tokens for good.
    pub(super) fn fix(&mut self, model: &Model) {
        let picks: Vec<&mut Pick> = match self {
            Operation::UpdateToken(c) => vec![&mut c.token],
            Operation::ExtendToken(c) => vec![&mut c.token],
            Operation::SuspendToken(c) => vec![&mut c.token],
            Operation::ResumeToken(c) => vec![&mut c.token],
            Operation::RotateToken(c) => vec![&mut c.token],
            Operation::RevokeToken(c) => vec![&mut c.token],
            Operation::RevokeMany(many) => many.iter_mut().map(|c| &mut c.token).collect(),
            Operation::RevealToken(c) => vec![&mut c.token],
            Operation::Verify(verify) => vec![&mut verify.token],
            Operation::GetToken(token) => vec![token],
            _ => Vec::new(),
        };
        for pick in picks {
            pick.fix(model);
        }
    }
}

/// All who work here but the operator, whom nobody but a restart can help.
pub(super) const ROLES: [Role; 7] = [
    Role::Administrator,
    Role::Clerk,
    Role::Director,
    Role::Portal,
    Role::Stranger,
    Role::Contact,
    Role::Machine,
];
