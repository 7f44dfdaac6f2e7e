//! The calls of one connection: how many there are, and whether their answers are taken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::toll::Earned;
use crate::grpc::context::Step;

/// What goes on on a connection.
#[derive(Debug, Clone)]
pub(super) struct Traffic(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    send_timeout: Duration,
    open: AtomicU32,
    begun: AtomicU32,
    earned: Earned,
}

pin_project! {
    /// One call, until its answer is on its way.
    struct Call<F> {
        #[pin]
        work: F,
        // Runs while the client is to take a piece of the answer.
        timer: Option<Pin<Box<Sleep>>>,
        open: Open,
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
        }))
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
        tokio::spawn(Call {
            work: call,
            timer: None,
            open: Open(self.clone()),
        });
    }
}

// === impl Open ===

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Call ===

impl<F: Future<Output = ()>> Future for Call<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let counts = &this.open.0.0;
        let polled = this.work.poll(cx);
        let step = Step::last();
        if let Some(Step::Given(bytes)) = step {
            counts.earned.add(bytes);
        }
        if polled.is_ready() {
            return polled;
        }
        match step {
            Some(Step::Given(_)) => begin(this.timer, counts.send_timeout),
            Some(Step::Awaited) => *this.timer = None,
            None => {}
        }
        let Some(timer) = this.timer else {
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
        while traffic.idle_after().is_none() {
            if began.elapsed() > Duration::from_hours(1) {
                return Duration::MAX;
            }
            sleep(Duration::from_millis(100)).await;
        }
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

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_its_handler_is_not_cut() {
        assert_eq!(life(&[]).await, Duration::MAX);
        let steps = [Some(Step::Given(1)), Some(Step::Awaited)];
        assert_eq!(life(&steps).await, Duration::MAX);
    }
}
