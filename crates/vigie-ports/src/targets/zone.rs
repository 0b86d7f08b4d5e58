//! The interfaces of IPv6 link-local addresses, as they are written behind `%` (RFC 4007).

use std::os::unix::net::UnixDatagram;

use rustix::net::netdevice::{index_to_name, name_to_index};

/// The number of an interface of this machine, by its name or number; numbers are not looked up.
pub(super) fn number(zone: &str) -> Option<u32> {
    if let Ok(number) = zone.parse() {
        return Some(number).filter(|number| *number > 0);
    }
    // Any socket will do to ask the kernel.
    let socket = UnixDatagram::unbound().ok()?;
    name_to_index(&socket, zone).ok()
}

/// The name of an interface, or its number where it has none.
pub(super) fn name(number: u32) -> String {
    let name = UnixDatagram::unbound().ok().and_then(|socket| index_to_name(&socket, number).ok());
    name.unwrap_or_else(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_and_back() {
        assert_eq!(name(number("lo").unwrap()), "lo");
        assert_eq!((number("7"), name(u32::MAX)), (Some(7), u32::MAX.to_string()));
        for nobody in ["", "0", "-1", "nosuch0", "../lo", "lo\0", "a-name-that-is-too-long-for-an-interface"]
        {
            assert_eq!(number(nobody), None, "{nobody:?}");
        }
    }
}
