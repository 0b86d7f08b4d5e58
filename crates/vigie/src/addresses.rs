//! Addresses as they are typed.

use std::net::SocketAddr;

/// An address of this machine to listen on, with its port.
pub(crate) fn with_port(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is not ADDRESS:PORT, such as 127.0.0.1:7700, or [::]:7700 for all addresses of this machine")
    })
}

/// `HOST:PORT` of somebody to talk to, as far as its form tells; an IPv6 address stands in brackets.
pub(crate) fn host_and_port(text: &str) -> Result<String, String> {
    match form(text) {
        Some(port) if port != 0 => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not HOST:PORT, such as hub:9999 or [::1]:9999")),
    }
}

/// The same to listen on: port 0 is one that nobody has.
pub(crate) fn host_and_any_port(text: &str) -> Result<String, String> {
    let is_right = form(text).is_some();
    is_right
        .then(|| text.to_owned())
        .ok_or_else(|| format!("`{text}` is not HOST:PORT, such as 0.0.0.0:9999"))
}

/// The port, if all else has the form.
fn form(text: &str) -> Option<u16> {
    let (host, port) = text.rsplit_once(':')?;
    let is_bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    port.parse().ok().filter(|_| !host.is_empty() && !is_bare_v6)
}
