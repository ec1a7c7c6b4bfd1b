//! Decides which hosts are reached without a proxy.

use std::net::IpAddr;

/// The hosts of `NO_PROXY`. The machine itself, and the services for its instance or container, are always among them.
#[derive(Debug, Default)]
pub(super) struct NoProxy(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    hosts: Hosts,
    /// The only port that the rule applies to.
    port: Option<u16>,
}

#[derive(Debug)]
enum Hosts {
    All,
    /// A domain and all hosts below it, in lower case and without a leading dot.
    Domain(String),
    /// The addresses that have this many leading bits in common with the address.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Parses a list: host names (a leading `.` or `*.` is optional: a name matches all hosts below it too), addresses
    /// and networks such as `10.0.0.0/8`, each with an optional port; `*` matches all hosts.
    pub(super) fn parse(list: &str) -> Self {
        let entries = list.split([',', ' ']).map(str::trim);
        let entries = entries.filter(|entry| !entry.is_empty());
        Self(entries.map(Rule::parse).collect())
    }

    /// Returns true if a host is reached without a proxy.
    pub(super) fn contains(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        if is_this_machine(&host, address) {
            return true;
        }
        self.0.iter().any(|rule| {
            let applies = rule.port.is_none_or(|only| Some(only) == port);
            applies && rule.hosts.contains(&host, address)
        })
    }
}

impl Rule {
    fn parse(entry: &str) -> Self {
        if let Some(hosts) = Hosts::parse(entry) {
            return Self { hosts, port: None };
        }
        let with_port = entry
            .rsplit_once(':')
            .and_then(|(hosts, port)| Some((Hosts::parse(hosts)?, port.parse().ok()?)));
        match with_port {
            Some((hosts, port)) => Self {
                hosts,
                port: Some(port),
            },
            None => Self {
                hosts: Hosts::Domain(entry.to_ascii_lowercase()),
                port: None,
            },
        }
    }
}

impl Hosts {
    /// Parses a rule without a port.
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let text = text.trim_start_matches('[').trim_end_matches(']');
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        if let Ok(address) = address.parse::<IpAddr>() {
            let all_bits = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.parse().unwrap_or(all_bits);
            return Some(Self::Network(address, bits.min(all_bits)));
        }
        let domain = text.trim_start_matches('*').trim_start_matches('.');
        let is_domain = !domain.is_empty() && !domain.contains([':', '/']);
        is_domain.then(|| Self::Domain(domain.to_ascii_lowercase()))
    }

    fn contains(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Domain(domain) => {
                let rest = host.strip_suffix(domain.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Self::Network(network, bits) => match (network, address) {
                (IpAddr::V4(network), Some(IpAddr::V4(address))) => {
                    let different = network.to_bits() ^ address.to_bits();
                    different.leading_zeros() >= *bits
                }
                (IpAddr::V6(network), Some(IpAddr::V6(address))) => {
                    let different = network.to_bits() ^ address.to_bits();
                    different.leading_zeros() >= *bits
                }
                _ => false,
            },
        }
    }
}

/// Returns true for this machine and for the addresses of the services that give its instance or container credentials,
/// which no proxy can reach for it.
fn is_this_machine(host: &str, address: Option<IpAddr>) -> bool {
    match address {
        Some(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Some(IpAddr::V6(address)) => {
            address.is_loopback() || matches!(address.segments(), [0xfd00, 0xec2, ..])
        }
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_matched_as_other_tools_match_them() {
        for (list, host, port, expected) in [
            ("", "s3.example", 443, false),
            ("*", "s3.example", 443, true),
            ("example", "s3.example", 443, true),
            (".example", "s3.example", 443, true),
            ("*.example", "S3.Example.", 443, true),
            ("example", "s3.notexample", 443, false),
            ("ample", "s3.example", 443, false),
            ("a, s3.example b", "s3.example", 443, true),
            ("s3.example:9000", "s3.example", 443, false),
            ("s3.example:9000", "s3.example", 9000, true),
            ("10.0.0.0/8", "10.1.2.3", 80, true),
            ("10.0.0.0/8", "11.1.2.3", 80, false),
            ("0.0.0.0/0", "11.1.2.3", 80, true),
            ("10.1.2.3", "10.1.2.3", 80, true),
            ("10.1.2.3:9000", "10.1.2.3", 80, false),
            ("fd12::/16", "[fd12::1]", 80, true),
            ("[fd12::1]:9000", "[fd12::1]", 9000, true),
            ("fd12::1", "[fd12::2]", 80, false),
            (":::///", "s3.example", 80, false),
            ("10.0.0.0/x", "10.0.0.1", 80, false),
        ] {
            let no_proxy = NoProxy::parse(list);
            assert_eq!(
                no_proxy.contains(host, Some(port)),
                expected,
                "{list:?} {host}:{port}"
            );
        }
    }

    #[test]
    fn services_of_the_machine_are_never_reached_through_a_proxy() {
        for host in [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "[fd00:ec2::254]",
            "[fd00:ec2::23]",
            "localhost",
            "s3.localhost",
            "127.0.0.1",
            "[::1]",
        ] {
            assert!(NoProxy::default().contains(host, Some(80)), "{host}");
        }
    }
}
