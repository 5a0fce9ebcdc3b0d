//! Who is let in before any guest is asked: the names of the host, the handshakes of an address (FAULTS.md H20, H25).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::answer;
use crate::support::raw::Request;
use crate::support::{Raw, TestHost, guests, within};

#[tokio::test]
async fn h20_a_host_answers_to_its_names_only() {
    let host = TestHost::serving(guests::SETTINGS)
        .route("/ws")
        .host("hosts = [\"example.com\", \"*.example.org\", \"127.0.0.1\"]\nmetrics = \"127.0.0.1:0\"")
        .start()
        .await;
    for (name, status) in [
        ("example.com", 101),
        ("EXAMPLE.com:8080", 101),
        ("a.b.example.org", 101),
        ("127.0.0.1:1", 101),
        ("rebound.example", 421),
        ("example.com.rebound.example", 421),
        ("localhost", 421),
        ("[::1]", 421),
        ("", 421),
    ] {
        let response = answer(&host, &Request::upgrade(&host, "/ws").with("Host", name)).await;
        assert_eq!(response.status, status, "{name:?}: {}", response.body);
    }
    // Pages too, and whatever stands in the request's line.
    let page = answer(&host, &Request::new(&host, "GET", "/").with("Host", "rebound.example")).await;
    assert_eq!(page.status, 421);
    let line = answer(&host, &Request::new(&host, "GET", "http://rebound.example/")).await;
    assert_eq!(line.status, 421);
    let nameless = answer(&host, &Request::new(&host, "GET", "/").without("Host")).await;
    assert_eq!(nameless.status, 421);
    let line = host.wait_log("hosts: a request for \"rebound.example\" from 127.0.0.1:").await;
    assert!(line.contains("limit=\"hosts\""), "{line}");
    assert_eq!(host.metric("whimbrel_limits_hit_total{limit=\"hosts\"}").await, 8.0);
    let log = host.stop().await;
    assert_eq!(log.matches("event prepare").count(), 4, "the guest was asked about a foreign name: {log}");
}

#[tokio::test]
async fn h25_handshakes_of_an_address_are_counted_by_the_second() {
    let host = TestHost::serving(guests::SETTINGS).route("/ws").host("[host]\nhandshakes_per_peer = 20").start().await;
    // On one connection, where each is answered with 403 by the guest and the next may follow.
    let refuse = Request::upgrade(&host, "/ws?refuse=403");
    let mut raw = Raw::connect(host.addr()).await;
    let (mut asked, mut last) = (0, 403);
    while last == 403 && asked < 10_000 {
        let response = raw.request(&refuse).await;
        (asked, last) = (asked + 1, response.status);
        if last == 429 {
            assert_eq!(response.header("retry-after"), Some("1"));
            assert!(response.body.contains("too many"), "{}", response.body);
        }
    }
    assert_eq!(last, 429, "after {asked}");
    assert!(asked > 20, "{asked}");
    let line = host.wait_log("host.handshakes_per_peer: ").await;
    assert!(line.contains("from 127.0.0.1:") && line.contains("allowed: 20"), "{line}");
    // Another address is not held, nor are requests for pages.
    assert!(status_from("127.0.0.3:0", &host).await.starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.request(&Request::new(&host, "GET", "/")).await.status, 200);
    // A second later it is over.
    let again = async { while answer(&host, &Request::upgrade(&host, "/ws")).await.status != 101 {} };
    within("the next second", again).await;
    drop(raw);
    let log = host.stop().await;
    assert!(log.matches("event prepare").count() <= asked + 2, "the guest was asked before the limit: {log}");
}

/// The status line that answers a handshake from another of the machine's own addresses.
async fn status_from(address: &str, host: &TestHost) -> String {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(address.parse::<SocketAddr>().expect("an address")).expect("all of 127.0.0.0/8 is this machine");
    let mut stream = within("the connection", socket.connect(host.addr())).await.expect("the host listens");
    stream.write_all(Request::upgrade(host, "/ws").text().as_bytes()).await.expect("the host reads");
    let mut line = vec![0; 13];
    within("the status", stream.read_exact(&mut line)).await.expect("the host answers");
    String::from_utf8(line).expect("a status line is text")
}
