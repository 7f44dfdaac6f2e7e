//! The model's records in the form of the authority, to be compared whole.

use super::ending::reason;
use super::libraries::idle;
use super::records::{
    Answer, Comment, Event, Library as OurLibrary, Model, Revoked, Subject, Text, Token,
};
use super::token_changes::{pair_text, right};
use super::users::kind;
use super::world::World;
use crate::authority::audit::{AUTHORITY, AuditEvent};
use crate::authority::directory::{Assignment, Library, SecretDisplay, User, UserType};
use crate::authority::keyspace::Versioned;
use crate::authority::moment::Moment;
use crate::authority::state::TokenState;
use crate::authority::tests::samples::{assignment, granted, lifetime, name, names, networks};
use crate::authority::token::{
    Grant, ImportStrength, Revocation, RevocationReason, Succession, Suspension, Token as Kept,
    TokenKind,
};
use std::any::Any;

/// Nothing, or what the two sides don't agree about.
pub(super) type Agreed = Result<(), String>;

pub(super) fn same<T: PartialEq + std::fmt::Debug>(what: &str, model: &T, told: &T) -> Agreed {
    if model == told {
        return Ok(());
    }
    Err(format!(
        "{what}:\n  the model says {model:?}\n  the authority says {told:?}"
    ))
}

impl Model {
    /// Compares an answer with what it should show.
    pub(super) fn compare_answer<T: Any>(
        &self,
        world: &World,
        expected: &Answer,
        told: Option<&Versioned<T>>,
    ) -> Agreed {
        let alive = match expected.subject {
            Subject::Nothing => false,
            Subject::Library(at) => self.libraries[at].alive,
            Subject::UserType(at) => self.user_types[at].alive,
            Subject::User(at) => self.users[at].alive,
            Subject::Token(_) | Subject::Watermark => true,
        };
        same("there is an answer", &alive, &told.is_some())?;
        let Some(told) = told else { return Ok(()) };
        let (value, revision) = (&told.value as &dyn Any, told.revision.0);
        let revised = |expected: u64| same("the etag", &expected, &revision);
        match expected.subject {
            Subject::Nothing | Subject::Watermark => Ok(()),
            Subject::Token(at) => {
                let told: &Kept = value.downcast_ref().unwrap();
                self.compare_token(world, at, told)?;
                let etag = told.etag.map_or(revision, |etag| etag.0);
                same("the etag", &self.tokens[at].revision, &etag)
            }
            Subject::Library(at) => {
                Model::compare_library(&self.libraries[at], value.downcast_ref().unwrap())?;
                revised(self.libraries[at].revision)
            }
            Subject::UserType(at) => {
                self.compare_type(at, value.downcast_ref().unwrap())?;
                revised(self.user_types[at].revision)
            }
            Subject::User(at) => {
                self.compare_user(at, value.downcast_ref().unwrap())?;
                revised(self.users[at].revision)
            }
        }
    }

    /// A token's record, and its state and revocation as they are told with it.
    pub(super) fn compare_token(&self, world: &World, at: usize, told: &Kept) -> Agreed {
        let mut told = told.clone();
        same(
            "whether the secret is kept",
            &self.tokens[at].sealed_under.is_some(),
            &!told.sealed_secret.is_empty(),
        )?;
        told.sealed_secret.clear();
        same(
            "whether it is imported, and strong",
            &self.tokens[at].imported.as_ref().map(|i| i.strong),
            &told
                .imported
                .as_ref()
                .map(|i| i.strength == ImportStrength::Strong),
        )?;
        same("the token", &self.as_kept(world, at, &told), &told)?;
        let token = &self.tokens[at];
        let state = world.authority.token_state(&told, Moment(self.now));
        let (state, revocation) = state.map_err(|error| error.to_string())?;
        same("the state", &self.state(token), &state_text(state))?;
        let ways: Vec<Option<Revocation>> = if self.is_revoked(token) {
            let ways = self.revocations(world, token).into_iter();
            ways.map(Some).collect()
        } else {
            vec![None]
        };
        if ways.contains(&revocation) {
            return Ok(());
        }
        same("the revocation, one of", &ways, &vec![revocation])
    }

    /// Why it may be said to be revoked: for itself before all.
    fn revocations(&self, world: &World, token: &Token) -> Vec<Revocation> {
        if let Some(revoked) = &token.revoked {
            return vec![revocation(revoked)];
        }
        let together: Vec<Revocation> = self
            .killing(token)
            .map(|mark| revocation(&mark.revoked))
            .collect();
        if !together.is_empty() {
            return together;
        }
        let superseded = token.superseded.iter().map(|(by, until, who)| Revocation {
            time: Moment(*until),
            reason: RevocationReason::Superseded,
            revoked_by: who.clone(),
            comment: format!("{} took its place", world.ids[*by]),
        });
        superseded.collect()
    }

    fn as_kept(&self, world: &World, at: usize, told: &Kept) -> Kept {
        let token = &self.tokens[at];
        let (library, user) = (&self.libraries[token.library], &self.users[token.user]);
        Kept {
            id: world.ids[at],
            kind: if token.session {
                TokenKind::Session
            } else {
                TokenKind::Api
            },
            library: name(library.name),
            library_uid: world.uids[token.library],
            user: name(user.name),
            issued_by: token.issued_by.clone(),
            display_name: token.display_name.to_owned(),
            description: token.description.to_owned(),
            device_name: told.device_name.clone(),
            create_time: Moment(token.created),
            not_before: token.not_before.map(Moment),
            expire_time: Moment(token.expires),
            suspension: token.suspended.as_ref().map(|s| Suspension {
                time: told.suspension.as_ref().map_or(Moment(0), |told| told.time),
                suspended_by: s.by.clone(),
                by_administrator: s.by_administrator,
                reason: s.reason.to_owned(),
            }),
            revocation: token.revoked.as_ref().map(revocation),
            rotated_from: token.rotated_from.map(|old| world.ids[old]),
            succession: token
                .superseded
                .as_ref()
                .map(|(by, until, who)| Succession {
                    superseded_by: world.ids[*by],
                    until: Moment(*until),
                    rotated_by: who.clone(),
                }),
            grant: Grant {
                pin: token.grant.pin.map(|pair| assignment(&pair_text(pair))),
                access_right: right(token.grant.right),
                permissions: granted(&token.grant.listed),
                apis: names(&token.grant.apis),
                allowed_cidrs: networks(&token.grant.networks),
            },
            // What nobody but the authority can tell.
            ..told.clone()
        }
    }

    pub(super) fn compare_library(library: &OurLibrary, told: &Library) -> Agreed {
        let expected = Library {
            library: name(library.name),
            tenant_id: library.tenant.to_owned(),
            disabled: library.disabled,
            tokens_enabled: library.tokens_enabled,
            default_lifetime: lifetime(library.default),
            suggested_lifetime: lifetime(library.suggested),
            max_lifetime: lifetime(library.longest),
            contact_apis: names(&library.contact_apis),
            allowed_cidrs: networks(&library.networks),
            max_tokens_per_user: library.limit,
            session_idle_timeout: idle(library.idle),
            secret_display: match library.reveal_key {
                Some(_) => SecretDisplay::Revealable,
                None => SecretDisplay::Once,
            },
            ..told.clone()
        };
        same("the library", &expected, told)
    }

    fn compare_type(&self, at: usize, told: &UserType) -> Agreed {
        let user_type = &self.user_types[at];
        let expected = UserType {
            user_type: name(user_type.name),
            permissions: granted(&user_type.permissions),
            ..told.clone()
        };
        same("the user type", &expected, told)
    }

    fn compare_user(&self, at: usize, told: &User) -> Agreed {
        let user = &self.users[at];
        let expected = User {
            user: name(user.name),
            kind: kind(user.kind),
            disabled: user.disabled,
            assignments: user
                .assigned
                .iter()
                .map(|pair| assignment(&pair_text(*pair)))
                .collect(),
            data_owner: user.owner.to_owned(),
            ..told.clone()
        };
        same("the user", &expected, told)
    }
}

pub(super) fn compare_event(world: &World, event: &Event, told: &AuditEvent) -> Agreed {
    let id = |at: usize| world.ids[at].to_string();
    let presented = event.presented.map(id).unwrap_or_default();
    let expected = AuditEvent {
        time: Moment(event.time),
        action: event.action.to_owned(),
        actor: if event.presented.is_some() {
            event.actor.clone()
        } else {
            AUTHORITY.to_owned()
        },
        acting_for: event.acting_for.clone(),
        actor_token_id: presented,
        library: event.library.to_owned(),
        token_id: event.token.map(id).unwrap_or_default(),
        user: event.user.to_owned(),
        user_type: event.user_type.to_owned(),
        fields: event
            .fields
            .iter()
            .map(|field| (*field).to_owned())
            .collect(),
        comment: match &event.comment {
            Comment::Text(text) => (*text).to_owned(),
            Comment::Told(text) => text.clone(),
            Comment::TakesPlace(at) => format!("{} takes its place", world.ids[*at]),
            Comment::UidOf(at) => format!("uid {}", world.uids[*at]),
        },
        key: told.key.clone(),
        call_id: told.call_id.clone(),
    };
    same("the event", &expected, told)
}

fn revocation(revoked: &Revoked) -> Revocation {
    Revocation {
        time: Moment(revoked.time),
        reason: reason(revoked.reason),
        revoked_by: revoked.by.clone(),
        comment: revoked.comment.to_owned(),
    }
}

/// Its name in the API.
pub(super) fn state_text(state: TokenState) -> Text {
    match state {
        TokenState::Active => "ACTIVE",
        TokenState::Suspended => "SUSPENDED",
        TokenState::NotYetValid => "NOT_YET_VALID",
        TokenState::Expired => "EXPIRED",
        TokenState::Revoked => "REVOKED",
        TokenState::OwnerDeleted => "OWNER_DELETED",
    }
}

/// As pairs of texts.
pub(super) fn pairs(assignments: &[Assignment]) -> Vec<(String, String)> {
    let text = |a: &Assignment| {
        let department = a.department.as_ref().map(ToString::to_string);
        (department.unwrap_or_default(), a.user_type.to_string())
    };
    assignments.iter().map(text).collect()
}
