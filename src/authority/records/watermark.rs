//! Watermarks.

use prost::Message;

use super::token::{reason_from, reason_to};
use crate::authority::keyspace::{self, Stored};
use crate::authority::moment::Moment;
use crate::authority::watermark::Watermark;
use crate::proto::store;
use crate::store::Key;

impl Stored for Watermark {
    fn key(&self) -> Key {
        keyspace::watermark(self)
    }

    fn to_record(&self) -> Vec<u8> {
        let Watermark {
            owner: _,
            sessions_only: _,
            created_before,
            time,
            reason,
            revoked_by,
            comment,
        } = self;
        store::WatermarkRecord {
            time: time.0,
            created_before: created_before.map_or(0, |m| m.0),
            reason: reason_to(*reason),
            revoked_by: revoked_by.clone(),
            comment: comment.clone(),
        }
        .encode_to_vec()
    }

    fn from_record(key: &[u8], bytes: &[u8]) -> Option<Self> {
        let (owner, sessions_only, names_time) = keyspace::watermark_parts(key)?;
        let r = store::WatermarkRecord::decode(bytes).ok()?;
        Some(Watermark {
            owner,
            sessions_only,
            created_before: names_time.then_some(Moment(r.created_before)),
            time: Moment(r.time),
            reason: reason_from(r.reason)?,
            revoked_by: r.revoked_by,
            comment: r.comment,
        })
    }
}
