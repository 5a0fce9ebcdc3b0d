//! Numbers of connections that a guest does not own, or no longer.

use super::{at, canary, host, metric, stop};
use crate::support::{Client, guests};

/// What each of the eight functions answers about a connection that is not the instance's.
const UNKNOWN: &str = "UnknownConnection UnknownConnection UnknownConnection UnknownConnection UnknownConnection \
                       UnknownConnection UnknownConnection UnknownConnection";

#[tokio::test]
async fn g20_numbers_of_others_reach_nothing_and_are_logged() {
    let host = host(guests::HOSTILE).start().await;
    // The canary has the numbers 1 to 4; 5 is another instance of the same guest, 6 the one that tries.
    let canary = canary(&host).await;
    let mut other = Client::connect(&host, "/").await;
    let mut client = Client::connect(&host, "/").await;
    for id in [1, 5, 7, 4_294_967_295_u32, 0] {
        assert_eq!(client.ask(&format!("to {id}")).await, UNKNOWN);
    }
    assert_eq!(client.ask("send-many-foreign 5").await, "0");
    let line = host.wait_log("the guest named connection 1, which does not belong to its instance").await;
    for part in ["WARN", "deployment=\"guest\"", "connection=6"] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    assert_eq!(metric(&host, "whimbrel_foreign_connections_total", "").await, 45.0);
    assert_eq!(other.ask("echo untouched").await, "untouched");
    other.close(1000, "").await;
    client.close(1000, "").await;
    canary.finish().await;
    let log = stop(host).await;
    // Said once a second, however often it happens.
    assert!(log.matches("the guest named connection").count() < 10, "{log}");
}

#[tokio::test]
async fn g27_its_own_connection_after_close() {
    let host = host(guests::HOSTILE).start().await;
    let mut client = Client::connect(&host, "/").await;
    client.text("close-then to 1").await;
    client.closed_with(4000).await;
    host.wait_log("unsent ok Closed Closed Closed Closed ok Closed ").await;
    let log = stop(host).await;
    assert_eq!(log.matches("event close").count(), 1, "{log}");
    assert!(!log.contains("the guest named connection"), "{log}");
}

#[tokio::test]
async fn g27_its_own_connection_in_on_close() {
    let host = host(guests::HOSTILE).start().await;
    let client = Client::connect(&host, &at("close", "to 1")).await;
    client.close(1000, "").await;
    host.wait_log("event close id=1 cause=CloseCause::Peer answer=Closed Closed Closed Closed ok Closed ").await;
    let log = stop(host).await;
    assert_eq!(log.matches("event close").count(), 1, "{log}");
}
