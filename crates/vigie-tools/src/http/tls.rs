//! Whom to trust, and what is wrong with a certificate.

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of authorities cannot be read.
    #[error("cannot read certificates from {path}: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The authorities do not fit the provider.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// TLS that trusts the authorities of this system (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), and those of a file.
/// A system without any is not an error until somebody is to be trusted.
pub(super) fn config(authorities: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    // What cannot be read of the system's is as if it was not there; what is missing is told with the certificate.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = authorities {
        let failed = |why: String| TrustError::File { path: path.to_owned(), why };
        let pem = CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
        let certificates: Vec<_> = pem.collect::<Result<_, _>>().map_err(|e| failed(e.to_string()))?;
        if certificates.is_empty() {
            return Err(failed("there is none in it".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|e| failed(e.to_string()))?;
        }
    }
    // Named, so that it is this one whatever else is in the build.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What is wrong with the other side's TLS, and what to do about it; none when the failure is of another kind.
pub(super) fn explain(error: &(dyn Error + 'static)) -> Option<(String, &'static str)> {
    let error = find(error)?;
    let rustls::Error::InvalidCertificate(wrong) = error else {
        let hint = match error {
            rustls::Error::InvalidMessage(_) => "does the server speak TLS on this port at all? Try http://",
            rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_) => {
                "the server has no version or cipher of TLS 1.2 or 1.3 in common with this client, or refuses it"
            }
            _ => "the connection was not secured, so nothing was sent",
        };
        return Some((format!("TLS failed: {error}"), hint));
    };
    let (what, hint) = match wrong {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the server's certificate has expired",
            "whoever runs the server has to renew it; or is this clock wrong?",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("the server's certificate is not valid yet", "is the clock of this machine right?")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "the server's certificate is for another name",
            "is this the right host? The certificate says whom it is for: openssl s_client -connect HOST:PORT",
        ),
        CertificateError::UnknownIssuer => (
            "nobody who is trusted here has signed the server's certificate",
            "if you know its authority, name it with --cacert FILE; Debian's authorities are in the package \
             ca-certificates",
        ),
        CertificateError::Revoked => ("the server's certificate was revoked", "do not trust this server"),
        _ => ("the server's certificate is not valid", "whoever runs the server has to replace it"),
    };
    Some((format!("{what} ({wrong})"), hint))
}

/// The error of TLS among the causes. It may be within an error of I/O, which does not count it as its source.
fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = error.downcast_ref().or_else(|| within.and_then(|inner| find(inner))) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
