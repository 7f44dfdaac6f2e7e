//! Upkeep: the day's sealing key, the mark of time, and answers that nobody can ask for any more.

use super::Authority;
use super::error::Error;
use super::keyspace;
use super::moment::{Moment, Now};
use super::secret;
use crate::proto::store::KeyRecord;
use crate::store::{Change, Key, Precondition, StoreError};

/// Records removed by one commit: small enough that no other commit waits long.
const SLICE: usize = 256;
/// The sealing keys of today and of this many days before are kept: an answer can be asked for across midnight.
const SEALING_DAYS: u32 = 1;

impl Authority {
    /// Keeps the mark of time, and removes kept answers and sealing keys that are out of date.
    pub async fn sweep(&self, now: Now) -> Result<(), Error> {
        if let Some(change) = self.mark_change(now) {
            self.store.commit(Vec::new(), vec![change]).await?;
            self.marked(now);
        }
        if now.mark.is_none() {
            // The clock is not trusted: nothing is removed by it.
            return Ok(());
        }
        self.sweep_requests(now.time).await?;
        self.sweep_sealing_keys(now.time).await
    }

    /// An answer kept in one window can be asked for until the end of the next.
    async fn sweep_requests(&self, now: Moment) -> Result<(), Error> {
        let oldest = keyspace::window(now).saturating_sub(1);
        self.remove_while(keyspace::REQUESTS, |key| {
            keyspace::request_window(key).is_none_or(|w| w < oldest)
        })
        .await
    }

    async fn sweep_sealing_keys(&self, now: Moment) -> Result<(), Error> {
        let oldest = keyspace::day(now).saturating_sub(SEALING_DAYS);
        self.remove_while(keyspace::SEALING_KEYS, |key| {
            keyspace::number(key).is_none_or(|d| d < oldest)
        })
        .await?;
        self.keys.drop_sealing_before(oldest);
        Ok(())
    }

    /// Removes the records at the beginning of a prefix, as long as they are out of date.
    async fn remove_while(
        &self,
        prefix: &[u8],
        out_of_date: impl Fn(&Key) -> bool,
    ) -> Result<(), Error> {
        loop {
            let records = self.store.scan(prefix.to_vec(), None, SLICE).await?;
            let changes: Vec<Change> = records
                .into_iter()
                .map(|r| r.key)
                .take_while(&out_of_date)
                .map(Change::Delete)
                .collect();
            let full = changes.len() == SLICE;
            if !changes.is_empty() {
                self.store.commit(Vec::new(), changes).await?;
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Makes sure that there is a sealing key of the day.
    pub(super) async fn ensure_sealing_key(&self, now: Moment) -> Result<(), Error> {
        let day = keyspace::day(now);
        if self.keys.can_seal(day) {
            return Ok(());
        }
        let _making = self.sealing.lock().await;
        if self.keys.can_seal(day) {
            return Ok(());
        }
        let place = keyspace::sealing_key(day);
        let key = secret::random::<32>().map(zeroize::Zeroizing::new)?;
        let record = KeyRecord {
            wrapped: self.root.wrap(&place, key.as_ref())?,
            create_time: now.0,
        };
        let change = Change::Put(place.clone(), keyspace::frame(&record));
        match self
            .store
            .commit(vec![Precondition::Absent(place.clone())], vec![change])
            .await
        {
            Ok(_) => self.keys.add_sealing(day, &key),
            // Made before, and not in memory: it is read.
            Err(StoreError::Conflict) => self.read_sealing_key(day).await?,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(super) async fn read_sealing_key(&self, day: u32) -> Result<(), Error> {
        let place = keyspace::sealing_key(day);
        let found = self.store.get(vec![place.clone()]).await?.pop().flatten();
        let damaged = || Error::from(StoreError::Damaged(place.clone()));
        let record: KeyRecord = keyspace::unframe(&found.ok_or_else(damaged)?)?;
        let key = self
            .root
            .unwrap(&place, &record.wrapped)
            .ok_or_else(damaged)?;
        self.keys.add_sealing(day, &key);
        Ok(())
    }
}
