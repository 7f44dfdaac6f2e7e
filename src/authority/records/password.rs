//! Passwords.

use prost::Message;

use crate::authority::keyspace::{self, Stored};
use crate::authority::moment::Moment;
use crate::authority::password::{KeptPassword, SlowHash};
use crate::proto::store;
use crate::store::{Key, Revision};

impl Stored for KeptPassword {
    fn key(&self) -> Key {
        keyspace::password(self.library_uid, self.user_uid)
    }

    fn to_record(&self) -> Vec<u8> {
        let KeptPassword {
            library_uid: _,
            user_uid: _,
            hash,
            key_version,
            set_time,
            set_revision,
        } = self;
        store::PasswordRecord {
            hash: hash.to_string(),
            key_version: *key_version,
            set_time: set_time.0,
            set_revision: set_revision.map_or(0, |revision| revision.0),
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let r = store::PasswordRecord::decode(bytes).ok()?;
        let (library_uid, user_uid) = keyspace::password_owner(key)?;
        Some(KeptPassword {
            library_uid,
            user_uid,
            hash: SlowHash::parse(&r.hash)?,
            key_version: r.key_version,
            set_time: Moment(r.set_time),
            set_revision: (r.set_revision != 0).then_some(Revision(r.set_revision)),
        })
    }

    fn etag(&self) -> Option<Revision> {
        self.set_revision
    }
}
