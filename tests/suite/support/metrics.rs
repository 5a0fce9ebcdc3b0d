//! What a host counts, as `/metrics` shows it.

use std::collections::BTreeMap;

use super::{Raw, TestHost};

/// What the metrics endpoint tells.
pub(crate) struct Metrics {
    values: BTreeMap<String, f64>,
    pub(crate) text: String,
}

impl Metrics {
    pub(crate) async fn read(host: &TestHost) -> Self {
        let url = host.metrics_url().await;
        let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
        let mut raw = Raw::connect(address.parse().expect("an address")).await;
        raw.send(b"GET /metrics HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n").await;
        let response = raw.response().await;
        assert_eq!(
            (response.status, response.header("content-type").map(|it| it.starts_with("text/plain"))),
            (200, Some(true))
        );
        let lines = response.body.lines().filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self { values: values.collect(), text: response.body.clone() }
    }

    /// A metric with its labels; 0 for one that has not been touched.
    pub(crate) fn value(&self, name: &str) -> f64 {
        self.values.get(name).copied().unwrap_or(0.0)
    }
}
