//! Guests that nobody should trust (FAULTS.md group G): whatever one does, it ends as its limits say, is counted and logged,
//! and another deployment's connections lose nothing.

mod calls;
mod ids;
mod load;
mod log;
mod loops;
mod memory;
mod reuse;
mod traps;
mod values;
mod waits;
mod wasi;

use crate::support::host::Builder;
use crate::support::metrics::Metrics;
use crate::support::{Canary, TestHost, guests, within};

/// A host with this guest at `/` and the canary's beside it; what is set further is the guest's.
fn host(component: &str) -> Builder {
    TestHost::serving(guests::MINIMAL)
        .name("canary")
        .route("/canary")
        .and_serving("guest", component)
        .route("/")
        .host("metrics = \"127.0.0.1:0\"")
}

/// Innocent connections of the other deployment.
async fn canary(host: &TestHost) -> Canary {
    Canary::start(host, "/canary", 4).await
}

/// `/` with a command for one of the functions of `guests::HOSTILE`.
fn at(function: &str, command: &str) -> String {
    format!("/?{function}={}", command.replace(' ', "+"))
}

/// A metric of the deployment under test; 0 for one that has not been touched.
async fn metric(host: &TestHost, name: &str, label: &str) -> f64 {
    let text = Metrics::read(host).await.text;
    let is_it = |line: &&str| line.starts_with(&format!("{name}{{deployment=\"guest\"")) && line.contains(label);
    let value = text.lines().find(is_it).and_then(|line| line.rsplit(' ').next()).map(str::parse);
    value.map_or(0.0, |value| value.unwrap_or_else(|error| panic!("{name}: {error} in\n{text}")))
}

/// Waits until nothing is left of the guest's connections and instances; nobody may be connected to it any more.
async fn settled(host: &TestHost) {
    for gauge in ["whimbrel_connections", "whimbrel_instances"] {
        within("everything to be given back", async { while metric(host, gauge, "").await > 0.0 {} }).await;
    }
}

/// Fails the test unless the limit was counted.
async fn counted(host: &TestHost, limit: &str) {
    let hits = metric(host, "whimbrel_limits_hit_total", &format!("limit=\"{limit}\"")).await;
    assert!(hits >= 1.0, "limit {limit:?} was hit {hits} times; log:\n{}", host.log_text());
}

/// Stops the host; its log must tell of no fault of the host's own.
async fn stop(host: TestHost) -> String {
    let log = host.stop().await;
    for sign in ["panicked at host/", "panicked at /"] {
        assert!(!log.contains(sign), "{sign:?} in\n{log}");
    }
    log
}
