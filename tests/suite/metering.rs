//! Metering by instruction: what is counted, that it is the same each time, and that it can be a limit.

use std::process::Stdio;

use tokio::process::Command;

use crate::support::client::{body, refusal};
use crate::support::host::{Builder, WHIMBREL};
use crate::support::metrics::Metrics;
use crate::support::{Client, TestHost, guests, within};

fn metered(guest: &str) -> Builder {
    TestHost::serving(guest)
        .manifest("metering = \"fuel\"")
        .host("metrics = \"127.0.0.1:0\"")
        .argument("--log-level=info,whimbrel::connection=debug")
}

/// The value of a field of a log line.
fn field(line: &str, name: &str) -> Option<String> {
    let rest = line.split_once(&format!(" {name}="))?.1;
    Some(rest.split(' ').next()?.trim_matches('"').to_owned())
}

/// What each event of one connection has cost, by its function, and the connection as a whole.
async fn costs(guest: &str) -> (Vec<(String, u64)>, u64) {
    const TOTAL: &str = "whimbrel_instructions_total{deployment=\"guest\"}";
    let host = metered(guest).start().await;
    let of_the_trial = Metrics::read(&host).await.value(TOTAL);
    let mut client = Client::connect(&host, "/").await;
    for text in ["short", &"long ".repeat(1000), "", "short"] {
        client.text(text).await;
        client.receive().await;
    }
    client.binary(&[0; 100]).await;
    client.receive().await;
    client.ping(b"data").await;
    client.receive().await;
    client.close(1000, "over").await;
    let closed = host.wait_log("connection closed").await;
    let total = field(&closed, "instructions").and_then(|text| text.parse().ok()).expect("a count");
    let of_the_deployment = Metrics::read(&host).await.value(TOTAL);
    let log = host.stop().await;
    let events = log.lines().filter(|line| line.contains("DEBUG event "));
    let events = events.map(|line| {
        let count = field(line, "instructions").and_then(|text| text.parse().ok()).expect("a count");
        (field(line, "function").expect("a function"), count)
    });
    let events: Vec<(String, u64)> = events.collect();
    assert_eq!(events.iter().map(|(_, count)| count).sum::<u64>(), total, "{log}");
    assert_eq!(of_the_deployment - of_the_trial, total as f64, "{log}");
    // The trial instance at the start has cost as much as every instantiation does, and was asked for its scopes.
    let instantiation = events.first().map_or(0, |(_, count)| *count) as f64;
    let has_fit = guest == guests::ECHO;
    assert_eq!(of_the_trial > instantiation, has_fit, "{log}");
    assert!(has_fit || of_the_trial == instantiation, "{log}");
    (events, total)
}

#[tokio::test]
async fn instructions_are_the_same_from_run_to_run() {
    for guest in [guests::ECHO, guests::MINIMAL] {
        let (first, second) = (costs(guest).await, costs(guest).await);
        assert_eq!(first, second);
        let (events, _) = first;
        let functions: Vec<_> = events.iter().map(|(function, _)| function.as_str()).collect();
        let functions: Vec<_> = functions.into_iter().filter(|function| *function != "upgrade").collect();
        let message = "on-message";
        let expected = ["instantiation", "open", message, message, message, message, message, "on-ping", "on-close"];
        assert_eq!(functions, expected);
        let costs: Vec<_> =
            events.iter().filter(|(function, _)| function == message).map(|(_, count)| *count).collect();
        assert!(costs.iter().all(|count| *count > 0), "{costs:?}");
    }
}

#[tokio::test]
async fn more_work_costs_more() {
    let host = metered(guests::CRUNCH).start().await;
    let mut client = Client::connect(&host, "/").await;
    let mut costs = Vec::new();
    for (command, answer) in [("fib 10", "55"), ("fib 20", "6765"), ("hash 0", "e3b0c442"), ("hash 65536", "de2f256")] {
        assert!(client.ask(command).await.starts_with(answer), "{command}");
        let line = host.wait_log_count("function=\"on-message\"", costs.len() + 1).await.pop().unwrap_or_default();
        costs.push(field(&line, "instructions").and_then(|text| text.parse::<u64>().ok()).expect("a count"));
    }
    // fib(20) makes 124 times as many calls as fib(10).
    assert!(costs[1] > 20 * costs[0], "{costs:?}");
    assert!(costs[3] > 20 * 65_536 && costs[3] > 10 * costs[2], "{costs:?}");
    drop(client);
    host.stop().await;
}

#[tokio::test]
async fn instructions_can_be_a_limit() {
    let host = metered(guests::PROBE).limit("instructions", "1000000").limit("execution", "10s").start().await;
    let mut other = Client::connect(&host, "/").await;
    let mut client = Client::connect(&host, "/").await;
    client.text("spin").await;
    client.closed_with(1011).await;
    host.wait_log("the handler trapped: limits.instructions: 1000000 instructions passed in one event").await;
    let line = host.wait_log("kind=\"instructions\"").await;
    let counts = ["instructions", "instructions_limit"].map(|name| field(&line, name));
    assert_eq!(counts, [Some("1000000".to_owned()), Some("1000000".to_owned())], "{line}");
    // Counted from event to event.
    for _ in 0..3 {
        assert_eq!(other.ask("id").await, "1");
    }
    let metrics = Metrics::read(&host).await;
    assert_eq!(metrics.value("whimbrel_traps_total{deployment=\"guest\",kind=\"instructions\"}"), 1.0);
    assert_eq!(metrics.value("whimbrel_limits_hit_total{deployment=\"guest\",limit=\"instructions\"}"), 1.0);
    drop(other);
    host.stop().await;
}

#[tokio::test]
async fn instructions_are_limited_in_the_handshake_too() {
    let host = metered(guests::SETTINGS).limit("instructions", "1000000").limit("execution", "10s").start().await;
    let refused = refusal(Client::try_connect(&host, "/?upgrade=spin", &[]).await);
    assert_eq!(refused.status().as_u16(), 504, "{}", body(&refused));
    let line = host.wait_log("kind=\"instructions\"").await;
    assert_eq!(field(&line, "function").as_deref(), Some("upgrade"), "{line}");
    host.stop().await;
}

#[tokio::test]
async fn a_spinning_guest_yields_and_runs_out_of_time_as_ever() {
    let host = metered(guests::PROBE).limit("execution", "500ms").host("workers = 1").start().await;
    let mut other = Client::connect(&host, "/").await;
    let mut spinning = Client::connect(&host, "/").await;
    spinning.text("spin").await;
    let spinning = tokio::spawn(spinning.closed_with(1011));
    for _ in 0..5 {
        assert_eq!(other.ask("id").await, "1");
    }
    assert!(!spinning.is_finished(), "the guest's half second passed before five round trips");
    within("the end of the spinning guest", spinning).await.expect("closed with 1011");
    host.wait_log("kind=\"execution\"").await;
    drop(other);
    host.stop().await;
}

#[tokio::test]
async fn metered_guests_have_instances_of_their_own() {
    let host = metered(guests::MINIMAL)
        .route("/metered")
        .and_serving("plain", guests::MINIMAL)
        .route("/plain")
        .host("[host]\ninstances = 4\nmetered_instances = 1")
        .start()
        .await;
    let mut metered = Client::connect(&host, "/metered").await;
    let refused = refusal(Client::try_connect(&host, "/metered", &[]).await);
    assert_eq!(refused.status().as_u16(), 503, "{}", body(&refused));
    host.wait_log("host.metered_instances: all are in use").await;
    let mut plain = Client::connect(&host, "/plain").await;
    assert_eq!((metered.ask("a").await, plain.ask("b").await), ("a".to_owned(), "b".to_owned()));
    plain.close(1000, "").await;
    metered.close(1000, "").await;
    // Counted where it was asked for only.
    let closed = host.wait_log_count("connection closed", 2).await;
    let counts: Vec<bool> = closed.iter().map(|line| line.contains("instructions=")).collect();
    assert_eq!(counts, [false, true], "{closed:?}");
    host.stop().await;
}

#[tokio::test]
async fn what_a_connection_costs_has_all_of_its_instances() {
    const TOTAL: &str = "whimbrel_instructions_total{deployment=\"guest\"}";
    let host = metered(guests::HANDOVER).limit("recycle_events", "2").start().await;
    // Those of the trial instance.
    let before = Metrics::read(&host).await.value(TOTAL);
    let mut client = Client::connect(&host, "/").await;
    for number in 1..=5 {
        assert!(client.ask("a").await.ends_with(&format!("generation={}", number / 2)));
    }
    client.close(1000, "").await;
    let closed = host.wait_log("connection closed").await;
    let total: f64 = field(&closed, "instructions").and_then(|text| text.parse().ok()).expect("a count");
    assert_eq!(Metrics::read(&host).await.value(TOTAL) - before, total, "{closed}");
    host.stop().await;
}

#[tokio::test]
async fn as_many_metered_instances_as_there_are_instances_are_refused() {
    let ended = metered(guests::MINIMAL).host("[host]\ninstances = 4\nmetered_instances = 4").fails().await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    assert!(ended.log.contains("host.metered_instances: 4 is not less than all"), "{}", ended.log);
}

#[tokio::test]
async fn check_shows_how_a_guest_is_measured() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let manifest = format!("name = \"a\"\ncomponent = {:?}\nroutes = [\"/\"]\nmetering = \"fuel\"\n", guests::MINIMAL);
    std::fs::write(folder.path().join("whimbrel.toml"), manifest).expect("the manifest can be written");
    let mut command = Command::new(WHIMBREL);
    command.arg("check").arg(folder.path()).stdin(Stdio::null());
    let output = within("check", command.output()).await.expect("check can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("\n  metering   fuel\n"), "{text}");
    let scope = "\n  scope      connection\n  fits       every scope (it does not say)\n";
    assert!(text.contains(scope), "{text}");
}
