//! The HTTP/1.1 front of one connection: answers requests until one of them becomes a WebSocket or the connection ends.
//!
//! After a 101 the caller gets the stream itself back, with the bytes that were read behind the request: a frame in the
//! same packet is not lost, and no layer of HTTP stays on the hot path.

mod phase;
mod raw;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::{convert::Infallible, io};

use bytes::Bytes;
use http::header::{HeaderValue, SERVER as SERVER_HEADER};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use crate::handshake::{Refusal, SERVER};
use crate::host_config::HandshakeLimits;
use phase::{Phase, Progress, Tracked, Watched};

pub use raw::{finish, refuse};

/// The body of an answer: bytes at hand, or a file.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What answers one request.
#[derive(Debug)]
pub enum Answer<A> {
    /// A plain response; the connection goes on with the next request.
    Http(Response<Body>),
    /// 101: the connection becomes a WebSocket.
    Switch {
        /// The response, from `Acceptance::response`.
        response: Response<()>,
        /// Handed back when the response has been written; dropped when it could not be.
        accepted: A,
    },
}

impl<A> From<Refusal> for Answer<A> {
    fn from(refusal: Refusal) -> Self {
        Self::Http(refusal.into_response().map(body))
    }
}

/// A body of bytes at hand.
pub fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// How the HTTP part of a connection ended.
#[derive(Debug)]
pub enum Outcome<S, A> {
    /// With a 101, which has been written.
    WebSocket {
        /// The stream.
        stream: S,
        /// Bytes that were read behind the request: the first frames.
        read_buf: Bytes,
        /// What the answer held.
        accepted: A,
    },
    /// For good: the stream is closed.
    Done(End),
}

/// Why the HTTP part of a connection ended without a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The peer left, or asked for the end, or the transport failed.
    Closed,
    /// The time for the first request head was over; answered with 408.
    TimedOut,
    /// The same for a further request (answered with 408), or for taking a response.
    Idle,
    /// What was sent is no HTTP; answered with 400.
    BadRequest,
    /// The request's head is over a limit; answered with 414 or 431.
    TooLarge,
    /// The host is being drained.
    Drained,
}

/// Serve HTTP on a stream.
///
/// `deadline` ends the wait for the first request head; for each further head, and for each part of a response (up to
/// 64 KiB) until the client has taken it, `limits.time` is given. `told` completes when the host drains: a request that
/// is being answered is answered, any other wait ends. The future of `decide` is dropped when the peer leaves before it
/// is complete.
pub fn serve<S, A, F, Fut>(
    stream: S,
    limits: &HandshakeLimits,
    deadline: Instant,
    told: impl Future<Output = ()>,
    decide: F,
) -> Pin<Box<impl Future<Output = Outcome<S, A>>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Parts) -> Fut + Unpin,
    Fut: Future<Output = Answer<A>>,
{
    // Boxed, so that the connection's task does not carry HTTP's state for the rest of its life.
    Box::pin(run(stream, limits, deadline, told, decide))
}

async fn run<S, A, F, Fut>(
    stream: S,
    limits: &HandshakeLimits,
    deadline: Instant,
    told: impl Future<Output = ()>,
    decide: F,
) -> Outcome<S, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Parts) -> Fut + Unpin,
    Fut: Future<Output = Answer<A>>,
{
    let progress = Arc::new(Progress::default());
    let slot = Mutex::new(None);
    let service = service_fn(|request: Request<Incoming>| {
        progress.enter(Phase::Deciding);
        let answer = decide(request.into_parts().0);
        let (progress, slot) = (&progress, &slot);
        Box::pin(async move { Ok::<_, Infallible>(respond(answer.await, progress, slot)) })
    });
    let watched = Watched::new(stream, Arc::clone(&progress), limits.header_bytes);
    let mut connection = builder(limits).serve_connection(TokioIo::new(watched), service);

    let mut sleep = pin!(sleep_until(deadline));
    let mut told = pin!(told);
    let mut is_told = false;
    let mut seen = progress.seen();
    let stop = poll_fn(|cx| {
        if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(Stop::Http(result));
        }
        let now = progress.seen();
        if seen != now {
            seen = now;
            sleep.as_mut().reset(Instant::now() + limits.time);
        }
        if !is_told && told.as_mut().poll(cx).is_ready() {
            is_told = true;
            if seen.phase == Phase::Head {
                return Poll::Ready(Stop::Told);
            }
            Pin::new(&mut connection).graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        // The guest's own time has its own limit.
        if seen.phase != Phase::Deciding && sleep.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Stop::Late);
        }
        Poll::Pending
    })
    .await;

    let http1::Parts { io, read_buf, .. } = connection.into_parts();
    let stream = io.into_inner().into_stream();
    let accepted = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
    let is_target_too_long = progress.is_target_too_long();
    let (end, last_words) = match (stop, accepted) {
        (Stop::Http(Ok(())), Some(accepted)) => {
            // A copy: even when empty, hyper's bytes would keep its whole buffer (8 KiB) for the connection's life.
            return Outcome::WebSocket { stream, read_buf: Bytes::copy_from_slice(&read_buf), accepted };
        }
        (Stop::Http(_), _) if is_target_too_long => (End::TooLarge, Some(target_too_long(limits))),
        (Stop::Http(Err(error)), _) if error.is_parse_too_large() => (End::TooLarge, None),
        (Stop::Http(Err(error)), _) if error.is_parse() => (End::BadRequest, None),
        (Stop::Http(_), _) if is_told => (End::Drained, None),
        (Stop::Http(_), _) => (End::Closed, None),
        (Stop::Told, _) => (End::Drained, None),
        (Stop::Late, _) if seen.phase == Phase::Head => {
            let end = if progress.has_answered() { End::Idle } else { End::TimedOut };
            (end, Some(head_too_late(limits)))
        }
        (Stop::Late, _) => (End::Idle, None),
    };
    match last_words {
        Some(refusal) => refuse(stream, refusal).await,
        None => finish(stream).await,
    }
    Outcome::Done(end)
}

/// Why the connection is not polled any more.
enum Stop {
    Http(hyper::Result<()>),
    Told,
    Late,
}

fn builder(limits: &HandshakeLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper's own timer closes without an answer; ours sends 408.
    builder.header_read_timeout(None);
    // hyper panics below 8 KiB; `max_header_size` holds the smaller limit.
    builder.max_buf_size(limits.header_bytes.max(8 * 1024)).max_header_size(limits.header_bytes);
    // Asking for the default costs an allocation per request.
    if limits.headers != 100 {
        builder.max_headers(limits.headers);
    }
    builder
}

fn respond<A>(answer: Answer<A>, progress: &Arc<Progress>, slot: &Mutex<Option<A>>) -> Response<Tracked> {
    let mut response = match answer {
        Answer::Http(response) => response,
        Answer::Switch { response, accepted } => {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepted);
            response.map(|()| Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync())
        }
    };
    response.headers_mut().entry(SERVER_HEADER).or_insert(HeaderValue::from_static(SERVER));
    progress.enter(Phase::Responding);
    response.map(|body| Tracked::new(body, Arc::clone(progress)))
}

fn head_too_late(limits: &HandshakeLimits) -> Refusal {
    let text = format!("No complete request arrived within {} s.\n", limits.time.as_secs_f64());
    Refusal::text(StatusCode::REQUEST_TIMEOUT, text)
}

fn target_too_long(limits: &HandshakeLimits) -> Refusal {
    let text = format!("The request line must be shorter than {} bytes.\n", limits.header_bytes);
    Refusal::text(StatusCode::URI_TOO_LONG, text)
}

#[cfg(test)]
mod tests;
