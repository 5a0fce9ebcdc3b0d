//! The names that a host answers to. A page that has its own name lead to this machine (DNS rebinding) passes every check
//! of its origin, but not this one.

use std::net::IpAddr;

/// Names and addresses that a `Host` header may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// Whatever it is.
    #[default]
    Any,
    /// One of these.
    Only(Vec<HostName>),
}

/// A name or address without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// `example.com`, in lower case.
    Name(String),
    /// `*.example.com`: every name below this one, which begins with a dot, in lower case.
    Below(String),
    /// `127.0.0.1` or `[::1]`.
    Address(IpAddr),
    /// Any address: no name was resolved, so none can have been rebound.
    AnyAddress,
}

impl Hosts {
    /// What a host on a developer's machine answers to: names of this machine, addresses, and what else is asked for.
    pub fn of_development(more: Vec<HostName>) -> Self {
        let own =
            [HostName::Name("localhost".to_owned()), HostName::Below(".localhost".to_owned()), HostName::AnyAddress];
        Hosts::Only(own.into_iter().chain(more).collect())
    }

    /// Whether a `Host` header's value, with or without a port, is one of them.
    pub fn allow(&self, host: &str) -> bool {
        let Hosts::Only(names) = self else { return true };
        let name = without_port(host);
        let name = name.strip_suffix('.').unwrap_or(name);
        let address = address(name);
        names.iter().any(|allowed| match allowed {
            HostName::Name(allowed) => name.eq_ignore_ascii_case(allowed),
            HostName::Below(suffix) => match name.len().checked_sub(suffix.len()) {
                None | Some(0) => false,
                Some(at) => name.as_bytes().get(at..).is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes())),
            },
            HostName::Address(allowed) => address == Some(*allowed),
            HostName::AnyAddress => address.is_some(),
        })
    }
}

impl std::str::FromStr for HostName {
    type Err = String;

    /// The error is the end of a sentence that starts with the text.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(address) = address(text) {
            return Ok(HostName::Address(address));
        }
        let name = text.to_ascii_lowercase();
        let (is_below, bare) = match name.strip_prefix("*.") {
            Some(bare) => (true, bare),
            None => (false, name.as_str()),
        };
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !bare.split('.').all(is_label) {
            return Err("is not a host; write a name or an address without a port, as in \"example.com\", \
                        \"*.example.com\" or \"127.0.0.1\", names of other scripts as in \"xn--mnchen-3ya.de\""
                .to_owned());
        }
        Ok(if is_below { HostName::Below(format!(".{bare}")) } else { HostName::Name(name) })
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // Not within the brackets of an IPv6 address, nor within one without brackets.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.contains(':') => name,
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && name.ends_with(']') => name,
        _ => host,
    }
}

/// An address, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Hosts {
        Hosts::Only(names.iter().map(|name| name.parse().unwrap()).collect())
    }

    #[test]
    fn h20_names_ports_and_addresses() {
        let hosts = hosts(&["Example.com", "*.example.org", "127.0.0.1", "[::1]"]);
        for good in [
            "example.com",
            "EXAMPLE.com:8080",
            "example.com.",
            "example.com.:443",
            "a.example.org",
            "a.b.Example.org:1",
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "example.org",
            ".example.org",
            "evilexample.com",
            "example.com.evil",
            "xexample.org",
            "a.example.com",
            "example.com:x",
            "127.0.0.2",
            "[::2]:80",
            "localhost",
            "example.com@evil",
            "évil",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
        assert!(Hosts::Any.allow("anything"));
    }

    #[test]
    fn a_developers_machine_answers_to_its_own_names_and_to_addresses() {
        let hosts = Hosts::of_development(vec!["laptop.example".parse().unwrap()]);
        for good in
            ["localhost:8080", "app.localhost", "127.0.0.1", "192.168.1.5:8080", "[fe80::1]:80", "laptop.example"]
        {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in ["rebound.example:8080", "localhost.evil", "127.0.0.1.evil", ""] {
            assert!(!hosts.allow(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "*", "*.", "a..b", "example.com:80", "http://a", "a b", "grüße.de", "*.*.a", "a/b"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }
}
