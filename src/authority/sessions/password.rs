//! Setting passwords.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Account, grant};
use crate::authority::Authority;
use crate::authority::caller::Authorised;
use crate::authority::directory::{Uid, UserKind};
use crate::authority::error::{Error, Reason};
use crate::authority::guess::{Counted, Guess};
use crate::authority::hashers::Work;
use crate::authority::keys::HmacKeys;
use crate::authority::keyspace;
use crate::authority::moment::{Moment, Now};
use crate::authority::name::Name;
use crate::authority::password::{KeptPassword, Password, SlowHash};
use crate::authority::permission::Reserved;
use crate::authority::transaction::{Call, Command, Plan};
use crate::store::{Change, Precondition, Revision};

/// A change of a password.
#[derive(Debug, Clone)]
pub struct SetPassword {
    /// The library of the user; one that the caller reaches.
    pub library: Name,
    /// The user; `None` for the caller's own.
    pub user: Option<Name>,
    /// The new password; `None` removes the one that there is.
    pub password: Option<Password>,
}

/// A password that is hashed, and is to be kept.
struct KeepPassword {
    asked: SetPassword,
    /// The user that it was hashed for.
    user_uid: Uid,
    /// `None` removes the one that there is.
    hash: Option<SlowHash>,
    /// What the hash was made with.
    keys: Arc<HmacKeys>,
}

impl Authority {
    /// Sets or removes a password. Sessions and tokens that there are go on working.
    ///
    /// # Errors
    /// [`Reason::SelfServiceDenied`] for a user that does not log in.
    pub async fn set_password(
        &self,
        call: &Call,
        asked: SetPassword,
        now: Now,
    ) -> Result<(), Error> {
        // Whoever may not do it costs no hash.
        let by = self.authorise(&call.caller, now.time)?;
        let (plan, user_uid) = asked.begin(self, &by)?;
        let keys = self.hmac_keys()?;
        let hash = match &asked.password {
            None => None,
            Some(password) => {
                let changes = Counted::changes(plan.logged_in, &asked.user(&by)?);
                self.guesses
                    .attempt(Guess::at_password(changes, None), now.time)?;
                let peppered = keys.pepper(keys.newest(), user_uid, password);
                let peppered = peppered.ok_or_else(|| {
                    Error::new(Reason::Internal, "there is no key to keep a password with")
                })?;
                let made = self
                    .hashers
                    .run(Work::Password, move || SlowHash::make(peppered.as_ref()));
                Some(made.await??)
            }
        };
        let keep = KeepPassword {
            asked,
            user_uid,
            hash,
            keys,
        };
        self.perform(call, &keep, now).await.map(drop)
    }
}

#[async_trait]
impl Command for KeepPassword {
    const ACTION: &'static str = "user.set-password";
    type Answer = KeptPassword;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<KeptPassword>, Error> {
        let (mut plan, user_uid) = self.asked.begin(authority, by)?;
        if user_uid != self.user_uid {
            return Err(Error::not_found("user"));
        }
        let place = keyspace::password(plan.logged_in, user_uid);
        let before = authority.fetch::<KeptPassword>(place.clone()).await?;
        match (&self.hash, before) {
            (Some(hash), before) => {
                let kept = KeptPassword {
                    library_uid: plan.logged_in,
                    user_uid,
                    hash: hash.clone(),
                    key_version: self.keys.newest(),
                    set_time: now,
                    set_revision: None,
                };
                plan.preconditions.push(self.keys.unrotated());
                plan.put_at(kept, before.map_or(Revision(0), |before| before.revision))?;
            }
            (None, Some(before)) => {
                "removed".clone_into(&mut plan.event.comment);
                plan.read(&before);
                plan.changes.push(Change::Delete(place));
            }
            (None, None) => {}
        }
        Ok(plan)
    }
}

// === impl SetPassword ===

impl SetPassword {
    /// The user that it is for.
    fn user(&self, by: &Authorised) -> Result<Name, Error> {
        match &self.user {
            Some(user) => Ok(user.clone()),
            None if self.library == by.library => Ok(by.user.clone()),
            None => Err(Error::invalid("user", "must be given for another library")),
        }
    }

    /// Whether the caller may, and a plan that has read all that this depends on.
    fn begin(
        &self,
        authority: &Authority,
        by: &Authorised,
    ) -> Result<(Plan<KeptPassword>, Uid), Error> {
        let user = self.user(by)?;
        let own = self.library == by.library && user == by.user;
        let directs = by.held.contains(Reserved::DirectoryAdmin);
        if !own && !directs {
            return Err(unless_own(by));
        }
        let state = authority.index.read()?;
        let account = Account::of(state.directory(), &self.library, &user)?;
        let (slot, facts) = account.user.ok_or_else(|| Error::not_found("user"))?;
        let serves_itself = own && by.serves_itself && by.held.contains(Reserved::TokensSelf);
        // Whoever sets a password can log in with it: it conveys what a session has, and what its user may do with that.
        let as_wide = grant(account.reserved());
        if !(serves_itself
            && by
                .givable(as_wide.clone())
                .is_ok_and(|given| given == as_wide))
        {
            if !directs {
                return Err(Error::new(
                    Reason::PermissionDenied,
                    "the calling token is narrower than a session would be; call with a session, or ask an administrator",
                ));
            }
            if self.password.is_some() {
                by.demand_held(account.reserved())?;
            }
        }
        if facts.kind != UserKind::Standard {
            return Err(Error::new(
                Reason::SelfServiceDenied,
                "systems and contacts don't log in; make a token for them",
            ));
        }
        let mut plan = account.plan(&user);
        plan.event.fields = vec!["password".to_owned()];
        plan.preconditions.push(Precondition::At(
            keyspace::user(account.slot.uid, &user),
            facts.revision,
        ));
        for found in account.user_types() {
            plan.read(found);
        }
        Ok((plan, slot.uid))
    }
}

/// Another user's password is no business of the caller: to whom users are not shown, as if there were no such user.
fn unless_own(by: &Authorised) -> Error {
    if !by.administers() {
        return Error::not_found("user");
    }
    Error::new(
        Reason::PermissionDenied,
        "setting the password of another user needs directory:admin; ask an administrator of users",
    )
}
