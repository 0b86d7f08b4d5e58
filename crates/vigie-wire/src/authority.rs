//! The hub's own authority: made at its first start, it signs every certificate of this hub and of its
//! machines. Its key never leaves `authority.pem`.

use crate::card::{AuthorityPrint, machine_uri, parse};
use crate::limits::CERTIFICATE_BYTES_MAX;
use crate::private::{self, FileError};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;
use vigie_model::{MachineId, UnixNanos};

const FILE: &str = "authority.pem";

/// Validity of the certificates of hub and machines.
pub(crate) const LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// How far the validity begins before the certificate is made: clocks differ.
const BACKDATED: Duration = Duration::from_secs(3600);

/// What keeps the hub from having an authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its file holds something else.
    #[error("{} does not hold an authority: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A key or certificate could not be made.
    #[error("cannot make a key or a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// TLS cannot use what was made.
    #[error("TLS cannot use the hub's certificate: {0}")]
    Tls(#[from] rustls::Error),
}

/// A request for a certificate that was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The request is not one, or its signature is not of the key in it.
    #[error("the request for a certificate is not valid: {0}")]
    Request(String),
    /// The request is fine, and still no certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Make(String),
}

/// The key that signs, and the certificate that everyone trusts.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    print: AuthorityPrint,
}

impl Authority {
    /// Reads the authority in `dir`, or makes one.
    pub(crate) fn open_or_create(dir: &Path) -> Result<Self, AuthorityError> {
        private::make_dir(dir)?;
        let text = match private::read(dir, FILE)? {
            Some(text) => text,
            None => {
                let text = make()?;
                private::write(dir, FILE, text.as_bytes())?;
                tracing::info!(dir = %dir.display(), "made this hub's own authority");
                text.into_bytes()
            }
        };
        let damaged = |why: String| AuthorityError::Damaged { path: dir.join(FILE), why };
        let key = PrivatePkcs8KeyDer::from_pem_slice(&text).map_err(|e| damaged(e.to_string()))?;
        let key = KeyPair::try_from(&key).map_err(|e| damaged(e.to_string()))?;
        let certificate = CertificateDer::from_pem_slice(&text).map_err(|e| damaged(e.to_string()))?;
        let described = parse(&certificate).map_err(|e| damaged(e.to_string()))?;
        if described.public_key().raw != key.subject_public_key_info() {
            return Err(damaged("its certificate is of another key".into()));
        }
        let print = AuthorityPrint::of_certificate(&certificate).map_err(|e| damaged(e.to_string()))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|e| damaged(e.to_string()))?;
        Ok(Authority { issuer, certificate, print })
    }

    pub(crate) fn print(&self) -> AuthorityPrint {
        self.print
    }

    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A certificate for the hub itself, with a key of its own.
    pub(crate) fn issue_server(
        &self,
        now: UnixNanos,
    ) -> Result<(CertificateDer<'static>, KeyPair), AuthorityError> {
        let key = KeyPair::generate()?;
        let name = self.print.server_name();
        let mut params = leaf(&name, SanType::DnsName(name.as_str().try_into()?), now)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok((params.signed_by(&key, &self.issuer)?.into(), key))
    }

    /// A certificate for the key in `csr`, whose holder this proves to be. Names come from the hub: all
    /// that the request says of itself is ignored.
    pub(crate) fn issue_machine(
        &self,
        csr: &[u8],
        id: MachineId,
        name: &str,
        now: UnixNanos,
    ) -> Result<Vec<Vec<u8>>, IssueError> {
        let request = read_request(csr)?;
        let make = || -> Result<_, AuthorityError> {
            let uri = SanType::URI(machine_uri(id, name).as_str().try_into()?);
            let mut params = leaf(name, uri, now)?;
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            Ok(params.signed_by(&request.public_key, &self.issuer)?)
        };
        let certificate = make().map_err(|e| IssueError::Make(e.to_string()))?;
        Ok(vec![certificate.der().to_vec(), self.certificate.to_vec()])
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.print)
    }
}

/// Reads a request for a certificate and checks that its sender has the key in it.
fn read_request(csr: &[u8]) -> Result<CertificateSigningRequestParams, IssueError> {
    if csr.len() > CERTIFICATE_BYTES_MAX {
        return Err(IssueError::Request(format!("it has {} bytes", csr.len())));
    }
    CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))
        .map_err(|e| IssueError::Request(e.to_string()))
}

/// BLAKE3 of the public key in a valid request for a certificate: whom an invite was used by.
pub(crate) fn requested_key(csr: &[u8]) -> Result<[u8; 32], IssueError> {
    let request = read_request(csr)?;
    Ok(crate::card::public_key_print(&request.public_key.subject_public_key_info()))
}

/// What certificates of hub and machines have in common.
fn leaf(common_name: &str, name: SanType, now: UnixNanos) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(common_name);
    params.serial_number = Some(serial()?);
    params.subject_alt_names = vec![name];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let seconds = now.0.div_euclid(1_000_000_000);
    params.not_before = date(seconds.saturating_sub(BACKDATED.as_secs() as i64));
    params.not_after = date(seconds.saturating_add(LIFE.as_secs() as i64));
    Ok(params)
}

/// The key and the certificate of a new authority, in PEM. It does not expire: an authority is replaced
/// by enrolling every machine again, and a date would only choose the day.
fn make() -> Result<String, AuthorityError> {
    let key = KeyPair::generate()?;
    let print = AuthorityPrint(crate::card::public_key_print(&key.subject_public_key_info()));
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(&format!("Vigie authority {}", print.hub_id()));
    params.serial_number = Some(serial()?);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // RFC 5280, 4.1.2.5: the date that says "no well-defined end".
    params.not_after = date(253_402_300_799);
    Ok(key.serialize_pem() + &params.self_signed(&key)?.pem())
}

fn distinguished(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// RFC 5280 wants a positive number of at most 20 bytes; 128 random bits never come twice.
fn serial() -> Result<SerialNumber, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn date(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = UnixNanos(1_790_000_000_000_000_000);

    #[test]
    fn an_authority_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::open_or_create(dir.path()).unwrap();
        let second = Authority::open_or_create(dir.path()).unwrap();
        assert_eq!(first.print(), second.print());
        assert_eq!(first.certificate(), second.certificate());
        let name = first.print().server_name();
        assert_eq!(name, format!("{}.hub.vigie.internal", first.print().hub_id()));
    }

    #[test]
    fn a_damaged_or_mixed_file_is_an_error() {
        let (one, two) = (make().unwrap(), make().unwrap());
        let at = one.find("-----BEGIN CERTIFICATE").unwrap();
        let mixed = format!("{}{}", &one[..at], &two[two.find("-----BEGIN CERTIFICATE").unwrap()..]);
        for text in ["", "hello", &one[..at], &one[at..], &one[..one.len() - 40], &mixed] {
            let dir = tempfile::tempdir().unwrap();
            private::write(dir.path(), FILE, text.as_bytes()).unwrap();
            let error = Authority::open_or_create(dir.path()).unwrap_err();
            assert!(matches!(error, AuthorityError::Damaged { .. }), "{error}");
        }
    }

    #[test]
    fn only_the_holder_of_a_key_gets_a_certificate_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["evil.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let csr = params.serialize_request(&key).unwrap();
        let issue = |csr: &[u8]| authority.issue_machine(csr, MachineId([1; 16]), "web01", NOW);
        let chain = issue(csr.der()).unwrap();
        let certificate = parse(&chain[0]).unwrap();
        assert!(!certificate.is_ca(), "what a request says of itself is ignored");
        assert_eq!(crate::link::MachineCard::from_der(&chain[0]).unwrap().name, "web01");

        let mut forged = csr.der().to_vec();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        assert!(matches!(issue(&forged), Err(IssueError::Request(_))));
        assert!(matches!(issue(&[0; CERTIFICATE_BYTES_MAX + 1]), Err(IssueError::Request(_))));
    }
}
