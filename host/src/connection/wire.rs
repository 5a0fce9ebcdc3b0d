//! What tungstenite takes for its transport: reads come from the stream, writes go to the outbound queue.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::frames::{Breach, Frames};
use super::stream::Stream;
use crate::outbound::Outbound;
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
    frames: Frames,
    /// The rule that the peer broke; nothing is read after it.
    breach: Option<CloseCause>,
}

impl Wire {
    /// `early` was read before.
    pub(super) fn new(stream: Stream, early: &[u8], outbound: Arc<Outbound>, frames: Frames) -> Self {
        Wire { stream, outbound, ahead: BytesMut::from(early), is_pouring: false, frames, breach: None }
    }

    /// The rule that the peer broke, when a read failed for it.
    pub(super) fn breach(&self) -> Option<CloseCause> {
        self.breach
    }

    /// Our close frame is on its way.
    pub(super) fn expect_answer(&mut self) {
        self.frames.expect_answer();
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// One small read at first: most messages are small, and then nothing is allocated or copied.
    fn poll_read_small(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.is_pouring = buffer.remaining() == 0 && buffer.filled().len() - before >= READ / 2;
        Poll::Ready(Ok(()))
    }

    /// Fill `ahead`, or give its memory back when nothing more is there.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.ahead.reserve(READ_AHEAD);
        match poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.ahead) {
            Poll::Ready(read) => Poll::Ready(read),
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
