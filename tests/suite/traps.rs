//! What the log tells of a trap: where it happened, in which event, and what that had used.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::client::refusal;
use crate::support::host::Builder;
use crate::support::{Client, TestHost, guests, within};

fn json(guest: &str) -> Builder {
    TestHost::serving(guest).argument("--log=json")
}

/// The first trap in a log of JSON.
async fn trap(host: &TestHost) -> Value {
    let line = host.wait_log("the handler trapped").await;
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Where a guest's source has this text, as `tests/guests/examples/probe.rs:7`.
fn place(file: &str, text: &str) -> String {
    let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = source.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text} in {file}"));
    format!("{file}:{}", line + 1)
}

#[tokio::test]
async fn a_trap_tells_its_author_everything() {
    let host = json(guests::PROBE).name("told").limit("memory", "8MiB").start().await;
    let mut client = Client::connect(&host, "/").await;
    assert_eq!(client.ask("id").await, "1");
    client.text("panic with a secret").await;
    client.closed_with(1011).await;
    let trap = trap(&host).await;
    let message = trap["message"].as_str().expect("a message");
    let place = place("tests/guests/examples/probe.rs", "panic!(\"{argument}\")");
    for part in ["wasm trap: wasm `unreachable`", ".wasm!probe::Probe::run", &format!("at {place}:")] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    // Where it happened, not what is around it: the functions between are there too.
    assert!(message.contains("at guest-sdk/src/dispatch.rs:"), "{message}");
    for (name, value) in [
        ("deployment", Value::from("told")),
        ("connection", 1.into()),
        ("revision", 1.into()),
        ("function", "on-message".into()),
        ("kind", "fault".into()),
        ("bytes", "panic with a secret".len().into()),
        ("messages", 2.into()),
        ("memory_limit", (8 << 20).into()),
        ("execution_limit", "100ms".into()),
    ] {
        assert_eq!(trap[name], value, "{name} of {trap}");
    }
    assert!(trap["memory"].as_u64().is_some_and(|bytes| (1..=8 << 20).contains(&bytes)), "{trap}");
    // Sizes, not contents: only the guest itself may tell them.
    assert!(!trap.to_string().contains("secret"), "{trap}");
    host.stop().await;
}

#[tokio::test]
async fn a_trap_in_open_tells_the_request() {
    let host = json(guests::OPEN_PANICS).start().await;
    Client::connect(&host, "/").await.closed_with(1011).await;
    let trap = trap(&host).await;
    let place = place("tests/guests/examples/open_panics.rs", "open panicked on purpose");
    assert!(trap["message"].as_str().is_some_and(|text| text.contains(&format!("at {place}:"))), "{trap}");
    assert_eq!((&trap["function"], &trap["messages"]), (&"open".into(), &0.into()), "{trap}");
    assert!(trap["headers"].as_u64().is_some_and(|headers| headers >= 5), "{trap}");
    assert!(trap["bytes"].is_null(), "{trap}");
    host.stop().await;
}

#[tokio::test]
async fn h24_a_trap_in_upgrade_tells_as_much() {
    let host = json(guests::SETTINGS).start().await;
    let refused = refusal(Client::try_connect(&host, "/?upgrade=panic", &[("x-one", "more")]).await);
    assert_eq!(refused.status().as_u16(), 500);
    let trap = trap(&host).await;
    let place = place("tests/guests/examples/settings.rs", "upgrade panicked on purpose");
    assert!(trap["message"].as_str().is_some_and(|text| text.contains(&format!("at {place}:"))), "{trap}");
    assert_eq!((&trap["function"], &trap["kind"]), (&"upgrade".into(), &"fault".into()), "{trap}");
    assert!(trap["headers"].as_u64().is_some_and(|headers| headers >= 6), "{trap}");
    assert!(trap["memory"].as_u64().is_some_and(|bytes| bytes > 0), "{trap}");
    host.stop().await;
}

#[tokio::test]
async fn a_trap_at_the_start_tells_as_much() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    // Late enough for the trial, soon enough for this test.
    let builder = json(guests::START_PANICS).environment("PANICS_AFTER", &(now + 4).to_string());
    let host = builder.manifest("coredumps = true").host("[coredumps]\ndir = \"dumps\"").start().await;
    let trying = async {
        loop {
            if let Err(response) = Client::try_connect(&host, "/", &[]).await {
                return response.status().as_u16();
            }
        }
    };
    assert_eq!(within("the time after which it panics", trying).await, 500);
    let trap = trap(&host).await;
    let place = place("tests/guests/examples/start_panics.rs", "start panicked on purpose");
    assert!(trap["message"].as_str().is_some_and(|text| text.contains(&format!("at {place}:"))), "{trap}");
    assert_eq!((&trap["function"], &trap["kind"]), (&"instantiation".into(), &"fault".into()), "{trap}");
    assert!(trap["coredump"].as_str().is_some_and(|path| path.ends_with("/dumps/guest-1-0-1.coredump")), "{trap}");
    host.stop().await;
}

#[tokio::test]
async fn d03_a_trap_of_the_trial_instance_is_told_with_the_refusal() {
    let ended = TestHost::serving(guests::START_PANICS).environment("PANICS_AFTER", "1").fails().await;
    assert_eq!(ended.status.code(), Some(2), "{}", ended.log);
    let place = place("tests/guests/examples/start_panics.rs", "start panicked on purpose");
    assert!(ended.log.contains("an instance did not start: wasm trap: "), "{}", ended.log);
    assert!(ended.log.contains(&format!("at {place}:")), "{}", ended.log);
}

#[tokio::test]
async fn a_storm_of_traps_fills_no_log() {
    const TRAPS: usize = 60;
    let host = json(guests::PROBE).start().await;
    let mut clients = Vec::new();
    for _ in 0..TRAPS {
        clients.push(Client::connect(&host, "/").await);
    }
    for client in &mut clients {
        client.text("recurse").await;
    }
    for client in clients {
        client.closed_with(1011).await;
    }
    let more = host.wait_log("more traps of the handler").await;
    let log = host.stop().await;
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let full = lines.iter().filter(|line| line["message"].as_str().is_some_and(|it| it.contains("handler trapped")));
    let counted: u64 = lines.iter().filter_map(|line| line["traps"].as_u64()).sum();
    assert!(full.clone().count() >= 10, "{log}");
    assert_eq!(full.count() as u64 + counted, TRAPS as u64, "{more}");
}
