//! Lists and single records, for administrators. Every list pages; a page token is bound to its caller and its filter.

use std::cmp::Reverse;
use std::ops::Bound;

use super::Authority;
use super::audit::AuditEvent;
use super::caller::{Authorised, Caller};
use super::directory::{Library, Uid, User, UserType};
use super::error::{Error, Reason};
use super::index::{Lookup, Order};
use super::keyspace::{self, Stored, Versioned};
use super::moment::Moment;
use super::name::Name;
use super::page::{Binding, Page, PageRequest, bad_page_token, fitting};
use super::secret::TokenId;
use super::token::{Token, TokenKind};
use super::understand;
use crate::store::{Key, Record};

/// Most tokens that one call looks at: a filter that finds few answers with a short page and goes on in the next.
const MAX_EXAMINED: usize = 10_000;

/// Which library is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibraryRef {
    /// The living one of this name.
    Named(Name),
    /// The one of this uid, deleted ones too; for operators alone.
    Uid(Uid),
}

/// Which tokens are listed.
#[derive(Debug, Clone)]
pub struct TokenFilter {
    /// Of this library; one that the caller reaches.
    pub library: LibraryRef,
    /// Of this user alone.
    pub user: Option<Name>,
    /// Of this kind alone.
    pub kind: Option<TokenKind>,
    /// Revoked ones too.
    pub show_revoked: bool,
}

impl Authority {
    /// One token.
    pub async fn get_token(
        &self,
        caller: &Caller,
        id: TokenId,
        now: Moment,
    ) -> Result<Versioned<Token>, Error> {
        let by = self.authorise(caller, now)?;
        self.visible_token(&by, id).await
    }

    /// The tokens of a library, newest first.
    pub async fn list_tokens(
        &self,
        caller: &Caller,
        filter: &TokenFilter,
        page: &PageRequest,
        now: Moment,
    ) -> Result<Page<Versioned<Token>>, Error> {
        let by = self.authorise(caller, now)?;
        let filter = &filter.within_reach(&by)?;
        let user = filter.user.as_ref().map(Name::as_str).unwrap_or_default();
        let library = self.uid_of(&by, &filter.library)?;
        let binding = Binding::new(
            "tokens",
            &by,
            format!("{library}/{user}/{}/{:?}", filter.show_revoked, filter.kind),
        );
        let after = self.open_page(&binding, page)?;
        let (found, mut next) =
            self.find_tokens(library, filter, after.as_deref(), page.limit(), now)?;
        let keys = found.iter().map(|(_, id)| keyspace::token(*id)).collect();
        let records = self.store.get(keys).await?;
        let present = found.iter().zip(&records);
        let present: Vec<_> = present
            .filter_map(|(order, r)| Some((order, r.as_ref()?)))
            .collect();
        let fitting = fitting(present.iter().map(|(_, record)| *record));
        if let (true, Some((last, _))) = (fitting < present.len(), present.get(fitting - 1)) {
            next = Some(**last);
        }
        let items = present
            .iter()
            .take(fitting)
            .map(|(_, record)| understand(record));
        let items = items.collect::<Result<_, _>>()?;
        let next = next
            .map(|last| self.seal_page(&binding, &cursor_of(&last)))
            .unwrap_or_default();
        Ok(Page { items, next })
    }

    /// Filters over the index: the places of a page, and where the next one goes on after.
    fn find_tokens(
        &self,
        library: Uid,
        filter: &TokenFilter,
        after: Option<&[u8]>,
        limit: usize,
        now: Moment,
    ) -> Result<(Vec<Order>, Option<Order>), Error> {
        let state = self.index.read()?;
        if !state.is_complete() {
            return Err(Error::new(
                Reason::NotReady,
                "the tokens are still being loaded; try again",
            ));
        }
        // A deleted one that left no token is not known any more.
        let Some(slot) = state.directory().library_of(library) else {
            return Ok((Vec::new(), None));
        };
        let user = match &filter.user {
            None => None,
            Some(name) => Some(
                slot.user_named(name.as_str())
                    .ok_or_else(|| Error::not_found("user"))?,
            ),
        };
        let start = match after {
            None => Bound::Unbounded,
            Some(cursor) => Bound::Excluded(order_of(cursor).ok_or_else(bad_page_token)?),
        };
        let mut found = Vec::new();
        for (examined, order) in slot.tokens.range((start, Bound::Unbounded)).enumerate() {
            if let Lookup::Known(view) = state.token(order.1) {
                let token = &view.records.token;
                let wanted = user.is_none_or(|user| view.token.user == user)
                    && filter.kind.is_none_or(|kind| token.kind == kind)
                    && (filter.show_revoked || !token.is_revoked(now));
                if wanted {
                    found.push(*order);
                }
            }
            if found.len() == limit || examined + 1 == MAX_EXAMINED {
                let more = slot
                    .tokens
                    .range((Bound::Excluded(*order), Bound::Unbounded))
                    .next()
                    .is_some();
                return Ok((found, more.then_some(*order)));
            }
        }
        Ok((found, None))
    }

    /// The audit events of a library, newest first.
    pub async fn list_audit_events(
        &self,
        caller: &Caller,
        library: &LibraryRef,
        page: &PageRequest,
        now: Moment,
    ) -> Result<Page<Versioned<AuditEvent>>, Error> {
        let by = self.authorise(caller, now)?;
        let library = self.uid_of(&by, library)?;
        let binding = Binding::new("audit", &by, library.to_string());
        self.scan_page(binding, keyspace::audit(library), page)
            .await
    }

    fn uid_of(&self, by: &Authorised, library: &LibraryRef) -> Result<Uid, Error> {
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
        let limit = page.limit();
        let mut records: Vec<Record> = self.store.scan(prefix, after, limit + 1).await?;
        let more = records.len() > limit;
        records.truncate(limit);
        let fitting = fitting(records.iter());
        let more = more || fitting < records.len();
        records.truncate(fitting);
        let next = match records.last() {
            Some(last) if more => self.seal_page(&binding, &last.key),
            _ => String::new(),
        };
        let items = records.iter().map(understand).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }
}

impl TokenFilter {
    /// Who doesn't administer sees its own tokens, and of other users and libraries not even whether there are any.
    fn within_reach(&self, by: &Authorised) -> Result<TokenFilter, Error> {
        if by.administers() {
            return Ok(self.clone());
        }
        if self.library != LibraryRef::Named(by.library.clone()) {
            return Err(Error::not_found("library"));
        }
        if self.user.as_ref().is_some_and(|user| *user != by.user) {
            return Err(Error::not_found("user"));
        }
        Ok(TokenFilter {
            user: Some(by.user.clone()),
            ..self.clone()
        })
    }
}

fn cursor_of((Reverse(Moment(time)), TokenId(id)): &Order) -> Vec<u8> {
    [&time.to_be_bytes()[..], id].concat()
}

fn order_of(cursor: &[u8]) -> Option<Order> {
    let (time, id) = cursor.split_at_checked(8)?;
    let time = i64::from_be_bytes(time.try_into().ok()?);
    Some((Reverse(Moment(time)), TokenId(id.try_into().ok()?)))
}
