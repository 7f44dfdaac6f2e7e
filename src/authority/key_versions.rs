//! Versions of the HMAC key: which there are, what hangs on each, making a new one, retiring an old one.

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::Authority;
use super::caller::Authorised;
use super::directory::SYSTEM;
use super::error::{Error, Reason};
use super::index::{Held, Lookup};
use super::keys::{KEY_BYTES, RootKey};
use super::keyspace::{self, Stored, Versioned};
use super::moment::Moment;
use super::name::Name;
use super::password::KeptPassword;
use super::secret::{self, TokenId};
use super::transaction::{Command, Plan};
use super::understand;
use crate::store::{Record, StoreError, each_record};

/// A version of the HMAC key, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its number; the highest is the newest.
    pub version: u32,
    /// The key, wrapped under the root key; empty once it is retired.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub create_time: Moment,
    /// When it was retired.
    pub retire_time: Option<Moment>,
}

/// A version, and what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// The version.
    pub key: KeyVersion,
    /// Whether it makes new tags.
    pub is_newest: bool,
    /// The tokens.
    pub held: Held,
    /// How many passwords.
    pub passwords: usize,
}

/// Makes a new version, which new tags are made with from then on.
#[derive(Debug, Clone)]
pub struct RotateKey;

/// Destroys an old version: what is still proved by it is proved no more.
#[derive(Debug, Clone)]
pub struct RetireKey {
    /// Which.
    pub version: u32,
    /// Even though tokens or passwords hang on it.
    pub force: bool,
}

/// Most versions that are not retired: each look-up of a secret goes through them.
const MAX_VERSIONS: usize = 16;
/// The highest number that the index keeps.
const LAST_VERSION: u32 = u16::MAX as u32;
/// Records that are read at once.
const SLICE: usize = 256;

impl Authority {
    /// Every version that there was, oldest first, and what hangs on each.
    ///
    /// # Errors
    /// [`Reason::NotReady`] while tokens are being loaded.
    pub async fn key_status(&self) -> Result<Vec<KeyStatus>, Error> {
        let mut keys = Vec::new();
        let read = |record: &Record| {
            keys.push(understand::<KeyVersion>(record)?.value);
            Ok::<_, Error>(())
        };
        each_record(self.store.as_ref(), keyspace::HMAC_KEYS, SLICE, read).await?;
        let mut status: Vec<KeyStatus> = {
            let state = self.complete_index()?;
            let newest = state.hmac_keys().newest();
            let status = |key: KeyVersion| KeyStatus {
                is_newest: key.version == newest,
                held: state.held(key.version),
                passwords: 0,
                key,
            };
            keys.into_iter().map(status).collect()
        };
        self.each_password(|version| {
            if let Some(found) = status.iter_mut().find(|s| s.key.version == version) {
                found.passwords += 1;
            }
        })
        .await?;
        Ok(status)
    }

    /// Tells the key version of every password, in slices between commits. One that can't be read is nobody's to log in with.
    async fn each_password(&self, mut tell: impl FnMut(u32) + Send) -> Result<(), Error> {
        let read = |record: &Record| {
            if let Some(password) = keyspace::decode::<KeptPassword>(record) {
                tell(password.value.key_version);
            }
            Ok::<_, Error>(())
        };
        each_record(self.store.as_ref(), keyspace::PASSWORDS, SLICE, read).await
    }

    fn hangs_on(&self, token: TokenId, version: u32) -> Result<bool, Error> {
        Ok(match self.index.read()?.token(token) {
            Lookup::Known(view) => view.token.key_version() == version,
            _ => false,
        })
    }

    async fn key_version(&self, version: u32) -> Result<Versioned<KeyVersion>, Error> {
        let found = self.fetch(keyspace::hmac_key(version)).await?;
        found.ok_or_else(|| Error::not_found("key version"))
    }
}

#[async_trait]
impl Command for RotateKey {
    const ACTION: &'static str = "key.rotate";
    type Answer = KeyVersion;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<KeyVersion>, Error> {
        by.demand_operator("rotate keys")?;
        let mut plan = plan(authority)?;
        let keys = authority.hmac_keys()?;
        if keys.len() >= MAX_VERSIONS {
            return Err(Error::new(
                Reason::InUse,
                format!("there are {MAX_VERSIONS} keys already; retire an old one first"),
            ));
        }
        let version = keys.newest() + 1;
        if version > LAST_VERSION {
            return Err(Error::new(Reason::InUse, "there can be no more keys"));
        }
        // Whoever is about to make something with the key that is the newest until now, plans anew.
        plan.touch(&authority.key_version(keys.newest()).await?);
        plan.create(KeyVersion::mint(version, &authority.root, now)?)?;
        plan.event.comment = format!("version {version}");
        Ok(plan)
    }
}

#[async_trait]
impl Command for RetireKey {
    const ACTION: &'static str = "key.retire";
    type Answer = KeyVersion;

    async fn plan(
        &self,
        authority: &Authority,
        by: &Authorised,
        now: Moment,
    ) -> Result<Plan<KeyVersion>, Error> {
        by.demand_operator("retire keys")?;
        let before = authority.key_version(self.version).await?;
        let mut plan = plan(authority)?;
        if before.value.retire_time.is_some() {
            plan.replace(&before, before.value.clone())?;
            return Ok(plan);
        }
        if authority.hmac_keys()?.newest() == self.version {
            return Err(Error::new(
                Reason::InUse,
                "the newest key makes new tags and is never retired; rotate first",
            ));
        }
        if authority.hangs_on(by.token_id, self.version)? {
            return Err(Error::new(
                Reason::InUse,
                "the calling token itself hangs on it; by this call it moves to the newest key within seconds: repeat it then",
            ));
        }
        // Since its successor came, nothing more has come to hang on it: these only become fewer.
        let held = authority.complete_index()?.held(self.version);
        let mut passwords = 0;
        let count = |version| passwords += usize::from(version == self.version);
        authority.each_password(count).await?;
        let hang = format!(
            "{} tokens ({} of them imported and never used) and {passwords} passwords",
            held.tokens, held.unused
        );
        plan.event.comment = format!("version {}", self.version);
        if held.tokens > 0 || passwords > 0 {
            if !self.force {
                return Err(Error::new(
                    Reason::InUse,
                    format!(
                        "{hang} still hang on key {}: each moves to the newest key when it is used. Wait, revoke what nobody \
                         uses, or force it: they are good no more then",
                        self.version
                    ),
                )
                .with("tokens", held.tokens.to_string())
                .with("unused_imported_tokens", held.unused.to_string())
                .with("passwords", passwords.to_string()));
            }
            plan.event.comment =
                format!("version {}, forced: {hang} are good no more", self.version);
            plan.warnings.push(format!("{hang} are good no more"));
        }
        plan.replace(
            &before,
            KeyVersion {
                wrapped: Vec::new(),
                retire_time: Some(now),
                ..before.value.clone()
            },
        )?;
        Ok(plan)
    }
}

/// A plan that is logged among what operators do.
fn plan(authority: &Authority) -> Result<Plan<KeyVersion>, Error> {
    let system = Name::parse(SYSTEM).map_err(|why| Error::invalid("library", why.to_string()))?;
    let library = authority.library(&system)?;
    Ok(Plan::new(&system, library.value.uid))
}

// === impl KeyVersion ===

impl KeyVersion {
    /// A new key.
    pub(super) fn mint(version: u32, root: &RootKey, now: Moment) -> Result<KeyVersion, Error> {
        let key = Zeroizing::new(secret::random::<KEY_BYTES>()?);
        Ok(KeyVersion {
            version,
            wrapped: root.wrap(&keyspace::hmac_key(version), key.as_ref())?,
            create_time: now,
            retire_time: None,
        })
    }

    /// The key; `None` for one that is retired.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if this root key does not open it.
    pub(super) fn open(
        &self,
        root: &RootKey,
    ) -> Result<Option<Zeroizing<[u8; KEY_BYTES]>>, StoreError> {
        if self.retire_time.is_some() {
            return Ok(None);
        }
        let key = root.unwrap(&self.key(), &self.wrapped);
        key.map(Some).ok_or_else(|| StoreError::Damaged(self.key()))
    }
}

/// Even wrapped, it is nobody's to see.
impl std::fmt::Debug for KeyVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyVersion({})", self.version)
    }
}
