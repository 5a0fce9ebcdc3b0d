//! The front over an in-memory stream, with paused time: bytes in, bytes out.

use std::future::pending;
use std::time::Duration;

use http::header::CONNECTION;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";

/// `/ws` becomes a WebSocket that carries the path, `/never` is never answered, everything else says its path.
async fn decide(parts: Parts) -> Answer<String> {
    let path = parts.uri.path().to_owned();
    match path.as_str() {
        "/ws" => {
            let response = Response::builder().status(101).header("upgrade", "websocket").header(CONNECTION, "upgrade");
            Answer::Switch { response: response.body(()).unwrap(), accepted: path }
        }
        "/never" => pending().await,
        "/big" => Answer::Http(Response::new(body(vec![b'x'; 1 << 20]))),
        _ => Answer::Http(Response::new(body(path))),
    }
}

type Served = JoinHandle<Outcome<DuplexStream, String>>;

fn start(limits: HandshakeLimits) -> (DuplexStream, oneshot::Sender<()>, Served) {
    let (client, server) = duplex(64 * 1024);
    let (tell, told) = oneshot::channel::<()>();
    let deadline = Instant::now() + limits.time;
    let told = async move { drop(told.await) };
    (client, tell, tokio::spawn(async move { serve(server, &limits, deadline, told, decide).await }))
}

async fn ended(served: Served) -> End {
    match served.await.unwrap() {
        Outcome::Done(end) => end,
        Outcome::WebSocket { .. } => panic!("became a WebSocket"),
    }
}

/// Read until the text ends with `end`.
async fn read_to(client: &mut DuplexStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = client.read_u8().await.unwrap_or_else(|_| panic!("ended after {text:?}"));
        text.push(char::from(byte));
    }
    text
}

async fn read_all(client: &mut DuplexStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn h09_h10_bytes_behind_the_upgrade_are_handed_over() {
    let (mut client, _tell, served) = start(HandshakeLimits::default());
    client.write_all(format!("{UPGRADE}early frame").as_bytes()).await.unwrap();
    let head = read_to(&mut client, "\r\n\r\n").await;
    assert!(
        head.starts_with(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nserver: whimbrel/"
        ),
        "{head}"
    );
    assert!(head.contains("\r\ndate: ") && !head.contains("content-length"), "{head}");

    let Outcome::WebSocket { mut stream, read_buf, accepted } = served.await.unwrap() else { panic!("ended") };
    assert_eq!((read_buf.as_ref(), accepted.as_str()), (b"early frame".as_slice(), "/ws"));
    stream.write_all(b"to client").await.unwrap();
    client.write_all(b"to host").await.unwrap();
    let mut buf = [0; 9];
    client.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"to client");
    stream.read_exact(&mut buf[..7]).await.unwrap();
    assert_eq!(&buf[..7], b"to host");
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_may_follow_plain_requests_and_come_byte_by_byte() {
    let (mut client, _tell, served) = start(HandshakeLimits::default());
    for path in ["/one", "/two"] {
        client.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let head = read_to(&mut client, "\r\n\r\n").await;
        assert!(head.contains("content-length: 4\r\n"), "{head}");
        read_to(&mut client, path).await;
        // Each wait has the whole time again.
        tokio::time::advance(Duration::from_secs(9)).await;
    }
    for byte in UPGRADE.bytes() {
        client.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    read_to(&mut client, "\r\n\r\n").await;
    assert!(matches!(served.await.unwrap(), Outcome::WebSocket { .. }));
}

#[tokio::test(start_paused = true)]
async fn h14_h15_a_late_request_head_is_answered_with_408() {
    for dripped in ["", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let begin = Instant::now();
        let (mut client, _tell, served) = start(HandshakeLimits::default());
        let drip = async {
            for byte in dripped.bytes() {
                tokio::time::advance(Duration::from_millis(100)).await;
                client.write_all(&[byte]).await.unwrap();
            }
            read_all(&mut client).await
        };
        let text = drip.await;
        assert!(text.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{text}");
        assert!(text.contains("\r\nconnection: close\r\n") && text.ends_with("within 10 s.\n"), "{text}");
        assert_eq!(begin.elapsed().as_secs(), 10);
        drop(client);
        assert_eq!(ended(served).await, End::TimedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_alive_connection_is_answered_with_408_too() {
    let (mut client, _tell, served) = start(HandshakeLimits::default());
    client.write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_to(&mut client, "/x").await;
    assert!(read_all(&mut client).await.starts_with("HTTP/1.1 408 "));
    drop(client);
    assert_eq!(ended(served).await, End::Idle);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_its_response_is_dropped() {
    let (mut client, _tell, served) = start(HandshakeLimits::default());
    client.write_all(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert_eq!(ended(served).await, End::Idle);
    assert!(!read_all(&mut client).await.contains("408"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_not_a_late_request() {
    let (mut client, _tell, served) = start(HandshakeLimits::default());
    client.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(!served.is_finished());
    drop(client);
    assert_eq!(ended(served).await, End::Closed);
}

#[tokio::test(start_paused = true)]
async fn h11_h12_h13_heads_over_the_limits() {
    let headers: String = (0..100).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = "x".repeat(16 * 1024);
    for (request, expected) in [
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{headers}\r\n"), "431 Request Header Fields Too Large"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"), "431 Request Header Fields Too Large"),
        (format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), "414 URI Too Long"),
        ("GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), "400 Bad Request"),
        ("hello\r\n\r\n".to_owned(), "400 Bad Request"),
    ] {
        let (mut client, _tell, served) = start(HandshakeLimits::default());
        client.write_all(request.as_bytes()).await.unwrap();
        let text = read_all(&mut client).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {expected}\r\n")), "{expected}: {text}");
        assert!(text.contains("connection: close\r\n"), "{text}");
        drop(client);
        let end = if expected.starts_with("400") { End::BadRequest } else { End::TooLarge };
        assert_eq!(ended(served).await, end, "{expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_are_the_hosts() {
    let limits = HandshakeLimits { time: Duration::from_secs(1), header_bytes: 100, headers: 2 };
    for request in
        ["GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n", &format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(100))]
    {
        let (mut client, _tell, _served) = start(limits.clone());
        client.write_all(request.as_bytes()).await.unwrap();
        assert!(read_all(&mut client).await.starts_with("HTTP/1.1 431 "));
    }
    let (mut client, _tell, _served) = start(limits.clone());
    client.write_all(b"GET / HTTP/1.1\r\na: 1\r\nb: 2\r\n\r\n").await.unwrap();
    assert!(read_to(&mut client, "\r\n\r\n/").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_reads_is_never_the_next_request() {
    let (mut client, _tell, served) = start(HandshakeLimits::default());
    let inner = UPGRADE.len();
    let request = format!("GET /refused HTTP/1.1\r\nhost: a\r\ncontent-length: {inner}\r\n\r\n{UPGRADE}");
    client.write_all(request.as_bytes()).await.unwrap();
    read_to(&mut client, "/refused").await;
    client.shutdown().await.unwrap();
    assert_eq!(read_all(&mut client).await, "");
    assert_eq!(ended(served).await, End::Closed);
}

#[tokio::test(start_paused = true)]
async fn draining_ends_the_wait_for_a_request_at_once() {
    let (mut client, tell, served) = start(HandshakeLimits::default());
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    tell.send(()).unwrap();
    assert_eq!(read_all(&mut client).await, "");
    drop(client);
    assert_eq!(ended(served).await, End::Drained);
}

#[tokio::test(start_paused = true)]
async fn draining_lets_an_answer_finish() {
    let (mut client, tell, served) = start(HandshakeLimits::default());
    client.write_all(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_to(&mut client, "\r\n\r\n").await;
    tell.send(()).unwrap();
    assert_eq!(read_all(&mut client).await.len(), 1 << 20);
    drop(client);
    assert_eq!(ended(served).await, End::Drained);
}
