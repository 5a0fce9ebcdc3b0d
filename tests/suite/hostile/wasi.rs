//! WASI, where it could be more than a clock, random numbers and a log.

use super::{canary, host, metric, stop};
use crate::support::{Client, guests};

#[tokio::test]
async fn g24_exit_and_abort_end_the_instance_only() {
    let host = host(guests::HOSTILE).start().await;
    let canary = canary(&host).await;
    let mut other = Client::connect(&host, "/").await;
    for (command, text) in [
        ("exit 0", "the handler trapped: the guest called exit(0)"),
        ("exit 1", "the handler trapped: the guest called exit(1)"),
        ("abort", "the handler trapped: wasm trap: wasm `unreachable` instruction executed"),
    ] {
        let mut client = Client::connect(&host, "/").await;
        client.text(command).await;
        client.closed_with(1011).await;
        host.wait_log(text).await;
    }
    assert_eq!(metric(&host, "whimbrel_traps_total", "kind=\"exit\"").await, 2.0);
    assert_eq!(other.ask("echo on").await, "on");
    other.close(1000, "").await;
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g24_stdin_is_empty() {
    let host = host(guests::HOSTILE).start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("stdin").await, "Ok(0)");
    client.close(1000, "").await;
    stop(host).await;
}

#[tokio::test]
async fn g25_a_gibibyte_of_random_bytes_and_a_tebibyte_of_zeroes() {
    for guest in [guests::RANDOM, guests::ZEROES] {
        let host = host(guest).start().await;
        let canary = canary(&host).await;
        let mut client = Client::connect(&host, "/").await;
        client.text("now").await;
        client.closed_with(1011).await;
        let line = host.wait_log("the handler trapped: ").await;
        assert!(line.contains("requested len") || line.contains("cannot write more zeroes"), "{line}");
        canary.finish().await;
        stop(host).await;
    }
}
