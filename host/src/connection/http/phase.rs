//! Where an HTTP exchange stands, seen from the stream below hyper and the body above it: hyper itself does not tell.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Body;

/// Who is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// The client, for a complete request head.
    #[default]
    Head,
    /// This host, for an answer.
    Deciding,
    /// The client, to take the response.
    Responding,
    /// The client, to take the end of the response.
    Flushing,
}

/// A phase, and how much has happened in it: two that differ mean that something went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    pub(super) phase: Phase,
    steps: u64,
}

/// The state that the stream, the body and the driver of one connection share.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    seen: Seen,
    /// Bytes of a request line that is not complete; none behind its end.
    line_bytes: Option<usize>,
    is_target_too_long: bool,
    has_answered: bool,
}

impl Progress {
    /// Whether a complete request has come before.
    pub(super) fn has_answered(&self) -> bool {
        self.state().has_answered
    }

    pub(super) fn seen(&self) -> Seen {
        self.state().seen
    }

    pub(super) fn is_target_too_long(&self) -> bool {
        self.state().is_target_too_long
    }

    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state();
        state.seen.phase = phase;
        state.seen.steps += 1;
        state.has_answered |= phase == Phase::Deciding;
        state.line_bytes = (phase == Phase::Head).then_some(0);
    }

    fn step(&self) {
        self.state().seen.steps += 1;
    }

    /// Note what was read; an error when the request line alone fills the limit of the whole head.
    fn read(&self, bytes: &[u8], limit: usize) -> io::Result<()> {
        let mut state = self.state();
        if let Some(so_far) = state.line_bytes {
            let line_bytes = so_far + bytes.len();
            state.line_bytes = (!bytes.contains(&b'\n')).then_some(line_bytes);
            if state.line_bytes.is_some() && line_bytes >= limit {
                state.is_target_too_long = true;
                return Err(io::Error::other("request line too long"));
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream below hyper.
pub(super) struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
    head_limit: usize,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>, head_limit: usize) -> Self {
        progress.enter(Phase::Head);
        Self { stream, progress, head_limit }
    }

    pub(super) fn into_stream(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.progress.read(read, self.head_limit))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    /// hyper flushes the stream only when it has written all that it holds.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.progress.seen().phase == Phase::Flushing {
            self.progress.enter(Phase::Head);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The body above hyper, which drops it when it needs nothing more of it.
pub(super) struct Tracked {
    body: Body,
    progress: Arc<Progress>,
}

impl Tracked {
    pub(super) fn new(body: Body, progress: Arc<Progress>) -> Self {
        Self { body, progress }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.progress.step();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if self.progress.seen().phase == Phase::Responding {
            self.progress.enter(Phase::Flushing);
        }
    }
}
