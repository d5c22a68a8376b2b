//! Who may call: this machine's own programs and pages.
//!
//! Every page in a browser on this machine can send requests here. A page of another site names that site in `Origin`.
//! A page whose name was rebound to this address (DNS rebinding) names itself in `Host`. An IP address and `localhost`
//! cannot be rebound, so only these are believed.

use std::net::IpAddr;

use api::{Kind, Problem};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;

use crate::front::respond;

/// Lets only this server's own pages, and programs that are no browser, through to the console and `/_local`.
pub async fn only_own(request: Request, next: Next) -> Response {
    if is_own(request.headers()) { next.run(request).await } else { refused() }
}

/// Lets every program on this machine through to the API, and every page that a program on this machine serves.
pub async fn only_local_pages(request: Request, next: Next) -> Response {
    let is_local = match request.headers().get(ORIGIN) {
        None => true,
        Some(origin) => origin.to_str().ok().and_then(authority_of).is_some_and(|authority| is_fixed(&authority)),
    };
    if is_local { next.run(request).await } else { refused() }
}

fn refused() -> Response {
    respond(Problem::new(Kind::Forbidden).detail("this address answers only to pages of its own").answer())
}

fn is_own(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok()) else {
        return false;
    };
    let is_same_origin = match headers.get(ORIGIN) {
        None => true,
        Some(origin) => origin.to_str().ok().and_then(authority_of).is_some_and(|origin| origin == host),
    };
    is_fixed(&host) && is_same_origin
}

/// The host and port of an origin; `None` for `null`, the origin of a sandboxed page.
fn authority_of(origin: &str) -> Option<Authority> {
    let (_, authority) = origin.split_once("://")?;
    authority.parse().ok()
}

/// Whether nobody can let this name point elsewhere.
fn is_fixed(authority: &Authority) -> bool {
    let host = authority.host();
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let origin = origin.map(|origin| (ORIGIN, origin.parse().unwrap()));
        [(HOST, host.parse().unwrap())].into_iter().chain(origin).collect()
    }

    #[test]
    fn a_rebound_name_is_refused_and_an_address_is_not() {
        for own in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "192.168.0.7"] {
            assert!(is_own(&headers(own, None)), "{own}");
        }
        for other in ["evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io:8080", "", "a b"] {
            assert!(!is_own(&headers(other, None)), "{other}");
        }
    }

    #[test]
    fn another_origin_is_refused() {
        assert!(is_own(&headers("127.0.0.1:8080", Some("http://127.0.0.1:8080"))));
        for other in ["http://127.0.0.1:3000", "http://localhost:8080", "https://evil.example", "null", "file://"] {
            assert!(!is_own(&headers("127.0.0.1:8080", Some(other))), "{other}");
        }
    }
}
