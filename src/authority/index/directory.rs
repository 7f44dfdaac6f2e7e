//! The directory of the index: libraries, user types and users, by slots that tokens point to.
//!
//! A slot outlives what it stood for: a library or user that is deleted leaves it empty, so that its tokens are judged as
//! ownerless, for good. One that is made again under the same name has another uid, and so another slot.

use std::collections::{BTreeMap, HashMap};

use super::imports::Imports;
use super::order::Orders;
use super::tokens::Packed;
use super::watermarks::Watermarks;
use crate::authority::directory::{Library, Uid, User, UserType};
use crate::authority::judge::UserFacts;
use crate::authority::keyspace::Versioned;
use crate::authority::name::Name;
use crate::authority::watermark::Watermark;
use crate::store::Revision;

/// Libraries, user types and users.
#[derive(Default)]
pub struct Directory {
    libraries: Vec<LibrarySlot>,
    users: Vec<UserSlot>,
    by_name: HashMap<Name, u32>,
    library_by_uid: HashMap<Uid, u32>,
    user_by_uid: HashMap<Uid, u32>,
    /// Of the libraries that have imported tokens, deleted ones too.
    imports: BTreeMap<Uid, Imports>,
    /// Those of owners that were deleted, and of which no token was loaded yet.
    unplaced: HashMap<Uid, Watermarks>,
}

/// A library, its user types and the orders of its tokens.
pub struct LibrarySlot {
    /// Its name.
    pub library: Name,
    /// Its uid.
    pub uid: Uid,
    /// What is known of it; `None` once it is deleted.
    pub facts: Option<Versioned<Library>>,
    /// Its user types.
    pub user_types: HashMap<Name, Versioned<UserType>>,
    /// Its tokens.
    pub tokens: Orders,
    /// What revokes its tokens together.
    pub watermarks: Watermarks,
    users: HashMap<Name, u32>,
    /// How many assignments name each user type.
    assigned: HashMap<Name, usize>,
}

/// A user.
pub struct UserSlot {
    /// Its name.
    pub user: Name,
    /// Its uid.
    pub uid: Uid,
    /// What is known of it; `None` once it is deleted.
    pub facts: Option<UserFacts>,
    /// What revokes its tokens together.
    pub watermarks: Watermarks,
}

// === impl Directory ===

impl Directory {
    /// The library in a slot.
    #[must_use]
    pub fn library(&self, slot: u32) -> &LibrarySlot {
        &self.libraries[slot as usize]
    }

    /// The user in a slot.
    #[must_use]
    pub fn user(&self, slot: u32) -> &UserSlot {
        &self.users[slot as usize]
    }

    /// The living library of this name.
    #[must_use]
    pub fn library_named(&self, name: &str) -> Option<&LibrarySlot> {
        self.by_name.get(name).map(|slot| self.library(*slot))
    }

    /// The library of this uid, deleted or not.
    #[must_use]
    pub fn library_of(&self, uid: Uid) -> Option<&LibrarySlot> {
        self.library_by_uid
            .get(&uid)
            .map(|slot| self.library(*slot))
    }

    /// A token of the library in a slot is no longer this one, but that one.
    pub fn replace_token(&mut self, slot: u32, before: Option<&Packed>, now: Option<&Packed>) {
        self.libraries[slot as usize].tokens.replace(before, now);
    }

    /// The slot of the library of this uid; a new, empty one if there is none.
    pub fn library_slot(&mut self, uid: Uid, name: &Name) -> u32 {
        let (libraries, unplaced) = (&mut self.libraries, &mut self.unplaced);
        *self.library_by_uid.entry(uid).or_insert_with(|| {
            let watermarks = unplaced.remove(&uid).unwrap_or_default();
            libraries.push(LibrarySlot::new(uid, name.clone(), watermarks));
            slot_number(libraries.len())
        })
    }

    /// The slot of the user of this uid; a new, empty one if there is none.
    pub fn user_slot(&mut self, uid: Uid, name: &Name) -> u32 {
        let (users, unplaced) = (&mut self.users, &mut self.unplaced);
        *self.user_by_uid.entry(uid).or_insert_with(|| {
            users.push(UserSlot {
                user: name.clone(),
                uid,
                facts: None,
                watermarks: unplaced.remove(&uid).unwrap_or_default(),
            });
            slot_number(users.len())
        })
    }

    /// A library was made or changed.
    pub fn put_library(&mut self, library: Library, revision: Revision) {
        let slot = self.library_slot(library.uid, &library.library);
        self.by_name.insert(library.library.clone(), slot);
        self.libraries[slot as usize].facts = Some(Versioned {
            value: library,
            revision,
        });
    }

    /// A library was deleted.
    pub fn delete_library(&mut self, name: &Name) {
        if let Some(slot) = self.by_name.remove(name) {
            let slot = &mut self.libraries[slot as usize];
            slot.facts = None;
            slot.user_types = HashMap::new();
            slot.assigned = HashMap::new();
            for user in std::mem::take(&mut slot.users).into_values() {
                self.users[user as usize].facts = None;
            }
        }
    }

    /// A user type was made or changed. One of a deleted library is out of reach.
    pub fn put_user_type(&mut self, user_type: UserType, revision: Revision) {
        if let Some(library) = self.living(user_type.library_uid) {
            let versioned = Versioned {
                value: user_type,
                revision,
            };
            library
                .user_types
                .insert(versioned.value.user_type.clone(), versioned);
        }
    }

    /// A user type was deleted.
    pub fn delete_user_type(&mut self, library: Uid, name: &Name) {
        if let Some(library) = self.living(library) {
            library.user_types.remove(name);
        }
    }

    /// A user was made or changed. One of a deleted library is out of reach.
    pub fn put_user(&mut self, user: User, revision: Revision) {
        if self.living(user.library_uid).is_none() {
            return;
        }
        let slot = self.user_slot(user.uid, &user.user);
        let facts = UserFacts {
            kind: user.kind,
            disabled: user.disabled,
            assignments: user.assignments,
            data_owner: user.data_owner,
            revision,
        };
        let named: Vec<Name> = facts
            .assignments
            .iter()
            .map(|a| a.user_type.clone())
            .collect();
        let before = self.users[slot as usize].facts.replace(facts);
        if let Some(library) = self.living(user.library_uid) {
            library.users.insert(user.user, slot);
            library.count(&named, before.as_ref());
        }
    }

    /// A user was deleted.
    pub fn delete_user(&mut self, library: Uid, name: &Name) {
        let Some(slot) = self.living(library).and_then(|l| l.users.remove(name)) else {
            return;
        };
        let before = self.users[slot as usize].facts.take();
        if let Some(library) = self.living(library) {
            library.count(&[], before.as_ref());
        }
    }

    /// A watermark was set.
    pub fn put_watermark(&mut self, watermark: Versioned<Watermark>) {
        let owner = watermark.value.owner;
        let watermarks = if let Some(slot) = self.library_by_uid.get(&owner) {
            &mut self.libraries[*slot as usize].watermarks
        } else if let Some(slot) = self.user_by_uid.get(&owner) {
            &mut self.users[*slot as usize].watermarks
        } else {
            self.unplaced.entry(owner).or_default()
        };
        watermarks.put(watermark);
    }

    /// How the imported tokens of a library are found has changed.
    pub fn put_imports(&mut self, library: Uid, imports: Imports) {
        self.imports.insert(library, imports);
    }

    /// How the imported tokens of a library are found; `None` if it has none, and had none.
    #[must_use]
    pub fn imports_of(&self, library: Uid) -> Option<&Imports> {
        self.imports.get(&library)
    }

    /// The same of all libraries that have some, or had.
    pub fn imports(&self) -> impl Iterator<Item = (Uid, &Imports)> {
        self.imports
            .iter()
            .map(|(library, imports)| (*library, imports))
    }

    fn living(&mut self, library: Uid) -> Option<&mut LibrarySlot> {
        let slot = *self.library_by_uid.get(&library)?;
        Some(&mut self.libraries[slot as usize]).filter(|l| l.facts.is_some())
    }

    /// All libraries, deleted ones too.
    pub fn libraries(&self) -> impl Iterator<Item = &LibrarySlot> {
        self.libraries.iter()
    }
}

// === impl LibrarySlot ===

impl LibrarySlot {
    fn new(uid: Uid, library: Name, watermarks: Watermarks) -> LibrarySlot {
        LibrarySlot {
            library,
            uid,
            facts: None,
            user_types: HashMap::new(),
            tokens: Orders::default(),
            watermarks,
            users: HashMap::new(),
            assigned: HashMap::new(),
        }
    }

    /// The slot of the living user of this name.
    #[must_use]
    pub fn user_named(&self, name: &str) -> Option<u32> {
        self.users.get(name).copied()
    }

    /// The slots of its living users.
    pub fn user_slots(&self) -> impl Iterator<Item = u32> {
        self.users.values().copied()
    }

    /// Whether any user is assigned the user type.
    #[must_use]
    pub fn is_assigned(&self, user_type: &Name) -> bool {
        self.assigned.contains_key(user_type)
    }

    fn count(&mut self, now: &[Name], before: Option<&UserFacts>) {
        for name in now {
            *self.assigned.entry(name.clone()).or_default() += 1;
        }
        for assignment in before.iter().flat_map(|b| &b.assignments) {
            if let Some(uses) = self.assigned.get_mut(&assignment.user_type) {
                *uses -= 1;
                if *uses == 0 {
                    self.assigned.remove(&assignment.user_type);
                }
            }
        }
    }
}

fn slot_number(len: usize) -> u32 {
    u32::try_from(len - 1).unwrap_or(u32::MAX)
}
