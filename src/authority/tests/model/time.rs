//! How much time passes: mostly until something changes by itself, where mistakes are made.

use super::change::Pick;
use super::records::{Model, Token};
use crate::authority::tests::dice::Dice;
use crate::authority::tests::stage::{DAY, MINUTE};

/// How much time passes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Time {
    Milliseconds(i64),
    /// Until something of a token, or of the next if it is unknown, changes by itself, and so much more or less.
    Until(Pick, Edge, i64),
}

/// What changes by itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edge {
    Expiry,
    Start,
    Supersession,
}

// === impl Time ===

impl Time {
    pub(super) fn any(dice: &mut Dice) -> Time {
        const STEPS: [(usize, i64); 11] = [
            (8, 1),
            (8, 1000),
            (6, MINUTE),
            (4, 10 * MINUTE - 1),
            (4, 10 * MINUTE),
            (6, 60 * MINUTE),
            (6, DAY),
            (2, 30 * DAY),
            (1, 100 * DAY),
            (1, 400 * DAY),
            (4, 0),
        ];
        if dice.chance(65) {
            return Time::Milliseconds(dice.weighted(&STEPS));
        }
        let edge = dice.one(&[Edge::Expiry, Edge::Supersession, Edge::Start, Edge::Expiry]);
        let whose = if dice.chance(85) {
            Pick::Unknown
        } else {
            Pick::any(dice)
        };
        Time::Until(whose, edge, dice.one(&[0, -1, 1]))
    }

    /// When it is then: never earlier than now.
    pub(super) fn after(self, model: &Model) -> i64 {
        match self {
            Time::Milliseconds(more) => model.now + more,
            Time::Until(pick, edge, more) => {
                let of = |token: &Token| match edge {
                    Edge::Expiry => Some(token.expires),
                    Edge::Start => token.not_before,
                    Edge::Supersession => token.superseded.as_ref().map(|(_, until, _)| *until),
                };
                let edge = match pick.at(model) {
                    Some(at) => of(&model.tokens[at]),
                    // The next of any token.
                    None => model
                        .tokens
                        .iter()
                        .filter_map(of)
                        .filter(|at| *at > model.now)
                        .min(),
                };
                edge.map_or(model.now, |edge| (edge + more).max(model.now))
            }
        }
    }
}
