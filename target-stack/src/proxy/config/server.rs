//! Virtual servers. Given a `server` block, it adds the server with its locations to the configuration, joins it
//! to the ports that it listens on, and adds the unnamed upstreams that its `proxy_pass`es name by address.

use super::rules::{self, Context};
use super::settings::{Formats, Settings};
use super::tree::Directive;
use super::upstream::{Peer, Upstream};
use super::{Config, Port, Server, values};
use crate::failure::Outcome;
use crate::proxy::location::{Handler, Location, Pattern, Proxy};
use crate::proxy::variables::Template;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

pub(super) fn build(
    directive: &Directive,
    http: &Settings,
    formats: &mut Formats<'_>,
    config: &mut Config,
) -> Outcome {
    let block = directive.inner();
    rules::check(block, Context::Server)?;
    let settings = http.with(block, formats)?;
    let handler = handler(block, "", config)?;
    let mut server = Server {
        names: names(block)?,
        locations: Vec::new(),
        always: matches!(handler, Handler::Return { .. }),
        tls: None,
        fallback: Location {
            pattern: Pattern::Prefix { path: String::new(), no_regex: false },
            handler,
            settings: Arc::new(settings.clone()),
        },
    };
    for inner in block.iter().filter(|inner| inner.name == "location") {
        let location = location(inner, &settings, formats, config)?;
        if server.locations.iter().any(|known| known.pattern.same(&location.pattern)) {
            return Err(inner.error(format_args!("duplicate location \"{}\"", location.pattern.path())));
        }
        server.locations.push(location);
    }
    config.servers.push(server);
    join_ports(directive, config)
}

fn names(block: &[Directive]) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for directive in block.iter().filter(|directive| directive.name == "server_name") {
        for name in &directive.args {
            if name.contains('*') || name.starts_with(['~', '.']) {
                return Err(
                    directive.error(format_args!("server name \"{name}\" is not supported, only exact ones"))
                );
            }
            names.push(name.to_ascii_lowercase());
        }
    }
    Ok(names)
}

/// nginx's `NGX_LISTEN_BACKLOG`.
const BACKLOG: i32 = 511;

/// Joins the server last added to its ports.
fn join_ports(directive: &Directive, config: &mut Config) -> Outcome {
    let server = config.servers.len() - 1;
    let mut listened = false;
    for listen in directive.inner().iter().filter(|inner| inner.name == "listen") {
        listened = true;
        let address = values::listen(listen, listen.arg(0))?;
        let options = Options::read(listen)?;
        // Two ports of the kernel's choice are two ports.
        match config.ports.iter_mut().find(|port| port.address == address && address.port() != 0) {
            Some(port) if port.servers.contains(&server) => {
                return Err(listen.error(format_args!("a duplicate listen {address}")));
            }
            Some(port) => {
                port.servers.push(server);
                port.backlog = options.backlog.unwrap_or(port.backlog);
                port.ssl |= options.ssl;
                if options.default {
                    port.default = server;
                }
            }
            None => config.ports.push(Port {
                address,
                backlog: options.backlog.unwrap_or(BACKLOG),
                ssl: options.ssl,
                servers: vec![server],
                default: server,
            }),
        }
    }
    if !listened {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80));
        match config.ports.iter_mut().find(|port| port.address == address) {
            Some(port) => port.servers.push(server),
            None => {
                let (backlog, servers) = (BACKLOG, vec![server]);
                config.ports.push(Port { address, backlog, ssl: false, servers, default: server });
            }
        }
    }
    Ok(())
}

/// What stands behind the address of a `listen`.
#[derive(Default)]
struct Options {
    default: bool,
    ssl: bool,
    backlog: Option<i32>,
}

impl Options {
    fn read(listen: &Directive) -> Outcome<Self> {
        let mut options = Self::default();
        for parameter in &listen.args[1..] {
            match (parameter.as_str(), parameter.strip_prefix("backlog=")) {
                ("default_server", _) => options.default = true,
                ("ssl", _) => options.ssl = true,
                // Every worker has its own listening socket in any case.
                ("reuseport", _) => {}
                (_, Some(number)) => {
                    let backlog = number.parse().ok().filter(|number| *number > 0);
                    let invalid = || listen.error(format_args!("invalid backlog \"{parameter}\""));
                    options.backlog = Some(backlog.ok_or_else(invalid)?);
                }
                _ => return Err(listen.error(format_args!("invalid parameter \"{parameter}\""))),
            }
        }
        Ok(options)
    }
}

fn location(
    directive: &Directive,
    server: &Settings,
    formats: &mut Formats<'_>,
    config: &mut Config,
) -> Outcome<Location> {
    let pattern = pattern(directive)?;
    let block = directive.inner();
    rules::check(block, Context::Location)?;
    let settings = Arc::new(server.with(block, formats)?);
    let handler = handler(block, pattern.path(), config)?;
    Ok(Location { pattern, handler, settings })
}

fn pattern(directive: &Directive) -> Outcome<Pattern> {
    let (modifier, path) = match directive.args.as_slice() {
        [modifier, path] => (modifier.as_str(), path.as_str()),
        _ => {
            let joined = directive.arg(0);
            let length =
                ["^~", "=", "~*", "~"].iter().find(|m| joined.starts_with(**m)).map_or(0, |m| m.len());
            joined.split_at(length)
        }
    };
    let path = path.to_owned();
    match modifier {
        "=" => Ok(Pattern::Exact(path)),
        "^~" => Ok(Pattern::Prefix { path, no_regex: true }),
        "" if path.starts_with('@') => Err(directive.error("named locations are not supported")),
        "" => Ok(Pattern::Prefix { path, no_regex: false }),
        "~" | "~*" => Err(directive.error("locations by regular expression are not supported")),
        other => Err(directive.error(format_args!("invalid location modifier \"{other}\""))),
    }
}

/// What answers at a level; `return` goes before everything else, as in nginx.
fn handler(block: &[Directive], prefix: &str, config: &mut Config) -> Outcome<Handler> {
    let find = |name: &str| block.iter().find(|directive| directive.name == name);
    if let Some(directive) = find("return") {
        return answer(directive);
    }
    if find("stub_status").is_some() {
        return Ok(Handler::StubStatus);
    }
    match find("proxy_pass") {
        Some(directive) => Ok(Handler::Proxy(proxy_pass(directive, prefix, config)?)),
        None => Ok(Handler::NotFound),
    }
}

fn answer(directive: &Directive) -> Outcome<Handler> {
    let first = directive.arg(0);
    let compile = |text: &str| Template::compile(text).map_err(|e| directive.error(e));
    if directive.args.len() == 1
        && ["http://", "https://", "$scheme"].iter().any(|start| first.starts_with(start))
    {
        return Ok(Handler::Return { status: 302, text: Some(compile(first)?) });
    }
    let status = values::digits(first)
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (100..=999).contains(code))
        .ok_or_else(|| directive.error(format_args!("invalid return code \"{first}\"")))?;
    let text = directive.args.get(1).map(|text| compile(text)).transpose()?;
    Ok(Handler::Return { status, text })
}

fn proxy_pass(directive: &Directive, prefix: &str, config: &mut Config) -> Outcome<Proxy> {
    let url = directive.arg(0);
    if url.contains('$') {
        return Err(directive.error("\"proxy_pass\" with variables is not supported"));
    }
    if url.starts_with("https://") {
        return Err(directive.error("https protocol requires SSL support"));
    }
    let rest = url.strip_prefix("http://").ok_or_else(|| directive.error("invalid URL prefix"))?;
    let (authority, uri) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = values::split_port(authority);
    let replacement = match uri {
        "" => None,
        _ if uri.starts_with('?') => Some(format!("/{uri}")),
        _ => Some(uri.to_owned()),
    };
    let upstream = match config.upstreams.iter().position(|upstream| upstream.name == host) {
        Some(_) if port.is_some() => {
            let port = port.unwrap_or_default();
            return Err(directive.error(format_args!("upstream \"{host}\" may not have port {port}")));
        }
        Some(index) => index,
        None => unnamed(directive, authority, config)?,
    };
    // nginx leaves the protocol's own port out of `$proxy_host`.
    let host = if port == Some("80") { host } else { authority }.to_owned();
    Ok(Proxy { upstream, host, prefix: prefix.len(), replacement })
}

/// The upstream that stands for an address, made at its first use.
fn unnamed(directive: &Directive, authority: &str, config: &mut Config) -> Outcome<usize> {
    if let Some(index) = config.upstreams.iter().position(|upstream| upstream.name == authority) {
        return Ok(index);
    }
    let peers = values::upstream(directive, authority)?.into_iter().map(Peer::new).collect();
    config.upstreams.push(Upstream::new(authority, peers));
    Ok(config.upstreams.len() - 1)
}
