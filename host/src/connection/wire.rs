//! What tungstenite takes for its transport: reads come from the stream, large frames cut into parts; writes go to the
//! outbound queue.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::frames::{Frames, Stop};
use super::parts::Parts;
use super::stream::Stream;
use crate::outbound::{Outbound, Part};
use crate::session::Violation;

/// What tungstenite reads at once, in bytes. It keeps a buffer of this size per connection, so it is small: its default
/// of 128 KiB is what makes its idle connections heavy.
pub(super) const READ: usize = 4 * 1024;
/// What is read at once while more comes than fits into `READ`, in bytes.
const READ_AHEAD: usize = 64 * 1024;

/// What tungstenite takes for its transport.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    outbound: Arc<Outbound>,
    /// Read and not yet given to tungstenite; allocated only while much comes, or a head that is not complete.
    ahead: BytesMut,
    /// Whether the last read filled all that it was given.
    is_pouring: bool,
    frames: Frames,
    /// What is left of a large frame.
    parts: Option<Parts>,
    /// Bytes that tungstenite was given of a message that is not complete.
    partial: usize,
    /// The rule that the peer broke; nothing is read after it.
    breach: Option<Violation>,
    /// Bytes that may still come from the stream in this turn; a small read may take a few more.
    allowance: usize,
    /// Bytes that came from the stream since they were last asked for.
    received: usize,
}

impl Wire {
    /// `early` was read before.
    pub(super) fn new(stream: Stream, early: &[u8], outbound: Arc<Outbound>, frames: Frames) -> Self {
        Wire {
            stream,
            outbound,
            ahead: BytesMut::from(early),
            is_pouring: false,
            frames,
            parts: None,
            partial: 0,
            breach: None,
            allowance: 0,
            received: early.len(),
        }
    }

    /// tungstenite has yielded a message, or a control frame of so many bytes.
    pub(super) fn yielded(&mut self, control: Option<usize>) {
        self.partial = control.map_or(0, |bytes| self.partial.saturating_sub(bytes));
        self.outbound.hold(Part::Partial, self.partial + self.ahead.len());
    }

    /// Nothing of what came is wanted any more.
    pub(super) fn forget(&mut self) {
        self.ahead = BytesMut::new();
        self.parts = None;
        self.yielded(None);
    }

    /// A new turn: so many bytes may come.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// Whether all that was allowed has come: reading is pending, and nothing wakes the task for it.
    pub(super) fn is_spent(&self) -> bool {
        self.allowance == 0
    }

    /// Bytes that came since this was last asked.
    pub(super) fn take_received(&mut self) -> usize {
        std::mem::take(&mut self.received)
    }

    /// What has begun and is not complete.
    pub(super) fn incomplete(&self) -> Option<u64> {
        let held = (!self.ahead.is_empty()).then_some(self.frames.next());
        self.frames.incomplete().or(held)
    }

    /// The rule that the peer broke, when a read failed for it.
    pub(super) fn breach(&self) -> Option<Violation> {
        self.breach
    }

    /// Our close frame is on its way.
    pub(super) fn expect_answer(&mut self) {
        self.frames.expect_answer();
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    fn count(&mut self, bytes: usize) {
        self.received += bytes;
        self.allowance = self.allowance.saturating_sub(bytes);
    }

    /// One small read at first: most messages are small, and then nothing is allocated or copied.
    fn poll_read_small(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let bytes = buffer.filled().len() - before;
        self.is_pouring = buffer.remaining() == 0 && bytes >= READ / 2;
        self.count(bytes);
        Poll::Ready(Ok(bytes))
    }

    /// Read into `ahead`, or give its memory back when nothing more is there.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let most = self.allowance.min(if self.is_pouring { READ_AHEAD } else { READ });
        self.ahead.reserve(most);
        match poll_read_buf(Pin::new(&mut self.stream), cx, &mut (&mut self.ahead).limit(most)) {
            Poll::Ready(read) => {
                let bytes = *read.as_ref().unwrap_or(&0);
                self.is_pouring |= bytes == most;
                self.count(bytes);
                Poll::Ready(read)
            }
            Poll::Pending => {
                // A part of a head at most.
                self.ahead = BytesMut::from(&self.ahead[..]);
                self.is_pouring = false;
                Poll::Pending
            }
        }
    }

    /// Follow what was read straight into `buffer`, behind `before`; what cannot be given on as it is goes to `ahead`.
    fn follow(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let followed = self.frames.follow(buffer.filled().get(before..).unwrap_or_default());
        let end = before + followed.good;
        self.ahead.extend_from_slice(buffer.filled().get(end..).unwrap_or_default());
        buffer.set_filled(end);
        self.stopped(followed.stop);
    }

    /// Give on what has been read ahead and fits into `buffer`.
    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        loop {
            if let Some(parts) = &mut self.parts {
                self.frames.passed(parts.pass(&mut self.ahead, buffer));
                if !parts.is_over() {
                    return;
                }
                self.parts = None;
            }
            let fits = self.ahead.len().min(buffer.remaining());
            let followed = self.frames.follow(self.ahead.get(..fits).unwrap_or_default());
            buffer.put_slice(&self.ahead.split_to(followed.good));
            self.stopped(followed.stop);
            if self.parts.is_none() {
                return;
            }
        }
    }

    /// What comes first in `ahead` is not given on as it is.
    fn stopped(&mut self, stop: Stop) {
        match stop {
            Stop::End => {}
            Stop::Large(head, parts) => {
                self.ahead.advance(head);
                self.parts = Some(parts);
            }
            Stop::Breach(violation) => {
                self.ahead = BytesMut::new();
                self.breach = Some(violation);
            }
        }
    }

    /// Read until tungstenite has something, or nothing more comes.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            let is_direct = self.ahead.is_empty() && self.parts.is_none() && !self.is_pouring;
            if !is_direct {
                self.give(buffer);
            }
            // What came before a broken rule still counts; without any, this read is the one that fails.
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if self.breach.is_some() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            if self.is_spent() {
                return Poll::Pending;
            }
            let bytes = match is_direct {
                true => ready!(self.poll_read_small(cx, buffer))?,
                false => ready!(self.poll_read_ahead(cx))?,
            };
            if bytes == 0 {
                return Poll::Ready(Ok(()));
            }
            if is_direct {
                self.follow(buffer, before);
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let filled = self.poll_fill(cx, buffer);
        self.partial += buffer.filled().len() - before;
        self.outbound.hold(Part::Partial, self.partial + self.ahead.len());
        filled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.outbound.send_control(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
