//! Pages of lists. A page token is a place in a list, with a MAC that binds it to its caller, its list and its filter.

use super::Authority;
use super::caller::Authorised;
use super::error::Error;
use super::hex;
use crate::store::Record;

/// Items of a page for which no size is given.
const DEFAULT_PAGE: usize = 50;
/// Most items of a page.
const MAX_PAGE: usize = 1000;
/// Most bytes of records in a page: their messages stay below the 4 MiB that gRPC clients take unless told otherwise.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
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

/// What a page has room for yet.
pub(super) struct Room {
    items: usize,
    bytes: usize,
}

/// What a page token is bound to.
pub(super) struct Binding {
    label: &'static str,
    caller: Vec<u8>,
    filter: String,
}

impl Authority {
    pub(super) fn seal_page(&self, binding: &Binding, cursor: &[u8]) -> String {
        let bytes = [&binding.mac(self, cursor), cursor].concat();
        hex::text(&bytes)
    }

    pub(super) fn open_page(
        &self,
        binding: &Binding,
        page: &PageRequest,
    ) -> Result<Option<Vec<u8>>, Error> {
        if page.token.is_empty() {
            return Ok(None);
        }
        let bytes = hex::parse(&page.token).ok_or_else(bad_page_token)?;
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

// === impl Room ===

impl Room {
    pub(super) fn of(page: &PageRequest) -> Room {
        let items = match usize::try_from(page.size) {
            Err(_) | Ok(0) => DEFAULT_PAGE,
            Ok(size) => size.min(MAX_PAGE),
        };
        Room {
            items,
            bytes: PAGE_BYTES,
        }
    }

    /// For how many records at most.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    pub(super) fn is_full(&self) -> bool {
        self.items == 0
    }

    /// Takes a record if there is room for it. The first always fits: no record is as large as a page.
    pub(super) fn takes(&mut self, record: &Record) -> bool {
        self.takes_with(record, 0)
    }

    /// The same for a record of which so many bytes more are told, a few KiB at most.
    pub(super) fn takes_with(&mut self, record: &Record, more: usize) -> bool {
        match self.bytes.checked_sub(record.value.len() + more) {
            Some(bytes) if !self.is_full() => {
                self.items -= 1;
                self.bytes = bytes;
                true
            }
            _ => false,
        }
    }
}

// === impl Binding ===

impl Binding {
    pub(super) fn new(label: &'static str, by: &Authorised, filter: String) -> Binding {
        Binding {
            label,
            caller: by.identity(),
            filter,
        }
    }

    fn mac(&self, authority: &Authority, cursor: &[u8]) -> [u8; MAC_BYTES] {
        // No filter holds this byte, so it ends it.
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

pub(super) fn bad_page_token() -> Error {
    Error::invalid(
        "page_token",
        "must be the next_page_token of the page before, for the same caller and filter",
    )
}
