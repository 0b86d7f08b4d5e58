//! Failures of TLS in words that say what to do.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use time::OffsetDateTime;

/// The words for an I/O error that is really one of TLS.
pub(crate) fn io_error(error: &std::io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<Error>().map(words)
}

fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => refused(*alert),
        Error::InvalidMessage(_) => "what came is not TLS".into(),
        Error::PeerIncompatible(why) => {
            format!("the other side speaks no TLS that is spoken here (only TLS 1.3): {why:?}")
        }
        Error::NoApplicationProtocol => "the other side is not Vigie".into(),
        other => other.to_string(),
    }
}

/// What we think of the other side's certificate.
fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of another hub's authority; \
             if the hub was set up anew, enrol this machine again with a new token"
                .into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is not a hub's".into()
        }
        CertificateError::ExpiredContext { time, not_after } => format!(
            "its certificate was valid until {}, and this machine's clock says {}: \
             it has expired, or this clock is wrong",
            date(not_after),
            date(time)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "its certificate is valid from {}, and this machine's clock says {}: one of the clocks is wrong",
            date(not_before),
            date(time)
        ),
        CertificateError::InvalidPurposeContext { .. } | CertificateError::InvalidPurpose => {
            "its certificate is for another purpose".into()
        }
        other => format!("its certificate is not valid: {other}"),
    }
}

/// What the other side says of ours.
fn refused(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA | AlertDescription::DecryptError => {
            "the other side refused our certificate: it is of another hub's authority".into()
        }
        AlertDescription::CertificateExpired => {
            "the other side refused our certificate: it has expired, or one of the clocks is wrong; \
             a machine whose certificate has expired must be enrolled again with a new token"
                .into()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked
        | AlertDescription::AccessDenied => format!("the other side refused our certificate: {alert:?}"),
        other => format!("the other side ended the TLS handshake: {other:?}"),
    }
}

fn date(time: &UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(date) => {
            let (day, (hour, minute, _)) = (date.date(), date.time().as_hms());
            format!("{day} {hour:02}:{minute:02} UTC")
        }
        Err(_) => format!("{seconds} seconds after 1970"),
    }
}
