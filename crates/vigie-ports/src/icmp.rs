//! What ICMP and ICMPv6 errors say of a port.

use crate::finding::{Reason, State};

/// Destination unreachable, ICMP.
pub(crate) const V4_UNREACHABLE: u8 = 3;
/// Time exceeded, ICMP.
pub(crate) const V4_TIME_EXCEEDED: u8 = 11;
/// Destination unreachable, ICMPv6.
pub(crate) const V6_UNREACHABLE: u8 = 1;
/// Time exceeded, ICMPv6.
pub(crate) const V6_TIME_EXCEEDED: u8 = 3;

/// The verdict of an error by its protocol (4 or 6), type and code; `None` for those that say nothing of the port.
///
/// Filtered is what an administrator forbids: RFC 792 and 1122 codes 3 (port), 9, 10 and 13; RFC 4443 codes 4 (port),
/// 1, 5 and 6. All others say that there is no way.
pub(crate) fn verdict(version: u8, kind: u8, code: u8) -> Option<(State, Reason)> {
    let state = match (version, kind, code) {
        (4, V4_UNREACHABLE, 3 | 9 | 10 | 13) | (6, V6_UNREACHABLE, 1 | 4 | 5 | 6) => State::Filtered,
        // "Fragmentation needed" is about a size.
        (4, V4_UNREACHABLE, 4) => return None,
        (4, V4_UNREACHABLE | V4_TIME_EXCEEDED, _) | (6, V6_UNREACHABLE | V6_TIME_EXCEEDED, _) => {
            State::Unreachable
        }
        _ => return None,
    };
    Some((state, Reason::Icmp { version, kind, code }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_is_filtered_and_no_way_is_unreachable() {
        for (version, kind, filtered, unreachable) in [
            (4, 3, &[3, 9, 10, 13][..], &[0, 1, 2, 5, 6, 7, 8, 11, 12][..]),
            (6, 1, &[1, 4, 5, 6], &[0, 2, 3]),
        ] {
            let state = |code: &u8| verdict(version, kind, *code).map(|(state, _)| state);
            assert!(filtered.iter().all(|code| state(code) == Some(State::Filtered)));
            assert!(unreachable.iter().all(|code| state(code) == Some(State::Unreachable)));
        }
        assert_eq!(verdict(4, 3, 4), None);
        assert_eq!(verdict(6, 2, 0), None, "packet too big");
    }
}
