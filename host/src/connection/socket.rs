//! The bytes of an open connection: tungstenite reads and judges what comes in; everything that goes out leaves through
//! the outbound queue, so that one burst is one write and the order is the order of queueing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame as WireCloseFrame, Utf8Bytes};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as WireMessage};

use super::frames::Frames;
use super::stream::Stream;
use super::wire::{READ, Wire};
use crate::message::Message;
use crate::outbound::{self, Outbound, Rest, Wish};
use crate::session::{CloseFrame, Event, Passed, Settled, Violation};

/// tungstenite writes only control frames, and `Wire` takes them at once.
const CONTROL_BUFFER: usize = 1024;
/// How long a closed connection is kept for what the peer still sends, and how many bytes of it are read: what the
/// kernel's buffers hold of a peer that was sending.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 8 * 1024 * 1024;
/// The header of a control frame from a peer, in bytes.
const CONTROL_HEAD: usize = 6;
/// Buffers given to one write; the kernel takes up to 1,024.
const SLICES: usize = 32;

/// An open connection's bytes, both ways.
#[derive(Debug)]
pub(super) struct Socket {
    frames: WebSocketStream<Wire>,
    outbound: Arc<Outbound>,
    /// What is being written: first `gathered`, then `buffers`.
    gathered: BytesMut,
    buffers: VecDeque<Bytes>,
    is_full: bool,
    _held: Held,
}

/// The buffers of a socket: gone when it is.
#[derive(Debug)]
struct Held(Arc<Outbound>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// What a peer may send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inbound {
    /// The largest message, in bytes.
    pub(super) max_message_size: usize,
    /// Fragments of one message that are free of the size rule.
    pub(super) fragments: usize,
}

/// What a flush came to.
#[derive(Debug)]
pub(super) enum Flushed {
    /// Bytes were written; what still waits, in bytes.
    Wrote { bytes: usize, waiting: usize },
    /// Whether a message was refused for want of room and there still is none.
    Full(bool),
    /// The owner has something to do.
    Wishes(Vec<Wish>),
}

impl Socket {
    /// Speak WebSocket on a stream whose handshake is done; `early` was read behind the request.
    pub(super) async fn new(stream: Stream, early: &[u8], outbound: Arc<Outbound>, inbound: Inbound) -> Self {
        let Inbound { max_message_size, fragments } = inbound;
        let config = config(max_message_size);
        let wire = Wire::new(stream, early, outbound.clone(), Frames::new(max_message_size, fragments));
        let frames = WebSocketStream::from_raw_socket(wire, Role::Server, Some(config)).await;
        let held = Held(outbound.clone());
        Socket { frames, outbound, gathered: BytesMut::new(), buffers: VecDeque::new(), is_full: false, _held: held }
    }

    /// What the peer sent next.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let next = ready!(Pin::new(&mut self.frames).poll_next(cx));
        match &next {
            Some(Ok(WireMessage::Ping(data) | WireMessage::Pong(data))) => {
                self.frames.get_mut().yielded(Some(data.len() + CONTROL_HEAD));
            }
            Some(Ok(_)) => self.frames.get_mut().yielded(None),
            Some(Err(_)) | None => {}
        }
        let event = match next {
            Some(Ok(WireMessage::Text(text))) => return Poll::Ready(Event::Message(Message::Text(text))),
            Some(Ok(WireMessage::Binary(bytes))) => return Poll::Ready(Event::Message(Message::Binary(bytes))),
            Some(Ok(WireMessage::Ping(data))) => Event::Ping(data),
            Some(Ok(WireMessage::Pong(data))) => return Poll::Ready(Event::Pong(data, self.outbound.answered())),
            Some(Ok(WireMessage::Close(frame))) => {
                self.outbound.close();
                Event::CloseFrame(frame.map(|frame| CloseFrame::new(frame.code.into(), &frame.reason)))
            }
            Some(Ok(WireMessage::Frame(_))) | None => Event::Disconnected,
            Some(Err(error)) => match self.frames.get_mut().breach() {
                Some(violation) => Event::Violation(violation),
                None => failure(&error),
            },
        };
        // The pong or the answer to a close frame is queued before the guest hears of it.
        let _ = Pin::new(&mut self.frames).poll_flush(cx);
        Poll::Ready(event)
    }

    /// A new turn: so many bytes may be read.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.frames.get_mut().allow(bytes);
    }

    /// Whether all that was allowed has been read: nothing wakes the task for more.
    pub(super) fn is_spent(&self) -> bool {
        self.frames.get_ref().is_spent()
    }

    /// How things stand on this side before the task sleeps.
    pub(super) fn settled(&mut self) -> Settled {
        let is_backlogged = self.outbound.is_backlogged();
        let wire = self.frames.get_mut();
        Settled { received: wire.take_received(), incomplete: wire.incomplete(), is_backlogged }
    }

    /// Queue a close frame; nothing else is queued after it.
    pub(super) fn close(&mut self, frame: Option<CloseFrame>) {
        self.outbound.close();
        self.frames.get_mut().expect_answer();
        let frame = frame
            .map(|frame| WireCloseFrame { code: CloseCode::from(frame.code), reason: Utf8Bytes::from(frame.reason) });
        // An error says that a close frame went out before or the transport is gone; both are known by other ways.
        let _ = Pin::new(&mut self.frames).start_send(WireMessage::Close(frame));
    }

    /// Write what is queued; pending once nothing is left or the socket takes no more.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flushed>> {
        loop {
            if self.is_written() {
                outbound::recycle(&mut self.gathered);
                self.outbound.take(&mut self.gathered, &mut self.buffers);
            }
            let is_blocked = !self.is_written();
            if is_blocked {
                if let Poll::Ready(bytes) = self.poll_write(cx)? {
                    if bytes == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    return Poll::Ready(Ok(Flushed::Wrote { bytes, waiting: self.outbound.written(bytes) }));
                }
            } else if let Stream::Tls(tls) = self.frames.get_mut().stream() {
                // Pending changes nothing: TLS wakes this task when it can go on.
                let _ = Pin::new(tls).poll_flush(cx)?;
            }
            match self.outbound.rest(is_blocked, cx.waker()) {
                Rest::Wishes(wishes) => return Poll::Ready(Ok(Flushed::Wishes(wishes))),
                Rest::Asleep { is_full } if is_full != self.is_full => {
                    self.is_full = is_full;
                    return Poll::Ready(Ok(Flushed::Full(is_full)));
                }
                Rest::Asleep { .. } => return Poll::Pending,
                Rest::Bytes => {}
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(self.frames.get_mut().stream());
        if self.buffers.is_empty() {
            let bytes = ready!(stream.poll_write(cx, &self.gathered))?;
            self.gathered.advance(bytes);
            return Poll::Ready(Ok(bytes));
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let parts = std::iter::once(&self.gathered[..]).chain(self.buffers.iter().map(|bytes| &bytes[..]));
        let count = slices.iter_mut().zip(parts).map(|(slice, part)| *slice = IoSlice::new(part)).count();
        let bytes = ready!(stream.poll_write_vectored(cx, slices.get(..count).unwrap_or_default()))?;
        self.consume(bytes);
        Poll::Ready(Ok(bytes))
    }

    /// Forget what was written of `gathered` and `buffers`.
    fn consume(&mut self, bytes: usize) {
        let first = bytes.min(self.gathered.len());
        self.gathered.advance(first);
        let mut left = bytes - first;
        while let Some(buffer) = self.buffers.front_mut() {
            if left < buffer.len() {
                buffer.advance(left);
                return;
            }
            left -= buffer.len();
            self.buffers.pop_front();
        }
    }

    /// Whether everything that was taken from the queue is written.
    pub(super) fn is_written(&self) -> bool {
        self.gathered.is_empty() && self.buffers.is_empty()
    }

    /// Switch TCP_NODELAY; a socket that is gone shows elsewhere.
    pub(super) fn set_nodelay(&mut self, on: bool) {
        let _ = self.frames.get_mut().stream().set_nodelay(on);
    }

    /// Write what is left, then close the stream so that the peer can still read it all: what it sends meanwhile is read
    /// and dropped, for a peer that is stuck with sending does not read, and a close over unread bytes is a reset, which
    /// takes from the peer what was written last.
    pub(super) async fn finish(mut self) {
        // Nothing more is read as frames: what has come of a message goes at once.
        let mut wire = self.frames.into_inner();
        wire.forget();
        self.frames = WebSocketStream::from_raw_socket(wire, Role::Server, Some(config(0))).await;
        let mut dropped = 0;
        let written = poll_fn(|cx| {
            loop {
                match self.poll_flush(cx) {
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending if self.is_written() => return Poll::Ready(true),
                    Poll::Pending => {
                        // A peer that has closed its side may still read.
                        let _ = self.poll_drop(cx, &mut dropped);
                        return Poll::Pending;
                    }
                }
            }
        });
        if written.await {
            let _ = self.frames.get_mut().stream().shutdown().await;
            // Whether the peer closed too or its time is over: the stream is dropped.
            let _ = timeout(LINGER, poll_fn(|cx| self.poll_drop(cx, &mut dropped))).await;
        }
    }

    /// Read and drop; ready when the peer has closed, or sends more than it could have sent before it heard the end.
    fn poll_drop(&mut self, cx: &mut Context<'_>, dropped: &mut usize) -> Poll<()> {
        let mut scratch = [0; READ];
        while *dropped < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(self.frames.get_mut().stream()).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *dropped += buffer.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

fn config(max_message_size: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_write_buffer_size(CONTROL_BUFFER)
        .max_message_size(Some(max_message_size))
        .max_frame_size(Some(max_message_size))
}

/// What an error of tungstenite means for the connection.
fn failure(error: &Error) -> Event {
    match error {
        Error::Utf8(_) => Event::Violation(Violation::InvalidText),
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            Event::Violation(Violation::Limit(Passed::MessageSize { bytes: *size, allowed: *max_size }))
        }
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Event::Disconnected,
        Error::Protocol(_) => Event::Violation(Violation::Protocol),
        _ => Event::Disconnected,
    }
}
