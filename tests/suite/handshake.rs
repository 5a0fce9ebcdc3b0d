//! The opening handshake, as those see it who mean well: the rows of TORNADO.md A1, whose numbers the tests' names have.

mod abuse;
mod admission;

use crate::support::client::{body, header, refusal};
use crate::support::raw::{ACCEPT, Request, Response, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

const FOREIGN: &str = "https://evil.example";

/// A guest without a say in the handshake, at `/echo`.
async fn minimal() -> TestHost {
    TestHost::serving(guests::MINIMAL)
        .route("/echo")
        .manifest("trusted_origins = [\"https://trusted.example\", \"https://*.wild.example\"]")
        .start()
        .await
}

/// A guest that decides as the query string says, at `/ws`.
async fn settings() -> TestHost {
    TestHost::serving(guests::SETTINGS).route("/ws").start().await
}

/// What the host answers to one request on a connection of its own.
async fn answer(host: &TestHost, request: &Request) -> Response {
    Raw::connect(host.addr()).await.request(request).await
}

/// A handshake at `/echo` with some header fields replaced; a value of `-` removes one.
fn changed(host: &TestHost, changes: &[(&str, &str)]) -> Request {
    changes.iter().fold(Request::upgrade(host, "/echo"), |request, (name, value)| match *value {
        "-" => request.without(name),
        value => request.with(name, value),
    })
}

#[tokio::test]
async fn a1_01_no_route_and_other_methods() {
    let host = minimal().await;
    for (method, target, status) in
        [("GET", "/nowhere", 404), ("GET", "/echo/", 404), ("POST", "/nowhere", 404), ("DELETE", "/echo", 405)]
    {
        let request = Request { method: method.to_owned(), ..Request::upgrade(&host, target) };
        let response = answer(&host, &request).await;
        assert_eq!(response.status, status, "{method} {target}");
        assert_eq!(response.header("allow"), (status == 405).then_some("GET"), "{method} {target}");
    }
    // A refusal does not end the connection, and the next request on it may become a WebSocket.
    let mut raw = Raw::connect(host.addr()).await;
    assert_eq!(raw.request(&Request::upgrade(&host, "/nowhere")).await.status, 404);
    assert_eq!(raw.request(&Request::upgrade(&host, "/echo")).await.status, 101);
    raw.send_frame(TEXT, b"Hello").await;
    assert_eq!(raw.frame().await.payload, b"Hello");
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn a1_02_03_08_header_fields_that_a_handshake_needs() {
    const UPGRADE: &str = "Can \"Upgrade\" only to \"WebSocket\".";
    const CONNECTION: &str = "\"Connection\" must be \"Upgrade\".";
    const HEADERS: &str = "Missing/Invalid WebSocket headers";
    let host = minimal().await;
    for (name, value, status, text) in [
        ("Upgrade", "h2c", 400, UPGRADE),
        ("Upgrade", "-", 426, UPGRADE),
        ("Upgrade", "WebSocket", 101, ""),
        ("Connection", "keep-alive", 400, CONNECTION),
        ("Connection", "-", 400, CONNECTION),
        ("Connection", "keep-alive, UPGRADE", 101, ""),
        ("Sec-WebSocket-Key", "-", 400, HEADERS),
        ("Host", "-", 400, HEADERS),
        ("Host", "user@rebound.example", 400, HEADERS),
    ] {
        let response = answer(&host, &changed(&host, &[(name, value)])).await;
        assert_eq!(response.status, status, "{name}: {value}: {}", response.body);
        assert!(response.body.contains(text), "{name}: {value}: {}", response.body);
    }
    host.stop().await;
}

#[tokio::test]
async fn a1_the_first_fault_in_tornados_order_is_answered() {
    let host = minimal().await;
    let mut faults = vec![
        ("Upgrade", "h2c", 400, "Upgrade\" only to"),
        ("Connection", "close", 400, "\"Connection\" must be"),
        ("Origin", FOREIGN, 403, "Cross origin"),
        ("Sec-WebSocket-Version", "8", 426, "\"13\""),
        ("Content-Length", "5", 400, "must not have a body"),
        ("Sec-WebSocket-Key", "short", 400, "Sec-WebSocket-Key"),
    ];
    let post = Request { method: "POST".to_owned(), ..changed(&host, &[("Upgrade", "h2c"), ("Origin", FOREIGN)]) };
    assert_eq!(answer(&host, &post).await.status, 405);
    while let Some(&(name, _, status, text)) = faults.first() {
        let changes: Vec<_> = faults.iter().map(|(name, value, ..)| (*name, *value)).collect();
        let response = answer(&host, &changed(&host, &changes)).await;
        assert_eq!(response.status, status, "{name}: {}", response.body);
        assert!(response.body.contains(text), "{name}: {}", response.body);
        faults.remove(0);
    }
    host.stop().await;
}

#[tokio::test]
async fn a1_04_06_the_origin_rule() {
    let host = minimal().await;
    let same = format!("HTTPS://{}", host.addr());
    for (origin, site, allowed) in [
        ("-", "-", true),
        (same.as_str(), "-", true),
        (FOREIGN, "-", false),
        ("null", "-", false),
        ("https://127.0.0.1:1", "-", false),
        (FOREIGN, "same-origin", true),
        (FOREIGN, "none", true),
        (&same, "same-site", false),
        ("-", "cross-site", false),
        ("https://trusted.example", "cross-site", true),
        ("https://trusted.example", "-", true),
        ("http://trusted.example", "-", false),
        ("https://trusted.example:444", "-", false),
        ("https://a.wild.example", "-", true),
        ("https://wild.example", "-", false),
        ("https://a.wild.example.evil.example", "-", false),
    ] {
        let response = answer(&host, &changed(&host, &[("Origin", origin), ("Sec-Fetch-Site", site)])).await;
        assert_eq!(response.status, if allowed { 101 } else { 403 }, "Origin: {origin}, Sec-Fetch-Site: {site}");
        assert_eq!(response.body, if allowed { "" } else { "Cross origin websockets not allowed" });
    }
    // Only the old drafts used it.
    let old = answer(&host, &changed(&host, &[("Sec-WebSocket-Origin", FOREIGN)])).await;
    assert_eq!(old.status, 101);
    host.stop().await;
}

#[tokio::test]
async fn a1_05_the_guest_overrules_the_origin_rule() {
    let host = settings().await;
    let refused = refusal(Client::try_connect(&host, "/ws", &[("origin", FOREIGN)]).await);
    assert_eq!((refused.status().as_u16(), body(&refused).as_str()), (403, "Cross origin websockets not allowed"));
    Client::connect_with(&host, "/ws?origin=allow", &[("origin", FOREIGN)]).await.close(1000, "").await;
    let same = format!("http://{}", host.addr());
    Client::connect_with(&host, "/ws", &[("origin", &same)]).await.close(1000, "").await;
    let log = host.stop().await;
    assert_eq!(log.matches("event check-origin origin=https://evil.example").count(), 2, "{log}");
    assert_eq!(log.matches("event check-origin").count(), 2, "asked for the same origin too: {log}");
}

#[tokio::test]
async fn a1_07_versions() {
    let host = minimal().await;
    let draft_76 = [("Sec-WebSocket-Key", "-"), ("Sec-WebSocket-Version", "-"), ("Sec-WebSocket-Key1", "4 @1 46 1 5")];
    for (changes, text) in [
        (&[("Sec-WebSocket-Version", "8")][..], "must be \"13\", not \"8\""),
        (&[("Sec-WebSocket-Version", "13, 8")], "not \"13, 8\""),
        (&[("Sec-WebSocket-Version", "-")], "is missing"),
        (&draft_76, "draft-hixie-thewebsocketprotocol-76"),
    ] {
        let response = answer(&host, &changed(&host, changes)).await;
        assert_eq!((response.status, response.header("sec-websocket-version")), (426, Some("13")), "{changes:?}");
        assert!(response.body.contains(text), "{changes:?}: {}", response.body);
    }
    host.stop().await;
}

#[tokio::test]
async fn a1_09_10_response_headers_and_refusals_of_the_guest() {
    let host = settings().await;
    let path = "/ws?header=X-Room:caf%C3%A9&header=Set-Cookie:a%3D1&header=Set-Cookie:b%3D2&header=Server:mine";
    let (client, response) = Client::try_connect(&host, path, &[]).await.expect("accepted");
    assert_eq!(response.headers()["x-room"].as_bytes(), "café".as_bytes());
    assert_eq!(response.headers().get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(response.headers().get_all("server").iter().collect::<Vec<_>>(), ["mine"]);
    client.close(1000, "").await;

    let path = "/ws?refuse=401&header=WWW-Authenticate:Basic&body=who+are+you%3F&header=X-Room:1";
    // Refused before the origin is judged: prepare comes first.
    let refused = refusal(Client::try_connect(&host, path, &[("origin", FOREIGN)]).await);
    assert_eq!((refused.status().as_u16(), body(&refused).as_str()), (401, "who are you?"));
    assert_eq!((header(&refused, "www-authenticate"), header(&refused, "x-room")), ("Basic", "1"));
    let moved = refusal(Client::try_connect(&host, "/ws?refuse=302&header=Location:/login", &[]).await);
    assert_eq!((moved.status().as_u16(), header(&moved, "location")), (302, "/login"));
    host.stop().await;
}

#[tokio::test]
async fn a1_12_13_the_subprotocol_is_the_guests_choice() {
    let host = settings().await;
    let offers = ("sec-websocket-protocol", "chat, superchat");
    for (path, headers, chosen) in [
        ("/ws", &[][..], ""),
        ("/ws", &[offers], ""),
        ("/ws?subprotocol=first", &[offers], "chat"),
        ("/ws?subprotocol=last", &[offers, ("sec-websocket-protocol", "third")], "third"),
    ] {
        let mut raw = Raw::connect(host.addr()).await;
        let request = headers.iter().fold(Request::upgrade(&host, path), |it, (name, value)| it.header(name, value));
        let response = raw.request(&request).await;
        let answered = response.header("sec-websocket-protocol").unwrap_or_default();
        assert_eq!((response.status, answered), (101, chosen), "{path} {headers:?}");
        raw.send_frame(TEXT, b"inspect").await;
        let expected = format!("subprotocol={}", if chosen.is_empty() { "none" } else { chosen });
        assert_eq!(String::from_utf8(raw.frame().await.payload).unwrap(), expected);
    }
    let log = host.stop().await;
    assert_eq!(log.matches("event select-subprotocol").count(), 4, "asked once per handshake: {log}");
    assert!(log.contains("offered=[]") && log.contains("offered=[chat,superchat,third]"), "{log}");
}

#[tokio::test]
async fn a1_14_15_16_the_101_and_declined_extensions() {
    let host = minimal().await;
    for extensions in
        ["-", "permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=8"]
    {
        let response = answer(&host, &changed(&host, &[("Sec-WebSocket-Extensions", extensions)])).await;
        let mut names: Vec<_> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(response.status, 101, "{extensions}");
        assert_eq!(names, ["connection", "date", "sec-websocket-accept", "server", "upgrade"], "{extensions}");
        assert_eq!(response.header("upgrade"), Some("websocket"));
        assert_eq!(response.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
        assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT));
    }
    host.stop().await;
}

#[tokio::test]
async fn a1_18_what_the_handler_sees_of_the_request() {
    let host = TestHost::serving(guests::PROBE).route("/p/{room}").start().await;
    let same = format!("http://{}", host.addr());
    let headers = [("origin", same.as_str()), ("x-two", "1"), ("X-TWO", "2"), ("sec-websocket-protocol", "a,b")];
    // tungstenite's client rejects a 101 that chooses none of its offers, so the request goes out by hand.
    let mut raw = Raw::connect(host.addr()).await;
    let request = Request::upgrade(&host, "/p/r%20oom?a=%20b&a=c?");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(raw.request(&request).await.status, 101);
    raw.send_frame(TEXT, b"request\nheaders\nheader x-two\nargs").await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(String::from_utf8(raw.frame().await.payload).unwrap());
    }
    let peer = format!("peer={}", raw.into_stream().local_addr().unwrap());
    let start = format!("path=/p/r%20oom query=a=%20b&a=c? host={} origin={same} subprotocols=[a,b]", host.addr());
    assert_eq!(answers[0], format!("{start} {peer} secure=false"));
    let names =
        "host,upgrade,connection,sec-websocket-key,sec-websocket-version,origin,x-two,x-two,sec-websocket-protocol";
    assert_eq!(answers[1..], [names, "1", "[room=r oom]"]);
    host.stop().await;
}
