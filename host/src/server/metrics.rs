//! The metrics listener: `/metrics` in Prometheus' text format, on an address of its own.

use std::sync::Arc;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::{Guard, Server, Settings};
use crate::connection::http::{self as front, Answer, body};
use crate::handshake::Refusal;
use crate::host_config::HandshakeLimits;

/// The settings of a metrics listener: a few scrapers, no TLS.
#[must_use]
pub fn settings(limits: &HandshakeLimits) -> Settings {
    Settings { connections: 32, connections_per_peer: None, handshake_time: limits.time, tls: None, hits: None }
}

/// Serve what `render` yields at `/metrics` until the guard is told; 404 everywhere else.
pub async fn run<R>(server: Server, guard: Guard, limits: HandshakeLimits, render: R)
where
    R: Fn() -> String + Send + Sync + 'static,
{
    let (limits, render) = (Arc::new(limits), Arc::new(render));
    server
        .run(guard, move |arrival| {
            let (limits, render) = (Arc::clone(&limits), Arc::clone(&render));
            async move {
                let decide = |parts: Parts| std::future::ready(answer(&parts, &*render));
                front::serve(arrival.stream, &limits, arrival.deadline, arrival.guard.told(), decide).await;
            }
        })
        .await;
}

/// There is nothing to switch to, so the accepted part is nothing.
fn answer(parts: &Parts, render: &impl Fn() -> String) -> Answer<()> {
    if parts.uri.path() != "/metrics" {
        return Refusal::not_found().into();
    }
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        let text = "Metrics are read with GET or HEAD.\n";
        return Refusal::text(StatusCode::METHOD_NOT_ALLOWED, text).with(ALLOW, "GET, HEAD").into();
    }
    let mut response = Response::new(body(render()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Answer::Http(response)
}
