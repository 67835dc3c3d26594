//! The places that an answer names. Given an answer's fields and the rules of `proxy_redirect`, it makes `Location` and `Refresh` name
//! what the client can reach, as nginx does; it sends nobody anywhere itself.

use super::config::{Redirect, RedirectRule};
use super::exchange::Exchange;
use super::variables::Template;
use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::LazyLock;

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// What a place without a host begins with once a rule has made it, as nginx's `absolute_redirect on` has it.
static ORIGIN: LazyLock<Option<Template>> =
    LazyLock::new(|| Template::compile("$scheme://$host:$server_port").ok());
/// The same where the client named no host.
static NAMELESS: LazyLock<Option<Template>> =
    LazyLock::new(|| Template::compile("$scheme://$server_addr:$server_port").ok());

/// Rewrites what `fields` name.
pub(crate) fn rewrite(fields: &mut HeaderMap, redirect: &Redirect, exchange: &Exchange) {
    let Redirect::Rules(rules) = redirect else { return };
    if let Some(place) = fields.get(LOCATION)
        && let Some(mut rewritten) = apply(place.as_bytes(), 0, rules, exchange)
    {
        if rewritten.starts_with(b"/") {
            rewritten.splice(0..0, origin(exchange));
        }
        replace(fields, LOCATION, rewritten);
    }
    if let Some(refresh) = fields.get(REFRESH)
        && let Some(at) = url(refresh.as_bytes())
        && let Some(rewritten) = apply(refresh.as_bytes(), at, rules, exchange)
    {
        replace(fields, REFRESH, rewritten);
    }
}

/// `value` with the place that begins `at` rewritten by the first rule that is for it.
fn apply(value: &[u8], at: usize, rules: &[RedirectRule], exchange: &Exchange) -> Option<Vec<u8>> {
    rules.iter().find_map(|rule| {
        // Outside a location that passes requests on there is no default.
        let RedirectRule::Pair { from, to } = rule else { return None };
        let rest = value[at..].strip_prefix(from.render(exchange).as_slice())?;
        Some([&value[..at], &to.render(exchange), rest].concat())
    })
}

/// Where the place begins that a `Refresh` names.
fn url(refresh: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b"url=";
    let found = refresh.windows(MARK.len()).position(|part| part.eq_ignore_ascii_case(MARK))?;
    Some(found + MARK.len())
}

/// The server as the client named it, with its port unless that is the protocol's own.
fn origin(exchange: &Exchange) -> Vec<u8> {
    let named = exchange.parts.headers.contains_key(HOST) || exchange.parts.uri.authority().is_some();
    let origin = if named { &ORIGIN } else { &NAMELESS };
    let mut origin = origin.as_ref().map(|origin| origin.render(exchange)).unwrap_or_default();
    for (scheme, port) in [(&b"http://"[..], &b":80"[..]), (b"https://", b":443")] {
        if origin.starts_with(scheme) && origin.ends_with(port) {
            origin.truncate(origin.len() - port.len());
        }
    }
    origin
}

fn replace(fields: &mut HeaderMap, name: HeaderName, value: Vec<u8>) {
    // It is made of what was valid before; what a variable may have brought in is left out.
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
        fields.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_may_name_a_place() {
        for (refresh, want) in
            [("5; url=http://a/", Some(7)), ("0;URL=/x", Some(6)), ("3", None), ("", None), ("url=", Some(4))]
        {
            assert_eq!(url(refresh.as_bytes()), want, "{refresh}");
        }
    }
}
