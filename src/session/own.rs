//! Who is not a correspondent: our own networks, hosts and domains, and the services our users submit through.
//!
//! It decides by what the operator said, or by loopback and the log host's own name if nothing was said. It asks no DNS.

use std::net::IpAddr;
use std::str::FromStr;

/// An IP network in CIDR notation; a bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("expected a network such as 192.0.2.0/24 or 2001:db8::/32, found `{text}`");
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |p| p.parse().map_err(|_| wrong()))?;
        if prefix > longest {
            return Err(wrong());
        }
        Ok(Network { address, prefix })
    }
}

impl Network {
    /// Whether the network holds this address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                same_prefix(u32::from(net).into(), u32::from(ip).into(), 32, self.prefix)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                same_prefix(net.into(), ip.into(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(a: u128, b: u128, width: u8, prefix: u8) -> bool {
    prefix == 0 || (a ^ b) >> (width - prefix) == 0
}

/// What is ours.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Networks given by the operator; empty: loopback and the log host itself.
    pub networks: Vec<Network>,
    /// Domains we receive mail for, lower case; subdomains count.
    pub domains: Vec<String>,
}

impl Own {
    /// Whether a host is ours, by its address and name as stored or as logged. `log_host` is the name the log itself carries.
    pub fn holds_host(&self, address: &[u8], name: &[u8], log_host: &str) -> bool {
        let ip = || {
            std::str::from_utf8(address)
                .ok()?
                .parse::<IpAddr>()
                .ok()
                .map(|ip| ip.to_canonical())
        };
        if !self.networks.is_empty() {
            return ip().is_some_and(|ip| self.networks.iter().any(|n| n.contains(ip)));
        }
        // Looking at every address costs more than the rest of the question: only what can be loopback is taken apart.
        let maybe_loopback =
            address.starts_with(b"127.") || address.starts_with(b":") || address.starts_with(b"0");
        maybe_loopback && ip().is_some_and(|ip| ip.is_loopback())
            || name.eq_ignore_ascii_case(b"localhost")
            || (!name.is_empty() && name.eq_ignore_ascii_case(log_host.as_bytes()))
    }

    /// Whether a domain is ours.
    pub fn holds_domain(&self, domain: &str) -> bool {
        self.domains.iter().any(|own| {
            domain == own
                || domain
                    .strip_suffix(own.as_str())
                    .is_some_and(|head| head.ends_with('.'))
        })
    }
}

/// Parts of a syslog tag that name a service for users of ours (master.cf of Postfix 2.9 and later), and those of them that speak
/// TLS from the first byte.
const SUBMISSION: &[(&str, bool)] = &[
    ("submission", false),
    ("smtps", true),
    ("submissions", true),
];

/// Whether the tag names a submission service, and whether that service is in TLS from the first byte.
pub fn submission_service(tag: &str) -> Option<bool> {
    tag.split('/')
        .find_map(|part| SUBMISSION.iter().find(|(name, _)| *name == part))
        .map(|(_, implicit)| *implicit)
}

/// Daemon names under which a submission port is configured (`DaemonPortOptions Name=` of Sendmail's stock configurations).
pub fn submission_daemon(daemon: &[u8]) -> bool {
    daemon.starts_with(b"MSA") || daemon.starts_with(b"MSP") || daemon == b"TLSMTA"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let net = |t: &str| t.parse::<Network>();
        let ip = |t: &str| t.parse::<IpAddr>().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        assert!(
            net("127.0.10.0/24")
                .is_ok_and(|n| n.contains(ip("127.0.10.12")) && !n.contains(ip("127.0.11.1")))
        );
        assert!(
            net("2001:db8::/32")
                .is_ok_and(|n| n.contains(ip("2001:db8::25")) && !n.contains(ip("192.0.2.1")))
        );
        assert!(net("0.0.0.0/0").is_ok_and(|n| n.contains(ip("192.0.2.1"))));
        assert!(net("192.0.2.1").is_ok_and(|n| n.contains(ip("192.0.2.1"))));
        assert_eq!(
            net("192.0.2.0/33"),
            Err(
                "expected a network such as 192.0.2.0/24 or 2001:db8::/32, found `192.0.2.0/33`"
                    .to_owned()
            )
        );
    }

    #[test]
    fn given_networks_replace_loopback() {
        let own = Own::default();
        assert!(own.holds_host(b"127.0.0.1", b"", "mx1") && own.holds_host(b"::1", b"", "mx1"));
        assert!(
            own.holds_host(b"0:0:0:0:0:0:0:1", b"", "mx1") && own.holds_host(b"", b"MX1", "mx1")
        );
        assert!(!own.holds_host(b"192.0.2.1", b"mx2", "mx1"));
        let own = Own {
            networks: "10.0.0.0/8".parse().into_iter().collect(),
            domains: vec!["example.com".to_owned()],
        };
        assert!(!own.holds_host(b"127.0.0.1", b"", "mx1"));
        assert!(
            own.holds_host(b"10.1.2.3", b"", "mx1")
                && own.holds_host(b"::ffff:10.1.2.3", b"", "mx1")
        );
        assert!(
            own.holds_domain("example.com")
                && own.holds_domain("lists.example.com")
                && !own.holds_domain("badexample.com")
        );
    }
}
