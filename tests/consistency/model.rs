//! What a verdict depends on in these tests, and the one right answer for each state of it.

use token_authority::proto::v1::{Verdict, VerifyResponse};

/// What users may do, unless their type was narrowed.
pub(crate) const READ: &str = "doc:read";
/// What the user type grants that the user does not have. So nobody may do it at any revision: whoever may was judged by the
/// user as it was and the user type as it became, or the other way round.
pub(crate) const VAULT: &str = "vault:open";
/// Another one for each change of a user type, so that an answer tells which one it was given by.
const MARK: &str = "mark:g";

/// The two user types of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    A,
    B,
}

/// What a user type grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) reads: bool,
    pub(crate) opens_vault: bool,
    pub(crate) mark: u32,
}

/// A library, its one user and its two user types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) library_disabled: bool,
    pub(crate) user_disabled: bool,
    pub(crate) assigned: Option<Which>,
    pub(crate) a: Rights,
    pub(crate) b: Rights,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenState {
    Active,
    Suspended,
    Revoked,
    /// It was never made.
    Unknown,
}

/// What a check demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    Read,
    Vault,
}

/// What an answer to Verify says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// VALID by this user type, which grants this.
    Valid(Which, Rights),
    /// VALID by something that is no user type of these tests.
    Odd,
    Refused(Verdict),
}

// === impl Which ===

impl Which {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Which::A => "type-a",
            Which::B => "type-b",
        }
    }

    pub(crate) fn other(self) -> Which {
        match self {
            Which::A => Which::B,
            Which::B => Which::A,
        }
    }

    fn named(name: &str) -> Option<Which> {
        [Which::A, Which::B].into_iter().find(|w| w.name() == name)
    }
}

// === impl Rights ===

impl Rights {
    pub(crate) fn permissions(self) -> Vec<String> {
        let mut permissions = vec![format!("{MARK}{}", self.mark)];
        permissions.extend(self.reads.then(|| READ.to_owned()));
        permissions.extend(self.opens_vault.then(|| VAULT.to_owned()));
        permissions
    }

    /// The inverse; `None` for what no user type grants.
    fn of(permissions: &[String]) -> Option<Rights> {
        let mut marks = permissions.iter().filter_map(|p| p.strip_prefix(MARK));
        let rights = Rights {
            reads: permissions.iter().any(|p| p == READ),
            opens_vault: permissions.iter().any(|p| p == VAULT),
            mark: marks.next()?.parse().ok()?,
        };
        (rights.permissions().len() == permissions.len()).then_some(rights)
    }

    fn grant(self, demand: Demand) -> bool {
        match demand {
            Demand::Read => self.reads,
            Demand::Vault => self.opens_vault,
        }
    }
}

// === impl Directory ===

impl Directory {
    /// All active; the user has type A, and B grants what nobody may.
    pub(crate) fn new() -> Directory {
        let rights = |opens_vault, mark| Rights {
            reads: true,
            opens_vault,
            mark,
        };
        Directory {
            library_disabled: false,
            user_disabled: false,
            assigned: Some(Which::A),
            a: rights(false, 1),
            b: rights(true, 2),
        }
    }

    pub(crate) fn rights(&self, which: Which) -> Rights {
        match which {
            Which::A => self.a,
            Which::B => self.b,
        }
    }

    pub(crate) fn with(mut self, which: Which, rights: Rights) -> Directory {
        match which {
            Which::A => self.a = rights,
            Which::B => self.b = rights,
        }
        self
    }

    /// The right answer for a token in this state, in the order in which it is judged.
    pub(crate) fn judge(&self, token: TokenState, pin: Option<Which>, demand: Demand) -> Found {
        let refused = match token {
            TokenState::Unknown => Some(Verdict::NotFound),
            TokenState::Revoked => Some(Verdict::Revoked),
            TokenState::Suspended => Some(Verdict::Suspended),
            TokenState::Active if self.library_disabled => Some(Verdict::LibraryDisabled),
            TokenState::Active if self.user_disabled => Some(Verdict::UserDisabled),
            TokenState::Active if pin.is_some() && pin != self.assigned => {
                Some(Verdict::AssignmentRemoved)
            }
            TokenState::Active => None,
        };
        match (refused, self.assigned) {
            (Some(verdict), _) => Found::Refused(verdict),
            (None, Some(which)) if self.rights(which).grant(demand) => {
                Found::Valid(which, self.rights(which))
            }
            (None, _) => Found::Refused(Verdict::MissingPermission),
        }
    }
}

// === impl Demand ===

impl Demand {
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Demand::Read => READ,
            Demand::Vault => VAULT,
        }
    }
}

// === impl Found ===

impl Found {
    pub(crate) fn in_answer(answer: &VerifyResponse) -> Found {
        let verdict = answer.verdict();
        if verdict != Verdict::Valid {
            return Found::Refused(verdict);
        }
        let which = match answer.assignments.as_slice() {
            [only] => Which::named(&only.user_type),
            _ => None,
        };
        let rights = Rights::of(&answer.permissions);
        which
            .zip(rights)
            .map_or(Found::Odd, |(which, rights)| Found::Valid(which, rights))
    }

    pub(crate) fn is_valid(self) -> bool {
        !matches!(self, Found::Refused(_))
    }
}
