//! Who a machine is: its key and the certificates that its hub gave it, in one file of its state directory.

use crate::authority::LIFE;
use crate::card::{AuthorityPrint, CardError, parse, validity};
use crate::frame::{Enrolled, Renew, Renewed};
use crate::link::MachineCard;
use crate::private::{self, FileError};
use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vigie_model::{MachineId, UnixNanos};

const FILE: &str = "identity.pem";
const KEY_FILE: &str = "enrol.key";

/// What keeps a machine from having an identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Its file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its file holds something else.
    #[error("{} does not hold this machine's identity: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BadIdentity,
    },
    /// A key could not be made.
    #[error("cannot make a key: {0}")]
    Make(#[from] rcgen::Error),
}

/// Key and certificates that are not a machine's, or not this one's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIdentity {
    /// The key cannot be read.
    #[error("its key is damaged: {0}")]
    Key(String),
    /// There are not exactly a machine's and an authority's certificate.
    #[error("it should have two certificates and has {0}")]
    Count(usize),
    /// One of them cannot be read.
    #[error(transparent)]
    Certificate(#[from] CardError),
    /// The certificate is for another key, machine, name or authority.
    #[error("its certificate is of another {0}")]
    Other(&'static str),
    /// What the hub answered is not an answer.
    #[error("the answer is damaged: {0}")]
    Answer(String),
}

/// A machine's key, its certificate and its hub's authority.
#[derive(Clone)]
pub struct Identity {
    card: MachineCard,
    not_before: UnixNanos,
    authority: AuthorityPrint,
    /// The machine's certificate, then the authority's.
    chain: Vec<CertificateDer<'static>>,
    key: Arc<KeyPair>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, name) = (&self.card.id, &self.card.name);
        f.debug_struct("Identity").field("machine", machine).field("name", name).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the identity in the state directory; `None` when there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or it is damaged.
    pub fn load(state: &Path) -> Result<Option<Self>, IdentityError> {
        let Some(text) = private::read(state, FILE)? else { return Ok(None) };
        let damaged = |source| IdentityError::Damaged { path: state.join(FILE), source };
        let key = key_from_pem(&text).map_err(damaged)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.map_err(|e| damaged(CardError::NotX509(e.to_string()).into()))?;
        Self::new(Arc::new(key), chain).map(Some).map_err(damaged)
    }

    /// Writes the identity into the state directory, in place of any other; durable when it returns. Removes
    /// the key that an enrolment kept there.
    ///
    /// # Errors
    /// When the file cannot be written; the former one is then whole.
    pub fn save(&self, state: &Path) -> Result<(), IdentityError> {
        let mut text = self.key.serialize_pem();
        for certificate in &self.chain {
            text.push_str(&pem(certificate));
        }
        private::write(state, FILE, text.as_bytes())?;
        Ok(private::remove(state, KEY_FILE)?)
    }

    /// The machine's id.
    pub fn machine(&self) -> MachineId {
        self.card.id
    }

    /// The machine's name.
    pub fn name(&self) -> &str {
        &self.card.name
    }

    /// What the certificate says.
    pub fn card(&self) -> &MachineCard {
        &self.card
    }

    /// The authority that it trusts.
    pub fn authority(&self) -> AuthorityPrint {
        self.authority
    }

    /// Whether two thirds of the certificate's life are over.
    pub fn needs_renewal(&self, now: UnixNanos) -> bool {
        let issued = self.card.not_after.0.saturating_sub(LIFE.as_nanos() as i64);
        let issued = UnixNanos(issued.max(self.not_before.0));
        let life = self.card.not_after.0.saturating_sub(issued.0);
        now.0 >= issued.0.saturating_add(life / 3 * 2)
    }

    /// Begins a renewal, with a new key.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn renewal(&self) -> Result<Renewal, IdentityError> {
        let key = KeyPair::generate()?;
        Ok(Renewal { csr: request(&key)?, key, former: self.clone() })
    }

    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    pub(crate) fn authority_certificate(&self) -> &CertificateDer<'static> {
        &self.chain[self.chain.len() - 1]
    }

    pub(crate) fn tls_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    fn new(key: Arc<KeyPair>, chain: Vec<CertificateDer<'static>>) -> Result<Self, BadIdentity> {
        let [leaf, authority] = &chain[..] else { return Err(BadIdentity::Count(chain.len())) };
        let certificate = parse(leaf)?;
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(BadIdentity::Other("key"));
        }
        let (not_before, _) = validity(&certificate);
        let card = MachineCard::from_der(leaf)?;
        let authority = AuthorityPrint::of_certificate(authority)?;
        Ok(Identity { card, not_before, authority, chain, key })
    }
}

/// A renewal under way: [`Self::body`] goes to the hub as the request [`crate::RENEW`], the reply to
/// [`Self::finish`].
pub struct Renewal {
    key: KeyPair,
    csr: Vec<u8>,
    former: Identity,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").field("of", &self.former).finish_non_exhaustive()
    }
}

impl Renewal {
    /// The request's body.
    pub fn body(&self) -> Bytes {
        Renew { csr: self.csr.clone() }.write()
    }

    /// Makes the new identity of the hub's reply. It counts once it is saved.
    ///
    /// # Errors
    /// When the reply is damaged, or of another machine or authority.
    pub fn finish(self, reply: &[u8]) -> Result<Identity, BadIdentity> {
        let renewed = Renewed::read(reply).map_err(BadIdentity::Answer)?;
        let chain = renewed.chain.into_iter().map(CertificateDer::from).collect();
        let identity = Identity::new(Arc::new(self.key), chain)?;
        if identity.authority != self.former.authority {
            return Err(BadIdentity::Other("authority"));
        }
        if (identity.machine(), identity.name()) != (self.former.machine(), self.former.name()) {
            return Err(BadIdentity::Other("machine"));
        }
        Ok(identity)
    }
}

/// The key of a machine that is about to enrol. It is kept until the enrolment has succeeded: when the
/// hub's answer is lost, the same key may use the same token again.
pub struct EnrolKey(KeyPair);

impl fmt::Debug for EnrolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolKey")
    }
}

impl EnrolKey {
    /// The key that an enrolment left in the state directory, or a new one, which is then kept there.
    ///
    /// # Errors
    /// When it cannot be read, made or written.
    pub fn load_or_create(state: &Path) -> Result<Self, IdentityError> {
        private::make_dir(state)?;
        if let Some(text) = private::read(state, KEY_FILE)? {
            match key_from_pem(&text) {
                Ok(key) => return Ok(EnrolKey(key)),
                Err(error) => tracing::warn!(%error, "the key of a former enrolment is replaced"),
            }
        }
        let key = KeyPair::generate()?;
        private::write(state, KEY_FILE, key.serialize_pem().as_bytes())?;
        Ok(EnrolKey(key))
    }

    pub(crate) fn request(&self) -> Result<Vec<u8>, rcgen::Error> {
        request(&self.0)
    }

    /// Makes the identity of the hub's answer.
    pub(crate) fn finish(
        &self,
        enrolled: Enrolled,
        name: &str,
        authority: AuthorityPrint,
    ) -> Result<Identity, BadIdentity> {
        let key = PrivatePkcs8KeyDer::from(self.0.serialized_der());
        let key = KeyPair::try_from(&key).map_err(|e| BadIdentity::Key(e.to_string()))?;
        let chain = enrolled.chain.into_iter().map(CertificateDer::from).collect();
        let identity = Identity::new(Arc::new(key), chain)?;
        if identity.authority != authority {
            return Err(BadIdentity::Other("authority"));
        }
        if (identity.machine(), identity.name()) != (enrolled.machine, name) {
            return Err(BadIdentity::Other("machine"));
        }
        Ok(identity)
    }
}

/// A request for a certificate: only the key and the proof that we have it are of use to the hub.
fn request(key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

fn key_from_pem(text: &[u8]) -> Result<KeyPair, BadIdentity> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(text).map_err(|e| BadIdentity::Key(e.to_string()))?;
    KeyPair::try_from(&key).map_err(|e| BadIdentity::Key(e.to_string()))
}

/// RFC 7468.
fn pem(certificate: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;

    const DAY: i64 = 24 * 3600 * 1_000_000_000;
    const NOW: UnixNanos = UnixNanos(20_000 * DAY);

    fn enrolled(authority: &Authority, key: &EnrolKey) -> Enrolled {
        let machine = MachineId([3; 16]);
        let chain = authority.issue_machine(&key.request().unwrap(), machine, "web01", NOW).unwrap();
        Enrolled { machine, chain }
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(dir.path()).unwrap();
        let key = EnrolKey::load_or_create(dir.path()).unwrap();
        let identity = key.finish(enrolled(&authority, &key), "web01", authority.print()).unwrap();
        assert!(!identity.needs_renewal(UnixNanos(NOW.0 + 60 * DAY - 1)));
        assert!(identity.needs_renewal(UnixNanos(NOW.0 + 60 * DAY)));
    }

    #[test]
    fn answers_for_others_are_refused() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let authority = Authority::open_or_create(dir.path()).unwrap();
        let key = EnrolKey::load_or_create(dir.path()).unwrap();
        let stranger = EnrolKey::load_or_create(other.path()).unwrap();
        let good = enrolled(&authority, &key);
        let finish = |answer: Enrolled, name: &str, print| key.finish(answer, name, print).unwrap_err();
        assert_eq!(
            finish(enrolled(&authority, &stranger), "web01", authority.print()),
            BadIdentity::Other("key")
        );
        assert_eq!(finish(good.clone(), "db", authority.print()), BadIdentity::Other("machine"));
        assert_eq!(finish(good.clone(), "web01", AuthorityPrint([0; 32])), BadIdentity::Other("authority"));
        let one = Enrolled { chain: good.chain[..1].to_vec(), ..good };
        assert_eq!(finish(one, "web01", authority.print()), BadIdentity::Count(1));
    }

    #[test]
    fn the_file_survives_or_says_what_is_wrong_and_shows_no_key() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Identity::load(dir.path()).unwrap().is_none());
        let authority = Authority::open_or_create(dir.path()).unwrap();
        let key = EnrolKey::load_or_create(dir.path()).unwrap();
        let identity = key.finish(enrolled(&authority, &key), "web01", authority.print()).unwrap();
        identity.save(dir.path()).unwrap();
        assert_eq!(Identity::load(dir.path()).unwrap().unwrap().chain, identity.chain);
        let shown = format!("{identity:?} {:?} {key:?}", identity.renewal().unwrap());
        assert!(!shown.contains("KEY") && !shown.contains("[48"), "{shown}");

        let text = private::read(dir.path(), FILE).unwrap().unwrap();
        for cut in (0..text.len() - 2).step_by(7) {
            private::write(dir.path(), FILE, &text[..cut]).unwrap();
            assert!(matches!(Identity::load(dir.path()), Err(IdentityError::Damaged { .. })), "cut at {cut}");
        }
    }

    #[test]
    fn bodies_of_a_renewal_have_golden_bytes() {
        let renew = Renew { csr: vec![1, 2] };
        assert_eq!(renew.write()[..], [0x0a, 2, 1, 2]);
        assert_eq!(Renew::read(&renew.write()), Ok(renew));
        let renewed = Renewed { chain: vec![vec![1], vec![2]] };
        assert_eq!(renewed.write()[..], [0x0a, 1, 1, 0x0a, 1, 2]);
        assert_eq!(Renewed::read(&renewed.write()), Ok(renewed));
        assert!(Renew::read(&[]).is_err() && Renewed::read(&[0x0a, 1, 1]).is_err());
    }
}
