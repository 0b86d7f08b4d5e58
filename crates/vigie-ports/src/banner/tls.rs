//! The TLS side of a service. Its certificate is taken as it comes and shown as such: nothing is checked, and nothing
//! is said to the service that would matter.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{ask, connect, escaped};
use crate::finding::Tls;
use crate::limits::{BANNER_ANSWER, CERTIFICATE_NAMES_MAX, CERTIFICATE_TEXT_BYTES_MAX};

/// The TLS side, and the answer to a question in HTTP inside of it; `None` if it does not speak TLS as we do.
pub(super) async fn read(address: SocketAddr, name: Option<&str>) -> Option<(Tls, Vec<u8>)> {
    let stream = connect(address).await?;
    let server = name.and_then(|name| ServerName::try_from(name.to_owned()).ok());
    let server = server.unwrap_or_else(|| ServerName::IpAddress(address.ip().into()));
    let connector = TlsConnector::from(Arc::new(config()?));
    let mut stream = timeout(BANNER_ANSWER, connector.connect(server, stream)).await.ok()?.ok()?;
    let (_, session) = stream.get_ref();
    let mut tls = session.peer_certificates().and_then(<[_]>::first).map(certificate).unwrap_or_default();
    tls.version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
        other => format!("{other:?}"),
    };
    tls.alpn = session.alpn_protocol().map(escaped);
    // Whoever chose h2 would not understand the question.
    let bytes =
        if session.alpn_protocol() == Some(b"h2") { Vec::new() } else { ask(&mut stream, name).await };
    Some((tls, bytes))
}

fn config() -> Option<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AsItComes(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Some(config)
}

/// What a certificate says; what of it cannot be read is left out.
fn certificate(der: &CertificateDer<'_>) -> Tls {
    let mut tls = Tls { sha256: sha256(der), ..Tls::default() };
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return tls };
    tls.subject = Some(bounded(&certificate.subject().to_string()));
    tls.issuer = Some(bounded(&certificate.issuer().to_string()));
    tls.not_after = rfc3339(certificate.validity().not_after.timestamp());
    if let Ok(Some(names)) = certificate.subject_alternative_name() {
        let names = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(bounded(name)),
            GeneralName::IPAddress(bytes) => ip(bytes),
            _ => None,
        });
        tls.names = names.take(CERTIFICATE_NAMES_MAX).collect();
    }
    tls
}

fn ip(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())).ok()
}

fn bounded(text: &str) -> String {
    let bytes = text.as_bytes();
    escaped(&bytes[..bytes.len().min(CERTIFICATE_TEXT_BYTES_MAX)])
}

/// In UTC; `None` before the year 1 and after 9999.
fn rfc3339(unix: i64) -> Option<String> {
    // Days to a civil date, after Howard Hinnant's `civil_from_days`.
    let (days, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    (1..=9999).contains(&year).then_some(text)
}

/// SHA-256 by the provider that TLS uses anyway.
fn sha256(bytes: &[u8]) -> String {
    let suite = ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let Some(suite) = suite.tls13() else { return String::new() };
    let mut text = String::new();
    for byte in suite.common.hash_provider.hash(bytes).as_ref() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Takes any certificate. Signatures are checked, so that the one shown is that of who answers.
#[derive(Debug)]
struct AsItComes(Arc<CryptoProvider>);

impl ServerCertVerifier for AsItComes {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(rfc3339(0).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399).unwrap(), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(1_709_208_000).unwrap(), "2024-02-29T12:00:00Z");
        assert_eq!(rfc3339(253_402_300_799).unwrap(), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(-1).unwrap(), "1969-12-31T23:59:59Z");
        assert_eq!(rfc3339(i64::from(u32::MAX) * 1000), None);
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_certificate_that_is_none_still_has_a_digest() {
        let tls = certificate(&CertificateDer::from(b"nonsense".to_vec()));
        assert_eq!((tls.subject, tls.sha256.len()), (None, 64));
    }
}
