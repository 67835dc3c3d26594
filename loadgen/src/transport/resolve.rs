//! From a URL to addresses before the run: by the user's word, by a name server, or by the system. One question to a
//! name server ends within a bounded time; when to ask again is `names`' business.

use crate::failure::{Failure, Outcome};
use crate::pace;
use crate::plan::Route;
use crate::transport::address::Address;
use crate::transport::names::Names;
use hickory_resolver::Resolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use http::Uri;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long one question may take in all.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a name server has for each datagram, of which it gets two: a lost one costs no failure.
const DATAGRAM_LIMIT: Duration = Duration::from_secs(2);

/// Who is asked for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// A name server.
    At(SocketAddr),
    /// What the system is set up with. It does not say how long an answer holds (getaddrinfo(3)).
    System,
}

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// In the order in which they came, each once.
    pub(crate) ips: Vec<IpAddr>,
    /// For how many seconds they hold: the least of the records, where that is known.
    pub(crate) ttl_s: Option<u32>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::System => f.write_str("system"),
        }
    }
}

/// The addresses of `url`'s host, on `url`'s port.
///
/// # Errors
/// The target's fault: its name has no address.
pub(crate) async fn resolve(url: &Uri, route: &Route) -> Outcome<Address> {
    if let Some(path) = &route.unix_socket {
        return Ok(Address::Unix(path.clone()));
    }
    let (server, host, port) = match way(url, route) {
        Way::Known(address) => return Ok(Address::Tcp(Names::fixed(vec![address]))),
        Way::Ask { server, host, port } => (server, host, port),
    };
    let asked = match server {
        Server::At(address) => format!("the name server {address}"),
        Server::System => String::from("the system's resolver (another: --resolver IP:PORT)"),
    };
    let names = Names::ask(server, host, port).await;
    names.map(Address::Tcp).map_err(|e| Failure::target(format!("{asked} has no address of {host}: {e}")))
}

/// How a host becomes an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way<'a> {
    /// It is one, or the user has said which.
    Known(SocketAddr),
    /// By asking `server` for `host`, to connect to `port`.
    Ask { server: Server, host: &'a str, port: u16 },
}

/// How the host of `url` does.
pub(crate) fn way<'a>(url: &'a Uri, route: &Route) -> Way<'a> {
    let host = url.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    let elsewhere = route.connect_to.iter().find(|to| to.port == port && to.host.eq_ignore_ascii_case(host));
    if let Some(to) = elsewhere {
        return Way::Known(to.address);
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Way::Known(SocketAddr::new(ip, port));
    }
    Way::Ask { server: route.resolver.map_or(Server::System, Server::At), host, port }
}

/// Asks once.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn ask(server: Server, host: &str) -> Result<Answer, String> {
    Asker::new(server)?.ask(host).await
}

/// A name server, or the system where there is none, ready to be asked: what making a client takes is no part of the question.
pub(crate) struct Asker(Option<Resolver<TokioRuntimeProvider>>);

impl Asker {
    /// One that has not been asked for anything.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn new(server: Server) -> Result<Self, String> {
        match server {
            Server::At(address) => client_of(address).map(|client| Self(Some(client))),
            Server::System => Ok(Self(None)),
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn ask(&self, host: &str) -> Result<Answer, String> {
        let question = async {
            match &self.0 {
                Some(client) => ask_server(client, host).await,
                None => ask_system(host).await,
            }
        };
        pace::within(LIMIT, question).await.unwrap_or_else(|| Err(format!("no answer within {LIMIT:?}")))
    }
}

/// A client of a name server, of its own for each question: none is answered from a cache.
fn client_of(server: SocketAddr) -> Result<Resolver<TokioRuntimeProvider>, String> {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.into());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut options = ResolverOpts::default();
    options.timeout = DATAGRAM_LIMIT;
    options.attempts = 1;
    // What this server says, and not what is in a file of this machine.
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(|e| e.to_string())
}

async fn ask_server(client: &Resolver<TokioRuntimeProvider>, host: &str) -> Result<Answer, String> {
    // A trailing dot: the name as it stands, without search domains.
    let lookup =
        client.lookup_ip(format!("{}.", host.trim_end_matches('.'))).await.map_err(|e| e.to_string())?;
    let ttl_s = lookup.as_lookup().answers().iter().map(|record| record.ttl).min();
    Ok(Answer { ips: distinct(lookup.iter()), ttl_s })
}

async fn ask_system(host: &str) -> Result<Answer, String> {
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|e| e.to_string())?;
    Ok(Answer { ips: distinct(found.map(|address| address.ip())), ttl_s: None })
}

fn distinct(all: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut ips = Vec::new();
    for ip in all {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    ips
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    async fn tcp(url: &'static str, route: &Route) -> Vec<String> {
        match resolve(&Uri::from_static(url), route).await {
            Ok(Address::Tcp(names)) => names.addresses().iter().map(SocketAddr::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn addresses_are_taken_as_they_stand_and_names_where_the_user_says() {
        let route = Route {
            connect_to: vec![plan::connect_to("shop.test:80:127.0.0.9:81").unwrap()],
            ..Route::default()
        };
        assert_eq!(tcp("http://127.0.0.1:8080/x", &route).await, ["127.0.0.1:8080"]);
        assert_eq!(tcp("http://[::1]/", &route).await, ["[::1]:80"]);
        assert_eq!(tcp("https://127.0.0.1/", &route).await, ["127.0.0.1:443"]);
        assert_eq!(tcp("http://Shop.Test/", &route).await, ["127.0.0.9:81"]);
        assert!(resolve(&Uri::from_static("http://nothing.invalid/"), &route).await.is_err());
    }
}
