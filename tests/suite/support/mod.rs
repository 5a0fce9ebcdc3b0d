//! What the tests stand on: a host to start, clients to reach it, and deadlines instead of sleeps.

#![allow(dead_code, reason = "a helper stays when the last test that needed it goes")]

pub(crate) mod canary;
pub(crate) mod client;
pub(crate) mod examples;
pub(crate) mod host;
pub(crate) mod metrics;
pub(crate) mod raw;
pub(crate) mod toml;
pub(crate) mod tools;
pub(crate) mod transcript;
pub(crate) mod usage;

use std::future::Future;
use std::time::Duration;

pub(crate) use canary::Canary;
pub(crate) use client::Client;
pub(crate) use host::TestHost;
pub(crate) use raw::Raw;
pub(crate) use test_guests as guests;

/// How long a test waits for anything before it fails; far more than anything takes on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Awaits, and fails the test after the [`DEADLINE`] with what did not come.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {} s in vain for {what}", DEADLINE.as_secs()),
    }
}
