//! The proxy's configuration, in nginx's own language: one text for the proxy here and for the installed nginx. Given what
//! differs from stack to stack, it gives the file's text; it writes nothing.

use crate::caching::Caching;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The website's name.
pub(crate) const HOST: &str = "www.foobar.com";
/// Where nginx says how it is.
pub(crate) const STATUS_PATH: &str = "/stub_status";

/// How long it passes over a server that failed: nginx's default of `fail_timeout`.
pub(crate) const FAIL_TIMEOUT: Duration = Duration::from_secs(10);

/// An app server, as the proxy sees it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: String,
    /// It gets no requests.
    pub(crate) down: bool,
}

/// Which requests are traced, and what is told of those: to the app server, to the client and to the log. nginx counts in seconds, of
/// which `Server-Timing` wants thousandths, so the dot goes; of several tries at servers the last one counts.
pub(crate) const TRACE: &str = r#"
    # A request is traced that brings an id, or by which a browser opens a page. Nothing is told of the others.
    map $http_upgrade_insecure_requests $page {
        1 $request_id;
    }
    map $http_x_request_id $trace {
        "" $page;
        "~^[0-9A-Za-z._:+/=-]{1,128}$" $http_x_request_id;
    }
    map $request_time $proxy_ms {
        "~^(\d+)\.(\d+)$" $1$2;
    }
    map $upstream_header_time $upstream_timing {
        "~(\d+)\.(\d+)$" ", upstream;dur=$1$2";
    }
    map $trace $proxy_timing {
        "" "";
        default "proxy;dur=$proxy_ms$upstream_timing";
    }
    add_header X-Request-ID $trace always;
    add_header Server-Timing $proxy_timing always;
    # Empty, and so not there, where nothing is kept.
    add_header X-Cache-Status $upstream_cache_status;
    log_format trace '$time_iso8601 $trace "$request" $status $request_time '
                     '"$upstream_addr" "$upstream_status" "$upstream_connect_time" "$upstream_header_time" "$upstream_response_time"';
"#;

/// What a stack's proxy is to do.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    /// The stack's directory.
    pub(crate) dir: &'a Path,
    /// The app servers.
    pub(crate) apps: &'a [Server],
    /// How many workers.
    pub(crate) workers: usize,
    /// Where to listen; port 0 is for the proxy here alone.
    pub(crate) listen: SocketAddr,
    /// What is kept of the app's answers.
    pub(crate) caching: &'a Caching,
    /// Directives that name directories for temporary files, each to get one of its own below this one.
    pub(crate) temporary: Option<(&'a Path, &'a [&'a str])>,
}

impl Site<'_> {
    /// The configuration.
    pub(crate) fn configuration(&self) -> String {
        let Self { dir, apps, workers, listen, caching, temporary } = self;
        let (pid, log) = (quoted(&dir.join("proxy.pid")), quoted(&dir.join("access.log")));
        let server = |Server { address, down }: &Server| {
            format!("        server {address}{};\n", if *down { " down" } else { "" })
        };
        let servers: String = apps.iter().map(server).collect();
        let mut paths = String::new();
        for (base, name) in
            temporary.iter().flat_map(|(base, names)| names.iter().map(move |name| (base, name)))
        {
            // Writing to a string cannot fail.
            let _ = writeln!(paths, "    {name} {};", quoted(&base.join(name)));
        }
        let (cache, cached) = (caching.in_http(dir), caching.in_location());
        format!(
            r#"worker_processes {workers};
daemon off;
pid {pid};

events {{
    worker_connections 8192;
}}

http {{
    keepalive_requests 1000000;
{paths}{TRACE}{cache}    access_log {log} trace if=$trace;

    upstream app {{
{servers}        keepalive 64;
        # Shorter than an app server that ends waits for it: none is closed with a request on its way.
        keepalive_timeout 4s;
    }}

    server {{
        # A burst of new connections is not to wait for a repeated SYN.
        listen {listen} backlog=4096;
        server_name {HOST};

        location / {{
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Request-ID $trace;
{cached}        }}

        location = {STATUS_PATH} {{
            stub_status;
        }}
    }}
}}
"#
        )
    }
}

/// In quotes, as a directory may have any name.
pub(crate) fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('\\', r"\\").replace('"', r#"\""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(temporary: Option<(&Path, &[&str])>, port: u16) -> String {
        let apps = [(1, false), (2, false), (3, true)];
        let apps = apps.map(|(n, down)| Server { address: format!("127.0.0.1:{n}"), down });
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        let caching = &Caching::default();
        Site { dir: Path::new("/a \"b"), apps: &apps, workers: 3, listen, caching, temporary }.configuration()
    }

    #[test]
    fn both_proxies_get_the_same_but_for_the_port_and_temporary_files() {
        let (ours, theirs) = (of(None, 0), of(Some((Path::new("/t"), &["proxy_temp_path"])), 8080));
        let differ = |a: &str, b: &str| {
            a.lines()
                .filter(|line| !b.lines().any(|other| other == *line))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(differ(&ours, &theirs), ["        listen 127.0.0.1:0 backlog=4096;"]);
        assert_eq!(
            differ(&theirs, &ours),
            ["    proxy_temp_path \"/t/proxy_temp_path\";", "        listen 127.0.0.1:8080 backlog=4096;"]
        );
    }

    #[test]
    fn what_an_older_nginx_does_otherwise_is_said() {
        let text = of(None, 0);
        for line in [
            "worker_processes 3;",
            "daemon off;",
            r#"pid "/a \"b/proxy.pid";"#,
            "server 127.0.0.1:2;",
            "server 127.0.0.1:3 down;",
            "keepalive 64;",
            "proxy_http_version 1.1;",
            "proxy_set_header Connection \"\";",
            "proxy_set_header X-Request-ID $trace;",
            r#"access_log "/a \"b/access.log" trace if=$trace;"#,
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{line} in {text}");
        }
    }
}
