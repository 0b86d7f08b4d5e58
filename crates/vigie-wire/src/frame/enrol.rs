//! The frames of enrolment, and the bodies of renewal, which is a call.

use super::codec::{read_body, write_body};
use super::{Body, Versions, proto};
use crate::limits::{CERTIFICATE_BYTES_MAX, CHAIN_MAX};
use bytes::Bytes;
use std::fmt;
use vigie_model::MachineId;
use vigie_model::machines::check_machine_name;

/// A machine without a certificate asks for one, over a connection whose hub it has checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Enroll {
    /// Versions that it speaks.
    pub versions: Versions,
    /// The token's secret.
    pub secret: [u8; 32],
    /// The token's name: what the machine will be called.
    pub name: String,
    /// Request for a certificate (PKCS #10, DER): holds the public key, and proves that the asker has
    /// the private one. All else in it is ignored.
    pub csr: Vec<u8>,
}

impl fmt::Debug for Enroll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enroll").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The certificate of a machine that was enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The machine's id from here on.
    pub machine: MachineId,
    /// Certificates in DER: the machine's first, the authority's last.
    pub chain: Vec<Vec<u8>>,
}

/// Body of the request [`crate::RENEW`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renew {
    /// As in [`Enroll`].
    pub(crate) csr: Vec<u8>,
}

/// Body of its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renewed {
    /// As in [`Enrolled`].
    pub(crate) chain: Vec<Vec<u8>>,
}

impl Renew {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        read_body(bytes)
    }

    pub(crate) fn write(&self) -> Bytes {
        write_body(self)
    }
}

impl Renewed {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        read_body(bytes)
    }

    pub(crate) fn write(&self) -> Bytes {
        write_body(self)
    }
}

fn certificate(der: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    if der.is_empty() || der.len() > CERTIFICATE_BYTES_MAX {
        return Err("a certificate or the request for one is empty or too long");
    }
    Ok(der)
}

fn certificates(chain: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, &'static str> {
    if !(2..=CHAIN_MAX).contains(&chain.len()) {
        return Err("a chain has too few or too many certificates");
    }
    chain.into_iter().map(certificate).collect()
}

impl Body for Enroll {
    type Proto = proto::Enroll;

    fn to_proto(&self) -> proto::Enroll {
        proto::Enroll {
            version_min: self.versions.min,
            version_max: self.versions.max,
            secret: self.secret.to_vec(),
            name: self.name.clone(),
            csr: self.csr.clone(),
        }
    }

    fn from_proto(p: proto::Enroll) -> Result<Self, &'static str> {
        check_machine_name(&p.name).map_err(|_| "its name cannot be a machine's")?;
        Ok(Enroll {
            versions: Versions::from_proto(p.version_min, p.version_max)?,
            secret: p.secret.try_into().map_err(|_| "its secret has not 32 bytes")?,
            name: p.name,
            csr: certificate(p.csr)?,
        })
    }
}

impl Body for Enrolled {
    type Proto = proto::Enrolled;

    fn to_proto(&self) -> proto::Enrolled {
        proto::Enrolled { machine: self.machine.0.to_vec(), chain: self.chain.clone() }
    }

    fn from_proto(p: proto::Enrolled) -> Result<Self, &'static str> {
        let machine = MachineId::from_slice(&p.machine).ok_or("an id has not 16 bytes")?;
        Ok(Enrolled { machine, chain: certificates(p.chain)? })
    }
}

impl Body for Renew {
    type Proto = proto::Renew;

    fn to_proto(&self) -> proto::Renew {
        proto::Renew { csr: self.csr.clone() }
    }

    fn from_proto(p: proto::Renew) -> Result<Self, &'static str> {
        Ok(Renew { csr: certificate(p.csr)? })
    }
}

impl Body for Renewed {
    type Proto = proto::Renewed;

    fn to_proto(&self) -> proto::Renewed {
        proto::Renewed { chain: self.chain.clone() }
    }

    fn from_proto(p: proto::Renewed) -> Result<Self, &'static str> {
        Ok(Renewed { chain: certificates(p.chain)? })
    }
}
