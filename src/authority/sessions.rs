//! Logging in: passwords are set, and whoever knows one gets a session.
//!
//! Hashing takes long and can be asked for by anybody who guesses. So it is done before the command is planned, on threads of
//! its own, and only for those whom the counts of guesses let through. What was found then must still hold at the commit.

mod password;

use async_trait::async_trait;

pub use self::password::SetPassword;

use super::Authority;
use super::audit::AuditEvent;
use super::caller::Authorised;
use super::cidr::Address;
use super::directory::{Library, Uid, UserKind};
use super::error::{Error, Reason};
use super::guess::{Counted, Guess};
use super::hashers::Work;
use super::index::{LibrarySlot, UserSlot};
use super::judge::UserFacts;
use super::keyspace::{self, Stored, Versioned};
use super::moment::{Moment, Now};
use super::name::Name;
use super::password::{KeptPassword, Password, SlowHash};
use super::permission::{PermissionSet, Reserved, ReservedSet};
use super::policy::{expiry, leaves_room, tokens_allowed};
use super::secret::Secret;
use super::token::{AccessRight, Grant, Token, TokenKind};
use super::transaction::{Call, Command, Done, Plan};
use crate::store::{Change, Precondition, Revision};

/// A login.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// The library of the user; one that the caller reaches.
    pub library: Name,
    /// The user that logs in.
    pub user: Name,
    /// What was typed for its password.
    pub password: Password,
    /// The device that is logged in from, as people know it.
    pub device_name: String,
    /// The end client's address; `None` for the caller's.
    pub client_ip: Option<Address>,
}

/// A user whose password has proved right.
struct Login {
    asked: OpenSession,
    /// The user that it was.
    user_uid: Uid,
    /// The password that it was, by the revision at which it was set.
    password: Revision,
}

/// A user as the index knows it, and its library.
struct Account<'a> {
    slot: &'a LibrarySlot,
    library: &'a Versioned<Library>,
    user: Option<(&'a UserSlot, &'a UserFacts)>,
}

impl Authority {
    /// Opens a session for whoever knows a user's password.
    ///
    /// # Errors
    /// [`Reason::LoginRefused`] for a wrong password, and the same to the byte and after the same work for a user that is
    /// unknown, disabled, no person or without a password; [`Reason::LimitExceeded`] if too many were tried.
    pub async fn open_session(
        &self,
        call: &Call,
        asked: OpenSession,
        now: Now,
    ) -> Result<Done<Token>, Error> {
        let (library_uid, user) = {
            let state = self.index.read()?;
            let account = Account::of(state.directory(), &asked.library, &asked.user)?;
            tokens_allowed(&account.library.value)?;
            let user = account
                .user
                .map(|(slot, facts)| (slot.uid, can_log_in(facts)));
            (account.slot.uid, user)
        };
        let client = asked.client_ip.unwrap_or(call.caller.access.address);
        let logins = Counted::logins(library_uid, &asked.user);
        let counted = Some(Counted::client(client));
        let attempt = self
            .guesses
            .attempt(Guess::at_password(logins, counted), now.time)?;
        // No user has its library's uid: nothing is kept there, and it is looked for all the same.
        let (user_uid, can_log_in) = user.unwrap_or((library_uid, false));
        let proven = self.prove(library_uid, user_uid, &asked.password).await;
        let proven = proven.map(|password| password.filter(|_| can_log_in));
        if !matches!(proven, Ok(None)) {
            self.guesses.forgive(&attempt);
        }
        let proven = proven?.ok_or_else(refused)?;
        let login = Login {
            asked,
            user_uid,
            password: proven.etag(),
        };
        let done = self.perform(call, &login, now).await?;
        if self
            .renew_password(proven, &login.asked.password)
            .await
            .is_err()
        {
            tracing::info!(
                "a password was not hashed anew with the newest key; its next use does that"
            );
        }
        Ok(done)
    }

    /// What is kept of a user's password if this is it. Where there is none, as much is computed.
    async fn prove(
        &self,
        library: Uid,
        user: Uid,
        password: &Password,
    ) -> Result<Option<Versioned<KeptPassword>>, Error> {
        let kept: Option<Versioned<KeptPassword>> =
            self.fetch(keyspace::password(library, user)).await?;
        let keys = self.hmac_keys()?;
        // One whose key was retired is good no more, and no different from none.
        let peppered = |version| keys.pepper(version, user, password);
        let usable = kept.and_then(|kept| Some((peppered(kept.value.key_version)?, kept)));
        let (kept, hash, peppered) = match usable {
            Some((peppered, kept)) => {
                let hash = kept.value.hash.clone();
                (Some(kept), hash, Some(peppered))
            }
            None => (None, SlowHash::of_nobody()?, peppered(keys.newest())),
        };
        let peppered = peppered.ok_or_else(no_key)?;
        let matches = self
            .hashers
            .run(Work::Password, move || hash.matches(peppered.as_ref()));
        let matches = matches.await?;
        Ok(kept.filter(|_| matches))
    }

    /// Hashes a password that has proved right anew, if an older key made what is kept of it. No administrative change: no event,
    /// and logins that are under way with it go on.
    async fn renew_password(
        &self,
        kept: Versioned<KeptPassword>,
        password: &Password,
    ) -> Result<(), Error> {
        let keys = self.hmac_keys()?;
        if kept.value.key_version == keys.newest() {
            return Ok(());
        }
        let peppered = keys.pepper(keys.newest(), kept.value.user_uid, password);
        let peppered = peppered.ok_or_else(no_key)?;
        let made = self
            .hashers
            .run(Work::Password, move || SlowHash::make(peppered.as_ref()));
        let renewed = KeptPassword {
            hash: made.await??,
            key_version: keys.newest(),
            set_revision: Some(kept.etag()),
            ..kept.value
        };
        let place = renewed.key();
        let unchanged = vec![
            Precondition::At(place.clone(), kept.revision),
            keys.unrotated(),
        ];
        let change = Change::Put(place, keyspace::encode(&renewed));
        self.store.commit(unchanged, vec![change]).await?;
        Ok(())
    }
}

#[async_trait]
impl Command for Login {
    const ACTION: &'static str = "session.open";
    type Answer = Token;

    async fn plan(
        &self,
        authority: &Authority,
        _by: &Authorised,
        now: Moment,
    ) -> Result<Plan<Token>, Error> {
        let OpenSession {
            library,
            user,
            password: _,
            device_name,
            client_ip: _,
        } = &self.asked;
        let keys = authority.hmac_keys()?;
        let mut plan = {
            let state = authority.index.read()?;
            let account = Account::of(state.directory(), library, user)?;
            tokens_allowed(&account.library.value)?;
            let (slot, facts) = account
                .user
                .filter(|(slot, facts)| slot.uid == self.user_uid && can_log_in(facts))
                .ok_or_else(refused)?;
            let mut plan = account.plan(user);
            plan.preconditions.push(Precondition::At(
                keyspace::user(account.slot.uid, &slot.user),
                facts.revision,
            ));
            let default = now.checked_add(&account.library.value.default_lifetime);
            let default = default.unwrap_or(Moment::MAX);
            let (expire_time, _) = expiry(None, default, &account.library.value, now)?;
            let secret = Secret::mint()?;
            let session = Token {
                id: secret.id,
                kind: TokenKind::Session,
                library: library.clone(),
                library_uid: account.slot.uid,
                user: user.clone(),
                user_uid: self.user_uid,
                issued_by: format!("{library}/{user}"),
                // Lists show it, and its user may change it.
                display_name: device_name.clone(),
                description: String::new(),
                device_name: device_name.clone(),
                create_time: now,
                not_before: None,
                expire_time,
                suspension: None,
                revocation: None,
                rotated_from: None,
                succession: None,
                grant: grant(account.reserved()),
                tag: keys.tag(&secret),
                // A login is repeated, its secret never shown again.
                sealed_secret: Vec::new(),
                imported: None,
                etag: None,
            };
            leaves_room(&session)?;
            plan.event.token_id = session.id.to_string();
            plan.create(session)?;
            plan.secret = Some(secret.to_secret_string());
            plan
        };
        // Another password is set by somebody who may not want this login.
        let place = keyspace::password(plan.logged_in, self.user_uid);
        let kept = authority.fetch::<KeptPassword>(place.clone()).await?;
        let same = kept.filter(|kept| kept.etag() == self.password);
        let kept = same.ok_or_else(refused)?;
        plan.preconditions
            .push(Precondition::At(place, kept.revision));
        plan.preconditions.push(keys.unrotated());
        Ok(plan)
    }
}

// === impl Account ===

impl<'a> Account<'a> {
    fn of(
        directory: &'a super::index::Directory,
        library: &Name,
        user: &Name,
    ) -> Result<Account<'a>, Error> {
        let slot = directory.library_named(library.as_str());
        let (slot, library) = slot
            .and_then(|slot| Some((slot, slot.facts.as_ref()?)))
            .ok_or_else(|| Error::not_found("library"))?;
        let user = slot.user_named(user.as_str());
        let user = user.map(|user| directory.user(user));
        Ok(Account {
            slot,
            library,
            user: user.and_then(|user| Some((user, user.facts.as_ref()?))),
        })
    }

    /// The user types that its user is assigned.
    fn user_types(&self) -> impl Iterator<Item = &'a Versioned<super::directory::UserType>> {
        let assigned = self
            .user
            .into_iter()
            .flat_map(|(_, facts)| &facts.assignments);
        let slot = self.slot;
        assigned.filter_map(move |assignment| slot.user_types.get(&assignment.user_type))
    }

    /// The reserved permissions that these give.
    fn reserved(&self) -> ReservedSet {
        let sets = self
            .user_types()
            .map(|found| found.value.permissions.reserved);
        sets.fold(ReservedSet::default(), ReservedSet::union)
    }

    /// A plan about its user, which has read its library.
    fn plan<T>(&self, user: &Name) -> Plan<T> {
        let mut plan = Plan::new(&self.library.value.library, self.slot.uid);
        plan.read(self.library);
        plan.event = AuditEvent {
            user: user.to_string(),
            ..plan.event
        };
        plan
    }
}

/// What a session has: all that its user has, but of reserved permissions only that its user may serve itself.
fn grant(reserved: ReservedSet) -> Grant {
    let own = ReservedSet::of(&[Reserved::TokensSelf]);
    Grant {
        pin: None,
        access_right: AccessRight::Full,
        permissions: PermissionSet::from(reserved.held().intersect(own)),
        apis: Vec::new(),
        allowed_cidrs: Vec::new(),
    }
}

fn can_log_in(user: &UserFacts) -> bool {
    user.kind == UserKind::Standard && !user.disabled
}

fn no_key() -> Error {
    Error::new(Reason::Internal, "there is no key to hash a password with")
}

/// It says nothing of what was wrong.
fn refused() -> Error {
    Error::new(
        Reason::LoginRefused,
        "nobody logs in with this user name and password; check both, or ask an administrator",
    )
}
