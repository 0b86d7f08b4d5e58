//! Who this machine is, and how it becomes that.

use super::enrolling::Enrolling;
use super::{API_STOP_WITHIN, token};
use crate::failure::Failure;
use crate::places;
use std::path::Path;
use std::sync::Arc;
use vigie_model::{Clock, SystemClock};
use vigie_web::server::{Listen, serve_agent};
use vigie_wire::frame::RefuseCode;
use vigie_wire::{Backoff, ConnectError, EnrolError, EnrolKey, Identity, IdentityError, Token};

/// The token, if there is one. A machine that is enrolled needs none: that its file is gone is no error then.
pub(crate) fn token(file: Option<&Path>, state: &Path) -> Result<Option<Token>, Failure> {
    token::read(file).or_else(|failure| match Identity::load(state) {
        Ok(Some(known)) if is_valid(&known) => {
            tracing::info!("this machine is enrolled already: it needs no token");
            Ok(None)
        }
        _ => Err(failure),
    })
}

fn is_valid(known: &Identity) -> bool {
    known.card().not_after > SystemClock::default().wall()
}

/// Who this machine is: what its state directory says, or, the first time, what the token brings.
pub(crate) async fn identity(
    hub: &str,
    state: &Path,
    token: Option<Token>,
    name: Option<&str>,
) -> Result<Identity, Failure> {
    let known = Identity::load(state).map_err(|e| unusable(&e, name))?;
    let is_usable =
        |known: &Identity, token: &Token| known.authority() == token.authority() && is_valid(known);
    let identity = match (known, token) {
        (Some(known), Some(token)) if !is_usable(&known, &token) => enrol(hub, state, &token, name).await?,
        (Some(known), None) if !is_valid(&known) => return Err(expired(&known)),
        (Some(known), token) => {
            if token.is_some() {
                tracing::info!("this machine is enrolled already: the token is not used");
            }
            known
        }
        (None, Some(token)) => enrol(hub, state, &token, name).await?,
        (None, None) => {
            return Err(Failure::usage("this machine is not enrolled, and there is no token")
                .hint(format!("make one on the hub with {}, and give it with --token-file", invite(name))));
        }
    };
    check_name(identity.name(), name)?;
    Ok(identity)
}

/// Why what the state directory holds is no identity, and what can be done about it.
fn unusable(error: &IdentityError, name: Option<&str>) -> Failure {
    let failure = Failure::of(error);
    match error {
        IdentityError::Damaged { path, .. } => failure.hint(format!(
            "move {} away, and enrol this machine again under its name, which `vigie status` on the hub lists: {} there \
             makes a token; what is stored of it stays",
            path.display(),
            // The host name need not be the name it had.
            invite(Some(name.unwrap_or("NAME")))
        )),
        _ => failure,
    }
}

/// A hub refuses a certificate that has ended, and so it cannot be renewed over the link either.
fn expired(known: &Identity) -> Failure {
    let ended = vigie_web::text::rfc3339(known.card().not_after);
    Failure::failed(format!("the certificate of this machine expired at {ended}")).hint(format!(
        "make a token on the hub with {}, and give it with --token-file; if that time is still to come, set this \
         machine's clock",
        invite(Some(known.name()))
    ))
}

fn check_name(real: &str, wanted: Option<&str>) -> Result<(), Failure> {
    match wanted {
        Some(wanted) if wanted != real => {
            Err(Failure::usage(format!("this machine is called {real}, not {wanted}"))
                .hint("a machine's name is that of its token; leave --name away, or invite the other name"))
        }
        _ => Ok(()),
    }
}

/// Enrols, and tries again while that can help. Meanwhile the agent's socket says what it waits for.
async fn enrol(hub: &str, state: &Path, token: &Token, name: Option<&str>) -> Result<Identity, Failure> {
    check_name(token.name(), name)?;
    let key = EnrolKey::load_or_create(state).map_err(|e| Failure::of(&e))?;
    let enrolling = Arc::new(Enrolling::new(token.name(), hub));
    let listen = Listen { socket: state.join(places::AGENT_SOCKET), tcp: None };
    let api = serve_agent(&listen, Arc::clone(&enrolling) as _, None).await.map_err(|e| Failure::of(&e))?;
    let mut backoff = Backoff::new();
    loop {
        match vigie_wire::enrol(hub, token, &key, Arc::new(SystemClock::default())).await {
            Ok(identity) => {
                identity.save(state).map_err(|e| Failure::of(&e))?;
                tracing::info!(name = identity.name(), "enrolled");
                // The agent itself takes the socket over.
                api.shutdown(API_STOP_WITHIN).await;
                return Ok(identity);
            }
            Err(error) if is_worth_another_try(&error) => {
                let wait = backoff.next_wait();
                tracing::warn!("not enrolled yet, trying again in {wait:.1?}: {error}");
                enrolling.note(error.to_string());
                tokio::time::sleep(wait).await;
            }
            Err(error) => return Err(refused(token.name(), &error)),
        }
    }
}

/// Why there is no identity, and what can be done about it.
fn refused(name: &str, error: &EnrolError) -> Failure {
    let failure = Failure::of(error);
    let EnrolError::Refused(refuse) = error else { return failure };
    match refuse.code {
        RefuseCode::TokenUsed | RefuseCode::TokenExpired | RefuseCode::TokenWrong => {
            failure.hint(format!("make a new one on the hub with {}", invite(Some(name))))
        }
        _ => failure,
    }
}

/// The command that makes a token for this machine.
fn invite(name: Option<&str>) -> String {
    let name = name.map(str::to_owned).or_else(|| crate::places::host_name().ok());
    format!("`vigie hub invite {}`", name.as_deref().unwrap_or("NAME"))
}

fn is_worth_another_try(error: &EnrolError) -> bool {
    match error {
        EnrolError::Connect(ConnectError::Tls { .. } | ConnectError::Identity(_)) => false,
        EnrolError::Connect(_) | EnrolError::Wire(_) => true,
        EnrolError::Refused(refuse) => refuse.code == RefuseCode::Unavailable,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_wire::frame::Refuse;

    #[test]
    fn a_token_that_opens_nothing_is_to_be_made_anew() {
        let told = |code| {
            refused("web01", &EnrolError::Refused(Refuse { code, reason: "no".into() })).as_json()["hint"]
                .clone()
        };
        for code in [RefuseCode::TokenUsed, RefuseCode::TokenExpired, RefuseCode::TokenWrong] {
            assert_eq!(told(code), "make a new one on the hub with `vigie hub invite web01`");
        }
        assert!(told(RefuseCode::Version).is_null());
    }
}

#[cfg(test)]
mod expiry {
    use super::*;
    use std::time::Duration;
    use vigie_hub::{Config, Hub};
    use vigie_model::UnixNanos;

    /// A machine's clock a year ago, longer than any certificate lives.
    #[derive(Debug, Default)]
    struct AYearAgo(SystemClock);

    impl Clock for AYearAgo {
        fn wall(&self) -> UnixNanos {
            UnixNanos(self.0.wall().0 - 365 * 24 * 3600 * 1_000_000_000)
        }

        fn monotonic(&self) -> Duration {
            self.0.monotonic()
        }
    }

    #[tokio::test]
    async fn a_certificate_that_has_ended_is_said_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let listen = Some("127.0.0.1:0".parse().unwrap());
        let config = Config { data: dir.path().join("hub"), listen, read_only: false };
        let clock = Arc::new(AYearAgo::default());
        let (hub, running) = Hub::start(config, Arc::clone(&clock) as _).await.unwrap();
        let token = Token::parse(&hub.invite("web01", Duration::from_secs(60)).unwrap()).unwrap();
        let address = hub.listening().unwrap().to_string();
        let state = dir.path().join("state");
        let key = EnrolKey::load_or_create(&state).unwrap();
        vigie_wire::enrol(&address, &token, &key, clock).await.unwrap().save(&state).unwrap();

        let failure = identity(&address, &state, None, None).await.unwrap_err();
        assert_eq!(failure.exit_code(), 4);
        let said = failure.as_json().to_string();
        assert!(said.contains("expired at 20") && said.contains("vigie hub invite web01"), "{said}");
        running.shutdown(Duration::from_secs(10)).await;
    }
}
