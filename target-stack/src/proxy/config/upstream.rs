//! Groups of servers. Given an `upstream` block, or the address of a `proxy_pass`, it gives the group's members, how one is
//! chosen among them and how its connections are kept; it connects to none of them.

use super::rules::{self, Context};
use super::scope::Scope;
use super::tree::Directive;
use super::values;
use crate::failure::{Failure, Outcome};
use crate::proxy::variables::Template;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// nginx's eight pages, which a zone has at least.
const LEAST_ZONE: u64 = 32 << 10;

/// A group of servers, of at least one.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) peers: Vec<Peer>,
    pub(crate) method: Method,
    /// How far retries may go; without one they are not bounded.
    pub(crate) retry_budget: Option<RetryBudget>,
    /// The most idle connections that a worker keeps.
    pub(crate) keepalive: usize,
    /// The most requests that one connection carries.
    pub(crate) keepalive_requests: u32,
    /// How long an idle connection is kept.
    pub(crate) keepalive_timeout: Duration,
    zone: Option<Zone>,
}

/// How a server is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    RoundRobin,
    LeastConn,
    IpHash,
    Hash { key: Template, consistent: bool },
}

/// Retries that a group may be asked for, beside its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetryBudget {
    /// Retries for a hundred requests.
    pub(crate) percent: u32,
    /// Retries that are allowed in each second in any case.
    pub(crate) floor: u32,
}

/// A name and a size, which only have to fit together: what nginx keeps there, all workers here share anyway.
#[derive(Debug)]
struct Zone {
    name: String,
    size: u64,
}

/// One address of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The address as text, for logs and metrics.
    pub(crate) name: Arc<str>,
    /// The server as the configuration names it, which may have several addresses.
    pub(crate) server: Arc<str>,
    pub(crate) weight: u32,
    /// Failures within `fail_timeout` that eject it; 0 for never.
    pub(crate) max_fails: u32,
    pub(crate) fail_timeout: Duration,
    /// Requests that it may work on at once, of all workers; 0 for any number.
    pub(crate) max_conns: u32,
    /// It is asked only when no other can be.
    pub(crate) backup: bool,
    pub(crate) down: bool,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, server: &str) -> Self {
        Self {
            address,
            name: address.to_string().into(),
            server: server.into(),
            weight: 1,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            max_conns: 0,
            backup: false,
            down: false,
        }
    }
}

impl Method {
    fn takes_backups(&self) -> bool {
        matches!(self, Self::RoundRobin | Self::LeastConn)
    }
}

impl Upstream {
    /// A group with nginx's defaults (1.29.7 and newer: connections are kept).
    pub(super) fn new(name: &str, peers: Vec<Peer>) -> Self {
        Self {
            name: name.to_owned(),
            peers,
            method: Method::RoundRobin,
            retry_budget: None,
            keepalive: 32,
            keepalive_requests: 1000,
            keepalive_timeout: Duration::from_secs(60),
            zone: None,
        }
    }

    fn apply(&mut self, directive: &Directive, earlier: &[Self], scope: &Scope<'_>) -> Outcome {
        let first = directive.arg(0);
        match directive.name.as_str() {
            "server" => self.peers.extend(server(directive, &self.method)?),
            "least_conn" => self.method = Method::LeastConn,
            "ip_hash" => self.method = Method::IpHash,
            "hash" => self.method = hash(directive, scope)?,
            "zone" => self.zone = Some(zone(directive, earlier)?),
            "target_stack_retry_budget" => self.retry_budget = retry_budget(directive)?,
            "keepalive" => {
                let number = values::digits(first).and_then(|n| usize::try_from(n).ok());
                self.keepalive = number.filter(|&n| n > 0).ok_or_else(|| {
                    directive.error(format_args!("invalid value \"{first}\" in \"keepalive\" directive"))
                })?;
            }
            "keepalive_requests" => self.keepalive_requests = values::number(directive, first)?,
            "keepalive_timeout" => self.keepalive_timeout = values::time(directive, first)?,
            _ => {}
        }
        Ok(())
    }
}

/// The group of an `upstream` block.
pub(super) fn build(directive: &Directive, earlier: &[Upstream], scope: &mut Scope<'_>) -> Outcome<Upstream> {
    let name = directive.arg(0);
    if earlier.iter().any(|upstream| upstream.name == name) {
        return Err(directive.error(format_args!("duplicate upstream \"{name}\"")));
    }
    let block = directive.inner();
    rules::check(block, Context::Upstream)?;
    let mut upstream = Upstream::new(name, Vec::new());
    let methods =
        block.iter().filter(|inner| matches!(inner.name.as_str(), "least_conn" | "ip_hash" | "hash"));
    methods.skip(1).for_each(|inner| scope.warn(inner, "load balancing method redefined"));
    for inner in block {
        upstream.apply(inner, earlier, scope)?;
    }
    if upstream.peers.is_empty() {
        return Err(directive.error("no servers are inside upstream"));
    }
    if upstream.peers.iter().all(|peer| peer.backup) {
        return Err(directive.error(format_args!("no servers in upstream \"{name}\"")));
    }
    Ok(upstream)
}

/// Whether every zone has got a size somewhere.
///
/// # Errors
/// nginx's, which names no place either.
pub(super) fn check_zones(upstreams: &[Upstream]) -> Outcome {
    let zones = || upstreams.iter().filter_map(|upstream| upstream.zone.as_ref());
    match zones().find(|zone| zones().all(|other| other.name != zone.name || other.size == 0)) {
        None => Ok(()),
        Some(zone) => Err(Failure::config(format!("[emerg] zero size shared memory zone \"{}\"", zone.name))),
    }
}

/// The peers of a `server` line: one for each address of its host.
fn server(directive: &Directive, method: &Method) -> Outcome<Vec<Peer>> {
    let server = directive.arg(0);
    let addresses = values::upstream(directive, server)?;
    let mut peers: Vec<_> = addresses.into_iter().map(|address| Peer::new(address, server)).collect();
    for parameter in &directive.args[1..] {
        let invalid = || directive.error(format_args!("invalid parameter \"{parameter}\""));
        let count = |text| values::digits(text).and_then(|n| u32::try_from(n).ok()).ok_or_else(invalid);
        for peer in &mut peers {
            match parameter.split_once('=') {
                None if parameter == "down" => peer.down = true,
                None if parameter == "backup" && !method.takes_backups() => {
                    return Err(directive
                        .error(format_args!("balancing method does not support parameter \"{parameter}\"")));
                }
                None if parameter == "backup" => peer.backup = true,
                Some(("weight", text)) => {
                    peer.weight = count(text).ok().filter(|&n| n > 0).ok_or_else(invalid)?;
                }
                Some(("max_fails", text)) => peer.max_fails = count(text)?,
                Some(("max_conns", text)) => peer.max_conns = count(text)?,
                Some(("fail_timeout", text)) => {
                    peer.fail_timeout = values::parse_time(text).ok_or_else(invalid)?;
                }
                _ => return Err(invalid()),
            }
        }
    }
    Ok(peers)
}

fn hash(directive: &Directive, scope: &Scope<'_>) -> Outcome<Method> {
    let key = scope.template(directive, directive.arg(0))?;
    match directive.args.get(1).map(String::as_str) {
        None => Ok(Method::Hash { key, consistent: false }),
        Some("consistent") => Ok(Method::Hash { key, consistent: true }),
        Some(other) => Err(directive.error(format_args!("invalid parameter \"{other}\""))),
    }
}

fn zone(directive: &Directive, earlier: &[Upstream]) -> Outcome<Zone> {
    let name = directive.arg(0);
    if name.is_empty() {
        return Err(directive.error("invalid zone name \"\""));
    }
    let size = match directive.args.get(1) {
        None => 0,
        Some(text) => match values::size(directive, text) {
            Err(_) => return Err(directive.error(format_args!("invalid zone size \"{text}\""))),
            Ok(size) if size < LEAST_ZONE => {
                return Err(directive.error(format_args!("zone \"{name}\" is too small")));
            }
            Ok(size) => size,
        },
    };
    let mut known = earlier.iter().filter_map(|upstream| upstream.zone.as_ref());
    if let Some(other) = known.rfind(|zone| zone.name == name && zone.size != 0)
        && size != 0
        && size != other.size
    {
        return Err(directive.error(format_args!(
            "the size {size} of shared memory zone \"{name}\" conflicts with already declared size {}",
            other.size
        )));
    }
    Ok(Zone { name: name.to_owned(), size })
}

/// `off`, or a percentage of the requests, with `floor=` retries in each second beside it.
fn retry_budget(directive: &Directive) -> Outcome<Option<RetryBudget>> {
    /// That of Finagle's `RetryBudget`.
    const FLOOR: u32 = 10;
    let first = directive.arg(0);
    if first == "off" && directive.args.len() == 1 {
        return Ok(None);
    }
    let invalid = |text: &str| directive.error(format_args!("invalid parameter \"{text}\""));
    let percent = first.strip_suffix('%').and_then(values::digits).filter(|percent| *percent <= 1000);
    let percent = percent.and_then(|n| u32::try_from(n).ok()).ok_or_else(|| invalid(first))?;
    let floor = match directive.args.get(1) {
        None => FLOOR,
        Some(text) => text
            .strip_prefix("floor=")
            .and_then(values::digits)
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| invalid(text))?,
    };
    Ok(Some(RetryBudget { percent, floor }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::config::Config;
    use std::path::Path;

    fn parse(http: &str) -> Outcome<Config> {
        Config::parse("f", &format!("events {{}} http {{ {http} }}"), Path::new("/"))
    }

    #[test]
    fn a_group_is_read_whole() {
        let config = parse(
            "upstream u { zone z; server 127.0.0.1:9 weight=2 max_fails=0 fail_timeout=3s max_conns=5 down; \
             server 127.0.0.1:8 backup; server 127.0.0.1; hash $host consistent; zone z 32k; keepalive 4; \
             target_stack_retry_budget 15%; } upstream v { least_conn; server 127.0.0.1; target_stack_retry_budget off; } \
             upstream w { ip_hash; server 127.0.0.1; target_stack_retry_budget 0% floor=3; }",
        );
        let upstreams = config.expect("a valid configuration").upstreams;
        let [u, v, w] = upstreams.as_slice() else { panic!("three groups in {upstreams:?}") };
        let peers: Vec<_> = u.peers.iter().map(|p| (&*p.name, &*p.server, p.max_conns, p.backup)).collect();
        let want = [
            ("127.0.0.1:9", "127.0.0.1:9", 5, false),
            ("127.0.0.1:8", "127.0.0.1:8", 0, true),
            ("127.0.0.1:80", "127.0.0.1", 0, false),
        ];
        assert_eq!(peers, want);
        assert!(matches!(u.method, Method::Hash { consistent: true, .. }));
        assert_eq!((&v.method, &w.method), (&Method::LeastConn, &Method::IpHash));
        let budget = |percent, floor| Some(RetryBudget { percent, floor });
        assert_eq!([u, v, w].map(|group| group.retry_budget), [budget(15, 10), None, budget(0, 3)]);
        assert_eq!((u.keepalive, v.keepalive), (4, 32));
    }

    #[test]
    fn errors_are_those_of_nginx() {
        // The wording was compared with nginx 1.22, but for what is marked as ours.
        for (inside, want) in [
            ("server 127.0.0.1:80 max_conns=x;", "invalid parameter \"max_conns=x\""),
            ("server 127.0.0.1:80 max_conns=-1;", "invalid parameter \"max_conns=-1\""),
            ("server 127.0.0.1:80 slow_start=1s;", "invalid parameter \"slow_start=1s\""),
            ("server 127.0.0.1:80 backup;", "no servers in upstream \"a\""),
            (
                "ip_hash; server 127.0.0.1:80 backup;",
                "balancing method does not support parameter \"backup\"",
            ),
            (
                "hash $uri; server 127.0.0.1:80 backup;",
                "balancing method does not support parameter \"backup\"",
            ),
            ("hash; server 127.0.0.1;", "invalid number of arguments in \"hash\" directive"),
            ("hash $uri foo; server 127.0.0.1;", "invalid parameter \"foo\""),
            ("hash $nope; server 127.0.0.1;", "unknown \"nope\" variable"),
            ("least_conn x; server 127.0.0.1;", "invalid number of arguments in \"least_conn\" directive"),
            ("ip_hash x; server 127.0.0.1;", "invalid number of arguments in \"ip_hash\" directive"),
            ("zone; server 127.0.0.1;", "invalid number of arguments in \"zone\" directive"),
            ("zone a 1k; server 127.0.0.1;", "zone \"a\" is too small"),
            ("zone a x; server 127.0.0.1;", "invalid zone size \"x\""),
            ("zone '' 64k; server 127.0.0.1;", "invalid zone name \"\""),
            ("server 127.0.0.1; keepalive x;", "invalid value \"x\" in \"keepalive\" directive"),
            ("server 127.0.0.1; keepalive_timeout x;", "\"keepalive_timeout\" directive invalid value"),
            // Ours.
            ("target_stack_retry_budget 20; server 127.0.0.1;", "invalid parameter \"20\""),
            ("target_stack_retry_budget 20% x=1; server 127.0.0.1;", "invalid parameter \"x=1\""),
        ] {
            let error = parse(&format!("upstream a {{ {inside} }}")).expect_err(inside);
            assert_eq!(error.message, format!("[emerg] {want} in f:1"), "{inside}");
        }
        let zones =
            "upstream a { zone z 64k; server 127.0.0.1; } upstream b { zone z 128k; server 127.0.0.1; }";
        assert_eq!(
            parse(zones).expect_err("two sizes").message,
            "[emerg] the size 131072 of shared memory zone \"z\" conflicts with already declared size 65536 in f:1"
        );
        assert_eq!(
            parse("upstream a { zone z; server 127.0.0.1; }").expect_err("no size").message,
            "[emerg] zero size shared memory zone \"z\""
        );
        assert!(parse(&zones.replace(" 128k", "")).is_ok(), "one size is enough");
        let twice = "upstream a { least_conn; ip_hash; server 127.0.0.1; }";
        let warned = parse(twice).expect("a warning").warnings;
        assert_eq!(warned, ["[warn] load balancing method redefined in f:1"]);
        let order = "upstream a { server 127.0.0.1; server 127.0.0.1:81 backup; hash $uri; }";
        assert!(parse(order).is_ok(), "the method is not known yet");
    }
}
