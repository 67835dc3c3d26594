//! `proxy_pass`. Given the directive and the location that it stands in, it gives what passes requests on, and adds the upstream that an
//! address stands for.

use super::scope::Scope;
use super::tree::Directive;
use super::upstream::{Peer, Upstream};
use super::values;
use crate::failure::Outcome;
use crate::proxy::location::{Handler, Pattern, Proxy};

/// A URL behind its scheme: host and port, what `$proxy_host` reads of them, and the URI part if there is one.
pub(crate) fn split_url(rest: &str) -> (&str, &str, Option<String>) {
    let (authority, uri) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // nginx leaves the protocol's own port out of `$proxy_host`.
    let host = authority.strip_suffix(":80").unwrap_or(authority);
    let uri = match uri {
        "" => None,
        _ if uri.starts_with('?') => Some(format!("/{uri}")),
        _ => Some(uri.to_owned()),
    };
    (authority, host, uri)
}

pub(super) fn read(
    directive: &Directive,
    pattern: &Pattern,
    scope: &Scope<'_>,
    upstreams: &mut Vec<Upstream>,
) -> Outcome<Handler> {
    let url = directive.arg(0);
    if url.contains('$') {
        return scope.template(directive, url).map(Handler::ProxyTo);
    }
    if url.starts_with("https://") {
        return Err(directive.error("https protocol requires SSL support"));
    }
    let rest = url.strip_prefix("http://").ok_or_else(|| directive.error("invalid URL prefix"))?;
    let (authority, proxy_host, replacement) = split_url(rest);
    if replacement.is_some() && matches!(pattern, Pattern::Regex(_) | Pattern::Named(_)) {
        return Err(directive.error(
            "\"proxy_pass\" cannot have URI part in location given by regular expression, or inside named location, \
             or inside \"if\" statement, or inside \"limit_except\" block",
        ));
    }
    let (host, port) = values::split_port(authority);
    let upstream = match (upstreams.iter().position(|upstream| upstream.name == host), port) {
        (Some(_), Some(port)) => {
            return Err(directive.error(format_args!("upstream \"{host}\" may not have port {port}")));
        }
        (Some(index), None) => index,
        (None, _) => unnamed(directive, authority, upstreams)?,
    };
    let (host, prefix) = (proxy_host.to_owned(), pattern.length());
    Ok(Handler::Proxy(Proxy { upstream, host, prefix, replacement, whole: false }))
}

/// The upstream that stands for an address, made at its first use.
fn unnamed(directive: &Directive, authority: &str, upstreams: &mut Vec<Upstream>) -> Outcome<usize> {
    if let Some(index) = upstreams.iter().position(|upstream| upstream.name == authority) {
        return Ok(index);
    }
    let addresses = values::upstream(directive, authority)?.into_iter();
    let peers = addresses.map(|address| Peer::new(address, authority)).collect();
    upstreams.push(Upstream::new(authority, peers));
    Ok(upstreams.len() - 1)
}
