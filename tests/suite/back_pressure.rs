//! Peers that send and do not read: the host stops reading from them, and loses nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::raw::{BINARY, Frame};
use crate::support::{Raw, TestHost, guests, within};

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
