//! The key layout: the whole database on one screen.
//!
//! | key | record |
//! |---|---|
//! | `r` | root key check |
//! | `h` version | HMAC key, wrapped; an empty one is retired |
//! | `k` purpose | a key that lasts, wrapped: for what callers hand back, for the ids of imported tokens |
//! | `s` day | sealing key, wrapped |
//! | `c` | the latest time seen |
//! | `l` name | library |
//! | `y` library uid, name | user type |
//! | `g` library uid, name | empty; put by each assignment of the user type, so that it and deleting the type exclude each other |
//! | `u` library uid, name | user |
//! | `p` library uid, user uid | password, hashed: it is in no list, and another user of the same name has it not |
//! | `t` id | token |
//! | `b` first two bytes of an id, part | what the tokens with such ids were used for, apart from the tokens: it is written often |
//! | `a` library uid, time and sequence inverted, random | audit event: a scan finds the newest first |
//! | `d` | how far it was told which tokens expire |
//! | `v` library uid | the key that seals its revealable secrets, wrapped; gone with what it sealed once they no longer are |
//! | `x` library uid | how to use its tokens, a text for people |
//! | `n` library uid | that it has imported tokens, and how weak ones are cut: Verify knows it before any token is loaded |
//! | `w` library or user uid, whose and how | watermark: revokes all tokens made before it |
//! | `i` ten minutes, hash | answer to a repeated request: the oldest come first, and are swept |
//!
//! Numbers are big-endian, uids and ids 16 bytes, days and ten minutes counted from the epoch.

use super::directory::Uid;
use super::keys::Lasting;
use super::moment::Moment;
use super::name::Name;
use super::secret::TokenId;
use super::uses::Bucket;
use super::watermark::Watermark;
use crate::store::{Key, Record, Revision, StoreError};

/// The root key check.
pub const ROOT_CHECK: &[u8] = b"r";
/// The latest time seen.
pub const CLOCK: &[u8] = b"c";
/// What all HMAC keys' keys begin with.
pub const HMAC_KEYS: &[u8] = b"h";
/// What the keys of all keys that last begin with.
pub const LASTING_KEYS: &[u8] = b"k";
/// What all sealing keys' keys begin with.
pub const SEALING_KEYS: &[u8] = b"s";
/// What all libraries' keys begin with.
pub const LIBRARIES: &[u8] = b"l";
/// What all user types' keys begin with.
pub const USER_TYPES: &[u8] = b"y";
/// What all keys that assignments put begin with.
pub const ASSIGNED: &[u8] = b"g";
/// What all users' keys begin with.
pub const USERS: &[u8] = b"u";
/// What all passwords' keys begin with.
pub const PASSWORDS: &[u8] = b"p";
/// What all tokens' keys begin with.
pub const TOKENS: &[u8] = b"t";
/// What the keys of all uses begin with.
pub const USES: &[u8] = b"b";
/// What all audit events' keys begin with.
pub const AUDIT: &[u8] = b"a";
/// How far it was told which tokens expire.
pub const DUE: &[u8] = b"d";
/// What the keys of all keys that seal revealable secrets begin with.
pub const REVEAL_KEYS: &[u8] = b"v";
/// What the keys of all instructions begin with.
pub const USAGE: &[u8] = b"x";
/// What the keys of all records of imports begin with.
pub const IMPORTS: &[u8] = b"n";
/// What all watermarks' keys begin with.
pub const WATERMARKS: &[u8] = b"w";
/// What all kept answers' keys begin with.
pub const REQUESTS: &[u8] = b"i";

/// The form of the records that this version writes. Another one is not read: it fails closed.
const SCHEMA_VERSION: u8 = 1;
/// How long a repeat of a request is answered by what the first did, in milliseconds.
pub const REQUEST_WINDOW_MS: i64 = 10 * 60 * 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A record in the form of the domain.
pub trait Stored: Sized {
    /// Where it is kept.
    fn key(&self) -> Key;
    /// Its bytes, without the schema version.
    fn to_record(&self) -> Vec<u8>;
    /// The inverse; `None` for bytes that can't be understood whole.
    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self>;
    /// The revision that its etag shows; `None` for that of its last change.
    fn etag(&self) -> Option<Revision> {
        None
    }
    /// An administrative change is made to it: its etag is that change's.
    fn administer(&mut self) {}
}

/// A record with its revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The record.
    pub value: T,
    /// The revision of its last change.
    pub revision: Revision,
}

// === impl Versioned ===

impl<T: Stored> Versioned<T> {
    /// The revision of its last administrative change, which its etag shows.
    #[must_use]
    pub fn etag(&self) -> Revision {
        self.value.etag().unwrap_or(self.revision)
    }
}

/// The value to store.
pub fn encode(record: &impl Stored) -> Vec<u8> {
    let mut value = vec![SCHEMA_VERSION];
    value.extend(record.to_record());
    value
}

/// The record that a value holds; `None` for bytes that can't be understood whole.
#[must_use]
pub fn decode<T: Stored>(record: &Record) -> Option<Versioned<T>> {
    let (version, bytes) = record.value.split_first()?;
    let value = (*version == SCHEMA_VERSION).then(|| T::from_record(&record.key, bytes))??;
    Some(Versioned {
        value,
        revision: record.mod_revision,
    })
}

/// The value to store for a record that has no form of its own in the domain.
pub fn frame(record: &impl prost::Message) -> Vec<u8> {
    let mut value = vec![SCHEMA_VERSION];
    record.encode_raw(&mut value);
    value
}

/// The inverse of [`frame`].
pub fn unframe<M: prost::Message + Default>(record: &Record) -> Result<M, StoreError> {
    let bytes = record.value.strip_prefix(&[SCHEMA_VERSION]);
    let message = bytes.and_then(|bytes| M::decode(bytes).ok());
    message.ok_or_else(|| StoreError::Damaged(record.key.clone()))
}

/// The key of an HMAC key.
#[must_use]
pub fn hmac_key(version: u32) -> Key {
    join(&[HMAC_KEYS, &version.to_be_bytes()])
}

/// The key of a key that lasts.
#[must_use]
pub fn lasting_key(purpose: Lasting) -> Key {
    let purpose = match purpose {
        Lasting::Callers => b'c',
        Lasting::Ids => b'i',
    };
    join(&[LASTING_KEYS, &[purpose]])
}

/// The key of a sealing key.
#[must_use]
pub fn sealing_key(day: u32) -> Key {
    join(&[SEALING_KEYS, &day.to_be_bytes()])
}

/// The number behind the prefix of an HMAC or sealing key's key.
#[must_use]
pub fn number(key: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

/// The key of a library.
#[must_use]
pub fn library(name: &str) -> Key {
    join(&[LIBRARIES, name.as_bytes()])
}

/// What the keys of a library's user types begin with.
#[must_use]
pub fn user_types(library: Uid) -> Key {
    join(&[USER_TYPES, &library.0])
}

/// The key of a user type.
#[must_use]
pub fn user_type(library: Uid, name: &Name) -> Key {
    join(&[USER_TYPES, &library.0, name.as_str().as_bytes()])
}

/// The key that each assignment of a user type puts.
#[must_use]
pub fn assigned(library: Uid, name: &Name) -> Key {
    join(&[ASSIGNED, &library.0, name.as_str().as_bytes()])
}

/// What the keys of a library's users begin with.
#[must_use]
pub fn users(library: Uid) -> Key {
    join(&[USERS, &library.0])
}

/// The key of a user.
#[must_use]
pub fn user(library: Uid, name: &Name) -> Key {
    join(&[USERS, &library.0, name.as_str().as_bytes()])
}

/// The key of a user's password.
#[must_use]
pub fn password(library: Uid, user: Uid) -> Key {
    join(&[PASSWORDS, &library.0, &user.0])
}

/// The library's uid and the user's in the key of a password.
#[must_use]
pub fn password_owner(key: &[u8]) -> Option<(Uid, Uid)> {
    let (library, user) = key.get(1..)?.split_at_checked(16)?;
    Some((Uid(library.try_into().ok()?), Uid(user.try_into().ok()?)))
}

/// The key of a token.
#[must_use]
pub fn token(id: TokenId) -> Key {
    join(&[TOKENS, &id.0])
}

/// What the keys of a bucket of uses begin with.
#[must_use]
pub fn uses_bucket(bucket: Bucket) -> Key {
    join(&[USES, &bucket.0.to_be_bytes()])
}

/// The key of a part of a bucket of uses.
#[must_use]
pub fn uses(bucket: Bucket, part: u16) -> Key {
    join(&[USES, &bucket.0.to_be_bytes(), &part.to_be_bytes()])
}

/// The bucket in the key of a part of it, or in what all these keys begin with.
#[must_use]
pub fn bucket(key: &[u8]) -> Option<Bucket> {
    let number = key.strip_prefix(USES)?.first_chunk()?;
    Some(Bucket(u16::from_be_bytes(*number)))
}

/// The part in the key of a part of a bucket.
#[must_use]
pub fn uses_part(key: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(key.get(3..)?.try_into().ok()?))
}

/// The key of the key that seals the revealable secrets of a library.
#[must_use]
pub fn reveal_key(library: Uid) -> Key {
    join(&[REVEAL_KEYS, &library.0])
}

/// The key of a library's instructions.
#[must_use]
pub fn usage(library: Uid) -> Key {
    join(&[USAGE, &library.0])
}

/// The key of what is known of a library's imported tokens together.
#[must_use]
pub fn imports(library: Uid) -> Key {
    join(&[IMPORTS, &library.0])
}

/// The library's uid in the key of such a record.
#[must_use]
pub fn imports_library(key: &[u8]) -> Option<Uid> {
    Some(Uid(key.strip_prefix(IMPORTS)?.try_into().ok()?))
}

/// The key of a watermark: of each owner there are four at most.
#[must_use]
pub fn watermark(watermark: &Watermark) -> Key {
    let whose = u8::from(watermark.sessions_only);
    let how = u8::from(watermark.created_before.is_some());
    join(&[WATERMARKS, &watermark.owner.0, &[whose, how]])
}

/// The owner in the key of a watermark, whether it is about sessions alone, and whether it names a time.
#[must_use]
pub fn watermark_parts(key: &[u8]) -> Option<(Uid, bool, bool)> {
    let (uid, [whose @ (0 | 1), how @ (0 | 1)]) = key.get(1..)?.split_at_checked(16)? else {
        return None;
    };
    Some((Uid(uid.try_into().ok()?), *whose == 1, *how == 1))
}

/// What the keys of a library's audit events begin with.
#[must_use]
pub fn audit(library: Uid) -> Key {
    join(&[AUDIT, &library.0])
}

/// The key of an audit event: of two in one millisecond, the one with the higher sequence number is the newer.
#[must_use]
pub fn audit_event(library: Uid, time: Moment, sequence: u32, random: [u8; 4]) -> Key {
    let time = !time.0.cast_unsigned();
    join(&[
        AUDIT,
        &library.0,
        &time.to_be_bytes(),
        &(!sequence).to_be_bytes(),
        &random,
    ])
}

/// What all keys of a library's audit events at this moment or later come before, and all others after.
#[must_use]
pub fn audit_before(library: Uid, time: Moment) -> Key {
    audit_event(library, time, 0, [u8::MAX; 4])
}

/// Which of a library's audit events a key is of: what stands behind [`audit`].
#[must_use]
pub fn audit_place(key: &[u8]) -> Option<[u8; 16]> {
    key.get(17..)?.try_into().ok()
}

/// The key of the audit event at this place.
#[must_use]
pub fn audit_at(library: Uid, place: [u8; 16]) -> Key {
    join(&[AUDIT, &library.0, &place])
}

/// The time in the key of an audit event.
#[must_use]
pub fn audit_time(key: &[u8]) -> Option<Moment> {
    let inverted = u64::from_be_bytes(key.get(17..25)?.try_into().ok()?);
    Some(Moment((!inverted).cast_signed()))
}

/// The key of a kept answer, in the ten minutes number `window`.
#[must_use]
pub fn request(window: u32, hash: [u8; 16]) -> Key {
    join(&[REQUESTS, &window.to_be_bytes(), &hash])
}

/// The ten minutes in the key of a kept answer.
#[must_use]
pub fn request_window(key: &[u8]) -> Option<u32> {
    number(key.get(..5)?)
}

/// Which ten minutes a moment lies in.
#[must_use]
pub fn window(time: Moment) -> u32 {
    u32::try_from(time.0.div_euclid(REQUEST_WINDOW_MS)).unwrap_or(0)
}

/// Which day a moment lies in.
#[must_use]
pub fn day(time: Moment) -> u32 {
    u32::try_from(time.0.div_euclid(DAY_MS)).unwrap_or(0)
}

/// The uid and the name in the key of a user or a user type.
#[must_use]
pub fn uid_and_name(key: &[u8]) -> Option<(Uid, Name)> {
    let (uid, name) = key.get(1..)?.split_at_checked(16)?;
    Some((Uid(uid.try_into().ok()?), name_of(name)?))
}

/// The name in the key of a library.
#[must_use]
pub fn library_name(key: &[u8]) -> Option<Name> {
    name_of(key.get(1..)?)
}

/// The id in the key of a token.
#[must_use]
pub fn token_id(key: &[u8]) -> Option<TokenId> {
    Some(TokenId(key.get(1..)?.try_into().ok()?))
}

fn name_of(bytes: &[u8]) -> Option<Name> {
    Name::parse(std::str::from_utf8(bytes).ok()?).ok()
}

fn join(parts: &[&[u8]]) -> Key {
    parts.concat()
}

#[cfg(test)]
mod tests;
