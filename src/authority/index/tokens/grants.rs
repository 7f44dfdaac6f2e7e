//! The grants of all tokens.

use std::collections::HashMap;
use std::sync::Arc;

use crate::authority::token::Grant;

/// Grants, each kept once: most tokens of a library have one of a few.
#[derive(Default)]
pub(super) struct Grants {
    slots: Vec<(Arc<Grant>, u32)>,
    by_value: HashMap<Arc<Grant>, u32>,
    free: Vec<u32>,
}

// === impl Grants ===

impl Grants {
    pub(super) fn take(&mut self, grant: &Grant) -> u32 {
        if let Some(&slot) = self.by_value.get(grant) {
            self.slots[slot as usize].1 += 1;
            return slot;
        }
        let grant = Arc::new(grant.clone());
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = (grant.clone(), 1);
            slot
        } else {
            self.slots.push((grant.clone(), 1));
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        };
        self.by_value.insert(grant, slot);
        slot
    }

    pub(super) fn give_back(&mut self, slot: u32) {
        let (grant, uses) = &mut self.slots[slot as usize];
        *uses -= 1;
        if *uses == 0 {
            self.by_value.remove(grant);
            self.free.push(slot);
        }
    }

    pub(super) fn get(&self, slot: u32) -> &Grant {
        &self.slots[slot as usize].0
    }

    /// Those in use, each with the number of tokens that have it.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> impl Iterator<Item = (&Grant, u32)> {
        let used = self.slots.iter().filter(|(_, uses)| *uses > 0);
        used.map(|(grant, uses)| (grant.as_ref(), *uses))
    }
}
