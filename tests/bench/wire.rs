//! The client's side of the wire, as cheap as it can be: it shares the machine with the server it measures.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The key of the example in RFC 6455 section 1.3, and the answer it must get.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
/// A server that takes longer has failed.
const ANSWER_TIME: Duration = Duration::from_secs(20);
const MAX_RESPONSE: usize = 16 * 1024;

/// Opcodes of RFC 6455 section 5.2 that the client sends.
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;

/// Where a WebSocket is opened: `http://HOST:PORT/PATH` or `ws://HOST:PORT/PATH`.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    address: SocketAddr,
    authority: String,
    path: String,
}

impl Target {
    /// The same server with another path.
    pub(crate) fn with_path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    /// What lies at this number below the path.
    pub(crate) fn below(&self, number: usize) -> Self {
        self.clone().with_path(&format!("{}/{number}", self.path))
    }

    /// Where the server accepts connections.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("ws://"))
            .with_context(|| format!("url \"{url}\" must start with http:// or ws://"))?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let address = authority
            .to_socket_addrs()
            .with_context(|| format!("url \"{url}\" must name HOST:PORT"))?
            .next()
            .with_context(|| format!("url \"{url}\" has no address"))?;
        Ok(Self { address, authority: authority.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ws://{}{}", self.authority, self.path)
    }
}

/// Opens a WebSocket: connects, upgrades, checks the 101.
pub(crate) async fn open(target: &Target) -> anyhow::Result<TcpStream> {
    tokio::time::timeout(ANSWER_TIME, upgrade(target))
        .await
        .context("no answer in time")
        .flatten()
        .with_context(|| format!("cannot open {target}"))
}

async fn upgrade(target: &Target) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let Target { authority, path, .. } = target;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::with_capacity(512);
    while !response.ends_with(b"\r\n\r\n") {
        ensure!(response.len() < MAX_RESPONSE, "the response has no end");
        let count = stream.read_buf(&mut response).await?;
        let text = String::from_utf8_lossy(&response);
        ensure!(count > 0, "the server closed after answering {text:?}");
    }
    let text = String::from_utf8_lossy(&response);
    ensure!(text.starts_with("HTTP/1.1 101 ") && text.contains(ACCEPT), "the server answered {text:?}");
    Ok(stream)
}

/// One masked frame with its final bit set.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | opcode);
    // Lengths: RFC 6455 section 5.2; the branch bounds each cast.
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    let masked = payload.iter().zip(MASK.iter().cycle());
    frame.extend(masked.map(|(byte, key)| byte ^ key));
    frame
}

/// Takes a server's frames apart as bytes arrive, in any pieces, and counts complete messages of one expected length.
pub(crate) struct Decoder {
    expected: u64,
    header: [u8; 10],
    header_length: usize,
    payload_left: u64,
    is_control: bool,
    is_final: bool,
    message_length: u64,
}

impl Decoder {
    /// Every message must have `expected` bytes.
    pub(crate) fn new(expected: usize) -> Self {
        Self {
            expected: expected as u64,
            header: [0; 10],
            header_length: 0,
            payload_left: 0,
            is_control: false,
            is_final: false,
            message_length: 0,
        }
    }

    /// The count of messages that `bytes` completed; `on_payload` sees the pieces of their payloads.
    ///
    /// Pings are passed over without an answer: a server that asks for life gets it from the traffic.
    ///
    /// # Errors
    /// A close frame, a masked frame, or a message of another length than expected.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut on_payload: impl FnMut(&[u8])) -> anyhow::Result<u64> {
        let mut messages = 0;
        while !bytes.is_empty() {
            if self.payload_left == 0 {
                self.header[self.header_length] = bytes[0];
                self.header_length += 1;
                bytes = &bytes[1..];
                if !self.is_header_complete() {
                    continue;
                }
                self.begin_frame()?;
            } else {
                let length = self.payload_left.min(bytes.len() as u64) as usize;
                let (payload, rest) = bytes.split_at(length);
                bytes = rest;
                self.payload_left -= length as u64;
                if !self.is_control {
                    on_payload(payload);
                }
            }
            // Reached by the last byte of a payload, and by the header of an empty frame.
            if self.payload_left == 0 && self.header_length == 0 {
                messages += self.end_frame()?;
            }
        }
        Ok(messages)
    }

    fn is_header_complete(&self) -> bool {
        let wanted = match self.header[1] & 0x7f {
            127 => 10,
            126 => 4,
            _ => 2,
        };
        self.header_length >= 2 && self.header_length >= wanted
    }

    fn begin_frame(&mut self) -> anyhow::Result<()> {
        let [first, second, extended @ ..] = self.header;
        ensure!(second & 0x80 == 0, "the server masked a frame");
        self.payload_left = match second {
            127 => u64::from_be_bytes(extended),
            126 => u64::from(u16::from_be_bytes([extended[0], extended[1]])),
            length => u64::from(length),
        };
        let opcode = first & 0x0f;
        if opcode == CLOSE {
            bail!("the server closed the connection");
        }
        self.is_control = opcode >= CLOSE;
        self.is_final = first & 0x80 != 0;
        if !self.is_control {
            self.message_length += self.payload_left;
        }
        self.header_length = 0;
        Ok(())
    }

    fn end_frame(&mut self) -> anyhow::Result<u64> {
        if self.is_control || !self.is_final {
            return Ok(0);
        }
        let length = std::mem::take(&mut self.message_length);
        ensure!(length == self.expected, "the server sent a message of {length} bytes, not {}", self.expected);
        Ok(1)
    }
}

/// Sends one message and checks that the very same comes back.
pub(crate) async fn check_echo(stream: &mut TcpStream, opcode: u8, payload: &[u8]) -> anyhow::Result<()> {
    let frame = frame(opcode, payload);
    let (mut reader, mut writer) = stream.split();
    let send = async { anyhow::Ok(writer.write_all(&frame).await?) };
    let receive = async {
        let mut decoder = Decoder::new(payload.len());
        let mut echo = Vec::with_capacity(payload.len());
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = reader.read(&mut buffer).await?;
            ensure!(count > 0, "the server ended the connection");
            if decoder.feed(&buffer[..count], |piece| echo.extend_from_slice(piece))? > 0 {
                return Ok(echo);
            }
        }
    };
    // Both at once: a large message fills the buffers of both directions.
    let both = async { tokio::try_join!(send, receive) };
    let ((), echo) = tokio::time::timeout(ANSWER_TIME, both).await.context("no echo in time")??;
    ensure!(echo == payload, "the echo differs from what was sent");
    Ok(())
}
