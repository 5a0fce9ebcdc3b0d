//! What an operator sees: the lines of guests, the log as JSON, the metrics.

use serde_json::Value;

use crate::support::host::Builder;
use crate::support::metrics::Metrics;
use crate::support::{Client, Raw, TestHost, guests};

fn probe() -> Builder {
    TestHost::serving(guests::PROBE).name("logs")
}

#[tokio::test]
async fn what_a_guest_prints_is_logged_with_deployment_and_connection() {
    let host = probe().start().await;
    let (mut first, mut second) = (Client::connect(&host, "/").await, Client::connect(&host, "/").await);
    assert_eq!(first.ask("print to stdout").await, "ok");
    assert_eq!(second.ask("eprint to stderr").await, "ok");
    let line = host.wait_log("to stdout").await;
    assert!(line.ends_with("  INFO to stdout deployment=\"logs\" connection=1"), "{line}");
    let line = host.wait_log("to stderr").await;
    assert!(line.ends_with("  WARN to stderr deployment=\"logs\" connection=2"), "{line}");
    drop((first, second));
    host.stop().await;
}

#[tokio::test]
async fn a_guest_cannot_forge_a_line_or_steer_the_terminal() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("print a\u{1b}[31mb\rc\u{0}d\u{9b}e\u{7f}f\u{202e}g grüße").await, "ok");
    let line = host.wait_log("grüße").await;
    assert!(line.contains(" a\\u{1b}[31mb\\rc\\u{0}d\\u{9b}e\\u{7f}f"), "{line}");
    assert!(line.chars().all(|it| !it.is_control()), "{line:?}");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn long_lines_are_cut() {
    let host = probe().start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask(&format!("print {}", "x".repeat(20_000))).await, "ok");
    let line = host.wait_log("xxxx").await;
    assert_eq!(line.matches('x').count(), 8192);
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn lines_over_the_limit_are_dropped_and_counted() {
    let host = probe().limit("log_lines", "10").host("metrics = \"127.0.0.1:0\"").start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask(&"print flood\n".repeat(50)).await, "ok");
    for _ in 1..50 {
        assert_eq!(client.receive_text().await, "ok");
    }
    // Told with the first line of the next second.
    while !host.log_text().contains("log lines dropped") {
        assert_eq!(client.ask("print tick").await, "ok");
    }
    let line = host.wait_log("log lines dropped").await;
    assert!(line.contains("limits.log_lines allows 10 per second"), "{line}");
    assert!(line.contains("deployment=\"logs\""), "{line}");
    assert!(host.log_text().matches(" flood ").count() < 50);
    let dropped = Metrics::read(&host).await.value("whimbrel_log_lines_dropped_total{deployment=\"logs\"}");
    assert!(dropped >= 30.0, "{dropped}");
    drop(client);
    host.stop().await;
}

/// Every line of a log as JSON.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn a_log_of_json_is_one_object_per_line() {
    for by_argument in [true, false] {
        let builder = if by_argument { probe().argument("--log=json") } else { probe().host("log = \"json\"") };
        let host = builder.start().await;
        let mut client = Client::connect(&host, "/").await;
        assert_eq!(client.ask("print a \"quoted\" line\u{1b}").await, "ok");
        client.text("panic over\nand out").await;
        client.closed_with(1011).await;
        host.wait_log("the handler trapped").await;
        let log = host.stop().await;
        let lines = lines(&log);
        let find = |text: &str| {
            let message = |line: &&Value| line["message"].as_str().is_some_and(|it| it.contains(text));
            lines.iter().find(message).unwrap_or_else(|| panic!("no {text:?} in\n{log}"))
        };
        let line = find("quoted");
        assert_eq!(line["message"], "a \"quoted\" line\\u{1b}");
        assert_eq!(
            (&line["level"], &line["deployment"], &line["connection"]),
            (&"INFO".into(), &"logs".into(), &1.into())
        );
        assert!(line["timestamp"].is_string(), "{line}");
        let line = find("the handler trapped");
        assert_eq!(line["connection"], 1, "a number, as in the guest's own lines");
        assert_eq!(
            (&line["level"], &line["kind"], &line["function"]),
            (&"ERROR".into(), &"fault".into(), &"on-message".into())
        );
        assert!(line["message"].as_str().is_some_and(|it| it.contains("#on-message")), "{line}");
    }
}

#[tokio::test]
async fn metrics_move_with_what_happens() {
    let host = probe().host("metrics = \"127.0.0.1:0\"").limit("connections", "2").start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("count").await, "1");
    let mut other = Client::connect(&host, "/").await;
    let refused = Client::try_connect(&host, "/", &[]).await;
    assert_eq!(refused.err().map(|response| response.status().as_u16()), Some(503));
    assert_eq!(other.ask("count").await, "1");
    let open = Metrics::read(&host).await;
    assert_eq!(open.value("whimbrel_connections{deployment=\"logs\"}"), 2.0, "{}", open.text);
    assert_eq!(
        open.value("whimbrel_instances{deployment=\"logs\",scope=\"connection\",state=\"active\"}"),
        2.0,
        "{}",
        open.text
    );
    client.text("fail").await;
    client.closed_with(1011).await;
    other.text("panic").await;
    other.closed_with(1011).await;
    host.wait_log("event close id=1").await;

    // The end of a connection is counted after its peer has seen it.
    let mut metrics = Metrics::read(&host).await;
    while metrics.value("whimbrel_connections{deployment=\"logs\"}") > 0.0 {
        metrics = Metrics::read(&host).await;
    }
    for (name, value) in [
        ("whimbrel_connections_total{deployment=\"logs\"}", 2.0),
        ("whimbrel_closes_total{deployment=\"logs\",cause=\"guest-error\"}", 2.0),
        ("whimbrel_handshakes_refused_total{status=\"503\"}", 1.0),
        ("whimbrel_messages_received_total{deployment=\"logs\"}", 4.0),
        ("whimbrel_messages_sent_total{deployment=\"logs\"}", 2.0),
        ("whimbrel_bytes_received_total{deployment=\"logs\"}", 19.0),
        ("whimbrel_traps_total{deployment=\"logs\",kind=\"fault\"}", 1.0),
        ("whimbrel_guest_errors_total{deployment=\"logs\",function=\"on-message\"}", 1.0),
        ("whimbrel_limits_hit_total{deployment=\"logs\",limit=\"connections\"}", 1.0),
        ("whimbrel_revision{deployment=\"logs\"}", 1.0),
    ] {
        assert_eq!(metrics.value(name), value, "{name} in\n{}", metrics.text);
    }
    assert!(metrics.value("whimbrel_bytes_sent_total{deployment=\"logs\"}") >= 6.0, "{}", metrics.text);
    assert!(metrics.text.contains("# HELP whimbrel_traps_total "), "{}", metrics.text);
    host.stop().await;
}

#[tokio::test]
async fn metrics_have_an_address_of_their_own() {
    let host = probe().host("metrics = \"127.0.0.1:0\"").start().await;
    let mut raw = Raw::connect(host.addr()).await;
    raw.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(raw.response().await.status, 404);
    drop(raw);
    host.stop().await;
}
