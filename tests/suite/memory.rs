//! The memory of all buffers has a ceiling, whatever clients send or do not read, and comes back (FAULTS.md R05, R11).

use tokio::io::AsyncWriteExt as _;

use crate::support::client::{body, header};
use crate::support::host::Builder;
use crate::support::raw::{BINARY, Frame, TEXT};
use crate::support::{Client, Raw, TestHost, guests, within};

const MIB: u64 = 1024;
const BUDGET: u64 = 32 * MIB;
/// What the host may take beside its budget, as docs/operations.md tells it: three of the largest messages for each of
/// two threads.
const BESIDE: u64 = 60 * MIB;
const BUFFERED: &str = "whimbrel_buffered_bytes";
const EVICTED: &str = "whimbrel_connections_evicted_total";

fn budgeted(guest: &str) -> Builder {
    TestHost::serving(guest).host("metrics = \"127.0.0.1:0\"\n[host]\nmemory_budget = \"32MiB\"")
}

/// The beginning of a message of 10 MiB, with so much of its payload.
fn begun(size: usize) -> Vec<u8> {
    let frame = Frame::new(BINARY, &vec![7; size]);
    [frame.head(10 << 20), vec![0; 4], vec![7; size]].concat()
}

/// A host that keeps its budget, whose canary is alive.
async fn assert_in_budget(host: &TestHost, before_kib: u64, canary: &mut Client) {
    assert_eq!(canary.ask("alive").await, "alive");
    let buffered = host.metric(BUFFERED).await;
    assert!(buffered <= (BUDGET * 1024) as f64, "{buffered} bytes");
    let grown = host.peak_kib().saturating_sub(before_kib);
    assert!(grown < BUDGET + BESIDE, "{} MiB at the peak", grown / MIB);
}

#[tokio::test]
async fn r11_attachments_of_many_connections() {
    let host = TestHost::serving(guests::PROBE)
        .host("metrics = \"127.0.0.1:0\"\n[host]\nmemory_budget = \"1MiB\"")
        .limit("max_message_size", "64KiB")
        .limit("outbound", "64KiB")
        .start()
        .await;
    let mut clients = Vec::new();
    for _ in 0..65 {
        clients.push(Client::connect(&host, "/").await);
    }
    for client in clients.iter_mut().take(64) {
        assert_eq!(client.ask("attach-size 16383").await, "ok");
    }
    // Each below the step that the other buffers are counted in, and all of them just fit.
    host.wait_metric(BUFFERED, 64.0 * 16383.0).await;
    assert_eq!(host.metric(EVICTED).await, 0.0);
    assert!(Client::try_connect(&host, "/", &[]).await.is_err());
    clients[64].text("attach-size 16383").await;
    host.wait_metric(EVICTED, 1.0).await;
    drop(clients);
    host.wait_metric(BUFFERED, 0.0).await;
    host.stop().await;
}

#[tokio::test]
async fn r11_messages_that_do_not_end_on_many_connections() {
    let host = budgeted(guests::MINIMAL).limit("memory", "4MiB").start().await;
    let mut canary = Client::connect(&host, "/").await;
    let mut peers = Vec::new();
    for _ in 0..20 {
        peers.push(Raw::open(&host, "/").await);
    }
    assert_eq!(canary.ask("warm").await, "warm");
    let before = host.resident_kib();
    let bytes = begun(9 << 20);
    for peer in &mut peers {
        peer.send_anyway(&bytes).await;
    }
    let line = host.wait_log(" bytes wait on this connection, the most of ").await;
    for part in ["host.memory_budget: ", "connection=", "allowed: 33554432"] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    assert_in_budget(&host, before, &mut canary).await;
    // 20 times 9 MiB came, of which three times fit.
    let evicted = host.metric(EVICTED).await;
    assert!(evicted >= 16.0, "{evicted}");
    peers.remove(0).closed_with(1013).await;

    // Between 7/8 of the budget and all of it nobody new is let in.
    let mut last = Raw::open(&host, "/").await;
    last.send(&begun(3 << 20)).await;
    let refused = within("the host to be near its budget", async {
        loop {
            if let Err(refused) = Client::try_connect(&host, "/", &[]).await {
                return refused;
            }
        }
    });
    let refused = refused.await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, "5"), "{}", body(&refused));
    assert!(body(&refused).contains("no memory"), "{}", body(&refused));

    drop((peers, last));
    host.wait_metric(BUFFERED, 0.0).await;
    Client::connect(&host, "/").await.close(1000, "").await;
    drop(canary);
    let log = host.stop().await;
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn r11_after_a_large_message_the_host_keeps_no_buffer() {
    const PEERS: u64 = 8;
    const SIZE: usize = 9 << 20;
    let host = TestHost::serving(guests::ECHO).host("metrics = \"127.0.0.1:0\"").start().await;
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        let mut peer = Raw::open(&host, "/").await;
        peer.send_frame(TEXT, b"warm").await;
        assert_eq!(peer.frame().await.payload, b"warm");
        peers.push(peer);
    }
    let before = host.resident_kib();
    let message = Frame::new(BINARY, &vec![7; SIZE]).bytes();
    let mut echo = vec![0; SIZE + 10];
    for peer in &mut peers {
        peer.send(&message).await;
        peer.read_exact(&mut echo).await;
        assert!(echo[10..].iter().all(|byte| *byte == 7));
    }
    host.wait_metric(BUFFERED, 0.0).await;
    // The guests keep the message's size in their own memory, which never shrinks: once each, and not twice.
    let most = PEERS * (SIZE as u64 / 1024 + 3 * MIB);
    host.wait_until("the buffers to be given back", |host| {
        let grown = host.resident_kib().saturating_sub(before);
        if grown < most { Ok(()) } else { Err(format!("{grown} KiB more; {most} are the guests'")) }
    })
    .await;
    for peer in &mut peers {
        peer.send_frame(TEXT, b"still here").await;
        assert_eq!(peer.frame().await.payload, b"still here");
    }
    drop(peers);
    host.stop().await;
}

#[tokio::test]
async fn r06_slow_readers_of_a_guest_that_sends() {
    let host = budgeted(guests::PROBE).limit("execution", "5s").start().await;
    let mut canary = Client::connect(&host, "/?open=id").await;
    canary.receive_text().await;
    let mut peers = Vec::new();
    for _ in 0..12 {
        peers.push(Raw::open(&host, "/").await);
    }
    let before = host.resident_kib();
    for peer in &mut peers {
        peer.send_frame(TEXT, b"burst 10 1000000\nprint burst").await;
    }
    host.wait_log(" bytes wait on this connection").await;
    assert_eq!(canary.ask("count").await, "1");
    let buffered = host.metric(BUFFERED).await;
    assert!(buffered <= (BUDGET * 1024) as f64, "{buffered} bytes");
    let grown = host.peak_kib().saturating_sub(before);
    // Each guest has a message of a megabyte and what it takes to make one.
    assert!(grown < BUDGET + BESIDE + 13 * 4 * MIB, "{} MiB at the peak", grown / MIB);
    assert!(host.metric(EVICTED).await >= 1.0);
    // The transport of one who does not read is dropped, without a close frame behind 10 MB; its guest hears of it.
    host.wait_log("event close id=").await;
    assert!(host.log_text().contains("cause=slow-consumer"), "{}", host.log_text());
    drop(peers);
    host.wait_metric(BUFFERED, 0.0).await;
    drop(canary);
    host.stop().await;
}

#[tokio::test]
async fn r06_publications_to_subscribers_that_do_not_read() {
    let host = budgeted(guests::PROBE).limit("memory", "16MiB").start().await;
    let mut publisher = Client::connect(&host, "/").await;
    let mut subscribers = Vec::new();
    for _ in 0..12 {
        subscribers.push(Raw::open(&host, "/?open=subscribe+news").await);
    }
    let mut reader = Client::connect(&host, "/?open=subscribe+news").await;
    assert_eq!(reader.receive_text().await, "ok");
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.frame().await.payload, b"ok");
    }
    let publication = "x".repeat(1 << 20);
    for _ in 0..10 {
        assert!(publisher.ask(&format!("publish news {publication}")).await.starts_with("ok "));
        assert_eq!(reader.receive_text().await.len(), publication.len(), "one who reads misses nothing");
    }
    host.wait_log(" bytes wait on this connection").await;
    let buffered = host.metric(BUFFERED).await;
    assert!(buffered <= (BUDGET * 1024) as f64, "{buffered} bytes");
    drop(subscribers);
    host.wait_metric(BUFFERED, 0.0).await;
    drop((publisher, reader));
    host.stop().await;
}

#[tokio::test]
async fn f12_new_connections_are_refused_while_memory_is_short() {
    // One percent of any machine's memory is less than a host takes, once it has some.
    let host = TestHost::serving(guests::PROBE)
        .limit("memory", "1GiB")
        .limit("execution", "5s")
        .host("[host]\nmemory_pressure = \"1%\"\nmemory_budget = \"1TiB\"")
        .start()
        .await;
    let mut open = Client::connect(&host, "/").await;
    assert_eq!(open.ask("grow 256").await, "ok");
    let refused = within("the host to notice", async {
        loop {
            if let Err(refused) = Client::try_connect(&host, "/", &[]).await {
                return refused;
            }
        }
    });
    let refused = refused.await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, "5"));
    host.wait_log("host.memory_pressure: ").await;
    assert_eq!(open.ask("count").await, "2", "who is there stays");
    // Its memory comes back, and with it room for others.
    drop(open);
    within("the host to recover", async { while Client::try_connect(&host, "/", &[]).await.is_err() {} }).await;
    host.stop().await;
}

#[tokio::test]
async fn t2_large_messages_arrive_as_they_were_sent() {
    let host = TestHost::serving(guests::ECHO).limit("max_message_size", "1MiB").start().await;
    let mut stream = Raw::open(&host, "/").await.into_stream();
    let payload: Vec<u8> = (0..1_u32 << 20).map(|index| (index % 251) as u8).collect();
    // Whole, in two frames with a ping between them, and byte by byte around the headers.
    let (first, second) = payload.split_at(300_001);
    let begin = Frame::new(BINARY, first).unfinished().bytes();
    let end = Frame { opcode: 0, ..Frame::new(BINARY, second) }.bytes();
    let ping = Frame::new(9, b"between").bytes();
    let all = [Frame::new(BINARY, &payload).bytes(), begin, ping, end].concat();
    let (mut reader, mut writer) = stream.split();
    let write = async {
        for part in all[..20].chunks(1).chain(all[20..].chunks(12_345)) {
            writer.write_all(part).await.expect("the host reads");
            writer.flush().await.expect("the host reads");
        }
    };
    let echo = Frame { masked: false, ..Frame::new(BINARY, &payload) }.bytes();
    let pong = [&[0x8a, 7][..], b"between"].concat();
    let read = async {
        let mut bytes = vec![0; 2 * echo.len() + pong.len()];
        let reading = tokio::io::AsyncReadExt::read_exact(&mut reader, &mut bytes);
        within("the echoes", reading).await.expect("the host answers");
        bytes
    };
    let ((), bytes) = tokio::join!(write, read);
    // A pong is queued when its ping is read, be the guest still busy with the message before it.
    let orders = [[&echo[..], &pong, &echo], [&pong, &echo, &echo]];
    assert!(orders.iter().any(|order| bytes == order.concat()), "something was changed");
    drop(stream);
    host.stop().await;
}
