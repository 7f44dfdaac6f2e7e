//! Writing what was noted, and reading what a bucket holds.

use std::collections::HashMap;

use super::{Bucket, Uses, lock};
use crate::authority::Authority;
use crate::authority::error::Error;
use crate::authority::keyspace;
use crate::authority::moment::Now;
use crate::authority::secret::TokenId;
use crate::store::{Change, Load, StoreError};

/// Most records that one turn of upkeep writes, new tags among them; there is a turn each second.
const WRITTEN_AT_ONCE: usize = 50;
/// How many of them are new tags, if as many tokens wait for them, even where all else waits too.
const TAGS_AT_ONCE: usize = WRITTEN_AT_ONCE / 2;
/// Most records of one commit at the end, when nothing else waits for the store.
const WRITTEN_AT_THE_END: usize = 256;
/// Records that one load of a bucket hands to the index.
const SLICE: usize = 1000;

impl Authority {
    /// What tokens are used for.
    #[must_use]
    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Writes some of the buckets in which something new was noted, and some of the new tags. To be called each second.
    ///
    /// # Errors
    /// Those of the store; what was not written waits for its turn again.
    pub async fn keep_uses(&self, now: Now) -> Result<(), Error> {
        self.uses.words.sweep();
        self.uses.come_back(now);
        let mut left = WRITTEN_AT_ONCE;
        let tagged = self.retag(TAGS_AT_ONCE).await;
        left = left.saturating_sub(*tagged.as_ref().unwrap_or(&0));
        let wrote = self.write_uses(left, now).await?;
        // A bucket is written whole, so it may have been more.
        left = left.saturating_sub(wrote.unwrap_or(0));
        self.retag(left).await.and(tagged).map(drop)
    }

    /// Writes all that was noted.
    pub(in crate::authority) async fn keep_all_uses(&self, now: Now) -> Result<(), Error> {
        self.uses.come_back(now);
        self.uses.all_wait();
        while self.write_uses(WRITTEN_AT_THE_END, now).await?.is_some() {}
        Ok(())
    }

    /// Sees to it that what a token was used for is known, if the store knows it.
    pub(in crate::authority) async fn load_uses(&self, bucket: Bucket) -> Result<(), Error> {
        if self.index.read()?.has_uses(bucket) {
            return Ok(());
        }
        let prefix = keyspace::uses_bucket(bucket);
        let mut after = None;
        loop {
            let load = Load::Slice {
                prefix: prefix.clone(),
                after,
                limit: SLICE,
            };
            after = self.store.load(load).await?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Writes buckets that wait, in so many records at most; says of how many, and `None` if none waited.
    async fn write_uses(&self, most: usize, now: Now) -> Result<Option<usize>, Error> {
        let (mut taken, mut changes) = (Vec::new(), Vec::new());
        while changes.len() < most {
            let Some((bucket, has_session)) = lock(&self.uses.waiting).pop() else {
                break;
            };
            taken.push((bucket, has_session));
            // What is stored is merged first: it is replaced now.
            if let Err(error) = self.load_uses(bucket).await {
                self.wait_again(&taken);
                return Err(error);
            }
            let state = self.index.read()?;
            changes.extend(self.uses.take(bucket, |id| state.is_unknown(id)));
        }
        if changes.is_empty() {
            return Ok((!taken.is_empty()).then_some(0));
        }
        let count = changes.len();
        let puts = changes.iter().filter_map(|change| match change {
            Change::Put(key, value) => Some((key.clone(), value.clone())),
            Change::Delete(_) => None,
        });
        *lock(&self.uses.own) = puts.collect();
        // No use is stored before its time is: what lies beyond that is not believed when it is read.
        changes.extend(self.mark_change(now));
        let written = self.store.commit(Vec::new(), changes).await;
        *lock(&self.uses.own) = HashMap::new();
        if let Err(error) = written {
            if let StoreError::Damaged(key) = &error {
                // It would stop all the others for ever.
                let damaged = keyspace::bucket(key);
                taken.retain(|(bucket, _)| Some(*bucket) != damaged);
            }
            self.wait_again(&taken);
            return Err(error.into());
        }
        self.marked(now);
        Ok(Some(count))
    }

    fn wait_again(&self, taken: &[(Bucket, bool)]) {
        let mut waiting = lock(&self.uses.waiting);
        for (bucket, has_session) in taken {
            waiting.push(*bucket, *has_session);
        }
    }

    /// Sees to it that what one token was used for is known.
    pub(in crate::authority) async fn load_uses_of(&self, id: TokenId) -> Result<(), Error> {
        self.load_uses(Bucket::of(id)).await
    }
}
