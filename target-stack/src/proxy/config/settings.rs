//! What `http`, `server` and `location` hand down. Given a level's settings and the directives of a block inside it,
//! it gives the block's settings: a directive replaces what was inherited, of the repeatable ones all at once.

use super::files::FileSettings;
use super::gzip::GzipSettings;
use super::patience::Patience;
use super::proxy::ProxySettings;
use super::reply::ReplySettings;
use super::scope::Scope;
use super::tls::Tls;
use super::tree::Directive;
use super::values;
use crate::failure::Outcome;
use crate::proxy::guard::Limits;
use crate::proxy::location::Pattern;
use crate::proxy::variables::Template;
use http::{HeaderName, StatusCode};
use std::path::Path;
use std::sync::Arc;

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

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            tls: Tls::default(),
            keepalive_requests: 1000,
            heads: Limits::default(),
            max_body: 1 << 20,
            internal: false,
            logs: Vec::new(),
            gzip: GzipSettings::default(),
            proxy: ProxySettings::default(),
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

    /// Whether an `error_page` answers in place of a server's answer with this status.
    pub(crate) fn intercepts(&self, status: StatusCode) -> bool {
        self.proxy.intercept_errors
            && status.as_u16() >= 300
            && self.reply.error_pages.iter().any(|page| page.status == status.as_u16())
    }

    /// These settings with what `block`, that of a location for `pattern` if it is one, says instead.
    pub(super) fn with(
        &self,
        block: &[Directive],
        pattern: Option<&Pattern>,
        scope: &mut Scope<'_>,
    ) -> Outcome<Self> {
        let mut settings = self.clone();
        if block.iter().any(|directive| directive.name == "access_log") {
            settings.logs.clear();
        }
        settings.proxy.cache.begin(block);
        settings.gzip.begin(block);
        settings.tls.begin(block);
        for directive in block {
            settings.apply(directive, scope)?;
        }
        settings.proxy.read(block, scope)?;
        settings.files.apply(block, pattern, scope)?;
        settings.reply.apply(block, scope)?;
        Ok(settings)
    }

    fn apply(&mut self, directive: &Directive, scope: &mut Scope<'_>) -> Outcome {
        if self.proxy.cache.apply(directive, scope)? || self.gzip.apply(directive)? {
            return Ok(());
        }
        let first = directive.arg(0);
        match directive.name.as_str() {
            "access_log" if first == "off" => {}
            "access_log" => self.logs.push(scope.log(directive)?),
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
            "internal" => self.internal = true,
            _ => {}
        }
        Ok(())
    }
}

pub(super) fn field_name(directive: &Directive) -> Outcome<HeaderName> {
    HeaderName::from_bytes(directive.arg(0).as_bytes())
        .map_err(|_| directive.error(format_args!("invalid header name \"{}\"", directive.arg(0))))
}
