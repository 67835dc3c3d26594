//! Looking for a file among several: `try_files` and `index`. Given an exchange, it looks at one candidate after the other, and changes
//! the URI to that of the first that is there; it opens none for reading.

use super::open::{self, Kind};
use super::path::{self, Below};
use super::{has, is_missing, log_failure, status_of, unmapped_refusal};
use crate::proxy::config::os_error;
use crate::proxy::exchange::{Exchange, Tracked};
use crate::proxy::location::{Last, TryFiles};
use crate::proxy::route::{self, Next, Refusal};
use crate::proxy::variables::Template;
use http::StatusCode;
use rustix::io::Errno;
use std::io;
use std::sync::Arc;

/// Tries the candidates of a `try_files`. Where one is there, the URI is its, and nothing is next but the location's handler.
pub(crate) async fn find(exchange: &mut Tracked, files: &Arc<TryFiles>) -> Option<Next> {
    let below = match path::below(exchange) {
        Ok(below) => below,
        Err(unmapped) => return Some(unmapped_refusal(exchange, unmapped)),
    };
    let root = path::root(exchange);
    for candidate in &files.candidates {
        let rest = below_root(exchange, below, &candidate.path);
        let Ok(mapped) = path::join(root.clone(), &rest) else { continue };
        match open::look(&mapped.path).await {
            Ok(kind) if (kind == Kind::Directory) == candidate.directory => {
                match below {
                    Below::All => exchange.set_uri(rest),
                    Below::After(length) => {
                        let uri = [exchange.uri().get(..length).unwrap_or_default(), &rest].concat();
                        exchange.set_uri(uri);
                    }
                    Below::Nothing if candidate.directory => {}
                    Below::Nothing => {
                        exchange.set_uri(rest);
                        exchange.course_mut().found_below_alias = true;
                    }
                }
                return None;
            }
            Ok(_) => {}
            Err(error) if is_missing(&error) => {}
            Err(error) => log_failure(exchange, "crit", "stat()", &mapped.path, &error),
        }
    }
    match &files.last {
        Last::Status(status) => Some(Next::Refuse(Refusal { status: *status, field: None })),
        Last::Uri(template) => {
            let target = below_root(exchange, below, template);
            Some(route::redirect_within(exchange, target))
        }
    }
}

/// A candidate with variables that begins with what an alias replaces stands below the alias without it.
fn below_root(exchange: &Exchange, below: Below, candidate: &Template) -> Vec<u8> {
    let text = candidate.render(exchange);
    match below {
        Below::After(length)
            if !candidate.is_fixed()
                && text.starts_with(exchange.uri().get(..length).unwrap_or_default()) =>
        {
            text[length..].to_vec()
        }
        _ => text,
    }
}

/// What is shown of a directory: the first of the location's `index` files that is there.
pub(super) async fn index(exchange: &mut Tracked) -> Next {
    let mapped = match path::map(exchange) {
        Ok(mapped) => mapped,
        Err(unmapped) => return unmapped_refusal(exchange, unmapped),
    };
    let settings = Arc::clone(&exchange.location().settings);
    let mut seen = false;
    for name in settings.files.index.iter() {
        let name = name.render(exchange);
        if name.starts_with(b"/") {
            let args = exchange.args().to_vec();
            return route::redirect_to(exchange, name, args);
        }
        let Ok(file) = path::join(mapped.path.clone(), &name) else { continue };
        match open::look(&file.path).await {
            Ok(_) => {
                let target = [exchange.uri(), &name].concat();
                let args = exchange.args().to_vec();
                return route::redirect_to(exchange, target, args);
            }
            Err(error) if has(&error, Errno::NOENT) => {}
            Err(error) => return not_shown(exchange, &file.path, &error),
        }
        if !seen {
            match open::look(&mapped.path).await {
                Ok(Kind::Directory) => seen = true,
                Err(error) if has(&error, Errno::NOENT) => return not_shown(exchange, &file.path, &error),
                _ => return Next::refuse(StatusCode::INTERNAL_SERVER_ERROR),
            }
        }
    }
    let path = String::from_utf8_lossy(&mapped.path).escape_debug().to_string();
    exchange.log("error", format_args!("directory index of \"{path}\" is forbidden"));
    Next::refuse(StatusCode::FORBIDDEN)
}

fn not_shown(exchange: &Tracked, path: &[u8], error: &io::Error) -> Next {
    let shown = String::from_utf8_lossy(path).escape_debug().to_string();
    let status = status_of(error);
    let what = if status == StatusCode::FORBIDDEN { "is forbidden" } else { "is not found" };
    exchange.log("error", format_args!("\"{shown}\" {what} ({})", os_error(error)));
    Next::refuse(status)
}
