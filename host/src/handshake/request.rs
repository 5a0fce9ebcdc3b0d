//! A client's request to become a WebSocket, checked in the order that Tornado checks it (RFC 6455 section 4.2.1).

use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::origin::{self, OriginVerdict};
use super::refusal::Refusal;

/// Subprotocols that one request may offer.
const MAX_SUBPROTOCOLS: usize = 100;

/// A request that asks to become a WebSocket; whether it may and can is not checked yet.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    parts: &'a Parts,
}

impl<'a> Candidate<'a> {
    /// Check that the request asks for a WebSocket: method, then Upgrade, then Connection.
    ///
    /// # Errors
    /// 405 for another method than GET, 426 without an Upgrade header, 400 for other values.
    pub fn check(parts: &'a Parts) -> Result<Self, Refusal> {
        if parts.method != Method::GET {
            let text = format!("A WebSocket is opened with GET, not {}.\n", parts.method);
            return Err(Refusal::text(StatusCode::METHOD_NOT_ALLOWED, text).with(ALLOW, "GET"));
        }
        match origin::joined(&parts.headers, &UPGRADE) {
            Some(value) if value.eq_ignore_ascii_case("websocket") => {}
            Some(_) => return Err(bad_request(ONLY_TO_WEBSOCKET)),
            None => return Err(upgrade_required(ONLY_TO_WEBSOCKET)),
        }
        if !has_token(&parts.headers, &CONNECTION, "upgrade") {
            return Err(bad_request("\"Connection\" must be \"Upgrade\"."));
        }
        Ok(Self { parts })
    }

    /// What the origin rule says; `is_trusted` is the manifest's list and asked only for cross-origin requests.
    #[must_use]
    pub fn origin(&self, is_trusted: impl Fn(&str) -> bool) -> OriginVerdict {
        origin::check(&self.parts.headers, is_trusted)
    }

    /// Check the rest: version, framing, Host, key, subprotocols.
    ///
    /// # Errors
    /// 426 for another version than 13, 400 with a body that says what is wrong for anything else.
    pub fn into_upgrade(self) -> Result<Upgrade, Refusal> {
        let Parts { headers, uri, version, .. } = self.parts;
        check_version(headers)?;
        check_framing(headers, *version)?;
        let host = check_host(headers)?;
        let key = check_key(headers)?;
        Ok(Upgrade {
            accept: derive_accept_key(key),
            host,
            origin: origin::joined(headers, &ORIGIN),
            subprotocols: subprotocols(headers)?,
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            headers: headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect(),
        })
    }
}

/// A request that can become a WebSocket: nothing about it is checked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The value of Sec-WebSocket-Accept that answers the client's key.
    pub accept: String,
    /// The Host header.
    pub host: String,
    /// The Origin header; none when there was none.
    pub origin: Option<String>,
    /// Offered by the client, in its order; at most 100.
    pub subprotocols: Vec<String>,
    /// The path as the client sent it, not percent-decoded, without the query.
    pub path: String,
    /// What follows the first `?`; none without a `?`.
    pub query: Option<String>,
    /// All header fields, names in lower case; fields of one name stand together, where the first of them stood.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Upgrade {
    /// Check everything but the origin.
    ///
    /// # Errors
    /// Those of [`Candidate::check`] and [`Candidate::into_upgrade`].
    pub fn check(parts: &Parts) -> Result<Self, Refusal> {
        Candidate::check(parts)?.into_upgrade()
    }
}

const ONLY_TO_WEBSOCKET: &str = "Can \"Upgrade\" only to \"WebSocket\".";

fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_draft_76 = headers.contains_key("sec-websocket-key1") || headers.contains_key("sec-websocket-key2");
    match origin::joined(headers, &SEC_WEBSOCKET_VERSION) {
        Some(version) if version == "13" => Ok(()),
        Some(version) => Err(upgrade_required(format!("\"Sec-WebSocket-Version\" must be \"13\", not {version:?}."))),
        None if is_draft_76 => Err(upgrade_required(
            "This is the handshake of draft-hixie-thewebsocketprotocol-76; only RFC 6455, version 13, is spoken here.",
        )),
        None => Err(upgrade_required("\"Sec-WebSocket-Version\" is missing; it must be \"13\".")),
    }
}

/// Refuse what would let bytes behind the request head be read as something else than frames.
fn check_framing(headers: &HeaderMap, version: Version) -> Result<(), Refusal> {
    if version < Version::HTTP_11 {
        return Err(bad_handshake("a WebSocket needs HTTP/1.1"));
    }
    if headers.contains_key(TRANSFER_ENCODING) || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0") {
        return Err(bad_handshake("the request must not have a body").with(CONNECTION, "close"));
    }
    Ok(())
}

fn check_host(headers: &HeaderMap) -> Result<String, Refusal> {
    let host = one_value(headers, &HOST, "Host")?;
    // An authority may hold user information, a Host header may not.
    if host.parse::<Authority>().is_err() || host.contains('@') {
        return Err(bad_handshake(format!("\"Host\" must be a host and an optional port, not {host:?}")));
    }
    Ok(host.to_owned())
}

fn check_key(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let key = one_value(headers, &SEC_WEBSOCKET_KEY, "Sec-WebSocket-Key")?;
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    match key.strip_suffix("==") {
        // 16 bytes are 22 digits of six bits; the last four bits mean nothing.
        Some(digits) if digits.len() == 22 && digits.bytes().all(is_base64) => Ok(key.as_bytes()),
        _ => Err(bad_handshake(format!("\"Sec-WebSocket-Key\" must be 16 bytes in base64, not {key:?}"))),
    }
}

/// The offered subprotocols of all lines, trimmed, without empty ones.
fn subprotocols(headers: &HeaderMap) -> Result<Vec<String>, Refusal> {
    let mut offered = Vec::new();
    for line in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let line = line.to_str().map_err(|_| bad_handshake("\"Sec-WebSocket-Protocol\" must be visible ASCII"))?;
        for name in line.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if offered.len() == MAX_SUBPROTOCOLS {
                let text = format!("\"Sec-WebSocket-Protocol\" may offer at most {MAX_SUBPROTOCOLS} subprotocols");
                return Err(bad_handshake(text));
            }
            offered.push(name.to_owned());
        }
    }
    Ok(offered)
}

/// The text of a header field that must be there exactly once.
fn one_value<'a>(headers: &'a HeaderMap, name: &HeaderName, shown: &str) -> Result<&'a str, Refusal> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(value), None) => value.to_str().map_err(|_| bad_handshake(format!("{shown:?} must be visible ASCII"))),
        (None, _) => Err(bad_handshake(format!("{shown:?} is missing"))),
        (Some(_), Some(_)) => Err(bad_handshake(format!("{shown:?} must be sent once only"))),
    }
}

/// Whether a header field that is a comma list holds a token, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// 400 with Tornado's text for what is missing or wrong in the headers, then what it is.
fn bad_handshake(detail: impl std::fmt::Display) -> Refusal {
    bad_request(format!("Missing/Invalid WebSocket headers: {detail}."))
}

fn bad_request(text: impl Into<String>) -> Refusal {
    Refusal::text(StatusCode::BAD_REQUEST, text)
}

/// 426 with what RFC 9110 section 15.5.22 and RFC 6455 section 4.4 ask for.
fn upgrade_required(text: impl Into<String>) -> Refusal {
    Refusal::text(StatusCode::UPGRADE_REQUIRED, text)
        .with(UPGRADE, "websocket")
        .with(CONNECTION, "Upgrade")
        .with(SEC_WEBSOCKET_VERSION, "13")
}

#[cfg(test)]
mod tests;
