//! From a URL to an open WebSocket: the handshake's request, TCP, TLS, and what a refusal looks like.

use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::header::{
    CONNECTION, HOST, LOCATION, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Uri};
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use super::ConnectArgs;
use crate::cli::exit::Problems;
use crate::cli::terminal;

/// An open WebSocket, with or without TLS.
pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What nobody may say in place of the handshake itself.
const SET_BY_THE_HANDSHAKE: [HeaderName; 4] = [CONNECTION, UPGRADE, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION];

/// The body of a refusal is printed up to this many bytes.
const BODY_SHOWN: usize = 4096;

/// The opening handshake that the arguments describe; every bad argument at once.
pub(super) fn request(arguments: &ConnectArgs) -> anyhow::Result<Request> {
    let mut request = websocket_url(&arguments.url)?
        .into_client_request()
        .map_err(|error| Problems::one(format!("url {:?}: {error}", arguments.url)))?;
    let mut problems = Vec::new();
    problems.extend(bad_authority(request.uri()).map(|problem| format!("url {:?}: {problem}", arguments.url)));
    let headers = request.headers_mut();
    for header in &arguments.header {
        match parse_header(header) {
            // The handshake has a Host field already, and two of them are an error.
            Ok((name, value)) if name == HOST => drop(headers.insert(name, value)),
            Ok((name, _)) if SET_BY_THE_HANDSHAKE.contains(&name) => {
                problems.push(format!("header {header:?}: the handshake sets {name} itself; leave it out"));
            }
            Ok((name, value)) => drop(headers.append(name, value)),
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(origin) = &arguments.origin {
        match HeaderValue::from_str(origin) {
            Ok(value) => drop(headers.insert(ORIGIN, value)),
            Err(_) => problems.push(format!("origin {origin:?}: not allowed in a header field")),
        }
    }
    if !arguments.subprotocol.is_empty() {
        // One field with a list: the client library checks the server's choice against the first field only.
        match HeaderValue::from_str(&arguments.subprotocol.join(", ")) {
            Ok(value) => drop(headers.insert(SEC_WEBSOCKET_PROTOCOL, value)),
            Err(_) => problems.push(format!("subprotocol {:?}: not allowed in a header field", arguments.subprotocol)),
        }
    }
    if problems.is_empty() { Ok(request) } else { Err(Problems(problems).into()) }
}

/// Connect and finish the opening handshake within `--timeout`.
pub(super) async fn open(request: Request, arguments: &ConnectArgs) -> anyhow::Result<Socket> {
    let connector = connector(arguments)?;
    let opening = async {
        let stream = connect(request.uri()).await?;
        shake_hands(request, stream, connector).await
    };
    let Ok(opened) = tokio::time::timeout(arguments.timeout, opening).await else {
        let timeout = humantime::format_duration(arguments.timeout);
        bail!("{} did not answer within {timeout} (see --timeout)", arguments.url);
    };
    let (socket, response) = opened?;
    if !arguments.quiet {
        let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
        let chosen = chosen.map(|name| format!(" (subprotocol {name})")).unwrap_or_default();
        terminal::note(&format!("connected to {}{chosen}", arguments.url));
    }
    Ok(socket)
}

async fn connect(url: &Uri) -> anyhow::Result<TcpStream> {
    let host = url.host().context("the URL has no host")?;
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("wss") { 443 } else { 80 });
    // `host` keeps the brackets of an IPv6 address, which the resolver does not know.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let stream =
        TcpStream::connect((name, port)).await.with_context(|| format!("failed to connect to {host}:{port}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn shake_hands(
    request: Request,
    stream: TcpStream,
    connector: Option<Connector>,
) -> anyhow::Result<(Socket, Response)> {
    // A client trusts the server that it was pointed at: messages of any size are printed.
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let url = request.uri().to_string();
    let opened = tokio_tungstenite::client_async_tls_with_config(request, stream, Some(config), connector).await;
    opened.map_err(|error| match error {
        tungstenite::Error::Http(response) => anyhow!(refusal(&response)),
        error => {
            let advice = if is_of_certificate(&error) { " (--ca trusts the certificates of a file)" } else { "" };
            anyhow::Error::from(error).context(format!("the handshake with {url} failed{advice}"))
        }
    })
}

fn is_of_certificate(error: &tungstenite::Error) -> bool {
    let tungstenite::Error::Io(error) = error else { return false };
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(rustls::Error::InvalidCertificate(_)))
}

/// TLS as `--ca` says; none: with the system's certificates.
fn connector(arguments: &ConnectArgs) -> anyhow::Result<Option<Connector>> {
    // Fails only when one is installed, and any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(roots) = arguments.authorities()? else { return Ok(None) };
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Some(Connector::Rustls(Arc::new(config))))
}

/// The URL with a WebSocket scheme.
fn websocket_url(url: &str) -> anyhow::Result<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err(Problems::one(format!("url {url:?}: must start with ws://, wss://, http:// or https://"))),
    };
    // A fragment never leaves the client (RFC 6455 section 3).
    let rest = rest.split('#').next().unwrap_or_default();
    Ok(format!("{scheme}://{rest}"))
}

/// What is wrong with the URL's host and port; none when nothing is. The parser of URLs lets these pass, and a port that
/// is none would be taken for the scheme's default.
fn bad_authority(url: &Uri) -> Option<String> {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Some("a name and a password are not sent; write --header 'Authorization: Basic ...'".to_owned());
    }
    let host = url.host().filter(|host| !host.is_empty());
    let Some(host) = host else { return Some("has no host".to_owned()) };
    let port = authority.strip_prefix(host)?.strip_prefix(':')?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port != 0);
    (!is_port).then(|| format!("port {port:?}: allowed are 1 to 65535"))
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(format!("header {text:?}: must look like \"Name: value\""));
    };
    let name = HeaderName::from_bytes(name.trim().as_bytes())
        .map_err(|_| format!("header {text:?}: {name:?} is not a header name"))?;
    let value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("header {text:?}: the value has characters that a header may not have"))?;
    Ok((name, value))
}

/// Status, where a redirect leads (it is not followed), and the body on its own lines.
fn refusal(response: &tungstenite::http::Response<Option<Vec<u8>>>) -> String {
    let body = response.body().as_deref().unwrap_or_default();
    let body = terminal::printable(&String::from_utf8_lossy(body.get(..BODY_SHOWN).unwrap_or(body)));
    let location = response.headers().get(LOCATION).map(|to| format!(", location {}", to.as_bytes().escape_ascii()));
    let status = format!("{}{}", response.status(), location.unwrap_or_default());
    let text = format!("the handshake was refused: {status}\n{}", body.trim_end());
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::http::Uri;

    use super::{bad_authority, parse_header, websocket_url};

    #[test]
    fn http_means_ws() {
        assert_eq!(websocket_url("https://a.example/b#c").unwrap(), "wss://a.example/b");
        assert_eq!(websocket_url("WS://a.example").unwrap(), "ws://a.example");
        assert!(websocket_url("a.example").unwrap_err().to_string().contains("must start with"));
    }

    #[test]
    fn a_url_has_a_host_and_perhaps_a_port() {
        let problem = |url: &str| bad_authority(&url.parse::<Uri>().unwrap());
        for good in ["ws://a.example", "ws://a.example:1/b:c@d", "ws://[::1]:65535/", "ws://[::1]", "ws://127.0.0.1:80"]
        {
            assert_eq!(problem(good), None, "{good}");
        }
        for (bad, part) in [
            ("ws://127.0.0.1:99999/", "\"99999\""),
            ("ws://[::1]:0", "\"0\""),
            ("ws://a.example:", "\"\""),
            ("ws://ann:secret@a.example/", "--header"),
        ] {
            assert!(problem(bad).is_some_and(|problem| problem.contains(part)), "{bad}");
        }
    }

    #[test]
    fn a_header_has_a_name_and_a_value() {
        let (name, value) = parse_header("X-A: b: c").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-a", "b: c"));
        assert!(parse_header("X-A").is_err());
        assert!(parse_header("X A: b").is_err());
        assert!(parse_header("X-A: b\n").is_ok(), "surrounding space is not part of a value");
        assert!(parse_header("X-A: b\nc").is_err());
    }
}
