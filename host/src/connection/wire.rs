//! What tungstenite takes for its transport: reads come from the stream, writes go to the outbound queue.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::frames::{Breach, Frames};
use super::stream::Stream;
use crate::outbound::Outbound;
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
    /// Read and not yet given to tungstenite; allocated only while much comes.
    ahead: BytesMut,
    /// Whether the last read filled all that it was given.
    is_pouring: bool,
    frames: Frames,
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
            breach: None,
            allowance: 0,
            received: early.len(),
        }
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
        self.frames.incomplete()
    }

    /// The rule that the peer broke, when a read failed for it.
    pub(super) fn breach(&self) -> Option<Violation> {
        self.breach
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    fn count(&mut self, bytes: usize) {
        self.received += bytes;
        self.allowance = self.allowance.saturating_sub(bytes);
    }

    /// One small read at first: most messages are small, and then nothing is allocated or copied.
    fn poll_read_small(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let bytes = buffer.filled().len() - before;
        self.is_pouring = buffer.remaining() == 0 && bytes >= READ / 2;
        self.count(bytes);
        Poll::Ready(Ok(()))
    }

    /// Fill `ahead`, or give its memory back when nothing more is there.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let most = READ_AHEAD.min(self.allowance);
        self.ahead.reserve(most);
        match poll_read_buf(Pin::new(&mut self.stream), cx, &mut (&mut self.ahead).limit(most)) {
            Poll::Ready(read) => {
                self.count(*read.as_ref().unwrap_or(&0));
                Poll::Ready(read)
            }
            Poll::Pending => {
                self.ahead = BytesMut::new();
                self.is_pouring = false;
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.breach.is_some() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if self.ahead.is_empty() && self.is_spent() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if self.ahead.is_empty() && !self.is_pouring {
            ready!(self.poll_read_small(cx, buffer))?;
        } else {
            if self.ahead.is_empty() {
                ready!(self.poll_read_ahead(cx))?;
            }
            let bytes = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(bytes));
        }
        if let Err(Breach { good, violation }) = self.frames.follow(buffer.filled().get(before..).unwrap_or_default()) {
            self.breach = Some(violation);
            // What came before the broken rule still counts; without any, this read is the one that fails.
            buffer.set_filled(before + good);
            if good == 0 {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        Poll::Ready(Ok(()))
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
