//! What tungstenite takes for its transport: reads come from the stream, writes go to the outbound queue.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::frames::{Breach, Frames};
use super::reframe::Reframe;
use super::stream::Stream;
use crate::outbound::{Outbound, Part};
use crate::session::CloseCause;

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
    reframe: Reframe,
    frames: Frames,
    /// Bytes that tungstenite was given of a message that is not complete.
    partial: usize,
    /// The rule that the peer broke; nothing is read after it.
    breach: Option<CloseCause>,
}

impl Wire {
    /// `early` was read before.
    pub(super) fn new(stream: Stream, early: &[u8], outbound: Arc<Outbound>, reframe: Reframe, frames: Frames) -> Self {
        let ahead = BytesMut::from(early);
        Wire { stream, outbound, ahead, is_pouring: false, reframe, frames, partial: 0, breach: None }
    }

    /// tungstenite has yielded a message, or a control frame of so many bytes.
    pub(super) fn yielded(&mut self, control: Option<usize>) {
        self.partial = control.map_or(0, |bytes| self.partial.saturating_sub(bytes));
        self.outbound.hold(Part::Partial, self.partial + self.ahead.len());
    }

    /// The rule that the peer broke, when a read failed for it.
    pub(super) fn breach(&self) -> Option<CloseCause> {
        self.breach
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// One small read at first: most messages are small, and then nothing is allocated or copied.
    fn poll_read_small(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        let count = read.len();
        self.is_pouring = buffer.remaining() == 0 && count >= READ / 2;
        let passed = self.reframe.pass(read);
        self.ahead.extend_from_slice(read.get(passed..).unwrap_or_default());
        buffer.set_filled(before + passed);
        Poll::Ready(Ok(count))
    }

    /// Read into `ahead`, or give its memory back when nothing more is there.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.ahead.reserve(if self.is_pouring { READ_AHEAD } else { READ });
        match poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.ahead) {
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => {
                // A part of a header at most.
                self.ahead = BytesMut::from(&self.ahead[..]);
                self.is_pouring = false;
                Poll::Pending
            }
        }
    }

    /// Read until tungstenite has something, or the stream ends.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            self.reframe.copy(&mut self.ahead, buffer);
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            let is_small = self.ahead.is_empty() && !self.is_pouring && self.reframe.is_whole();
            let read = if is_small { self.poll_read_small(cx, buffer) } else { self.poll_read_ahead(cx) };
            if ready!(read)? == 0 || buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.breach.is_some() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buffer.filled().len();
        let filled = self.poll_fill(cx, buffer);
        self.partial += buffer.filled().len() - before;
        self.outbound.hold(Part::Partial, self.partial + self.ahead.len());
        ready!(filled)?;
        if let Err(Breach { good, cause }) = self.frames.follow(buffer.filled().get(before..).unwrap_or_default()) {
            self.breach = Some(cause);
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
