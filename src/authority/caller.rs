//! Callers. Verifying is authenticating: a caller's credential is a token of this authority, judged by the same judge, with
//! a reserved permission as the demand.

use super::Authority;
use super::cidr::Address;
use super::directory::{SYSTEM, Uid};
use super::error::{Error, Reason};
use super::grant::Rights;
use super::index::{Lookup, View};
use super::judge::{self, Demand, Verdict};
use super::keyspace;
use super::moment::Moment;
use super::name::Name;
use super::permission::{Permission, Reserved, ReservedSet};
use super::secret::{Secret, TokenId};
use super::verify::Scope;
use crate::store::Precondition;

/// The `api` that a token used as a credential here is judged for.
pub(super) const OWN_API: &str = "token-authority";

/// Somebody whose secret has proved right, and what the call demands of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token presented.
    pub token_id: TokenId,
    /// What the call demands.
    pub right: Reserved,
    /// Where it comes from.
    pub address: Address,
    /// Its library; of an operator, `system`.
    pub library: Name,
    /// Whose tokens it may verify.
    pub scope: Scope,
}

/// A caller as it stands at this moment, and all that this was read from.
#[derive(Debug, Clone)]
pub struct Authorised {
    /// The token presented.
    pub token_id: TokenId,
    /// Its library.
    pub library: Name,
    /// Its library's uid.
    pub library_uid: Uid,
    /// Its user.
    pub user: Name,
    /// Its user's uid.
    pub user_uid: Uid,
    /// Where it comes from.
    pub address: Address,
    /// The reserved permissions in effect.
    pub held: ReservedSet,
    /// Every record that this was read from: what must not have changed when a command commits.
    pub basis: Vec<Precondition>,
}

impl Authority {
    /// Judges a credential for a call. `address` is the peer's.
    ///
    /// # Errors
    /// [`Reason::CredentialRefused`] with the verdict once the secret has proved right; [`Reason::PermissionDenied`] for a good
    /// token without the right.
    pub async fn authenticate(
        &self,
        credential: &str,
        right: Reserved,
        address: Address,
        now: Moment,
    ) -> Result<Caller, Error> {
        let secret = Secret::parse(credential).map_err(|_| refused(None))?;
        self.with_proven(&secret, |view, _| {
            let view = view.ok_or_else(|| refused(None))?;
            rights(view, right, address, now)?;
            let library = view.library.library.clone();
            let scope = if library.as_str() == SYSTEM {
                Scope::All
            } else {
                Scope::Library(view.library.uid)
            };
            Ok(Caller {
                token_id: secret.id,
                right,
                address,
                library,
                scope,
            })
        })
        .await?
    }

    /// Judges a caller again, by its id: its rights as they are now.
    pub fn authorise(&self, caller: &Caller, now: Moment) -> Result<Authorised, Error> {
        let state = self.index.read()?;
        match state.token(caller.token_id) {
            Lookup::Known(view) => {
                let rights = rights(&view, caller.right, caller.address, now)?;
                Ok(Authorised {
                    token_id: caller.token_id,
                    library: view.library.library.clone(),
                    library_uid: view.library.uid,
                    user: view.user.user.clone(),
                    user_uid: view.user.uid,
                    address: caller.address,
                    held: rights.reserved(),
                    basis: basis(&view),
                })
            }
            _ => Err(refused(None)),
        }
    }
}

// === impl Caller ===

impl Caller {
    /// The library that a call is about: the one named, or the caller's own for an empty name.
    ///
    /// # Errors
    /// [`Reason::PermissionDenied`] for a library that is not the caller's, whether it exists or not.
    pub fn reach(&self, library: &str) -> Result<Name, Error> {
        if library.is_empty() || library == self.library.as_str() {
            return Ok(self.library.clone());
        }
        if self.scope != Scope::All {
            return Err(Error::new(
                Reason::PermissionDenied,
                "the credential is good for its own library alone; leave `library` empty, or use one of that library",
            ));
        }
        Name::parse(library).map_err(|why| Error::invalid("library", why.to_string()))
    }

    /// Fails unless it is an operator.
    pub fn demand_operator(&self, what: &str) -> Result<(), Error> {
        only_operators(self.scope == Scope::All, what)
    }
}

// === impl Authorised ===

impl Authorised {
    /// Whether it is a user of the library `system`: its credentials hold in every library.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.library.as_str() == SYSTEM
    }

    /// As it is recorded: `library/user`.
    #[must_use]
    pub fn actor(&self) -> String {
        format!("{}/{}", self.library, self.user)
    }

    /// Fails unless it is an operator.
    pub fn demand_operator(&self, what: &str) -> Result<(), Error> {
        only_operators(self.is_operator(), what)
    }

    /// Fails if it holds less than it would convey; `tokens:act-as` only operators convey.
    pub fn demand_held(&self, conveyed: ReservedSet) -> Result<(), Error> {
        let act_as = ReservedSet::of(&[Reserved::TokensActAs]);
        if !self.is_operator() && !conveyed.intersect(act_as).is_empty() {
            return Err(Error::new(
                Reason::ReservedPermission,
                "only operators convey tokens:act-as; ask one",
            ));
        }
        let missing: Vec<&str> = conveyed
            .held()
            .without(self.held)
            .iter()
            .map(Reserved::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            Reason::ReservedPermission,
            format!(
                "nobody conveys a reserved permission that they don't hold: {}",
                missing.join(", ")
            ),
        ))
    }
}

/// The rights of a token used as a credential here, if they include the one demanded.
fn rights<'a>(
    view: &View<'a>,
    right: Reserved,
    address: Address,
    now: Moment,
) -> Result<Rights<'a>, Error> {
    let demand = Demand {
        permissions: vec![Permission::from(right)],
        api: Name::parse(OWN_API).ok(),
        client_ip: Some(address),
        // Reserved permissions hold in the whole library, so a pinned department restricts nothing here.
        confines_department: true,
        ..Demand::default()
    };
    judge::judge(view.records, &demand, now).map_err(|verdict| match verdict {
        Verdict::MissingPermission => Error::new(
            Reason::PermissionDenied,
            format!(
                "the credential lacks {}; its user type and its grant must both list it",
                right.as_str()
            ),
        ),
        verdict => refused(Some(verdict)),
    })
}

fn only_operators(is_operator: bool, what: &str) -> Result<(), Error> {
    if is_operator {
        return Ok(());
    }
    let why = format!("only operators may {what}; ask one");
    Err(Error::new(Reason::PermissionDenied, why))
}

/// Every record that a judgement reads, at the revision at which it was read.
fn basis(view: &View<'_>) -> Vec<Precondition> {
    let mut basis = vec![Precondition::At(
        keyspace::token(view.token.id),
        view.token.revision,
    )];
    if let Some(library) = view.records.library {
        basis.push(Precondition::At(
            keyspace::library(library.value.library.as_str()),
            library.revision,
        ));
    }
    if let Some(user) = view.records.user {
        basis.push(Precondition::At(
            keyspace::user(view.library.uid, &view.user.user),
            user.revision,
        ));
        for name in user.assignments.iter().map(|a| &a.user_type) {
            if let Some(facts) = view.records.user_types.get(name) {
                basis.push(Precondition::At(
                    keyspace::user_type(view.library.uid, name),
                    facts.revision,
                ));
            }
        }
    }
    basis
}

fn refused(verdict: Option<Verdict>) -> Error {
    match verdict {
        None => Error::new(
            Reason::CredentialRefused,
            "the credential is not a token of this authority; send `authorization: Bearer <token>` with one that is",
        ),
        Some(verdict) => Error::new(
            Reason::CredentialRefused,
            format!("the credential is not good: {}", verdict.advice()),
        )
        .with("verdict", verdict.as_str()),
    }
}
