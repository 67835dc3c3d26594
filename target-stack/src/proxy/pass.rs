//! A `proxy_pass` whose URL has variables in it. Given a request, it gives the upstream that the URL names now. nginx would ask a
//! resolver for a name that no upstream has; there is none here, as there is none in an nginx without `resolver`.

use super::config::split_url;
use super::exchange::Tracked;
use super::location::{Handler, Proxy};
use super::route::Next;
use http::StatusCode;

/// Settles how `exchange` is passed on.
pub(crate) fn resolve(exchange: &mut Tracked) -> Result<(), Next> {
    let Handler::ProxyTo(template) = &exchange.location().handler else { return Ok(()) };
    let url = String::from_utf8_lossy(&template.render(exchange)).into_owned();
    let shown = url.escape_debug().to_string();
    let Some(rest) = url.strip_prefix("http://") else {
        exchange.log("error", format_args!("invalid URL prefix in \"{shown}\""));
        return Err(Next::refuse(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let (authority, host, replacement) = split_url(rest);
    let upstreams = &exchange.config.upstreams;
    let found = upstreams.iter().position(|upstream| upstream.name == authority);
    let Some(upstream) = found else {
        exchange.log("error", format_args!("no resolver defined to resolve {}", host.escape_debug()));
        return Err(Next::refuse(StatusCode::BAD_GATEWAY));
    };
    let proxy =
        Proxy { upstream, host: host.to_owned(), prefix: 0, whole: replacement.is_some(), replacement };
    exchange.course_mut().proxy = Some(proxy);
    Ok(())
}
