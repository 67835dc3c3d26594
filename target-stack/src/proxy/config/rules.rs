//! Which directives there are. Given a block and where it stands, it says whether every directive in it is known,
//! allowed there, complete and not repeated, in nginx's words; what its arguments mean is read elsewhere, if they mean anything here.

use super::tree::Directive;
use super::tuning;
use crate::failure::Outcome;

/// Where a directive stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    Main = 1,
    Events = 2,
    Http = 4,
    Upstream = 8,
    Server = 16,
    Location = 32,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) contexts: u8,
    args: std::ops::RangeInclusive<usize>,
    /// It opens a block.
    block: bool,
    /// It may stand more than once in a block.
    repeats: bool,
}

pub(super) const MAIN: u8 = Context::Main as u8;
pub(super) const EVENTS: u8 = Context::Events as u8;
pub(super) const HTTP: u8 = Context::Http as u8;
const UPSTREAM: u8 = Context::Upstream as u8;
pub(super) const SERVER: u8 = Context::Server as u8;
const LOCATION: u8 = Context::Location as u8;
pub(super) const ANY_HTTP: u8 = HTTP | SERVER | LOCATION;
const MANY: usize = usize::MAX;

pub(super) const fn once(name: &'static str, contexts: u8, args: std::ops::RangeInclusive<usize>) -> Rule {
    Rule { name, contexts, args, block: false, repeats: false }
}

const fn many(name: &'static str, contexts: u8, args: std::ops::RangeInclusive<usize>) -> Rule {
    Rule { name, contexts, args, block: false, repeats: true }
}

const fn block(
    name: &'static str,
    contexts: u8,
    args: std::ops::RangeInclusive<usize>,
    repeats: bool,
) -> Rule {
    Rule { name, contexts, args, block: true, repeats }
}

const RULES: &[Rule] = &[
    once("worker_processes", MAIN, 1..=1),
    once("worker_cpu_affinity", MAIN, 1..=MANY),
    once("worker_shutdown_timeout", MAIN, 1..=1),
    once("pid", MAIN, 1..=1),
    once("error_log", MAIN, 1..=2),
    once("daemon", MAIN, 1..=1),
    once("worker_rlimit_nofile", MAIN, 1..=1),
    once("user", MAIN, 1..=2),
    block("events", MAIN, 0..=0, false),
    block("http", MAIN, 0..=0, false),
    once("worker_connections", EVENTS, 1..=1),
    block("upstream", HTTP, 1..=1, true),
    block("server", HTTP, 0..=0, true),
    many("log_format", HTTP, 2..=MANY),
    many("server", UPSTREAM, 1..=MANY),
    many("least_conn", UPSTREAM, 0..=0),
    many("ip_hash", UPSTREAM, 0..=0),
    many("hash", UPSTREAM, 1..=2),
    many("zone", UPSTREAM, 1..=2),
    once("target_stack_retry_budget", UPSTREAM, 1..=2),
    once("keepalive", UPSTREAM, 1..=1),
    once("keepalive_requests", UPSTREAM, 1..=1),
    once("keepalive_timeout", UPSTREAM, 1..=1),
    many("listen", SERVER, 1..=MANY),
    many("server_name", SERVER, 1..=MANY),
    block("location", SERVER | LOCATION, 1..=2, true),
    many("rewrite", SERVER | LOCATION, 2..=3),
    many("set", SERVER | LOCATION, 2..=2),
    many("return", SERVER | LOCATION, 1..=2),
    once("stub_status", SERVER | LOCATION, 0..=1),
    once("internal", LOCATION, 0..=0),
    once("alias", LOCATION, 1..=1),
    once("try_files", SERVER | LOCATION, 2..=MANY),
    once("root", ANY_HTTP, 1..=1),
    many("index", ANY_HTTP, 1..=MANY),
    block("types", ANY_HTTP, 0..=0, true),
    many("error_page", ANY_HTTP, 2..=MANY),
    many("add_header", ANY_HTTP, 2..=3),
    once("expires", ANY_HTTP, 1..=2),
    many("access_log", ANY_HTTP, 1..=MANY),
    once("keepalive_timeout", ANY_HTTP, 1..=2),
    once("keepalive_requests", ANY_HTTP, 1..=1),
    once("client_header_timeout", HTTP | SERVER, 1..=1),
    once("client_body_timeout", ANY_HTTP, 1..=1),
    once("send_timeout", ANY_HTTP, 1..=1),
    many("ssl_certificate", HTTP | SERVER, 1..=1),
    many("ssl_certificate_key", HTTP | SERVER, 1..=1),
    many("ssl_protocols", HTTP | SERVER, 1..=MANY),
    once("ssl_session_tickets", HTTP | SERVER, 1..=1),
    once("ssl_session_cache", HTTP | SERVER, 1..=2),
    once("ssl_prefer_server_ciphers", HTTP | SERVER, 1..=1),
    once("client_header_buffer_size", HTTP | SERVER, 1..=1),
    once("large_client_header_buffers", HTTP | SERVER, 2..=2),
    once("client_max_body_size", ANY_HTTP, 1..=1),
    once("default_type", ANY_HTTP, 1..=1),
    once("gzip", ANY_HTTP, 1..=1),
    many("gzip_types", ANY_HTTP, 1..=MANY),
    once("gzip_min_length", ANY_HTTP, 1..=1),
    once("gzip_comp_level", ANY_HTTP, 1..=1),
    once("gzip_vary", ANY_HTTP, 1..=1),
    once("gzip_proxied", ANY_HTTP, 1..=MANY),
    once("gzip_http_version", ANY_HTTP, 1..=1),
    once("server_tokens", ANY_HTTP, 1..=1),
    once("proxy_pass", LOCATION, 1..=1),
    once("proxy_http_version", ANY_HTTP, 1..=1),
    many("proxy_cache_path", HTTP, 2..=MANY),
    once("proxy_cache", ANY_HTTP, 1..=1),
    once("proxy_cache_key", ANY_HTTP, 1..=1),
    many("proxy_cache_valid", ANY_HTTP, 1..=MANY),
    once("proxy_cache_methods", ANY_HTTP, 1..=MANY),
    once("proxy_cache_min_uses", ANY_HTTP, 1..=1),
    once("proxy_cache_lock", ANY_HTTP, 1..=1),
    once("proxy_cache_lock_timeout", ANY_HTTP, 1..=1),
    once("proxy_cache_lock_age", ANY_HTTP, 1..=1),
    once("proxy_cache_use_stale", ANY_HTTP, 1..=MANY),
    once("proxy_cache_background_update", ANY_HTTP, 1..=1),
    once("proxy_cache_revalidate", ANY_HTTP, 1..=1),
    many("proxy_cache_bypass", ANY_HTTP, 1..=MANY),
    many("proxy_no_cache", ANY_HTTP, 1..=MANY),
    once("proxy_ignore_headers", ANY_HTTP, 1..=MANY),
    many("proxy_set_header", ANY_HTTP, 2..=2),
    many("proxy_hide_header", ANY_HTTP, 1..=1),
    many("proxy_pass_header", ANY_HTTP, 1..=1),
    once("proxy_connect_timeout", ANY_HTTP, 1..=1),
    once("proxy_read_timeout", ANY_HTTP, 1..=1),
    once("proxy_send_timeout", ANY_HTTP, 1..=1),
    once("proxy_next_upstream", ANY_HTTP, 1..=MANY),
    once("proxy_next_upstream_tries", ANY_HTTP, 1..=1),
    once("proxy_next_upstream_timeout", ANY_HTTP, 1..=1),
    once("proxy_buffering", ANY_HTTP, 1..=1),
    once("proxy_request_buffering", ANY_HTTP, 1..=1),
    many("proxy_redirect", ANY_HTTP, 1..=2),
    once("proxy_intercept_errors", ANY_HTTP, 1..=1),
    once("proxy_method", ANY_HTTP, 1..=1),
    once("proxy_set_body", ANY_HTTP, 1..=1),
    once("proxy_pass_request_headers", ANY_HTTP, 1..=1),
    once("proxy_pass_request_body", ANY_HTTP, 1..=1),
];

fn rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().chain(tuning::TUNINGS.iter().map(|tuning| &tuning.rule))
}

/// The names of all directives.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    rules().map(|rule| rule.name)
}

/// Checks every directive of `block`, but not what stands in the blocks inside.
///
/// # Errors
/// The first directive that may not stand so, as nginx words it.
pub(crate) fn check(block: &[Directive], context: Context) -> Outcome {
    for (index, directive) in block.iter().enumerate() {
        let rule = rule(directive, context)?;
        if !rule.repeats && block[..index].iter().any(|earlier| earlier.name == directive.name) {
            return Err(directive.error(format_args!("\"{}\" directive is duplicate", directive.name)));
        }
        tuning::check(directive)?;
    }
    Ok(())
}

fn rule(directive: &Directive, context: Context) -> Outcome<&'static Rule> {
    let name = &directive.name;
    let mut named = rules().filter(|rule| rule.name == name).peekable();
    if named.peek().is_none() {
        return Err(directive.error(format_args!("unknown directive \"{name}\"")));
    }
    let rule = named
        .find(|rule| rule.contexts & context as u8 != 0)
        .ok_or_else(|| directive.error(format_args!("\"{name}\" directive is not allowed here")))?;
    match (rule.block, &directive.block) {
        (true, None) => Err(directive.error(format_args!("directive \"{name}\" has no opening \"{{\""))),
        (false, Some(_)) => {
            Err(directive.error(format_args!("directive \"{name}\" is not terminated by \";\"")))
        }
        _ if rule.args.contains(&directive.args.len()) => Ok(rule),
        _ => Err(directive.error(format_args!("invalid number of arguments in \"{name}\" directive"))),
    }
}
