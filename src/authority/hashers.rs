//! The threads that passwords and weak imported tokens are hashed on: few, with short queues, and apart from everything that
//! serves calls. Whatever waits here, Verify of a token of this authority's own does not.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use super::error::{Error, Reason};

/// The threads, and the way to them. They end when it is dropped.
pub(super) struct Hashers(Arc<Shared>);

/// What is hashed. Each has a queue of its own, and they take turns: a flood of one makes the others wait for one job more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// A password that is set or typed.
    Password,
    /// A weak imported token that is presented.
    Presented,
    /// A weak token that is imported.
    Import,
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// A job has come, or the end.
    news: Condvar,
}

struct Waiting {
    queues: [VecDeque<Job>; WORKS],
    /// Whose turn it is.
    turn: usize,
    closed: bool,
}

type Job = Box<dyn FnOnce() + Send>;

const WORKS: usize = 3;
/// How far these threads stand behind those that serve, where all cores are busy: they get about a tenth of the time then.
const NICE: i32 = 10;
/// Most jobs of a kind that wait. At tens of milliseconds each, the last one waits for a second or two.
const QUEUE: usize = 32;

// === impl Hashers ===

impl Hashers {
    /// Half as many threads as there are cores, at least one: each takes a core and 19 MiB while it hashes, or up to 64 MiB for
    /// another system's hash.
    pub(super) fn start() -> io::Result<Hashers> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Hashers::with((cores / 2).max(1))
    }

    fn with(threads: usize) -> io::Result<Hashers> {
        // Dropped on failure, it ends the threads that did start.
        let hashers = Hashers(Arc::new(Shared {
            waiting: Mutex::new(Waiting {
                queues: Default::default(),
                turn: 0,
                closed: false,
            }),
            news: Condvar::new(),
        }));
        for _ in 0..threads {
            let shared = hashers.0.clone();
            thread::Builder::new()
                .name("hasher".to_owned())
                .spawn(move || {
                    give_way();
                    shared.work_off();
                })?;
        }
        Ok(hashers)
    }

    /// Has this done on one of the threads.
    ///
    /// # Errors
    /// [`Reason::LimitExceeded`] if too many of its kind wait already; nothing was done then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        kind: Work,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            // Whoever has gone gets no work done.
            if !answer.is_closed() {
                let _ = answer.send(work());
            }
        });
        self.0.push(kind, job)?;
        answered
            .await
            .map_err(|_| Error::new(Reason::Internal, "the secret could not be checked"))
    }
}

/// Lets the threads that serve go first.
fn give_way() {
    let thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(thread), NICE) {
        tracing::warn!(error = %error, "hashing competes with Verify for the processor");
    }
}

impl Drop for Hashers {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.news.notify_all();
    }
}

// === impl Shared ===

impl Shared {
    fn push(&self, kind: Work, job: Job) -> Result<(), Error> {
        let mut waiting = self.lock();
        let queue = &mut waiting.queues[kind as usize];
        if queue.len() >= QUEUE {
            return Err(Error::new(
                Reason::LimitExceeded,
                "too many passwords or weak tokens are being checked; nothing was done, try again",
            ));
        }
        queue.push_back(job);
        drop(waiting);
        self.news.notify_one();
        Ok(())
    }

    fn work_off(&self) {
        while let Some(job) = self.next() {
            // One that panics is answered as a fault, and costs no thread.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// The next job; `None` at the end.
    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(job) = waiting.take() {
                return Some(job);
            }
            let woken = self.news.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing that is done under the lock leaves it half done.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Waiting ===

impl Waiting {
    fn take(&mut self) -> Option<Job> {
        for step in 0..WORKS {
            let at = (self.turn + step) % WORKS;
            if let Some(job) = self.queues[at].pop_front() {
                self.turn = at + 1;
                return Some(job);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    /// Occupies all threads until what is returned is dropped.
    fn occupied(hashers: &Hashers, threads: usize) -> Vec<std::sync::mpsc::Sender<()>> {
        let (started, starts) = channel();
        let mut doors = Vec::new();
        for _ in 0..threads {
            let (door, closed) = channel::<()>();
            doors.push(door);
            let started = started.clone();
            let job = move || {
                started.send(()).unwrap();
                let _ = closed.recv();
            };
            hashers.0.push(Work::Password, Box::new(job)).unwrap();
            starts.recv().unwrap();
        }
        doors
    }

    #[tokio::test]
    async fn what_does_not_fit_the_queue_is_refused_and_what_fits_is_done() {
        let hashers = Arc::new(Hashers::with(2).unwrap());
        let doors = occupied(&hashers, 2);
        let done = Arc::new(AtomicUsize::new(0));
        let mut waiting = Vec::new();
        for _ in 0..QUEUE {
            let done = done.clone();
            let mut job = Box::pin(async {
                let count = move || done.fetch_add(1, Ordering::SeqCst);
                hashers.run(Work::Password, count).await
            });
            assert!(polled(&mut job).is_none());
            waiting.push(job);
        }
        let refused = hashers.run(Work::Password, || ()).await.unwrap_err();
        assert_eq!(refused.reason, Reason::LimitExceeded);
        assert!(refused.retry_after.is_some());
        // Who has gone before its turn costs nothing.
        drop(waiting.pop());
        drop(doors);
        for job in waiting {
            job.await.unwrap();
        }
        assert_eq!(done.load(Ordering::SeqCst), QUEUE - 1);
    }

    #[tokio::test]
    async fn a_flood_of_one_kind_leaves_the_others_their_places_and_their_turns() {
        let hashers = Hashers::with(1).unwrap();
        let doors = occupied(&hashers, 1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let add = |kind: Work| {
            let order = order.clone();
            let job = move || order.lock().unwrap().push(kind);
            hashers.0.push(kind, Box::new(job))
        };
        for _ in 0..QUEUE {
            add(Work::Presented).unwrap();
        }
        assert!(add(Work::Presented).is_err());
        add(Work::Password).unwrap();
        add(Work::Import).unwrap();
        drop(doors);
        hashers.run(Work::Import, || ()).await.unwrap();
        let order = order.lock().unwrap();
        for kind in [Work::Password, Work::Import] {
            let at = order.iter().position(|done| *done == kind).unwrap();
            assert!(at < Work::Import as usize + 1, "{order:?}");
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_is_a_fault_and_the_next_one_is_done() {
        let hashers = Hashers::with(1).unwrap();
        let fault = hashers.run(Work::Import, || panic!("on purpose")).await;
        assert_eq!(fault.map(|()| 0).unwrap_err().reason, Reason::Internal);
        assert_eq!(hashers.run(Work::Import, || 7).await.unwrap(), 7);
    }

    fn polled<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
