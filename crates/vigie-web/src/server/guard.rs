//! Who may ask. The Unix socket is protected by its mode. On loopback every local user may ask, but no web
//! page may: not one of another site (it sends `Origin`), nor one whose name was pointed at this machine
//! (its requests carry that name in `Host`).

use super::reply::refusal;
use crate::messages::{ApiError, ErrorKind};
use axum::extract::Request;
use axum::http::{HeaderMap, header, uri::Authority};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;

/// For every connection: refuses web pages.
pub(super) async fn refuse_pages(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return refusal(&ApiError::new(ErrorKind::Forbidden, "web pages may not use this API"));
    }
    next.run(request).await
}

/// For TCP: refuses requests that name another host.
pub(super) async fn refuse_foreign_hosts(request: Request, next: Next) -> Response {
    if !names_loopback(request.headers()) {
        let error = ApiError::new(ErrorKind::Forbidden, "the request is meant for another host")
            .hint("ask for localhost, 127.0.0.1 or [::1]");
        return refusal(&error);
    }
    next.run(request).await
}

fn names_loopback(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(authority) = host.to_str().ok().and_then(|h| h.parse::<Authority>().ok()) else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        names_loopback(&headers)
    }

    #[test]
    fn only_names_of_this_machine_pass() {
        for good in ["localhost", "LOCALHOST:7701", "127.0.0.1", "127.9.9.9:1", "[::1]:7701", "[::1]"] {
            assert!(names(good), "{good} was refused");
        }
        let bad = [
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org:80",
            "",
            "10.0.0.1",
            "a@localhost",
        ];
        for bad in bad {
            assert!(!names(bad), "{bad} was taken");
        }
        assert!(!names_loopback(&HeaderMap::new()));
    }
}
