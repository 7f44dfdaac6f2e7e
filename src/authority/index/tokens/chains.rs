//! The tokens of each user: a chain through the slab, so that they are found without looking at anybody else's. It takes 8
//! bytes of a token and 8 of a user, whatever is added or forgotten, and never copies or searches.

use super::{Packed, Slab};

/// Where a token stands among its user's: the slots of its neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    newer: u32,
    older: u32,
}

/// The chain of each user, by the user's slot.
#[derive(Default)]
pub(super) struct Chains(Vec<Chain>);

/// Where a chain begins, and how long it is.
#[derive(Clone, Copy)]
struct Chain {
    newest: u32,
    len: u32,
}

/// Where a chain ends.
const END: u32 = u32::MAX;

// === impl Link ===

impl Link {
    /// Of a token that is in no chain yet.
    pub(super) const NONE: Link = Link {
        newer: END,
        older: END,
    };
}

// === impl Chains ===

impl Chains {
    /// The token in a slot is its user's newest now.
    pub(super) fn add(&mut self, slab: &mut Slab, slot: u32) {
        let user = slab.get(slot).user as usize;
        if user >= self.0.len() {
            self.0.resize(user + 1, Chain::EMPTY);
        }
        let chain = &mut self.0[user];
        slab.get_mut(slot).link = Link {
            newer: END,
            older: chain.newest,
        };
        if chain.newest != END {
            slab.get_mut(chain.newest).link.newer = slot;
        }
        chain.newest = slot;
        chain.len += 1;
    }

    /// Puts a token into a slot that holds it already: it keeps its place, so that whoever goes along the chain misses nothing.
    pub(super) fn keep(&mut self, slab: &mut Slab, slot: u32, packed: Packed) {
        let Packed { user, link, .. } = *slab.get(slot);
        if user == packed.user {
            *slab.get_mut(slot) = Packed { link, ..packed };
            return;
        }
        self.take(slab, slot);
        *slab.get_mut(slot) = packed;
        self.add(slab, slot);
    }

    /// The token in a slot is its user's no longer.
    pub(super) fn take(&mut self, slab: &mut Slab, slot: u32) {
        let Packed { user, link, .. } = *slab.get(slot);
        let chain = &mut self.0[user as usize];
        match link.newer {
            END => chain.newest = link.older,
            newer => slab.get_mut(newer).link.older = link.older,
        }
        if link.older != END {
            slab.get_mut(link.older).link.newer = link.newer;
        }
        chain.len -= 1;
    }

    /// How many tokens a user has, ended ones too.
    pub(super) fn len(&self, user: u32) -> usize {
        self.0.get(user as usize).map_or(0, |c| c.len as usize)
    }

    /// The tokens of a user, the newest first.
    pub(super) fn all<'a>(&self, slab: &'a Slab, user: u32) -> impl Iterator<Item = &'a Packed> {
        let chain = self.0.get(user as usize).unwrap_or(&Chain::EMPTY);
        along(slab, chain.newest)
    }

    /// The tokens of the same user that are older than this one.
    pub(super) fn after<'a>(slab: &'a Slab, token: &Packed) -> impl Iterator<Item = &'a Packed> {
        along(slab, token.link.older)
    }

    /// Bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Chain>()
    }
}

// === impl Chain ===

impl Chain {
    const EMPTY: Chain = Chain {
        newest: END,
        len: 0,
    };
}

fn along(slab: &Slab, from: u32) -> impl Iterator<Item = &Packed> {
    let at = |slot: u32| (slot != END).then(|| slab.get(slot));
    std::iter::successors(at(from), move |token| at(token.link.older))
}
