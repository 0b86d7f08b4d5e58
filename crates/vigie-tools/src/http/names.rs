//! Who has which address: as the system says, or as the user does; of one family, if that was asked for.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::lookup_host;

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Whether an address is of it.
    pub fn has(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Family::V4)
    }

    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    /// The address that a socket of this family is bound to.
    pub(super) fn unspecified(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

/// A name that the user has given an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The name, in lower case.
    pub host: String,
    /// The port for which it counts; every one without.
    pub port: Option<u16>,
    /// The address.
    pub address: IpAddr,
}

impl std::str::FromStr for Override {
    type Err = String;

    /// Reads `HOST:PORT:ADDR`, as curl has it; `*` is any port.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not HOST:PORT:ADDR, such as example.org:443:192.0.2.1");
        let (host, rest) = text.split_once(':').ok_or_else(bad)?;
        let (port, address) = rest.split_once(':').ok_or_else(bad)?;
        let port = match port {
            "*" => None,
            port => Some(port.parse().map_err(|_| bad())?),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| bad())?;
        if host.is_empty() {
            Err(bad())
        } else {
            Ok(Override { host: host.to_ascii_lowercase(), port, address })
        }
    }
}

/// Asks the system, but for the names that the user has given.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) family: Option<Family>,
    pub(super) overrides: Arc<[Override]>,
    /// The port of the request, which the resolver is not told.
    pub(super) port: u16,
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameError {
    #[error("{host} has no address: {source}")]
    System { host: String, source: std::io::Error },
    #[error("{host} has no {family} address")]
    Family { host: String, family: &'static str },
}

impl Names {
    async fn addresses(self, host: String) -> Result<Vec<SocketAddr>, NameError> {
        let given = |one: &&Override| {
            one.host == host.to_ascii_lowercase() && one.port.is_none_or(|port| port == self.port)
        };
        let mut all: Vec<SocketAddr> =
            self.overrides.iter().filter(given).map(|one| SocketAddr::new(one.address, 0)).collect();
        if all.is_empty() {
            let system = |source| NameError::System { host: host.clone(), source };
            all = lookup_host((host.as_str(), 0)).await.map_err(system)?.collect();
        }
        if let Some(family) = self.family {
            all.retain(|address| family.has(address.ip()));
            if all.is_empty() {
                return Err(NameError::Family { host, family: family.as_str() });
            }
        }
        Ok(all)
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, host) = (self.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let all = names.addresses(host).await.map_err(Box::<dyn Error + Send + Sync>::from)?;
            Ok(Box::new(all.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_read_as_curl_reads_them() {
        let one: Override = "Example.org:443:192.0.2.1".parse().unwrap();
        let address = "192.0.2.1".parse().unwrap();
        assert_eq!(one, Override { host: "example.org".into(), port: Some(443), address });
        let any: Override = "a:*:[::1]".parse().unwrap();
        assert_eq!((any.port, any.address), (None, "::1".parse().unwrap()));
        for bad in
            ["", "a", "a:443", "a:443:", "a:x:192.0.2.1", ":443:192.0.2.1", "a:443:b", "a:70000:192.0.2.1"]
        {
            assert!(bad.parse::<Override>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn names_are_answered_by_whoever_knows_and_in_one_family() {
        let overrides: Arc<[Override]> =
            ["a:80:192.0.2.1", "a:*:2001:db8::1"].map(|one| one.parse().unwrap()).into();
        let ask = |family, port, host: &str| {
            Names { family, overrides: overrides.clone(), port }.addresses(host.to_owned())
        };
        let texts = |all: Vec<SocketAddr>| all.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>();
        assert_eq!(texts(ask(None, 80, "A").await.unwrap()), ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(texts(ask(None, 81, "a").await.unwrap()), ["2001:db8::1"]);
        assert_eq!(texts(ask(Some(Family::V4), 80, "a").await.unwrap()), ["192.0.2.1"]);
        assert_eq!(ask(Some(Family::V4), 81, "a").await.unwrap_err().to_string(), "a has no IPv4 address");
        assert_eq!(texts(ask(Some(Family::V4), 1, "localhost").await.unwrap()), ["127.0.0.1"]);
    }
}
