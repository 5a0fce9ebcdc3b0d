//! Routes and origins: what is accepted does what it says.

use http::{HeaderMap, HeaderValue, Request};
use proptest::collection::vec;
use proptest::prelude::*;
use whimbrel::handshake::{Candidate, OriginVerdict};
use whimbrel::manifest::TrustedOrigin;

use crate::fuzz::routes;

/// Pieces of patterns, in any order; some are refused.
fn pattern() -> impl Strategy<Value = String> {
    let piece =
        prop_oneof![Just("/"), Just("{a}"), Just("{b_1}"), Just("{c}"), Just("a"), Just("ab"), Just("-"), Just(".")];
    vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Pieces that such patterns have, and what they capture.
fn path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("a"),
        Just("ab"),
        Just("b"),
        Just("-"),
        Just("."),
        Just("%2F"),
        Just("%61"),
        Just("%ff"),
        Just("%"),
        Just("%0"),
        Just("%00"),
        Just("%+1"),
        Just("%c3%a9")
    ];
    vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn label() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("A"), Just("example"), Just("evil"), Just("com")]
}

fn host() -> impl Strategy<Value = String> {
    let port = prop_oneof![Just(""), Just(":80"), Just(":443"), Just(":8443")];
    (vec(label(), 1..4), port).prop_map(|(labels, port)| labels.join(".") + port)
}

fn scheme() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("http"), Just("https"), Just("HTTPS")]
}

/// The verdict on a handshake with these header fields.
fn verdict(fields: &[(&'static str, Option<String>)], trusted: &TrustedOrigin) -> OriginVerdict {
    let (mut parts, ()) = Request::new(()).into_parts();
    let mut headers = HeaderMap::new();
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    headers.insert("connection", HeaderValue::from_static("upgrade"));
    for (name, value) in fields {
        if let Some(value) = value {
            headers.insert(*name, HeaderValue::from_str(value).expect("visible"));
        }
    }
    parts.headers = headers;
    let candidate = Candidate::check(&parts).expect("a handshake");
    candidate.origin(|origin| trusted.matches(origin))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_route_captures_what_its_pieces_say(pattern in pattern(), path in path()) {
        routes::check(&pattern, &path);
    }

    #[test]
    fn a_browsers_page_is_let_in_from_its_own_host_or_a_trusted_one(
        scheme in scheme(), origin in host(), host in host(), site in proptest::option::of("same-origin|same-site|cross-site|none"),
    ) {
        let trusted = TrustedOrigin::parse("https://*.example.com").expect("an origin");
        let full = format!("{scheme}://{origin}");
        let fields = [("origin", Some(full.clone())), ("host", Some(host.clone())), ("sec-fetch-site", site.clone())];
        let found = verdict(&fields, &trusted);
        let lower = full.to_ascii_lowercase();
        let name = lower.strip_prefix("https://").unwrap_or_default();
        let name = name.strip_suffix(":443").unwrap_or(name);
        let is_trusted = name.strip_suffix(".example.com").is_some_and(|labels| !labels.is_empty());
        let is_same = match site.as_deref() {
            Some(site) => matches!(site, "same-origin" | "none"),
            None => origin.eq_ignore_ascii_case(&host),
        };
        let is_as_expected = match found {
            OriginVerdict::SameOrigin => is_same,
            OriginVerdict::Trusted => !is_same && is_trusted,
            OriginVerdict::Refused(_) => !is_same && !is_trusted,
        };
        assert!(is_as_expected, "{full} {host} {site:?}: {found:?}");
    }

    #[test]
    fn a_trusted_origin_matches_itself_and_no_other_scheme(scheme in scheme(), host in host()) {
        let text = format!("{scheme}://{host}");
        let trusted = TrustedOrigin::parse(&text).expect("an origin");
        assert!(trusted.matches(&text));
        assert!(trusted.matches(&trusted.to_string()));
        let other = if scheme.eq_ignore_ascii_case("https") { "http" } else { "https" };
        assert!(!trusted.matches(&format!("{other}://{host}")));
        assert!(!trusted.matches(&format!("{scheme}://evil.{host}")));
        let suffixed = format!("{scheme}://{}.evil", host.split(':').next().unwrap_or_default());
        assert!(!trusted.matches(&suffixed));
    }
}
