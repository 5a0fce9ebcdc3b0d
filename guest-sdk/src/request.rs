//! Reading the opening handshake, and refusing it.

use crate::{Refusal, Request};

impl Request {
    /// The value of the route's named capture; none when the route has no such group or it took no part.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<&str> {
        self.args.iter().find(|arg| arg.name.as_deref() == Some(name))?.value.as_deref()
    }

    /// The first header field of this name, in any case; none when it is absent or not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }
}

impl Refusal {
    /// A refusal with this status (300 to 599), without body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Arg;

    /// A request as a browser sends it to `/chat/lobby`.
    pub(crate) fn request() -> Request {
        Request {
            path: "/chat/lobby".to_owned(),
            query: None,
            args: vec![
                Arg { name: Some("room".to_owned()), value: Some("lobby".to_owned()) },
                Arg { name: Some("rest".to_owned()), value: None },
            ],
            headers: vec![("x-token".to_owned(), b"7".to_vec()), ("x-bytes".to_owned(), vec![0xff])],
            host: "host.example".to_owned(),
            origin: Some("https://other.example".to_owned()),
            subprotocols: vec!["v1".to_owned(), "v2".to_owned()],
            peer: "127.0.0.1:1".to_owned(),
            secure: false,
        }
    }

    #[test]
    fn args_are_found_by_name() {
        assert_eq!(request().arg("room"), Some("lobby"));
        assert_eq!(request().arg("rest"), None);
        assert_eq!(request().arg("other"), None);
    }

    #[test]
    fn headers_are_found_in_any_case() {
        assert_eq!(request().header("X-Token"), Some("7"));
        assert_eq!(request().header("x-bytes"), None);
        assert_eq!(request().header("cookie"), None);
    }
}
