//! The first thing that must work: what is sent comes back.

use crate::support::raw::{ACCEPT, BINARY, Frame, Request, TEXT};
use crate::support::{Client, Raw, TestHost, guests};

#[tokio::test]
async fn text_and_binary_come_back_as_what_they_are() {
    let host = TestHost::serving(guests::ECHO).route("/echo").start().await;
    let mut client = Client::connect(&host, "/echo").await;
    client.text("grüße").await;
    assert_eq!(client.receive_text().await, "grüße");
    client.binary(&[0, 255, 10]).await;
    assert_eq!(client.receive_binary().await, [0, 255, 10]);
    client.text("").await;
    assert_eq!(client.receive_text().await, "");
    assert_eq!(client.close(1000, "bye").await.map(|(code, _)| code), Some(1000));
    host.stop().await;
}

#[tokio::test]
async fn bytes_on_the_wire_are_those_of_the_rfc() {
    let host = TestHost::serving(guests::ECHO).route("/echo").start().await;
    let mut raw = Raw::connect(host.addr()).await;
    let response = raw.request(&Request::upgrade(&host, "/echo")).await;
    assert_eq!((response.status, response.header("sec-websocket-accept")), (101, Some(ACCEPT)));

    raw.send_frame(TEXT, b"Hello").await;
    assert_eq!(raw.take(7).await, b"\x81\x05Hello");
    raw.send(&[Frame::new(TEXT, b"Hel").unfinished().bytes(), Frame::new(0, b"lo").bytes()].concat()).await;
    assert_eq!(raw.take(7).await, b"\x81\x05Hello");
    for size in [125, 126, 65_535, 65_536, 1 << 20] {
        raw.send_frame(BINARY, &vec![7; size]).await;
        let frame = Frame { masked: false, ..Frame::new(BINARY, &vec![7; size]) };
        assert!(raw.frame().await == frame, "a message of {size} bytes came back changed");
    }
    raw.send_close(1000, "").await;
    raw.closed_with(1000).await;
    host.stop().await;
}

#[tokio::test]
async fn a_burst_keeps_its_order() {
    let host = TestHost::serving(guests::ECHO).route("/echo").start().await;
    let mut raw = Raw::open(&host, "/echo").await;
    let frames = (0..1000).map(|number| Frame::new(TEXT, format!("{number}").as_bytes()).bytes());
    raw.send(&frames.collect::<Vec<_>>().concat()).await;
    for number in 0..1000 {
        assert_eq!(raw.frame().await.payload, format!("{number}").as_bytes());
    }
    raw.send_close(1000, "").await;
    raw.closed_with(1000).await;
    host.stop().await;
}
