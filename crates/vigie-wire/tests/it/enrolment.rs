use crate::harness::{DAY, HOUR, Hub};
use vigie_model::{Clock, MachineId};
use vigie_wire::frame::RefuseCode;
use vigie_wire::{AgentTls, Calls, EnrolError, Identity, Peer, RENEW, Token};

fn refusal(result: Result<Identity, EnrolError>) -> (RefuseCode, String) {
    match result {
        Err(EnrolError::Refused(refuse)) => (refuse.code, refuse.reason),
        other => panic!("no refusal but {other:?}"),
    }
}

#[tokio::test]
async fn a_machine_enrols_saves_its_identity_and_connects() {
    let hub = Hub::start().await;
    let state = tempfile::tempdir().unwrap();
    let token = Token::parse(&hub.token("web01").to_text()).unwrap();
    let identity = hub.enrol(&token, &state).await.unwrap();
    assert_eq!((identity.name(), identity.machine()), ("web01", MachineId([1; 16])));
    assert_eq!(identity.authority(), hub.tls.authority());
    identity.save(state.path()).unwrap();
    assert!(!state.path().join("enrol.key").exists());

    let loaded = Identity::load(state.path()).unwrap().unwrap();
    assert_eq!(loaded.card(), identity.card());
    let link = hub.connect(&loaded).await;
    assert_eq!(*link.peer(), Peer::Hub { hub: hub.tls.hub_id() });
    hub.assert_serves(&loaded).await;
}

#[tokio::test]
async fn a_token_works_once_but_twice_for_the_same_key() {
    let mut hub = Hub::start().await;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let token = hub.token("web01");
    let one = hub.enrol(&token, &first).await.unwrap();
    // As if the answer had been lost: the key was kept.
    let again = hub.enrol(&token, &first).await.unwrap();
    assert_eq!(one.machine(), again.machine());
    let (code, reason) = refusal(hub.enrol(&token, &second).await);
    assert_eq!(code, RefuseCode::TokenUsed);
    assert_eq!(reason, "the token for web01 was already used");
    assert_eq!(hub.bad_end().await, "stranger: refused to enrol web01: the token for web01 was already used");
}

#[tokio::test]
async fn wrong_and_expired_tokens_are_told_apart() {
    let mut hub = Hub::start().await;
    let state = tempfile::tempdir().unwrap();
    let expired = hub.token("web01");
    hub.clock.forward(HOUR);
    let (code, _) = refusal(hub.enrol(&expired, &state).await);
    assert_eq!(code, RefuseCode::TokenExpired);
    assert_eq!(hub.bad_end().await, "stranger: refused to enrol web01: the token for web01 has expired");

    // A token that this hub never recorded: its list was lost.
    let token = hub.token("web02");
    std::fs::remove_file(hub.data.path().join("pki/invites")).unwrap();
    let clock = hub.clock.clone();
    let mut hub = Hub::start_on(hub.data, clock).await;
    let (code, reason) = refusal(hub.enrol(&token, &state).await);
    assert_eq!((code, reason.as_str()), (RefuseCode::TokenWrong, "the token is none of this hub's"));
    assert_eq!(hub.bad_end().await, "stranger: refused to enrol web02: the token is none of this hub's");
}

#[tokio::test]
async fn a_token_is_good_at_its_own_hub_only() {
    let mut hub = Hub::start().await;
    let other = Hub::start().await;
    let state = tempfile::tempdir().unwrap();
    let error = hub.enrol(&other.token("web01"), &state).await.unwrap_err();
    assert!(error.to_string().contains("of another hub's authority"), "{error}");
    assert!(hub.bad_end().await.starts_with("accept: the TLS handshake failed"));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_enrolled_and_the_token_stays_good() {
    let mut hub = Hub::start().await;
    let state = tempfile::tempdir().unwrap();
    let token = hub.token("web01");
    *hub.register.broken.lock().unwrap() = true;
    let (code, reason) = refusal(hub.enrol(&token, &state).await);
    assert_eq!(code, RefuseCode::Unavailable);
    assert!(!reason.contains("disk"), "a stranger learns nothing of the hub: {reason}");
    assert_eq!(hub.bad_end().await, "stranger: could not record the enrolment of web01: the disk is full");
    *hub.register.broken.lock().unwrap() = false;
    assert!(hub.enrol(&token, &state).await.is_ok());
}

#[tokio::test]
async fn a_name_that_enrols_again_keeps_its_id() {
    let hub = Hub::start().await;
    let first = hub.new_machine("web01").await;
    hub.new_machine("web02").await;
    let second = hub.new_machine("web01").await;
    assert_eq!(first.machine(), second.machine());
    assert_ne!(first.card().certificate, second.card().certificate);
}

#[tokio::test]
async fn authority_and_invites_survive_a_restart() {
    let hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    let token = hub.token("web02");
    let clock = hub.clock.clone();
    let hub = Hub::start_on(hub.data, clock).await;
    hub.assert_serves(&identity).await;
    let state = tempfile::tempdir().unwrap();
    assert!(hub.enrol(&token, &state).await.is_ok());
}

#[tokio::test]
async fn a_certificate_is_renewed_over_the_live_link() {
    let hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    assert!(!identity.needs_renewal(hub.clock.wall()));
    hub.clock.forward(DAY * 61);
    assert!(identity.needs_renewal(hub.clock.wall()));

    let (mut reader, mut writer) = hub.connect(&identity).await.split();
    let mut calls = Calls::new();
    let caller = calls.caller();
    let renewal = identity.renewal().unwrap();
    let body = renewal.body();
    let answer = async { caller.call(RENEW, body, HOUR, 1 << 20).await.unwrap() };
    tokio::pin!(answer);
    let reply = loop {
        tokio::select! {
            reply = &mut answer => break reply,
            frame = calls.next_frame() => {
                writer.send(&frame).await.unwrap();
                writer.flush().await.unwrap();
            }
            frame = reader.next() => {
                let request = calls.take(frame.unwrap().unwrap()).expect("it is of a call");
                assert!(request.is_none(), "the hub asks nothing");
            }
        }
    };
    let renewed = renewal.finish(&reply).unwrap();
    assert_eq!((renewed.name(), renewed.machine()), (identity.name(), identity.machine()));
    assert!(!renewed.needs_renewal(hub.clock.wall()));

    // The old certificate is over, the new one is not.
    hub.clock.forward(DAY * 30);
    hub.assert_serves(&renewed).await;
    let tls = AgentTls::new(&identity, hub.clock.clone()).unwrap();
    let (mut reader, _writer) = tls.connect(&hub.place()).await.unwrap().split();
    let error = reader.next().await.unwrap_err().to_string();
    assert!(error.contains("it has expired") && error.contains("enrolled again"), "{error}");
}
