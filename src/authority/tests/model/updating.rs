//! Changing a token's names, grant and expiry.

use super::calendar::later;
use super::caller::Standing;
use super::change::{
    APIS, Change, Etag, NETWORKS, PERMISSIONS, Pick, TEXTS, changed, maybe, some_of,
};
use super::records::{Effect, Event, Grant, Model, Pair, Text};
use super::rights::reserved_of;
use super::token_changes::{RIGHTS, any_pair, pair_text, right};
use super::world::World;
use crate::authority::error::Reason;
use crate::authority::moment::Moment;
use crate::authority::name::Name;
use crate::authority::tests::dice::Dice;
use crate::authority::tests::samples::{assignment, granted, names, networks};
use crate::authority::tests::stage::DAY;
use crate::authority::update;

/// Which assignment a token is pinned to from now on.
#[derive(Debug, Clone, Copy)]
pub(super) enum NewPin {
    Cleared,
    To(Pair),
}

#[derive(Debug, Clone)]
pub(super) struct UpdateToken {
    pub(super) token: Pick,
    pub(super) display_name: Option<Text>,
    pub(super) description: Option<Text>,
    /// So many milliseconds from now.
    pub(super) expires: Option<i64>,
    pub(super) pin: Option<NewPin>,
    pub(super) right: Option<Text>,
    pub(super) listed: Option<Vec<Text>>,
    pub(super) apis: Option<Vec<Text>>,
    pub(super) networks: Option<Vec<Text>>,
    pub(super) etag: Etag,
}

// === impl NewPin ===

impl NewPin {
    fn pair(self) -> Option<Pair> {
        match self {
            NewPin::Cleared => None,
            NewPin::To(pair) => Some(pair),
        }
    }
}

// === impl UpdateToken ===

impl UpdateToken {
    pub(super) fn any(dice: &mut Dice) -> UpdateToken {
        UpdateToken {
            token: Pick::any(dice),
            display_name: maybe(dice, 20, |dice| dice.one(&TEXTS)),
            description: maybe(dice, 20, |dice| dice.one(&TEXTS)),
            expires: maybe(dice, 30, |dice| {
                dice.one(&[DAY, 30 * DAY, 1, 400 * DAY, 2000 * DAY, 0, 60 * DAY])
            }),
            pin: maybe(dice, 20, |dice| {
                if dice.chance(60) {
                    NewPin::To(any_pair(dice))
                } else {
                    NewPin::Cleared
                }
            }),
            right: maybe(dice, 20, |dice| dice.one(&RIGHTS)),
            listed: maybe(dice, 25, |dice| some_of(dice, &PERMISSIONS, 3)),
            apis: maybe(dice, 15, |dice| some_of(dice, &APIS, 2)),
            networks: maybe(dice, 15, |dice| some_of(dice, &NETWORKS, 2)),
            etag: Etag::any(dice),
        }
    }
}

impl Change for UpdateToken {
    type Command = update::UpdateToken;
    const RIGHT: Text = "tokens:self";

    fn library(&self) -> Option<Text> {
        None
    }

    fn expected(&self, model: &Model, by: &Standing, _: Text) -> Result<Effect, Reason> {
        let (at, before) = model.begin(by, self.token, self.etag)?;
        let mut token = before.clone();
        token.grant = Grant {
            pin: self.pin.map_or(before.grant.pin, NewPin::pair),
            right: self.right.unwrap_or(before.grant.right),
            listed: self.listed.clone().unwrap_or(token.grant.listed),
            apis: self.apis.clone().unwrap_or(token.grant.apis),
            networks: self.networks.clone().unwrap_or(token.grant.networks),
        };
        by.demand_held(&token.grant.conveys_beyond(&before.grant))?;
        if by.token == at && token.grant != before.grant {
            return Err(Reason::PermissionDenied);
        }
        token.display_name = self.display_name.unwrap_or(token.display_name);
        token.description = self.description.unwrap_or(token.description);
        if !token.session && token.display_name.is_empty() && token.description.is_empty() {
            return Err(Reason::InvalidFields);
        }
        // No imported token is a credential of the authority.
        if token.imported.is_some() && !reserved_of(&token.grant.listed).is_empty() {
            return Err(Reason::InvalidFields);
        }
        let (mut warnings, mut clamped) = (Vec::new(), false);
        if token.grant != before.grant {
            token.grant = by.givable(&token.grant).ok_or(Reason::InvalidFields)?;
            model.demand_owned(before)?;
            model.check_grant(&token.grant, token.library, token.user)?;
            warnings.extend(model.in_vain(&token.grant, token.user));
            warnings.extend(model.nowhere(&token.grant, token.library));
        }
        if let Some(after) = self.expires {
            let end = model.now + after;
            if after <= 0 || token.not_before.is_some_and(|start| start >= end) {
                return Err(Reason::InvalidFields);
            }
            if end > token.expires {
                model.demand_prolonging(by, before)?;
                let latest = later(model.now, model.libraries[token.library].longest);
                if latest <= token.expires {
                    return Err(Reason::LifetimeAtMaximum);
                }
                clamped = end > latest;
                warnings.extend(model.longer_than_suggested(token.library, end.min(latest)));
                token.expires = end.min(latest);
            } else {
                token.expires = end;
            }
        }
        if self.expires.is_some() && before.expires <= model.now {
            model.take_seat(token.library, token.user)?;
        }
        let (old, new) = (&before.grant, &token.grant);
        let fields = changed(&[
            ("display_name", before.display_name != token.display_name),
            ("description", before.description != token.description),
            ("expire_time", before.expires != token.expires),
            ("user_type", old.pin != new.pin),
            ("access_right", old.right != new.right),
            ("permissions", old.listed != new.listed),
            ("apis", old.apis != new.apis),
            ("allowed_cidrs", old.networks != new.networks),
        ]);
        let mut effect = model.replaced(
            at,
            token,
            Event {
                fields,
                ..model.event_of(at)
            },
        );
        (effect.answer.warnings, effect.answer.clamped) = (warnings, clamped);
        Ok(effect)
    }

    fn command(&self, world: &World, model: &Model, _: Name) -> update::UpdateToken {
        update::UpdateToken {
            id: world.id(model, self.token),
            display_name: self.display_name.map(str::to_owned),
            description: self.description.map(str::to_owned),
            expire_time: self.expires.map(|after| Moment(model.now + after)),
            pin: self
                .pin
                .map(|pin| pin.pair().map(|pair| assignment(&pair_text(pair)))),
            access_right: self.right.map(right),
            permissions: self.listed.as_deref().map(granted),
            apis: self.apis.as_deref().map(names),
            allowed_cidrs: self.networks.as_deref().map(networks),
            etag: world.token_etag(model, self.token, self.etag),
        }
    }
}
