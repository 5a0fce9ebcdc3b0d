//! What a guest's `upgrade` answers: whatever it says, the response on the wire is one head and its body.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use http::Response;
use whimbrel::handshake::{Decision, GuestAcceptance, GuestRefusal, Upgrade};

use super::handshake::{check_answers, serve};

/// The request that is answered.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, v2\r\n\r\n";

/// The fuzz target: a guest's answer, read from the bytes piece by piece.
pub fn answers(data: &[u8]) {
    let mut data = Unstructured::new(data);
    let Ok(answer) = answer(&mut data) else { return };
    let written = serve(REQUEST, |parts| {
        let upgrade = Upgrade::check(parts).expect("the request is right");
        match Decision::check(answer.clone(), &upgrade) {
            Ok(Decision::Accept(acceptance)) => {
                let subprotocol = acceptance.subprotocol.as_deref();
                assert!(matches!(subprotocol, None | Some("chat" | "v2")), "{subprotocol:?} was not offered");
                acceptance.response(&upgrade).map(|()| Bytes::new())
            }
            Ok(Decision::Refuse(refusal)) => {
                assert!((300..=599).contains(&refusal.status.as_u16()));
                refusal.into_response()
            }
            Err(bad) => {
                let text = bad.to_string();
                assert!(!text.contains(['\r', '\n', '\x1b']), "a line of its own in the log: {text:?}");
                Response::new(Bytes::new())
            }
        }
    });
    assert!(!written.is_empty(), "no answer");
    check_answers(&written);
}

fn answer(data: &mut Unstructured<'_>) -> Result<std::result::Result<GuestAcceptance, GuestRefusal>> {
    if data.arbitrary()? {
        let subprotocol = match data.int_in_range(0..=3)? {
            0 => None,
            1 => Some("chat".to_owned()),
            2 => Some("v2".to_owned()),
            _ => Some(data.arbitrary()?),
        };
        return Ok(Ok(GuestAcceptance {
            subprotocol,
            max_message_size: data.arbitrary()?,
            ping_interval_ms: data.arbitrary()?,
            ping_timeout_ms: data.arbitrary()?,
            headers: headers(data)?,
        }));
    }
    let status = data.arbitrary()?;
    Ok(Err(GuestRefusal { status, headers: headers(data)?, body: data.arbitrary()? }))
}

fn headers(data: &mut Unstructured<'_>) -> Result<Vec<(String, Vec<u8>)>> {
    const NAMES: [&str; 8] =
        ["x-a", "set-cookie", "server", "date", "connection", "content-length", "location", "sec-websocket-accept"];
    let count = data.int_in_range(0..=12)?;
    let field = |data: &mut Unstructured<'_>| {
        let name = match data.arbitrary()? {
            true => data.arbitrary::<String>()?,
            false => (*data.choose(&NAMES)?).to_owned(),
        };
        Ok((name, data.arbitrary()?))
    };
    (0..count).map(|_| field(data)).collect()
}
