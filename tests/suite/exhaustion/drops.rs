//! Peers that leave without a word, in every state that a connection has.

use super::{hits, probe};
use crate::support::raw::{BINARY, CLOSE, CONTINUATION, Frame, PING, Request, TEXT};
use crate::support::{Canary, Raw, TestHost};

/// Brings a connection into a state, of which there are so many.
const STATES: usize = 11;
async fn state(host: &TestHost, number: usize) -> Raw {
    let request = Request::upgrade(host, "/").text();
    let mut raw = Raw::connect(host.addr()).await;
    match number {
        0 => return raw,
        1 => raw.send(&request.as_bytes()[..20]).await,
        2 => raw.send(request.as_bytes()).await,
        _ => {
            raw.send(request.as_bytes()).await;
            assert_eq!(raw.response().await.status, 101);
        }
    }
    match number {
        4 => raw.send(&[0x81]).await,
        5 => raw.send(&Frame::new(BINARY, &[7; 1000]).bytes()[..500]).await,
        6 => raw.send(&Frame::new(TEXT, b"part").unfinished().bytes()).await,
        7 => raw.send(&[Frame::new(TEXT, b"").unfinished().bytes(), Frame::new(PING, b"x").bytes()].concat()).await,
        8 => {
            raw.send(&[Frame::new(TEXT, b"id"), Frame::new(CONTINUATION, b"wrong")].map(|it| it.bytes()).concat()).await
        }
        9 => raw.send_frame(TEXT, b"burst 50 100000").await,
        10 => raw.send(&[Frame::new(TEXT, b"id"), Frame::new(CLOSE, b"")].map(|it| it.bytes()).concat()).await,
        _ => {}
    }
    raw
}

#[tokio::test]
async fn p20_p21_peers_that_leave_in_any_state_leave_nothing() {
    let host = probe().limit("execution", "5s").start().await;
    let canary = Canary::start(&host, "/echo", 2).await;
    // Once each, so that what is allocated once is there.
    for number in 0..STATES {
        drop(state(&host, number).await);
    }
    let (connections, instances) = (
        "whimbrel_connections{deployment=\"guest\"}",
        "whimbrel_instances{deployment=\"guest\",scope=\"connection\",state=\"active\"}",
    );
    host.wait_metric(connections, 0.0).await;
    host.wait_metric(instances, 0.0).await;
    let files = host.files();
    for round in 0..20 {
        for number in 0..STATES {
            let stream = state(&host, number).await.into_stream();
            if round % 2 == 0 {
                stream.set_zero_linger().expect("a TCP socket");
            }
        }
    }
    host.wait_metric(instances, 0.0).await;
    host.wait_metric(connections, 0.0).await;
    // The connections of the metrics themselves may not be gone yet.
    assert!(host.files() <= files + 3, "{files} files were open, and now {}", host.files());
    assert_eq!(host.metric(&hits("message_time")).await, 0.0);
    canary.finish().await;
    let log = host.stop().await;
    assert!(!log.contains("panicked"), "{log}");
}

/// A peer that has closed its side of the stream hears nothing more, and holds nothing.
#[tokio::test]
async fn p20_a_half_closed_peer_is_gone() {
    let host = probe().start().await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_frame(TEXT, b"print heard").await;
    let mut stream = raw.into_stream();
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await.expect("the connection is open");
    host.wait_log("event close id=1 code=none reason=\"\" cause=network messages=1").await;
    host.wait_metric("whimbrel_connections{deployment=\"guest\"}", 0.0).await;
    assert!(host.stop().await.contains(" heard "));
}
