//! Lists and single records, for administrators. Every list pages; a page token is bound to its caller and its filter.

use std::cmp::Reverse;
use std::ops::Bound;

use super::Authority;
use super::audit::AuditEvent;
use super::caller::{Authorised, Caller};
use super::directory::{Library, User, UserType};
use super::error::{Error, Reason};
use super::index::{Lookup, Order};
use super::keyspace::{self, Stored, Versioned};
use super::moment::Moment;
use super::name::Name;
use super::secret::TokenId;
use super::token::Token;
use super::understand;
use crate::store::{Key, Record};

/// Items of a page for which no size is given.
const DEFAULT_PAGE: usize = 50;
/// Most items of a page.
const MAX_PAGE: usize = 1000;
/// Most tokens that one call looks at: a filter that finds few answers with a short page and goes on in the next.
const MAX_EXAMINED: usize = 10_000;
/// Bytes of MAC in a page token.
const MAC_BYTES: usize = 16;

/// Which page of a list.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// How many items; 0 or less for the default, more than the maximum for that.
    pub size: i32,
    /// The token that the page before gave; empty for the first.
    pub token: String,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Gets the next page; empty after the last.
    pub next: String,
}

/// Which tokens are listed.
#[derive(Debug, Clone)]
pub struct TokenFilter {
    /// Of this library; one that the caller reaches.
    pub library: Name,
    /// Of this user alone.
    pub user: Option<Name>,
    /// Revoked ones too.
    pub show_revoked: bool,
}

/// The state of a token, as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// Good, as far as the token itself is concerned.
    Active,
    /// Suspended.
    Suspended,
    /// Its `not_before` is still to come.
    NotYetValid,
    /// Its `expire_time` has passed.
    Expired,
    /// Revoked.
    Revoked,
    /// Its user or library was deleted.
    OwnerDeleted,
}

/// What a page token is bound to.
struct Binding {
    label: &'static str,
    caller: Vec<u8>,
    filter: String,
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

    /// The state of a token, judged in the order of the verdicts.
    pub fn token_state(&self, token: &Token, now: Moment) -> Result<TokenState, Error> {
        let state = self.index.read()?;
        let owned = match state.token(token.id) {
            Lookup::Known(view) => view.library.facts.is_some() && view.user.facts.is_some(),
            // Not loaded yet: its owner is in the directory, which is loaded first.
            _ => {
                let slot = state.directory().library_named(token.library.as_str());
                slot.filter(|l| l.uid == token.library_uid)
                    .and_then(|l| l.user_named(token.user.as_str()))
                    .is_some_and(|user| state.directory().user(user).uid == token.user_uid)
            }
        };
        Ok(match token {
            Token {
                revocation: Some(_),
                ..
            } => TokenState::Revoked,
            _ if !owned => TokenState::OwnerDeleted,
            Token {
                suspension: Some(_),
                ..
            } => TokenState::Suspended,
            Token {
                not_before: Some(start),
                ..
            } if now < *start => TokenState::NotYetValid,
            Token { expire_time, .. } if now >= *expire_time => TokenState::Expired,
            _ => TokenState::Active,
        })
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
        let user = filter.user.as_ref().map(Name::as_str).unwrap_or_default();
        let binding = Binding::new(
            "tokens",
            &by,
            format!("{}/{user}/{}", filter.library, filter.show_revoked),
        );
        let after = self.open_page(&binding, page)?;
        let (found, next) = self.find_tokens(filter, after.as_deref(), page.limit())?;
        let records = self
            .store
            .get(found.iter().map(|id| keyspace::token(*id)).collect())
            .await?;
        let items = records
            .iter()
            .flatten()
            .map(understand)
            .collect::<Result<_, _>>()?;
        let next = next
            .map(|cursor| self.seal_page(&binding, &cursor))
            .unwrap_or_default();
        Ok(Page { items, next })
    }

    /// Filters over the index: the ids of a page, and where the next one begins.
    fn find_tokens(
        &self,
        filter: &TokenFilter,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<TokenId>, Option<Vec<u8>>), Error> {
        let state = self.index.read()?;
        if !state.is_complete() {
            return Err(Error::new(
                Reason::NotReady,
                "the tokens are still being loaded; try again",
            ));
        }
        let slot = state
            .directory()
            .library_named(filter.library.as_str())
            .ok_or_else(|| Error::not_found("library"))?;
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
                let wanted = user.is_none_or(|user| view.token.user == user)
                    && (filter.show_revoked || !view.records.token.revoked);
                if wanted {
                    found.push(order.1);
                }
            }
            if found.len() == limit || examined + 1 == MAX_EXAMINED {
                let more = slot
                    .tokens
                    .range((Bound::Excluded(*order), Bound::Unbounded))
                    .next()
                    .is_some();
                return Ok((found, more.then(|| cursor_of(order))));
            }
        }
        Ok((found, None))
    }

    /// The audit events of a library, newest first.
    pub async fn list_audit_events(
        &self,
        caller: &Caller,
        library: &Name,
        page: &PageRequest,
        now: Moment,
    ) -> Result<Page<Versioned<AuditEvent>>, Error> {
        let by = self.authorise(caller, now)?;
        let prefix = keyspace::audit(self.library(library)?.value.uid);
        self.scan_page(
            Binding::new("audit", &by, library.to_string()),
            prefix,
            page,
        )
        .await
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
        let prefix = keyspace::user_types(self.library(library)?.value.uid);
        self.scan_page(
            Binding::new("user_types", &by, library.to_string()),
            prefix,
            page,
        )
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
        let prefix = keyspace::users(self.library(library)?.value.uid);
        self.scan_page(
            Binding::new("users", &by, library.to_string()),
            prefix,
            page,
        )
        .await
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
        let next = match records.last() {
            Some(last) if more => self.seal_page(&binding, &last.key),
            _ => String::new(),
        };
        let items = records.iter().map(understand).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    fn seal_page(&self, binding: &Binding, cursor: &[u8]) -> String {
        let bytes = [&binding.mac(self, cursor), cursor].concat();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn open_page(&self, binding: &Binding, page: &PageRequest) -> Result<Option<Vec<u8>>, Error> {
        if page.token.is_empty() {
            return Ok(None);
        }
        let bytes = from_hex(&page.token).ok_or_else(bad_page_token)?;
        let (mac, cursor) = bytes
            .split_at_checked(MAC_BYTES)
            .ok_or_else(bad_page_token)?;
        let sound: bool = subtle::ConstantTimeEq::ct_eq(mac, &binding.mac(self, cursor)[..]).into();
        if sound {
            Ok(Some(cursor.to_vec()))
        } else {
            Err(bad_page_token())
        }
    }
}

// === impl PageRequest ===

impl PageRequest {
    fn limit(&self) -> usize {
        match usize::try_from(self.size) {
            Err(_) | Ok(0) => DEFAULT_PAGE,
            Ok(size) => size.min(MAX_PAGE),
        }
    }
}

// === impl Binding ===

impl Binding {
    fn new(label: &'static str, by: &Authorised, filter: String) -> Binding {
        Binding {
            label,
            caller: by.user_uid.0.to_vec(),
            filter,
        }
    }

    fn mac(&self, authority: &Authority, cursor: &[u8]) -> [u8; MAC_BYTES] {
        // The filter is made of names, so a byte that no name holds ends it.
        let message = [
            &self.caller,
            self.label.as_bytes(),
            &[0],
            self.filter.as_bytes(),
            &[0],
            cursor,
        ]
        .concat();
        let mac = authority.keys.mac("page token", &message);
        let mut short = [0; MAC_BYTES];
        short.copy_from_slice(&mac[..MAC_BYTES]);
        short
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

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let nibble = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(*pair.get(1)?)?))
        .collect()
}

fn bad_page_token() -> Error {
    Error::invalid(
        "page_token",
        "must be the next_page_token of the page before, for the same caller and filter",
    )
}
