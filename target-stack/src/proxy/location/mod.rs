//! Locations: which paths they are for, what answers there, and which one a path gets. `normalise` and `escape` are the
//! spellings of a path, `choose` finds its location, `target` is what an upstream is asked for. It reads no header and sends nothing.

mod choose;
mod escape;
mod normalise;
mod target;

pub(crate) use choose::{Choice, Level, choose};
pub(crate) use escape::{escape_argument, escape_path, unescape_redirect};
pub(crate) use normalise::normalise;
pub(crate) use target::target;

use super::config::Settings;
use super::rewrite::{Expression, Script};
use super::variables::Template;
use std::sync::Arc;

/// A `location`, or what stands in for one where none matches.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) pattern: Pattern,
    /// Requests that came so from outside are not found here.
    pub(crate) internal: bool,
    /// Its `rewrite`, `set` and `return`.
    pub(crate) script: Option<Arc<Script>>,
    pub(crate) try_files: Option<Arc<TryFiles>>,
    pub(crate) handler: Handler,
    pub(crate) settings: Arc<Settings>,
    /// The locations inside.
    pub(crate) inside: Level,
}

/// Which paths a location is for.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// `= /path`
    Exact(String),
    /// `/path` or `^~ /path`; the latter rules out regular expressions.
    Prefix { path: String, no_regex: bool },
    /// `~ expression` or `~* expression`
    Regex(Expression),
    /// `@name`
    Named(String),
}

/// What answers.
#[derive(Debug)]
pub(crate) enum Handler {
    Files,
    StubStatus,
    Proxy(Proxy),
    /// A `proxy_pass` whose URL has variables in it.
    ProxyTo(Template),
}

/// A `proxy_pass`.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// An index of the configuration's upstreams.
    pub(crate) upstream: usize,
    /// `$proxy_host`.
    pub(crate) host: String,
    /// How much of the path the location names.
    pub(crate) prefix: usize,
    /// The URI part, which replaces what the location names; without it the request's own target is passed on.
    pub(crate) replacement: Option<String>,
    /// The URI part is all of the target.
    pub(crate) whole: bool,
}

/// A `try_files`.
#[derive(Debug)]
pub(crate) struct TryFiles {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) last: Last,
}

/// A file or directory that is looked for.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) path: Template,
    pub(crate) directory: bool,
}

/// What comes when nothing was there.
#[derive(Debug)]
pub(crate) enum Last {
    Status(u16),
    /// A URI, or a named location.
    Uri(Template),
}

impl Pattern {
    /// What the configuration calls it.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix { path: text, .. } | Self::Named(text) => text,
            Self::Regex(expression) => expression.text(),
        }
    }

    /// Whether both are for the same paths, which no two locations of a block are.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(path), Self::Exact(other))
            | (Self::Prefix { path, .. }, Self::Prefix { path: other, .. }) => path == other,
            _ => false,
        }
    }

    /// How much of a path it names.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Exact(path) | Self::Prefix { path, .. } => path.len(),
            Self::Regex(_) | Self::Named(_) => 0,
        }
    }
}
