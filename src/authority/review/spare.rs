//! What could be taken from a token, by what was demanded of it. Only that is judged which a list can leave out, never what
//! comes of a list and a user's rights together: those cross to too many, and to what nobody listed.

use std::collections::BTreeSet;

use crate::authority::index::View;
use crate::authority::permission::{
    MAX_PERMISSIONS, Parts, Pattern, Permission, Reserved, ReservedSet,
};
use crate::authority::token::AccessRight;
use crate::authority::uses::Use;

/// What a token could do without. Nothing is known of one for which nothing was demanded, nor of one for which more was than is
/// kept.
#[derive(Debug, Default)]
pub(super) struct Spare {
    /// What nothing needed, as patterns: [`MAX_PERMISSIONS`] at most. Empty if all was needed, or if nothing is known.
    pub unused: Vec<String>,
    /// What would do, as a list. Empty as long as `unused` is.
    pub needed: Vec<String>,
}

/// A token's ordinary patterns, by whether any of the demands needed them.
#[derive(Default)]
struct Ordinary<'a> {
    needed: BTreeSet<Parts<'a>>,
    unused: BTreeSet<Parts<'a>>,
}

impl Spare {
    /// Judges a token by what it was used for.
    pub(super) fn of(view: &View<'_>, used: &Use) -> Spare {
        let Some(rights) = view.records.rights(None) else {
            return Spare::default();
        };
        if used.permissions.is_empty() || used.more_permissions {
            return Spare::default();
        }
        let demanded: Vec<Permission> = used
            .permissions
            .iter()
            .filter_map(|text| Permission::parse(text).ok())
            .collect();
        let grant = view.records.grant;
        let had = || rights.had().into_iter().map(Pattern::parts);
        let listed = grant.permissions.patterns().iter().map(Pattern::parts);
        let ordinary = match grant.access_right {
            AccessRight::Custom => Ordinary::by_need(listed, &demanded),
            AccessRight::Full => Ordinary::by_need(had(), &demanded),
            AccessRight::ReadOnly => {
                Ordinary::by_need(had().flat_map(Parts::read_only).flatten(), &demanded)
            }
        };
        let reserved = match grant.access_right {
            AccessRight::Full | AccessRight::Custom => grant.permissions.reserved,
            // What it makes void must stay so in a list.
            AccessRight::ReadOnly => grant.reserved_kept(),
        };
        let needed = needed_of(reserved, &demanded);
        let unused = texts(reserved.without(needed), &ordinary.unused);
        if unused.is_empty() {
            return Spare::default();
        }
        Spare {
            unused,
            needed: texts(needed, &ordinary.needed),
        }
    }
}

impl<'a> Ordinary<'a> {
    fn by_need(patterns: impl Iterator<Item = Parts<'a>>, demanded: &[Permission]) -> Self {
        let mut parted = Ordinary::default();
        for pattern in patterns {
            let mut demands = demanded.iter().filter(|demand| !demand.is_reserved());
            if demands.any(|demand| pattern.permits(demand)) {
                parted.needed.insert(pattern);
            } else if parted.unused.len() < MAX_PERMISSIONS {
                parted.unused.insert(pattern);
            }
        }
        parted
    }
}

/// Of the reserved permissions that are listed, those that were needed, and those that these include.
fn needed_of(listed: ReservedSet, demanded: &[Permission]) -> ReservedSet {
    let may_answer = |demand: &Permission| {
        let demand = Reserved::ALL
            .into_iter()
            .find(|reserved| reserved.as_str() == demand.as_str());
        // A call demands the least that may do: of who manages all tokens, the right to its own.
        let wider = demand.into_iter().flat_map(Reserved::included_in);
        let mut may = wider.fold(ReservedSet::default(), |may, reserved| {
            may.union(ReservedSet::of(&[reserved]))
        });
        // The passwords of others are set by either, and the narrower is asked for first.
        if demand == Some(Reserved::TokensSelf) {
            may = may.union(ReservedSet::of(&[Reserved::DirectoryAdmin]));
        }
        may
    };
    let needed = demanded
        .iter()
        .map(may_answer)
        .fold(ReservedSet::default(), ReservedSet::union)
        .intersect(listed);
    listed.intersect(needed.held())
}

fn texts(reserved: ReservedSet, ordinary: &BTreeSet<Parts<'_>>) -> Vec<String> {
    let reserved = reserved.iter().map(|reserved| reserved.as_str().to_owned());
    let ordinary = ordinary.iter().map(ToString::to_string);
    reserved.chain(ordinary).take(MAX_PERMISSIONS).collect()
}
