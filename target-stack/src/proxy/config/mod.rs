//! The configuration: what the proxy is told to do, typed and valid. Given a file, it gives a [`Config`] or nginx's
//! error; the rooms below read grammar ([`lexer`], [`tree`]), rules ([`rules`]), values and blocks. After this
//! room nothing of the proxy sees a directive again.

mod build;
mod lexer;
mod patience;
mod rules;
mod server;
mod settings;
mod source;
mod tls;
mod tree;
mod upstream;
mod values;

pub(crate) use patience::Patience;
pub(crate) use settings::{AccessLog, ProxySettings, Settings};
pub(crate) use source::Source;
pub(crate) use upstream::{Peer, Upstream};

use super::location::Location;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::ServerConfig;

/// All that one configuration file says.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) workers: usize,
    /// The most connections, to clients and to upstreams, of one worker.
    pub(crate) connections: usize,
    pub(crate) pid: Option<PathBuf>,
    /// It goes to the background.
    pub(crate) daemon: bool,
    /// How long workers may take to leave; without limit when not said.
    pub(crate) shutdown_timeout: Option<Duration>,
    /// Where errors are logged; standard error when not said.
    pub(crate) error_log: Option<PathBuf>,
    /// The least level that is logged, one of nginx's.
    pub(crate) error_level: &'static str,
    /// At least one unless there is no `server`.
    pub(crate) ports: Vec<Port>,
    pub(crate) servers: Vec<Server>,
    pub(crate) upstreams: Vec<Upstream>,
    /// The files of all access logs, each once.
    pub(crate) log_files: Vec<PathBuf>,
}

/// An address that is listened on.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    /// Connections that may wait to be accepted, for each worker.
    pub(crate) backlog: i32,
    /// TLS is spoken there.
    pub(crate) ssl: bool,
    /// The servers that share it, as indices.
    pub(crate) servers: Vec<usize>,
    /// The one that answers for unknown names, as an index of [`Config::servers`].
    pub(crate) default: usize,
}

/// A virtual server.
#[derive(Debug)]
pub(crate) struct Server {
    /// In lower case, the first one is `$server_name`.
    pub(crate) names: Vec<String>,
    pub(crate) locations: Vec<Location>,
    /// What answers where no location matches.
    pub(crate) fallback: Location,
    /// It answers everything, before any location is chosen: `return` beside the locations.
    pub(crate) always: bool,
    /// How it shakes hands, where it has a certificate.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Server {
    /// `$server_name`.
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

impl Config {
    /// Reads the text of a configuration that came from `file`.
    #[cfg(test)]
    pub(crate) fn parse(file: &str, text: &str, prefix: &std::path::Path) -> crate::failure::Outcome<Self> {
        let dir = std::path::Path::new(file).parent().unwrap_or(prefix);
        build::build(&tree::parse(file, text)?, prefix, dir)
    }

    /// The server of `port` for the host name `host`, in lower case, as an index.
    pub(crate) fn server_for(&self, port: &Port, host: &str) -> usize {
        let named = |&&index: &&usize| self.servers[index].names.iter().any(|name| name == host);
        match port.servers.as_slice() {
            [only] => *only,
            several => several.iter().find(named).copied().unwrap_or(port.default),
        }
    }
}

/// An error of the system as nginx writes it: `98: Address already in use`.
pub(crate) fn os_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => format!("{code}: {}", text.split(" (os error").next().unwrap_or_default()),
        None => text,
    }
}

/// A host name without its port.
pub(crate) fn without_port(authority: &str) -> &str {
    let (host, port) = values::split_port(authority);
    if port.is_some_and(|port| values::digits(port).is_some()) { host } else { authority }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Outcome;
    use crate::proxy::guard::Limits;
    use std::path::Path;

    fn parse(text: &str) -> Outcome<Config> {
        Config::parse("f", text, Path::new("/prefix"))
    }

    #[test]
    fn errors_are_those_of_nginx() {
        // The wording was compared with nginx 1.22, but for what is marked as ours.
        let server = |inside: &str| format!("events {{}} http {{ server {{ listen 80; {inside} }} }}");
        let location = |inside: &str| server(&format!("location / {{ {inside} }}"));
        let upstream = |inside: &str| format!("events {{}} http {{ upstream a {{ {inside} }} }}");
        let http = |inside: &str| format!("events {{}} http {{ {inside} }}");
        let rows = [
            (http("foo 1;"), "unknown directive \"foo\""),
            ("listen 80; events {}".to_owned(), "\"listen\" directive is not allowed here"),
            (server("server_name;"), "invalid number of arguments in \"server_name\" directive"),
            ("events;".to_owned(), "directive \"events\" has no opening \"{\""),
            (http("sendfile on {}"), "directive \"sendfile\" is not terminated by \";\""),
            ("events {} events {}".to_owned(), "\"events\" directive is duplicate"),
            ("events {} pid a; pid b;".to_owned(), "\"pid\" directive is duplicate"),
            ("worker_processes x; events {}".to_owned(), "\"worker_processes\" directive invalid value"),
            ("events { worker_connections x; }".to_owned(), "invalid number \"x\""),
            ("events {} error_log x nope;".to_owned(), "invalid log level \"nope\""),
            (
                http("sendfile maybe;"),
                "invalid value \"maybe\" in \"sendfile\" directive, it must be \"on\" or \"off\"",
            ),
            (
                "events {} daemon x;".to_owned(),
                "invalid value \"x\" in \"daemon\" directive, it must be \"on\" or \"off\"",
            ),
            (
                "events {} worker_shutdown_timeout 1q;".to_owned(),
                "\"worker_shutdown_timeout\" directive invalid value",
            ),
            (http("keepalive_timeout 1q;"), "\"keepalive_timeout\" directive invalid value"),
            (http("keepalive_timeout 1 1q;"), "\"keepalive_timeout\" directive invalid value"),
            (http("client_header_timeout x;"), "\"client_header_timeout\" directive invalid value"),
            (location("client_header_timeout 1;"), "\"client_header_timeout\" directive is not allowed here"),
            (location("send_timeout 1 1;"), "invalid number of arguments in \"send_timeout\" directive"),
            (http("keepalive_requests x;"), "\"keepalive_requests\" directive invalid number"),
            (http("access_log x combined buffer=8k;"), "invalid parameter \"buffer=8k\""),
            (http("client_max_body_size 1q;"), "\"client_max_body_size\" directive invalid value"),
            (http("client_header_buffer_size 0;"), "\"client_header_buffer_size\" directive invalid value"),
            (
                http("large_client_header_buffers 0 8k;"),
                "\"large_client_header_buffers\" directive invalid value",
            ),
            (
                http("large_client_header_buffers 4 0;"),
                "\"large_client_header_buffers\" directive invalid value",
            ),
            (http("access_log x nope;"), "unknown log format \"nope\""),
            (http("log_format a x; log_format a y;"), "duplicate \"log_format\" name \"a\""),
            (upstream(""), "no servers are inside upstream"),
            (upstream("server 127.0.0.1:80 wei=1;"), "invalid parameter \"wei=1\""),
            (upstream("server 127.0.0.1:80 weight=x;"), "invalid parameter \"weight=x\""),
            (upstream("server 127.0.0.1:99999;"), "invalid port in upstream \"127.0.0.1:99999\""),
            (upstream("server nope.invalid:80;"), "host not found in upstream \"nope.invalid:80\""),
            (upstream("server 127.0.0.1; keepalive 0;"), "invalid value \"0\" in \"keepalive\" directive"),
            (
                http("upstream a {server 127.0.0.1;} upstream a {server 127.0.0.1;}"),
                "duplicate upstream \"a\"",
            ),
            (server("listen 99999;"), "invalid port in \"99999\" of the \"listen\" directive"),
            (server("listen x:80;"), "host not found in \"x:80\" of the \"listen\" directive"),
            (server("listen 80 foo;"), "invalid parameter \"foo\""),
            (server("listen 81 backlog=x;"), "invalid backlog \"backlog=x\""),
            (server("listen 80;"), "a duplicate listen 0.0.0.0:80"),
            (server("location /a {} location /a {}"), "duplicate location \"/a\""),
            (server("location x / {}"), "invalid location modifier \"x\""),
            (location("return abc;"), "invalid return code \"abc\""),
            (location("return 200 $nope;"), "unknown \"nope\" variable"),
            (location("proxy_set_header a '${foo';"), "the closing bracket in \"foo\" variable is missing"),
            (location("proxy_next_upstream foo;"), "invalid value \"foo\""),
            (location("proxy_http_version 2;"), "invalid value \"2\""),
            (location("proxy_pass ftp://x;"), "invalid URL prefix"),
            (location("proxy_pass http://127.0.0.1:0;"), "invalid port in upstream \"127.0.0.1:0\""),
            (
                location("proxy_pass http://127.0.0.1; proxy_pass http://127.0.0.1;"),
                "\"proxy_pass\" directive is duplicate",
            ),
            (
                http("upstream a {server 127.0.0.1;} server { location / { proxy_pass http://a:80; } }"),
                "upstream \"a\" may not have port 80",
            ),
            // Ours: what nginx can and we cannot, yet.
            (server("location ~ x {}"), "locations by regular expression are not supported"),
        ];
        for (text, want) in rows {
            let error = parse(&text).expect_err(&text);
            assert_eq!((error.code, error.message), (1, format!("[emerg] {want} in f:1")), "{text}");
        }
        let error = parse("http {}").expect_err("no events");
        assert_eq!(error.message, "[emerg] no \"events\" section in configuration");
    }

    #[test]
    fn settings_are_handed_down_and_replaced() {
        let text = "events { worker_connections 7; } worker_processes 3; pid run/p; http {
            server { listen 81; server_name A b; proxy_read_timeout 5s; location /x { proxy_set_header B 2; proxy_pass http://u/y/; } }
            server { listen 81 default_server; server_name c; location /z { proxy_pass http://127.0.0.1:9000; } }
            proxy_set_header A 1; keepalive_timeout 10 20; access_log off;
            client_header_buffer_size 2k; large_client_header_buffers 3 16k;
            upstream u { server 127.0.0.1:9 weight=2 max_fails=0 fail_timeout=3s down; server 127.0.0.1:8; keepalive 4; } }";
        let config = parse(text).expect("a valid configuration");
        assert_eq!((config.workers, config.connections), (3, 7));
        assert_eq!(config.pid.as_deref(), Some(Path::new("/prefix/run/p")));
        let [port] = config.ports.as_slice() else { panic!("one port in {config:?}") };
        assert_eq!((port.servers.as_slice(), port.default), (&[0, 1][..], 1));
        assert_eq!(
            [config.server_for(port, "a"), config.server_for(port, "b"), config.server_for(port, "x")],
            [0, 0, 1]
        );

        let of = |server: usize| &config.servers[server].locations[0].settings;
        let names =
            |server: usize| of(server).proxy.set_headers.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>();
        assert_eq!((names(0), names(1)), (vec!["b"], vec!["a"]));
        assert_eq!([of(0).proxy.read_timeout.as_secs(), of(1).proxy.read_timeout.as_secs()], [5, 60]);
        assert_eq!((of(0).patience.keepalive.as_secs(), of(0).patience.told), (10, Some(20)));
        assert_eq!(of(0).heads, Limits { first: 2 << 10, number: 3, size: 16 << 10 });

        let [first, second] = config.upstreams.as_slice() else { panic!("two upstreams in {config:?}") };
        assert_eq!((first.keepalive, second.keepalive, second.name.as_str()), (4, 32, "127.0.0.1:9000"));
        let peer = &first.peers[0];
        assert_eq!((peer.weight, peer.max_fails, peer.fail_timeout.as_secs(), peer.down), (2, 0, 3, true));
        assert_eq!((first.peers[1].weight, first.peers[1].max_fails), (1, 1));
    }

    #[test]
    fn an_error_names_its_line() {
        let error = parse("events {}\nhttp {\n  server {\n    nope;\n  }\n}\n").expect_err("a bad directive");
        assert_eq!(error.message, "[emerg] unknown directive \"nope\" in f:4");
    }
}
