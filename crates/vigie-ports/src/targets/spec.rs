//! One word of the user.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vigie_model::{NodeSet, NodeSetError};

use super::block::{Block, Octets};
use super::zone;
use crate::limits::{NAMES_MAX, TARGET_BYTES_MAX};

/// What a word, or a part of it between commas, stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// Addresses.
    Block(Block),
    /// Names, to be resolved.
    Names(NodeSet),
}

/// Why a word is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing, or nothing between two commas.
    #[error("an empty target")]
    Empty,
    /// It looks like an option.
    #[error("the target `{0}` begins with a dash, as options do; no name or address does")]
    Dash(String),
    /// Longer than any name.
    #[error("a target of {0} bytes is too long")]
    TooLong(usize),
    /// Numbers and dots, but no address.
    #[error("`{0}` is no IPv4 address: four numbers or ranges from 0 to 255, such as 10.0.0-3.1-20")]
    NotV4(String),
    /// Numbers with zeros in front, which some read as octal.
    #[error("`{0}` has a number with a zero in front, which some programs read as octal; write it without")]
    Octal(String),
    /// A range of octets from high to low.
    #[error("the range `{0}` is reversed")]
    Reversed(String),
    /// Colons, but no address.
    #[error("`{0}` is no IPv6 address (ports are given with -p)")]
    NotV6(String),
    /// A link-local address needs to know on which link.
    #[error("`{0}` is link-local: add its interface, as in {0}%eth0")]
    NoScope(String),
    /// An address that no machine has.
    #[error("`{0}` is no machine's address: it stands for {1}")]
    NoMachine(String, &'static str),
    /// An interface that is not there.
    #[error("`{0}` names an interface that this machine does not have")]
    NoInterface(String),
    /// The address of a page.
    #[error("`{0}` is the address of a page, not of a machine: give its host only{example}", example = example(.1))]
    Url(String, String),
    /// A mask that its address cannot have, or on something else than an address.
    #[error("`{0}` is no network: ADDRESS/BITS, such as 10.0.0.0/24")]
    NotANetwork(String),
    /// Characters that no name of a machine has.
    #[error("`{0}` is no name of a machine: letters, digits, `-`, `_` and dots")]
    NotAName(String),
    /// Brackets that are no node set.
    #[error(transparent)]
    NodeSet(#[from] NodeSetError),
    /// More names than anybody would have resolved.
    #[error("{names} names are too many to be resolved; {max} at most")]
    TooManyNames {
        /// How many.
        names: u64,
        /// How many are taken.
        max: u64,
    },
}

impl Spec {
    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let names = if let Spec::Names(set) = self { Some(set.names()) } else { None };
        names.into_iter().flatten()
    }

    /// How many names are in it, at most.
    pub(super) fn names_count(&self) -> u64 {
        if let Spec::Names(set) = self { set.count() } else { 0 }
    }
}

/// Checks that there are not too many names.
pub(super) fn check_names(names: u64) -> Result<(), TargetError> {
    if names > NAMES_MAX { Err(TargetError::TooManyNames { names, max: NAMES_MAX }) } else { Ok(()) }
}

/// Reads a word. Commas separate targets, except within octet ranges (`10.0.0.1,5`) and brackets.
///
/// # Errors
///
/// With what is wrong with it.
pub fn parse(word: &str) -> Result<Vec<Spec>, TargetError> {
    if word.len() > TARGET_BYTES_MAX {
        return Err(TargetError::TooLong(word.len()));
    }
    // Four numbers: there commas mean what nmap means by them.
    if is_numeric(word) && word.split('.').count() == 4 {
        return Ok(vec![Spec::Block(machines(word, octets(word)?)?)]);
    }
    pieces(word).into_iter().map(one).collect()
}

/// The text between commas outside of brackets.
fn pieces(word: &str) -> Vec<&str> {
    let mut depth = 0i32;
    let outside = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth <= 0
    };
    word.split(outside).map(str::trim).collect()
}

/// `, as in web1`, where there is a host to give.
fn example(host: &str) -> String {
    if host.is_empty() { String::new() } else { format!(", as in {host}") }
}

/// One target without outer commas.
fn one(word: &str) -> Result<Spec, TargetError> {
    if word.is_empty() {
        return Err(TargetError::Empty);
    }
    if word.starts_with('-') {
        return Err(TargetError::Dash(word.to_owned()));
    }
    if let Some((_, rest)) = word.split_once("://") {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest[..end].rsplit('@').next().unwrap_or_default();
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        return Err(TargetError::Url(word.to_owned(), host.to_owned()));
    }
    if word.contains(':') {
        return machines(word, v6(word)?).map(Spec::Block);
    }
    if is_numeric(word) {
        return machines(word, octets(word)?).map(Spec::Block);
    }
    let last_slash = word.rfind('/').filter(|slash| word.rfind(']').is_none_or(|bracket| bracket < *slash));
    if let Some(slash) = last_slash {
        let not = || TargetError::NotANetwork(word.to_owned());
        let address: Ipv4Addr = word[..slash].parse().map_err(|_| not())?;
        let bits = bits(&word[slash + 1..]).ok_or_else(not)?;
        return Block::network(address.into(), bits, 0).map(Spec::Block).ok_or_else(not);
    }
    names(word).map(Spec::Names)
}

/// A block that is not just one address which no machine has. Larger ones may contain such.
fn machines(word: &str, block: Block) -> Result<Block, TargetError> {
    let stands_for = match block.nth(0) {
        _ if block.count() != 1 => None,
        address if address.is_unspecified() => Some("all addresses of this machine: say 127.0.0.1 or ::1"),
        address if address.is_multicast() => Some("a group of machines"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("all machines of a network"),
        _ => None,
    };
    match stands_for {
        Some(what) => Err(TargetError::NoMachine(word.to_owned(), what)),
        None => Ok(block),
    }
}

/// Whether it can only be an IPv4 address or a range of them.
fn is_numeric(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word.bytes().all(|byte| byte.is_ascii_digit() || b".-,*[]".contains(&byte))
}

/// `10.0.0-3.1,5-9`, brackets allowed around each place: `10.0.[0-3].4`.
fn octets(word: &str) -> Result<Block, TargetError> {
    let not = || TargetError::NotV4(word.to_owned());
    let sets = word.split('.').map(|place| octet_set(word, place)).collect::<Result<Vec<_>, _>>()?;
    let sets: [Octets; 4] = sets.try_into().map_err(|_| not())?;
    let block = Block::Octets(Box::new(sets));
    Ok(if block.count() == 1 { Block::one(block.nth(0), 0) } else { block })
}

/// Numbers and ranges of one place.
fn octet_set(word: &str, place: &str) -> Result<Octets, TargetError> {
    let not = || TargetError::NotV4(word.to_owned());
    let inside = match place.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(not)?,
        None => place,
    };
    let mut numbers = Vec::new();
    for piece in inside.split(',') {
        let (from, to) = match piece {
            "*" => ("0", "255"),
            _ => piece.split_once('-').unwrap_or((piece, piece)),
        };
        // An open end, as nmap has it; nothing at all is none.
        let (from, to) = match (from, to) {
            ("", "") if piece != "-" => return Err(not()),
            (from, to) => (octet(word, from, 0)?, octet(word, to, 255)?),
        };
        if from > to {
            return Err(TargetError::Reversed(piece.to_owned()));
        }
        numbers.extend(from..=to);
    }
    Octets::new(numbers).ok_or_else(not)
}

fn octet(word: &str, digits: &str, if_empty: u8) -> Result<u8, TargetError> {
    if digits.is_empty() {
        return Ok(if_empty);
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(TargetError::Octal(word.to_owned()));
    }
    digits.parse().map_err(|_| TargetError::NotV4(word.to_owned()))
}

/// `2001:db8::1`, with brackets, an interface or a mask if need be: `[fe80::1%eth0]`, `2001:db8::/64`.
fn v6(word: &str) -> Result<Block, TargetError> {
    let not = || TargetError::NotV6(word.to_owned());
    let (address, mask) = match word.rsplit_once('/') {
        Some((address, mask)) => {
            (address, Some(bits(mask).ok_or_else(|| TargetError::NotANetwork(word.to_owned()))?))
        }
        None => (word, None),
    };
    let address = match address.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(not)?,
        None => address,
    };
    let (address, zone) = match address.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (address, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| not())?;
    // The same machine by its other spelling: what is probed is IPv4.
    if let Some(v4) = address.to_ipv4_mapped() {
        return if mask.is_none() { Ok(Block::one(v4.into(), 0)) } else { Err(not()) };
    }
    let scope = match zone {
        Some(zone) => zone::number(zone).ok_or_else(|| TargetError::NoInterface(word.to_owned()))?,
        None if address.is_unicast_link_local() => return Err(TargetError::NoScope(word.to_owned())),
        None => 0,
    };
    let whole = Block::network(IpAddr::V6(address), mask.unwrap_or(128), scope);
    whole.ok_or_else(|| TargetError::NotANetwork(word.to_owned()))
}

/// A length of a mask.
fn bits(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

/// A node set, or one name, of which every name may be one (RFC 1123, and `_`, which many use).
fn names(word: &str) -> Result<NodeSet, TargetError> {
    let set: NodeSet = word.parse()?;
    check_names(set.count())?;
    match set.names().find(|name| !is_host_name(name)) {
        None => Ok(set),
        Some(name) if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            Err(TargetError::NotV4(name))
        }
        Some(name) => Err(TargetError::NotAName(name)),
    }
}

fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let is_char = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_char) && !label.starts_with('-')
    };
    // A last label of digits would be taken for an old way to write an address.
    let last_is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(is_label) && !last_is_number
}
