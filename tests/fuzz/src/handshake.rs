//! The opening handshake: bytes, hyper's parser, the checked request, the origin rule, and the answer on the wire.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, ReadBuf};
use whimbrel::handshake::{Acceptance, Candidate, OriginVerdict, Refusal, Upgrade};
use whimbrel::manifest::TrustedOrigin;

/// What `connection::http` allows by default.
const HEADER_BYTES: usize = 16 * 1024;
const HEADERS: usize = 100;

/// The fuzz target: what a client sends.
pub fn handshake(data: &[u8]) {
    let written = serve(data, answer);
    check_answers(&written);
}

/// All that is written for these bytes when each request is answered so.
pub(super) fn serve(data: &[u8], answer: impl Fn(&Parts) -> Response<Bytes>) -> Vec<u8> {
    let mut written = Vec::new();
    let answer = RefCell::new(answer);
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer.borrow()(&request.into_parts().0);
        ready(Ok::<_, Infallible>(response.map(Full::new)))
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(HEADER_BYTES).max_header_size(HEADER_BYTES);
    let stream = TokioIo::new(tokio::io::join(Said(data), &mut written));
    {
        let mut connection = pin!(builder.serve_connection(stream, service));
        // Neither side ever waits: all bytes are here, and all that is written is taken.
        let _ = connection.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    written
}

/// Bytes, and then silence: at an end of the stream hyper would leave without an answer.
struct Said<'a>(&'a [u8]);

impl AsyncRead for Said<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        let (now, later) = self.0.split_at(self.0.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

fn answer(parts: &Parts) -> Response<Bytes> {
    decide(parts).unwrap_or_else(Refusal::into_response)
}

/// As `connection::upgrade` does for a guest without `upgrade`.
fn decide(parts: &Parts) -> Result<Response<Bytes>, Refusal> {
    let candidate = Candidate::check(parts)?;
    let trusted = ["https://trusted.example", "https://*.example.com:8443"].map(|text| TrustedOrigin::parse(text).ok());
    let verdict = candidate.origin(|origin| trusted.iter().flatten().any(|trusted| trusted.matches(origin)));
    check_origin(parts, &verdict);
    if !verdict.is_allowed() {
        return Err(Refusal::forbidden_origin());
    }
    let upgrade = candidate.into_upgrade()?;
    check_upgrade(parts, &upgrade);
    Ok(Acceptance::default().response(&upgrade).map(|()| Bytes::new()))
}

/// No page of another host passes for one of this host, whatever it sends.
pub(super) fn check_origin(parts: &Parts, verdict: &OriginVerdict) {
    let values = |name: &str| -> Vec<String> {
        let values = parts.headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()).collect()
    };
    let (site, origin, host) = (values("sec-fetch-site"), values("origin"), values("host"));
    match verdict {
        OriginVerdict::SameOrigin => {
            let is_said = site == ["same-origin"] || site == ["none"];
            let is_no_browser = site.is_empty() && origin.is_empty();
            let is_host = site.is_empty() && origin.len() == 1 && host.len() == 1 && {
                let rest = origin[0].split_once("://").map_or("", |(_, rest)| rest);
                !host[0].is_empty() && rest.split(['/', '?', '#']).next() == Some(&host[0])
            };
            // Several lines are one value with commas in it.
            let is_odd = host.len() > 1 || origin.len() > 1;
            assert!(
                is_said || is_no_browser || is_host || is_odd,
                "{site:?} {origin:?} {host:?} is not the same origin"
            );
        }
        OriginVerdict::Trusted => {
            let origin = origin.join(",");
            let authority = origin.strip_prefix("https://").unwrap_or_default();
            let labels = authority.strip_suffix(".example.com:8443").unwrap_or_default();
            let is_subdomain = !labels.is_empty() && !labels.contains(['/', ',', ':', '@']);
            let is_listed = is_subdomain || matches!(authority, "trusted.example" | "trusted.example:443");
            assert!(is_listed, "{origin:?} is not trusted");
        }
        OriginVerdict::Refused(foreign) => assert!(!foreign.to_string().contains(char::is_control)),
    }
}

fn check_upgrade(parts: &Parts, upgrade: &Upgrade) {
    assert_eq!(Upgrade::check(parts).as_ref(), Ok(upgrade));
    assert_eq!(parts.method, "GET");
    assert_eq!((upgrade.accept.len(), upgrade.accept.as_bytes().last()), (28, Some(&b'=')));
    assert_eq!(parts.headers.get_all("host").iter().count(), 1);
    assert!(!upgrade.host.is_empty() && !upgrade.host.contains(['@', '/', ' ']), "{:?}", upgrade.host);
    assert!(upgrade.subprotocols.len() <= 100);
    for name in &upgrade.subprotocols {
        assert!(!name.is_empty() && name.trim() == name && !name.contains(',') && name.is_ascii());
    }
    assert!(upgrade.headers.len() <= HEADERS);
    assert!(!parts.headers.contains_key("transfer-encoding"), "a body is no frame");
}

/// Heads are heads: a status line and fields, and in a 101 the three that make a WebSocket, once each.
pub(super) fn check_answers(written: &[u8]) {
    let Some(end) = written.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        assert!(written.is_empty(), "half a head: {:?}", String::from_utf8_lossy(written));
        return;
    };
    let head = String::from_utf8_lossy(&written[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    assert!(status.starts_with("HTTP/1."), "{status:?}");
    let names: Vec<String> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line:?} is no field"));
            assert!(!value.contains(['\r', '\n', '\0']), "{line:?}");
            name.to_ascii_lowercase()
        })
        .collect();
    if status.contains(" 101 ") {
        for name in ["upgrade", "connection", "sec-websocket-accept"] {
            assert_eq!(names.iter().filter(|it| *it == name).count(), 1, "{name} in {head:?}");
        }
    }
}
