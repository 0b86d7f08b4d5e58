//! What counts as an answer: an address and nothing else. A page that has one somewhere is none.

use crate::http::names::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an answer is none.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Rejected {
    /// It is a web page.
    #[error("it sent a web page, not an address")]
    Page,
    /// It is something else.
    #[error("it sent no address: {0}")]
    NoAddress(String),
    /// It is an address of the other family.
    #[error("it sent {0}, which is no {family} address", family = .1.as_str())]
    Family(IpAddr, Family),
    /// It is an address that nobody has in public.
    #[error("it sent {0}, which is {1}")]
    NotPublic(IpAddr, &'static str),
}

/// Reads an answer: the address alone, or one line `ip=ADDRESS`, or a JSON object with a string `ip`.
///
/// # Errors
/// See [`Rejected`].
pub fn read(body: &[u8], family: Family) -> Result<IpAddr, Rejected> {
    let text = std::str::from_utf8(body).map_err(|_| Rejected::NoAddress("it is no text".to_owned()))?.trim();
    let address = alone(text).or_else(|| from_lines(text)).or_else(|| from_json(text));
    let Some(address) = address else {
        return Err(if text.starts_with('<') { Rejected::Page } else { Rejected::NoAddress(shown(text)) });
    };
    if !family.has(address) {
        return Err(Rejected::Family(address, family));
    }
    match not_public(address) {
        Some(what) => Err(Rejected::NotPublic(address, what)),
        None => Ok(address),
    }
}

fn alone(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn from_lines(text: &str) -> Option<IpAddr> {
    let mut found = text.lines().filter_map(|line| line.strip_prefix("ip="));
    let first = alone(found.next()?.trim())?;
    found.next().is_none().then_some(first)
}

fn from_json(text: &str) -> Option<IpAddr> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    alone(object.get("ip")?.as_str()?)
}

/// The beginning, on one line.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_default).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    if shown.is_empty() { "nothing at all".to_owned() } else { format!("\"{shown}\"") }
}

/// What an address is that cannot be somebody's in public (the special-purpose registries of IANA, RFC 6890).
fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => not_public_v4(v4),
        IpAddr::V6(v6) => not_public_v6(v6),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => Some("a private address"),
        [100, 64..=127, ..] => Some("an address within a provider's network"),
        [127, ..] => Some("an address of the machine itself"),
        [169, 254, ..] => Some("an address of one link"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("an address for documentation"),
        [0, ..] | [192, 0, 0, _] | [198, 18..=19, ..] | [240..=255, ..] => Some("a reserved address"),
        [224..=239, ..] => Some("the address of a group"),
        _ => None,
    }
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Some("an address for documentation"),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xfe80..=0xfebf, ..] => Some("an address of one link"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("an address of the machine itself"),
        [0xff00..=0xffff, ..] => Some("the address of a group"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_address() {
        let v4 = |body: &str| read(body.as_bytes(), Family::V4).map(|address| address.to_string());
        for body in [
            "9.9.9.9",
            " 9.9.9.9\r\n",
            "::ffff:9.9.9.9",
            "fl=1\nip=9.9.9.9\nts=2",
            r#"{"ip":"9.9.9.9","country":"x"}"#,
        ] {
            assert_eq!(v4(body).as_deref(), Ok("9.9.9.9"), "{body:?}");
        }
        assert_eq!(read(b"2620:fe::fe\n", Family::V6), Ok("2620:fe::fe".parse().unwrap()));
    }

    #[test]
    fn nothing_else_is_one() {
        let v4 = |body: &[u8]| read(body, Family::V4).unwrap_err();
        assert_eq!(v4(b"<!DOCTYPE html><p>9.9.9.9</p>"), Rejected::Page);
        for body in [
            &b""[..],
            b"\xff",
            b"Your address is 9.9.9.9",
            b"9.9.9.9, 10.0.0.1",
            b"9.9.9.9\n8.8.8.8",
            b"ip=9.9.9.9\nip=8.8.8.8",
            b"9.9.9.09",
            b"9.9.9",
            br#"{"ip":9}"#,
            br#"["9.9.9.9"]"#,
        ] {
            assert!(matches!(v4(body), Rejected::NoAddress(_)), "{body:?}");
        }
        assert!(matches!(v4(b"2620:fe::fe"), Rejected::Family(..)));
        assert!(matches!(read(b"9.9.9.9", Family::V6), Err(Rejected::Family(..))));
        assert_eq!(v4(b"\x1b[2J").to_string(), r#"it sent no address: "\u{1b}[2J""#);
    }

    #[test]
    fn what_nobody_has_in_public_is_none() {
        for text in [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.7",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
        ] {
            assert!(matches!(read(text.as_bytes(), Family::V4), Err(Rejected::NotPublic(..))), "{text}");
        }
        for text in ["::", "::1", "fd00::2", "fe80::1", "ff02::1", "2001:db8::1", "3fff::1", "64:ff9b::1"] {
            assert!(matches!(read(text.as_bytes(), Family::V6), Err(Rejected::NotPublic(..))), "{text}");
        }
        for text in ["172.15.0.1", "172.32.0.1", "100.128.0.1", "1.1.1.1", "223.255.255.1"] {
            assert!(read(text.as_bytes(), Family::V4).is_ok(), "{text}");
        }
    }
}
