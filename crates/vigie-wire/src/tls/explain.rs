//! Failures of TLS in words that say what to do.

/// The words for an I/O error that is really one of TLS.
pub(crate) fn io_error(error: &std::io::Error) -> Option<String> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(tls.to_string())
}
