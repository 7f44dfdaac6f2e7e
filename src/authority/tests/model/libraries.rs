//! Making, changing and deleting libraries.

use super::calendar::later;
use super::caller::Standing;
use super::change::{APIS, Change, Etag, LIBRARIES, NETWORKS, changed, few_of, maybe, some_of};
use super::records::{Comment, Effect, Event, Library, Model, Subject, Text};
use super::rights::allowed;
use super::token_changes::named;
use super::world::World;
use crate::authority::directory::SecretDisplay;
use crate::authority::error::Reason;
use crate::authority::idle::IdleTimeout;
use crate::authority::libraries;
use crate::authority::name::Name;
use crate::authority::tests::commands;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::samples::{lifetime, names, networks};

const POLICIES: [(Text, Text, Text); 5] = [
    ("12mo", "12mo", "24mo"),
    ("90d", "30d", "6mo"),
    ("1h", "12mo", "10y"),
    ("12mo", "12mo", "12mo"),
    // It contradicts itself.
    ("24mo", "12mo", "12mo"),
];

const LIMITS: [u32; 5] = [0, 3, 0, 6, 1];
const IDLE: [Text; 5] = ["", "12h", "5m", "12h", "7d"];

#[derive(Debug, Clone)]
pub(super) struct CreateLibrary {
    pub(super) library: Text,
    pub(super) tokens_enabled: bool,
    pub(super) tenant: Text,
    /// By default, suggested, at most.
    pub(super) policy: (Text, Text, Text),
    pub(super) contact_apis: Vec<Text>,
    pub(super) limit: u32,
    pub(super) idle: Text,
    pub(super) revealable: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct UpdateLibrary {
    pub(super) library: Text,
    pub(super) disabled: Option<bool>,
    pub(super) tokens_enabled: Option<bool>,
    pub(super) tenant: Option<Text>,
    pub(super) policy: Option<(Text, Text, Text)>,
    pub(super) contact_apis: Option<Vec<Text>>,
    pub(super) networks: Option<Vec<Text>>,
    pub(super) limit: Option<u32>,
    pub(super) idle: Option<Text>,
    pub(super) revealable: Option<bool>,
    pub(super) etag: Etag,
}

#[derive(Debug, Clone)]
pub(super) struct DeleteLibrary {
    pub(super) library: Text,
    pub(super) etag: Etag,
}

// === impl CreateLibrary ===

impl CreateLibrary {
    pub(super) fn any(dice: &mut Dice) -> CreateLibrary {
        CreateLibrary {
            library: dice.one(&[LIBRARIES[1], LIBRARIES[0], "system"]),
            tokens_enabled: dice.chance(70),
            tenant: dice.one(&["", "t-1"]),
            policy: dice.one(&POLICIES),
            contact_apis: some_of(dice, &APIS, 2),
            limit: dice.one(&LIMITS),
            idle: dice.one(&IDLE),
            revealable: dice.chance(40),
        }
    }
}

impl Change for CreateLibrary {
    type Command = libraries::CreateLibrary;
    const RIGHT: Text = "directory:admin";

    fn library(&self) -> Option<Text> {
        None
    }

    fn is_for_operators(&self) -> bool {
        true
    }

    fn expected(&self, model: &Model, _: &Standing, _: Text) -> Result<Effect, Reason> {
        if model.library(self.library).is_some() {
            return Err(Reason::NameTaken);
        }
        let (default, suggested, longest) = self.policy;
        let library = Library {
            name: self.library,
            alive: true,
            disabled: false,
            tokens_enabled: self.tokens_enabled,
            tenant: self.tenant,
            default,
            suggested,
            longest,
            contact_apis: self.contact_apis.clone(),
            networks: Vec::new(),
            limit: self.limit,
            idle: self.idle,
            reveal_key: self.revealable.then_some(model.next_key()),
            revision: 0,
        };
        model.check_policy(&library)?;
        let at = model.libraries.len();
        let mut effect = Effect::default();
        effect.libraries.push((at, library));
        effect.event = Some(Event {
            log: model.library("system").unwrap(),
            library: self.library,
            ..Event::default()
        });
        effect.answer.subject = Subject::Library(at);
        Ok(effect)
    }

    fn command(&self, _: &World, _: &Model, _: Name) -> libraries::CreateLibrary {
        let (default, suggested, longest) = self.policy;
        libraries::CreateLibrary {
            tenant_id: self.tenant.to_owned(),
            tokens_enabled: self.tokens_enabled,
            default_lifetime: lifetime(default),
            suggested_lifetime: lifetime(suggested),
            max_lifetime: lifetime(longest),
            contact_apis: names(&self.contact_apis),
            secret_display: display(self.revealable),
            max_tokens_per_user: self.limit,
            session_idle_timeout: idle(self.idle),
            ..commands::create_library(self.library)
        }
    }
}

// === impl UpdateLibrary ===

impl UpdateLibrary {
    pub(super) fn any(dice: &mut Dice) -> UpdateLibrary {
        let mut update = UpdateLibrary {
            library: dice.one(&[
                "",
                LIBRARIES[0],
                LIBRARIES[1],
                LIBRARIES[0],
                LIBRARIES[1],
                "system",
            ]),
            disabled: maybe(dice, 25, |dice| dice.chance(50)),
            tokens_enabled: maybe(dice, 20, |dice| dice.chance(70)),
            tenant: maybe(dice, 10, |dice| dice.one(&["t-1", "t-2", ""])),
            policy: maybe(dice, 25, |dice| dice.one(&POLICIES)),
            contact_apis: maybe(dice, 20, |dice| some_of(dice, &APIS, 2)),
            networks: maybe(dice, 20, |dice| few_of(dice, &NETWORKS, 50)),
            limit: maybe(dice, 20, |dice| dice.one(&LIMITS)),
            idle: maybe(dice, 20, |dice| dice.one(&IDLE)),
            revealable: maybe(dice, 20, |dice| dice.chance(50)),
            etag: Etag::any(dice),
        };
        if update.library == "system" {
            // Nobody could go on who is shut out of it.
            update = UpdateLibrary {
                library: "system",
                disabled: update.disabled.map(|_| true),
                ..UpdateLibrary::default()
            };
        }
        update
    }
}

impl Change for UpdateLibrary {
    type Command = libraries::UpdateLibrary;
    const RIGHT: Text = "directory:admin";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn is_for_operators(&self) -> bool {
        self.disabled.is_some() || self.tokens_enabled.is_some() || self.tenant.is_some()
    }

    fn expected(&self, model: &Model, by: &Standing, library: Text) -> Result<Effect, Reason> {
        let at = model.library(library).ok_or(Reason::NotFound)?;
        self.etag.check()?;
        let before = &model.libraries[at];
        let networks = self.networks.as_ref();
        let shut_out = networks.is_some_and(|networks| !allowed(networks, by.from));
        // Nobody locks itself out; who is of another library may do so.
        let own = model.libraries[by.library].name == library;
        if (own && shut_out) || (library == "system" && self.disabled == Some(true)) {
            return Err(Reason::InUse);
        }
        let mut after = before.clone();
        after.disabled = self.disabled.unwrap_or(after.disabled);
        after.tokens_enabled = self.tokens_enabled.unwrap_or(after.tokens_enabled);
        after.tenant = self.tenant.unwrap_or(after.tenant);
        if let Some(policy) = self.policy {
            (after.default, after.suggested, after.longest) = policy;
        }
        after.contact_apis = self.contact_apis.clone().unwrap_or(after.contact_apis);
        after.networks = self.networks.clone().unwrap_or(after.networks);
        after.limit = self.limit.unwrap_or(after.limit);
        after.idle = self.idle.unwrap_or(after.idle);
        after.reveal_key = match (before.reveal_key, self.revealable) {
            (None, Some(true)) => Some(model.next_key()),
            (_, Some(false)) => None,
            (key, _) => key,
        };
        model.check_policy(&after)?;
        let fields = changed(&[
            ("tenant_id", before.tenant != after.tenant),
            ("state", before.disabled != after.disabled),
            (
                "tokens_enabled",
                before.tokens_enabled != after.tokens_enabled,
            ),
            ("default_lifetime", before.default != after.default),
            ("suggested_lifetime", before.suggested != after.suggested),
            ("max_lifetime", before.longest != after.longest),
            ("contact_apis", before.contact_apis != after.contact_apis),
            ("allowed_cidrs", before.networks != after.networks),
            ("max_tokens_per_user", before.limit != after.limit),
            ("secret_display", before.reveal_key != after.reveal_key),
            ("session_idle_timeout", before.idle != after.idle),
        ]);
        let mut effect = Effect::default();
        effect.answer.subject = Subject::Library(at);
        if after != *before {
            effect.event = Some(Event {
                log: at,
                library,
                fields,
                ..Event::default()
            });
            effect.libraries.push((at, after));
        }
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, library: Name) -> libraries::UpdateLibrary {
        let known = model
            .library(library.as_str())
            .map(|at| model.libraries[at].revision);
        let policy = |of: fn((Text, Text, Text)) -> Text| self.policy.map(of).map(lifetime);
        libraries::UpdateLibrary {
            disabled: self.disabled,
            tokens_enabled: self.tokens_enabled,
            tenant_id: self.tenant.map(str::to_owned),
            default_lifetime: policy(|(default, _, _)| default),
            suggested_lifetime: policy(|(_, suggested, _)| suggested),
            max_lifetime: policy(|(_, _, longest)| longest),
            contact_apis: self.contact_apis.as_deref().map(names),
            allowed_cidrs: self.networks.as_deref().map(networks),
            secret_display: self.revealable.map(display),
            max_tokens_per_user: self.limit,
            session_idle_timeout: self.idle.map(idle),
            etag: world.etag(self.etag, known),
            ..commands::update_library(library.as_str())
        }
    }
}

// === impl DeleteLibrary ===

impl DeleteLibrary {
    pub(super) fn any(dice: &mut Dice) -> DeleteLibrary {
        let library = dice.one(&[LIBRARIES[1], LIBRARIES[0], LIBRARIES[1], "system"]);
        DeleteLibrary {
            library,
            etag: Etag::any(dice),
        }
    }
}

impl Change for DeleteLibrary {
    type Command = libraries::DeleteLibrary;
    const RIGHT: Text = "directory:admin";

    fn library(&self) -> Option<Text> {
        Some(self.library)
    }

    fn is_for_operators(&self) -> bool {
        true
    }

    fn expected(&self, model: &Model, _: &Standing, library: Text) -> Result<Effect, Reason> {
        let at = model.library(library).ok_or(Reason::NotFound)?;
        self.etag.check()?;
        if library == "system" || !model.libraries[at].disabled {
            return Err(Reason::InUse);
        }
        let mut effect = Effect::default();
        let dead = Library {
            alive: false,
            reveal_key: None,
            ..model.libraries[at].clone()
        };
        effect.libraries.push((at, dead));
        // All in it goes with it.
        for (i, user) in model
            .users
            .iter()
            .enumerate()
            .filter(|(_, u)| u.library == at)
        {
            let mut user = user.clone();
            user.alive = false;
            effect.users.push((i, user));
        }
        for (i, user_type) in model
            .user_types
            .iter()
            .enumerate()
            .filter(|(_, t)| t.library == at)
        {
            let mut user_type = user_type.clone();
            user_type.alive = false;
            effect.user_types.push((i, user_type));
        }
        effect.event = Some(Event {
            log: model.library("system").unwrap(),
            library,
            comment: Comment::UidOf(at),
            ..Event::default()
        });
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, _: Name) -> libraries::DeleteLibrary {
        let known = model
            .library(self.library)
            .map(|at| model.libraries[at].revision);
        libraries::DeleteLibrary {
            library: named(self.library),
            etag: world.etag(self.etag, known),
        }
    }
}

impl Model {
    /// A key that never sealed anything before.
    fn next_key(&self) -> u64 {
        1 + self.events.len() as u64
    }

    fn check_policy(&self, library: &Library) -> Result<(), Reason> {
        if later(self.now, library.default) > later(self.now, library.longest) {
            return Err(Reason::InvalidFields);
        }
        Ok(())
    }
}

pub(super) fn idle(text: Text) -> Option<IdleTimeout> {
    IdleTimeout::parse_optional(text).unwrap()
}

fn display(revealable: bool) -> SecretDisplay {
    if revealable {
        SecretDisplay::Revealable
    } else {
        SecretDisplay::Once
    }
}
