//! Trusted origins: whose pages may open WebSockets here besides the host's own (RFC 6454, RFC 6455 section 10.2).

use std::fmt;

/// An entry of `trusted_origins`: one full origin, all subdomains of a host, or `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedOrigin(Kind);

/// An authority is host and port, without the scheme's default port.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// What a browser sends for sandboxed pages and local files.
    Null,
    Exact {
        scheme: String,
        authority: String,
    },
    /// The authority comes after `*.`.
    Subdomains {
        scheme: String,
        authority: String,
    },
}

/// Why an entry was refused; the end of a sentence that starts with the entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write a full origin as in \"https://example.com\", or \"https://*.example.com\" for all its subdomains")]
pub struct OriginError(&'static str);

impl TrustedOrigin {
    /// Read `https://example.com`, with a port if it is not the default one, or `https://*.example.com`. The wildcard
    /// stands for one or more labels: not for `https://example.com` itself, and never for another scheme or port.
    /// `null` is every sandboxed page's origin, whoever wrote the page.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let text = text.to_ascii_lowercase();
        if text == "null" {
            return Ok(TrustedOrigin(Kind::Null));
        }
        let (scheme, rest) = text.split_once("://").ok_or(OriginError("has no scheme"))?;
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(is_scheme) {
            return Err(OriginError("has a bad scheme"));
        }
        if rest.contains(['/', '?', '#']) {
            return Err(OriginError("has a path, a query or a fragment, which origins never have"));
        }
        let (is_wildcard, authority) = match rest.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if authority.contains('*') {
            return Err(OriginError("has a * elsewhere than as the first label"));
        }
        let (host, port) = split_port(authority);
        check_host(host, is_wildcard)?;
        if port.is_some_and(|port| port.parse::<u16>().is_err() || !port.bytes().all(|b| b.is_ascii_digit())) {
            return Err(OriginError("has a bad port"));
        }
        let (scheme, authority) = (scheme.to_owned(), without_default_port(scheme, authority).to_owned());
        Ok(TrustedOrigin(match is_wildcard {
            true => Kind::Subdomains { scheme, authority },
            false => Kind::Exact { scheme, authority },
        }))
    }

    /// Whether this covers the value of an Origin header.
    pub fn matches(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        let Some((origin_scheme, rest)) = origin.split_once("://") else {
            return self.0 == Kind::Null && origin == "null";
        };
        let origin_authority = without_default_port(origin_scheme, rest);
        match &self.0 {
            Kind::Null => false,
            Kind::Exact { scheme, authority } => origin_scheme == scheme && origin_authority == authority,
            Kind::Subdomains { scheme, authority } => {
                let labels = origin_authority.strip_suffix(authority.as_str()).and_then(|rest| rest.strip_suffix('.'));
                origin_scheme == scheme && labels.is_some_and(|labels| labels.split('.').all(is_label))
            }
        }
    }
}

/// As it is written in a manifest.
impl fmt::Display for TrustedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Null => f.write_str("null"),
            Kind::Exact { scheme, authority } => write!(f, "{scheme}://{authority}"),
            Kind::Subdomains { scheme, authority } => write!(f, "{scheme}://*.{authority}"),
        }
    }
}

fn check_host(host: &str, is_wildcard: bool) -> Result<(), OriginError> {
    let is_v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match is_v6 {
        Some(address) if !is_wildcard && address.parse::<std::net::Ipv6Addr>().is_ok() => Ok(()),
        Some(_) => Err(OriginError("has a bad IPv6 address")),
        None if !host.is_ascii() => {
            Err(OriginError("has a host that is not ASCII: write it as browsers send it, xn--…"))
        }
        None if host.split('.').all(is_label) => Ok(()),
        None => Err(OriginError("has a bad host")),
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Host and port; the colons of an IPv6 address are inside brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Browsers leave the default port out.
fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let default = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return authority,
    };
    authority.strip_suffix(default).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_origin_covers_itself_alone() {
        let cases = [
            ("https://example.com", "https://example.com", true),
            ("https://example.com", "HTTPS://Example.COM", true),
            ("https://Example.com", "https://example.com:443", true),
            ("https://example.com:443", "https://example.com", true),
            ("https://example.com", "http://example.com", false),
            ("https://example.com", "https://example.com:8443", false),
            ("https://example.com:8443", "https://example.com:8443", true),
            ("https://example.com", "https://www.example.com", false),
            ("https://example.com", "https://example.com.evil.org", false),
            ("https://example.com", "https://example.com/", false),
            ("https://example.com", "https://user@example.com", false),
            ("http://localhost:80", "http://localhost", true),
            ("http://[::1]:3000", "http://[::1]:3000", true),
            ("http://[::80]", "http://[::80]", true),
            ("chrome-extension://abcdef", "chrome-extension://abcdef", true),
            ("https://example.com", "null", false),
            ("null", "null", true),
            ("null", "https://example.com", false),
            ("null", "", false),
            ("https://example.com", "", false),
        ];
        for (entry, origin, expected) in cases {
            let trusted = TrustedOrigin::parse(entry).unwrap();
            assert_eq!(trusted.matches(origin), expected, "{entry} on {origin}");
        }
    }

    #[test]
    fn a_wildcard_covers_subdomains_alone() {
        let cases = [
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://A.b.Example.com:443", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://.example.com", false),
            ("https://*.example.com", "https://a..example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "https://evil.org/.example.com", false),
            ("https://*.example.com", "https://evil.org?.example.com", false),
            ("https://*.example.com", "https://evil.org:1.example.com", false),
            ("https://*.example.com", "https://evil@a.example.com", false),
            ("https://*.example.com", "http://a.example.com", false),
            ("https://*.example.com", "https://a.example.com:8443", false),
            ("https://*.example.com:8443", "https://a.example.com:8443", true),
            ("https://*.example.com:8443", "https://a.example.com", false),
            ("http://*.localhost:3000", "http://app.localhost:3000", true),
        ];
        for (entry, origin, expected) in cases {
            let trusted = TrustedOrigin::parse(entry).unwrap();
            assert_eq!(trusted.matches(origin), expected, "{entry} on {origin}");
        }
    }

    #[test]
    fn bad_entries_are_refused() {
        let cases = [
            ("", "has no scheme"),
            ("*", "has no scheme"),
            ("example.com", "has no scheme"),
            ("://example.com", "has a bad scheme"),
            ("ht tp://example.com", "has a bad scheme"),
            ("https://", "has a bad host"),
            ("https://example.com/", "has a path, a query or a fragment, which origins never have"),
            ("https://example.com?x", "has a path, a query or a fragment, which origins never have"),
            ("https://*", "has a * elsewhere than as the first label"),
            ("https://a.*.com", "has a * elsewhere than as the first label"),
            ("https://a*.com", "has a * elsewhere than as the first label"),
            ("https://*.*.com", "has a * elsewhere than as the first label"),
            ("https://*.", "has a bad host"),
            ("https://a..b", "has a bad host"),
            ("https://user@example.com", "has a bad host"),
            ("https://exa mple.com", "has a bad host"),
            ("https://bücher.example", "has a host that is not ASCII: write it as browsers send it, xn--…"),
            ("https://example.com:", "has a bad port"),
            ("https://example.com:+80", "has a bad port"),
            ("https://example.com:99999", "has a bad port"),
            ("https://[::g]", "has a bad IPv6 address"),
            ("https://*.[::1]", "has a bad IPv6 address"),
        ];
        for (entry, expected) in cases {
            assert_eq!(TrustedOrigin::parse(entry).unwrap_err(), OriginError(expected), "{entry}");
        }
    }

    #[test]
    fn an_entry_is_shown_as_it_is_written() {
        for text in ["https://example.com:8443", "https://*.example.com", "null"] {
            assert_eq!(TrustedOrigin::parse(text).unwrap().to_string(), text);
        }
    }
}
