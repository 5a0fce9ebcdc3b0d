//! The page that this host serves itself, where nothing else answers.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response};

use super::http::{Body, body};

/// A page at `/`, so that a browser has something to open: it asks whether to accept a self-signed certificate only for
/// a page, never for a WebSocket. None for any other request.
#[must_use]
pub(super) fn welcome(parts: &Parts) -> Option<Response<Body>> {
    if parts.uri.path() != "/" || !matches!(parts.method, Method::GET | Method::HEAD) {
        return None;
    }
    let mut response = Response::new(body(WELCOME));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Some(response)
}

const WELCOME: &str = "\
<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Whimbrel</title>
<style>body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>Whimbrel</h1>
<p>This host serves WebSockets. Connect a WebSocket client to one of its routes.
<p>If your browser asked about the certificate, it is accepted now, and WebSockets can connect too.
</html>
";

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn status(method: &str, uri: &str) -> Option<u16> {
        let parts = Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0;
        welcome(&parts).map(|response| response.status().as_u16())
    }

    #[test]
    fn answers_get_and_head_of_the_root_only() {
        assert_eq!(status("GET", "/?x"), Some(200));
        assert_eq!(status("HEAD", "/"), Some(200));
        assert_eq!(status("POST", "/"), None);
        assert_eq!(status("GET", "/x"), None);
    }
}
