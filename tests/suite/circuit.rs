//! The circuit breaker from outside: who keeps trapping a handler is kept away for a while, and nobody else.

use crate::limits::connections::status_from;
use crate::support::client::{body, header, refusal};
use crate::support::metrics::Metrics;
use crate::support::{Client, TestHost, guests, within};

async fn trap(mut client: Client) {
    client.text("panic on purpose").await;
    client.closed_with(1011).await;
}

/// Connects as soon as the pause is over.
async fn trial(host: &TestHost) -> Client {
    let trying = async {
        loop {
            if let Ok((client, _)) = Client::try_connect(host, "/", &[]).await {
                return client;
            }
        }
    };
    within("a trial", trying).await
}

#[tokio::test]
async fn g11_who_keeps_trapping_gets_503_until_a_trial_goes_well() {
    let host = TestHost::serving(guests::PROBE)
        .limit("traps", "3")
        .limit("trap_pause", "500ms")
        .host("metrics = \"127.0.0.1:0\"")
        .start()
        .await;
    let mut old = Client::connect(&host, "/").await;
    for _ in 0..3 {
        trap(Client::connect(&host, "/").await).await;
    }
    let refused = refusal(Client::try_connect(&host, "/", &[]).await);
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, "1"), "{}", body(&refused));
    assert!(body(&refused).contains("This handler has failed too often"), "{}", body(&refused));
    // Only this address is refused, and what is open lives on.
    assert!(status_from("127.0.0.2:0", &host, "/").await.starts_with("HTTP/1.1 101 "));
    assert_eq!(old.ask("id").await, "1");
    let line = host.wait_log("limits.traps: ").await;
    assert!(line.contains("handshakes of 127.0.0.1 get 503 for 500ms"), "{line}");
    assert!(line.contains("allowed: fewer than 3 within 10s from one address"), "{line}");
    let metrics = Metrics::read(&host).await;
    assert_eq!(metrics.value("whimbrel_circuit_open{deployment=\"guest\"}"), 1.0, "{}", metrics.text);
    assert_eq!(metrics.value("whimbrel_limits_hit_total{deployment=\"guest\",limit=\"traps\"}"), 1.0);

    // One trial, which fails: a longer pause. Another one, which does not.
    let first = trial(&host).await;
    refusal(Client::try_connect(&host, "/", &[]).await);
    trap(first).await;
    let refused = refusal(Client::try_connect(&host, "/", &[]).await);
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, "1"));
    let mut second = trial(&host).await;
    assert_eq!(second.ask("count").await, "1");
    let mut next = Client::connect(&host, "/").await;
    assert_eq!(next.ask("count").await, "1");
    host.wait_log("limits.traps: handshakes are answered again").await;
    assert_eq!(Metrics::read(&host).await.value("whimbrel_circuit_open{deployment=\"guest\"}"), 0.0);
    drop((old, second, next));
    let log = host.stop().await;
    // Four that trapped, the old one, that of the other address, the second trial and the one after it.
    assert_eq!(log.matches("event open").count(), 8, "an instance was started for one that is refused: {log}");
}

#[tokio::test]
async fn g11_a_handler_that_traps_for_several_addresses_gets_a_pause_from_everybody() {
    let host = TestHost::serving(guests::OPEN_PANICS).limit("traps", "1").start().await;
    for (number, address) in (1..).zip(["127.0.0.2:0", "127.0.0.3:0", "127.0.0.4:0"]) {
        assert!(status_from(address, &host, "/").await.starts_with("HTTP/1.1 101 "), "{address}");
        host.wait_log_count("the handler trapped", number).await;
    }
    host.wait_log("limits.traps: the handler kept trapping; handshakes of everybody get 503 for 10s").await;
    let refused = refusal(Client::try_connect(&host, "/", &[]).await);
    assert_eq!(refused.status().as_u16(), 503, "{}", body(&refused));
    let seconds = header(&refused, "retry-after").parse::<u32>().expect("seconds");
    assert!((1..=10).contains(&seconds), "{seconds}");
    host.stop().await;
}

#[tokio::test]
async fn g11_without_a_breaker_everyone_is_answered() {
    let host = TestHost::serving(guests::PROBE).limit("traps", "off").start().await;
    for _ in 0..10 {
        trap(Client::connect(&host, "/").await).await;
    }
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("count").await, "1");
    drop(client);
    host.stop().await;
}
