//! A client that knows no rules: any bytes out, whatever comes back in; each wait has a deadline.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{TestHost, within};

/// Opcodes (RFC 6455 section 5.2).
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The key of RFC 6455 section 1.3, and what it must be answered with.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A TCP connection to a host.
pub(crate) struct Raw {
    stream: TcpStream,
    /// Read and not yet taken.
    buffer: Vec<u8>,
}

/// A request as it goes out.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// A response as it came.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In the host's order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A frame, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    /// RSV1 to RSV3 as the bits 4, 2 and 1.
    pub(crate) rsv: u8,
    pub(crate) opcode: u8,
    pub(crate) masked: bool,
    pub(crate) payload: Vec<u8>,
}

impl Raw {
    /// Connects, and sends nothing yet.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = within("the connection", TcpStream::connect(addr)).await.expect("the host listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, buffer: Vec::new() }
    }

    /// Connects and makes the opening handshake; fails the test when it is refused.
    pub(crate) async fn open(host: &TestHost, path: &str) -> Self {
        let mut raw = Self::connect(host.addr()).await;
        let response = raw.request(&Request::upgrade(host, path)).await;
        assert_eq!(response.status, 101, "{path}: refused with {}", response.body);
        raw
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within("the host to read", self.stream.write_all(bytes)).await.expect("the host still reads");
    }

    /// Sends bytes that the host may no longer read, for it closes at once.
    pub(crate) async fn send_anyway(&mut self, bytes: &[u8]) {
        let _ = within("the host to read or close", self.stream.write_all(bytes)).await;
    }

    /// Sends a request and reads the response.
    pub(crate) async fn request(&mut self, request: &Request) -> Response {
        self.send(request.text().as_bytes()).await;
        self.response().await
    }

    /// Reads a response: the head, and for all but 101 the body.
    pub(crate) async fn response(&mut self) -> Response {
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill().await, "the connection ended within a response's head: {:?}", self.buffered());
        };
        let head = self.take(head_end).await;
        let head = String::from_utf8(head).expect("a response's head is text");
        let mut response = Response::parse(&head);
        let length = response.header("content-length").map(|text| text.parse().expect("a content length"));
        let body = match length {
            _ if response.status == 101 => Vec::new(),
            Some(length) => self.take(length).await,
            None => self.rest().await,
        };
        response.body = String::from_utf8_lossy(&body).into_owned();
        response
    }

    /// Sends a whole masked frame.
    pub(crate) async fn send_frame(&mut self, opcode: u8, payload: &[u8]) {
        self.send(&Frame::new(opcode, payload).bytes()).await;
    }

    /// Sends a close frame.
    pub(crate) async fn send_close(&mut self, code: u16, reason: &str) {
        self.send_frame(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat()).await;
    }

    /// Reads a frame; fails the test when the connection ends.
    pub(crate) async fn frame(&mut self) -> Frame {
        let head = self.take(2).await;
        let length = match head[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.array().await)),
            127 => u64::from_be_bytes(self.array().await),
            short => u64::from(short),
        };
        let masked = head[1] & 0x80 != 0;
        let mask: [u8; 4] = if masked { self.array().await } else { [0; 4] };
        let mut payload = self.take(usize::try_from(length).expect("a frame that fits into memory")).await;
        apply(mask, &mut payload);
        Frame { fin: head[0] & 0x80 != 0, rsv: head[0] >> 4 & 7, opcode: head[0] & 0xf, masked, payload }
    }

    /// Reads frames up to the close frame; its code and reason, none when it is empty.
    pub(crate) async fn close_frame(&mut self) -> Option<(u16, String)> {
        loop {
            let frame = self.frame().await;
            if frame.opcode == CLOSE {
                return frame.close();
            }
        }
    }

    /// Fails the test unless the host now closes with this code and then ends the connection.
    pub(crate) async fn closed_with(mut self, code: u16) {
        let close = self.close_frame().await;
        assert_eq!(close.as_ref().map(|(code, _)| *code), Some(code), "closed with {close:?}");
        self.ended().await;
    }

    /// Fails the test unless the host now ends the connection, without another byte.
    pub(crate) async fn ended(mut self) {
        let rest = self.rest().await;
        assert!(
            rest.is_empty(),
            "{} bytes before the connection's end: {:?}",
            rest.len(),
            String::from_utf8_lossy(&rest)
        );
    }

    /// Reads so many bytes; fails the test when fewer come.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.fill().await, "the connection ended before {count} bytes: {:?}", self.buffered());
        }
        self.buffer.drain(..count).collect()
    }

    /// Reads so much that it is as long as this buffer, without keeping it twice; for what is large.
    pub(crate) async fn read_exact(&mut self, bytes: &mut [u8]) {
        assert!(self.buffer.is_empty(), "something was read before: {:?}", self.buffered());
        within("bytes from the host", self.stream.read_exact(bytes)).await.expect("the host keeps the connection");
    }

    /// Reads to the connection's end; a reset counts as the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.buffer)
    }

    /// The socket, to set its options or to drop it half way.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    async fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).await.try_into().expect("as many bytes as asked for")
    }

    /// Reads what is there; false at the end.
    async fn fill(&mut self) -> bool {
        let read = within("bytes from the host", self.stream.read_buf(&mut self.buffer)).await;
        read.unwrap_or(0) > 0
    }

    fn buffered(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

impl Request {
    /// A plain request with a Host header only.
    pub(crate) fn new(host: &TestHost, method: &str, target: &str) -> Self {
        let headers = vec![("Host".to_owned(), host.addr().to_string())];
        Self { method: method.to_owned(), target: target.to_owned(), headers }
    }

    /// A complete opening handshake without Origin.
    pub(crate) fn upgrade(host: &TestHost, target: &str) -> Self {
        Self::new(host, "GET", target)
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Key", KEY)
            .header("Sec-WebSocket-Version", "13")
    }

    /// With one more header field.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without the header fields of this name.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
        self
    }

    /// With this one header field of its name.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    /// The bytes that go out.
    pub(crate) fn text(&self) -> String {
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        format!("{} {} HTTP/1.1\r\n{}\r\n", self.method, self.target, headers.collect::<String>())
    }
}

impl Response {
    /// The first header field of this name (in lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn parse(head: &str) -> Self {
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|text| text.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Self {
            status: status.unwrap_or_else(|| panic!("no status line in {head:?}")),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect(),
            body: String::new(),
        }
    }
}

impl Frame {
    /// A whole, masked frame, as a client that keeps the rules sends it.
    pub(crate) fn new(opcode: u8, payload: &[u8]) -> Self {
        Self { fin: true, rsv: 0, opcode, masked: true, payload: payload.to_vec() }
    }

    /// As one frame of several that is not the last.
    pub(crate) fn unfinished(self) -> Self {
        Self { fin: false, ..self }
    }

    /// The bytes that go out, the length in its shortest form.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = self.head(self.payload.len() as u64);
        let mut payload = self.payload.clone();
        if self.masked {
            bytes.extend(MASK);
            apply(MASK, &mut payload);
        }
        bytes.extend(payload);
        bytes
    }

    /// The first bytes of a frame that claims this length, whatever its payload: without mask and payload.
    pub(crate) fn head(&self, length: u64) -> Vec<u8> {
        let mask = if self.masked { 0x80 } else { 0 };
        let mut bytes = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..=125), _) => bytes.push(mask | short),
            (_, Ok(medium)) => {
                bytes.push(mask | 126);
                bytes.extend(medium.to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        bytes
    }

    /// The code and reason of a close frame; none when it is empty.
    pub(crate) fn close(&self) -> Option<(u16, String)> {
        let (code, reason) = self.payload.split_first_chunk::<2>()?;
        Some((u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
    }
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    for (byte, key) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}
