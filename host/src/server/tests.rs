//! The server over real loopback sockets.

use std::net::Ipv4Addr;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;
use crate::host_config::HandshakeLimits;

const DEADLINE: Duration = Duration::from_secs(10);
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn settings() -> Settings {
    Settings { connections: 100, connections_per_peer: None, handshake_time: DEADLINE, tls: None, hits: None }
}

/// A server that echoes one byte at a time until the client leaves or the host drains; each arrival is reported.
struct Running {
    address: SocketAddr,
    arrivals: mpsc::Receiver<(SocketAddr, bool)>,
    drain: Drain,
    run: JoinHandle<()>,
}

fn start(settings: Settings) -> Running {
    let server = Server::bind(&[LOOPBACK], settings).unwrap();
    let address = server.addresses()[0];
    let (report, arrivals) = mpsc::channel(16);
    let (drain, guard) = drain();
    let run = tokio::spawn(server.run(guard, move |mut arrival: Arrival| {
        let report = report.clone();
        async move {
            assert!(arrival.stream.tcp().nodelay().unwrap());
            report.send((arrival.peer, arrival.stream.is_secure())).await.unwrap();
            let mut told = Box::pin(arrival.guard.told());
            loop {
                tokio::select! {
                    () = &mut told => break arrival.stream.write_all(b"!").await.unwrap(),
                    byte = arrival.stream.read_u8() => match byte {
                        Ok(b'p') => panic!("on purpose"),
                        Ok(byte) => {
                            arrival.stream.write_all(&[byte]).await.unwrap();
                            arrival.stream.flush().await.unwrap();
                        }
                        Err(_) => break,
                    },
                }
            }
        }
    }));
    Running { address, arrivals, drain, run }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("not within the deadline")
}

async fn connect(address: SocketAddr) -> TcpStream {
    within(TcpStream::connect(address)).await.unwrap()
}

async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut text = String::new();
    within(stream.read_to_string(&mut text)).await.unwrap();
    text
}

#[tokio::test]
async fn accepts_tells_and_waits() {
    let mut running = start(settings());
    let mut client = connect(running.address).await;
    assert_eq!(within(running.arrivals.recv()).await, Some((client.local_addr().unwrap(), false)));
    client.write_all(b"x").await.unwrap();
    assert_eq!(within(client.read_u8()).await.unwrap(), b'x');

    let drained = tokio::spawn(running.drain.finish(DEADLINE));
    assert_eq!(read_all(&mut client).await, "!");
    within(running.run).await.unwrap();
    assert_eq!(within(drained).await.unwrap(), Drained::All);
    assert_eq!(within(TcpStream::connect(running.address)).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn h25_connections_over_the_limit_get_503_until_one_ends() {
    let mut running = start(Settings { connections: 1, ..settings() });
    let first = connect(running.address).await;
    within(running.arrivals.recv()).await.unwrap();
    let mut second = connect(running.address).await;
    let answer = read_all(&mut second).await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 5\r\n") && answer.contains("\r\nconnection: close\r\n"), "{answer}");

    drop(first);
    // The permit comes back when the first task has ended, which only it knows: ask until it has.
    within(async {
        while running.arrivals.try_recv().is_err() {
            let mut next = connect(running.address).await;
            next.write_all(b"x").await.unwrap();
            let _ = next.read_u8().await;
        }
    })
    .await;
}

#[tokio::test]
async fn f09_a_panic_ends_its_connection_and_no_other() {
    let mut running = start(Settings { connections: 2, ..settings() });
    let mut other = connect(running.address).await;
    within(running.arrivals.recv()).await.unwrap();
    // More often than there are permits: each comes back.
    for _ in 0..5 {
        let mut client = connect(running.address).await;
        within(running.arrivals.recv()).await.unwrap();
        client.write_all(b"p").await.unwrap();
        assert_eq!(read_all(&mut client).await, "");
    }
    other.write_all(b"x").await.unwrap();
    assert_eq!(within(other.read_u8()).await.unwrap(), b'x');
    drop(other);
    assert_eq!(within(running.drain.finish(DEADLINE)).await, Drained::All);
}

#[tokio::test]
async fn connections_of_one_peer_are_limited() {
    let mut running = start(Settings { connections_per_peer: Some(1), ..settings() });
    let _first = connect(running.address).await;
    within(running.arrivals.recv()).await.unwrap();
    let mut second = connect(running.address).await;
    let answer = read_all(&mut second).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Your address"), "{answer}");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let running = start(settings());
    let error = Server::bind(&[running.address], settings()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}: Address already in use (os error 98)", running.address)
    );
}

#[tokio::test]
async fn urls_name_scheme_and_port() {
    let server = Server::bind(&[LOOPBACK, LOOPBACK], settings()).unwrap();
    let expected: Vec<_> = server.addresses().iter().map(|address| format!("http://{address}")).collect();
    assert_eq!(server.urls(), expected);
    let tls = Some(self_signed(vec!["localhost".to_owned()]).unwrap());
    let server = Server::bind(&[LOOPBACK], Settings { tls, ..settings() }).unwrap();
    assert_eq!(server.urls(), [format!("https://{}", server.addresses()[0])]);
}

/// A TLS server for `localhost` and a connector that trusts exactly its certificate.
fn start_tls() -> (Running, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let running = start(Settings { tls: Some(from_files(&cert, &key).unwrap()), ..settings() });

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (running, TlsConnector::from(Arc::new(client)))
}

#[tokio::test]
async fn tls_carries_bytes_and_speaks_http_1_1() {
    let (mut running, connector) = start_tls();
    let tcp = connect(running.address).await;
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = within(connector.connect(name, tcp)).await.unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    assert!(within(running.arrivals.recv()).await.unwrap().1);
    client.write_all(b"x").await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(within(client.read_u8()).await.unwrap(), b'x');
}

#[tokio::test]
async fn h16_plain_http_on_a_tls_port_gets_400_and_garbage_an_alert() {
    let (running, _) = start_tls();
    let mut plain = connect(running.address).await;
    plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let answer = read_all(&mut plain).await;
    assert!(
        answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.ends_with("use https:// or wss://.\n"),
        "{answer}"
    );

    let mut garbage = connect(running.address).await;
    garbage.write_all(&[22; 64]).await.unwrap();
    let mut alert = Vec::new();
    within(garbage.read_to_end(&mut alert)).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
}

#[tokio::test]
async fn h15_a_tls_client_that_says_nothing_is_closed_in_time() {
    let tls = Some(self_signed(vec!["localhost".to_owned()]).unwrap());
    let running = start(Settings { handshake_time: Duration::from_millis(50), tls, ..settings() });
    let mut client = connect(running.address).await;
    assert_eq!(read_all(&mut client).await, "");
}

#[tokio::test]
async fn metrics_are_served_on_their_own_address() {
    let limits = HandshakeLimits::default();
    let server = Server::bind(&[LOOPBACK], metrics::settings(&limits)).unwrap();
    let address = server.addresses()[0];
    let (drain, guard) = drain();
    let run = tokio::spawn(metrics::run(server, guard, limits, || "open 3\n".to_owned()));
    for (request, expected, end) in [
        ("GET /metrics", "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4", "\r\n\r\nopen 3\n"),
        ("HEAD /metrics", "HTTP/1.1 200 OK\r\n", "\r\n\r\n"),
        ("POST /metrics", "HTTP/1.1 405 Method Not Allowed\r\n", "GET or HEAD.\n"),
        ("GET /", "HTTP/1.1 404 Not Found\r\n", "path.\n"),
    ] {
        let mut client = connect(address).await;
        client
            .write_all(format!("{request} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let answer = read_all(&mut client).await;
        assert!(answer.starts_with(expected) && answer.ends_with(end), "{answer}");
    }
    assert_eq!(within(drain.finish(DEADLINE)).await, Drained::All);
    within(run).await.unwrap();
}
