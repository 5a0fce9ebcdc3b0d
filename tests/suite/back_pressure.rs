//! Peers that send and do not read: the host stops reading from them, and loses nothing (FAULTS.md R01, R02, R06).

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::raw::{BINARY, Frame, PING, PONG};
use crate::support::{Client, Raw, TestHost, guests, within};

/// More than the kernel's buffers in both directions and all that a host may keep take together.
const FLOOD: usize = 32 << 20;
/// A host that reads nothing for so long has stopped reading.
const STALL: Duration = Duration::from_millis(500);

/// Sends until all is sent or the host stops reading; yields the bytes sent.
async fn flood(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    let mut sent = 0;
    while sent < bytes.len() {
        let end = bytes.len().min(sent + 64 * 1024);
        match timeout(STALL, stream.write(&bytes[sent..end])).await {
            Ok(written) => sent += written.expect("the host keeps the connection"),
            Err(_) => break,
        }
    }
    sent
}

/// Memory of the host's own, in KiB.
fn resident_kib(host: &TestHost) -> u64 {
    let status = format!("/proc/{}/status", host.pid().as_raw_nonzero());
    let text = std::fs::read_to_string(&status).expect("the host runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}

#[tokio::test]
async fn a_peer_that_sends_before_it_reads_gets_everything_back() {
    let host = TestHost::serving(guests::ECHO).start().await;
    let mut stream = Raw::open(&host, "/").await.into_stream();
    for size in [100, 10_000] {
        let frame = Frame::new(BINARY, &vec![7; size]).bytes();
        let count = FLOOD / frame.len();
        let bytes = frame.repeat(count);
        let sent = flood(&mut stream, &bytes).await;
        assert!(sent < bytes.len(), "the host reads on though nobody takes its answers");
        // Now the peer reads, and sends the rest meanwhile.
        let (mut reader, mut writer) = stream.split();
        let write = async { writer.write_all(&bytes[sent..]).await.expect("the host keeps the connection") };
        let echo = Frame { masked: false, ..Frame::new(BINARY, &vec![7; size]) }.bytes();
        let read = async {
            let mut buffer = vec![0; echo.len() * 100];
            for _ in 0..count / 100 {
                within("the echo", reader.read_exact(&mut buffer)).await.expect("the host keeps the connection");
                assert!(buffer.chunks(echo.len()).all(|part| part == echo), "an echo of {size} bytes was changed");
            }
            let rest = &mut buffer[..echo.len() * (count % 100)];
            within("the echo", reader.read_exact(rest)).await.expect("the host keeps the connection");
        };
        tokio::join!(write, read);
    }
    drop(stream);
    host.stop().await;
}

#[tokio::test]
async fn r01_pings_of_a_peer_that_does_not_read_are_not_hoarded() {
    let host = TestHost::serving(guests::ECHO).start().await;
    let mut other = Client::connect(&host, "/").await;
    assert_eq!(other.ask("warm").await, "warm");
    let before = resident_kib(&host);
    let mut stream = Raw::open(&host, "/").await.into_stream();
    let pings = Frame::new(PING, &[b'x'; 125]).bytes().repeat(FLOOD / 131);
    let sent = flood(&mut stream, &pings).await;
    assert!(sent < pings.len(), "the host reads on though nobody takes its pongs");
    let grown = resident_kib(&host).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    assert_eq!(other.ask("still here").await, "still here");
    drop((stream, other));
    host.stop().await;
}

#[tokio::test]
async fn r02_pongs_that_nobody_asked_for_cost_nothing() {
    let host = TestHost::serving(guests::ECHO).start().await;
    let mut raw = Raw::open(&host, "/").await;
    let before = resident_kib(&host);
    let pongs = Frame::new(PONG, &[b'x'; 125]).bytes().repeat(10_000);
    raw.send(&pongs).await;
    raw.send_frame(1, b"behind them").await;
    assert_eq!(raw.frame().await.payload, b"behind them");
    let grown = resident_kib(&host).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
    drop(raw);
    host.stop().await;
}

#[tokio::test]
async fn a_peer_that_reads_never_fills_a_small_outbound() {
    let host = TestHost::serving(guests::ECHO).limit("outbound", "16KiB").start().await;
    let mut stream = Raw::open(&host, "/").await.into_stream();
    let frame = Frame::new(BINARY, &[7; 1000]).bytes();
    let (mut reader, mut writer) = stream.split();
    let bytes = frame.repeat(1000);
    let write = async { writer.write_all(&bytes).await.expect("the host keeps the connection") };
    let read = async {
        let mut buffer = vec![0; 1004 * 1000];
        within("the echo", reader.read_exact(&mut buffer)).await.expect("the host keeps the connection");
    };
    tokio::join!(write, read);
    drop(stream);
    host.stop().await;
}
