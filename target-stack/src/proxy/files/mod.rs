//! Static files: `root`, `alias`, `index`, `try_files`. Given an exchange whose location has no other handler, it gives the file with
//! its validators, the part of it that was asked for, or nginx's way to say why not. `path` makes paths, `open` looks at
//! them, `find` chooses among them, `content` and `body` send them.

mod body;
mod content;
mod find;
mod open;
mod path;

pub(crate) use body::{FileBody, Segment};
pub(crate) use find::find;

use super::answer::Content;
use super::config::os_error;
use super::exchange::{Exchange, Tracked};
use super::location::escape_path;
use super::route::Next;
use http::{HeaderValue, Method, StatusCode};
use open::Kind;
use path::Unmapped;
use rustix::io::Errno;
use std::io;

/// `$document_root`.
pub(crate) fn document_root(exchange: &Exchange) -> Vec<u8> {
    path::root(exchange)
}

/// `$request_filename`.
pub(crate) fn request_filename(exchange: &Exchange) -> Vec<u8> {
    path::map(exchange).map(|mapped| mapped.path).unwrap_or_default()
}

/// The type that the ending of the current URI has, or else the default one.
pub(crate) fn content_type(exchange: &Exchange) -> Option<HeaderValue> {
    let settings = &exchange.location().settings.files;
    settings.types.of(exchange.uri()).or(settings.default_type.as_ref()).cloned()
}

/// The file of the current URI.
pub(crate) async fn answer(exchange: &mut Tracked) -> Result<Content, Next> {
    let method = &exchange.parts.method;
    if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
        return Err(Next::refuse(StatusCode::METHOD_NOT_ALLOWED));
    }
    if exchange.uri().ends_with(b"/") {
        return Err(find::index(exchange).await);
    }
    let mapped = path::map(exchange).map_err(|unmapped| unmapped_refusal(exchange, unmapped))?;
    let found = open::read(&mapped.path).await.map_err(|error| {
        let status = status_of(&error);
        let level = if status == StatusCode::INTERNAL_SERVER_ERROR { "crit" } else { "error" };
        log_failure(exchange, level, "open()", &mapped.path, &error);
        Next::refuse(status)
    })?;
    match found.kind {
        Kind::Directory => return Err(with_slash(exchange)),
        Kind::Other => {
            let path = String::from_utf8_lossy(&mapped.path).escape_debug().to_string();
            exchange.log("crit", format_args!("\"{path}\" is not a regular file"));
            return Err(Next::refuse(StatusCode::NOT_FOUND));
        }
        Kind::File => {}
    }
    if exchange.parts.method == Method::POST {
        return Err(Next::refuse(StatusCode::METHOD_NOT_ALLOWED));
    }
    content::of(exchange, found, mapped.path)
}

/// Sends the client to the directory that it asked for as if it were a file.
fn with_slash(exchange: &Tracked) -> Next {
    let mut target = Vec::new();
    escape_path(exchange.uri(), &mut target);
    target.push(b'/');
    if !exchange.args().is_empty() {
        target.push(b'?');
        target.extend_from_slice(exchange.args());
    }
    Next::redirect(exchange, 301, &target)
}

fn unmapped_refusal(exchange: &Tracked, unmapped: Unmapped) -> Next {
    match unmapped {
        Unmapped::Displaced => {
            let location = exchange.location().pattern.text();
            let what =
                format_args!("\"alias\" cannot be used in location \"{location}\" where URI was rewritten");
            exchange.log("alert", what);
            Next::refuse(StatusCode::INTERNAL_SERVER_ERROR)
        }
        Unmapped::Climbs => {
            exchange
                .log("error", format_args!("unsafe URI \"{}\" was detected", exchange.uri().escape_ascii()));
            Next::refuse(StatusCode::FORBIDDEN)
        }
    }
}

fn log_failure(exchange: &Tracked, level: &str, call: &str, path: &[u8], error: &io::Error) {
    let path = String::from_utf8_lossy(path).escape_debug().to_string();
    exchange.log(level, format_args!("{call} \"{path}\" failed ({})", os_error(error)));
}

fn has(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}

fn is_missing(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::NOTDIR, Errno::NAMETOOLONG].iter().any(|errno| has(error, *errno))
}

/// nginx's status for a file that cannot be opened.
fn status_of(error: &io::Error) -> StatusCode {
    if is_missing(error) {
        StatusCode::NOT_FOUND
    } else if [Errno::ACCESS, Errno::LOOP, Errno::MLINK].iter().any(|errno| has(error, *errno)) {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}
