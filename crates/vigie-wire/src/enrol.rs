//! How a machine gets its first certificate. Both sides are here, so that the order of things can be
//! read in one place:
//!
//! 1. the machine checks the hub against the print in its token, and sends the token's secret with the
//!    public key it made;
//! 2. the hub marks the token as used by that key, durably;
//! 3. the hub journals the enrolment, durably ([`Enroller`]);
//! 4. the hub signs, and answers.
//!
//! A crash or a lost answer anywhere leaves a token that the same key, and no other, can use again.

use crate::authority::{IssueError, requested_key};
use crate::frame::{Enroll, Enrolled, Frame, Refuse, RefuseCode, Versions};
use crate::identity::{BadIdentity, EnrolKey, Identity};
use crate::invites::{ClaimError, Invites};
use crate::limits::{ENROL_TIME_MAX, HANDSHAKE_TIME_MAX};
use crate::link::{FrameReader, FrameWriter, Link, WireError, farewell};
use crate::tls::agent::{ConnectError, connect_pinned};
use crate::tls::hub::HubTls;
use crate::token::Token;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use vigie_model::{Clock, MachineId};

/// What the hub does with an enrolment, between the token and the certificate.
#[async_trait::async_trait]
pub trait Enroller: Send + Sync {
    /// Gives the machine of this name its id: the one it has, if it was enrolled before, else a new one. The
    /// fact is durable when this returns.
    ///
    /// # Errors
    /// When it can't be recorded now; the machine is told to try again.
    async fn enrol(&self, name: &str) -> Result<MachineId, Box<dyn std::error::Error + Send + Sync>>;
}

/// A machine that was given a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMachine {
    /// Its id.
    pub id: MachineId,
    /// Its name.
    pub name: String,
}

/// Why a stranger got no certificate, for the hub's log. The stranger was told as much as is good for it.
#[derive(Debug, thiserror::Error)]
pub enum StrangerError {
    /// The token opens nothing.
    #[error("refused to enrol {name}: {source}")]
    Token {
        /// As the stranger says.
        name: String,
        /// Why.
        source: ClaimError,
    },
    /// The request for a certificate is not valid, or could not be signed.
    #[error("could not sign a certificate for {name}: {source}")]
    Issue {
        /// As the stranger says.
        name: String,
        /// Why.
        source: IssueError,
    },
    /// The enrolment could not be recorded.
    #[error("could not record the enrolment of {name}: {source}")]
    Record {
        /// The machine.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No version of the protocol in common.
    #[error("refused to enrol {0}: it speaks no version that is spoken here")]
    Version(String),
    /// It sent something else, though it has no certificate.
    #[error("a peer without a certificate sent {0}")]
    Unexpected(&'static str),
    /// The hub stops.
    #[error("the hub stops")]
    Stopping,
    /// The link failed.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl StrangerError {
    /// What the stranger is told. A wrong secret learns nothing; who has a right one may know its fate.
    fn refusal(&self) -> Option<Refuse> {
        let (code, reason) = match self {
            StrangerError::Token { source, .. } => (claim_code(source), source.to_string()),
            StrangerError::Issue { source: IssueError::Request(why), .. } => {
                (RefuseCode::Malformed, format!("the request for a certificate is not valid: {why}"))
            }
            StrangerError::Issue { .. } | StrangerError::Record { .. } => {
                (RefuseCode::Unavailable, "the hub cannot enrol a machine now; its log says why".into())
            }
            StrangerError::Version(_) => {
                let Versions { min, max } = Versions::OURS;
                (RefuseCode::Version, format!("the hub speaks versions {min} to {max} of the protocol"))
            }
            StrangerError::Stopping => (RefuseCode::Unavailable, self.to_string()),
            StrangerError::Unexpected(_) => {
                (RefuseCode::NotEnrolled, "only a machine with a certificate may do this".into())
            }
            StrangerError::Wire(WireError::Frame(error)) => (RefuseCode::Malformed, error.to_string()),
            StrangerError::Wire(WireError::TooSlow(limit)) => {
                (RefuseCode::Malformed, format!("nothing was asked for within {limit:?}"))
            }
            StrangerError::Wire(_) => return None,
        };
        Some(Refuse { code, reason })
    }
}

fn claim_code(error: &ClaimError) -> RefuseCode {
    match error {
        ClaimError::Wrong => RefuseCode::TokenWrong,
        ClaimError::Used { .. } => RefuseCode::TokenUsed,
        ClaimError::Expired { .. } => RefuseCode::TokenExpired,
        ClaimError::NameMismatch { .. } => RefuseCode::NameMismatch,
        ClaimError::Store { .. } => RefuseCode::Unavailable,
    }
}

/// The hub's side: hears a peer without a certificate out, and closes the link. Bounded in time, but for
/// what `enroller` takes. Once `stop` is cancelled, nobody is waited for who has not asked yet.
///
/// # Errors
/// For the log; the hub goes on.
pub async fn serve_stranger(
    link: Link,
    hub: &HubTls,
    invites: &Arc<Invites>,
    enroller: &dyn Enroller,
    stop: &CancellationToken,
) -> Result<NewMachine, StrangerError> {
    let (mut reader, writer) = link.split();
    match hear(&mut reader, hub, invites, enroller, stop).await {
        Ok(enrolled) => {
            let machine = NewMachine { id: enrolled.machine, name: enrolled.name };
            let answer = Enrolled { machine: machine.id, chain: enrolled.chain };
            farewell(reader, writer, Some(Frame::Enrolled(answer))).await?;
            Ok(machine)
        }
        Err(error) => {
            // It may be gone already: the reason matters more here than there.
            let _ = farewell(reader, writer, error.refusal().map(Frame::Refuse)).await;
            Err(error)
        }
    }
}

struct Accepted {
    machine: MachineId,
    name: String,
    chain: Vec<Vec<u8>>,
}

async fn hear(
    reader: &mut FrameReader,
    hub: &HubTls,
    invites: &Arc<Invites>,
    enroller: &dyn Enroller,
    stop: &CancellationToken,
) -> Result<Accepted, StrangerError> {
    // Only here: an enrolment that has begun must not be broken off in the middle.
    let first = tokio::select! {
        () = stop.cancelled() => return Err(StrangerError::Stopping),
        first = reader.next_within(HANDSHAKE_TIME_MAX) => first?,
    };
    let enroll = match first {
        Some(Frame::Enroll(enroll)) => enroll,
        Some(other) => return Err(StrangerError::Unexpected(other.kind().name())),
        None => return Err(StrangerError::Unexpected("nothing")),
    };
    let Enroll { versions, secret, name, csr } = enroll;
    if versions.common(Versions::OURS).is_none() {
        return Err(StrangerError::Version(name));
    }
    let issue = |source| StrangerError::Issue { name: name.clone(), source };
    let key = requested_key(&csr).map_err(issue)?;
    let (list, asked, now) = (Arc::clone(invites), name.clone(), hub.now());
    let claim = tokio::task::spawn_blocking(move || list.claim(&secret, &asked, key, now));
    match claim.await {
        Ok(claimed) => claimed.map_err(|source| StrangerError::Token { name: name.clone(), source })?,
        Err(lost) => return Err(StrangerError::Record { name, source: Box::new(lost) }),
    }
    let machine = enroller.enrol(&name).await;
    let machine = machine.map_err(|source| StrangerError::Record { name: name.clone(), source })?;
    let chain = hub.issue(&csr, machine, &name).map_err(issue)?;
    Ok(Accepted { machine, name, chain })
}

/// Why a machine did not get an identity.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// No connection to the hub of the token.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The hub said no. Only [`RefuseCode::Unavailable`] is worth another try with the same token.
    #[error("the hub did not enrol this machine: {}", .0.reason)]
    Refused(Refuse),
    /// The link failed; worth another try, with the same token and key.
    #[error("the enrolment was cut short: {0}")]
    Wire(#[from] WireError),
    /// The hub answered something else.
    #[error("the hub answered the enrolment with {0}")]
    Unexpected(&'static str),
    /// The hub gave what is no identity of this machine.
    #[error("the hub's certificate for this machine cannot be used: {0}")]
    Bad(#[from] BadIdentity),
    /// The request could not be made.
    #[error("cannot make a request for a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// The machine's side: connects to the hub at `HOST:PORT`, checks that it is the token's, and asks. The
/// identity is to be saved by the caller. Bounded in time.
///
/// # Errors
/// Each says whether another try is worth it.
pub async fn enrol(
    hub: &str,
    token: &Token,
    key: &EnrolKey,
    clock: Arc<dyn Clock>,
) -> Result<Identity, EnrolError> {
    let link = connect_pinned(hub, token.authority(), clock).await?;
    enrol_over(link, token, key).await
}

/// As [`enrol`], over a link whose hub the caller vouches for.
///
/// # Errors
/// As [`enrol`].
pub async fn enrol_over(link: Link, token: &Token, key: &EnrolKey) -> Result<Identity, EnrolError> {
    let (mut reader, mut writer) = link.split();
    ask(&mut writer, token, key).await?;
    let answer = reader.next_within(ENROL_TIME_MAX).await?;
    // The answer is here; how the connection ends changes nothing.
    let _ = writer.close().await;
    match answer {
        Some(Frame::Enrolled(enrolled)) => Ok(key.finish(enrolled, token.name(), token.authority())?),
        Some(Frame::Refuse(refuse)) => Err(EnrolError::Refused(refuse)),
        Some(other) => Err(EnrolError::Unexpected(other.kind().name())),
        None => Err(EnrolError::Unexpected("nothing")),
    }
}

async fn ask(writer: &mut FrameWriter, token: &Token, key: &EnrolKey) -> Result<(), EnrolError> {
    let (secret, name) = (*token.secret(), token.name().to_owned());
    let enroll = Enroll { versions: Versions::OURS, secret, name, csr: key.request()? };
    writer.send(&Frame::Enroll(enroll)).await?;
    Ok(writer.flush().await?)
}
