//! The names that certificates carry, and their reading back.
//!
//! ```text
//! authority print  = BLAKE3 of the authority's public key (SubjectPublicKeyInfo, DER)
//! hub id           = its first 16 bytes
//! hub's DNS name   = <hub id in hex>.hub.vigie.internal
//! machine's URI    = vigie:machine:<machine id in hex>:<name>
//! ```

use crate::link::MachineCard;
use std::fmt;
use vigie_model::machines::check_machine_name;
use vigie_model::{MachineId, UnixNanos};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const HUB_DOMAIN: &str = "hub.vigie.internal";
const MACHINE_URI: &str = "vigie:machine:";

/// Names an authority: what a token pins, and what the hub is known by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuthorityPrint(pub [u8; 32]);

impl AuthorityPrint {
    /// Of an authority's certificate.
    pub(crate) fn of_certificate(der: &[u8]) -> Result<Self, CardError> {
        Ok(AuthorityPrint(public_key_print(parse(der)?.public_key().raw)))
    }

    /// The hub of this authority, as a machine.
    pub fn hub_id(&self) -> MachineId {
        let mut id = MachineId::default();
        id.0.copy_from_slice(&self.0[..MachineId::LEN]);
        id
    }

    /// The name in the hub's certificate. It never resolves (RFC 9476 keeps `.internal` for private use):
    /// it says whose hub it is, not where.
    pub(crate) fn server_name(&self) -> String {
        format!("{}.{HUB_DOMAIN}", self.hub_id())
    }
}

impl fmt::Display for AuthorityPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for AuthorityPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorityPrint({self})")
    }
}

/// A certificate that this program did not make, or not for this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// Not a certificate at all.
    #[error("this is not an X.509 certificate: {0}")]
    NotX509(String),
    /// A certificate without the name of a machine.
    #[error("the certificate names no machine: {0}")]
    NoMachine(&'static str),
}

/// BLAKE3 of a public key (SubjectPublicKeyInfo, DER).
pub(crate) fn public_key_print(spki: &[u8]) -> [u8; 32] {
    *blake3::hash(spki).as_bytes()
}

/// The URI that names a machine in its certificate.
pub(crate) fn machine_uri(id: MachineId, name: &str) -> String {
    format!("{MACHINE_URI}{id}:{name}")
}

/// Reads a certificate, and nothing behind it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CardError> {
    match X509Certificate::from_der(der) {
        Ok((&[], certificate)) => Ok(certificate),
        Ok(_) => Err(CardError::NotX509("bytes follow it".into())),
        Err(e) => Err(CardError::NotX509(e.to_string())),
    }
}

/// When a certificate's validity begins and ends.
pub(crate) fn validity(certificate: &X509Certificate<'_>) -> (UnixNanos, UnixNanos) {
    let nanos = |seconds: i64| UnixNanos(seconds.saturating_mul(1_000_000_000));
    let validity = certificate.validity();
    (nanos(validity.not_before.timestamp()), nanos(validity.not_after.timestamp()))
}

impl MachineCard {
    /// Reads what a machine's certificate says. Who made it is not checked here.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, CardError> {
        let certificate = parse(der)?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| CardError::NoMachine("its names are damaged"))?
            .ok_or(CardError::NoMachine("it has no names"))?;
        let [GeneralName::URI(uri)] = names.value.general_names[..] else {
            return Err(CardError::NoMachine("its only name must be a URI"));
        };
        let (id, name) = uri
            .strip_prefix(MACHINE_URI)
            .and_then(|rest| rest.split_once(':'))
            .ok_or(CardError::NoMachine("its URI is not a machine's"))?;
        let id = MachineId::from_hex(id).ok_or(CardError::NoMachine("its id is not one"))?;
        check_machine_name(name).map_err(|_| CardError::NoMachine("its name is not a machine's"))?;
        let (_, not_after) = validity(&certificate);
        Ok(MachineCard { id, name: name.to_owned(), certificate: *blake3::hash(der).as_bytes(), not_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    #[test]
    fn a_machine_is_read_back_from_its_certificate() {
        let id = MachineId([0xab; 16]);
        assert_eq!(machine_uri(id, "web01"), "vigie:machine:abababababababababababababababab:web01");
        let card = MachineCard::from_der(&certificate(vec![uri(&machine_uri(id, "web01"))])).unwrap();
        assert_eq!((card.id, card.name.as_str()), (id, "web01"));
    }

    #[test]
    fn other_names_are_no_machine() {
        let good = machine_uri(MachineId([1; 16]), "a");
        let dns = SanType::DnsName("a.example".try_into().unwrap());
        for names in [
            vec![],
            vec![dns.clone()],
            vec![uri(&good), dns],
            vec![uri("https://example.org/")],
            vec![uri("vigie:machine:abcd:web01")],
            vec![uri(&machine_uri(MachineId([1; 16]), "../x"))],
            vec![uri(&machine_uri(MachineId([1; 16]), "a:b"))],
        ] {
            let shown = format!("{names:?}");
            assert!(
                matches!(MachineCard::from_der(&certificate(names)), Err(CardError::NoMachine(_))),
                "{shown}"
            );
        }
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let der = certificate(vec![uri(&machine_uri(MachineId([1; 16]), "a"))]);
        for cut in 0..der.len() {
            assert!(MachineCard::from_der(&der[..cut]).is_err());
        }
        let longer = [&der[..], &[0]].concat();
        assert!(matches!(MachineCard::from_der(&longer), Err(CardError::NotX509(_))));
        for at in 0..der.len() {
            for bit in 0..8 {
                let mut bad = der.clone();
                bad[at] ^= 1 << bit;
                let _ = crate::fuzzing::certificate(&bad);
                let _ = crate::fuzzing::certificate_request(&bad);
            }
        }
    }
}
