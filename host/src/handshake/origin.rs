//! The cross-origin rule of Tornado 6.6: Sec-Fetch-Site decides where a browser sends it, Origin and Host otherwise.
//!
//! Browsers do not hold WebSockets to the same-origin policy, so without this rule any page on the web could open a
//! WebSocket with a visitor's cookies (cross-site WebSocket hijacking).

use std::fmt;

use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

/// What the rule says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginVerdict {
    /// From a page of this very host, or not from a browser at all.
    SameOrigin,
    /// From another origin, which the manifest trusts.
    Trusted,
    /// From another origin; the guest may still allow it.
    Refused(ForeignOrigin),
}

impl OriginVerdict {
    /// Whether the request may become a WebSocket without the guest overruling the rule.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// A refused origin. Its `Display` is the log line: it names Origin, Host and the setting that would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignOrigin {
    /// The Origin header; none when there was none.
    pub origin: Option<String>,
    /// The Host header, empty when there was none.
    pub host: String,
    /// The Sec-Fetch-Site header; none when there was none.
    pub sec_fetch_site: Option<String>,
}

impl fmt::Display for ForeignOrigin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(out, "origin {origin:?} is not allowed for host {:?}", self.host)?,
            None => write!(out, "a request without an origin is not allowed for host {:?}", self.host)?,
        }
        if let Some(site) = &self.sec_fetch_site {
            write!(out, " (sec-fetch-site {site:?})")?;
        }
        match self.origin.as_deref() {
            Some("null") => {
                write!(out, "; add \"null\" to trusted_origins in the manifest to allow every sandboxed page")
            }
            Some(origin) => write!(out, "; add {origin:?} to trusted_origins in the manifest to allow it"),
            None => write!(out, "; trusted_origins in the manifest allows only requests that have an Origin header"),
        }
    }
}

/// Apply the rule. `is_trusted` is asked only about requests that are cross-origin.
pub(super) fn check(headers: &HeaderMap, is_trusted: impl Fn(&str) -> bool) -> OriginVerdict {
    let origin = joined(headers, &ORIGIN);
    let host = joined(headers, &HOST).unwrap_or_default();
    let sec_fetch_site = joined(headers, &SEC_FETCH_SITE);

    match (sec_fetch_site.as_deref(), origin.as_deref()) {
        (Some("same-origin" | "none"), _) | (None, None) => return OriginVerdict::SameOrigin,
        (None, Some(origin)) if matches_host(origin, &host) => return OriginVerdict::SameOrigin,
        // same-site, cross-site, and what later specifications add: an Origin that equals Host is no proof here.
        (_, Some(origin)) if !origin.is_empty() && is_trusted(origin) => return OriginVerdict::Trusted,
        _ => {}
    }
    OriginVerdict::Refused(ForeignOrigin { origin, host, sec_fetch_site })
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the origin's host and port are those of the Host header. The scheme does not count: behind a proxy that
/// terminates TLS, the host does not know it.
fn matches_host(origin: &str, host: &str) -> bool {
    let authority = origin.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    !authority.is_empty() && authority.eq_ignore_ascii_case(host)
}

/// The values of a header field, several lines joined with a comma as Tornado does; none without a line.
pub(super) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = lines.next()?.into_owned();
    Some(lines.fold(first, |all, line| all + "," + &line))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `-` stands for an absent header.
    fn verdict(site: &'static str, origin: &'static str, host: &'static str) -> OriginVerdict {
        let mut headers = HeaderMap::new();
        for (name, value) in [(SEC_FETCH_SITE, site), (ORIGIN, origin), (HOST, host)] {
            if value != "-" {
                headers.insert(name, http::HeaderValue::from_static(value));
            }
        }
        check(&headers, |origin| origin == "https://trusted.example")
    }

    #[test]
    fn tornado_a4_table() {
        let same = ["same-origin", "none"];
        for site in same {
            assert_eq!(verdict(site, "https://evil.example", "a.example"), OriginVerdict::SameOrigin);
        }
        for (site, origin, host, expected) in [
            ("-", "-", "a.example", "same"),
            ("-", "https://a.example", "a.example", "same"),
            ("-", "http://A.Example:8080", "a.eXample:8080", "same"),
            ("-", "http://[::1]:80", "[::1]:80", "same"),
            ("-", "https://a.example:8443", "a.example", "refused"),
            ("-", "https://b.example", "a.example", "refused"),
            ("-", "https://trusted.example", "a.example", "trusted"),
            ("-", "null", "a.example", "refused"),
            ("-", "", "a.example", "refused"),
            ("-", "null", "-", "refused"),
            ("-", "a.example", "a.example", "refused"),
            ("same-site", "https://a.example", "a.example", "refused"),
            ("cross-site", "https://a.example", "a.example", "refused"),
            ("cross-site", "https://trusted.example", "a.example", "trusted"),
            ("same-site", "https://trusted.example", "a.example", "trusted"),
            ("cross-site", "-", "a.example", "refused"),
            ("Same-Origin", "https://b.example", "a.example", "refused"),
        ] {
            let found = match verdict(site, origin, host) {
                OriginVerdict::SameOrigin => "same",
                OriginVerdict::Trusted => "trusted",
                OriginVerdict::Refused(_) => "refused",
            };
            assert_eq!(found, expected, "{site} {origin} {host}");
        }
    }

    #[test]
    fn the_log_line_names_origin_host_and_setting() {
        let OriginVerdict::Refused(foreign) = verdict("cross-site", "https://evil.example", "a.example:80") else {
            panic!("allowed");
        };
        assert_eq!(
            foreign.to_string(),
            "origin \"https://evil.example\" is not allowed for host \"a.example:80\" (sec-fetch-site \"cross-site\"); \
             add \"https://evil.example\" to trusted_origins in the manifest to allow it"
        );
    }
}
