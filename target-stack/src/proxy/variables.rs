//! Variables, and texts with variables. Given a name from the configuration, it gives what that reads; given an exchange, that gives
//! bytes. Nothing is looked up by name while serving.

mod names;
mod template;

pub(crate) use names::Names;
pub(crate) use template::Template;

use super::cache::meters::Status;
use super::exchange::{Attempt, Exchange};
use super::fields::Fields;
use super::{calendar, files, headers, pages};
use crate::pace;
use http::header::{CONNECTION, COOKIE, SERVER, TRANSFER_ENCODING};
use http::{HeaderName, StatusCode};
use std::io::Write;
use std::time::Duration;

/// What a variable reads.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Variable {
    Arg(String),
    Args,
    BodyBytesSent,
    BytesSent,
    Connection,
    ConnectionRequests,
    DocumentRoot,
    /// What a numbered group of the last regular expression caught.
    Group(usize),
    Host,
    Http(HeaderName),
    IsArgs,
    Msec,
    ProxyAddXForwardedFor,
    ProxyHost,
    RemoteAddr,
    RemotePort,
    RemoteUser,
    /// One that the configuration sets, and what it is until then.
    Replaced(usize, Box<Variable>),
    Request,
    RequestFilename,
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
    UpstreamCacheStatus,
    UpstreamConnectTime,
    UpstreamHeaderTime,
    UpstreamHttp(HeaderName),
    UpstreamResponseTime,
    UpstreamStatus,
    Uri,
    /// One that the configuration makes.
    User(usize),
}

impl Variable {
    /// The variable called `name`, in lower case, that is always there.
    fn resolve(name: &str) -> Option<Self> {
        let field = |prefix: &str| {
            let name = name.strip_prefix(prefix)?.replace('_', "-");
            HeaderName::from_bytes(name.as_bytes()).ok()
        };
        Some(match name {
            "args" | "query_string" => Self::Args,
            "body_bytes_sent" => Self::BodyBytesSent,
            "bytes_sent" => Self::BytesSent,
            "connection" => Self::Connection,
            "connection_requests" => Self::ConnectionRequests,
            "document_root" => Self::DocumentRoot,
            "host" => Self::Host,
            "is_args" => Self::IsArgs,
            "msec" => Self::Msec,
            "proxy_add_x_forwarded_for" => Self::ProxyAddXForwardedFor,
            "proxy_host" => Self::ProxyHost,
            "remote_addr" => Self::RemoteAddr,
            "remote_port" => Self::RemotePort,
            "remote_user" => Self::RemoteUser,
            "request" => Self::Request,
            "request_filename" => Self::RequestFilename,
            "request_method" => Self::RequestMethod,
            "request_time" => Self::RequestTime,
            "request_uri" => Self::RequestUri,
            "scheme" => Self::Scheme,
            "server_addr" => Self::ServerAddr,
            "server_name" => Self::ServerName,
            "server_port" => Self::ServerPort,
            "server_protocol" => Self::ServerProtocol,
            "status" => Self::Status,
            "time_iso8601" => Self::TimeIso8601,
            "time_local" => Self::TimeLocal,
            "upstream_addr" => Self::UpstreamAddr,
            "upstream_cache_status" => Self::UpstreamCacheStatus,
            "upstream_connect_time" => Self::UpstreamConnectTime,
            "upstream_header_time" => Self::UpstreamHeaderTime,
            "upstream_response_time" => Self::UpstreamResponseTime,
            "upstream_status" => Self::UpstreamStatus,
            "uri" | "document_uri" => Self::Uri,
            _ if name.starts_with("arg_") => Self::Arg(name["arg_".len()..].to_owned()),
            _ if name.starts_with("http_") => Self::Http(field("http_")?),
            _ if name.starts_with("sent_http_") => Self::SentHttp(field("sent_http_")?),
            _ if name.starts_with("upstream_http_") => Self::UpstreamHttp(field("upstream_http_")?),
            _ => return None,
        })
    }

    /// The variable called `name`, in lower case, where those of `names` are made by the configuration.
    fn find(name: &str, names: &Names) -> Option<Self> {
        match (names.find(name), Self::resolve(name)) {
            (Some(index), Some(own)) if own.is_of_a_family() => Some(Self::Replaced(index, Box::new(own))),
            (_, Some(own)) => Some(own),
            (Some(index), None) => Some(Self::User(index)),
            (None, None) => None,
        }
    }

    /// Whether it is one of many that are known by how their names begin: those may be set.
    fn is_of_a_family(&self) -> bool {
        matches!(self, Self::Arg(_) | Self::Http(_) | Self::SentHttp(_) | Self::UpstreamHttp(_))
    }

    fn reads_sent_headers(&self) -> bool {
        match self {
            Self::Replaced(_, own) => own.reads_sent_headers(),
            _ => matches!(self, Self::SentHttp(_)),
        }
    }

    fn reads_request_field(&self, field: &HeaderName) -> bool {
        match self {
            Self::Replaced(_, own) => own.reads_request_field(field),
            _ => matches!(self, Self::Http(name) if name == field),
        }
    }

    fn reads_upstream_headers(&self) -> bool {
        match self {
            Self::Replaced(_, own) => own.reads_upstream_headers(),
            _ => matches!(self, Self::UpstreamHttp(_)),
        }
    }

    fn write(&self, exchange: &Exchange, out: &mut Vec<u8>) {
        let client = &exchange.client;
        match self {
            Self::Arg(name) => out.extend_from_slice(argument(exchange.args(), name)),
            Self::Args => out.extend_from_slice(exchange.args()),
            Self::BodyBytesSent => put(out, format_args!("{}", exchange.body_sent)),
            Self::BytesSent => put(out, format_args!("{}", exchange.head_sent + exchange.body_sent)),
            Self::Connection => put(out, format_args!("{}", client.number)),
            Self::ConnectionRequests => put(out, format_args!("{}", exchange.nth)),
            Self::DocumentRoot => out.extend(files::document_root(exchange)),
            Self::Group(number) => out.extend_from_slice(exchange.group(*number)),
            Self::Host => out.extend_from_slice(exchange.host().as_bytes()),
            Self::Http(name) => fields(&exchange.parts.headers, name, out),
            Self::IsArgs => out.extend_from_slice(if exchange.args().is_empty() { b"" } else { b"?" }),
            Self::Msec => seconds(pace::wall_clock(), out),
            Self::ProxyAddXForwardedFor => {
                if exchange.parts.headers.has(&headers::X_FORWARDED_FOR) {
                    fields(&exchange.parts.headers, &headers::X_FORWARDED_FOR, out);
                    out.extend_from_slice(b", ");
                }
                out.extend_from_slice(client.name.as_bytes());
            }
            Self::ProxyHost => out.extend_from_slice(exchange.proxy_host().as_bytes()),
            Self::RemoteAddr => out.extend_from_slice(client.name.as_bytes()),
            Self::RemotePort => put(out, format_args!("{}", client.peer.port())),
            // No authentication is done here; nginx leaves the variable empty then, too.
            Self::RemoteUser => {}
            Self::Replaced(index, own) => match exchange.variable(*index) {
                Some(value) => out.extend_from_slice(value),
                None => own.write(exchange, out),
            },
            Self::Request => {
                let parts = &exchange.parts;
                if let Some(line) = &exchange.line {
                    return out.extend_from_slice(line);
                }
                put(out, format_args!("{} {} {:?}", parts.method, exchange.request_uri(), parts.version));
            }
            Self::RequestFilename => out.extend(files::request_filename(exchange)),
            Self::RequestMethod => out.extend_from_slice(exchange.parts.method.as_str().as_bytes()),
            Self::RequestTime => seconds(pace::now().saturating_duration_since(exchange.started), out),
            Self::RequestUri => out.extend_from_slice(exchange.request_uri().as_bytes()),
            Self::Scheme => out.extend_from_slice(if client.secure { b"https" } else { b"http" }),
            Self::SentHttp(name) => sent(exchange, name, out),
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
            Self::UpstreamCacheStatus => {
                out.extend_from_slice(exchange.cache.map_or("", Status::name).as_bytes());
            }
            Self::UpstreamConnectTime => attempts(exchange, out, |a, out| maybe_seconds(a.connect, out)),
            Self::UpstreamHeaderTime => attempts(exchange, out, |a, out| maybe_seconds(a.header, out)),
            Self::UpstreamHttp(name) => fields(&exchange.upstream_headers, name, out),
            Self::UpstreamResponseTime => attempts(exchange, out, |a, out| {
                // What has no end yet ends with the request, which is when this is asked for.
                let so_far = || pace::now().saturating_duration_since(a.started);
                seconds(a.response.unwrap_or_else(so_far), out);
            }),
            Self::UpstreamStatus => attempts(exchange, out, |a, out| match a.status {
                Some(status) => put(out, format_args!("{status}")),
                None => out.push(b'-'),
            }),
            Self::Uri => out.extend_from_slice(exchange.uri()),
            Self::User(index) => out.extend_from_slice(exchange.variable(*index).unwrap_or_default()),
        }
    }
}

/// One value an attempt, as nginx lists them.
fn attempts(exchange: &Exchange, out: &mut Vec<u8>, value: fn(&Attempt, &mut Vec<u8>)) {
    for (index, attempt) in exchange.attempts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(if attempt.first { b" : " } else { b", " });
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

/// A field of the answer. Those that the connection has for itself are no fields of the answer yet, and nginx gives them all the
/// same; of the name that a server calls itself by it is the other way round.
fn sent(exchange: &Exchange, name: &HeaderName, out: &mut Vec<u8>) {
    let map = &exchange.sent_headers;
    match *name {
        CONNECTION if exchange.status == StatusCode::SWITCHING_PROTOCOLS => out.extend_from_slice(b"upgrade"),
        CONNECTION if exchange.stays() => out.extend_from_slice(b"keep-alive"),
        CONNECTION => out.extend_from_slice(b"close"),
        TRANSFER_ENCODING if exchange.comes_in_chunks() => out.extend_from_slice(b"chunked"),
        SERVER if map.get(&SERVER).is_some_and(pages::is_own_name) => {}
        _ => fields(map, name, out),
    }
}

/// All values of a field, joined as nginx joins them.
fn fields(map: &Fields, name: &HeaderName, out: &mut Vec<u8>) {
    let between = if *name == COOKIE { b"; " } else { b", " };
    for (index, value) in map.get_all(name).enumerate() {
        if index > 0 {
            out.extend_from_slice(between);
        }
        out.extend_from_slice(value.as_bytes());
    }
}

/// The first argument called `name`, without regard to case, its value as it came.
fn argument<'a>(args: &'a [u8], name: &str) -> &'a [u8] {
    let mut pairs = args.split(|&byte| byte == b'&');
    let value = |pair: &'a [u8]| {
        let (key, rest) = pair.split_at_checked(name.len())?;
        key.eq_ignore_ascii_case(name.as_bytes()).then(|| rest.strip_prefix(b"="))?
    };
    pairs.find_map(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_found_by_name() {
        for (args, want) in
            [("n=1", "1"), ("a=2&N=3&n=4", "3"), ("nn=1", ""), ("n", ""), ("", ""), ("n=%20", "%20")]
        {
            assert_eq!(argument(args.as_bytes(), "n"), want.as_bytes(), "{args}");
        }
    }
}
