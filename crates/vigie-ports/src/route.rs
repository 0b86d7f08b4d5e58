//! Whether a router lies between this machine and an address, by the kernel's own tables in `/proc`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `RTF_GATEWAY` of `linux/route.h`.
const GATEWAY: u32 = 0x2;
/// `RTF_REJECT`.
const REJECT: u32 = 0x200;

/// The routes of this machine, read once.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    routes: Vec<Route>,
}

#[derive(Debug, PartialEq)]
struct Route {
    to: IpAddr,
    bits: u32,
    device: String,
    through_gateway: bool,
}

impl Routes {
    /// As they are now. What cannot be read is taken for not there: addresses then count as routed.
    pub(crate) fn read() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let (v4, v6) = (read("/proc/thread-self/net/route"), read("/proc/thread-self/net/ipv6_route"));
        Routes { routes: v4.lines().filter_map(v4_route).chain(v6.lines().filter_map(v6_route)).collect() }
    }

    /// Whether an address is reached without a router.
    pub(crate) fn is_on_link(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.best(address).is_some_and(|route| !route.through_gateway)
    }

    /// The interface that leads to an address on the same link.
    pub(crate) fn device(&self, address: IpAddr) -> Option<&str> {
        let route = self.best(address).filter(|route| !route.through_gateway)?;
        Some(&route.device)
    }

    fn best(&self, address: IpAddr) -> Option<&Route> {
        self.routes.iter().filter(|route| route.covers(address)).max_by_key(|route| route.bits)
    }
}

impl Route {
    fn covers(&self, address: IpAddr) -> bool {
        match (self.to, address) {
            (IpAddr::V4(to), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                u32::from(to) & mask == u32::from(address) & mask
            }
            (IpAddr::V6(to), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                u128::from(to) & mask == u128::from(address) & mask
            }
            _ => false,
        }
    }
}

/// `eth0 0000A8C0 00000000 0001 0 0 0 00FFFFFF …`: device, destination, gateway, flags, …, mask; addresses as they lie
/// in memory.
fn v4_route(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let address = |field: &str| u32::from_str_radix(field, 16).ok().map(u32::to_ne_bytes).map(Ipv4Addr::from);
    let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
    let mask = u32::from(address(fields.get(7)?)?);
    (flags & REJECT == 0).then_some(Route {
        to: address(fields.get(1)?)?.into(),
        bits: mask.leading_ones(),
        device: (*fields.first()?).to_owned(),
        through_gateway: flags & GATEWAY != 0,
    })
}

/// `fe80… 40 000… 00 000… metric refs use flags eth0`: destination, its bits, source, its bits, gateway, …, device.
fn v6_route(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let flags = u32::from_str_radix(fields.get(8)?, 16).ok()?;
    let device = (*fields.get(9)?).to_owned();
    (flags & REJECT == 0 && device != "lo").then_some(Route {
        to: Ipv6Addr::from(u128::from_str_radix(fields.first()?, 16).ok()?).into(),
        bits: u32::from_str_radix(fields.get(1)?, 16).ok().filter(|bits| *bits <= 128)?,
        device,
        through_gateway: flags & GATEWAY != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    const V6: &str = "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth1\n";

    #[test]
    fn the_longest_route_decides() {
        let routes = Routes {
            routes: V4.lines().filter_map(v4_route).chain(V6.lines().filter_map(v6_route)).collect(),
        };
        assert_eq!(routes.routes.len(), 3, "not the heading");
        let on_link = |address: &str| routes.is_on_link(address.parse().unwrap());
        assert!(on_link("192.168.0.77") && on_link("fd00::1") && on_link("127.9.9.9"));
        assert!(!on_link("192.168.1.77") && !on_link("fd00:0:0:1::1"));
        assert_eq!(routes.device("fd00::9".parse().unwrap()), Some("eth1"));
        assert_eq!(routes.device("8.8.8.8".parse().unwrap()), None);
    }

    #[test]
    fn nonsense_is_no_route() {
        for line in ["", "eth0", "eth0 zz 0 1 0 0 0 0", "eth0 0 0 1 0 0 0"] {
            assert_eq!(v4_route(line), None, "{line}");
        }
        for line in ["", "f", "zz 40 0 0 0 0 0 0 1 eth0", "f ff 0 0 0 0 0 0 1 eth0", "f 40 0 0 0 0 0 0 1"] {
            assert_eq!(v6_route(line), None, "{line}");
        }
    }
}
