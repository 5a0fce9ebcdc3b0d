//! TLS from PEM files: `wss://`, pages over `https://`, and what is said about files that do not do.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::host::Builder;
use crate::support::raw::{Frame, PING};
use crate::support::{Client, Raw, TestHost, guests, within};

const TLS: &str = "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"";

/// A certificate for `localhost` that a client can be told to trust.
struct Certificate {
    pem: String,
    key: String,
    der: CertificateDer<'static>,
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    Certificate { pem: made.cert.pem(), key: made.signing_key.serialize_pem(), der: made.cert.der().clone() }
}

fn serving(certificate: &Certificate) -> Builder {
    let files = TestHost::serving(guests::PROBE).route("/ws").manifest("static = \"public\"").host(TLS);
    files
        .file("guest/public/index.html", "<p>hello")
        .file("cert.pem", certificate.pem.as_str())
        .file("key.pem", certificate.key.as_str())
}

/// A TLS connection that trusts this certificate alone.
async fn connect(host: &TestHost, certificate: &Certificate) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der.clone()).expect("the certificate is well formed");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("ring speaks TLS").with_root_certificates(roots).with_no_client_auth();
    let tcp = within("the connection", TcpStream::connect(host.addr())).await.expect("the host listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    within("the TLS handshake", connecting).await.expect("the certificate is trusted")
}

#[tokio::test]
async fn a_websocket_over_tls() {
    let certificate = certificate();
    let host = serving(&certificate).start().await;
    assert!(host.url("/ws").starts_with("wss://"));
    let stream = connect(&host, &certificate).await;
    let connecting = tokio_tungstenite::client_async("wss://localhost/ws", stream);
    let (mut socket, _) = within("the handshake", connecting).await.expect("the handshake is accepted");
    let big = "x".repeat(300_000);
    for (command, answer) in [("request", "secure=true"), (&format!("send {big}"), big.as_str()), ("count", "ok ")] {
        within("the host to read", socket.send(Message::text(command))).await.expect("the connection is open");
        let message = within("an answer", socket.next()).await.expect("a message").expect("the connection is open");
        let text = message.to_text().expect("text");
        assert!(text.starts_with(answer) || text.ends_with(answer), "{command:.20}: {text:.200}");
    }
    within("the host to read", socket.close(None)).await.expect("the connection is open");
    while let Some(Ok(_)) = within("the end of the connection", socket.next()).await {}
    host.wait_log("event close id=1 code=none reason=\"\" cause=peer").await;
    drop(socket);
    host.stop().await;
}

/// What was sent beyond the limit is read and dropped below TLS too, or the close frame would be lost with a reset.
#[tokio::test]
async fn r01_a_flooding_peer_is_told_why_over_tls() {
    let certificate = certificate();
    let host = serving(&certificate).start().await;
    for _ in 0..3 {
        let connecting = tokio_tungstenite::client_async("wss://localhost/ws", connect(&host, &certificate).await);
        let (mut socket, _) = within("the handshake", connecting).await.expect("the handshake is accepted");
        let pings = Frame::new(PING, &[b'x'; 125]).bytes().repeat(40_000);
        within("the host to read", socket.get_mut().write_all(&pings)).await.expect("the connection is open");
        let close = loop {
            let message = within("the close frame", socket.next()).await.expect("a close frame");
            if let Message::Close(frame) = message.expect("no reset before the close frame") {
                break frame.expect("a close frame with a code");
            }
        };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (1008, "too many control frames"));
    }
    host.stop().await;
}

#[tokio::test]
async fn a_page_over_tls_on_the_same_port() {
    let certificate = certificate();
    let host = serving(&certificate).start().await;
    let mut stream = connect(&host, &certificate).await;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    within("the host to read", stream.write_all(request)).await.expect("the connection is open");
    let mut response = String::new();
    let read = within("the response", stream.read_to_string(&mut response)).await;
    // The end is a close_notify: without one it could be a cut.
    read.expect("the connection ends as TLS demands");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("<p>hello"), "{response}");
    drop(stream);
    host.stop().await;
}

#[tokio::test]
async fn the_host_ends_a_websocket_over_tls_with_1001() {
    let certificate = certificate();
    let host = serving(&certificate).start().await;
    let stream = connect(&host, &certificate).await;
    let connecting = tokio_tungstenite::client_async("wss://localhost/ws", stream);
    let (mut socket, _) = within("the handshake", connecting).await.expect("the handshake is accepted");
    host.wait_log("event open").await;
    let stopped = tokio::spawn(host.stop());
    let close = within("the close frame", socket.next()).await.expect("a frame").expect("the connection is open");
    assert!(matches!(&close, Message::Close(Some(frame)) if u16::from(frame.code) == 1001), "{close:?}");
    while let Some(Ok(_)) = within("the end of the connection", socket.next()).await {}
    drop(socket);
    assert!(stopped.await.expect("the host stops").contains("cause=drained"));
}

#[tokio::test]
async fn h16_what_is_not_tls_is_told_so_or_dropped() {
    let certificate = certificate();
    let host = serving(&certificate).start().await;
    let mut plain = Raw::connect(host.addr()).await;
    plain.send(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let response = plain.response().await;
    assert_eq!((response.status, response.body.contains("https://")), (400, true), "{response:?}");
    let mut garbage = Raw::connect(host.addr()).await;
    garbage.send(&[22, 3, 1, 0, 5, 255, 255, 255, 255, 255]).await;
    garbage.rest().await;
    drop((plain, garbage));
    connect(&host, &certificate).await;
    host.stop().await;
}

#[tokio::test]
async fn files_that_do_not_do_are_named_before_anything_starts() {
    let (right, other) = (certificate(), certificate());
    let cases = [
        (None, right.key.clone(), "cannot read the certificate ", "cert.pem: No such file or directory"),
        (Some(String::new()), right.key.clone(), "the certificate ", "cert.pem holds none; a PEM section"),
        (Some(right.key.clone()), right.key.clone(), "the certificate ", "cert.pem holds none; a PEM section"),
        (Some(right.pem.clone()), right.pem.clone(), "the private key ", "key.pem holds none; a PEM section"),
        (Some(right.pem), other.key, "key.pem cannot be used: ", "does not belong to the first certificate"),
    ];
    for (cert, key, start, end) in cases {
        let mut builder = TestHost::serving(guests::ECHO).host(TLS).file("key.pem", key);
        if let Some(cert) = cert {
            builder = builder.file("cert.pem", cert);
        }
        let ended = builder.fails().await;
        assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
        assert!(ended.log.contains(start) && ended.log.contains(end), "no {start:?} … {end:?} in {}", ended.log);
        assert_eq!(ended.stdout, "", "it must not have listened");
    }
}

#[tokio::test]
async fn over_plain_tcp_the_request_is_not_secure() {
    let host = TestHost::serving(guests::PROBE).start().await;
    let mut client = Client::connect(&host, "/").await;
    assert!(client.ask("request").await.ends_with("secure=false"));
    drop(client);
    host.stop().await;
}
