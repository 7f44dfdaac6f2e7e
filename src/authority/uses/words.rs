//! Texts that many tokens' uses name: permissions and services. Each is kept once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::lock;

/// Most texts that are kept, at 127 bytes at most each: whoever demands ever new permissions fills no memory with them.
const MAX_WORDS: usize = 65_536;

/// The texts.
#[derive(Default)]
pub(super) struct Words(Mutex<HashSet<Arc<str>>>);

// === impl Words ===

impl Words {
    /// The one copy of a text; `None` for a new one where there are too many.
    pub(super) fn keep(&self, text: &str) -> Option<Arc<str>> {
        let mut words = lock(&self.0);
        if let Some(known) = words.get(text) {
            return Some(known.clone());
        }
        if words.len() >= MAX_WORDS {
            return None;
        }
        let new: Arc<str> = text.into();
        words.insert(new.clone());
        Some(new)
    }

    /// Forgets those that nothing names any more, once there are many.
    pub(super) fn sweep(&self) {
        let mut words = lock(&self.0);
        if words.len() > MAX_WORDS / 2 {
            words.retain(|word| Arc::strong_count(word) > 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_texts_are_kept_than_there_is_room_for() {
        let words = Words::default();
        let first = words.keep("first").unwrap();
        for number in 1..MAX_WORDS {
            assert!(words.keep(&number.to_string()).is_some());
        }
        assert!(words.keep("one too many").is_none());
        assert!(Arc::ptr_eq(&words.keep("first").unwrap(), &first));
        words.sweep();
        assert!(words.keep("one too many").is_some());
        assert!(Arc::ptr_eq(&words.keep("first").unwrap(), &first));
    }
}
