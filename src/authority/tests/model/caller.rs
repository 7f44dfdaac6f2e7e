//! Who calls, and what it may do.

use super::records::{Grant, Model, Text, Token};
use super::rights::{RESERVED, held_by, reserved_of, without};
use crate::authority::error::Reason;
use crate::authority::tests::naive::{Plain, has, judge_naively};

/// A call's credential, and whom it is used for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presented {
    /// The token; `None` for one that nobody has.
    pub(super) token: Option<usize>,
    pub(super) acting_for: Option<Text>,
    pub(super) from: Text,
}

/// Whose rights a call has, and which.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) token: usize,
    pub(super) library: usize,
    pub(super) user: usize,
    /// The user of the token presented.
    pub(super) presenter: usize,
    pub(super) acting: bool,
    pub(super) held: Vec<Text>,
    /// `None` if it acts for a user, whose rights are not narrowed.
    pub(super) grant: Option<Grant>,
    pub(super) serves_itself: bool,
    pub(super) is_operator: bool,
    pub(super) from: Text,
}

impl Model {
    /// A credential is judged as any token, with a right as the demand.
    pub(super) fn authenticate(&self, by: &Presented, right: Text) -> Result<Standing, Reason> {
        let token = by.token.ok_or(Reason::CredentialRefused)?;
        let presented = &self.tokens[token];
        if presented.imported.is_some() {
            return Err(Reason::CredentialRefused);
        }
        let demanded = if by.acting_for.is_some() {
            "tokens:act-as"
        } else {
            right
        };
        let plain = self.plain_of_call(presented, by.from, demanded);
        match judge_naively(&plain) {
            "VALID" => {}
            "MISSING_PERMISSION" => return Err(Reason::PermissionDenied),
            _ => return Err(Reason::CredentialRefused),
        }
        let own = RESERVED.into_iter().filter(|r| has(&plain, r)).collect();
        let (user, held) = match by.acting_for {
            None => (presented.user, own),
            Some(name) => self.acted_for(presented, name, right)?,
        };
        let (kind, self_service) = (self.users[user].kind, right.starts_with("tokens:self"));
        let served = match kind {
            "CONTACT" => !self_service,
            "API_ONLY" => right != "tokens:self" || held.contains(&"tokens:admin"),
            _ => true,
        };
        if !served {
            return Err(Reason::SelfServiceDenied);
        }
        let acting = by.acting_for.is_some();
        Ok(Standing {
            token,
            library: presented.library,
            user,
            presenter: presented.user,
            acting,
            held,
            grant: (!acting).then(|| presented.grant.clone()),
            serves_itself: kind == "STANDARD",
            is_operator: self.libraries[presented.library].name == "system",
            from: by.from,
        })
    }

    /// A credential as it is judged.
    pub(super) fn plain_of_call(&self, presented: &Token, from: Text, demanded: Text) -> Plain {
        Plain {
            wanted: vec![demanded],
            wanted_api: "token-authority",
            ip: from,
            promises_department: true,
            promises_owner: demanded.starts_with("tokens:self"),
            ..self.plain(presented)
        }
    }

    fn acted_for(
        &self,
        presented: &Token,
        name: &str,
        right: Text,
    ) -> Result<(usize, Vec<Text>), Reason> {
        let user = self.user(presented.library, name);
        let user = user.filter(|u| self.users[*u].kind == "STANDARD" && !self.users[*u].disabled);
        let user = user.ok_or(Reason::PermissionDenied)?;
        let mut held = self.reserved_of_user(user);
        held.retain(|r| *r != "tokens:act-as");
        if held.contains(&right) {
            Ok((user, held))
        } else {
            Err(Reason::PermissionDenied)
        }
    }

    /// The reserved permissions that a user's types give.
    pub(super) fn reserved_of_user(&self, user: usize) -> Vec<Text> {
        let user = &self.users[user];
        let types = user.assigned.iter();
        let types = types.filter_map(|(_, name)| self.user_type(user.library, name));
        let listed: Vec<Text> = types
            .flat_map(|t| self.user_types[t].permissions.clone())
            .collect();
        held_by(&listed)
    }

    pub(super) fn name_of(&self, user: usize) -> String {
        let user = &self.users[user];
        format!("{}/{}", self.libraries[user.library].name, user.name)
    }

    /// The library that a call is about: that of this name, or the caller's own.
    pub(super) fn reach(&self, by: &Standing, name: Text) -> Result<Text, Reason> {
        let own = self.libraries[by.library].name;
        match name {
            "" => Ok(own),
            name if name == own || by.is_operator => Ok(name),
            _ => Err(Reason::PermissionDenied),
        }
    }
}

// === impl Standing ===

impl Standing {
    pub(super) fn administers(&self) -> bool {
        self.held.contains(&"tokens:admin")
    }

    pub(super) fn presents(&self, token: usize) -> bool {
        !self.acting && self.token == token
    }

    pub(super) fn may_see(&self, at: usize, token: &Token) -> bool {
        if self.administers() {
            return self.is_operator || token.library == self.library;
        }
        let own = token.user == self.user && self.serves_itself;
        (own && self.held.contains(&"tokens:self")) || self.presents(at)
    }

    pub(super) fn demand_operator(&self) -> Result<(), Reason> {
        if self.is_operator {
            Ok(())
        } else {
            Err(Reason::PermissionDenied)
        }
    }

    /// Nobody conveys a reserved permission that they don't hold; `tokens:act-as` only operators convey.
    pub(super) fn demand_held(&self, conveyed: &[Text]) -> Result<(), Reason> {
        let conveyed = reserved_of(conveyed);
        let acts = conveyed.contains(&"tokens:act-as") && !self.is_operator;
        if acts || !without(&held_by(&conveyed), &self.held).is_empty() {
            return Err(Reason::ReservedPermission);
        }
        Ok(())
    }

    /// The grant that it may give of one that is asked for.
    pub(super) fn givable(&self, asked: &Grant) -> Option<Grant> {
        match &self.grant {
            Some(own) if !self.administers() => asked.within(own),
            _ => Some(asked.clone()),
        }
    }

    /// Whoever gets a secret gets its rights: nobody gets more so than it could give.
    pub(super) fn demand_secret(&self, at: usize, token: &Token) -> Result<(), Reason> {
        if self.presents(at) {
            return Ok(());
        }
        self.demand_held(&token.grant.listed)?;
        if self.givable(&token.grant).as_ref() == Some(&token.grant) {
            return Ok(());
        }
        Err(Reason::PermissionDenied)
    }

    /// Who doesn't administer names its own library and user alone.
    pub(super) fn demand_own(
        &self,
        model: &Model,
        library: Text,
        user: Option<Text>,
    ) -> Result<(), Reason> {
        let own = library == model.libraries[self.library].name
            && user.is_none_or(|user| user == model.users[self.user].name);
        if self.administers() || own {
            Ok(())
        } else {
            Err(Reason::NotFound)
        }
    }
}
