//! Changing the root key: every key that it wraps is wrapped anew, in one commit. The keys themselves stay.

use zeroize::Zeroizing;

use super::audit::AuditEvent;
use super::directory::{Library, SYSTEM};
use super::key_versions::KeyVersion;
use super::keys::{KEY_BYTES, RootKey};
use super::keyspace::{self, Stored};
use super::moment::Moment;
use super::secret::{self, NoRandomness};
use super::start::{self, StartError};
use crate::proto::store::{KeyRecord, RootCheckRecord};
use crate::store::{Change, Precondition, Record, Store, StoreError, each_record};

/// Who changes the root key: whoever can stop the server and read both keys. No token is asked for.
const OFFLINE_OPERATOR: &str = "offline operator";
/// Records that are read at once.
const SLICE: usize = 1000;

/// Whether this is the root key of a store.
pub async fn is_under(store: &dyn Store, root: &RootKey) -> Result<bool, StartError> {
    match start::prove(store, root).await {
        Ok(()) => Ok(true),
        Err(StartError::WrongRootKey) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Wraps every key of a store anew, in one commit with its audit event; says how many. Nothing else may use the store.
///
/// # Errors
/// [`StoreError::Damaged`] if a key can't be unwrapped: then nothing is changed.
pub async fn rewrap(
    store: &dyn Store,
    old: &RootKey,
    new: &RootKey,
    now: Moment,
) -> Result<usize, StartError> {
    let (mut unchanged, mut changes) = (Vec::new(), Vec::new());
    for prefix in [
        keyspace::HMAC_KEYS,
        keyspace::LASTING_KEYS,
        keyspace::SEALING_KEYS,
        keyspace::REVEAL_KEYS,
    ] {
        let wrap = |record: &Record| {
            if let Some(value) = wrapped_anew(record, prefix, old, new)? {
                unchanged.push(Precondition::At(record.key.clone(), record.mod_revision));
                changes.push(Change::Put(record.key.clone(), value));
            }
            Ok::<_, StartError>(())
        };
        each_record(store, prefix, SLICE, wrap).await?;
    }
    let count = changes.len();
    let check = RootCheckRecord {
        wrapped: new.check()?,
    };
    let place = keyspace::ROOT_CHECK.to_vec();
    changes.push(Change::Put(place, keyspace::frame(&check)));
    changes.extend(event(store, old, new, count, now).await?);
    store.commit(unchanged, changes).await?;
    Ok(count)
}

/// The value of a key's record under the new root key; `None` for a key that is retired.
fn wrapped_anew(
    record: &Record,
    prefix: &[u8],
    old: &RootKey,
    new: &RootKey,
) -> Result<Option<Vec<u8>>, StartError> {
    let damaged = || StoreError::Damaged(record.key.clone());
    if prefix == keyspace::HMAC_KEYS {
        let version = keyspace::decode::<KeyVersion>(record).ok_or_else(damaged)?;
        let Some(key) = version.value.open(old)? else {
            return Ok(None);
        };
        let wrapped = new.wrap(&record.key, key.as_ref())?;
        return Ok(Some(keyspace::encode(&KeyVersion {
            wrapped,
            ..version.value
        })));
    }
    let before: KeyRecord = keyspace::unframe(record)?;
    let key: Zeroizing<[u8; KEY_BYTES]> = old
        .unwrap(&record.key, &before.wrapped)
        .ok_or_else(damaged)?;
    Ok(Some(keyspace::frame(&KeyRecord {
        wrapped: new.wrap(&record.key, key.as_ref())?,
        ..before
    })))
}

/// The audit event, in the log of the operators; `None` in a store that has none yet.
async fn event(
    store: &dyn Store,
    old: &RootKey,
    new: &RootKey,
    count: usize,
    now: Moment,
) -> Result<Option<Change>, StartError> {
    let found = store.get(vec![keyspace::library(SYSTEM)]).await?.pop();
    let Some(record) = found.flatten() else {
        return Ok(None);
    };
    let system = keyspace::decode::<Library>(&record);
    let system = system.ok_or_else(|| StoreError::Damaged(record.key.clone()))?;
    let time = now.max(start::read_mark(store).await?);
    let random = secret::random().map_err(|NoRandomness| StartError::NoRandomness)?;
    let event = AuditEvent {
        // The newest of its millisecond.
        key: keyspace::audit_event(system.value.uid, time, u32::MAX, random),
        time,
        action: "key.rewrap".to_owned(),
        actor: OFFLINE_OPERATOR.to_owned(),
        library: SYSTEM.to_owned(),
        comment: format!(
            "the root key was changed, from {} to {}, on the machine of the store; {count} keys were wrapped anew",
            old.source().as_str(),
            new.source().as_str()
        ),
        ..AuditEvent::default()
    };
    let change = Change::Put(event.key(), keyspace::encode(&event));
    Ok(Some(change))
}
