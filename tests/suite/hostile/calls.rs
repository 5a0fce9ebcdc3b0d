//! One kind of call into the host, without an end: it costs the guest its execution, the host a bounded memory, and the
//! neighbour nothing.

use super::{canary, counted, host, settled, stop};
use crate::support::raw::TEXT;
use crate::support::{Client, Raw, guests};

/// A guest that makes this call for ever is ended for its execution.
async fn ends(what: &str) {
    let host = host(guests::HOSTILE).limit("outbound", "1MiB").start().await;
    let canary = canary(&host).await;
    let mut raw = Raw::open(&host, "/").await;
    // Nobody reads what comes of it.
    raw.send_frame(TEXT, format!("forever {what}").as_bytes()).await;
    host.wait_log("the handler trapped: limits.execution: 100ms of execution passed in one event").await;
    counted(&host, "execution").await;
    drop(raw);
    let mut next = Client::connect(&host, "/").await;
    assert_eq!(next.ask("echo on").await, "on");
    next.close(1000, "").await;
    canary.finish().await;
    settled(&host).await;
    stop(host).await;
}

#[tokio::test]
async fn g18_sends() {
    ends("send").await;
    ends("send-large").await;
}

#[tokio::test]
async fn g18_pings() {
    ends("ping").await;
}

#[tokio::test]
async fn g18_pings_and_sends_stop_at_the_outbound() {
    let host = host(guests::HOSTILE).limit("outbound", "100kB").limit("execution", "500ms").start().await;
    for (number, what) in ["send-large", "ping"].into_iter().enumerate() {
        let mut raw = Raw::open(&host, "/").await;
        raw.send_frame(TEXT, format!("forever {what}").as_bytes()).await;
        host.wait_log_count("kind=\"execution\"", number + 1).await;
        // All that was ever queued: what the kernel took, and the outbound.
        let queued = raw.rest().await.len();
        assert!(queued < 64 << 20, "{queued} bytes of {what}s");
    }
    stop(host).await;
}

#[tokio::test]
async fn g19_subscriptions_and_publications() {
    for what in ["subscribe", "resubscribe", "publish", "publish-nobody"] {
        ends(what).await;
    }
}

#[tokio::test]
async fn g18_closes_and_settings() {
    for what in ["close", "nodelay", "inspect", "drained"] {
        ends(what).await;
    }
}

#[tokio::test]
async fn g21_lines_of_the_log() {
    for what in ["print", "eprint"] {
        ends(what).await;
    }
}

#[tokio::test]
async fn g20_connections_of_others() {
    ends("foreign").await;
}
