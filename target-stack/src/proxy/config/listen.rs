//! The ports that servers listen on. Given a `server` block, it joins the server that was added last to its ports, and makes those
//! that are new; given all servers, it makes the tables of their names.

use super::names::NameTable;
use super::tree::Directive;
use super::{Config, Port, values};
use crate::failure::Outcome;
use std::net::{Ipv4Addr, SocketAddr};

/// nginx's `NGX_LISTEN_BACKLOG`.
const BACKLOG: i32 = 511;

/// What a `listen` says beside its address.
#[derive(Default)]
struct Options {
    default: bool,
    ssl: bool,
    backlog: Option<i32>,
}

/// Joins the server last added to its ports.
pub(super) fn join(directive: &Directive, config: &mut Config) -> Outcome {
    let server = config.servers.len() - 1;
    let mut listened = false;
    for listen in directive.inner().iter().filter(|inner| inner.name == "listen") {
        listened = true;
        let address = values::listen(listen, listen.arg(0))?;
        let options = options(listen)?;
        // Two ports of the kernel's choice are two ports.
        match config.ports.iter_mut().find(|port| port.address == address && address.port() != 0) {
            Some(port) => share(listen, port, server, &options)?,
            None => config.ports.push(port(address, server, &options)),
        }
    }
    if !listened {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80));
        match config.ports.iter_mut().find(|port| port.address == address) {
            Some(port) => port.servers.push(server),
            None => config.ports.push(port(address, server, &Options::default())),
        }
    }
    Ok(())
}

fn options(listen: &Directive) -> Outcome<Options> {
    let mut options = Options::default();
    for parameter in &listen.args[1..] {
        match (parameter.as_str(), parameter.strip_prefix("backlog=")) {
            ("default_server", _) => options.default = true,
            ("ssl", _) => options.ssl = true,
            // Every worker has its own listening socket in any case.
            ("reuseport", _) => {}
            (_, Some(number)) => {
                let number = number.parse().ok().filter(|number| *number > 0);
                options.backlog = Some(
                    number.ok_or_else(|| listen.error(format_args!("invalid backlog \"{parameter}\"")))?,
                );
            }
            _ => return Err(listen.error(format_args!("invalid parameter \"{parameter}\""))),
        }
    }
    Ok(options)
}

fn port(address: SocketAddr, server: usize, options: &Options) -> Port {
    Port {
        address,
        backlog: options.backlog.unwrap_or(BACKLOG),
        backlog_is_set: options.backlog.is_some(),
        ssl: options.ssl,
        servers: vec![server],
        default: server,
        default_is_set: options.default,
        names: None,
    }
}

fn share(listen: &Directive, port: &mut Port, server: usize, options: &Options) -> Outcome {
    let address = port.address;
    if port.servers.contains(&server) {
        return Err(listen.error(format_args!("a duplicate listen {address}")));
    }
    if options.backlog.is_some() && port.backlog_is_set {
        return Err(listen.error(format_args!("duplicate listen options for {address}")));
    }
    if options.default && port.default_is_set {
        return Err(listen.error(format_args!("a duplicate default server for {address}")));
    }
    port.servers.push(server);
    port.ssl |= options.ssl;
    if let Some(backlog) = options.backlog {
        port.backlog = backlog;
        port.backlog_is_set = true;
    }
    if options.default {
        port.default = server;
        port.default_is_set = true;
    }
    Ok(())
}

/// Checks that there is a certificate for whoever names no server, at each port that speaks TLS. `blocks` are those of the servers.
pub(super) fn check_certificates<'a>(
    config: &Config,
    blocks: impl Iterator<Item = &'a Directive> + Clone,
) -> Outcome {
    for port in config.ports.iter().filter(|port| port.ssl) {
        if config.servers[port.default].tls.is_none()
            && let Some(block) = blocks.clone().nth(port.default)
        {
            let what = "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive";
            return Err(block.error(what));
        }
    }
    Ok(())
}

/// Makes the tables of names, for the ports where a name makes a difference.
pub(super) fn name(config: &mut Config, warnings: &mut Vec<String>) -> Outcome {
    for port in &mut config.ports {
        let servers = &config.servers;
        let captures = servers[port.default].names.iter().any(super::ServerName::captures);
        if port.servers.len() > 1 || captures {
            let names = port
                .servers
                .iter()
                .flat_map(|&index| servers[index].names.iter().map(move |name| (index, name)));
            port.names = Some(NameTable::new(&port.address.to_string(), names, warnings)?);
        }
    }
    Ok(())
}
