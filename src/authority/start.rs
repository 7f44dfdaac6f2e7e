//! Opening: prove the root key, unwrap the keys, load the directory; the tokens follow while the service answers already.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32};

use tokio::sync::{Mutex, Semaphore};
use zeroize::Zeroizing;

use super::Authority;
use super::error::Error;
use super::guess::Guesses;
use super::hashers::Hashers;
use super::import::FirstUses;
use super::index::{Index, Size};
use super::key_versions::KeyVersion;
use super::keys::{HmacKeys, KEY_BYTES, Keys, Lasting, RootKey};
use super::keyspace::{self, Stored, Versioned};
use super::moment::Moment;
use super::retag::Retags;
use super::seats::Seats;
use super::secret::{self, NoRandomness};
use super::verify::MAX_MISSES;
use super::watch::Watchers;
use crate::proto::store::{ClockRecord, KeyRecord, RootCheckRecord};
use crate::store::{
    Change, Key, Load, Precondition, Record, Revision, Store, StoreError, each_record,
};

/// An authority that answers, and the latest time that its store has seen.
#[derive(Debug)]
pub struct Opened {
    /// The authority.
    pub authority: Arc<Authority>,
    /// Judged time never falls below it.
    pub mark: Moment,
}

/// Why an authority can't be opened. Nothing was written.
#[derive(Debug)]
pub enum StartError {
    /// The store can't be read.
    Store(StoreError),
    /// The root key is not the one that this store was made with.
    WrongRootKey,
    /// The operating system gives no random bytes.
    NoRandomness,
    /// The threads that passwords are hashed on can't be started.
    Threads(std::io::Error),
    /// The index is not sound.
    Index(Error),
    /// The first operator can't be made.
    Operator(Error),
    /// The file of the operator's token can't be written.
    TokenFile(std::io::Error),
    /// The token that was given for the first operator was used before.
    UsedToken,
}

/// What Verify needs whole, in an order in which each finds what it belongs to.
const DIRECTORY: [&[u8]; 4] = [
    keyspace::LIBRARIES,
    keyspace::USER_TYPES,
    keyspace::USERS,
    keyspace::WATERMARKS,
];
/// Records of the directory, and tokens, that one load hands to the index between two commits.
const SLICE: usize = 1000;
const FIRST_VERSION: u32 = 1;

impl Authority {
    /// Opens the authority of a store that this index follows.
    pub async fn open(
        store: Arc<dyn Store>,
        index: Arc<Index>,
        root: RootKey,
        now: Moment,
    ) -> Result<Opened, StartError> {
        let head = store.head().await?;
        index.start_at(head);
        if head == Revision(0) {
            initialise(store.as_ref(), &root, now).await?;
        }
        prove(store.as_ref(), &root).await?;
        let root = Arc::new(root);
        let hmac_keys = read_hmac_keys(store.as_ref(), &root).await?;
        index.hold_keys(hmac_keys, root.clone());
        let keys = read_keys(store.as_ref(), &root, now).await?;
        let mark = read_mark(store.as_ref()).await?;
        for prefix in DIRECTORY {
            let mut after = None;
            while let Some(last) = load_slice(store.as_ref(), prefix, after, SLICE).await? {
                after = Some(last);
            }
        }
        let uses = index.read().map_err(StartError::Index)?.uses().clone();
        uses.know(mark);
        let authority = Arc::new(Authority {
            store,
            index,
            uses,
            keys,
            root,
            retags: Retags::default(),
            hashers: Hashers::start().map_err(StartError::Threads)?,
            guesses: Guesses::default(),
            seats: Seats::default(),
            first_uses: FirstUses::default(),
            misses: Semaphore::new(MAX_MISSES),
            sealing: Mutex::new(()),
            sequence: AtomicU32::new(0),
            mark: AtomicI64::new(mark.0),
            watchers: Watchers::default(),
        });
        // Of the directory, too, but one that can't be read concerns the imported tokens of its library alone.
        authority.load_all(keyspace::IMPORTS).await?;
        Ok(Opened { authority, mark })
    }

    /// Loads all tokens into the index, and then what they were used for, in slices between commits. A record that can't be
    /// read is noted and passed over: its token is refused, and no other suffers. Says how large the index is then.
    pub async fn load_tokens(&self) -> Result<Size, StartError> {
        for prefix in [keyspace::TOKENS, keyspace::USES] {
            self.load_all(prefix).await?;
        }
        Ok(self.index.read().map_err(StartError::Index)?.size())
    }

    async fn load_all(&self, prefix: &[u8]) -> Result<(), StartError> {
        let (mut after, mut limit) = (None, SLICE);
        loop {
            match load_slice(self.store.as_ref(), prefix, after.clone(), limit).await {
                Ok(None) => return Ok(()),
                Ok(last) => (after, limit) = (last, SLICE),
                // Nothing of the slice was handed on: smaller ones close in on the one record.
                Err(StoreError::Damaged(_)) if limit > 1 => limit /= 2,
                // A key that lies ahead is stepped over. Any other is no record's: the engine can't read on.
                Err(StoreError::Damaged(key)) if is_ahead(&key, prefix, after.as_ref()) => {
                    tracing::error!(key = %key.escape_ascii(), "a stored record is damaged");
                    self.index.mark_damaged(&key);
                    (after, limit) = (Some(key), SLICE);
                }
                Err(error) => return Err(error.into()),
            }
            tokio::task::yield_now().await;
        }
    }
}

// === impl StartError ===

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        StartError::Store(error)
    }
}

impl From<NoRandomness> for StartError {
    fn from(_: NoRandomness) -> Self {
        StartError::NoRandomness
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Store(error) => write!(f, "the store can't be read: {error}"),
            StartError::WrongRootKey => f.write_str(
                "the root key is not the one that this store was made with; nothing was written. \
                 Give the right root_key_file or root_passphrase_file, or another data_dir",
            ),
            StartError::NoRandomness => write!(f, "{NoRandomness}"),
            StartError::Threads(error) => write!(f, "the threads that passwords are hashed on can't be started: {error}"),
            StartError::Index(error) => write!(f, "the tokens can't be loaded: {error}"),
            StartError::Operator(error) => write!(f, "the operator's token can't be made: {error}"),
            StartError::TokenFile(error) => write!(f, "the operator's token can't be written to its file: {error}"),
            StartError::UsedToken => f.write_str(
                "there is no live operator token, and the one in bootstrap_token_file was used before; put a new one there",
            ),
        }
    }
}

impl std::error::Error for StartError {}

/// Makes the keys of an empty store.
async fn initialise(store: &dyn Store, root: &RootKey, now: Moment) -> Result<(), StartError> {
    let check = RootCheckRecord {
        wrapped: root.check()?,
    };
    let first = KeyVersion::mint(FIRST_VERSION, root, now).map_err(StartError::Index)?;
    let mut changes = vec![
        Change::Put(keyspace::ROOT_CHECK.to_vec(), keyspace::frame(&check)),
        Change::Put(first.key(), keyspace::encode(&first)),
    ];
    for purpose in [Lasting::Callers, Lasting::Ids] {
        let key = Zeroizing::new(secret::random::<KEY_BYTES>()?);
        changes.push(put_lasting(root, purpose, &key, now)?);
    }
    store
        .commit(
            vec![Precondition::Absent(keyspace::ROOT_CHECK.to_vec())],
            changes,
        )
        .await?;
    Ok(())
}

fn put_lasting(
    root: &RootKey,
    purpose: Lasting,
    key: &[u8; KEY_BYTES],
    now: Moment,
) -> Result<Change, StartError> {
    let place = keyspace::lasting_key(purpose);
    let record = KeyRecord {
        wrapped: root.wrap(&place, key)?,
        create_time: now.0,
    };
    Ok(Change::Put(place, keyspace::frame(&record)))
}

pub(super) async fn prove(store: &dyn Store, root: &RootKey) -> Result<(), StartError> {
    let place = keyspace::ROOT_CHECK.to_vec();
    let record = store.get(vec![place.clone()]).await?.pop().flatten();
    let record = record.ok_or(StoreError::Damaged(place.clone()))?;
    let check: RootCheckRecord = keyspace::unframe(&record)?;
    if root.passes(&check.wrapped) {
        Ok(())
    } else {
        Err(StartError::WrongRootKey)
    }
}

/// The HMAC keys that are not retired.
async fn read_hmac_keys(store: &dyn Store, root: &RootKey) -> Result<HmacKeys, StartError> {
    let mut keys = HmacKeys::none();
    let put = |record: &Record| {
        let Versioned { value, revision } = keyspace::decode::<KeyVersion>(record)
            .ok_or_else(|| StoreError::Damaged(record.key.clone()))?;
        if let Some(key) = value.open(root)? {
            keys.put(value.version, revision, &key);
        }
        Ok::<_, StartError>(())
    };
    each_record(store, keyspace::HMAC_KEYS, SLICE, put).await?;
    if keys.is_empty() {
        return Err(StoreError::Damaged(keyspace::HMAC_KEYS.to_vec()).into());
    }
    Ok(keys)
}

/// The keys that last, and the sealing keys.
async fn read_keys(store: &dyn Store, root: &RootKey, now: Moment) -> Result<Keys, StartError> {
    let callers = lasting_key(store, root, Lasting::Callers, now).await?;
    let ids = lasting_key(store, root, Lasting::Ids, now).await?;
    let keys = Keys::new(&callers, &ids);
    for (day, key) in read_numbered(store, root, keyspace::SEALING_KEYS).await? {
        keys.add_sealing(day, &key);
    }
    Ok(keys)
}

/// A key that lasts. A store that was made before there were such keys gets them now.
async fn lasting_key(
    store: &dyn Store,
    root: &RootKey,
    purpose: Lasting,
    now: Moment,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, StartError> {
    let place = keyspace::lasting_key(purpose);
    let damaged = || StoreError::Damaged(place.clone());
    if let Some(record) = store.get(vec![place.clone()]).await?.pop().flatten() {
        let wrapped: KeyRecord = keyspace::unframe(&record)?;
        return Ok(root.unwrap(&place, &wrapped.wrapped).ok_or_else(damaged)?);
    }
    let key = match purpose {
        Lasting::Callers => Zeroizing::new(secret::random::<KEY_BYTES>()?),
        Lasting::Ids => {
            let first = keyspace::hmac_key(FIRST_VERSION);
            let first = store.get(vec![first]).await?.pop().flatten();
            let first = first.ok_or_else(damaged)?;
            let first = keyspace::decode::<KeyVersion>(&first).ok_or_else(damaged)?;
            Keys::first_ids(&*first.value.open(root)?.ok_or_else(damaged)?)
        }
    };
    let change = put_lasting(root, purpose, &key, now)?;
    store
        .commit(vec![Precondition::Absent(place.clone())], vec![change])
        .await?;
    Ok(key)
}

async fn read_numbered(
    store: &dyn Store,
    root: &RootKey,
    prefix: &[u8],
) -> Result<Vec<(u32, Zeroizing<[u8; 32]>)>, StartError> {
    let unwrap = |record: Record| {
        let wrapped: KeyRecord = keyspace::unframe(&record)?;
        let number = keyspace::number(&record.key);
        let key = root.unwrap(&record.key, &wrapped.wrapped);
        number.zip(key).ok_or(StoreError::Damaged(record.key))
    };
    let records = store.scan(prefix.to_vec(), None, SLICE).await?;
    Ok(records
        .into_iter()
        .map(unwrap)
        .collect::<Result<_, StoreError>>()?)
}

pub(super) async fn read_mark(store: &dyn Store) -> Result<Moment, StartError> {
    match store
        .get(vec![keyspace::CLOCK.to_vec()])
        .await?
        .pop()
        .flatten()
    {
        None => Ok(Moment(0)),
        Some(record) => Ok(Moment(keyspace::unframe::<ClockRecord>(&record)?.mark)),
    }
}

fn is_ahead(key: &Key, prefix: &[u8], after: Option<&Key>) -> bool {
    key.starts_with(prefix) && key.len() > prefix.len() && after.is_none_or(|after| key > after)
}

async fn load_slice(
    store: &dyn Store,
    prefix: &[u8],
    after: Option<Key>,
    limit: usize,
) -> Result<Option<Key>, StoreError> {
    store
        .load(Load::Slice {
            prefix: prefix.to_vec(),
            after,
            limit,
        })
        .await
}
