//! The embedded engine, on sled.
//!
//! One thread, the writer, owns sled. Every call goes to it through one bounded queue and is answered through a oneshot. It
//! gathers the commits that wait, checks them in order, writes them as one batch, makes that durable, tells the follower and
//! only then answers. Reads run between two batches, so that they never see what a crash could undo.
//!
//! `flush()` of sled returns before anything is synced (it calls `sync_file_range`), so the writer syncs the file itself.
//! Any error on that way is the end: nothing is acknowledged after it, because nobody knows what the disk holds.

mod aside;
mod batch;
mod envelope;
mod mark;
mod open;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use open::{holds_store, make_directory, sync_parent};
use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

pub use self::open::OpenError;
use self::{
    shared::Shared,
    writer::{Answer, Call, Commit, Read},
};
use super::{
    Change, Follower, Key, Load, Precondition, Record, Revision, Store, StoreError, StoreId,
    admissible,
};

/// Calls that wait for the writer at most; beyond, they are refused as [`StoreError::Busy`]. Four full batches: a second of
/// waiting on a disk that syncs only four times a second, and some 50 MiB if each is a commit of three of the largest values.
const QUEUE_CALLS: usize = 4 * writer::BATCH_CALLS;

/// A store in a directory of its own.
pub struct SledStore {
    id: StoreId,
    calls: mpsc::Sender<Call>,
    shared: Arc<Shared>,
}

// === impl SledStore ===

impl SledStore {
    /// Opens the store in this directory, and makes both if they are not there. It blocks: recovery reads sled's log.
    pub fn open(dir: &Path, follower: Box<dyn Follower>) -> Result<SledStore, OpenError> {
        let opened = open::open(dir)?;
        let id = opened.meta.id;
        let shared = Arc::new(Shared::new(opened.meta.head));
        let (calls, queue) = mpsc::channel(QUEUE_CALLS);
        writer::start(opened, follower, queue, &shared).map_err(OpenError::Thread)?;
        Ok(SledStore { id, calls, shared })
    }

    /// Queues a call if there is room, and waits for its answer.
    async fn ask<T>(&self, call: impl FnOnce(Answer<T>) -> Call) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.calls
            .try_send(call(answer))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => StoreError::Failed,
            })?;
        self.answered(answered).await
    }

    /// An answer, or [`StoreError::Failed`] once none will come, even if the writer hangs with the call in its hands.
    async fn answered<T>(
        &self,
        answered: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::select! {
            biased;
            answer = answered => answer.unwrap_or(Err(StoreError::Failed)),
            _ = self.shared.failure() => Err(StoreError::Failed),
        }
    }
}

#[async_trait]
impl Store for SledStore {
    fn id(&self) -> StoreId {
        self.id
    }

    async fn head(&self) -> Result<Revision, StoreError> {
        self.shared.head()
    }

    async fn get(&self, keys: Vec<Key>) -> Result<Vec<Option<Record>>, StoreError> {
        self.ask(|answer| Call::Read(Read::Get { keys, answer }))
            .await
    }

    async fn scan(
        &self,
        prefix: Key,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.ask(|answer| {
            Call::Read(Read::Scan {
                prefix,
                after,
                limit,
                answer,
            })
        })
        .await
    }

    async fn commit(
        &self,
        preconditions: Vec<Precondition>,
        changes: Vec<Change>,
    ) -> Result<Revision, StoreError> {
        admissible(&changes)?;
        self.ask(|answer| {
            Call::Commit(Commit {
                preconditions,
                changes,
                answer,
            })
        })
        .await
    }

    /// A slice waits for room: whoever loads asks for the next slice when it has this one, so only one waits. A single key is
    /// refused when the queue is full: anybody may cause such a load.
    async fn load(&self, load: Load) -> Result<Option<Key>, StoreError> {
        if matches!(load, Load::One(_)) {
            return self
                .ask(|answer| Call::Read(Read::Load { load, answer }))
                .await;
        }
        let (answer, answered) = oneshot::channel();
        let call = Call::Read(Read::Load { load, answer });
        tokio::select! {
            biased;
            sent = self.calls.send(call) => sent.map_err(|_| StoreError::Failed)?,
            _ = self.shared.failure() => return Err(StoreError::Failed),
        }
        self.answered(answered).await
    }

    async fn failed(&self) -> String {
        self.shared.failure().await
    }

    async fn close(&self) {
        tokio::select! {
            biased;
            // An error means that another `close` came first.
            _ = self.calls.send(Call::Close) => {}
            () = self.shared.stopped() => {}
        }
        self.shared.stopped().await;
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
