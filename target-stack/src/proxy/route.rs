//! The way of a request to what answers it, in nginx's order: the server's rewriting, the location, the location's rewriting, and
//! round again while the URI changes; and the ways that lead back from an answer, `error_page` and internal redirects. It
//! gives what is to be done next, and does none of it.

use super::config::ErrorPage;
use super::exchange::{Exchange, Tracked};
use super::fields::Fields;
use super::location::{self, Choice, Location};
use super::request::Parts;
use super::rewrite;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, LOCATION};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use std::borrow::Cow;
use std::sync::Arc;

/// nginx's statuses for closing a connection without an answer.
const NO_ANSWER: [u16; 3] = [408, 444, 499];
/// The statuses whose text is where to go.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
/// The statuses after which nginx does not trust what follows on the connection, whatever answers in their place.
const LAST: [u16; 8] = [400, 413, 414, 495, 496, 497, 500, 501];

/// What is to be done with a request.
#[derive(Debug)]
pub(crate) enum Next {
    /// Its location's handler answers.
    Handle,
    /// A text is the answer.
    Say { status: u16, text: Vec<u8> },
    /// A page is the answer, unless there is an `error_page` for it.
    Refuse(Refusal),
    /// The connection is closed; the status is for the log.
    Close { status: u16 },
}

/// A status that is answered with nginx's page for it, and the field that goes with it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) field: Option<(HeaderName, HeaderValue)>,
}

impl Next {
    pub(crate) fn refuse(status: StatusCode) -> Self {
        Self::Refuse(Refusal { status: status.as_u16(), field: None })
    }

    /// Sends the client to `target`, a path or a URL. One with a line end in it, which a path may have decoded, would be a
    /// field of the client's making.
    pub(crate) fn redirect(exchange: &Tracked, status: u16, target: &[u8]) -> Self {
        match HeaderValue::from_maybe_shared(Bytes::from(absolute(exchange, target))) {
            Ok(value) => Self::Refuse(Refusal { status, field: Some((LOCATION, value)) }),
            Err(_) => Self::refuse(StatusCode::BAD_REQUEST),
        }
    }
}

/// A path as a URL of this server: nginx's `absolute_redirect`.
pub(crate) fn absolute(exchange: &Exchange, target: &[u8]) -> Vec<u8> {
    if !target.starts_with(b"/") {
        return target.to_vec();
    }
    let local = exchange.client.local;
    let host = match exchange.asked_host() {
        Cow::Borrowed("") => local.ip().to_string(),
        asked => asked.into_owned(),
    };
    let (scheme, usual) = if exchange.client.secure { ("https", 443) } else { ("http", 80) };
    let port = match local.port() {
        port if port == usual => String::new(),
        port => format!(":{port}"),
    };
    [format!("{scheme}://{host}{port}").as_bytes(), target].concat()
}

/// Begins with a request as it came.
pub(crate) fn enter(exchange: &mut Tracked) -> Next {
    if !host_is_valid(&exchange.parts) {
        return Next::refuse(StatusCode::BAD_REQUEST);
    }
    let path = match location::normalise(exchange.parts.uri.path()) {
        None => return Next::refuse(StatusCode::BAD_REQUEST),
        Some(Cow::Borrowed(_)) => None,
        Some(Cow::Owned(path)) => Some(path),
    };
    path.into_iter().for_each(|path| exchange.set_uri(path));
    if matches!(exchange.parts.method, Method::TRACE | Method::CONNECT) {
        // To nginx, this one is no request yet after which a connection could go on.
        let field = Some((CONNECTION, HeaderValue::from_static("close")));
        return Next::Refuse(Refusal { status: StatusCode::METHOD_NOT_ALLOWED.as_u16(), field });
    }
    serve(exchange)
}

/// RFC 9112 section 3.2: HTTP/1.1 has exactly one Host. An empty or malformed one is no better than none.
fn host_is_valid(parts: &Parts) -> bool {
    let mut hosts = parts.headers.iter().filter(|(name, _)| **name == HOST);
    let field = match (hosts.next(), hosts.next()) {
        (None, _) => parts.version < Version::HTTP_11,
        (Some((_, host)), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    field && parts.uri.authority().is_none_or(|authority| is_host(authority.as_str().as_bytes()))
}

/// Whether it is a host's name, with or without a port. Of one with an empty label a path might be made that climbs.
fn is_host(host: &[u8]) -> bool {
    let plain = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'\\' | b'?' | b'#' | b'@');
    let begins = host.first().is_some_and(|&first| first != b':') && host != b"." && !host.starts_with(b".:");
    begins && host.iter().all(plain) && !host.windows(2).any(|pair| pair == b"..")
}

/// The server's rewriting, then the location.
fn serve(exchange: &mut Tracked) -> Next {
    exchange.set_location(None);
    if let Some(script) = exchange.server().script.clone()
        && let Err(next) = run(exchange, &script)
    {
        return next;
    }
    find(exchange)
}

/// The location, and its rewriting, as often as that changes the URI.
fn find(exchange: &mut Tracked) -> Next {
    loop {
        let server = exchange.server();
        let Choice { location, slash, captured } =
            location::choose(&server.locations, &server.top, exchange.uri());
        exchange.set_location(location);
        captured.into_iter().for_each(|captured| exchange.capture(captured));
        let found = exchange.location();
        if found.internal && !exchange.is_internal() {
            return Next::refuse(StatusCode::NOT_FOUND);
        }
        if body_is_too_long(&exchange.parts, found) {
            return Next::refuse(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if slash {
            return add_slash(exchange);
        }
        match rewritten(exchange) {
            Err(next) => return next,
            Ok(false) => return Next::Handle,
            Ok(true) => {}
        }
        if !exchange.course_mut().change() {
            return cycle(exchange, "processing");
        }
    }
}

fn body_is_too_long(parts: &Parts, location: &Location) -> bool {
    let limit = location.settings.max_body;
    let said = parts.headers.get(&CONTENT_LENGTH);
    let length = said.and_then(|value| value.to_str().ok()?.parse().ok());
    limit > 0 && length.is_some_and(|length: u64| length > limit)
}

/// Redirects to the location's own path, which ends with the slash that the request lacks.
fn add_slash(exchange: &Tracked) -> Next {
    let mut target = Vec::new();
    location::escape_path(exchange.location().pattern.text().as_bytes(), &mut target);
    if !exchange.args().is_empty() {
        target.push(b'?');
        target.extend_from_slice(exchange.args());
    }
    Next::redirect(exchange, 301, &target)
}

/// Runs the location's script. Gives whether a location has to be chosen again, or what else is next.
fn rewritten(exchange: &mut Tracked) -> Result<bool, Next> {
    match exchange.location().script.clone() {
        None => Ok(false),
        Some(script) => run(exchange, &script),
    }
}

fn run(exchange: &mut Tracked, script: &rewrite::Script) -> Result<bool, Next> {
    match script.run(exchange) {
        rewrite::Outcome::End { changed } => Ok(changed),
        rewrite::Outcome::Return { status, text: None } if NO_ANSWER.contains(&status) => {
            Err(Next::Close { status })
        }
        rewrite::Outcome::Return { status, text } => Err(match text {
            Some(target) if REDIRECTS.contains(&status) => Next::redirect(exchange, status, &target),
            None if REDIRECTS.contains(&status) => Next::redirect(exchange, status, b""),
            None if status >= 400 => Next::Refuse(Refusal { status, field: None }),
            text => Next::Say { status, text: text.unwrap_or_default() },
        }),
        rewrite::Outcome::Redirect { status, target } => {
            Err(Next::redirect(exchange, status.as_u16(), &target))
        }
        rewrite::Outcome::EmptyUri => {
            exchange.log("error", "the rewritten URI has a zero length");
            Err(Next::refuse(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

fn cycle(exchange: &Tracked, doing: &str) -> Next {
    let uri = String::from_utf8_lossy(exchange.uri()).escape_debug().to_string();
    exchange.log("error", format_args!("rewrite or internal redirection cycle while {doing} \"{uri}\""));
    Next::refuse(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Begins again at a URI with its arguments, or goes on at a named location.
pub(crate) fn redirect_within(exchange: &mut Tracked, target: Vec<u8>) -> Next {
    if target.starts_with(b"@") {
        return go_to_named(exchange, &target);
    }
    match target.iter().position(|&byte| byte == b'?') {
        Some(at) => redirect_to(exchange, target[..at].to_vec(), target[at + 1..].to_vec()),
        None => redirect_to(exchange, target, Vec::new()),
    }
}

/// Begins again with another URI.
pub(crate) fn redirect_to(exchange: &mut Tracked, uri: Vec<u8>, args: Vec<u8>) -> Next {
    let course = exchange.course_mut();
    course.args = Some(args);
    course.internal = true;
    course.rewritten = true;
    course.displaced = false;
    course.found_below_alias = false;
    let may = course.change();
    exchange.set_uri(uri);
    if may { serve(exchange) } else { cycle(exchange, "internally redirecting to") }
}

/// Goes on at a named location, with the URI as it is.
fn go_to_named(exchange: &mut Tracked, name: &[u8]) -> Next {
    if !exchange.course_mut().change() {
        return cycle(exchange, "redirect to named location");
    }
    let server = exchange.server();
    let named = server.named.iter().find(|(known, _)| known.as_bytes() == name);
    let Some(&(_, location)) = named else {
        let name = String::from_utf8_lossy(name).escape_debug().to_string();
        exchange.log("error", format_args!("could not find named location \"{name}\""));
        return Next::refuse(StatusCode::INTERNAL_SERVER_ERROR);
    };
    exchange.set_location(Some(location));
    exchange.course_mut().internal = true;
    match rewritten(exchange) {
        Err(next) => next,
        Ok(false) => Next::Handle,
        Ok(true) if exchange.course_mut().change() => find(exchange),
        Ok(true) => cycle(exchange, "processing"),
    }
}

/// What an `error_page` makes of a refusal: another way to go, or the refusal to be sent.
pub(crate) fn report(exchange: &mut Tracked, refusal: Refusal) -> Result<Next, Refusal> {
    let settings = Arc::clone(&exchange.location().settings);
    // Whatever was to be sent before, it is this now.
    exchange.forget_status();
    if LAST.contains(&refusal.status) {
        exchange.course_mut().fields.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let pages = &settings.reply.error_pages;
    if pages.is_empty() || exchange.course().is_some_and(|course| course.reported || course.is_spent()) {
        return Err(refusal);
    }
    exchange.course_mut().reported = true;
    match pages.iter().find(|page| page.status == refusal.status) {
        Some(page) => show(exchange, page, refusal),
        None => Err(refusal),
    }
}

fn show(exchange: &mut Tracked, page: &ErrorPage, refusal: Refusal) -> Result<Next, Refusal> {
    let target = page.target.render(exchange);
    if !target.starts_with(b"/") && !target.starts_with(b"@") {
        let status = page.answer.filter(|status| REDIRECTS.contains(status)).unwrap_or(302);
        return Err(match Next::redirect(exchange, status, &target) {
            Next::Refuse(redirect) => redirect,
            _ => refusal,
        });
    }
    let status = page.answer.unwrap_or(refusal.status);
    let course = exchange.course_mut();
    // `=` alone leaves the status to what answers.
    course.status = StatusCode::from_u16(status).ok().filter(|_| page.answer != Some(0));
    course.fields.replace(Fields::from_iter(refusal.field));
    if target.starts_with(b"/") && exchange.parts.method != Method::HEAD {
        exchange.set_method(Method::GET);
    }
    Ok(redirect_within(exchange, target))
}
