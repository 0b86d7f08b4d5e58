//! Peers that mean harm, or are broken: the connection ends with a reason, others are served on.

use crate::harness::Hub;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vigie_wire::frame::RefuseCode;
use vigie_wire::{Frame, Identity, Link, Peer};

/// A link that is really TLS, below which raw bytes can be sent.
struct Raw {
    tls: tokio_rustls::client::TlsStream<TcpStream>,
}

impl Raw {
    async fn connect(hub: &Hub, identity: Option<&Identity>) -> Raw {
        let tls = raw_tls::connect(hub, identity).await;
        Raw { tls }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.tls.write_all(bytes).await.unwrap();
        self.tls.flush().await.unwrap();
    }

    /// What the hub says before it closes.
    async fn last_words(self) -> Option<Frame> {
        let (mut reader, _writer) = Link::new(Peer::Unenrolled, self.tls).split();
        reader.next().await.unwrap()
    }
}

mod raw_tls {
    //! A client that trusts anyone: the attacker's.
    use super::*;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
    use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
    use std::sync::Arc;

    pub(super) async fn connect(
        hub: &Hub,
        identity: Option<&Identity>,
    ) -> tokio_rustls::client::TlsStream<TcpStream> {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone));
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let dir = tempfile::tempdir().unwrap();
                identity.save(dir.path()).unwrap();
                let pem = std::fs::read(dir.path().join("identity.pem")).unwrap();
                let chain = CertificateDer::pem_slice_iter(&pem).map(Result::unwrap).collect();
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&pem).unwrap()).unwrap()
            }
        };
        config.alpn_protocols = vec![b"vigie".to_vec()];
        let tcp = TcpStream::connect(hub.address).await.unwrap();
        let name = ServerName::try_from("any.example").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    #[derive(Debug)]
    struct Anyone;

    impl ServerCertVerifier for Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    }
}

async fn closed_with(hub: &mut Hub, raw: Raw, told: &str, logged: &str) {
    let words = raw.last_words().await;
    let reason = match words {
        Some(Frame::Close(close)) => close.reason,
        Some(Frame::Refuse(refuse)) => refuse.reason,
        other => panic!("{other:?}"),
    };
    assert!(reason.contains(told), "told: {reason}");
    let end = hub.bad_end().await;
    assert!(end.contains(logged), "logged: {end}");
}

#[tokio::test]
async fn garbage_oversize_and_truncation_close_the_connection_with_a_reason() {
    let mut hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n"[..], "unknown kind"),
        (&[0, 0, 0, 0, 5][..], "without a kind"),
        (&[0xff, 0xff, 0xff, 0xff, 16][..], "4294967295 bytes, where 4194304 are allowed"),
        (&[2, 0, 1, 0, 22][..], "65538 bytes, where 65537 are allowed"),
        (&[2, 0, 0, 0, 5, 0xff][..], "damaged Ping"),
        (&[3, 0, 0, 0, 1, 8, 1][..], "damaged Hello"),
    ] {
        let mut raw = Raw::connect(&hub, Some(&identity)).await;
        raw.send(bytes).await;
        closed_with(&mut hub, raw, reason, reason).await;
        hub.assert_serves(&identity).await;
    }
    let mut raw = Raw::connect(&hub, Some(&identity)).await;
    raw.send(&[100, 0, 0, 0, 16, 8, 1]).await;
    raw.tls.shutdown().await.unwrap();
    closed_with(&mut hub, raw, "ended inside a frame, 97 bytes before", "web01: the connection ended").await;
    hub.assert_serves(&identity).await;
}

#[tokio::test]
async fn a_stranger_gets_little_room_and_nothing_but_enrolment() {
    let mut hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    let mut raw = Raw::connect(&hub, None).await;
    raw.send(&[0xff, 0xff, 0, 0, 16]).await;
    closed_with(&mut hub, raw, "65535 bytes, where 16384 are allowed", "65535").await;

    let mut raw = Raw::connect(&hub, None).await;
    raw.send(&[1, 0, 0, 0, 5]).await;
    match raw.last_words().await {
        Some(Frame::Refuse(refuse)) => assert_eq!(refuse.code, RefuseCode::NotEnrolled),
        other => panic!("{other:?}"),
    }
    assert_eq!(hub.bad_end().await, "stranger: a peer without a certificate sent Ping");
    hub.assert_serves(&identity).await;
}

#[tokio::test]
async fn a_certificate_of_another_hub_is_refused_in_words() {
    let mut hub = Hub::start().await;
    let other = Hub::start().await;
    let foreign = other.new_machine("web01").await;
    let mut tls = raw_tls::connect(&hub, Some(&foreign)).await;
    let error = tls.read_u8().await.unwrap_err();
    assert!(error.to_string().contains("UnknownCA"), "{error}");
    let end = hub.bad_end().await;
    assert!(end.contains("its certificate is of another hub's authority"), "{end}");
}

#[tokio::test]
async fn plain_text_and_silence_do_not_keep_others_out() {
    let mut hub = Hub::start().await;
    let identity = hub.new_machine("web01").await;
    let mut plain = TcpStream::connect(hub.address).await.unwrap();
    plain.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.unwrap();
    assert!(hub.bad_end().await.contains("what came is not TLS"));
    let silent = TcpStream::connect(hub.address).await.unwrap();
    hub.assert_serves(&identity).await;
    drop(silent);
    assert!(hub.bad_end().await.contains("handshake"));
}

/// Time is the test's: it moves when every task waits.
#[tokio::test(start_paused = true)]
async fn a_slow_handshake_ends_at_its_deadline() {
    let mut hub = Hub::start().await;
    let mut slow = TcpStream::connect(hub.address).await.unwrap();
    // The beginning of a TLS record that never goes on.
    slow.write_all(&[0x16, 3, 1, 2, 0]).await.unwrap();
    assert_eq!(hub.bad_end().await, "accept: the TLS handshake was not done within 10s");
    assert_eq!(slow.read(&mut [0; 16]).await.unwrap_or(0), 0);
}
