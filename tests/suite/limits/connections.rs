//! How many connections there may be: per deployment, per host, per peer.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::support::client::{body, header, refusal};
use crate::support::raw::Request;
use crate::support::{Client, Raw, TestHost, guests, within};

/// A refused client is told when to come back.
pub(super) async fn is_turned_away(host: &TestHost, path: &str, why: &str) {
    let refused = refusal(Client::try_connect(host, path, &[]).await);
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, "5"), "{}", body(&refused));
    assert!(body(&refused).contains(why), "{}", body(&refused));
}

/// Connects as soon as a place is free again: it is given back a moment after the peer has heard the end.
pub(super) async fn connects_in_the_end(host: &TestHost, path: &str) -> Client {
    let trying = async {
        loop {
            if let Ok((client, _)) = Client::try_connect(host, path, &[]).await {
                return client;
            }
        }
    };
    within("a free place", trying).await
}

#[tokio::test]
async fn connections_of_a_deployment() {
    let host = TestHost::serving(guests::SETTINGS)
        .route("/a/{any}")
        .limit("connections", "2")
        .and_serving("other", guests::MINIMAL)
        .route("/other")
        .start()
        .await;
    let first = Client::connect(&host, "/a/1").await;
    let mut second = Client::connect(&host, "/a/2").await;
    is_turned_away(&host, "/a/3", "This handler has all the connections").await;
    Client::connect(&host, "/other").await.close(1000, "").await;
    first.close(1000, "").await;
    let mut third = connects_in_the_end(&host, "/a/3").await;
    assert_eq!(second.ask("two").await, "two");
    assert_eq!(third.ask("three").await, "three");
    drop((second, third));
    let log = host.stop().await;
    assert_eq!(log.matches("event prepare").count(), 3, "the guest was asked for a place that was not free: {log}");
}

#[tokio::test]
async fn connections_of_the_host() {
    let host = TestHost::serving(guests::MINIMAL).host("[host]\nconnections = 1").start().await;
    let mut first = Client::connect(&host, "/").await;
    // Before a byte of the request: whoever holds a connection open without a word is counted too.
    let refused = Raw::connect(host.addr()).await.response().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert!(refused.body.contains("This host has all the connections"), "{}", refused.body);
    assert_eq!(first.ask("still here").await, "still here");
    first.close(1000, "").await;
    connects_in_the_end(&host, "/").await;
    host.stop().await;
}

#[tokio::test]
async fn connections_of_a_peer() {
    let host = TestHost::serving(guests::MINIMAL).host("[host]\nconnections_per_peer = 1").start().await;
    let first = Client::connect(&host, "/").await;
    is_turned_away(&host, "/", "Your address has all the connections").await;
    assert!(status_from("127.0.0.2:0", &host, "/").await.starts_with("HTTP/1.1 101 "));
    first.close(1000, "").await;
    connects_in_the_end(&host, "/").await;
    host.stop().await;
}

/// The status line that answers a handshake from another of the machine's own addresses.
pub(crate) async fn status_from(address: &str, host: &TestHost, path: &str) -> String {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(address.parse::<SocketAddr>().expect("an address")).expect("all of 127.0.0.0/8 is this machine");
    let mut stream = within("the connection", socket.connect(host.addr())).await.expect("the host listens");
    stream.write_all(Request::upgrade(host, path).text().as_bytes()).await.expect("the host reads");
    let mut line = vec![0; 13];
    within("the status", stream.read_exact(&mut line)).await.expect("the host answers");
    String::from_utf8(line).expect("a status line is text")
}
