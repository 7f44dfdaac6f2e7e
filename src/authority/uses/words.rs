//! Texts that many tokens' uses name: permissions and services. Each is kept once for a library, which has a share of its own:
//! whoever demands ever new permissions of one library's tokens blinds none of the others.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::lock;
use crate::authority::directory::Uid;

/// Most distinct permissions that are kept of one library, at 129 bytes at most each: some 800 KiB with all that belongs to it.
const MAX_PERMISSIONS: usize = 4096;
/// Most distinct services that are kept of one library, at 129 bytes at most each.
const MAX_SERVICES: usize = 1024;
/// After so many sweeps, one goes over all libraries: an hour, at one each second.
const SWEEPS_TO_ALL: u32 = 3600;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A permission that was demanded.
    Permission,
    /// Who asked.
    Service,
}

/// The texts.
#[derive(Default)]
pub(super) struct Words {
    /// By the library of the tokens. Written only where a library is new to it, or leaves.
    libraries: RwLock<HashMap<Uid, Arc<Share>>>,
    sweeps: AtomicU32,
}

/// The texts of one library.
#[derive(Default)]
struct Share {
    permissions: Shelf,
    services: Shelf,
}

/// Texts of one kind.
#[derive(Default)]
struct Shelf {
    texts: Mutex<HashSet<Arc<str>>>,
    /// Whether there was no room for one since the last sweep.
    is_full: AtomicBool,
}

// === impl Words ===

impl Words {
    /// A library's one copy of a text; `None` for a new one where it has too many.
    pub(super) fn keep(&self, library: Uid, kind: Kind, text: &str) -> Option<Arc<str>> {
        let share = self.share(library);
        match kind {
            Kind::Permission => share.permissions.keep(text, MAX_PERMISSIONS),
            Kind::Service => share.services.keep(text, MAX_SERVICES),
        }
    }

    /// Forgets those that nothing names any more, of libraries that had no room; now and then of all. Each waits alone.
    pub(super) fn sweep(&self) {
        let turn = self.sweeps.fetch_add(1, Ordering::Relaxed);
        let all = turn % SWEEPS_TO_ALL == SWEEPS_TO_ALL - 1;
        let libraries = self.libraries.read();
        let libraries = libraries.unwrap_or_else(PoisonError::into_inner);
        let shares: Vec<(Uid, Arc<Share>)> = libraries
            .iter()
            .map(|(uid, share)| (*uid, share.clone()))
            .collect();
        drop(libraries);
        for (library, share) in shares {
            let left = [&share.permissions, &share.services].map(|shelf| shelf.sweep(all));
            if all && left == [0, 0] {
                // A text that comes in between is kept by those who name it.
                let libraries = self.libraries.write();
                let mut libraries = libraries.unwrap_or_else(PoisonError::into_inner);
                libraries.remove(&library);
            }
        }
    }

    fn share(&self, library: Uid) -> Arc<Share> {
        let known = self.libraries.read();
        let known = known
            .unwrap_or_else(PoisonError::into_inner)
            .get(&library)
            .cloned();
        known.unwrap_or_else(|| {
            let libraries = self.libraries.write();
            let mut libraries = libraries.unwrap_or_else(PoisonError::into_inner);
            libraries.entry(library).or_default().clone()
        })
    }
}

// === impl Shelf ===

impl Shelf {
    fn keep(&self, text: &str, most: usize) -> Option<Arc<str>> {
        let mut texts = lock(&self.texts);
        if let Some(known) = texts.get(text) {
            return Some(known.clone());
        }
        if texts.len() >= most {
            self.is_full.store(true, Ordering::Relaxed);
            return None;
        }
        let new: Arc<str> = text.into();
        texts.insert(new.clone());
        Some(new)
    }

    /// Says how many there are, for all that is known.
    fn sweep(&self, anyway: bool) -> usize {
        if !self.is_full.swap(false, Ordering::Relaxed) && !anyway {
            return usize::MAX;
        }
        let mut texts = lock(&self.texts);
        texts.retain(|text| Arc::strong_count(text) > 1);
        texts.len()
    }
}

#[cfg(test)]
impl Words {
    /// Holds what all libraries share until it is dropped: whoever needs it waits.
    pub(super) fn held(&self) -> impl Drop {
        let held = self.libraries.write();
        held.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uid = Uid([1; 16]);
    const OTHER: Uid = Uid([2; 16]);

    #[test]
    fn a_library_that_has_too_many_texts_leaves_the_others_their_room() {
        let words = Words::default();
        let permission = |library, text: &str| words.keep(library, Kind::Permission, text);
        let first = permission(ONE, "first").unwrap();
        for number in 1..MAX_PERMISSIONS {
            assert!(permission(ONE, &number.to_string()).is_some());
        }
        assert!(permission(ONE, "one too many").is_none());
        assert!(Arc::ptr_eq(&permission(ONE, "first").unwrap(), &first));
        assert!(permission(OTHER, "one too many").is_some());
        assert!(words.keep(ONE, Kind::Service, "acme/gate").is_some());
        words.sweep();
        assert!(permission(ONE, "one too many").is_some());
        assert!(Arc::ptr_eq(&permission(ONE, "first").unwrap(), &first));

        let services = (0..MAX_SERVICES).map(|number| number.to_string());
        let kept: Vec<_> = services
            .map(|text| words.keep(OTHER, Kind::Service, &text).unwrap())
            .collect();
        words.sweep();
        assert!(words.keep(OTHER, Kind::Service, "new").is_none());
        drop(kept);
        words.sweep();
        assert!(words.keep(OTHER, Kind::Service, "new").is_some());
    }

    #[test]
    fn a_library_of_which_nothing_is_named_any_more_takes_no_memory() {
        let words = Words::default();
        let kept = words.keep(ONE, Kind::Permission, "a:b");
        words.keep(OTHER, Kind::Permission, "a:b");
        for _ in 0..SWEEPS_TO_ALL {
            words.sweep();
        }
        let left: Vec<Uid> = words.libraries.read().unwrap().keys().copied().collect();
        assert_eq!((left, kept.as_deref()), (vec![ONE], Some("a:b")));
    }
}
