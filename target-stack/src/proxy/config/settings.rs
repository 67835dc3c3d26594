//! What `http`, `server` and `location` hand down. Given a level's settings and the directives of a block inside it,
//! it gives the block's settings: a directive replaces what was inherited, of the repeatable ones all at once.

use super::build;
use super::patience::Patience;
use super::tls::Tls;
use super::tree::Directive;
use super::values;
use crate::failure::{Failure, Outcome};
use crate::proxy::guard::Limits;
use crate::proxy::headers;
use crate::proxy::variables::Template;
use http::{HeaderName, Method};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

/// The settings of one level.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) patience: Patience,
    pub(crate) tls: Tls,
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

/// How a level passes requests on.
#[derive(Clone, Debug)]
pub(crate) struct ProxySettings {
    pub(crate) set_headers: Vec<(HeaderName, Template)>,
    pub(crate) http11: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) send_timeout: Duration,
    /// Fields of an answer that the client does not get, nginx's own included.
    pub(crate) hide: Vec<HeaderName>,
    pub(crate) retry: Retry,
}

/// When a request is tried at another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) error: bool,
    pub(crate) timeout: bool,
    pub(crate) non_idempotent: bool,
    pub(crate) statuses: Vec<u16>,
    /// The most tries in all; 0 for one a server.
    pub(crate) tries: u32,
}

impl Retry {
    /// Whether sending `method` again is safe even when a server may have acted on it.
    pub(crate) fn may_repeat(&self, method: &Method) -> bool {
        self.non_idempotent || !(method == Method::POST || matches!(method.as_str(), "LOCK" | "PATCH"))
    }
}

impl Default for Settings {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            patience: Patience::default(),
            tls: Tls::default(),
            keepalive_requests: 1000,
            heads: Limits::default(),
            max_body: 1 << 20,
            default_type: "text/plain".to_owned(),
            logs: Vec::new(),
            proxy: ProxySettings {
                set_headers: Vec::new(),
                http11: true,
                connect_timeout: minute,
                read_timeout: minute,
                send_timeout: minute,
                hide: headers::HIDDEN.to_vec(),
                retry: Retry {
                    error: true,
                    timeout: true,
                    non_idempotent: false,
                    statuses: Vec::new(),
                    tries: 0,
                },
            },
        }
    }
}

impl Settings {
    /// These settings with what `block` says instead.
    pub(super) fn with(&self, block: &[Directive], formats: &mut Formats<'_>) -> Outcome<Self> {
        let mut settings = self.clone();
        for name in ["access_log", "proxy_set_header", "proxy_hide_header"] {
            if block.iter().any(|directive| directive.name == name) {
                match name {
                    "access_log" => settings.logs.clear(),
                    "proxy_set_header" => settings.proxy.set_headers.clear(),
                    _ => settings.proxy.hide = headers::HIDDEN.to_vec(),
                }
            }
        }
        settings.tls.renew(block);
        for directive in block {
            settings.apply(directive, formats)?;
        }
        // Last, so that it wins over what is hidden by default or here.
        for directive in block.iter().filter(|directive| directive.name == "proxy_pass_header") {
            let name = field_name(directive)?;
            settings.proxy.hide.retain(|hidden| *hidden != name);
        }
        Ok(settings)
    }

    fn apply(&mut self, directive: &Directive, formats: &mut Formats<'_>) -> Outcome {
        let first = directive.arg(0);
        let proxy = &mut self.proxy;
        match directive.name.as_str() {
            "access_log" if first == "off" => {}
            "access_log" => self.logs.push(formats.log(directive)?),
            "client_header_timeout" | "client_body_timeout" | "send_timeout" | "keepalive_timeout" => {
                self.patience.apply(directive)?;
            }
            name if name.starts_with("ssl_") => self.tls.apply(directive)?,
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
            "proxy_http_version" => {
                proxy.http11 = match first {
                    "1.1" => true,
                    "1.0" => false,
                    other => return Err(directive.error(format_args!("invalid value \"{other}\""))),
                }
            }
            "proxy_set_header" => {
                let value = Template::compile(directive.arg(1)).map_err(|e| directive.error(e))?;
                proxy.set_headers.push((field_name(directive)?, value));
            }
            "proxy_hide_header" => proxy.hide.push(field_name(directive)?),
            "proxy_connect_timeout" => proxy.connect_timeout = values::time(directive, first)?,
            "proxy_read_timeout" => proxy.read_timeout = values::time(directive, first)?,
            "proxy_send_timeout" => proxy.send_timeout = values::time(directive, first)?,
            "proxy_next_upstream" => {
                proxy.retry = Retry { tries: proxy.retry.tries, ..next_upstream(directive)? };
            }
            "proxy_next_upstream_tries" => proxy.retry.tries = values::number(directive, first)?,
            _ => {}
        }
        Ok(())
    }
}

fn field_name(directive: &Directive) -> Outcome<HeaderName> {
    HeaderName::from_bytes(directive.arg(0).as_bytes())
        .map_err(|_| directive.error(format_args!("invalid header name \"{}\"", directive.arg(0))))
}

fn next_upstream(directive: &Directive) -> Outcome<Retry> {
    let mut retry =
        Retry { error: false, timeout: false, non_idempotent: false, statuses: Vec::new(), tries: 0 };
    for kind in &directive.args {
        let status = kind.strip_prefix("http_").and_then(|code| code.parse().ok());
        match (kind.as_str(), status) {
            ("error", _) => retry.error = true,
            ("timeout", _) => retry.timeout = true,
            ("non_idempotent", _) => retry.non_idempotent = true,
            ("off", _) => {}
            (_, Some(code @ (403 | 404 | 429 | 500 | 502 | 503 | 504))) => retry.statuses.push(code),
            _ => return Err(directive.error(format_args!("invalid value \"{kind}\""))),
        }
    }
    if directive.args.iter().any(|kind| kind == "off") {
        retry.error = false;
        retry.timeout = false;
        retry.statuses.clear();
    }
    Ok(retry)
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
