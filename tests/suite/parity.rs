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

/// Runs the cases under a scope, all but those named.
async fn compare(scope: &str, skip: &[&str]) {
    let host = || host().manifest(&format!("scope = {scope}"));
    let plain = host().start().await;
    let settings = host()
        .limit("max_message_size", "1000B")
        .limit("outbound", "1MiB")
        .limit("ping_interval", "500ms")
        .limit("ping_timeout", "300ms")
        .start()
        .await;
    let mut arguments = vec![
        "--whimbrel".to_owned(),
        format!("plain={}", plain.addr()),
        format!("settings={}", settings.addr()),
        "--skip".to_owned(),
    ];
    arguments.extend(skip.iter().map(|case| (*case).to_owned()));
    println!("{}", tools::python("parity/runner.py", &arguments).await);
    plain.stop().await;
    settings.stop().await;
}

#[tokio::test]
async fn whimbrel_differs_from_tornado_only_where_it_is_meant_to() {
    compare("\"connection\"", &[]).await;
}

/// Those that trap, as that ends more than one connection where they share an instance.
const ALONE: [&str; 4] = ["A1-10d", "A2-21c", "A2-21d", PONGS];
/// Where the guest is in another task or starts anew, the peer may have read before the next ping is.
const PONGS: &str = "A2-27c";

#[tokio::test]
async fn a_shared_instance_differs_no_more() {
    compare("{ shared = 3 }", &ALONE).await;
}

#[tokio::test]
async fn a_room_differs_no_more() {
    compare("{ room = \"all\" }", &ALONE).await;
}

#[tokio::test]
async fn an_instance_per_event_differs_no_more() {
    compare("\"event\"", &[PONGS]).await;
}
