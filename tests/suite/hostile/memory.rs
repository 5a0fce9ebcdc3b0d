//! Memory, tables and the parts of a component: what is over a limit is refused, and costs nobody else anything.

use super::{at, canary, counted, host, stop};
use crate::support::{Client, guests};

#[tokio::test]
async fn g06_g08_growth_to_the_most_that_there_can_be() {
    let host = host(guests::GROWS).limit("memory", "1MiB").limit("table_elements", "1000").start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("e").await, "e");
    for (letter, limit, text) in [
        ("m", "memory", "limits.memory: 4.0 GiB wanted, 1.0 MiB allowed; then: wasm trap: "),
        (
            "t",
            "table_elements",
            "limits.table_elements: 100000000 in one table wanted, 1000 allowed; then: wasm trap: ",
        ),
    ] {
        let mut client = Client::connect(&host, "/").await;
        client.text(letter).await;
        client.closed_with(1011).await;
        host.wait_log(&format!("the handler trapped: {text}")).await;
        counted(&host, limit).await;
    }
    assert_eq!(client.ask("e").await, "e");
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g06_allocation_in_a_loop_up_to_the_limit() {
    let host = host(guests::HOSTILE).limit("memory", "16MiB").limit("execution", "5s").start().await;
    let canary = canary(&host).await;
    for path in ["/".to_owned(), at("open", "allocate")] {
        let mut client = Client::connect(&host, &path).await;
        if path == "/" {
            client.text("allocate").await;
        }
        client.closed_with(1011).await;
    }
    let lines = host.wait_log_count("the handler trapped: limits.memory: ", 2).await;
    assert!(lines.iter().all(|line| line.contains("wanted, 16.0 MiB allowed; then: ")), "{lines:?}");
    counted(&host, "memory").await;
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g28_a_leak_ends_its_own_guest() {
    let host = host(guests::HOSTILE).limit("memory", "8MiB").start().await;
    let canary = canary(&host).await;
    let mut other = Client::connect(&host, "/").await;
    let mut client = Client::connect(&host, "/").await;
    for _ in 0..32 {
        client.text("leak 1000000").await;
    }
    client.closed_with(1011).await;
    host.wait_log("kind=\"memory\"").await;
    assert_eq!(other.ask("leak 1000000").await, "ok");
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g07_more_at_the_start_than_is_allowed() {
    for (guest, limit, value, problem) in [
        (
            guests::LARGE_TABLE,
            "table_elements",
            "10000",
            "an instance did not start: limits.table_elements: 10001 in one table wanted, 10000 allowed",
        ),
        (
            guests::GROWS,
            "core_instances",
            "1",
            "an instance did not start: limits.core_instances: 1 core instances, memories or tables allowed; ",
        ),
        (
            guests::GROWS,
            "memory",
            "64KiB",
            "an instance did not start: limits.memory: 128.0 KiB wanted, 64.0 KiB allowed",
        ),
    ] {
        let ended = host(guest).limit(limit, value).fails().await;
        assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
        assert!(ended.log.contains(problem), "no {problem:?} in\n{}", ended.log);
    }
}
