//! Values that are far too large or too many, handed to the host: each is refused or cut before it costs anything.

use super::{at, canary, counted, host, stop};
use crate::support::client::{body, header, refusal};
use crate::support::{Client, TestHost, guests};

/// The most physical memory that the host ever had, in MiB.
fn peak(host: &TestHost) -> u64 {
    let path = format!("/proc/{}/status", host.pid().as_raw_nonzero());
    let status = std::fs::read_to_string(path).expect("the host runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

#[tokio::test]
async fn g12_an_error_of_20_mib() {
    let host = host(guests::HOSTILE).limit("execution", "5s").start().await;
    let canary = canary(&host).await;
    for path in ["/".to_owned(), at("open", "fail 20000000")] {
        let mut client = Client::connect(&host, &path).await;
        if path == "/" {
            client.text("fail 20000000").await;
        }
        client.closed_with(1011).await;
    }
    for line in host.wait_log_count("the handler failed: ", 2).await {
        assert!(line.contains("\\u{1b}\\u{1b}"), "control characters are not escaped");
        assert!(line.len() < 8 * (8192 + 100), "a line of {} bytes", line.len());
    }
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g12_an_error_that_is_more_than_may_be_shown() {
    let host = host(guests::HOSTILE)
        .limit("execution", "5s")
        .limit("memory", "256MiB")
        .limit("start_time", "5s")
        .start()
        .await;
    let canary = canary(&host).await;
    let before = peak(&host);
    let mut client = Client::connect(&host, "/").await;
    client.text("fail 60000000").await;
    client.closed_with(1011).await;
    host.wait_log("the handler trapped: more given to the host in one call than twice the largest message").await;
    // The guest's own memory, and nothing of the host's.
    let grown = peak(&host) - before;
    assert!(grown < 256, "{grown} MiB");
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g13_a_million_header_fields() {
    let host = host(guests::UPGRADE_ALIASES).start().await;
    let canary = canary(&host).await;
    let before = peak(&host);
    for _ in 0..3 {
        let response = refusal(Client::try_connect(&host, "/", &[]).await);
        assert_eq!(response.status(), 500);
    }
    host.wait_log_count("the handler trapped: more given to the host in one call than twice the largest message", 3)
        .await;
    let grown = peak(&host) - before;
    assert!(grown < 128, "{grown} MiB");
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g12_g23_answers_to_a_handshake_that_no_client_may_see() {
    let host = host(guests::HOSTILE).limit("execution", "5s").start().await;
    let canary = canary(&host).await;
    for (command, text) in [
        ("body 5000000", "upgrade refused with a body of 5000000 bytes; at most 1048576 are allowed"),
        ("headers 10000", "upgrade returned 10000 headers; at most 100 are allowed"),
        ("name 5000000", "upgrade returned 5000001 bytes of headers; at most 16384 are allowed"),
        ("value 5000000", "upgrade returned 5000001 bytes of headers; at most 16384 are allowed"),
        (
            "split",
            "upgrade returned the header \"x\" with the value \"a\\r\\nset-cookie: stolen=1\\r\\n\\r\\n<script>\"",
        ),
    ] {
        let response = refusal(Client::try_connect(&host, &at("upgrade", command), &[]).await);
        assert_eq!((response.status().as_u16(), header(&response, "set-cookie")), (500, ""), "{command}");
        assert!(!body(&response).contains("script"), "{command}");
        host.wait_log(text).await;
    }
    let response = refusal(Client::try_connect(&host, "/?subprotocol=5000000", &[]).await);
    assert_eq!(response.status(), 500);
    let line = host.wait_log("upgrade chose the subprotocol \"xxx").await;
    assert!(line.len() < 1000, "a line of {} bytes", line.len());
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g12_arguments_of_megabytes() {
    let host = host(guests::HOSTILE).limit("execution", "5s").start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    for (command, answer) in [
        ("send 20000000", "TooLarge(16777216)"),
        ("publish-size 20000000", "TooLarge(16777216)"),
        ("subscribe 5000000", "Invalid(\"topic: 5000000 bytes; 1 to 256 are allowed (limits.topic_size)\")"),
        ("unsubscribe 5000000", "Invalid(\"topic: 5000000 bytes; 1 to 256 are allowed (limits.topic_size)\")"),
        ("publish 5000000", "Invalid(\"topic: 5000000 bytes; 1 to 256 are allowed (limits.topic_size)\")"),
        ("ping 5000000", "Invalid(\"data: 5000000 bytes; at most 125 are allowed\")"),
        ("reason 5000000", "Invalid(\"reason: 5000000 bytes; at most 123 are allowed\")"),
    ] {
        assert_eq!(client.ask(command).await, answer, "{command}");
    }
    host.wait_log("limits.outbound: a larger message; allowed: 16.0 MiB").await;
    counted(&host, "outbound").await;
    client.close(1000, "").await;
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g26_control_data_that_may_not_be_sent() {
    let host = host(guests::HOSTILE).start().await;
    let mut client = Client::connect(&host, "/").await;
    // The answer is the next thing on the wire.
    for (command, error) in [("ping 126", "data: 126 bytes"), ("reason 200", "reason: 200 bytes")] {
        let answer = client.ask(command).await;
        assert!(answer.starts_with("Invalid(") && answer.contains(error), "{command}: {answer}");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        let answer = client.ask(&format!("code {code}")).await;
        assert!(answer.starts_with(&format!("Invalid(\"code: {code}; allowed are ")), "{answer}");
    }
    client.close(1000, "").await;
    stop(host).await;
}

#[tokio::test]
async fn g12_lists_of_millions_of_connections() {
    let host = host(guests::HOSTILE).limit("execution", "5s").limit("outbound", "32MiB").start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    for (command, answer) in [
        ("except 10000", "ok"),
        ("except 10001", "Invalid(\"except: 10001 connections; at most 10000 are allowed\")"),
        ("except 3000000", "Invalid(\"except: 3000000 connections; at most 10000 are allowed\")"),
        ("send-many-foreign 3000000", "0"),
    ] {
        assert_eq!(client.ask(command).await, answer, "{command}");
    }
    client.close(1000, "").await;
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g12_a_list_of_millions_is_part_of_the_guests_execution() {
    let host = host(guests::HOSTILE).limit("execution", "50ms").limit("outbound", "64MiB").start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    client.text("send-many 6000000").await;
    client.closed_with(1011).await;
    host.wait_log("the handler trapped: limits.execution: 50ms of execution passed in one event").await;
    canary.finish().await;
    stop(host).await;
}
