//! Request ids: what makes a call safe to repeat. What a call did is kept for ten minutes, a created secret sealed.

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use super::caller::Authorised;
use super::error::{Error, Reason};
use super::keyspace::{self, Stored};
use super::moment::Moment;
use super::secret::SecretString;
use super::transaction::{Command, Done, Plan};
use super::{Authority, understand};
use crate::proto::store::RequestRecord;
use crate::store::{Key, Precondition, Record, StoreError};

/// What makes a repeat of a call known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey {
    /// The request id, a UUID.
    pub id: [u8; 16],
    /// SHA-256 of the request.
    pub payload_hash: [u8; 32],
}

/// The keys that the answer to a request id may be kept under; the one in the middle is the call's own.
pub(super) type RequestKeys = [Key; 3];

/// What is known of a request id.
pub(super) enum Recall<T> {
    /// It was carried out; this is the answer.
    Done(Done<T>),
    /// It was not, as long as these hold.
    New(Vec<Precondition>),
}

impl Authority {
    /// What is known of a request id.
    pub(super) async fn recall<T: Stored>(
        &self,
        request: &RequestKey,
        keys: &RequestKeys,
        now: Moment,
    ) -> Result<Recall<T>, Error> {
        let found = self.store.get(keys.to_vec()).await?;
        let mut preconditions = Vec::new();
        for (key, record) in keys.iter().cloned().zip(found) {
            let Some(record) = record else {
                preconditions.push(Precondition::Absent(key));
                continue;
            };
            let kept: RequestRecord = keyspace::unframe(&record)?;
            if now.0 - kept.time >= keyspace::REQUEST_WINDOW_MS {
                preconditions.push(Precondition::At(key, record.mod_revision));
            } else if !self.is_payload(request, &kept.payload_hash) {
                return Err(Error::new(
                    Reason::RequestIdReused,
                    "this request_id was used with another payload; use a new one for each new request",
                ));
            } else {
                return self.replay(kept, &record).await.map(Recall::Done);
            }
        }
        Ok(Recall::New(preconditions))
    }

    /// The first answer, rebuilt from the record that it showed.
    async fn replay<T: Stored>(
        &self,
        kept: RequestRecord,
        request: &Record,
    ) -> Result<Done<T>, Error> {
        let answer = if kept.subject.is_empty() {
            None
        } else {
            let found = self.store.get(vec![kept.subject.clone()]).await?.pop();
            // One that was deleted and made again under the same name since is another one.
            let same = found
                .flatten()
                .filter(|subject| subject.create_revision <= request.mod_revision);
            same.as_ref().map(understand).transpose()?
        };
        let secret = if kept.sealed_secret.is_empty() {
            None
        } else {
            let opened = self
                .keys
                .unseal(kept.seal_day, &request.key, &kept.sealed_secret);
            let text = opened.and_then(|bytes| SecretString::from_bytes(&bytes));
            Some(text.ok_or_else(|| StoreError::Damaged(request.key.clone()))?)
        };
        Ok(Done {
            answer,
            secret,
            warnings: kept.warnings,
            clamped: kept.clamped,
            revision: request.mod_revision,
        })
    }

    /// What is kept of a payload. It may hold a password, which a plain hash would give to whoever guesses fast enough.
    fn payload_mac(&self, request: &RequestKey) -> [u8; 32] {
        self.keys.mac("request payload", &request.payload_hash)
    }

    fn is_payload(&self, request: &RequestKey, kept: &[u8]) -> bool {
        self.payload_mac(request).ct_eq(kept).into()
    }

    pub(super) async fn request_record<T: Stored>(
        &self,
        key: &Key,
        request: &RequestKey,
        plan: &Plan<T>,
        now: Moment,
    ) -> Result<RequestRecord, Error> {
        let seal_day = keyspace::day(now);
        let sealed_secret = match &plan.secret {
            None => Vec::new(),
            Some(secret) => {
                self.ensure_sealing_key(now).await?;
                let sealed = self.keys.seal(seal_day, key, secret.expose());
                sealed.ok_or_else(|| {
                    Error::new(
                        Reason::Internal,
                        "the secret could not be sealed; try again",
                    )
                })?
            }
        };
        Ok(RequestRecord {
            time: now.0,
            payload_hash: self.payload_mac(request).to_vec(),
            subject: plan.answer.as_ref().map(Stored::key).unwrap_or_default(),
            sealed_secret,
            seal_day,
            warnings: plan.warnings.clone(),
            clamped: plan.clamped,
        })
    }
}

/// Where the answer to a request id may be kept: bound to the caller's user and to the command, in the ten minutes before
/// the call's, in its own, and in those after, since calls overlap.
pub(super) fn request_keys<C: Command>(
    request: &RequestKey,
    by: &Authorised,
    now: Moment,
) -> RequestKeys {
    let bound = [&by.identity(), C::ACTION.as_bytes(), &request.id].concat();
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest(&SHA256, &bound).as_ref()[..16]);
    let window = keyspace::window(now);
    [window.saturating_sub(1), window, window.saturating_add(1)].map(|w| keyspace::request(w, hash))
}
