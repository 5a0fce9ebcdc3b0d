//! The answer to an upgrade: what a guest said, checked, and the response that it becomes.
//!
//! Nothing a guest says can break out of its place: every name, value, status and size is checked here, and what is
//! wrong becomes a [`BadDecision`] for the log and a 500 for the client.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL,
    SERVER as SERVER_HEADER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Response, StatusCode};

use super::refusal::{Refusal, SERVER};
use super::request::Upgrade;

/// Header fields that a guest may add to an answer.
const MAX_HEADERS: usize = 100;
/// Bytes of these header fields, names and values.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Bytes of a refusal's body.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Of a name or value that is shown in the log, in bytes.
const SHOWN_BYTES: usize = 256;

/// How a guest accepts, as it said it: unchecked.
#[derive(Debug, Clone, Default)]
pub struct GuestAcceptance {
    /// One of the offered subprotocols.
    pub subprotocol: Option<String>,
    /// Added to the 101 response.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Overrides the maximum message size, in bytes.
    pub max_message_size: Option<u32>,
    /// Overrides the interval between keep-alive pings, in milliseconds; 0 turns them off.
    pub ping_interval_ms: Option<u32>,
    /// Overrides the keep-alive timeout, in milliseconds; 0 never ends a connection.
    pub ping_timeout_ms: Option<u32>,
}

/// How a guest refuses, as it said it: unchecked.
#[derive(Debug, Clone, Default)]
pub struct GuestRefusal {
    /// The status.
    pub status: u16,
    /// The response's header fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The response's body.
    pub body: Vec<u8>,
}

/// The checked answer to an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// 101: the connection becomes a WebSocket.
    Accept(Acceptance),
    /// A plain HTTP response.
    Refuse(Refusal),
}

impl Decision {
    /// Check what a guest's `upgrade` returned.
    ///
    /// # Errors
    /// The first thing that is not allowed.
    pub fn check(answer: Result<GuestAcceptance, GuestRefusal>, upgrade: &Upgrade) -> Result<Self, BadDecision> {
        Ok(match answer {
            Ok(acceptance) => Self::Accept(Acceptance::check(acceptance, upgrade)?),
            Err(refusal) => Self::Refuse(check_refusal(refusal)?),
        })
    }
}

/// How an upgrade is accepted. The default, for a guest without the `upgrade` export: nothing chosen, nothing added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// The chosen subprotocol, one of the offered.
    pub subprotocol: Option<String>,
    /// Added to the 101 response.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Overrides the deployment's maximum message size, in bytes; the ceiling is still to be applied.
    pub max_message_size: Option<u32>,
    /// Overrides the interval between keep-alive pings; zero turns them off.
    pub ping_interval: Option<Duration>,
    /// Overrides the keep-alive timeout; zero never ends a connection.
    pub ping_timeout: Option<Duration>,
}

impl Acceptance {
    fn check(acceptance: GuestAcceptance, upgrade: &Upgrade) -> Result<Self, BadDecision> {
        if let Some(chosen) = &acceptance.subprotocol
            && !upgrade.subprotocols.contains(chosen)
        {
            let offered = upgrade.subprotocols.clone();
            return Err(BadDecision::Subprotocol { chosen: cut(chosen), offered });
        }
        let from_ms = |ms: u32| Duration::from_millis(ms.into());
        Ok(Self {
            subprotocol: acceptance.subprotocol,
            headers: check_headers(acceptance.headers)?,
            max_message_size: acceptance.max_message_size,
            ping_interval: acceptance.ping_interval_ms.map(from_ms),
            ping_timeout: acceptance.ping_timeout_ms.map(from_ms),
        })
    }

    /// The 101 response (RFC 6455 section 4.2.2). The order is Tornado's: what the guest set comes last.
    #[must_use]
    pub fn response(&self, upgrade: &Upgrade) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        insert_checked(headers, SEC_WEBSOCKET_ACCEPT, &upgrade.accept);
        if let Some(subprotocol) = &self.subprotocol {
            insert_checked(headers, SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        headers.insert(SERVER_HEADER, HeaderValue::from_static(SERVER));
        for (name, _) in &self.headers {
            headers.remove(name);
        }
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        response
    }
}

/// Insert a value that came from base64 or out of the request's own header, so it is valid.
fn insert_checked(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// What a guest answered that no client may see. Its `Display` is the log line: what is wrong, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDecision {
    /// A subprotocol that the client did not offer.
    #[error("upgrade chose the subprotocol {chosen:?}, which the client did not offer; it offered {offered:?}")]
    Subprotocol {
        /// Chosen by the guest.
        chosen: String,
        /// Offered by the client.
        offered: Vec<String>,
    },
    /// A status that is no refusal.
    #[error("upgrade refused with the status {0}; 300 to 599 are allowed")]
    Status(u16),
    /// A header name that is not a token.
    #[error("upgrade returned the header name {0:?}; only letters, digits and !#$%&'*+-.^_`|~ are allowed")]
    HeaderName(String),
    /// A header field that only the host may set.
    #[error("upgrade returned the header {0:?}, which the host sets itself; leave it out")]
    HeaderReserved(String),
    /// A header value with control characters.
    #[error("upgrade returned the header {name:?} with the value {value:?}; control characters are not allowed")]
    HeaderValue {
        /// The field's name.
        name: String,
        /// Its value, bytes that are not UTF-8 replaced.
        value: String,
    },
    /// More header fields than the host sends.
    #[error("upgrade returned {0} headers; at most {MAX_HEADERS} are allowed")]
    TooManyHeaders(usize),
    /// More bytes of header fields than the host sends.
    #[error("upgrade returned {0} bytes of headers; at most {MAX_HEADER_BYTES} are allowed")]
    HeaderBytes(usize),
    /// A longer body than the host sends.
    #[error("upgrade refused with a body of {0} bytes; at most {MAX_BODY_BYTES} are allowed")]
    BodyBytes(usize),
    /// A larger inbound message than the host allows.
    #[error(
        "upgrade returned the max-message-size {asked}; at most {ceiling} is allowed by [ceilings] in the host config"
    )]
    MaxMessageSize {
        /// Asked for, in bytes.
        asked: usize,
        /// The host config's ceiling, in bytes.
        ceiling: usize,
    },
}

fn check_refusal(refusal: GuestRefusal) -> Result<Refusal, BadDecision> {
    let status = match StatusCode::from_u16(refusal.status) {
        Ok(status) if (300..=599).contains(&refusal.status) => status,
        _ => return Err(BadDecision::Status(refusal.status)),
    };
    if refusal.body.len() > MAX_BODY_BYTES {
        return Err(BadDecision::BodyBytes(refusal.body.len()));
    }
    Ok(Refusal { status, headers: check_headers(refusal.headers)?, body: Bytes::from(refusal.body) })
}

fn check_headers(fields: Vec<(String, Vec<u8>)>) -> Result<Vec<(HeaderName, HeaderValue)>, BadDecision> {
    if fields.len() > MAX_HEADERS {
        return Err(BadDecision::TooManyHeaders(fields.len()));
    }
    let bytes = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        return Err(BadDecision::HeaderBytes(bytes));
    }
    let mut headers = Vec::with_capacity(fields.len());
    for (shown, value) in fields {
        let Ok(name) = HeaderName::from_bytes(shown.as_bytes()) else {
            return Err(BadDecision::HeaderName(cut(&shown)));
        };
        if is_reserved(&name) {
            return Err(BadDecision::HeaderReserved(cut(&shown)));
        }
        let Ok(value) = HeaderValue::from_bytes(&value) else {
            let value = cut(&String::from_utf8_lossy(&value));
            return Err(BadDecision::HeaderValue { name: cut(&shown), value });
        };
        headers.push((name, value));
    }
    Ok(headers)
}

/// As much of a guest's text as is needed to know it again in the log.
fn cut(text: &str) -> String {
    let cut = text.floor_char_boundary(SHOWN_BYTES);
    let dots = if cut < text.len() { "..." } else { "" };
    format!("{}{dots}", text.get(..cut).unwrap_or_default())
}

/// Fields of the handshake, and those that belong to one hop or frame the response (RFC 9110 section 7.6.1).
fn is_reserved(name: &HeaderName) -> bool {
    const HOP: [HeaderName; 6] = [CONNECTION, UPGRADE, CONTENT_LENGTH, TRANSFER_ENCODING, TE, TRAILER];
    HOP.contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
        || name.as_str().starts_with("sec-websocket-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgrade() -> Upgrade {
        Upgrade {
            accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(),
            host: "a.example".to_owned(),
            origin: None,
            subprotocols: vec!["chat".to_owned(), "superchat".to_owned()],
            path: "/".to_owned(),
            query: None,
            headers: Vec::new(),
        }
    }

    fn with_headers(fields: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect()
    }

    fn accept(acceptance: GuestAcceptance) -> Result<Acceptance, BadDecision> {
        match Decision::check(Ok(acceptance), &upgrade())? {
            Decision::Accept(acceptance) => Ok(acceptance),
            Decision::Refuse(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    #[test]
    fn accepts_with_subprotocol_headers_and_overrides() {
        let acceptance = accept(GuestAcceptance {
            subprotocol: Some("superchat".to_owned()),
            headers: with_headers(&[
                ("X-Room", b"caf\xc3\xa9"),
                ("set-cookie", b"a=1"),
                ("Set-Cookie", b"b=2"),
                ("server", b"mine"),
            ]),
            max_message_size: Some(10),
            ping_interval_ms: Some(0),
            ping_timeout_ms: Some(1500),
        })
        .unwrap();
        assert_eq!(acceptance.max_message_size, Some(10));
        assert_eq!(acceptance.ping_interval, Some(Duration::ZERO));
        assert_eq!(acceptance.ping_timeout, Some(Duration::from_millis(1500)));

        let response = acceptance.response(&upgrade());
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-protocol"], "superchat");
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()["x-room"].as_bytes(), b"caf\xc3\xa9");
        assert_eq!(response.headers().get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(response.headers().get_all("server").iter().collect::<Vec<_>>(), ["mine"]);
    }

    #[test]
    fn the_default_chooses_and_adds_nothing() {
        let response = Acceptance::default().response(&upgrade());
        let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["upgrade", "connection", "sec-websocket-accept", "server"]);
        assert_eq!(response.headers()["server"], SERVER);
    }

    #[test]
    fn h22_a_subprotocol_that_was_not_offered() {
        let error = accept(GuestAcceptance { subprotocol: Some("Chat".to_owned()), ..Default::default() }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "upgrade chose the subprotocol \"Chat\", which the client did not offer; \
             it offered [\"chat\", \"superchat\"]"
        );
    }

    #[test]
    fn h23_headers_that_inject_or_pretend() {
        for (name, value, expected) in [
            ("x", "a\r\nset-cookie: b", "the header \"x\" with the value \"a\\r\\nset-cookie: b\"; control characters"),
            ("x\r\ny", "a", "the header name \"x\\r\\ny\"; only letters"),
            ("", "a", "the header name \"\""),
            ("Sec-WebSocket-Accept", "a", "the header \"Sec-WebSocket-Accept\", which the host sets itself"),
            ("Sec-WebSocket-Extensions", "a", "which the host sets itself"),
            ("connection", "close", "which the host sets itself"),
            ("Transfer-Encoding", "chunked", "which the host sets itself"),
            ("content-length", "5", "which the host sets itself"),
            ("keep-alive", "5", "which the host sets itself"),
        ] {
            let headers = with_headers(&[(name, value.as_bytes())]);
            let accepted = accept(GuestAcceptance { headers: headers.clone(), ..Default::default() }).unwrap_err();
            assert!(accepted.to_string().contains(expected), "{accepted}");
            let refused = GuestRefusal { status: 403, headers, body: Vec::new() };
            assert_eq!(Decision::check(Err(refused), &upgrade()), Err(accepted));
        }
    }

    #[test]
    fn refuses_with_any_status_headers_and_body() {
        let refusal =
            GuestRefusal { status: 302, headers: with_headers(&[("location", b"/login")]), body: b"go".to_vec() };
        let Ok(Decision::Refuse(refusal)) = Decision::check(Err(refusal), &upgrade()) else { panic!("accepted") };
        let response = refusal.into_response();
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (302, b"go".as_slice()));
        assert_eq!(response.headers()["location"], "/login");
    }

    #[test]
    fn h23_other_statuses_are_no_refusal() {
        for status in [0, 99, 101, 200, 299, 600, 999, 1000, u16::MAX] {
            let refusal = GuestRefusal { status, ..Default::default() };
            let error = Decision::check(Err(refusal), &upgrade()).unwrap_err();
            assert_eq!(error, BadDecision::Status(status));
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let many = vec![("x".to_owned(), Vec::new()); 101];
        assert_eq!(
            accept(GuestAcceptance { headers: many, ..Default::default() }),
            Err(BadDecision::TooManyHeaders(101))
        );
        let long = vec![("x".to_owned(), vec![b'a'; 16 * 1024])];
        assert_eq!(
            accept(GuestAcceptance { headers: long, ..Default::default() }),
            Err(BadDecision::HeaderBytes(16_385))
        );
        let body = GuestRefusal { status: 400, body: vec![0; MAX_BODY_BYTES + 1], ..Default::default() };
        assert_eq!(Decision::check(Err(body), &upgrade()), Err(BadDecision::BodyBytes(MAX_BODY_BYTES + 1)));
    }
}
