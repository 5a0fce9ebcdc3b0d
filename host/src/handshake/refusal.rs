//! A plain HTTP answer in place of a WebSocket: what it holds and how it becomes a response.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, SERVER as SERVER_HEADER};
use http::{Response, StatusCode};

/// The value of the `Server` header field in every answer.
pub const SERVER: &str = concat!("whimbrel/", env!("CARGO_PKG_VERSION"));

/// Why a request does not become a WebSocket: the whole HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status, 300 to 599.
    pub status: StatusCode,
    /// Header fields beside those that the HTTP layer adds (Content-Length, Date). A list, because a map would make
    /// every `Result` with a refusal large.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl Refusal {
    /// A refusal with a plain text body; an empty text means no body.
    #[must_use]
    pub fn text(status: StatusCode, text: impl Into<String>) -> Self {
        let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
        Self { status, headers, body: Bytes::from(text.into()) }
    }

    /// The same with one more header field.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// 404: no route leads anywhere from this path.
    #[must_use]
    pub fn not_found() -> Self {
        Self::text(StatusCode::NOT_FOUND, "Nothing is served at this path.\n")
    }

    /// 403: the origin rule refused, and no guest overruled it. The details belong into the log, not to the client.
    #[must_use]
    pub fn forbidden_origin() -> Self {
        Self::text(StatusCode::FORBIDDEN, "Cross origin websockets not allowed")
    }

    /// 500: the guest or the host failed; what failed is in the log.
    #[must_use]
    pub fn internal_error() -> Self {
        Self::text(StatusCode::INTERNAL_SERVER_ERROR, "The handshake failed inside this host; its log says why.\n")
    }

    /// 503 with `Retry-After` in seconds: a limit of the deployment or of the host is reached.
    #[must_use]
    pub fn unavailable(text: impl Into<String>, retry_after: u32) -> Self {
        let mut refusal = Self::text(StatusCode::SERVICE_UNAVAILABLE, text);
        refusal.headers.push((RETRY_AFTER, HeaderValue::from(retry_after)));
        refusal
    }

    /// 504: the guest did not answer the handshake in its time.
    #[must_use]
    pub fn timed_out() -> Self {
        Self::text(StatusCode::GATEWAY_TIMEOUT, "The handler did not answer in time.\n")
    }

    /// The HTTP response.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response.headers_mut().entry(SERVER_HEADER).or_insert(HeaderValue::from_static(SERVER));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_a_response_that_names_the_server() {
        let response = Refusal::unavailable("full", 5).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "5");
        assert_eq!(response.headers()["server"], SERVER);
        assert_eq!(response.body().as_ref(), b"full");
    }

    #[test]
    fn a_server_field_that_is_set_stays() {
        let response = Refusal::not_found().with(SERVER_HEADER, "mine").into_response();
        assert_eq!(response.headers()["server"], "mine");
    }
}
