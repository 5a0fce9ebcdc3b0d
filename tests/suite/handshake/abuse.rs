//! The opening handshake under abuse: rows of FAULTS.md H, whose numbers the tests' names have.

use super::{FOREIGN, answer, changed, minimal, settings};
use crate::support::client::{body, refusal};
use crate::support::raw::{Frame, KEY, Request, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

/// The default of `handshake.header_bytes` in the host config.
const HEADER_BYTES: usize = 16 * 1024;

#[tokio::test]
async fn h01_a_plain_get_is_told_to_upgrade() {
    let host = minimal().await;
    let response = answer(&host, &Request::new(&host, "GET", "/echo")).await;
    assert_eq!((response.status, response.header("upgrade")), (426, Some("websocket")));
    assert_eq!(response.header("sec-websocket-version"), Some("13"));
    host.stop().await;
}

#[tokio::test]
async fn h02_h03_other_methods_and_versions() {
    let host = minimal().await;
    for method in ["POST", "PUT"] {
        let request = Request::new(&host, method, "/echo").header("Content-Length", "0");
        let response = answer(&host, &request).await;
        assert_eq!((response.status, response.header("allow")), (405, Some("GET")), "{method}");
    }
    let response = answer(&host, &changed(&host, &[("Sec-WebSocket-Version", "8")])).await;
    assert_eq!((response.status, response.header("sec-websocket-version")), (426, Some("13")));
    host.stop().await;
}

#[tokio::test]
async fn h04_a_key_is_16_bytes_in_base64_and_sent_once() {
    let host = minimal().await;
    for key in ["-", "", "AAAAAA==", "no base64!", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZWFh"] {
        let response = answer(&host, &changed(&host, &[("Sec-WebSocket-Key", key)])).await;
        assert_eq!(response.status, 400, "key {key:?}");
        assert!(response.body.contains("Sec-WebSocket-Key"), "key {key:?}: {}", response.body);
    }
    let twice = answer(&host, &changed(&host, &[]).header("Sec-WebSocket-Key", KEY)).await;
    assert_eq!(twice.status, 400);
    assert!(twice.body.contains("once"), "{}", twice.body);
    host.stop().await;
}

#[tokio::test]
async fn h05_h06_h07_http_1_0_no_host_two_hosts() {
    let host = minimal().await;
    let mut raw = Raw::connect(host.addr()).await;
    raw.send(changed(&host, &[]).text().replace("HTTP/1.1", "HTTP/1.0").as_bytes()).await;
    let response = raw.response().await;
    assert_eq!(response.status, 400);
    assert!(response.body.contains("HTTP/1.1"), "{}", response.body);
    let none = answer(&host, &changed(&host, &[("Host", "-")])).await;
    let two = answer(&host, &changed(&host, &[]).header("Host", "b.example")).await;
    assert_eq!((none.status, two.status), (400, 400));
    assert!(none.body.contains("\"Host\" is missing") && two.body.contains("once"), "{} {}", none.body, two.body);
    host.stop().await;
}

#[tokio::test]
async fn h08_a_body_is_refused_and_never_read_as_frames() {
    let host = minimal().await;
    let frame = Frame::new(TEXT, b"smuggled").bytes();
    let chunked = [format!("{:x}\r\n", frame.len()).as_bytes(), &frame, b"\r\n0\r\n\r\n"].concat();
    for (name, value, payload) in [
        ("Content-Length", frame.len().to_string(), &frame),
        ("Transfer-Encoding", "chunked".to_owned(), &chunked),
        ("Transfer-Encoding", "chunked".to_owned(), &frame),
    ] {
        let mut raw = Raw::connect(host.addr()).await;
        raw.send(&[changed(&host, &[]).header(name, &value).text().as_bytes(), payload].concat()).await;
        let response = raw.response().await;
        assert_eq!(response.status, 400, "{name}: {value}");
        assert!(response.body.contains("must not have a body"), "{}", response.body);
        raw.ended().await;
    }
    host.stop().await;
}

#[tokio::test]
async fn h09_h10_what_stands_behind_the_request_is_read_as_frames() {
    let host = minimal().await;
    let upgrade = changed(&host, &[]).text();
    let mut raw = Raw::connect(host.addr()).await;
    raw.send(upgrade.repeat(2).as_bytes()).await;
    assert_eq!(raw.response().await.status, 101);
    raw.closed_with(1002).await;

    let mut raw = Raw::connect(host.addr()).await;
    raw.send(&[upgrade.as_bytes(), &Frame::new(TEXT, b"early").bytes()].concat()).await;
    assert_eq!(raw.response().await.status, 101);
    assert_eq!(raw.frame().await.payload, b"early");
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn h11_h12_h13_the_size_of_a_request_is_limited() {
    let host = minimal().await;
    let fields = |count: usize| {
        let request = changed(&host, &[]);
        (request.headers.len()..count).fold(request, |request, number| request.header(&format!("X-{number}"), ""))
    };
    assert_eq!(answer(&host, &fields(100)).await.status, 101);
    for (request, status) in [
        (fields(101), 431),
        (changed(&host, &[("X-Long", &"x".repeat(4 * HEADER_BYTES))]), 431),
        (Request::upgrade(&host, &format!("/{}", "x".repeat(HEADER_BYTES))), 414),
    ] {
        let mut raw = Raw::connect(host.addr()).await;
        raw.send_anyway(request.text().as_bytes()).await;
        assert_eq!(raw.response().await.status, status);
        raw.ended().await;
    }
    host.stop().await;
}

#[tokio::test]
async fn h15_a_silent_client_is_told_and_dropped() {
    let host = TestHost::serving(guests::MINIMAL).route("/echo").host("[handshake]\ntime = \"1s\"").start().await;
    let mut open = Raw::open(&host, "/echo").await;
    for begun in ["", "GET /echo HTTP/1.1\r\nHost: a\r\n"] {
        let mut raw = Raw::connect(host.addr()).await;
        raw.send(begun.as_bytes()).await;
        let response = raw.response().await;
        assert_eq!((response.status, response.header("connection")), (408, Some("close")));
        raw.ended().await;
    }
    // The time was for the handshake alone.
    open.send_frame(TEXT, b"still here").await;
    assert_eq!(open.frame().await.payload, b"still here");
    drop(open);
    host.stop().await;
}

#[tokio::test]
async fn h17_h18_h19_foreign_null_and_no_origin() {
    let host = minimal().await;
    for (origin, status) in [(FOREIGN, 403), ("null", 403), ("-", 101)] {
        assert_eq!(answer(&host, &changed(&host, &[("Origin", origin)])).await.status, status, "{origin}");
    }
    // The log names the origin, the host and the setting that would allow it.
    let line = host.wait_log(&format!("origin {FOREIGN:?} is not allowed for host \"{}\"", host.addr())).await;
    assert!(line.contains(&format!("add {FOREIGN:?} to trusted_origins")), "{line}");
    assert!(line.contains("deployment=\"guest\"") && line.contains("peer=127.0.0.1:"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn h21_offers_without_end() {
    let host = settings().await;
    let with = |name: &str, value: &str| Request::upgrade(&host, "/ws?subprotocol=first").header(name, value);
    let many = |count: usize| (0..count).map(|number| format!("p{number},")).collect::<String>();
    for (request, status) in [
        (with("Sec-WebSocket-Protocol", &", ".repeat(5 * 1024)), 101),
        (with("Sec-WebSocket-Protocol", &many(101)), 400),
        (with("Sec-WebSocket-Extensions", &"x; a=1,".repeat(1000)), 101),
        (with("Sec-WebSocket-Extensions", "permessage-deflate; a=\"unclosed, x; b=\\\""), 101),
    ] {
        let response = answer(&host, &request).await;
        assert_eq!(response.status, status, "{}", response.body);
        assert_eq!(response.header("sec-websocket-protocol"), None);
        assert_eq!(response.header("sec-websocket-extensions"), None);
    }
    let chosen = answer(&host, &with("Sec-WebSocket-Protocol", &many(100))).await;
    assert_eq!(chosen.header("sec-websocket-protocol"), Some("p0"));
    host.stop().await;
}

#[tokio::test]
async fn h22_h23_what_a_guest_may_not_answer() {
    let host = settings().await;
    for (query, logged) in [
        ("subprotocol=chat", "chose the subprotocol \"chat\", which the client did not offer"),
        ("header=X:a%0d%0aSet-Cookie:%20b", "the header \"X\" with the value \"a\\r\\nSet-Cookie: b\""),
        ("header=X%0d%0aY:a", "the header name \"X\\r\\nY\""),
        ("header=Sec-WebSocket-Accept:x", "the header \"Sec-WebSocket-Accept\", which the host sets itself"),
        ("header=Connection:close", "the header \"Connection\", which the host sets itself"),
        ("refuse=403&header=Content-Length:9", "the header \"Content-Length\", which the host sets itself"),
        ("refuse=99", "the status 99; 300 to 599 are allowed"),
        ("refuse=200", "the status 200; 300 to 599 are allowed"),
        ("refuse=101", "the status 101; 300 to 599 are allowed"),
    ] {
        let response = answer(&host, &Request::upgrade(&host, &format!("/ws?{query}"))).await;
        assert_eq!(response.status, 500, "{query}");
        assert_eq!(response.header("set-cookie"), None, "{query}");
        assert!(!response.body.contains("chat"), "the client is told the guest's mistake: {}", response.body);
        let line = host.wait_log(logged).await;
        assert!(line.contains("deployment=\"guest\" function=\"upgrade\""), "{line}");
    }
    host.stop().await;
}

#[tokio::test]
async fn h24_a_guest_that_fails_in_upgrade_keeps_no_slot() {
    let host = TestHost::serving(guests::SETTINGS).route("/ws").limit("connections", "1").start().await;
    for (how, status, logged) in
        [("panic", 500, "upgrade panicked on purpose"), ("spin", 504, "limits.execution: 100ms of execution passed")]
    {
        let refused = refusal(Client::try_connect(&host, &format!("/ws?upgrade={how}"), &[]).await);
        assert_eq!(refused.status().as_u16(), status, "{how}: {}", body(&refused));
        host.wait_log(logged).await;
    }
    assert_eq!(host.wait_log_count("function=\"upgrade\"", 2).await.len(), 2);
    let mut client = Client::connect(&host, "/ws").await;
    assert_eq!(client.ask("alive").await, "alive");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn h28_hostile_paths() {
    let host = TestHost::serving(guests::MINIMAL)
        .route("/echo")
        .route("/one/{name}")
        .route(r"{ regex = '/(?:x+x+)+y(.*)' }")
        .start()
        .await;
    let long = format!("/{}", "x".repeat(HEADER_BYTES - 1024));
    for (target, status) in [
        ("/one/%2e%2e", 101),
        ("/%2e%2e/echo", 404),
        ("/../echo", 404),
        ("/one/../echo", 404),
        ("/one/a%00b", 400),
        ("/one/%ff", 400),
        ("/one/%c3%28", 400),
        ("/one/100%", 101),
        (&long, 404),
    ] {
        let shown: String = target.chars().take(20).collect();
        assert_eq!(answer(&host, &Request::upgrade(&host, target)).await.status, status, "{shown}");
    }
    // Bytes that no path may have, as they are.
    for byte in [0, 0x1f, 0xff] {
        let mut raw = Raw::connect(host.addr()).await;
        let head = Request::upgrade(&host, "/one/@").text();
        raw.send(&head.bytes().map(|it| if it == b'@' { byte } else { it }).collect::<Vec<_>>()).await;
        assert_eq!(raw.response().await.status, 400, "{byte:#x}");
    }
    host.stop().await;
}
