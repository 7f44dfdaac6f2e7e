//! The thread that owns sled.

use std::{
    fs::File,
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    batch::{Batch, Refusal, read, scan},
    envelope::Meta,
    mark::Mark,
    open::{Lock, Opened, wait_until_released},
    shared::{Shared, start_watchdog},
};
use crate::store::{
    Change, Committed, Follower, Key, Load, Precondition, Record, Revision, StoreError,
};

/// Calls of one round at most: what the first of them waits for, and what one sync is shared by.
pub(super) const BATCH_CALLS: usize = 1024;
/// Bytes of one round's changes, after which no more commits join it: sled keeps a batch in memory and recovers it whole.
const BATCH_BYTES: usize = 4 << 20;

/// Where a call's answer goes. Dropped, it tells the caller that the store has failed.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked.
pub(super) enum Call {
    Commit(Commit),
    Read(Read),
    Close,
}

/// See [`crate::store::Store::commit`].
pub(super) struct Commit {
    pub(super) preconditions: Vec<Precondition>,
    pub(super) changes: Vec<Change>,
    pub(super) answer: Answer<Revision>,
}

/// What changes nothing.
pub(super) enum Read {
    Get {
        keys: Vec<Key>,
        answer: Answer<Vec<Option<Record>>>,
    },
    Scan {
        prefix: Key,
        after: Option<Key>,
        limit: usize,
        answer: Answer<Vec<Record>>,
    },
    Load {
        load: Load,
        answer: Answer<Option<Key>>,
    },
}

/// Why nothing can be acknowledged any more.
pub(super) struct Fatal(String);

/// What it owns.
struct Writer {
    db: ::sled::Db,
    /// Our own handle of sled's file, so that we get the errors of writing back, whoever else syncs it.
    data: File,
    /// Held as long as sled may touch the directory.
    lock: Lock,
    meta: Meta,
    mark: Mark,
    follower: Box<dyn Follower>,
    shared: Arc<Shared>,
}

/// What is carried out between one sync and the next.
#[derive(Default)]
struct Round {
    commits: Vec<Commit>,
    /// Asked after the first of the commits, so carried out after them all: what they see includes what they must.
    reads: Vec<Read>,
    bytes: usize,
    closes: bool,
}

/// Starts the thread, and the one that watches it.
pub(super) fn start(
    opened: Opened,
    follower: Box<dyn Follower>,
    mut calls: mpsc::Receiver<Call>,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    let mut writer = Writer {
        db: opened.db,
        data: opened.data,
        lock: opened.lock,
        meta: opened.meta,
        mark: opened.mark,
        follower,
        shared: Arc::clone(shared),
    };
    start_watchdog(shared)?;
    thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || {
            let end = catch_unwind(AssertUnwindSafe(|| writer.serve(&mut calls)));
            match end {
                Ok(Ok(())) => writer.close(calls),
                Ok(Err(Fatal(reason))) => writer.give_up(reason),
                // Not the panic's own text: it may show what sled or the follower had in its hands.
                Err(_) => writer.give_up("the writer panicked".to_owned()),
            }
        })?;
    Ok(())
}

// === impl Writer ===

impl Writer {
    /// Carries out what is asked, until it is asked to stop or nobody is left to ask.
    fn serve(&mut self, calls: &mut mpsc::Receiver<Call>) -> Result<(), Fatal> {
        while let Some(first) = calls.blocking_recv() {
            let round = self.gather(first, calls)?;
            let closes = round.closes;
            self.commit(round.commits)?;
            for read in round.reads {
                self.read(read)?;
            }
            if closes {
                return Ok(());
            }
            self.shared.set_working(false);
        }
        Ok(())
    }

    /// Takes what waits, and does at once what need not wait for a commit.
    fn gather(&mut self, first: Call, calls: &mut mpsc::Receiver<Call>) -> Result<Round, Fatal> {
        let mut round = Round::default();
        let mut next = Some(first);
        while let Some(call) = next {
            self.shared.set_working(true);
            match call {
                Call::Commit(commit) => round.push(commit),
                Call::Read(read) if round.commits.is_empty() => self.read(read)?,
                Call::Read(read) => round.reads.push(read),
                Call::Close => round.closes = true,
            }
            if round.is_full() {
                break;
            }
            next = calls.try_recv().ok();
        }
        Ok(round)
    }

    /// Makes the admitted ones durable, tells the follower, then answers all. A refusal may rest on a commit of the same
    /// batch, so it is answered after that too.
    fn commit(&mut self, commits: Vec<Commit>) -> Result<(), Fatal> {
        let mut batch = Batch::new(&self.db, self.meta);
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            let outcome = match batch.admit(&commit.preconditions, commit.changes) {
                Ok(revision) => Ok(revision),
                Err(Refusal::Own(error)) => Err(error),
                Err(Refusal::All(fatal)) => return Err(fatal),
            };
            answers.push((commit.answer, outcome));
        }
        if let Some((writes, committed, meta)) = batch.finish() {
            self.write(writes)?;
            self.publish(&committed, meta)?;
        }
        for (answer, outcome) in answers {
            // Whoever no longer waits doesn't want to know.
            let _ = answer.send(outcome);
        }
        self.mark
            .keep(self.meta)
            .map_err(|error| Fatal(format!("the mark's sync failed: {error}")))
    }

    /// Returns when the batch is on disk. `flush` alone does not sync.
    fn write(&self, writes: ::sled::Batch) -> Result<(), Fatal> {
        self.db
            .apply_batch(writes)
            .map_err(|error| Fatal::of_sled("write", &error))?;
        self.db
            .flush()
            .map_err(|error| Fatal::of_sled("flush", &error))?;
        self.data
            .sync_data()
            .map_err(|error| Fatal(format!("sync failed: {error}")))
    }

    fn publish(&mut self, committed: &[Committed], meta: Meta) -> Result<(), Fatal> {
        // The watchdog may have told everybody that these failed.
        if !self.shared.is_running() {
            return Err(Fatal("the writer came back too late".to_owned()));
        }
        self.follower.publish(committed);
        self.meta = meta;
        self.shared.set_head(meta.head);
        Ok(())
    }

    fn read(&mut self, what: Read) -> Result<(), Fatal> {
        match what {
            Read::Get { keys, answer } => {
                reply(answer, keys.iter().map(|key| read(&self.db, key)).collect())
            }
            Read::Scan {
                prefix,
                after,
                limit,
                answer,
            } => reply(answer, scan(&self.db, &prefix, after.as_ref(), limit)),
            Read::Load { load, answer } => {
                let loaded = self.find(&load).map(|records| {
                    let end = load.end(&records);
                    self.follower.loaded(&load, records);
                    end
                });
                reply(answer, loaded)
            }
        }
    }

    fn find(&self, load: &Load) -> Result<Vec<Record>, Refusal> {
        match load {
            Load::Slice {
                prefix,
                after,
                limit,
            } => scan(&self.db, prefix, after.as_ref(), *limit),
            Load::One(key) => Ok(read(&self.db, key)?.into_iter().collect()),
        }
    }

    /// Ends so that the directory can be opened again at once. What is still queued is dropped, and so refused.
    fn close(self, calls: mpsc::Receiver<Call>) {
        drop(calls);
        let Writer {
            db,
            data,
            lock,
            follower,
            shared,
            meta,
            mut mark,
        } = self;
        let end = catch_unwind(AssertUnwindSafe(|| {
            drop(follower);
            drop(db);
            data.sync_data()?;
            mark.write(meta)
        }));
        match end {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return shared.fail(format!("sync failed at the end: {error}")),
            Err(_) => return shared.fail("sled panicked at the end".to_owned()),
        }
        wait_until_released(&data);
        drop(lock);
        shared.stop();
    }

    /// Fails for good, and leaves sled as it is: its `Drop` flushes and joins its threads, either of which may hang now, and
    /// would write what nobody vouches for. The lock stays too, as sled's threads may still touch the directory. The process
    /// is to end.
    fn give_up(self, reason: String) {
        self.shared.fail(reason);
        mem::forget(self);
    }
}

// === impl Round ===

impl Round {
    fn push(&mut self, commit: Commit) {
        self.bytes += commit.changes.iter().map(size).sum::<usize>();
        self.commits.push(commit);
    }

    fn is_full(&self) -> bool {
        self.closes
            || self.bytes >= BATCH_BYTES
            || self.commits.len() + self.reads.len() >= BATCH_CALLS
    }
}

// === impl Fatal ===

impl Fatal {
    /// sled's own texts of bugs may show what it had in its hands, so only the kind of them is told.
    pub(super) fn of_sled(doing: &str, error: &::sled::Error) -> Fatal {
        Fatal(match error {
            ::sled::Error::Io(error) => format!("sled could not {doing}: {error}"),
            ::sled::Error::Corruption { .. } => {
                format!("sled could not {doing}: its file is damaged")
            }
            _ => format!("sled could not {doing}"),
        })
    }
}

// === helpers ===

fn size(change: &Change) -> usize {
    match change {
        Change::Put(key, value) => key.len() + value.len(),
        Change::Delete(key) => key.len(),
    }
}

fn reply<T>(answer: Answer<T>, outcome: Result<T, Refusal>) -> Result<(), Fatal> {
    let outcome = match outcome {
        Ok(found) => Ok(found),
        Err(Refusal::Own(error)) => Err(error),
        Err(Refusal::All(fatal)) => return Err(fatal),
    };
    // Whoever no longer waits doesn't want to know.
    let _ = answer.send(outcome);
    Ok(())
}
