//! What `http`, `server` and `location` hand down. Given a level's settings and the directives of a block inside it,
//! it gives the block's settings: a directive replaces what was inherited, of the repeatable ones all at once.

use super::build;
use super::proxy::ProxySettings;
use super::tree::Directive;
use super::values;
use crate::failure::{Failure, Outcome};
use crate::proxy::guard::Limits;
use crate::proxy::variables::Template;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

/// The settings of one level.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) keepalive_timeout: Duration,
    pub(crate) keepalive_requests: u32,
    /// How long a request's head may be.
    pub(crate) heads: Limits,
    /// The longest request body in bytes; 0 for any.
    pub(crate) max_body: u64,
    pub(crate) default_type: String,
    pub(crate) logs: Vec<AccessLog>,
    pub(crate) proxy: ProxySettings,
}

/// One access log of a level.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    /// An index of [`super::Config::log_files`].
    pub(crate) file: usize,
    pub(crate) format: Arc<Template>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keepalive_timeout: Duration::from_secs(75),
            keepalive_requests: 1000,
            heads: Limits::default(),
            max_body: 1 << 20,
            default_type: "text/plain".to_owned(),
            logs: Vec::new(),
            proxy: ProxySettings::default(),
        }
    }
}

impl Settings {
    /// These settings with what `block` says instead.
    pub(super) fn with(&self, block: &[Directive], formats: &mut Formats<'_>) -> Outcome<Self> {
        let mut settings = self.clone();
        if block.iter().any(|directive| directive.name == "access_log") {
            settings.logs.clear();
        }
        for directive in block {
            settings.apply(directive, formats)?;
        }
        settings.proxy.read(block)?;
        Ok(settings)
    }

    fn apply(&mut self, directive: &Directive, formats: &mut Formats<'_>) -> Outcome {
        let first = directive.arg(0);
        match directive.name.as_str() {
            "access_log" if first == "off" => {}
            "access_log" => self.logs.push(formats.log(directive)?),
            "keepalive_timeout" => {
                self.keepalive_timeout = values::time(directive, first)?;
                // The second value is told to the client in a field that none of today's reads.
                if let Some(told) = directive.args.get(1) {
                    values::time(directive, told)?;
                }
            }
            "keepalive_requests" => self.keepalive_requests = values::number(directive, first)?,
            "client_max_body_size" => self.max_body = values::size(directive, first)?,
            "client_header_buffer_size" => self.heads.first = values::length(directive, first)?,
            "large_client_header_buffers" => {
                self.heads.number = values::number(directive, first)? as usize;
                self.heads.size = values::length(directive, directive.arg(1))?;
                if self.heads.number == 0 {
                    return Err(values::invalid(directive));
                }
            }
            "default_type" => self.default_type = first.to_owned(),
            "sendfile" | "tcp_nopush" | "tcp_nodelay" => drop(values::switch(directive)?),
            _ => {}
        }
        Ok(())
    }
}

/// The log formats of a configuration, and the files that are logged to.
pub(super) struct Formats<'a> {
    prefix: &'a Path,
    named: Vec<(String, Arc<Template>)>,
    files: Vec<PathBuf>,
}

impl<'a> Formats<'a> {
    pub(super) fn new(prefix: &'a Path) -> Outcome<Self> {
        let combined = Template::compile(COMBINED).map_err(Failure::config)?;
        Ok(Self { prefix, named: vec![("combined".to_owned(), Arc::new(combined))], files: Vec::new() })
    }

    /// A `log_format`.
    pub(super) fn add(&mut self, directive: &Directive) -> Outcome {
        let name = directive.arg(0);
        if self.named.iter().any(|(known, _)| known == name) {
            return Err(directive.error(format_args!("duplicate \"log_format\" name \"{name}\"")));
        }
        let mut texts = &directive.args[1..];
        if let Some(escape) = texts[0].strip_prefix("escape=") {
            if escape != "default" {
                return Err(directive.error(format_args!("unknown log format escaping \"{escape}\"")));
            }
            texts = &texts[1..];
        }
        let format = Template::compile(&texts.concat()).map_err(|e| directive.error(e))?;
        self.named.push((name.to_owned(), Arc::new(format)));
        Ok(())
    }

    fn log(&mut self, directive: &Directive) -> Outcome<AccessLog> {
        if let Some(parameter) = directive.args.get(2) {
            return Err(directive.error(format_args!("invalid parameter \"{parameter}\"")));
        }
        let name = match directive.arg(1) {
            "" => "combined",
            name => name,
        };
        let format = self
            .named
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, format)| Arc::clone(format))
            .ok_or_else(|| directive.error(format_args!("unknown log format \"{name}\"")))?;
        let path = build::path(self.prefix, directive.arg(0));
        let file = self.files.iter().position(|known| *known == path).unwrap_or_else(|| {
            self.files.push(path);
            self.files.len() - 1
        });
        Ok(AccessLog { file, format })
    }

    pub(super) fn into_files(self) -> Vec<PathBuf> {
        self.files
    }
}
