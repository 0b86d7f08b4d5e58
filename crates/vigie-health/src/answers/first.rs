//! What the first bytes of a client are: HTTP, a line for the agent, or neither.

use crate::limits::CLIENT_LINE_BYTES_MAX;

/// What the first bytes of a client are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First<'a> {
    /// A request of HTTP/1.
    Http,
    /// A whole line, as `agent-send` makes HAProxy send it, without its end.
    Line(&'a str),
    /// Too early to tell; so far it is the beginning of a method of HTTP.
    PerhapsHttp,
    /// Too early to tell; so far it is text.
    PerhapsLine(&'a str),
    /// Neither.
    Neither,
}

/// Methods as they stand at the front of a request (RFC 9110, section 9; RFC 5789), so that one is known before
/// the end of its line.
const METHODS: [&[u8]; 9] =
    [b"GET ", b"HEAD ", b"OPTIONS ", b"POST ", b"PUT ", b"DELETE ", b"PATCH ", b"TRACE ", b"CONNECT "];

/// Tells what the first bytes of a client are.
pub fn first_bytes(bytes: &[u8]) -> First<'_> {
    if METHODS.iter().any(|method| bytes.starts_with(method)) {
        return First::Http;
    }
    if !bytes.is_empty() && METHODS.iter().any(|method| method.starts_with(bytes)) {
        return First::PerhapsHttp;
    }
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let line = &bytes[..end.unwrap_or(bytes.len())];
    let is_text = line.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let text = std::str::from_utf8(line).ok().filter(|_| is_text && line.len() <= CLIENT_LINE_BYTES_MAX);
    match (text, end) {
        (None, _) => First::Neither,
        // Some other method: it is answered that it is not allowed.
        (Some(text), Some(_)) if text.ends_with(" HTTP/1.1") || text.ends_with(" HTTP/1.0") => First::Http,
        (Some(text), Some(_)) => First::Line(text.trim()),
        (Some(text), None) => First::PerhapsLine(text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_as_early_as_can_be() {
        for (bytes, kind) in [
            (&b""[..], First::PerhapsLine("")),
            (b"G", First::PerhapsHttp),
            (b"GET", First::PerhapsHttp),
            (b"GET ", First::Http),
            (b"GET\n", First::Line("GET")),
            (b"P", First::PerhapsHttp),
            (b"PATCH /x", First::Http),
            (b"PROPFIND / HTTP/1.1", First::PerhapsLine("PROPFIND / HTTP/1.1")),
            (b"PROPFIND / HTTP/1.1\r\n", First::Http),
            (b"web/s1", First::PerhapsLine("web/s1")),
            (b" web/s1\r\nmore", First::Line("web/s1")),
            (b"\n", First::Line("")),
            (b"\x16\x03\x01\x02", First::Neither),
            (b"caf\xc3\xa9\n", First::Neither),
            (b"PRI * HTTP/2.0\r\n\r\n", First::Line("PRI * HTTP/2.0")),
        ] {
            assert_eq!(first_bytes(bytes), kind, "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(first_bytes(&[b'x'; CLIENT_LINE_BYTES_MAX + 1]), First::Neither);
        assert!(matches!(first_bytes(&[b'x'; CLIENT_LINE_BYTES_MAX]), First::PerhapsLine(_)));
    }

    #[test]
    fn more_bytes_only_make_it_clearer() {
        let streams = [&b"OPTIONS / HTTP/1.0\r\n\r\n"[..], b"POSTER\n", b"web/s1\n", b"\x00\x01"];
        for stream in streams {
            let all = first_bytes(stream);
            for cut in 1..stream.len() {
                match first_bytes(&stream[..cut]) {
                    First::PerhapsHttp | First::PerhapsLine(_) => {}
                    early => assert_eq!(early, all, "cut at {cut}"),
                }
            }
        }
    }
}
