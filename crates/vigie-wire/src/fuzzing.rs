//! Decoders that are private otherwise, for the fuzz targets. No part of the interface.

use crate::authority;
use crate::card::{AuthorityPrint, parse};
use crate::frame::{Renew, Renewed};
use crate::link::MachineCard;

/// A certificate, as any peer may show it.
pub fn certificate(der: &[u8]) -> bool {
    let _ = AuthorityPrint::of_certificate(der);
    let _ = MachineCard::from_der(der);
    parse(der).is_ok()
}

/// A request for a certificate, as any peer may send it.
pub fn certificate_request(der: &[u8]) -> bool {
    authority::requested_key(der).is_ok()
}

/// The bodies of a renewal.
pub fn renewal(bytes: &[u8]) -> bool {
    Renew::read(bytes).is_ok() | Renewed::read(bytes).is_ok()
}
