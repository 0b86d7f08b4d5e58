use super::*;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A service that treats every connection alike.
async fn service<F>(each: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(each(stream));
        }
    });
    address
}

#[tokio::test]
async fn a_greeting_is_read_and_escaped() {
    let address = service(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-x\x1b[31m\\\xff\r\n").await;
    })
    .await;
    let banner = read(address, None).await.unwrap();
    assert_eq!(banner.text.as_deref(), Some("SSH-2.0-x\\x1b[31m\\\\\\xff"));
    assert_eq!(banner.tls, None);
}

#[tokio::test]
async fn an_endless_greeting_is_cut() {
    let address =
        service(|mut stream| async move { while stream.write_all(&[b'a'; 4096]).await.is_ok() {} }).await;
    let banner = read(address, None).await.unwrap();
    assert_eq!(banner.text.unwrap().len(), BANNER_BYTES_MAX);
}

#[tokio::test]
async fn who_waits_for_its_client_is_asked() {
    let address = service(|mut stream| async move {
        let mut bytes = [0; 512];
        let read = stream.read(&mut bytes).await.unwrap_or(0);
        if bytes[..read].starts_with(b"HEAD / HTTP/1.0\r\nHost: www.example\r\n") {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nServer: t\r\n\r\n").await;
        }
    })
    .await;
    let banner = read(address, Some("www.example")).await.unwrap();
    assert_eq!(banner.text.as_deref(), Some("HTTP/1.0 200 OK\\r\\nServer: t"));
}

#[tokio::test]
async fn a_certificate_is_shown_unverified() {
    let key = rcgen::generate_simple_self_signed(["www.example".to_owned(), "192.0.2.1".to_owned()]).unwrap();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], der)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let address = service(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut bytes = [0; 512];
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(b"HTTP/1.0 204 No Content\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    let banner = read(address, Some("www.example")).await.unwrap();
    assert_eq!(banner.text.as_deref(), Some("HTTP/1.0 204 No Content"));
    let tls = banner.tls.unwrap();
    assert_eq!((tls.version.as_str(), tls.alpn.as_deref()), ("TLSv1.3", Some("http/1.1")));
    assert_eq!(tls.names, ["www.example", "192.0.2.1"]);
    assert_eq!(tls.subject, tls.issuer);
    assert!(tls.not_after.unwrap().ends_with('Z') && tls.sha256.len() == 64 && !tls.verified);
}

#[tokio::test]
async fn whoever_hangs_up_or_stays_silent_has_no_banner() {
    let closes = service(|stream| async move { drop(stream) }).await;
    assert_eq!(read(closes, None).await, None);
    let nobody = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    assert_eq!(read(nobody, None).await, None);
    let silent = service(|mut stream| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    assert_eq!(read(silent, None).await, None);
}
