//! What tungstenite takes for its transport: reads come from the stream, writes go to the outbound queue.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use super::stream::Stream;
use crate::outbound::Outbound;

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
}

impl Wire {
    pub(super) fn new(stream: Stream, outbound: Arc<Outbound>) -> Self {
        Wire { stream, outbound, ahead: BytesMut::new(), is_pouring: false }
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
        if self.ahead.is_empty() {
            if !self.is_pouring {
                return self.poll_read_small(cx, buffer);
            }
            ready!(self.poll_read_ahead(cx))?;
        }
        let bytes = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead.split_to(bytes));
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
