//! The first operator, and the way back in: at a start that finds no live operator token, one is made.

use std::io;

use super::Authority;
use super::audit::{AUTHORITY, AuditEvent};
use super::cidr;
use super::directory::{Assignment, Library, SYSTEM, SecretDisplay, Uid, User, UserKind, UserType};
use super::error::Error;
use super::index::Lookup;
use super::judge::{self, Demand};
use super::keys::HmacKeys;
use super::keyspace::{self, Stored};
use super::moment::{Lifetime, Moment, Now};
use super::name::Name;
use super::permission::{Permission, PermissionSet, Reserved, ReservedSet};
use super::secret::{self, Secret, SecretString, TokenId};
use super::start::StartError;
use super::token::{AccessRight, Grant, Token, TokenKind};
use super::transaction::Plan;
use crate::store::{Change, Revision};

/// The user that the operator's token stands for.
const ROOT_USER: &str = "root";
/// The user type that makes an operator.
const OPERATOR: &str = "operator";
/// How long the operator's token lives.
const OPERATOR_LIFETIME: &str = "90d";

impl Authority {
    /// Makes an operator token if there is no live one, and what it needs: the library `system`, the user type `operator` and
    /// the user `root`, each made, or mended if it was disabled or narrowed. Says whether it did.
    ///
    /// The token is the one `given`, or a new one, which is handed to `keep` first: a crash in between leaves a file
    /// without a token, which the next start replaces, and never a token that nobody has.
    ///
    /// # Errors
    /// [`StartError::UsedToken`] if the one given is known already; it is refused for good.
    pub async fn ensure_operator(
        &self,
        given: Option<Secret>,
        keep: impl FnOnce(&SecretString) -> io::Result<()>,
        now: Now,
    ) -> Result<bool, StartError> {
        if self
            .has_live_operator(now.time)
            .map_err(StartError::Operator)?
        {
            return Ok(false);
        }
        let secret = match given {
            Some(secret) if self.is_known(secret.id).map_err(StartError::Operator)? => {
                return Err(StartError::UsedToken);
            }
            Some(secret) => secret,
            None => {
                let secret = Secret::mint()?;
                keep(&secret.to_secret_string()).map_err(StartError::TokenFile)?;
                secret
            }
        };
        let plan = self
            .operator_plan(&secret, now)
            .await
            .map_err(StartError::Operator)?;
        self.store.commit(plan.preconditions, plan.changes).await?;
        self.marked(now);
        Ok(true)
    }

    fn has_live_operator(&self, now: Moment) -> Result<bool, Error> {
        let demand = Demand {
            permissions: [Reserved::TokensAdmin, Reserved::DirectoryAdmin]
                .map(Permission::from)
                .to_vec(),
            api: Name::parse(super::caller::OWN_API).ok(),
            confines_department: true,
            ..Demand::default()
        };
        let state = self.index.read()?;
        let Some(system) = state.directory().library_named(SYSTEM) else {
            return Ok(false);
        };
        Ok(system.tokens.ids().any(|id| match state.token(id) {
            Lookup::Known(view) => {
                let library = view.records.library.map(|l| &l.value.allowed_cidrs[..]);
                let token = &view.records.grant.allowed_cidrs;
                // One that works from certain addresses alone still works.
                let demand = Demand {
                    client_ip: cidr::common_address(library.unwrap_or_default(), token),
                    ..demand.clone()
                };
                judge::judge(view.records, &demand, now).is_ok()
            }
            _ => false,
        }))
    }

    fn is_known(&self, id: TokenId) -> Result<bool, Error> {
        Ok(!matches!(self.index.read()?.token(id), Lookup::Unknown))
    }

    async fn operator_plan(&self, secret: &Secret, now: Now) -> Result<Plan<Token>, Error> {
        let (system, operator, root) = (name(SYSTEM)?, name(OPERATOR)?, name(ROOT_USER)?);
        let library = match self.library(&system) {
            Ok(found) => Library {
                disabled: false,
                tokens_enabled: true,
                // Nobody may be left who is at an address that these allow.
                allowed_cidrs: Vec::new(),
                ..found.value
            },
            Err(_) => system_library(system.clone(), now.time)?,
        };
        let uid = library.uid;
        let found = self
            .fetch::<UserType>(keyspace::user_type(uid, &operator))
            .await?;
        let mut user_type = found.map_or_else(
            || UserType {
                library_uid: uid,
                user_type: operator.clone(),
                permissions: PermissionSet::default(),
                create_time: now.time,
            },
            |found| found.value,
        );
        user_type.permissions.reserved = ReservedSet::of(&Reserved::ALL);
        let found = self.fetch::<User>(keyspace::user(uid, &root)).await?;
        let mut user = match found {
            Some(found) => User {
                disabled: false,
                kind: UserKind::Standard,
                data_owner: String::new(),
                ..found.value
            },
            None => root_user(uid, root.clone(), now.time)?,
        };
        let assignment = Assignment {
            department: None,
            user_type: operator,
        };
        if !user.assignments.contains(&assignment) {
            user.assignments.push(assignment);
            user.assignments.sort_unstable();
        }

        let keys = self.hmac_keys()?;
        let token = Self::operator_token(secret, &keys, &library, &user, now.time)?;
        let mut plan = Plan::new(&system, uid);
        plan.preconditions.push(keys.unrotated());
        self.ensure(&mut plan, library).await?;
        self.ensure(&mut plan, user_type).await?;
        self.ensure(&mut plan, user).await?;
        let event = AuditEvent {
            key: self.audit_key(uid, self.logged(now))?,
            time: self.logged(now),
            action: "token.bootstrap".to_owned(),
            actor: AUTHORITY.to_owned(),
            library: SYSTEM.to_owned(),
            token_id: token.id.to_string(),
            user: ROOT_USER.to_owned(),
            comment: "no live operator token was found at the start".to_owned(),
            ..AuditEvent::default()
        };
        plan.changes
            .push(Change::Put(event.key.clone(), keyspace::encode(&event)));
        plan.create(token)?;
        plan.changes.extend(self.mark_change(now));
        Ok(plan)
    }

    fn operator_token(
        secret: &Secret,
        keys: &HmacKeys,
        library: &Library,
        user: &User,
        now: Moment,
    ) -> Result<Token, Error> {
        let lifetime =
            Lifetime::parse(OPERATOR_LIFETIME).map_err(|why| Error::invalid("lifetime", why))?;
        Ok(Token {
            id: secret.id,
            kind: TokenKind::Api,
            library: library.library.clone(),
            library_uid: library.uid,
            user: user.user.clone(),
            user_uid: user.uid,
            issued_by: AUTHORITY.to_owned(),
            display_name: "operator".to_owned(),
            description: "made at a start that found no live operator token".to_owned(),
            device_name: String::new(),
            create_time: now,
            not_before: None,
            expire_time: now.checked_add(&lifetime).unwrap_or(Moment::MAX),
            suspension: None,
            revocation: None,
            rotated_from: None,
            succession: None,
            grant: Grant {
                pin: None,
                access_right: AccessRight::Full,
                permissions: PermissionSet::from(ReservedSet::of(&Reserved::ALL)),
                apis: Vec::new(),
                allowed_cidrs: Vec::new(),
            },
            tag: keys.tag(secret),
            sealed_secret: Vec::new(),
            imported: None,
            etag: None,
        })
    }

    /// Adds to a plan that this record is there as it is.
    async fn ensure<T: Stored>(&self, plan: &mut Plan<Token>, record: T) -> Result<(), Error> {
        let found = self.fetch::<T>(record.key()).await?;
        let revision = found.map_or(Revision(0), |found| found.revision);
        plan.put_at(record, revision)
    }
}

fn system_library(library: Name, now: Moment) -> Result<Library, Error> {
    let lifetime = |text| Lifetime::parse(text).map_err(|why| Error::invalid("lifetime", why));
    Ok(Library {
        library,
        uid: Uid(secret::random()?),
        display_name: "Operators".to_owned(),
        tenant_id: String::new(),
        disabled: false,
        tokens_enabled: true,
        default_lifetime: lifetime(OPERATOR_LIFETIME)?,
        suggested_lifetime: lifetime(OPERATOR_LIFETIME)?,
        max_lifetime: lifetime("12mo")?,
        contact_apis: Vec::new(),
        allowed_cidrs: Vec::new(),
        max_tokens_per_user: 0,
        secret_display: SecretDisplay::Once,
        has_usage: false,
        session_idle_timeout: None,
        create_time: now,
    })
}

fn root_user(library_uid: Uid, user: Name, now: Moment) -> Result<User, Error> {
    Ok(User {
        library_uid,
        user,
        uid: Uid(secret::random()?),
        display_name: "The first operator".to_owned(),
        email: String::new(),
        kind: UserKind::Standard,
        disabled: false,
        assignments: Vec::new(),
        data_owner: String::new(),
        create_time: now,
    })
}

fn name(text: &str) -> Result<Name, Error> {
    Name::parse(text).map_err(|why| Error::invalid("name", why.to_string()))
}
