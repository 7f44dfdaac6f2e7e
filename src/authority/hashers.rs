//! The threads that passwords are hashed on: few, with a short queue, and apart from everything that serves calls. Whatever
//! waits here, Verify does not.

use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::sync::oneshot;

use super::error::{Error, Reason};

/// The threads, and the way to them. They end when it is dropped.
pub(super) struct Hashers {
    queue: SyncSender<Job>,
}

type Job = Box<dyn FnOnce() + Send>;

/// Most jobs that wait. At tens of milliseconds each, the last one waits for a second or two.
const QUEUE: usize = 32;

// === impl Hashers ===

impl Hashers {
    /// Half as many threads as there are cores, at least one: each takes a core and 19 MiB while it hashes.
    pub(super) fn start() -> io::Result<Hashers> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Hashers::with((cores / 2).max(1))
    }

    fn with(threads: usize) -> io::Result<Hashers> {
        let (queue, waiting) = sync_channel::<Job>(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = waiting.clone();
            thread::Builder::new()
                .name("passwords".to_owned())
                .spawn(move || work_off(&waiting))?;
        }
        Ok(Hashers { queue })
    }

    /// Has this done on one of the threads.
    ///
    /// # Errors
    /// [`Reason::LimitExceeded`] if too many wait already; nothing was done then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            // Whoever has gone gets no work done.
            if !answer.is_closed() {
                let _ = answer.send(work());
            }
        });
        self.queue.try_send(job).map_err(|_| {
            Error::new(
                Reason::LimitExceeded,
                "too many passwords are being checked; nothing was done, try again",
            )
        })?;
        answered
            .await
            .map_err(|_| Error::new(Reason::Internal, "the password could not be checked"))
    }
}

fn work_off(waiting: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting, and never while working.
        let next = waiting.lock().map(|waiting| waiting.recv());
        let Ok(Ok(job)) = next else { return };
        // One that panics is answered as a fault, and costs no thread.
        let _ = catch_unwind(AssertUnwindSafe(job));
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
            hashers.queue.try_send(Box::new(job)).unwrap();
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
                hashers.run(count).await
            });
            assert!(polled(&mut job).is_none());
            waiting.push(job);
        }
        let refused = hashers.run(|| ()).await.unwrap_err();
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
    async fn a_job_that_panics_is_a_fault_and_the_next_one_is_done() {
        let hashers = Hashers::with(1).unwrap();
        let fault = hashers.run(|| panic!("on purpose")).await;
        assert_eq!(fault.map(|()| 0).unwrap_err().reason, Reason::Internal);
        assert_eq!(hashers.run(|| 7).await.unwrap(), 7);
    }

    fn polled<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
