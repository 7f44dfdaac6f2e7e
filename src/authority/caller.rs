//! Callers. Verifying is authenticating: a caller's credential is a token of this authority, judged by the same judge, with
//! a reserved permission as the demand.

mod authorised;
mod oneself;

pub use self::authorised::Authorised;
pub use self::oneself::Oneself;
use super::Authority;
use super::cidr::Address;
use super::directory::{SYSTEM, UserKind};
use super::error::{Error, Reason};
use super::grant::Rights;
use super::index::{Directory, Lookup, UserSlot, View};
use super::judge::{self, Demand, UserFacts, Verdict};
use super::keyspace;
use super::moment::{Moment, Now};
use super::name::Name;
use super::permission::{Permission, Reserved, ReservedSet};
use super::secret::{Secret, TokenId};
use super::uses::{Note, Service};
use super::verify::Scope;
use crate::store::Precondition;

/// The `api` that a token used as a credential here is judged for.
pub(super) const OWN_API: &str = "token-authority";

/// What a call demands of its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The right; `None` where it is enough to be somebody.
    pub right: Option<Reserved>,
    /// The user whose rights count instead, named by a backend that holds `tokens:act-as`.
    pub acting_for: Option<Name>,
    /// Where the call comes from.
    pub address: Address,
}

/// Somebody whose secret has proved right, and what the call demands of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token presented.
    pub token_id: TokenId,
    /// What the call demands.
    pub access: Access,
    /// Its library; of an operator, `system`.
    pub library: Name,
    /// Its user.
    pub user: Name,
    /// Whose tokens it may verify.
    pub scope: Scope,
}

impl Authority {
    /// Judges a credential for a call.
    ///
    /// # Errors
    /// [`Reason::CredentialRefused`] with the verdict once the secret has proved right; [`Reason::PermissionDenied`] for a good
    /// token without the right; [`Reason::SelfServiceDenied`] for one whose user doesn't serve itself.
    pub async fn authenticate(
        &self,
        credential: &str,
        access: Access,
        now: Now,
    ) -> Result<Caller, Error> {
        let secret = Secret::parse(credential).map_err(|_| refused(None))?;
        let (standing, caller, (library, is_session)) = self
            .with_proven(&secret, |state, view, _| {
                let view = view.ok_or_else(|| refused(None))?;
                let standing = Standing::of(state.directory(), view, &access, now.time).map(drop);
                let library = view.library.library.clone();
                let scope = if library.as_str() == SYSTEM {
                    Scope::All
                } else {
                    Scope::Library(view.library.uid)
                };
                let caller = Caller {
                    token_id: secret.id,
                    access: access.clone(),
                    library,
                    user: view.user.user.clone(),
                    scope,
                };
                let token = (view.library.uid, view.token.is_session());
                Ok::<_, Error>((standing, caller, token))
            })
            .await??;
        let verdict = match &standing {
            Ok(()) => Some(Verdict::Valid),
            // A good token that lacks a right was neither used nor refused for what it is.
            Err(error) => error.verdict(),
        };
        if let Some(verdict) = verdict {
            self.uses.note(&Note {
                id: secret.id,
                library,
                is_session,
                verdict,
                demanded: &[],
                right: access.demanded(),
                client_ip: Some(access.address),
                by: Service::Own,
                time: self.logged(now),
                ahead: now.ahead(),
            });
        }
        standing.map(|()| caller)
    }

    /// Judges a caller again, by its id: its rights as they are now.
    pub fn authorise(&self, caller: &Caller, now: Moment) -> Result<Authorised, Error> {
        let state = self.index.read()?;
        let Lookup::Known(view) = state.token(caller.token_id) else {
            return Err(refused(None));
        };
        let standing = Standing::of(state.directory(), &view, &caller.access, now)?;
        Ok(standing.authorised(&view, &caller.access))
    }
}

/// Whose rights a call has, and which.
struct Standing<'a> {
    user: &'a UserSlot,
    facts: &'a UserFacts,
    held: ReservedSet,
}

// === impl Standing ===

impl<'a> Standing<'a> {
    fn of(
        directory: &'a Directory,
        view: &View<'a>,
        access: &Access,
        now: Moment,
    ) -> Result<Standing<'a>, Error> {
        let standing = match &access.acting_for {
            None => {
                let rights = rights(view, access.right, access.address, now)?;
                let facts = view.records.user.ok_or_else(|| refused(None))?;
                Standing {
                    user: view.user,
                    facts,
                    held: rights.reserved(),
                }
            }
            Some(name) => {
                rights(view, Some(Reserved::TokensActAs), access.address, now)?;
                let standing = Standing::of_user(directory, view, name)?;
                match access.right {
                    Some(right) if !standing.held.contains(right) => {
                        return Err(lacks("the user in ta-acting-user", right));
                    }
                    _ => standing,
                }
            }
        };
        let refused = match (access.right, standing.facts.kind) {
            (Some(right), UserKind::Contact) => right.is_self_service(),
            (Some(Reserved::TokensSelf), UserKind::ApiOnly) => {
                !standing.held.contains(Reserved::TokensAdmin)
            }
            (None, _) | (_, UserKind::ApiOnly | UserKind::Standard) => false,
        };
        if refused {
            return Err(Error::new(
                Reason::SelfServiceDenied,
                "systems and contacts don't manage their own tokens; ask an administrator of the library",
            ));
        }
        Ok(standing)
    }

    /// The rights of a user that a backend acts for: all that it has, but not to act for others in turn.
    fn of_user(
        directory: &'a Directory,
        view: &View<'a>,
        name: &Name,
    ) -> Result<Standing<'a>, Error> {
        let user = view.library.user_named(name.as_str());
        let user = user.map(|slot| directory.user(slot));
        let (user, facts) = user
            .and_then(|u| Some((u, u.facts.as_ref()?)))
            .filter(|(_, facts)| facts.kind == UserKind::Standard && !facts.disabled)
            .ok_or_else(|| {
                Error::new(
                    Reason::PermissionDenied,
                    "ta-acting-user must name an active standard user of the credential's own library",
                )
            })?;
        let types = facts
            .assignments
            .iter()
            .filter_map(|a| view.records.user_types.get(&a.user_type));
        let held = types.fold(ReservedSet::default(), |held, found| {
            held.union(found.value.permissions.reserved.held())
        });
        Ok(Standing {
            user,
            facts,
            held: held.without(ReservedSet::of(&[Reserved::TokensActAs])),
        })
    }

    fn serves_itself(&self) -> bool {
        self.facts.kind == UserKind::Standard
    }

    fn authorised(&self, view: &View<'_>, access: &Access) -> Authorised {
        let acting = access.acting_for.is_some();
        let mut basis = basis(view);
        if acting {
            basis.extend(user_basis(view, self.user, self.facts));
        }
        Authorised {
            token_id: view.token.id,
            library: view.library.library.clone(),
            library_uid: view.library.uid,
            user: self.user.user.clone(),
            user_uid: self.user.uid,
            acting: acting.then(|| (view.user.user.clone(), view.user.uid)),
            address: access.address,
            held: self.held,
            grant: (!acting).then(|| view.records.grant.clone()),
            serves_itself: self.serves_itself(),
            basis,
        }
    }
}

// === impl Access ===

impl Access {
    /// What is demanded of the token presented itself.
    fn demanded(&self) -> Option<Reserved> {
        match self.acting_for {
            None => self.right,
            Some(_) => Some(Reserved::TokensActAs),
        }
    }
}

// === impl Caller ===

impl Caller {
    /// As what it is noted where it asks about a token.
    pub(super) fn service(&self) -> Service<'_> {
        Service::User(&self.library, &self.user)
    }

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

/// The rights of a token used as a credential here, if they include the one demanded.
fn rights<'a>(
    view: &View<'a>,
    right: Option<Reserved>,
    address: Address,
    now: Moment,
) -> Result<Rights<'a>, Error> {
    let demand = Demand {
        permissions: right.map(Permission::from).into_iter().collect(),
        api: Name::parse(OWN_API).ok(),
        client_ip: Some(address),
        // Reserved permissions hold in the whole library, so a pinned department restricts nothing here.
        confines_department: true,
        // Self-service refuses contacts, and says who can help them. To be told who one is shows no customer's data.
        confines_data_owner: right.is_none_or(Reserved::is_self_service),
        ..Demand::default()
    };
    judge::judge(view.records, &demand, now).map_err(|verdict| match (verdict, right) {
        (Verdict::MissingPermission, Some(right)) => lacks("the credential", right),
        (verdict, _) => refused(Some(verdict)),
    })
}

fn lacks(who: &str, right: Reserved) -> Error {
    let enough: Vec<&str> = right.included_in().map(Reserved::as_str).collect();
    Error::new(
        Reason::PermissionDenied,
        format!(
            "{who} lacks {}; a user type of its user and, of a token, its grant must list it",
            enough.join(" or ")
        ),
    )
}

pub(super) fn only_operators(is_operator: bool, what: &str) -> Result<(), Error> {
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
        basis.extend(user_basis(view, view.user, user));
    }
    basis
}

/// A user of the credential's library, and its user types, at the revisions at which they were read.
fn user_basis(view: &View<'_>, user: &UserSlot, facts: &UserFacts) -> Vec<Precondition> {
    let place = keyspace::user(view.library.uid, &user.user);
    let mut basis = vec![Precondition::At(place, facts.revision)];
    for name in facts.assignments.iter().map(|a| &a.user_type) {
        if let Some(found) = view.records.user_types.get(name) {
            let place = keyspace::user_type(view.library.uid, name);
            basis.push(Precondition::At(place, found.revision));
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
