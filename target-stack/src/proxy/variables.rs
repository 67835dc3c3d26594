//! Texts with variables. Given such a text from the configuration, it gives a compiled form, or nginx's error for an
//! unknown name; given an exchange, the compiled form gives bytes. Nothing is looked up by name while serving.

use super::exchange::{Attempt, Exchange};
use super::{calendar, headers};
use crate::pace;
use http::{HeaderMap, HeaderName};
use std::io::Write;
use std::time::Duration;

/// A text whose variables are resolved to what they read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Variable {
    Arg(String),
    Args,
    BodyBytesSent,
    BytesSent,
    Connection,
    ConnectionRequests,
    Host,
    Http(HeaderName),
    Msec,
    ProxyAddXForwardedFor,
    ProxyHost,
    RemoteAddr,
    RemotePort,
    RemoteUser,
    Request,
    RequestMethod,
    RequestTime,
    RequestUri,
    Scheme,
    SentHttp(HeaderName),
    ServerAddr,
    ServerName,
    ServerPort,
    ServerProtocol,
    Status,
    TimeIso8601,
    TimeLocal,
    UpstreamAddr,
    UpstreamConnectTime,
    UpstreamHeaderTime,
    UpstreamHttp(HeaderName),
    UpstreamResponseTime,
    UpstreamStatus,
    Uri,
}

impl Template {
    /// Compiles `text`.
    ///
    /// # Errors
    /// nginx's words for an unknown or malformed variable, without a place.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let after = &rest[at + 1..];
            let (name, left) = if let Some(braced) = after.strip_prefix('{') {
                let end = braced
                    .find(|c: char| !is_name(c))
                    .filter(|&end| braced[end..].starts_with('}'))
                    .ok_or_else(|| format!("the closing bracket in \"{braced}\" variable is missing"))?;
                (&braced[..end], &braced[end + 1..])
            } else {
                after.split_at(after.find(|c: char| !is_name(c)).unwrap_or(after.len()))
            };
            if name.is_empty() {
                return Err("invalid variable name".to_owned());
            }
            parts.push(Part::Variable(resolve(name).ok_or_else(|| format!("unknown \"{name}\" variable"))?));
            rest = left;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Whether the text needs the answer's header fields when it is written.
    pub(crate) fn reads_sent_headers(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Variable(Variable::SentHttp(_))))
    }

    /// Whether the text needs the header fields of the upstream's answer when it is written.
    pub(crate) fn reads_upstream_headers(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Variable(Variable::UpstreamHttp(_))))
    }

    /// Appends the text for `exchange` to `out`; `value` treats what a variable gives (an empty value included).
    pub(crate) fn write(&self, exchange: &Exchange, out: &mut Vec<u8>, value: fn(&mut Vec<u8>, usize)) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(variable) => {
                    let start = out.len();
                    variable.write(exchange, out);
                    value(out, start);
                }
            }
        }
    }

    /// The text for `exchange`.
    pub(crate) fn render(&self, exchange: &Exchange) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(exchange, &mut out, |_, _| {});
        out
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn resolve(name: &str) -> Option<Variable> {
    let field = |prefix: &str| {
        let name = name.strip_prefix(prefix)?.replace('_', "-");
        HeaderName::from_bytes(name.as_bytes()).ok()
    };
    Some(match name {
        "args" | "query_string" => Variable::Args,
        "body_bytes_sent" => Variable::BodyBytesSent,
        "bytes_sent" => Variable::BytesSent,
        "connection" => Variable::Connection,
        "connection_requests" => Variable::ConnectionRequests,
        "host" => Variable::Host,
        "msec" => Variable::Msec,
        "proxy_add_x_forwarded_for" => Variable::ProxyAddXForwardedFor,
        "proxy_host" => Variable::ProxyHost,
        "remote_addr" => Variable::RemoteAddr,
        "remote_port" => Variable::RemotePort,
        "remote_user" => Variable::RemoteUser,
        "request" => Variable::Request,
        "request_method" => Variable::RequestMethod,
        "request_time" => Variable::RequestTime,
        "request_uri" => Variable::RequestUri,
        "scheme" => Variable::Scheme,
        "server_addr" => Variable::ServerAddr,
        "server_name" => Variable::ServerName,
        "server_port" => Variable::ServerPort,
        "server_protocol" => Variable::ServerProtocol,
        "status" => Variable::Status,
        "time_iso8601" => Variable::TimeIso8601,
        "time_local" => Variable::TimeLocal,
        "upstream_addr" => Variable::UpstreamAddr,
        "upstream_connect_time" => Variable::UpstreamConnectTime,
        "upstream_header_time" => Variable::UpstreamHeaderTime,
        "upstream_response_time" => Variable::UpstreamResponseTime,
        "upstream_status" => Variable::UpstreamStatus,
        "uri" | "document_uri" => Variable::Uri,
        _ if name.starts_with("arg_") => Variable::Arg(name["arg_".len()..].to_owned()),
        _ if name.starts_with("http_") => Variable::Http(field("http_")?),
        _ if name.starts_with("sent_http_") => Variable::SentHttp(field("sent_http_")?),
        _ if name.starts_with("upstream_http_") => Variable::UpstreamHttp(field("upstream_http_")?),
        _ => return None,
    })
}

impl Variable {
    fn write(&self, exchange: &Exchange, out: &mut Vec<u8>) {
        let client = &exchange.client;
        match self {
            Self::Arg(name) => out.extend_from_slice(argument(exchange.args(), name)),
            Self::Args => out.extend_from_slice(exchange.args().as_bytes()),
            Self::BodyBytesSent => put(out, format_args!("{}", exchange.body_sent)),
            Self::BytesSent => put(out, format_args!("{}", exchange.head_sent + exchange.body_sent)),
            Self::Connection => put(out, format_args!("{}", client.number)),
            Self::ConnectionRequests => put(out, format_args!("{}", exchange.nth)),
            Self::Host => out.extend_from_slice(exchange.host().as_bytes()),
            Self::Http(name) => fields(&exchange.parts.headers, name, out),
            Self::Msec => seconds(pace::wall_clock(), out),
            Self::ProxyAddXForwardedFor => {
                if exchange.parts.headers.contains_key(&headers::X_FORWARDED_FOR) {
                    fields(&exchange.parts.headers, &headers::X_FORWARDED_FOR, out);
                    out.extend_from_slice(b", ");
                }
                put(out, format_args!("{}", client.peer.ip()));
            }
            Self::ProxyHost => out.extend_from_slice(exchange.proxy_host().as_bytes()),
            Self::RemoteAddr => put(out, format_args!("{}", client.peer.ip())),
            Self::RemotePort => put(out, format_args!("{}", client.peer.port())),
            // No authentication is done here; nginx leaves the variable empty then, too.
            Self::RemoteUser => {}
            Self::Request => {
                let parts = &exchange.parts;
                if let Some(line) = &exchange.line {
                    return out.extend_from_slice(line);
                }
                put(out, format_args!("{} {} {:?}", parts.method, exchange.request_uri(), parts.version));
            }
            Self::RequestMethod => out.extend_from_slice(exchange.parts.method.as_str().as_bytes()),
            Self::RequestTime => seconds(pace::now().saturating_duration_since(exchange.started), out),
            Self::RequestUri => out.extend_from_slice(exchange.request_uri().as_bytes()),
            Self::Scheme => out.extend_from_slice(if client.secure { b"https" } else { b"http" }),
            Self::SentHttp(name) => fields(&exchange.sent_headers, name, out),
            Self::ServerAddr => put(out, format_args!("{}", client.local.ip())),
            Self::ServerName => out.extend_from_slice(exchange.server().name().as_bytes()),
            Self::ServerPort => put(out, format_args!("{}", client.local.port())),
            Self::ServerProtocol => put(out, format_args!("{:?}", exchange.parts.version)),
            Self::Status => put(out, format_args!("{:03}", exchange.status)),
            Self::TimeIso8601 => calendar::iso8601(pace::wall_clock(), out),
            Self::TimeLocal => calendar::common_log(pace::wall_clock(), out),
            Self::UpstreamAddr => {
                attempts(exchange, out, |a, out| out.extend_from_slice(a.address.as_bytes()))
            }
            Self::UpstreamConnectTime => attempts(exchange, out, |a, out| maybe_seconds(a.connect, out)),
            Self::UpstreamHeaderTime => attempts(exchange, out, |a, out| maybe_seconds(a.header, out)),
            Self::UpstreamHttp(name) => fields(&exchange.upstream_headers, name, out),
            Self::UpstreamResponseTime => attempts(exchange, out, |a, out| maybe_seconds(a.response, out)),
            Self::UpstreamStatus => attempts(exchange, out, |a, out| put(out, format_args!("{}", a.status))),
            Self::Uri => out.extend_from_slice(exchange.uri()),
        }
    }
}

/// One value an attempt, as nginx lists them.
fn attempts(exchange: &Exchange, out: &mut Vec<u8>, value: fn(&Attempt, &mut Vec<u8>)) {
    for (index, attempt) in exchange.attempts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        value(attempt, out);
    }
}

fn maybe_seconds(span: Option<Duration>, out: &mut Vec<u8>) {
    match span {
        Some(span) => seconds(span, out),
        None => out.push(b'-'),
    }
}

/// Seconds with nginx's three decimals.
fn seconds(span: Duration, out: &mut Vec<u8>) {
    put(out, format_args!("{}.{:03}", span.as_secs(), span.subsec_millis()));
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

/// All values of a field, joined as nginx joins them.
fn fields(map: &HeaderMap, name: &HeaderName, out: &mut Vec<u8>) {
    for (index, value) in map.get_all(name).iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(value.as_bytes());
    }
}

/// The first argument called `name`, without regard to case, its value as it came.
fn argument<'a>(args: &'a str, name: &str) -> &'a [u8] {
    args.split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map_or(b"", |(_, value)| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_compiles_to_parts() {
        let text = |t: &str| Part::Text(t.to_owned());
        let rows = [
            ("", vec![]),
            ("plain", vec![text("plain")]),
            ("$uri", vec![Part::Variable(Variable::Uri)]),
            (
                "a${status}b$host:",
                vec![
                    text("a"),
                    Part::Variable(Variable::Status),
                    text("b"),
                    Part::Variable(Variable::Host),
                    text(":"),
                ],
            ),
            ("$arg_n", vec![Part::Variable(Variable::Arg("n".to_owned()))]),
            ("$http_user_agent", vec![Part::Variable(Variable::Http(http::header::USER_AGENT))]),
        ];
        for (given, want) in rows {
            assert_eq!(Template::compile(given), Ok(Template(want)), "{given}");
        }
    }

    #[test]
    fn unknown_and_malformed_variables_are_named() {
        let rows = [
            ("$foo", "unknown \"foo\" variable"),
            ("x ${bar} y", "unknown \"bar\" variable"),
            ("${foo", "the closing bracket in \"foo\" variable is missing"),
            ("a$", "invalid variable name"),
            ("$-", "invalid variable name"),
        ];
        for (given, want) in rows {
            assert_eq!(Template::compile(given), Err(want.to_owned()), "{given}");
        }
    }

    #[test]
    fn arguments_are_found_by_name() {
        for (args, want) in
            [("n=1", "1"), ("a=2&N=3&n=4", "3"), ("nn=1", ""), ("n", ""), ("", ""), ("n=%20", "%20")]
        {
            assert_eq!(argument(args, "n"), want.as_bytes(), "{args}");
        }
    }
}
