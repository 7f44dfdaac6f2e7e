//! Lists and single records. Every list pages; a page token is bound to its caller and its filter.

mod events;
mod filter;
mod findings;
mod tokens;

pub use filter::{EventFilter, TokenFilter, Window};

use super::Authority;
use super::caller::{Authorised, Caller};
use super::directory::{Library, Uid, User, UserType};
use super::error::Error;
use super::keyspace::{self, Stored, Versioned};
use super::moment::Moment;
use super::name::Name;
use super::page::{Binding, Page, PageRequest, Room};
use super::understand;
use crate::store::Key;

/// Most tokens or events that one call looks at: a filter that finds few answers with a short page and goes on in the next.
const MAX_EXAMINED: usize = 10_000;

/// Which library is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibraryRef {
    /// The living one of this name.
    Named(Name),
    /// The one of this uid, deleted ones too; for operators alone.
    Uid(Uid),
}

impl Authority {
    pub(super) fn uid_of(&self, by: &Authorised, library: &LibraryRef) -> Result<Uid, Error> {
        match library {
            LibraryRef::Named(name) => Ok(self.library(name)?.value.uid),
            LibraryRef::Uid(uid) => {
                by.demand_operator("name a library by its uid")?;
                Ok(*uid)
            }
        }
    }

    /// One library.
    pub fn get_library(&self, library: &Name) -> Result<Versioned<Library>, Error> {
        self.library(library)
    }

    /// The libraries that the caller may see, by name.
    pub async fn list_libraries(
        &self,
        caller: &Caller,
        page: &PageRequest,
        now: Moment,
    ) -> Result<Page<Versioned<Library>>, Error> {
        let by = self.authorise(caller, now)?;
        if !by.is_operator() {
            return Ok(Page {
                items: vec![self.library(&by.library)?],
                next: String::new(),
            });
        }
        self.scan_page(
            Binding::new("libraries", &by, String::new()),
            keyspace::LIBRARIES.to_vec(),
            page,
        )
        .await
    }

    /// One user type.
    pub fn get_user_type(
        &self,
        library: &Name,
        user_type: &Name,
    ) -> Result<Versioned<UserType>, Error> {
        let uid = self.library(library)?.value.uid;
        self.user_type(&uid, library, user_type)
    }

    /// The user types of a library, by name.
    pub async fn list_user_types(
        &self,
        caller: &Caller,
        library: &Name,
        page: &PageRequest,
        now: Moment,
    ) -> Result<Page<Versioned<UserType>>, Error> {
        let by = self.authorise(caller, now)?;
        let uid = self.library(library)?.value.uid;
        let binding = Binding::new("user_types", &by, uid.to_string());
        self.scan_page(binding, keyspace::user_types(uid), page)
            .await
    }

    /// One user.
    pub async fn get_user(&self, library: &Name, user: &Name) -> Result<Versioned<User>, Error> {
        let uid = self.library(library)?.value.uid;
        self.user(&uid, user).await
    }

    /// The users of a library, by name.
    pub async fn list_users(
        &self,
        caller: &Caller,
        library: &Name,
        page: &PageRequest,
        now: Moment,
    ) -> Result<Page<Versioned<User>>, Error> {
        let by = self.authorise(caller, now)?;
        let uid = self.library(library)?.value.uid;
        let binding = Binding::new("users", &by, uid.to_string());
        self.scan_page(binding, keyspace::users(uid), page).await
    }

    /// A page of the records under a prefix, in key order.
    async fn scan_page<T: Stored>(
        &self,
        binding: Binding,
        prefix: Key,
        page: &PageRequest,
    ) -> Result<Page<Versioned<T>>, Error> {
        let after = self.open_page(&binding, page)?;
        let mut room = Room::of(page);
        let mut records = self.store.scan(prefix, after, room.items() + 1).await?;
        let kept = records.iter().take_while(|r| room.takes(r)).count();
        let more = kept < records.len();
        records.truncate(kept);
        let next = match records.last() {
            Some(last) if more => self.seal_page(&binding, &last.key),
            _ => String::new(),
        };
        let items = records.iter().map(understand).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }
}
