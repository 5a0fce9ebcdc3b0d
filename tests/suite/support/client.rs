//! A WebSocket client for tests, on tokio-tungstenite: each wait has a deadline.

use std::fmt::Debug;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::tungstenite::{Bytes, Error};

use super::{TestHost, within};

/// An open connection.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
}

/// A close frame's code and reason; none when the connection ended without a frame, or with an empty one.
pub(crate) type Close = Option<(u16, String)>;

impl Client {
    /// On a connection whose handshake is done.
    pub(crate) fn of(socket: WebSocketStream<TcpStream>) -> Self {
        Self { socket }
    }

    /// Connects, and fails the test when the host refuses.
    pub(crate) async fn connect(host: &TestHost, path: &str) -> Self {
        Self::connect_with(host, path, &[]).await
    }

    /// Connects with further header fields.
    pub(crate) async fn connect_with(host: &TestHost, path: &str, headers: &[(&str, &str)]) -> Self {
        match Self::try_connect(host, path, headers).await {
            Ok((client, _)) => client,
            Err(response) => panic!("{path}: refused with {}: {}", response.status(), body(&response)),
        }
    }

    /// Connects and gives the 101 too, or the response that refuses.
    pub(crate) async fn try_connect(
        host: &TestHost,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Self, Response), Response> {
        let mut request = host.url(path).into_client_request().expect("the URL is well formed");
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("a header name");
            request.headers_mut().append(name, HeaderValue::try_from(*value).expect("a header value"));
        }
        let stream = within("the connection", TcpStream::connect(host.addr())).await.expect("the host listens");
        match within("the handshake", tokio_tungstenite::client_async(request, stream)).await {
            Ok((socket, response)) => Ok((Self { socket }, response)),
            Err(Error::Http(response)) => Err(*response),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Sends a text message.
    pub(crate) async fn text(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends a binary message.
    pub(crate) async fn binary(&mut self, data: &[u8]) {
        self.send(Message::binary(data.to_vec())).await;
    }

    /// Sends a ping.
    pub(crate) async fn ping(&mut self, data: &[u8]) {
        self.send(Message::Ping(Bytes::copy_from_slice(data))).await;
    }

    /// Sends any message.
    pub(crate) async fn send(&mut self, message: Message) {
        within("the host to read", self.socket.send(message)).await.expect("the connection is open");
    }

    /// Sends a text message and returns the next one: what `probe` answers to a command.
    pub(crate) async fn ask(&mut self, text: &str) -> String {
        self.text(text).await;
        self.receive_text().await
    }

    /// The next message or control frame. Keep-alive pings are answered and passed over.
    pub(crate) async fn receive(&mut self) -> Message {
        loop {
            match self.next("a message").await {
                Some(Ok(Message::Ping(data))) if data.is_empty() => {}
                Some(Ok(message)) => return message,
                other => panic!("instead of a message came {other:?}"),
            }
        }
    }

    /// The next message, which must be text.
    pub(crate) async fn receive_text(&mut self) -> String {
        match self.receive().await {
            Message::Text(text) => text.as_str().to_owned(),
            other => panic!("instead of text came {other:?}"),
        }
    }

    /// The next message, which must be binary.
    pub(crate) async fn receive_binary(&mut self) -> Vec<u8> {
        match self.receive().await {
            Message::Binary(data) => data.to_vec(),
            other => panic!("instead of binary came {other:?}"),
        }
    }

    /// Starts the closing handshake and waits for its end; the host's close frame is returned.
    pub(crate) async fn close(mut self, code: u16, reason: &str) -> Close {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.to_owned().into() };
        within("the host to read", self.socket.close(Some(frame))).await.expect("the connection is open");
        self.closed().await
    }

    /// Reads on until the connection ends, messages passed over; the host's close frame is returned.
    pub(crate) async fn closed(mut self) -> Close {
        let mut close = None;
        loop {
            match self.next("the end of the connection").await {
                Some(Ok(Message::Close(frame))) => {
                    close = frame.map(|it| (u16::from(it.code), it.reason.as_str().to_owned()));
                }
                Some(Ok(_)) => {}
                // What comes after a close frame, or without one: the transport's end.
                Some(Err(_)) | None => return close,
            }
        }
    }

    /// Reads on until the connection ends, and fails the test unless it was closed with this code.
    pub(crate) async fn closed_with(self, code: u16) {
        let close = self.closed().await;
        assert_eq!(close.as_ref().map(|(code, _)| *code), Some(code), "closed with {close:?}");
    }

    async fn next(&mut self, what: &str) -> Option<Result<Message, Error>> {
        within(what, self.socket.next()).await
    }
}

/// A response's body as text.
pub(crate) fn body(response: &Response) -> String {
    String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned()
}

/// A header field of a response as text; empty when it is absent.
pub(crate) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The response of a refused handshake; fails the test when it was accepted.
pub(crate) fn refusal<T, E: Debug>(result: Result<T, E>) -> E {
    match result {
        Ok(_) => panic!("accepted instead of refused"),
        Err(response) => response,
    }
}
