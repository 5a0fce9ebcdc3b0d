//! Abuse of the log: floods, long lines, lines that pretend to be others, and a reader of stderr who does not read.

use super::{canary, counted, host, metric, stop};
use crate::support::raw::Request;
use crate::support::{Client, Raw, guests};

#[tokio::test]
async fn g21_a_flood_of_short_lines() {
    let host = host(guests::WRITES).limit("memory", "1MiB").start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    client.text("forever").await;
    client.closed_with(1011).await;
    host.wait_log("limits.execution: 100ms").await;
    let dropped = metric(&host, "whimbrel_log_lines_dropped_total", "").await;
    assert!(dropped > 30_000.0, "{dropped}");
    counted(&host, "log_lines").await;
    canary.finish().await;
    let log = stop(host).await;
    // How many were dropped is said, at the end at the latest.
    assert!(log.contains("log lines dropped; limits.log_lines allows 100 per second deployment=\"guest\""), "{log}");
    assert!(log.matches("INFO x deployment").count() <= 300, "{log}");
}

#[tokio::test]
async fn g21_a_line_of_megabytes() {
    let host = host(guests::HOSTILE).limit("log_line_size", "1KiB").limit("execution", "5s").start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("print 5000000").await, "ok");
    let line = host.wait_log("xxxx").await;
    assert_eq!(line.matches('x').count(), 1024);
    assert!(line.contains("x... deployment="), "{line}");
    counted(&host, "log_line_size").await;
    client.close(1000, "").await;
    canary.finish().await;
    stop(host).await;
}

#[tokio::test]
async fn g21_lines_that_pretend_to_be_the_hosts() {
    for json in [false, true] {
        let mut builder = host(guests::HOSTILE);
        if json {
            builder = builder.argument("--log=json");
        }
        let host = builder.start().await;
        let mut client = Client::connect(&host, "/").await;
        assert_eq!(client.ask("forge").await, "ok");
        let line = host.wait_log("forged").await;
        assert!(line.chars().all(|character| !character.is_control()), "{line:?}");
        if json {
            let event: serde_json::Value = serde_json::from_str(&line).expect("a line is an object");
            assert_eq!((&event["level"], &event["deployment"]), (&"INFO".into(), &"guest".into()), "{line}");
        } else {
            assert!(line.contains("\\u{1b}[2J{\"level\":\"ERROR\",\"message\":\"forged\"}\\u{9b}31m"), "{line}");
        }
        client.close(1000, "").await;
        stop(host).await;
    }
}

#[tokio::test]
async fn g22_what_clients_say() {
    let host = host(guests::HOSTILE).argument("--log-level=info,whimbrel=debug").start().await;
    // Bytes of a header that hyper lets pass, and a terminal might obey.
    let origin = "http://evil.example\u{9b}31m\u{202e}";
    let request = Request::upgrade(&host, "/%1b%5b31m%0d%0a?%0d%0a=\u{9b}").header("Origin", origin);
    let mut raw = Raw::connect(host.addr()).await;
    raw.send(request.text().as_bytes()).await;
    assert_ne!(raw.response().await.status, 101);
    let request = Request::upgrade(&host, "/").header("Origin", origin);
    let mut raw = Raw::connect(host.addr()).await;
    raw.send(request.text().as_bytes()).await;
    assert_eq!(raw.response().await.status, 403);
    host.wait_log("evil.example").await;
    let mut raw = Raw::open(&host, "/").await;
    raw.send_close(4000, "bye\r\n2026-01-01T00:00:00Z ERROR forged \u{1b}[31m").await;
    host.wait_log("connection closed").await;
    raw.rest().await;
    let log = stop(host).await;
    assert!(log.lines().all(|line| line.chars().all(|it| !it.is_control() && it != '\u{202e}')), "{log:?}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn g21_a_reader_of_the_log_who_does_not_read() {
    let builder = host(guests::HOSTILE).limit("log_lines", "1000000").limit("execution", "5s");
    let host = builder.limit("log_line_size", "64KiB").unread_log().start().await;
    let canary = canary(&host).await;
    let mut client = Client::connect(&host, "/").await;
    // 8 MB: far more than a pipe holds, and than the host keeps.
    for _ in 0..8 {
        assert_eq!(client.ask("lines 10000").await, "ok");
        for _ in 0..16 {
            assert_eq!(client.ask("print 60000").await, "ok");
        }
    }
    let mut next = Client::connect(&host, "/").await;
    assert_eq!(next.ask("echo on").await, "on");
    drop((client, next));
    canary.finish().await;
    stop(host).await;
}
