//! From a URL to addresses, once and before the run: by the user's word, by a name server, or by the system.

use crate::failure::{Failure, Outcome};
use crate::plan::Route;
use crate::transport::raw::Address;
use hickory_resolver::Resolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use http::Uri;
use std::net::{IpAddr, SocketAddr};

/// The addresses of `url`'s host, on `url`'s port.
///
/// # Errors
/// The target's fault: its name has no address.
pub(crate) async fn resolve(url: &Uri, route: &Route) -> Outcome<Address> {
    if let Some(path) = &route.unix_socket {
        return Ok(Address::Unix(path.clone()));
    }
    let host = url.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    let elsewhere = route.connect_to.iter().find(|to| to.port == port && to.host.eq_ignore_ascii_case(host));
    if let Some(to) = elsewhere {
        return Ok(Address::Tcp(vec![to.address]));
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Address::Tcp(vec![SocketAddr::new(ip, port)]));
    }
    let (found, asked) = match route.resolver {
        Some(server) => (ask(server, host).await, format!("the name server {server}")),
        None => (system(host).await, String::from("the system's resolver (another: --resolver IP:PORT)")),
    };
    let ips = found.map_err(|e| Failure::target(format!("{asked} has no address of {host}: {e}")))?;
    if ips.is_empty() {
        return Err(Failure::target(format!("{asked} has no address of {host}")));
    }
    Ok(Address::Tcp(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()))
}

async fn ask(server: SocketAddr, host: &str) -> Result<Vec<IpAddr>, String> {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let server = NameServerConfig::new(server.ip(), true, connections.into());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        .build()
        .map_err(|e| e.to_string())?;
    // A trailing dot: the name as it stands, without search domains.
    let lookup =
        resolver.lookup_ip(format!("{}.", host.trim_end_matches('.'))).await.map_err(|e| e.to_string())?;
    Ok(lookup.iter().collect())
}

async fn system(host: &str) -> Result<Vec<IpAddr>, String> {
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|e| e.to_string())?;
    let mut ips: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    ips.dedup();
    Ok(ips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    async fn tcp(url: &'static str, route: &Route) -> Vec<String> {
        match resolve(&Uri::from_static(url), route).await {
            Ok(Address::Tcp(all)) => all.iter().map(SocketAddr::to_string).collect(),
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
