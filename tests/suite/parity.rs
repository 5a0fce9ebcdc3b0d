//! The parity suite: tests/parity/runner.py does the same to Tornado and to Whimbrel and compares what comes back.

use crate::support::host::Builder;
use crate::support::{TestHost, guests, tools};

/// The parity guest behind the routes that tests/parity/tornado_server.py has.
pub(crate) fn host() -> Builder {
    TestHost::serving(guests::PARITY)
        .route("/observe")
        .route("/ws")
        .route("{ regex = '/args/([^/]+)(?:/(.*))?' }")
        .route("{ regex = '/named/(?P<room>[^/]+)(?:/(?P<rest>.*))?' }")
        .manifest("trusted_origins = [\"https://trusted.example\", \"https://*.wild.example\"]")
        .environment("GREETING", "hello")
}

#[tokio::test]
async fn whimbrel_differs_from_tornado_only_where_it_is_meant_to() {
    let plain = host().start().await;
    let settings = host()
        .limit("max_message_size", "1000B")
        .limit("outbound", "1MiB")
        .limit("ping_interval", "500ms")
        .limit("ping_timeout", "300ms")
        .start()
        .await;
    let addresses = [format!("plain={}", plain.addr()), format!("settings={}", settings.addr())];
    println!("{}", tools::python("parity/runner.py", ["--whimbrel".to_owned()].iter().chain(&addresses)).await);
    plain.stop().await;
    settings.stop().await;
}
