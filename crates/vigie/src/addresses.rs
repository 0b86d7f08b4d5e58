//! Addresses as they are typed.

/// `HOST:PORT`, as far as its form tells; an IPv6 address stands in brackets.
pub(crate) fn host_and_port(text: &str) -> Result<String, String> {
    let bad = || format!("`{text}` is not HOST:PORT, such as hub:9999 or [::1]:9999");
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let is_bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    match port.parse::<u16>() {
        Ok(port) if port != 0 && !host.is_empty() && !is_bare_v6 => Ok(text.to_owned()),
        _ => Err(bad()),
    }
}
