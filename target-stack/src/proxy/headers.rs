//! Header fields on their way through. Given the fields of one side, it gives those that the other side gets: what
//! belongs to one hop stays there (RFC 9110 section 7.6.1), what nginx withholds or replaces is withheld or replaced.

use super::cache::inquiry::Inquiry;
use super::config::ProxySettings;
use super::exchange::Exchange;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, SERVER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What this proxy calls itself.
pub(crate) const SERVER_NAME: &str = concat!("target-stack/", env!("CARGO_PKG_VERSION"));

/// Fields of an answer that nginx keeps to itself unless `proxy_pass_header` names them.
pub(crate) const HIDDEN: [HeaderName; 8] = [
    DATE,
    SERVER,
    HeaderName::from_static("x-pad"),
    HeaderName::from_static("x-accel-expires"),
    HeaderName::from_static("x-accel-redirect"),
    HeaderName::from_static("x-accel-limit-rate"),
    HeaderName::from_static("x-accel-buffering"),
    HeaderName::from_static("x-accel-charset"),
];

/// The fields of one hop, beside those that `Connection` names.
const ONE_HOP: [HeaderName; 7] =
    [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// Whether `name` is a field of one hop.
pub(crate) fn is_one_hop(name: &HeaderName) -> bool {
    ONE_HOP.contains(name)
}

/// Removes the fields of one hop, and those that `Connection` names, from `map`.
pub(crate) fn strip_one_hop(map: &mut HeaderMap) {
    if map.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = named_by_connection(map).collect();
        for name in named.iter().filter(|name| !is_framing(name)) {
            map.remove(name);
        }
    }
    for name in &ONE_HOP {
        map.remove(name);
    }
}

fn named_by_connection(map: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    map.get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
}

/// A sender cannot make a proxy lose the message's length or host by naming them in `Connection`.
fn is_framing(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH || *name == HOST
}

/// The fields of the request to the upstream.
pub(crate) fn for_upstream(exchange: &Exchange, settings: &ProxySettings) -> HeaderMap {
    let given = &exchange.parts.headers;
    let mut map = HeaderMap::with_capacity(given.len() + settings.set_headers.len() + 1);
    if !settings.set_headers.iter().any(|(name, _)| *name == HOST)
        && let Ok(host) = HeaderValue::from_str(exchange.proxy_host())
    {
        map.insert(HOST, host);
    }
    let named: Vec<HeaderName> =
        if given.contains_key(CONNECTION) { named_by_connection(given).collect() } else { Vec::new() };
    for (name, value) in given.iter().filter(|_| settings.pass_headers) {
        let withheld = *name == HOST
            || *name == EXPECT
            || is_one_hop(name)
            // As `underscores_in_headers off`, nginx's default: `a_b` and `a-b` are the same to a CGI program.
            || name.as_str().contains('_')
            || (named.contains(name) && !is_framing(name))
            || (exchange.inquiry.is_some() && Inquiry::withholds(name))
            || settings.set_headers.iter().any(|(set, _)| set == name);
        if !withheld {
            map.append(name, value.clone());
        }
    }
    for (name, value) in exchange.inquiry.iter().flat_map(|inquiry| inquiry.conditions()) {
        if !settings.set_headers.iter().any(|(set, _)| *set == name) {
            map.append(name, value.clone());
        }
    }
    let mut of_hop = false;
    for (name, template) in &settings.set_headers {
        of_hop |= set(&mut map, exchange, name, template);
    }
    if of_hop {
        settle_upgrade(&mut map, exchange, settings);
    }
    if !settings.http11 {
        map.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    map
}

/// Another protocol is asked for by two fields together, and only where the client asked for it (RFC 9110, section 7.8); what is
/// stored is no business of another protocol.
fn settle_upgrade(map: &mut HeaderMap, exchange: &Exchange, settings: &ProxySettings) {
    let says = |word| map.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(word));
    let parts = &exchange.parts;
    let asked = parts.version == Version::HTTP_11 && parts.headers.contains_key(UPGRADE);
    let passes = asked && settings.http11 && exchange.inquiry.is_none();
    if passes && says(b"upgrade") && map.contains_key(UPGRADE) {
        return;
    }
    let close = says(b"close");
    map.remove(UPGRADE);
    if !close {
        map.remove(CONNECTION);
    }
}

/// A `proxy_set_header`: an empty value keeps the field from being sent. Gives whether it set a field of one hop.
fn set(
    map: &mut HeaderMap,
    exchange: &Exchange,
    name: &HeaderName,
    value: &super::variables::Template,
) -> bool {
    // The connection's own framing is not for the configuration to break: it may close it, or ask for another protocol.
    let of_hop = is_one_hop(name);
    if of_hop && *name != CONNECTION && *name != UPGRADE || *name == CONTENT_LENGTH {
        return false;
    }
    let value = value.render(exchange);
    let is = |word: &[u8]| value.eq_ignore_ascii_case(word);
    if value.is_empty() || (*name == CONNECTION && !is(b"close") && !is(b"upgrade")) {
        return false;
    }
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
        map.append(name, value);
    }
    of_hop
}

/// Makes the fields of the answer that switches protocols those of the answer to the client.
pub(crate) fn for_switched_client(map: &mut HeaderMap, hide: &[HeaderName]) {
    let protocol = map.remove(UPGRADE);
    for_client(map, hide);
    map.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    map.extend(protocol.map(|protocol| (UPGRADE, protocol)));
}

/// Makes the fields of an upstream's answer those of the answer to the client.
pub(crate) fn for_client(map: &mut HeaderMap, hide: &[HeaderName]) {
    strip_one_hop(map);
    for name in hide {
        map.remove(name);
    }
    if !map.contains_key(SERVER) {
        map.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    }
}

/// About how many bytes the head of an answer takes, with the fields that the connection adds by itself.
pub(crate) fn head_length(status: http::StatusCode, map: &HeaderMap) -> u64 {
    const STATUS_LINE: usize = "HTTP/1.1 200 \r\n\r\n".len();
    const DATE_LINE: usize = "date: Tue, 24 Nov 2026 07:55:55 GMT\r\n".len();
    const CHUNKED_LINE: usize = "transfer-encoding: chunked\r\n".len();
    let fields: usize = map.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let added = if map.contains_key(DATE) { 0 } else { DATE_LINE }
        + if map.contains_key(CONTENT_LENGTH) { 0 } else { CHUNKED_LINE };
    (STATUS_LINE + status.canonical_reason().map_or(0, str::len) + fields + added) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let pair = |&(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse::<HeaderValue>().expect("a value"))
        };
        fields.iter().map(pair).collect()
    }

    #[test]
    fn fields_of_one_hop_stay_there() {
        let mut fields = map(&[
            ("connection", "close, X-Secret ,content-length"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "websocket"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("x-kept", "1"),
        ]);
        strip_one_hop(&mut fields);
        assert_eq!(fields, map(&[("content-length", "3"), ("x-kept", "1")]));
    }

    #[test]
    fn an_answer_loses_what_nginx_hides_and_gets_a_server() {
        let mut fields =
            map(&[("server", "app"), ("date", "x"), ("x-accel-expires", "1"), ("etag", "\"1\"")]);
        for_client(&mut fields, &HIDDEN);
        assert_eq!(fields, map(&[("etag", "\"1\""), ("server", SERVER_NAME)]));

        let mut fields = map(&[("server", "app")]);
        for_client(&mut fields, &[]);
        assert_eq!(fields, map(&[("server", "app")]));
    }
}
