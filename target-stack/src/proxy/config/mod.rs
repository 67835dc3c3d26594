//! The configuration: what the proxy is told to do, typed and valid. Given a file, it gives a [`Config`] or nginx's
//! error; the rooms below read grammar ([`lexer`], [`tree`]), rules ([`rules`]), values and blocks. After this
//! room nothing of the proxy sees a directive again.

mod build;
mod cache;
mod files;
mod gzip;
mod include;
#[cfg(test)]
mod laws;
mod lexer;
mod listen;
mod location;
mod names;
mod pass;
mod patience;
mod proxy;
mod reply;
mod rules;
mod scope;
mod script;
mod server;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod tls;
mod tree;
mod tuning;
mod upstream;
mod values;

pub(crate) use cache::{CacheSettings, CacheZone};
pub(crate) use files::Base;
pub(crate) use gzip::{GzipSettings, Proxied};
pub(crate) use names::{NameTable, ServerName};
pub(crate) use pass::split_url;
pub(crate) use patience::Patience;
pub(crate) use proxy::{ProxySettings, Redirect, RedirectRule};
pub(crate) use reply::{Added, ErrorPage, Expires, ReplySettings, Span};
pub(crate) use settings::{AccessLog, Settings};
pub(crate) use source::{Files, Source};
pub(crate) use upstream::{Method, Peer, RetryBudget, Upstream};

use super::location::{Level, Location};
use super::rewrite::Script;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::ServerConfig;

/// All that one configuration file says.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) workers: usize,
    /// The most connections, to clients and to upstreams, of one worker.
    pub(crate) connections: usize,
    /// How many descriptors the process may have; as many as it can have when not said.
    pub(crate) descriptors: Option<u64>,
    pub(crate) pid: Option<PathBuf>,
    /// It goes to the background.
    pub(crate) daemon: bool,
    /// How long workers may take to leave; without limit when not said.
    pub(crate) shutdown_timeout: Option<Duration>,
    /// Where errors are logged; standard error when not said.
    pub(crate) error_log: Option<PathBuf>,
    /// The least level that is logged, one of nginx's.
    pub(crate) error_level: &'static str,
    /// At least one unless there is no `server`.
    pub(crate) ports: Vec<Port>,
    pub(crate) servers: Vec<Server>,
    pub(crate) upstreams: Vec<Upstream>,
    /// Where answers can be cached.
    pub(crate) caches: Vec<CacheZone>,
    /// The files of all access logs, each once.
    pub(crate) log_files: Vec<PathBuf>,
    /// What nginx only warns of, in its words.
    pub(crate) warnings: Vec<String>,
}

/// An address that is listened on.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    /// Connections that may wait to be accepted, for each worker.
    pub(crate) backlog: i32,
    backlog_is_set: bool,
    /// TLS is spoken there.
    pub(crate) ssl: bool,
    /// The servers that share it, as indices.
    pub(crate) servers: Vec<usize>,
    /// The one that answers for unknown names, as an index of [`Config::servers`].
    pub(crate) default: usize,
    default_is_set: bool,
    /// Where a request's server, or what is caught of its name, depends on the name.
    pub(crate) names: Option<NameTable>,
}

/// A virtual server.
#[derive(Debug)]
pub(crate) struct Server {
    /// The first one is `$server_name`.
    pub(crate) names: Vec<ServerName>,
    /// Its `rewrite`, `set` and `return`, which come before any location.
    pub(crate) script: Option<Arc<Script>>,
    /// All its locations, those inside of others included.
    pub(crate) locations: Vec<Location>,
    /// The outermost ones.
    pub(crate) top: Level,
    /// The named ones, as indices.
    pub(crate) named: Vec<(String, usize)>,
    /// What answers where no location matches.
    pub(crate) fallback: Location,
    /// How it shakes hands, where it has a certificate.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Server {
    /// `$server_name`.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", ServerName::name)
    }
}

#[cfg(test)]
impl Config {
    /// Reads the text of a configuration as if it had come from `file`.
    pub(crate) fn parse(file: &str, text: &str, prefix: &std::path::Path) -> crate::failure::Outcome<Self> {
        let source = Source { file: file.into(), prefix: prefix.to_owned(), globals: None, error_log: None };
        source.read(text).map(|(config, _)| config)
    }

    /// Reads the inside of an `http` block, in file `f` under `/p`.
    fn of_http(inside: &str) -> crate::failure::Outcome<Self> {
        Self::parse("f", &format!("events {{}} http {{ {inside} }}"), std::path::Path::new("/p"))
    }

    /// Reads `file`; relative paths in it stand under `prefix`.
    pub(crate) fn load(file: &std::path::Path, prefix: &std::path::Path) -> crate::failure::Outcome<Self> {
        let source =
            Source { file: file.to_owned(), prefix: prefix.to_owned(), globals: None, error_log: None };
        source.load().map(|(config, _)| config)
    }
}

/// An error of the system as nginx writes it: `98: Address already in use`.
pub(crate) fn os_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => format!("{code}: {}", text.split(" (os error").next().unwrap_or_default()),
        None => text,
    }
}
