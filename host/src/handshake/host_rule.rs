//! Which Host header fields are answered: the guard against DNS rebinding of a host that listens on loopback only.

use std::net::IpAddr;

use http::StatusCode;
use http::header::{HOST, HeaderMap};
use http::uri::Authority;

use super::Refusal;

/// The hosts that requests may be addressed to. A page of a foreign site can give its own name the address 127.0.0.1
/// and is then "same origin" to this host; only the Host header shows the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRule {
    /// Any: the host is public, or a proxy in front of it checks.
    Any,
    /// Only `localhost`, names below it, and IP addresses of loopback.
    Loopback,
}

impl HostRule {
    /// Check the Host header of any request, upgrade or not.
    ///
    /// # Errors
    /// 421 (RFC 9110 section 15.5.20) when the rule does not allow the host. A missing Host is left to the handshake.
    pub fn check(self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let allowed = self == Self::Any || hosts.all(|host| host.to_str().is_ok_and(is_loopback));
        if allowed {
            return Ok(());
        }
        let text = "This host listens on loopback and answers only to \"localhost\" and loopback addresses.\n";
        Err(Refusal::text(StatusCode::MISDIRECTED_REQUEST, text))
    }
}

/// Whether a Host value names this machine's loopback.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(rule: HostRule, host: &'static str) -> u16 {
        let headers = HeaderMap::from_iter([(HOST, http::HeaderValue::from_static(host))]);
        rule.check(&headers).map_or_else(|refusal| refusal.status.as_u16(), |()| 0)
    }

    #[test]
    fn loopback_names_and_addresses_pass() {
        for host in
            ["localhost", "LOCALHOST:80", "a.localhost:1", "localhost.:2", "127.0.0.1:8080", "127.9.9.9", "[::1]:80"]
        {
            assert_eq!(status(HostRule::Loopback, host), 0, "{host}");
        }
    }

    #[test]
    fn h20_a_foreign_name_is_misdirected() {
        for host in ["evil.example", "localhost.evil.example:80", "notlocalhost", "10.0.0.1", "[fe80::1]", "", "a b"] {
            assert_eq!(status(HostRule::Loopback, host), 421, "{host}");
            assert_eq!(status(HostRule::Any, host), 0, "{host}");
        }
    }
}
