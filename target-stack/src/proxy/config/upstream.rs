//! Groups of servers. Given an `upstream` block, or the address of a `proxy_pass`, it gives the group's members and
//! how its connections are kept; it connects to none of them.

use super::rules::{self, Context};
use super::tree::Directive;
use super::values;
use crate::failure::Outcome;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A group of servers, of at least one.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) peers: Vec<Peer>,
    /// The most idle connections that a worker keeps.
    pub(crate) keepalive: usize,
    /// The most requests that one connection carries.
    pub(crate) keepalive_requests: u32,
    /// How long an idle connection is kept.
    pub(crate) keepalive_timeout: Duration,
}

/// One address of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The address as text, for logs and metrics.
    pub(crate) name: Arc<str>,
    pub(crate) weight: u32,
    /// Failures within `fail_timeout` that eject it; 0 for never.
    pub(crate) max_fails: u32,
    pub(crate) fail_timeout: Duration,
    pub(crate) down: bool,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            name: address.to_string().into(),
            weight: 1,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            down: false,
        }
    }
}

impl Upstream {
    /// A group with nginx's defaults (1.29.7 and newer: connections are kept).
    pub(super) fn new(name: &str, peers: Vec<Peer>) -> Self {
        Self {
            name: name.to_owned(),
            peers,
            keepalive: 32,
            keepalive_requests: 1000,
            keepalive_timeout: Duration::from_secs(60),
        }
    }
}

/// The group of an `upstream` block.
pub(super) fn build(directive: &Directive, earlier: &[Upstream]) -> Outcome<Upstream> {
    let name = directive.arg(0);
    if earlier.iter().any(|upstream| upstream.name == name) {
        return Err(directive.error(format_args!("duplicate upstream \"{name}\"")));
    }
    let block = directive.inner();
    rules::check(block, Context::Upstream)?;
    let mut upstream = Upstream::new(name, Vec::new());
    for inner in block {
        match inner.name.as_str() {
            "server" => upstream.peers.extend(server(inner)?),
            "keepalive" => {
                upstream.keepalive = values::digits(inner.arg(0))
                    .and_then(|n| usize::try_from(n).ok())
                    .filter(|&n| n > 0)
                    .ok_or_else(|| {
                        inner.error(format_args!(
                            "invalid value \"{}\" in \"keepalive\" directive",
                            inner.arg(0)
                        ))
                    })?;
            }
            "keepalive_requests" => upstream.keepalive_requests = values::number(inner, inner.arg(0))?,
            "keepalive_timeout" => upstream.keepalive_timeout = values::time(inner, inner.arg(0))?,
            _ => {}
        }
    }
    if upstream.peers.is_empty() {
        return Err(directive.error("no servers are inside upstream"));
    }
    Ok(upstream)
}

/// The peers of a `server` line: one for each address of its host.
fn server(directive: &Directive) -> Outcome<Vec<Peer>> {
    let addresses = values::upstream(directive, directive.arg(0))?;
    let mut peers: Vec<_> = addresses.into_iter().map(Peer::new).collect();
    for parameter in &directive.args[1..] {
        let invalid = || directive.error(format_args!("invalid parameter \"{parameter}\""));
        let count = |text| values::digits(text).and_then(|n| u32::try_from(n).ok());
        for peer in &mut peers {
            match parameter.split_once('=') {
                None if parameter == "down" => peer.down = true,
                Some(("weight", text)) => peer.weight = count(text).filter(|&n| n > 0).ok_or_else(invalid)?,
                Some(("max_fails", text)) => peer.max_fails = count(text).ok_or_else(invalid)?,
                Some(("fail_timeout", text)) => {
                    peer.fail_timeout = values::parse_time(text).ok_or_else(invalid)?;
                }
                _ => return Err(invalid()),
            }
        }
    }
    Ok(peers)
}
