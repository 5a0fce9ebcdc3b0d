//! Clients that we did not write, each against the parity guest: tests/clients says what they check.

use crate::parity;
use crate::support::tools;

#[tokio::test]
async fn python_websockets() {
    let host = parity::host().start().await;
    assert_eq!(tools::python("clients/websockets_client.py", [host.url("")]).await, "ok\n");
    host.stop().await;
}

#[tokio::test]
async fn tornado_websocket_connect() {
    let host = parity::host().start().await;
    assert_eq!(tools::python("clients/tornado_client.py", [host.url("")]).await, "ok\n");
    host.stop().await;
}

#[tokio::test]
async fn node_ws() {
    let host = parity::host().start().await;
    assert_eq!(tools::node("clients/ws_client.mjs", [host.url("")]).await, "ok\n");
    host.stop().await;
}
