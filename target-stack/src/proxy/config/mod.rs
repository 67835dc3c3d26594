//! The configuration: what the proxy is told to do, typed and valid. Given a file, it gives a [`Config`] or nginx's
//! error; the rooms below read grammar ([`lexer`], [`tree`]), rules ([`rules`]), values and blocks. After this
//! room nothing of the proxy sees a directive again.

mod build;
mod lexer;
mod rules;
mod server;
mod settings;
mod tree;
mod upstream;
mod values;

pub(crate) use settings::{AccessLog, ProxySettings, Settings};
pub(crate) use upstream::{Peer, Upstream};

use super::location::Location;
use crate::failure::{Failure, Outcome};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// All that one configuration file says.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) workers: usize,
    /// The most connections, to clients and to upstreams, of one worker.
    pub(crate) connections: usize,
    pub(crate) pid: Option<PathBuf>,
    /// Where errors are logged; standard error when not said.
    pub(crate) error_log: Option<PathBuf>,
    /// At least one unless there is no `server`.
    pub(crate) ports: Vec<Port>,
    pub(crate) servers: Vec<Server>,
    pub(crate) upstreams: Vec<Upstream>,
    /// The files of all access logs, each once.
    pub(crate) log_files: Vec<PathBuf>,
}

/// An address that is listened on.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    /// The servers that share it, as indices.
    pub(crate) servers: Vec<usize>,
    /// The one that answers for unknown names, as an index of [`Config::servers`].
    pub(crate) default: usize,
}

/// A virtual server.
#[derive(Debug)]
pub(crate) struct Server {
    /// In lower case, the first one is `$server_name`.
    pub(crate) names: Vec<String>,
    pub(crate) locations: Vec<Location>,
    /// What answers where no location matches.
    pub(crate) fallback: Location,
    /// It answers everything, before any location is chosen: `return` beside the locations.
    pub(crate) always: bool,
}

impl Server {
    /// `$server_name`.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

impl Config {
    /// Reads `file`; relative paths in it stand under `prefix`.
    ///
    /// # Errors
    /// The first error of the file, as nginx words it (exit 1).
    pub(crate) fn load(file: &Path, prefix: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(file).map_err(|e| {
            Failure::config(format!("[emerg] open() \"{}\" failed ({})", file.display(), os_error(&e)))
        })?;
        Self::parse(&file.display().to_string(), &String::from_utf8_lossy(&bytes), prefix)
    }

    /// Reads the text of a configuration that came from `file`.
    pub(crate) fn parse(file: &str, text: &str, prefix: &Path) -> Outcome<Self> {
        build::build(&tree::parse(file, text)?, prefix)
    }

    /// The server of `port` for the host name `host`, in lower case, as an index.
    pub(crate) fn server_for(&self, port: &Port, host: &str) -> usize {
        let named = |&&index: &&usize| self.servers[index].names.iter().any(|name| name == host);
        match port.servers.as_slice() {
            [only] => *only,
            several => several.iter().find(named).copied().unwrap_or(port.default),
        }
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

/// A host name without its port.
pub(crate) fn without_port(authority: &str) -> &str {
    let (host, port) = values::split_port(authority);
    if port.is_some_and(|port| values::digits(port).is_some()) { host } else { authority }
}
