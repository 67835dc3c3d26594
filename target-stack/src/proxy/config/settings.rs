//! What `http`, `server` and `location` hand down. Given a level's settings and the directives of a block inside it,
//! it gives the block's settings: a directive replaces what was inherited, of the repeatable ones all at once.

use super::cache::CacheSettings;
use super::files::FileSettings;
use super::gzip::GzipSettings;
use super::reply::ReplySettings;
use super::scope::Scope;
use super::tree::Directive;
use super::values;
use crate::failure::Outcome;
use crate::proxy::guard::Limits;
use crate::proxy::headers;
use crate::proxy::location::Pattern;
use crate::proxy::variables::Template;
use http::{HeaderName, Method};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The settings of one level.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) keepalive_timeout: Duration,
    pub(crate) keepalive_requests: u32,
    /// How long a request's head may be.
    pub(crate) heads: Limits,
    /// The longest request body in bytes; 0 for any.
    pub(crate) max_body: u64,
    /// Only requests that were redirected or rewritten get here.
    pub(crate) internal: bool,
    pub(crate) logs: Vec<AccessLog>,
    pub(crate) gzip: GzipSettings,
    pub(crate) proxy: ProxySettings,
    pub(crate) files: FileSettings,
    pub(crate) reply: ReplySettings,
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
    pub(crate) cache: CacheSettings,
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
            keepalive_timeout: Duration::from_secs(75),
            keepalive_requests: 1000,
            heads: Limits::default(),
            max_body: 1 << 20,
            internal: false,
            logs: Vec::new(),
            gzip: GzipSettings::default(),
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
                cache: CacheSettings::default(),
            },
            files: FileSettings::new(Path::new("")),
            reply: ReplySettings::default(),
        }
    }
}

impl Settings {
    /// nginx's own, with the prefix of `scope`.
    pub(super) fn new(scope: &Scope<'_>) -> Self {
        Self { files: FileSettings::new(scope.prefix), ..Self::default() }
    }

    /// Whether anything is made of the fields of an upstream's answer.
    pub(crate) fn reads_upstream_headers(&self) -> bool {
        self.logs.iter().any(|log| log.format.reads_upstream_headers()) || self.reply.reads_upstream_headers()
    }

    /// These settings with what `block`, that of a location for `pattern` if it is one, says instead.
    pub(super) fn with(
        &self,
        block: &[Directive],
        pattern: Option<&Pattern>,
        scope: &mut Scope<'_>,
    ) -> Outcome<Self> {
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
        settings.proxy.cache.begin(block);
        settings.gzip.begin(block);
        for directive in block {
            settings.apply(directive, scope)?;
        }
        settings.files.apply(block, pattern, scope)?;
        settings.reply.apply(block, scope)?;
        // Last, so that it wins over what is hidden by default or here.
        for directive in block.iter().filter(|directive| directive.name == "proxy_pass_header") {
            let name = field_name(directive)?;
            settings.proxy.hide.retain(|hidden| *hidden != name);
        }
        Ok(settings)
    }

    fn apply(&mut self, directive: &Directive, scope: &mut Scope<'_>) -> Outcome {
        if self.proxy.cache.apply(directive, scope)? || self.gzip.apply(directive)? {
            return Ok(());
        }
        let first = directive.arg(0);
        let proxy = &mut self.proxy;
        match directive.name.as_str() {
            "access_log" if first == "off" => {}
            "access_log" => self.logs.push(scope.log(directive)?),
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
            "internal" => self.internal = true,
            "sendfile" | "tcp_nopush" | "tcp_nodelay" => drop(values::switch(directive)?),
            "proxy_http_version" => {
                proxy.http11 = match first {
                    "1.1" => true,
                    "1.0" => false,
                    other => return Err(directive.error(format_args!("invalid value \"{other}\""))),
                }
            }
            "proxy_set_header" => {
                let value = scope.template(directive, directive.arg(1))?;
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

pub(super) fn field_name(directive: &Directive) -> Outcome<HeaderName> {
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
