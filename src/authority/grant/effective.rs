//! The permissions in effect, as a list. What is judged never goes by the list: it is bounded, so that what it costs is too.

use std::collections::HashSet;

use super::Rights;
use crate::authority::permission::{Parts, Pattern, PermissionSet};
use crate::authority::token::AccessRight;

/// Most ordinary permissions that an answer lists. A demand is judged by all of them; the list is bounded because patterns
/// such as "*:read" and "orders:*" cross: 32 user types and a grant of 64 each could make 131,072.
const MAX_EFFECTIVE: usize = 1024;
/// Most crossings of what a user has with what a grant leaves that are looked at for it, whether or not anything comes of them:
/// 256 distinct patterns with a list of 64. It is made under the lock of the index, and takes less than a millisecond so.
const MAX_CROSSED: usize = 16 * 1024;

impl<'a> Rights<'a> {
    /// The permissions in effect: all of them, or of many those that were found first, [`MAX_EFFECTIVE`] at most.
    #[must_use]
    pub fn effective(&self) -> PermissionSet {
        let had = self.had().into_iter().map(Pattern::parts);
        let mut effective: PermissionSet = match self.grant.access_right {
            AccessRight::Full => bounded(had.map(Some)),
            AccessRight::ReadOnly => bounded(had.flat_map(Parts::read_only)),
            AccessRight::Custom => {
                let kept = self.grant.permissions.patterns();
                bounded(had.flat_map(|h| kept.iter().map(move |k| h.intersect(k.parts()))))
            }
        };
        effective.reserved = self.reserved;
        effective
    }

    /// The ordinary patterns of the user types in force, sorted, each once.
    pub(in crate::authority) fn had(&self) -> Vec<&'a Pattern> {
        // A user type that is assigned in many departments is looked at once.
        let mut types: Vec<&'a [Pattern]> = self
            .in_force
            .iter()
            .map(|(_, set)| set.patterns())
            .collect();
        types.sort_unstable_by_key(|patterns| patterns.as_ptr());
        types.dedup_by_key(|patterns| patterns.as_ptr());
        let mut had: Vec<&'a Pattern> = types.into_iter().flatten().collect();
        had.sort_unstable();
        had.dedup();
        had
    }
}

/// What comes of the first so many crossings, each once, and so many at most.
pub(super) fn bounded<'p>(crossed: impl Iterator<Item = Option<Parts<'p>>>) -> PermissionSet {
    let mut found = HashSet::new();
    for parts in crossed.take(MAX_CROSSED).flatten() {
        found.insert(parts);
        if found.len() == MAX_EFFECTIVE {
            break;
        }
    }
    found.into_iter().map(Pattern::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::tests::samples::granted;

    #[test]
    fn no_more_is_looked_at_than_the_bound_though_nothing_comes_of_it() {
        let mut crossed = 0;
        let nothing = std::iter::repeat_with(|| {
            crossed += 1;
            None
        });
        assert!(bounded(nothing).is_empty());
        assert_eq!(crossed, MAX_CROSSED);
        let always_the_same = granted(&["orders:read"]);
        let same = std::iter::repeat(always_the_same.patterns()[0].parts()).map(Some);
        assert_eq!(bounded(same), always_the_same);
    }

    #[test]
    fn no_more_is_listed_than_the_bound() {
        let texts: Vec<String> = (0..64).map(|number| format!("r{number}:*")).collect();
        let actions: Vec<String> = (0..64).map(|number| format!("*:a{number}")).collect();
        let (had, kept) = (granted_of(&texts), granted_of(&actions));
        let mut crossed = 0;
        let pairs = had.patterns().iter().flat_map(|h| {
            let kept = kept.patterns().iter();
            kept.map(|k| h.parts().intersect(k.parts()))
        });
        let listed = bounded(pairs.inspect(|_| crossed += 1));
        assert_eq!(listed.patterns().len(), MAX_EFFECTIVE);
        assert_eq!(crossed, MAX_EFFECTIVE);
    }

    fn granted_of(texts: &[String]) -> PermissionSet {
        PermissionSet::parse(texts).unwrap()
    }
}
