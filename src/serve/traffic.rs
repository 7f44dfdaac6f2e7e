//! The calls of one connection: how many there are, whose turn it is, and whether their answers are taken.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, Stream as _};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::toll::Earned;
use crate::grpc::context::Step;

/// Calls of one connection that may end before other connections have their turn: hundreds at once must not keep a lone call
/// beside them waiting for all of them.
const CALLS_PER_TURN: usize = 16;

/// What goes on on a connection.
#[derive(Debug, Clone)]
pub(super) struct Traffic(Arc<Counts>);

struct Counts {
    send_timeout: Duration,
    open: AtomicU32,
    begun: AtomicU32,
    earned: Earned,
    /// Calls that HTTP/2 has just begun.
    just_begun: Mutex<Vec<Call>>,
}

/// The calls of a connection, which the connection's own task carries on: the worker's turns go round by connections, not by calls.
pub(super) struct Calls {
    traffic: Traffic,
    under_way: FuturesUnordered<Call>,
}

/// One call, until its answer is on its way.
struct Call {
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Runs while the client is to take a piece of the answer.
    timer: Option<Pin<Box<Sleep>>>,
    open: Open,
}

pin_project! {
    /// A connection and its calls, in one task.
    pub(super) struct WithCalls<C> {
        #[pin]
        connection: C,
        calls: Calls,
    }
}

/// Counts a call for as long as it lives.
struct Open(Traffic);

// === impl Traffic ===

impl Traffic {
    /// Nothing so far. A client that takes nothing of an answer for `send_timeout` is not waited for.
    pub(super) fn new(send_timeout: Duration) -> Traffic {
        Traffic(Arc::new(Counts {
            send_timeout,
            open: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            earned: Earned::default(),
            just_begun: Mutex::default(),
        }))
    }

    /// Whoever drives this connection carries its calls on too.
    pub(super) fn drive<C>(&self, connection: C) -> WithCalls<C> {
        WithCalls {
            connection,
            calls: Calls {
                traffic: self.clone(),
                under_way: FuturesUnordered::new(),
            },
        }
    }

    /// What its answers earn the connection.
    pub(super) fn earned(&self) -> &Earned {
        &self.0.earned
    }

    /// How many calls were begun so far, if none is open.
    pub(super) fn idle_after(&self) -> Option<u32> {
        let open = self.0.open.load(Ordering::Relaxed);
        (open == 0).then(|| self.0.begun.load(Ordering::Relaxed))
    }
}

/// HTTP/2 hands each of its calls over here.
impl<F> Executor<F> for Traffic
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        self.0.open.fetch_add(1, Ordering::Relaxed);
        let call = Call {
            work: Box::pin(call),
            timer: None,
            open: Open(self.clone()),
        };
        self.0.just_begun().push(call);
    }
}

// === impl Counts ===

impl Counts {
    /// A list is whole whatever became of the thread that held it.
    fn just_begun(&self) -> MutexGuard<'_, Vec<Call>> {
        self.just_begun
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counts({:?} open, {:?} begun)", self.open, self.begun)
    }
}

// === impl Calls ===

impl Calls {
    /// Carries on those that can go on, until all wait or this turn is over.
    fn carry_on(&mut self, cx: &mut Context<'_>) {
        self.under_way.extend(self.traffic.0.just_begun().drain(..));
        for _ in 0..CALLS_PER_TURN {
            match Pin::new(&mut self.under_way).poll_next(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        cx.waker().wake_by_ref();
    }
}

/// Calls that nobody has carried on yet keep the counts alive that keep them.
impl Drop for Calls {
    fn drop(&mut self) {
        let left = std::mem::take(&mut *self.traffic.0.just_begun());
        drop(left);
    }
}

// === impl WithCalls ===

impl<C> WithCalls<C> {
    /// The connection alone.
    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<C: Future> Future for WithCalls<C> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let mut this = self.project();
        // Before the connection has used up what a task may do in a turn.
        this.calls.carry_on(cx);
        let polled = this.connection.as_mut().poll(cx);
        if polled.is_ready() || this.calls.traffic.0.just_begun().is_empty() {
            return polled;
        }
        // What it has just brought is answered in the same turn: the next may come after those of many others.
        this.calls.carry_on(cx);
        this.connection.poll(cx)
    }
}

// === impl Open ===

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Call ===

impl Future for Call {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let counts = &this.open.0.0;
        let polled = this.work.as_mut().poll(cx);
        let step = Step::last();
        if let Some(Step::Given(bytes)) = step {
            counts.earned.add(bytes);
        }
        if polled.is_ready() {
            return polled;
        }
        match step {
            Some(Step::Given(_)) => begin(&mut this.timer, counts.send_timeout),
            Some(Step::Awaited) => this.timer = None,
            None => {}
        }
        let Some(timer) = &mut this.timer else {
            return Poll::Pending;
        };
        ready!(timer.as_mut().poll(cx));
        tracing::debug!("a client takes nothing of an answer, and is waited for no longer");
        // HTTP/2 resets the stream of a call that is dropped.
        Poll::Ready(())
    }
}

fn begin(timer: &mut Option<Pin<Box<Sleep>>>, length: Duration) {
    match timer {
        Some(timer) => timer.as_mut().reset(Instant::now() + length),
        None => *timer = Some(Box::pin(sleep(length))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// A call that takes these steps, one each second, and then waits for ever. It tells how long it was let live.
    async fn life(steps: &[Option<Step>]) -> Duration {
        let traffic = Traffic::new(TIMEOUT);
        let mut steps = steps
            .iter()
            .copied()
            .collect::<std::collections::VecDeque<_>>();
        let mut pause = Box::pin(sleep(Duration::from_secs(1)));
        let call = std::future::poll_fn(move |cx| {
            if pause.as_mut().poll(cx).is_ready()
                && let Some(step) = steps.pop_front()
            {
                let next = Instant::now() + Duration::from_secs(1);
                pause.as_mut().reset(next);
                // Registers for the next second.
                let _ = pause.as_mut().poll(cx);
                step.inspect(|step| step.tell());
            }
            Poll::<()>::Pending
        });
        let began = Instant::now();
        traffic.execute(call);
        let connection = tokio::spawn(traffic.drive(std::future::pending::<()>()));
        while traffic.idle_after().is_none() {
            if began.elapsed() > Duration::from_hours(1) {
                return Duration::MAX;
            }
            sleep(Duration::from_millis(100)).await;
        }
        connection.abort();
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_answer_is_not_taken_is_cut_after_the_last_piece_that_was() {
        let given = Some(Step::Given(1));
        let lives = |life: Duration| life.as_secs();
        assert_eq!(lives(life(&[given]).await), 31);
        assert_eq!(lives(life(&[given, given, given]).await), 33);
        assert_eq!(lives(life(&[given, None, None]).await), 31);
    }

    #[tokio::test]
    async fn a_lone_call_waits_for_a_turn_of_its_neighbours_and_not_for_all_their_calls() {
        let done = Arc::new(AtomicU32::new(0));
        let crowd = Traffic::new(TIMEOUT);
        for _ in 0..10 * CALLS_PER_TURN {
            let done = done.clone();
            crowd.execute(async move {
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        let crowd = tokio::spawn(crowd.drive(std::future::pending::<()>()));
        let seen = tokio::spawn({
            let done = done.clone();
            async move { done.load(Ordering::Relaxed) }
        });
        let seen = usize::try_from(seen.await.unwrap()).unwrap();
        assert!((1..=2 * CALLS_PER_TURN).contains(&seen), "{seen}");
        while usize::try_from(done.load(Ordering::Relaxed)).unwrap() < 10 * CALLS_PER_TURN {
            tokio::task::yield_now().await;
        }
        crowd.abort();
    }

    #[tokio::test]
    async fn calls_that_were_never_carried_on_end_with_their_connection() {
        let traffic = Traffic::new(TIMEOUT);
        let driven = traffic.drive(std::future::pending::<()>());
        traffic.execute(std::future::pending());
        assert_eq!(traffic.idle_after(), None);
        drop(driven);
        assert_eq!(traffic.idle_after(), Some(1));
        assert_eq!(Arc::strong_count(&traffic.0), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_its_handler_is_not_cut() {
        assert_eq!(life(&[]).await, Duration::MAX);
        let steps = [Some(Step::Given(1)), Some(Step::Awaited)];
        assert_eq!(life(&steps).await, Duration::MAX);
    }
}
