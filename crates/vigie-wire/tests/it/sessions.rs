use crate::harness::{DAY, HandClock, Hub};
use bytes::Bytes;
use vigie_model::{AgentRecord, Clock, RecordNo, Stream, UnixNanos};
use vigie_wire::frame::{Records, Reply, Request};
use vigie_wire::{AgentTls, ConnectError, Frame};

async fn refused(hub: &Hub, agent: &AgentTls) -> String {
    match agent.connect(&hub.place()).await {
        Err(ConnectError::Tls { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn frames_of_all_sizes_travel_whole() {
    let hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    let (mut reader, mut writer) = hub.connect(&identity).await.split();
    let record = |len| AgentRecord {
        observed: UnixNanos(5),
        stream: Stream::NOTES,
        kind: 9,
        version: 1,
        payload: vec![7; len],
    };
    for len in [0, 1, 255, 65_536, 1_000_000] {
        let frame = Frame::Records(Records { first_n: RecordNo(1), records: vec![record(len), record(3)] });
        writer.send(&frame).await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Some(frame));
    }
    writer.close().await.unwrap();
    assert_eq!(reader.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_unknown_capability_is_said_to_be_unknown() {
    let hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    let (mut reader, mut writer) = hub.connect(&identity).await.split();
    let request = Request {
        id: 3,
        capability: "make-coffee".into(),
        deadline: DAY,
        window: 4 << 20,
        body: Bytes::new(),
    };
    writer.send(&Frame::Request(request)).await.unwrap();
    writer.flush().await.unwrap();
    match reader.next().await.unwrap() {
        Some(Frame::Reply(Reply { id: 3, more: false, result: Err(failure) })) => {
            assert_eq!(failure.message, "there is no capability `make-coffee` here");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_hub_that_was_set_up_anew_is_not_the_hub() {
    let old = Hub::start().await;
    let identity = old.new_machine("web01").await;
    let new = Hub::start().await;
    let agent = AgentTls::new(&identity, new.clock.clone()).unwrap();
    let why = refused(&new, &agent).await;
    assert!(why.contains("of another hub's authority"), "{why}");
}

#[tokio::test]
async fn clocks_may_differ_a_little_and_are_named_when_they_differ_much() {
    let hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    let own = HandClock::new();
    let agent = AgentTls::new(&identity, own.clone()).unwrap();
    own.back(std::time::Duration::from_secs(3500));
    agent.connect(&hub.place()).await.unwrap();
    own.back(DAY);
    let why = refused(&hub, &agent).await;
    assert!(why.contains("one of the clocks is wrong"), "{why}");
    own.forward(DAY * 100);
    let why = refused(&hub, &agent).await;
    assert!(why.contains("has expired, or this clock is wrong"), "{why}");
}

#[tokio::test]
async fn a_hub_that_never_restarts_keeps_a_fresh_certificate() {
    let hub = Hub::start().await;
    for _ in 0..4 {
        hub.clock.forward(DAY * 61);
        let identity = hub.new_machine("web01").await;
        hub.assert_serves(&identity).await;
    }
    assert!(hub.clock.wall() > UnixNanos(0));
}

#[tokio::test]
async fn a_hub_that_is_down_or_nowhere_is_said_to_be() {
    let hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    let agent = AgentTls::new(&identity, hub.clock.clone()).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = agent.connect(&free.to_string()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tcp { .. }), "{error}");
    let error = agent.connect("no-port").await.unwrap_err();
    assert!(matches!(error, ConnectError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn a_stolen_machine_cannot_play_the_hub() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let hub = Hub::start().await;
    let (stolen, victim) = (hub.new_machine("stolen").await, hub.new_machine("victim").await);
    let dir = tempfile::tempdir().unwrap();
    stolen.save(dir.path()).unwrap();
    let pem = std::fs::read(dir.path().join("identity.pem")).unwrap();
    let chain = CertificateDer::pem_slice_iter(&pem).map(Result::unwrap).collect();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let listener = vigie_wire::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config)).accept(tcp).await.is_ok()
    });
    let agent = AgentTls::new(&victim, hub.clock.clone()).unwrap();
    match agent.connect(&place).await {
        Err(ConnectError::Tls { why, .. }) => {
            assert!(why.contains("is not a hub's") || why.contains("for another purpose"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!server.await.unwrap());
}
