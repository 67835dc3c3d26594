//! Header fields on their way through. Given the fields of one side, it gives those that the other side gets: what
//! belongs to one hop stays there (RFC 9110 section 7.6.1), what nginx withholds or replaces is withheld or replaced.

use super::cache::inquiry::Inquiry;
use super::config::ProxySettings;
use super::exchange::Exchange;
use super::fields::Fields;
use super::variables::Template;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, SERVER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, HeaderValue, Version};
use std::io::Write;

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
pub(crate) fn strip_one_hop(map: &mut Fields) {
    strip(map, &[]);
}

/// Removes those in `hide` too.
fn strip(map: &mut Fields, hide: &[HeaderName]) {
    let named: Vec<HeaderName> = named_by_connection(map).collect();
    map.retain(|name| {
        !is_one_hop(name) && !hide.contains(name) && (is_framing(name) || !named.contains(name))
    });
}

fn named_by_connection(map: &Fields) -> impl Iterator<Item = HeaderName> {
    map.get_all(&CONNECTION)
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
}

/// A sender cannot make a proxy lose the message's length or host by naming them in `Connection`.
fn is_framing(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH || *name == HOST
}

/// What the request to the upstream says of its body's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// What the client says of it.
    Given,
    Withheld,
    Known(u64),
    Chunked,
}

/// What the request to the upstream says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Says {
    /// It ends with the answer.
    pub(crate) close: bool,
    /// Another protocol is asked for.
    pub(crate) upgrade: bool,
}

/// Writes the fields of the request to the upstream to `out`, a line for each.
pub(crate) fn for_upstream(
    exchange: &Exchange,
    settings: &ProxySettings,
    length: Length,
    out: &mut Vec<u8>,
) -> Says {
    let given = &exchange.parts.headers;
    let is_set = |name: &HeaderName| settings.set_headers.iter().any(|(set, _)| set == name);
    if !is_set(&HOST) && is_value(exchange.proxy_host().as_bytes()) {
        write_field(out, &HOST, exchange.proxy_host().as_bytes());
    }
    let named: Vec<HeaderName> = named_by_connection(given).collect();
    let mut length_said = matches!(length, Length::Given | Length::Withheld);
    for (name, value) in given.iter().filter(|_| settings.pass_headers) {
        let withheld = *name == HOST
            || *name == EXPECT
            || is_one_hop(name)
            // As `underscores_in_headers off`, nginx's default: `a_b` and `a-b` are the same to a CGI program.
            || name.as_str().contains('_')
            || (named.contains(name) && !is_framing(name))
            || (exchange.inquiry.is_some() && Inquiry::withholds(name))
            || is_set(name);
        if withheld {
            continue;
        }
        match length {
            Length::Given => write_field(out, name, value.as_bytes()),
            _ if *name != CONTENT_LENGTH => write_field(out, name, value.as_bytes()),
            _ if !length_said => {
                write_length(out, length);
                length_said = true;
            }
            _ => {}
        }
    }
    for (name, value) in exchange.inquiry.iter().flat_map(|inquiry| inquiry.conditions()) {
        if !is_set(&name) {
            write_field(out, &name, value.as_bytes());
        }
    }
    let says = settle_connection(exchange, settings);
    for (name, template) in &settings.set_headers {
        let sent = match *name {
            CONTENT_LENGTH => false,
            UPGRADE => says.upgrade,
            CONNECTION => settings.http11 && (says.upgrade || says.close),
            _ => !is_one_hop(name),
        };
        if sent {
            write_set(out, exchange, name, template);
        }
    }
    if !settings.http11 {
        write_field(out, &CONNECTION, b"close");
    }
    if !length_said {
        write_length(out, length);
    }
    says
}

/// What is said of the connection: the configuration may close it, or ask for another protocol. That takes two fields together, and
/// only where the client asked for it (RFC 9110, section 7.8); what is stored is no business of another protocol.
fn settle_connection(exchange: &Exchange, settings: &ProxySettings) -> Says {
    let mut said = None;
    let mut protocol = false;
    for (name, template) in &settings.set_headers {
        if *name == CONNECTION && said.is_none() {
            said = Some(template.render(exchange)).filter(|value| is_word(value));
        } else if *name == UPGRADE {
            let value = template.render(exchange);
            protocol |= !value.is_empty() && is_value(&value);
        }
    }
    let says = |word: &[u8]| said.as_ref().is_some_and(|value| value.eq_ignore_ascii_case(word));
    let parts = &exchange.parts;
    let asked = parts.version == Version::HTTP_11 && parts.headers.has(&UPGRADE);
    let passes = asked && settings.http11 && exchange.inquiry.is_none();
    let upgrade = passes && protocol && says(b"upgrade");
    Says { close: !settings.http11 || says(b"close"), upgrade }
}

/// Whether the configuration may say so in `Connection`: the connection's own framing is not for it to break.
fn is_word(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"close") || value.eq_ignore_ascii_case(b"upgrade")
}

/// Whether `value` can stand in a field.
fn is_value(value: &[u8]) -> bool {
    value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

/// Writes a `proxy_set_header`: an empty value keeps the field from being sent.
fn write_set(out: &mut Vec<u8>, exchange: &Exchange, name: &HeaderName, value: &Template) {
    let before = out.len();
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    let start = out.len();
    value.write(exchange, out, |_, _| {});
    let value = &out[start..];
    if value.is_empty() || !is_value(value) || (*name == CONNECTION && !is_word(value)) {
        out.truncate(before);
    } else {
        out.extend_from_slice(b"\r\n");
    }
}

fn write_length(out: &mut Vec<u8>, length: Length) {
    match length {
        Length::Known(length) => {
            let _ = write!(out, "{CONTENT_LENGTH}: {length}\r\n");
        }
        Length::Chunked => write_field(out, &TRANSFER_ENCODING, b"chunked"),
        Length::Given | Length::Withheld => {}
    }
}

fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Makes the fields of the answer that switches protocols those of the answer to the client.
pub(crate) fn for_switched_client(map: &mut Fields, hide: &[HeaderName]) {
    let protocol = map.remove(&UPGRADE);
    for_client(map, hide);
    map.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    map.extend(protocol.map(|protocol| (UPGRADE, protocol)));
}

/// Makes the fields of an upstream's answer those of the answer to the client.
pub(crate) fn for_client(map: &mut Fields, hide: &[HeaderName]) {
    strip(map, hide);
    if !map.has(&SERVER) {
        map.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    }
}

/// About how many bytes the head of an answer takes, with the fields that the connection adds by itself.
pub(crate) fn head_length(status: http::StatusCode, map: &Fields) -> u64 {
    const STATUS_LINE: usize = "HTTP/1.1 200 \r\n\r\n".len();
    const DATE_LINE: usize = "date: Tue, 24 Nov 2026 07:55:55 GMT\r\n".len();
    const CHUNKED_LINE: usize = "transfer-encoding: chunked\r\n".len();
    let fields: usize = map.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let added =
        if map.has(&DATE) { 0 } else { DATE_LINE } + if map.has(&CONTENT_LENGTH) { 0 } else { CHUNKED_LINE };
    (STATUS_LINE + status.canonical_reason().map_or(0, str::len) + fields + added) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> Fields {
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
