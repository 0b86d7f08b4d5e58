//! Who can be asked.

use crate::http::names::Family;
use reqwest::Url;
use std::net::IpAddr;

/// A service that tells whoever asks the address that the question came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What to ask for.
    pub url: Url,
    /// Who runs it: two services of one operator confirm nothing.
    pub operator: String,
}

impl Source {
    /// A service that the user names. Its operator is taken from the name of its host: the last two parts, so that too few
    /// count as independent rather than too many.
    pub fn new(url: Url) -> Source {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        let operator = if host.parse::<IpAddr>().is_ok() {
            host
        } else {
            let parts: Vec<&str> = host.rsplitn(3, '.').take(2).collect();
            parts.into_iter().rev().collect::<Vec<_>>().join(".")
        };
        Source { url, operator }
    }
}

/// Services that have been there for years, of operators that have nothing to do with each other. The first few are asked
/// first.
const USUAL: &[(&str, &str, &str)] = &[
    // Operator, for IPv4, for IPv6; where they differ, the name has addresses of that family only.
    ("ifconfig.me", "https://ifconfig.me/ip", "https://ifconfig.me/ip"),
    ("ipify", "https://api.ipify.org/", "https://api6.ipify.org/"),
    ("cloudflare", "https://ipv4.icanhazip.com/", "https://ipv6.icanhazip.com/"),
    ("ident.me", "https://v4.ident.me/", "https://v6.ident.me/"),
    ("amazon", "https://checkip.amazonaws.com/", ""),
];

/// The services that are asked when the user names none.
pub fn usual(family: Family) -> Vec<Source> {
    let urls =
        USUAL.iter().map(|(operator, v4, v6)| (*operator, if family == Family::V4 { *v4 } else { *v6 }));
    let source = |(operator, url): (&str, &str)| {
        Some(Source { url: Url::parse(url).ok()?, operator: operator.to_owned() })
    };
    urls.filter_map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn operators_are_told_apart_by_the_names_of_their_hosts() {
        let operator = |url: &str| Source::new(url.parse().unwrap()).operator;
        assert_eq!(operator("https://api.ipify.org/?x"), "ipify.org");
        assert_eq!(operator("https://API64.ipify.org/"), "ipify.org");
        assert_eq!(operator("http://localhost:8080/"), "localhost");
        assert_eq!(operator("http://127.0.0.1:8080/"), "127.0.0.1");
        assert_eq!(operator("http://[::1]:8080/"), "::1");
    }

    #[test]
    fn the_usual_ones_are_independent_and_asked_under_tls() {
        for family in [Family::V4, Family::V6] {
            let sources = usual(family);
            let operators: HashSet<&str> = sources.iter().map(|source| source.operator.as_str()).collect();
            assert!(sources.len() >= 4 && operators.len() == sources.len());
            assert!(sources.iter().all(|source| source.url.scheme() == "https"));
            assert_eq!(sources[0].operator, "ifconfig.me");
        }
    }
}
