//! What is on disk: keys, the envelope around each value, and the record of the store itself.
//!
//! A record lies under 0x01 and its key, the store's own under 0x00, so that no caller's key can reach it. All numbers are
//! big-endian. Each value begins with a checksum, since sled's own one covers its log, not what a caller gets back.

use crate::store::{Record, Revision, StoreId};

/// Where the store's own record lies.
pub(super) const META_KEY: &[u8] = &[0x00];
/// What the keys of all records begin with.
const RECORD_MARK: u8 = 0x01;

/// The form that is described here. It comes first in the store's own record, in every version to come.
pub(super) const FORMAT: u32 = 1;

/// CRC-32, `create_revision`, `mod_revision`: bytes before the payload.
const ENVELOPE_BYTES: usize = 4 + 8 + 8;
/// Format, uid, epoch, head, CRC-32: bytes of the store's own record.
const META_BYTES: usize = 4 + 8 + 4 + 8 + 4;

/// The store's own record, written with every batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) id: StoreId,
    pub(super) head: Revision,
}

/// Why the store's own record can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MetaError {
    /// A later release wrote it, in this form.
    Newer(u32),
    /// It is not in the form in which it was written.
    Damaged,
}

/// A value that is not in the form in which it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

// === records ===

/// The key on disk of a caller's key.
pub(super) fn stored_key(key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(1 + key.len());
    stored.push(RECORD_MARK);
    stored.extend_from_slice(key);
    stored
}

/// The caller's key of a key on disk; empty for one that no caller wrote.
pub(super) fn caller_key(stored: &[u8]) -> &[u8] {
    stored.strip_prefix(&[RECORD_MARK]).unwrap_or_default()
}

/// A value as it is written.
pub(super) fn seal(record: &Record) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(ENVELOPE_BYTES + record.value.len());
    sealed.extend_from_slice(&[0; 4]);
    sealed.extend_from_slice(&record.create_revision.0.to_be_bytes());
    sealed.extend_from_slice(&record.mod_revision.0.to_be_bytes());
    sealed.extend_from_slice(&record.value);
    let checksum = checksum(&record.key, &sealed[4..]);
    sealed[..4].copy_from_slice(&checksum.to_be_bytes());
    sealed
}

/// The record that was sealed under this key of a caller.
pub(super) fn unseal(key: &[u8], sealed: &[u8]) -> Result<Record, Damaged> {
    let mut rest = sealed;
    let written = u32::from_be_bytes(take(&mut rest)?);
    if written != checksum(key, rest) {
        return Err(Damaged);
    }
    Ok(Record {
        key: key.to_vec(),
        create_revision: Revision(u64::from_be_bytes(take(&mut rest)?)),
        mod_revision: Revision(u64::from_be_bytes(take(&mut rest)?)),
        value: rest.to_vec(),
    })
}

// === impl Meta ===

impl Meta {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(META_BYTES);
        bytes.extend_from_slice(&FORMAT.to_be_bytes());
        bytes.extend_from_slice(&self.id.uid.to_be_bytes());
        bytes.extend_from_slice(&self.id.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.head.0.to_be_bytes());
        bytes.extend_from_slice(&checksum(META_KEY, &bytes).to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Meta, MetaError> {
        let mut rest = bytes;
        let format = u32::from_be_bytes(take(&mut rest)?);
        if format > FORMAT {
            return Err(MetaError::Newer(format));
        }
        let meta = Meta {
            id: StoreId {
                uid: u64::from_be_bytes(take(&mut rest)?),
                epoch: u32::from_be_bytes(take(&mut rest)?),
            },
            head: Revision(u64::from_be_bytes(take(&mut rest)?)),
        };
        // Whole, and to the byte: the same numbers make the same record.
        if meta.encode() == bytes {
            Ok(meta)
        } else {
            Err(MetaError::Damaged)
        }
    }
}

impl From<Damaged> for MetaError {
    fn from(_: Damaged) -> MetaError {
        MetaError::Damaged
    }
}

// === helpers ===

/// Over the key too: a value that lies under another's key is damage.
fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(rest);
    hasher.finalize()
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (first, rest) = bytes.split_first_chunk::<N>().ok_or(Damaged)?;
    *bytes = rest;
    Ok(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            key: b"t/1".to_vec(),
            value: b"payload".to_vec(),
            create_revision: Revision(3),
            mod_revision: Revision(9),
        }
    }

    #[test]
    fn what_is_sealed_comes_back() {
        assert_eq!(unseal(b"t/1", &seal(&record())), Ok(record()));
    }

    #[test]
    fn any_flipped_bit_is_damage() {
        let sealed = seal(&record());
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(b"t/1", &flipped), Err(Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_value_is_damage() {
        let sealed = seal(&record());
        for length in 0..sealed.len() {
            assert_eq!(
                unseal(b"t/1", &sealed[..length]),
                Err(Damaged),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn a_value_under_another_key_is_damage() {
        assert_eq!(unseal(b"t/2", &seal(&record())), Err(Damaged));
    }

    #[test]
    fn the_stores_own_record_comes_back_and_its_damage_shows() {
        let meta = Meta {
            id: StoreId { uid: 7, epoch: 1 },
            head: Revision(12),
        };
        let bytes = meta.encode();
        assert_eq!(Meta::decode(&bytes), Ok(meta));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Meta::decode(&flipped).is_err(), "bit {bit}");
        }
        assert_eq!(Meta::decode(&bytes[..9]), Err(MetaError::Damaged));
    }

    #[test]
    fn a_later_form_is_told_from_damage_whatever_follows() {
        assert_eq!(Meta::decode(&[0, 0, 0, 2, 0xaa]), Err(MetaError::Newer(2)));
    }
}
