//! Rows of TORNADO.md A1 and FAULTS.md H that are about the request alone.

use http::Request;

use super::*;

/// The example of RFC 6455 section 1.3 with some headers replaced (a value of `-` removes one) and others added.
fn request(method: &str, changes: &[(&'static str, &str)]) -> Parts {
    let mut headers = vec![
        ("host", "server.example.com"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];
    headers.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    headers.extend(changes.iter().filter(|(_, value)| *value != "-"));
    let builder = Request::builder().method(method).uri("/chat/a%20b?x=1&y");
    let builder = headers.into_iter().fold(builder, |builder, (name, value)| builder.header(name, value.as_bytes()));
    builder.body(()).unwrap().into_parts().0
}

fn refused(method: &str, changes: &[(&'static str, &str)]) -> (u16, String, HeaderMap) {
    let refusal = Upgrade::check(&request(method, changes)).expect_err("accepted");
    let (head, body) = refusal.into_response().into_parts();
    (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap(), head.headers)
}

fn accepted(changes: &[(&'static str, &str)]) -> Upgrade {
    Upgrade::check(&request("GET", changes)).expect("refused")
}

#[test]
fn the_example_of_the_rfc() {
    let upgrade = accepted(&[("origin", "http://example.com"), ("sec-websocket-protocol", "chat, superchat")]);
    assert_eq!(upgrade.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(upgrade.host, "server.example.com");
    assert_eq!(upgrade.origin.as_deref(), Some("http://example.com"));
    assert_eq!(upgrade.subprotocols, ["chat", "superchat"]);
    assert_eq!((upgrade.path.as_str(), upgrade.query.as_deref()), ("/chat/a%20b", Some("x=1&y")));
    assert_eq!(upgrade.headers.first(), Some(&("host".to_owned(), b"server.example.com".to_vec())));
    assert_eq!(upgrade.headers.len(), 7);
}

#[test]
fn h01_a_plain_get_is_told_to_upgrade() {
    let (status, body, headers) = refused("GET", &[("upgrade", "-"), ("connection", "-")]);
    assert_eq!((status, body.as_str()), (426, "Can \"Upgrade\" only to \"WebSocket\"."));
    assert_eq!(headers["upgrade"], "websocket");
    assert_eq!(headers["connection"], "Upgrade");
    assert_eq!(headers["sec-websocket-version"], "13");
}

#[test]
fn h02_another_method_is_refused_first() {
    for method in ["POST", "PUT", "HEAD", "OPTIONS"] {
        let (status, _, headers) = refused(method, &[("upgrade", "-")]);
        assert_eq!((status, &headers["allow"]), (405, &"GET".parse().unwrap()), "{method}");
    }
}

#[test]
fn upgrade_and_connection_are_compared_without_case() {
    accepted(&[("upgrade", "WebSocket"), ("connection", "keep-alive , UPGRADE")]);
    accepted(&[("connection", "keep-alive"), ("connection", "Upgrade")]);
    let (status, body, _) = refused("GET", &[("upgrade", "h2c")]);
    assert_eq!((status, body.as_str()), (400, "Can \"Upgrade\" only to \"WebSocket\"."));
    for connection in ["-", "keep-alive", "upgraded", "up grade"] {
        let (status, body, _) = refused("GET", &[("connection", connection)]);
        assert_eq!((status, body.as_str()), (400, "\"Connection\" must be \"Upgrade\"."), "{connection}");
    }
}

#[test]
fn h03_only_version_13() {
    for (version, expected) in [
        ("8", "\"Sec-WebSocket-Version\" must be \"13\", not \"8\"."),
        ("13, 8", "\"Sec-WebSocket-Version\" must be \"13\", not \"13, 8\"."),
        ("-", "\"Sec-WebSocket-Version\" is missing; it must be \"13\"."),
    ] {
        let (status, body, headers) = refused("GET", &[("sec-websocket-version", version)]);
        assert_eq!((status, body.as_str()), (426, expected));
        assert_eq!(headers["sec-websocket-version"], "13");
    }
    let draft_76 =
        [("sec-websocket-version", "-"), ("sec-websocket-key", "-"), ("sec-websocket-key1", "4 @1  46546xW%0l 1 5")];
    let (status, body, _) = refused("GET", &draft_76);
    assert_eq!(status, 426);
    assert!(body.contains("draft-hixie-thewebsocketprotocol-76"), "{body}");
}

#[test]
fn h04_the_key_is_16_bytes_in_base64_once() {
    let expected = |detail: &str| format!("Missing/Invalid WebSocket headers: \"Sec-WebSocket-Key\" {detail}.");
    for key in [
        "",
        "x",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25j*Q==",
        "dGhlIHNhbXBsZSBub25jZSEh",
    ] {
        let (status, body, _) = refused("GET", &[("sec-websocket-key", key)]);
        assert_eq!((status, body), (400, expected(&format!("must be 16 bytes in base64, not {key:?}"))));
    }
    assert_eq!(refused("GET", &[("sec-websocket-key", "-")]).1, expected("is missing"));
    let twice = [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
    assert_eq!(refused("GET", &twice).1, expected("must be sent once only"));
}

#[test]
fn h05_http_1_0_is_refused() {
    let mut parts = request("GET", &[]);
    parts.version = Version::HTTP_10;
    let refusal = Upgrade::check(&parts).unwrap_err();
    assert_eq!(refusal.status, 400);
    assert_eq!(refusal.body, "Missing/Invalid WebSocket headers: a WebSocket needs HTTP/1.1.");
}

#[test]
fn h06_h07_exactly_one_host() {
    assert_eq!(refused("GET", &[("host", "-")]).1, "Missing/Invalid WebSocket headers: \"Host\" is missing.");
    let two = [("host", "a.example"), ("host", "a.example")];
    assert_eq!(refused("GET", &two).1, "Missing/Invalid WebSocket headers: \"Host\" must be sent once only.");
    for host in ["", "a b", "a/b", "user@a.example"] {
        assert_eq!(refused("GET", &[("host", host)]).0, 400, "{host}");
    }
    for host in ["a.example:8080", "[::1]:80", "10.0.0.1", "localhost"] {
        assert_eq!(accepted(&[("host", host)]).host, host);
    }
}

#[test]
fn h08_a_body_is_refused_and_the_connection_closed() {
    for body in [("content-length", "5"), ("content-length", "00"), ("transfer-encoding", "chunked")] {
        let (status, text, headers) = refused("GET", &[body]);
        assert_eq!(
            (status, text.as_str()),
            (400, "Missing/Invalid WebSocket headers: the request must not have a body.")
        );
        assert_eq!(headers["connection"], "close");
    }
    accepted(&[("content-length", "0")]);
}

#[test]
fn h21_subprotocols_are_bounded() {
    let blanks = " ,".repeat(5 * 1024);
    assert_eq!(accepted(&[("sec-websocket-protocol", &blanks)]).subprotocols, Vec::<String>::new());
    let lines = [("sec-websocket-protocol", "a ,, b"), ("sec-websocket-protocol", "c,a")];
    assert_eq!(accepted(&lines).subprotocols, ["a", "b", "c", "a"]);
    assert_eq!(accepted(&[("sec-websocket-protocol", &vec!["p"; 100].join(","))]).subprotocols.len(), 100);
    let (status, body, _) = refused("GET", &[("sec-websocket-protocol", &vec!["p"; 101].join(","))]);
    assert_eq!((status, body.contains("at most 100")), (400, true), "{body}");
    assert_eq!(refused("GET", &[("sec-websocket-protocol", "caf\u{e9}")]).0, 400);
}

#[test]
fn headers_that_are_not_utf8_do_not_matter_where_they_are_not_read() {
    let mut parts = request("GET", &[]);
    parts.headers.insert("x-latin", http::HeaderValue::from_bytes(b"caf\xe9").unwrap());
    let upgrade = Upgrade::check(&parts).unwrap();
    assert!(upgrade.headers.contains(&("x-latin".to_owned(), b"caf\xe9".to_vec())));
}

#[test]
fn tornados_order_origin_before_version_before_headers() {
    let wrong = [("origin", "https://evil.example"), ("sec-websocket-version", "8"), ("sec-websocket-key", "-")];
    let parts = request("GET", &wrong);
    let candidate = Candidate::check(&parts).unwrap();
    assert!(!candidate.origin(|_| false).is_allowed());
    assert!(candidate.origin(|origin| origin == "https://evil.example").is_allowed());
    assert_eq!(candidate.into_upgrade().unwrap_err().status, 426);
}
