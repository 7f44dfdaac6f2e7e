//! Versions of the HMAC key.

use prost::Message;

use crate::authority::key_versions::KeyVersion;
use crate::authority::keyspace::{self, Stored};
use crate::authority::moment::Moment;
use crate::proto::store;
use crate::store::Key;

impl Stored for KeyVersion {
    fn key(&self) -> Key {
        keyspace::hmac_key(self.version)
    }

    fn to_record(&self) -> Vec<u8> {
        let KeyVersion {
            version: _,
            wrapped,
            create_time,
            retire_time,
        } = self;
        store::HmacKeyRecord {
            wrapped: wrapped.clone(),
            create_time: create_time.0,
            retire_time: retire_time.map_or(0, |time| time.0),
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let r = store::HmacKeyRecord::decode(bytes).ok()?;
        let retire_time = (r.retire_time != 0).then_some(Moment(r.retire_time));
        // A key that is gone was retired, and one that was retired is gone.
        (r.wrapped.is_empty() == retire_time.is_some()).then_some(())?;
        Some(KeyVersion {
            version: keyspace::number(key)?,
            wrapped: r.wrapped,
            create_time: Moment(r.create_time),
            retire_time,
        })
    }
}
