//! Last words on a stream without hyper: an answer written by hand, and an end that lets it arrive.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::handshake::Refusal;

/// How long a closed connection is kept for what the peer still sends, and how many bytes of it are read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;

/// Answer with a refusal and close; takes a second at most. For a connection on which no request was read.
pub async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, refusal: Refusal) {
    let response = refusal.into_response();
    let status = response.status();
    let mut head =
        format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or("-")).into_bytes();
    for (name, value) in response.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(
        format!("content-length: {}\r\nconnection: close\r\n\r\n", response.body().len()).as_bytes(),
    );
    head.extend_from_slice(response.body());
    let written = timeout(LINGER, stream.write_all(&head)).await;
    if matches!(written, Ok(Ok(()))) {
        finish(stream).await;
    }
}

/// Close: say so, then read what the peer still sends, within bounds. A close over unread bytes is a reset, and a reset
/// takes what was written last away from the peer.
pub async fn finish<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let lingering = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // Whether it worked changes nothing: the stream is dropped.
    let _ = timeout(LINGER, lingering).await;
}
