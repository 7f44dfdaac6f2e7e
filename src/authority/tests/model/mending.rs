//! What the operator does so that somebody can work again: each step is a call like any other.

use super::caller::Presented;
use super::change::Etag;
use super::compare::Agreed;
use super::libraries::{CreateLibrary, DeleteLibrary, UpdateLibrary};
use super::logins::SetPassword;
use super::operation::Role;
use super::records::{Grant, Model, Pair, Text, Token, User, UserType};
use super::rights::{RESERVED, allowed, reserved_of};
use super::run::Run;
use super::token_changes::{CreateToken, End};
use super::user_types::{CreateUserType, UpdateUserType};
use super::users::{CreateUser, DeleteUser, UpdateUser};
use super::uses::Used;

const ACME: Text = "acme";
const MOVER: &[Text] = &["orders:read", "stock:write"];

/// Its library, its user and that user's type, what this grants, and what kind the user is of.
type Place = (Text, Text, Text, &'static [Text], Text);

fn place_of(role: Role) -> Place {
    match role {
        Role::Operator => ("system", "root", "operator", &RESERVED, "STANDARD"),
        Role::Administrator => (
            ACME,
            "adam",
            "admin",
            &["directory:admin", "stock:*", "tokens:admin"],
            "STANDARD",
        ),
        Role::Director => (
            ACME,
            "dora",
            "director",
            &["directory:admin", "tokens:verify"],
            "STANDARD",
        ),
        Role::Clerk => (
            ACME,
            "jane",
            "clerk",
            &["orders:*", "tokens:self"],
            "STANDARD",
        ),
        Role::Portal => (
            ACME,
            "portal",
            "portal",
            &["tokens:act-as", "tokens:verify"],
            "API_ONLY",
        ),
        Role::Contact => (ACME, "carl", "reader", &["*:read"], "CONTACT"),
        Role::Machine => (ACME, "bot", "mover", MOVER, "API_ONLY"),
        Role::Stranger => (
            "globex",
            "adam",
            "admin",
            &["directory:admin", "tokens:admin"],
            "STANDARD",
        ),
    }
}

impl Run {
    pub(super) async fn mend(&mut self, role: Role) -> Agreed {
        let token = self.staff.get(&Role::Operator).copied();
        let by = Presented {
            token,
            acting_for: None,
            from: "192.0.2.1",
        };
        let (library, user, user_type, permissions, kind) = place_of(role);
        self.mend_library(&by, library).await?;
        let Some(at) = self.model.library(library) else {
            return Ok(());
        };
        match self.model.user_type(at, user_type) {
            None => {
                let permissions = permissions.to_vec();
                self.change(
                    &by,
                    None,
                    &CreateUserType {
                        library,
                        user_type,
                        permissions,
                    },
                )
                .await?;
            }
            Some(found) if self.model.user_types[found].permissions != permissions => {
                let (permissions, etag) = (permissions.to_vec(), Etag::Right);
                let update = UpdateUserType {
                    library,
                    user_type,
                    permissions,
                    etag,
                };
                self.change(&by, None, &update).await?;
            }
            Some(_) => {}
        }
        let department = match role {
            Role::Contact => "north",
            Role::Machine => "south",
            _ => "",
        };
        self.mend_user(&by, (library, user, kind), (department, user_type))
            .await?;
        self.mend_token(&by, role).await
    }

    async fn mend_library(&mut self, by: &Presented, library: Text) -> Agreed {
        if self.model.library(library).is_none() {
            let create = CreateLibrary {
                library,
                tokens_enabled: true,
                tenant: "t-1",
                policy: ("12mo", "12mo", "24mo"),
                contact_apis: vec!["orders"],
                limit: 0,
                idle: "",
                revealable: library == ACME,
            };
            self.change(by, None, &create).await?;
        }
        let Some(at) = self.model.library(library) else {
            return Ok(());
        };
        let found = &self.model.libraries[at];
        let reachable = allowed(&found.networks, "192.0.2.1");
        if found.disabled || !found.tokens_enabled || !reachable {
            let update = UpdateLibrary {
                library,
                disabled: Some(false),
                tokens_enabled: Some(true),
                networks: (!reachable).then(Vec::new),
                ..UpdateLibrary::default()
            };
            self.change(by, None, &update).await?;
        }
        Ok(())
    }

    async fn mend_user(&mut self, by: &Presented, who: (Text, Text, Text), needed: Pair) -> Agreed {
        let (library, user, kind) = who;
        let known = |run: &Run| run.model.known_user(library, user).ok().map(|(_, at)| at);
        if known(self).is_some_and(|at| self.model.users[at].kind != kind) {
            self.change(
                by,
                None,
                &DeleteUser {
                    library,
                    user,
                    etag: Etag::Absent,
                },
            )
            .await?;
        }
        match known(self) {
            None => {
                let assigned = vec![needed];
                let owner = if kind == "CONTACT" { "initech" } else { "" };
                self.change(
                    by,
                    None,
                    &CreateUser {
                        library,
                        user,
                        kind,
                        assigned,
                        owner,
                    },
                )
                .await
            }
            Some(at) => {
                let found = &self.model.users[at];
                if !found.disabled && found.assigned.contains(&needed) {
                    return Ok(());
                }
                let mut assigned = found.assigned.clone();
                assigned.push(needed);
                assigned.sort_unstable();
                assigned.dedup();
                let update = UpdateUser {
                    library,
                    user,
                    disabled: Some(false),
                    assigned: Some(assigned),
                    owner: None,
                    etag: Etag::Right,
                };
                self.change(by, None, &update).await
            }
        }
    }

    /// A token that lists all the reserved rights of its user's type.
    async fn mend_token(&mut self, by: &Presented, role: Role) -> Agreed {
        let (library, user, _, permissions, _) = place_of(role);
        let listed = reserved_of(permissions);
        if self
            .staff
            .get(&role)
            .is_some_and(|at| self.works(*at, &listed))
        {
            return Ok(());
        }
        let owner = self.model.known_user(library, user);
        if owner.is_ok_and(|(of, user)| self.model.take_seat(of, user).is_err()) {
            let limit = Some(0);
            let update = UpdateLibrary {
                library,
                limit,
                ..UpdateLibrary::default()
            };
            self.change(by, None, &update).await?;
        }
        let at = self.model.tokens.len();
        let create = CreateToken {
            library,
            user,
            display_name: "nightly export",
            end: End::Default,
            not_before: None,
            suspended: false,
            pin: None,
            right: Some("FULL"),
            listed,
            apis: Vec::new(),
            networks: Vec::new(),
        };
        self.change(by, None, &create).await?;
        if self.model.tokens.len() > at {
            self.staff.insert(role, at);
        }
        Ok(())
    }

    fn works(&self, at: usize, listed: &[Text]) -> bool {
        let by = Presented {
            token: Some(at),
            acting_for: None,
            from: "192.0.2.1",
        };
        let grant = &self.model.tokens[at].grant;
        let token = &self.model.tokens[at];
        grant.listed == listed
            && self.model.state(token) == "ACTIVE"
            && listed
                .iter()
                .all(|right| self.model.authenticate(&by, right).is_ok())
    }
}

impl Run {
    /// The operator disables a library and deletes it.
    pub(super) async fn raze(&mut self, library: Text) -> Agreed {
        let token = self.staff.get(&Role::Operator).copied();
        let by = Presented {
            token,
            acting_for: None,
            from: "192.0.2.1",
        };
        let disable = UpdateLibrary {
            library,
            disabled: Some(true),
            ..UpdateLibrary::default()
        };
        self.change(&by, None, &disable).await?;
        let delete = DeleteLibrary {
            library,
            etag: Etag::Right,
        };
        self.change(&by, None, &delete).await
    }

    /// The clerk has a password.
    pub(super) async fn mend_password(&mut self) -> Agreed {
        let token = self.staff.get(&Role::Operator).copied();
        let by = Presented {
            token,
            acting_for: None,
            from: "192.0.2.1",
        };
        let known = self.model.known_user(ACME, "jane");
        if known.is_ok_and(|(_, at)| self.model.users[at].password.is_none()) {
            let set = SetPassword {
                library: ACME,
                user: "jane",
                password: Some(0),
            };
            return self.set_password(&by, &set).await;
        }
        Ok(())
    }
}

impl Token {
    /// As a start makes it for the operator.
    pub(super) fn of_operator(user: usize, now: i64, revision: u64) -> Token {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        let mut listed = RESERVED.to_vec();
        listed.sort_unstable();
        Token {
            session: false,
            library: 0,
            user,
            issued_by: "token-authority".to_owned(),
            display_name: "operator",
            description: "made at a start that found no live operator token",
            created: now,
            created_at: revision,
            not_before: None,
            expires: now + 90 * DAY,
            suspended: None,
            revoked: None,
            rotated_from: None,
            superseded: None,
            grant: Grant {
                pin: None,
                right: "FULL",
                listed,
                apis: Vec::new(),
                networks: Vec::new(),
            },
            sealed_under: None,
            used: Used::default(),
            imported: None,
            revision,
        }
    }
}

impl Model {
    /// What a start mends so that the operator's token works: its library, its user type and its user. Says which user.
    pub(super) fn let_root_in(&mut self, revision: u64) -> usize {
        let system = &mut self.libraries[0];
        (system.disabled, system.tokens_enabled) = (false, true);
        system.networks.clear();
        system.revision = revision;
        let operator = UserType {
            library: 0,
            name: "operator",
            alive: true,
            permissions: RESERVED.to_vec(),
            revision,
        };
        match self.user_type(0, "operator") {
            Some(at) => self.user_types[at] = operator,
            None => self.user_types.push(operator),
        }
        let at = self.user(0, "root").unwrap_or(self.users.len());
        if at == self.users.len() {
            self.users.push(User {
                library: 0,
                name: "root",
                alive: true,
                kind: "STANDARD",
                disabled: false,
                assigned: Vec::new(),
                owner: "",
                password: None,
                revision,
            });
        }
        let root = &mut self.users[at];
        (root.disabled, root.revision) = (false, revision);
        if !root.assigned.contains(&("", "operator")) {
            root.assigned.push(("", "operator"));
            root.assigned.sort_unstable();
        }
        at
    }
}
