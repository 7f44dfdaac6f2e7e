//! The socket under HTTP/2: what goes by here is counted, and what doesn't come to an end in time is cut.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::task::coop;
use tokio::time::{Instant, Sleep, sleep};

use super::toll::{Frames, Toll};
use super::traffic::Traffic;

/// What every HTTP/2 client says first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes read that count as one step of a task. A task makes 128 of them before others get their turn: one connection that
/// is never silent must not keep those beside it waiting for megabytes.
const BYTES_PER_STEP: usize = 64;
/// A GOAWAY's head: its length, its type, and that it concerns the connection.
const GOAWAY: [u8; 9] = [0, 0, 8, 7, 0, 0, 0, 0, 0];
/// That the client says too much (RFC 9113, section 7).
const ENHANCE_YOUR_CALM: u32 = 11;

/// How long things may take on a socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From the beginning of a block of headers to its end.
    pub(super) headers: Duration,
    /// For the peer to take anything of what is written.
    pub(super) send: Duration,
}

/// A connection whose preface was read already, and is read once more by HTTP/2 itself.
pub(super) struct Socket<IO> {
    io: IO,
    unread: &'static [u8],
    patience: Patience,
    frames: Frames,
    toll: Toll,
    traffic: Traffic,
    /// Runs while a block of headers is not at its end.
    headers: Option<Pin<Box<Sleep>>>,
    /// Runs while the peer takes nothing.
    send: Option<Pin<Box<Sleep>>>,
    /// Whether what was written ends with a whole frame.
    between_frames: bool,
}

// === impl Socket ===

impl<IO: AsyncRead + AsyncWrite + Unpin> Socket<IO> {
    /// Reads what every HTTP/2 client says first.
    pub(super) async fn greeted(
        mut io: IO,
        patience: Patience,
        traffic: Traffic,
    ) -> io::Result<Socket<IO>> {
        let mut said = [0; PREFACE.len()];
        io.read_exact(&mut said).await?;
        if said != *PREFACE {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(Socket {
            io,
            unread: PREFACE,
            patience,
            frames: Frames::default(),
            toll: Toll::new(Instant::now()),
            traffic,
            headers: None,
            send: None,
            between_frames: true,
        })
    }

    /// What was read, as it is let through.
    fn let_through(&mut self, cx: &mut Context<'_>, read: &[u8]) -> io::Result<()> {
        take_steps(cx, read.len() / BYTES_PER_STEP);
        let seen = self.frames.see(read);
        if seen.headers_ended {
            self.headers = None;
        }
        let earned = self.traffic.earned();
        if seen.beside == 0 || self.toll.pay(seen.beside, earned, Instant::now()) {
            return Ok(());
        }
        self.say_calm_down(cx);
        Err(ErrorKind::QuotaExceeded.into())
    }

    /// Nothing can be read for now: ready if a block of headers has been waited for long enough.
    fn wait_for_headers(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.frames.in_headers() {
            self.headers = None;
            return Poll::Pending;
        }
        ready!(overdue(&mut self.headers, self.patience.headers, cx));
        self.say_calm_down(cx);
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// Tells the peer why, where that can be understood: not in the middle of a frame.
    fn say_calm_down(&mut self, cx: &mut Context<'_>) {
        if !self.between_frames {
            return;
        }
        let mut frame = GOAWAY.to_vec();
        frame.extend(self.frames.last_stream().to_be_bytes());
        frame.extend(ENHANCE_YOUR_CALM.to_be_bytes());
        let said = poll_fn(|cx| {
            let said = ready!(Pin::new(&mut self.io).poll_write(cx, &frame));
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            Poll::Ready(said)
        });
        // Be the turn over or not; who doesn't take it is cut without a word.
        let _ = pin!(coop::unconstrained(said)).poll(cx);
    }

    /// What came of a write, if it came to anything in time.
    fn in_time<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.send = None;
            return written;
        }
        ready!(overdue(&mut self.send, self.patience.send, cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

/// Ready once so much time has passed since the timer was first asked.
fn overdue(
    timer: &mut Option<Pin<Box<Sleep>>>,
    patience: Duration,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep(patience)));
    timer.as_mut().poll(cx)
}

/// Counts so many steps more against this turn of the task.
fn take_steps(cx: &mut Context<'_>, steps: usize) {
    for _ in 0..steps {
        match coop::poll_proceed(cx) {
            Poll::Ready(step) => step.made_progress(),
            // The next read will wait for the next turn.
            Poll::Pending => return,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.unread.is_empty() {
            let now = this.unread.len().min(buffer.remaining());
            buffer.put_slice(&this.unread[..now]);
            this.unread = &this.unread[now..];
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.io).poll_read(cx, buffer) {
            Poll::Pending => this.wait_for_headers(cx),
            Poll::Ready(read) => {
                Poll::Ready(read.and_then(|()| this.let_through(cx, &buffer.filled()[before..])))
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.between_frames &= written.is_pending();
        self.in_time(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.between_frames &= written.is_pending();
        self.in_time(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// HTTP/2 flushes when nothing is left to be written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.between_frames = true;
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.in_time(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.in_time(shut, cx)
    }
}
