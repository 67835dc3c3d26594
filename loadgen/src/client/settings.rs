//! Which client library a run uses, and how: what the options about connections mean together, and whether the target
//! speaks what was asked for. It reads the files that the user names, and opens one connection, before the run.

use super::agent;
use super::fault::in_words;
use super::socket::{self, Stream, Traffic};
use super::tls::{self, Tls};
use super::{fault::Fault, http2};
use crate::cli::{LoadArgs, Transport};
use crate::failure::{Failure, Outcome};
use crate::pace;
use crate::plan::ConnectTo;
use crate::transport::address::Address;
use crate::transport::reach::LIMIT;
use http::Uri;
use http::uri::Scheme;
use reports::record::Wire;
use std::net::IpAddr;
use std::rc::Rc;

/// Streams of an HTTP/2 connection, unless it is said how many.
const STREAMS: usize = 100;
/// Redirects that reqwest follows, unless it is said how many.
const REDIRECTS: usize = 10;
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// A client library and its settings.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Whether HTTP/2 is spoken, and nothing else.
    pub(super) http2: bool,
    /// Requests that a connection carries at once.
    pub(super) streams: usize,
    /// `None`: in the clear.
    pub(super) tls: Option<Tls>,
    /// Requests that a connection carries before it is closed.
    pub(super) requests_per_connection: Option<u64>,
    /// Local addresses, used in turn.
    pub(super) sources: Vec<IpAddr>,
    /// reqwest; `None`: hyper.
    pub(super) agent: Option<agent::Options>,
    /// The scheme and the authority of the URL.
    pub(super) base: Uri,
    /// Its host.
    pub(super) host: String,
}

impl Settings {
    /// What the options say; `None`: the raw transport.
    ///
    /// # Errors
    /// Wrong use, in one line.
    pub(crate) fn of(args: &LoadArgs, url: Option<&Uri>) -> Outcome<Option<Self>> {
        let safe = url.is_some_and(|url| url.scheme_str() == Some("https"));
        let transport = match args.transport {
            None if safe || args.http2 => Transport::Hyper,
            None => Transport::Raw,
            Some(Transport::Raw) if safe || args.http2 => {
                return Err(Failure::usage(
                    "--transport raw speaks HTTP/1.1 in the clear only: leave it out for https:// and --http2",
                ));
            }
            Some(transport) => transport,
        };
        check(args, transport, safe, url)?;
        if transport == Transport::Raw {
            return Ok(None);
        }
        let agent = (transport == Transport::Reqwest).then(|| agent::Options {
            redirects: args.max_redirects.unwrap_or(REDIRECTS),
            proxy: args.proxy.clone(),
        });
        let authority = url.and_then(Uri::authority).map(|authority| authority.as_str()).unwrap_or_default();
        let host = url.and_then(Uri::host).unwrap_or_default();
        Ok(Some(Self {
            http2: args.http2,
            streams: if args.http2 && agent.is_none() { args.streams.unwrap_or(STREAMS) } else { 1 },
            // A client that follows redirects may come to a https:// of somebody else's.
            tls: (safe || agent.is_some()).then(|| safety(args, host, agent.is_some())).transpose()?,
            requests_per_connection: args.requests_per_connection(),
            sources: args.source_ips.clone(),
            agent,
            base: format!("{}://{authority}/", if safe { "https" } else { "http" })
                .parse()
                .map_err(|e| Failure::usage(format!("`{authority}` is no host: {e}")))?,
            host: host.to_owned(),
        }))
    }

    /// The URL to connect to, where it is another than the target's.
    pub(crate) fn proxy(&self) -> Option<&Uri> {
        self.agent.as_ref()?.proxy.as_ref()
    }

    /// Whether a slot can go on after its request has failed.
    pub(super) fn shares_connections(&self) -> bool {
        self.http2 || self.agent.is_some()
    }

    fn is_safe(&self) -> bool {
        self.base.scheme() == Some(&Scheme::HTTPS)
    }
}

fn safety(args: &LoadArgs, host: &str, agent: bool) -> Outcome<Tls> {
    let protocols: &[&[u8]] = match (args.http2, agent) {
        (true, _) => &[HTTP2],
        // What is measured is what was asked for.
        (false, false) => &[HTTP1],
        // An application's client takes what it can get.
        (false, true) => &[HTTP2, HTTP1],
    };
    let options = tls::Options {
        cacert: args.cacert.as_deref(),
        identity: args.cert.as_deref().zip(args.key.as_deref()),
        insecure: args.insecure,
    };
    Tls::new(options, host, protocols)
}

/// An option that would do nothing is a mistake.
fn check(args: &LoadArgs, transport: Transport, safe: bool, url: Option<&Uri>) -> Outcome {
    let agent = transport == Transport::Reqwest;
    let about_tls = args.insecure || args.cacert.is_some() || args.cert.is_some();
    let why = if url.is_none() && (args.http2 || agent) {
        "--http2 and --transport reqwest need a URL"
    } else if !agent && (args.proxy.is_some() || args.max_redirects.is_some()) {
        "--proxy and --max-redirects need --transport reqwest: the other transports do neither"
    } else if !agent && !safe && about_tls {
        "--insecure, --cacert and --cert need a URL with https://"
    } else if args.streams.is_some() && (!args.http2 || agent) {
        "--streams needs --http2, and --transport hyper: HTTP/1.1 has one request on a connection at a time"
    } else if agent && args.requests_per_connection().is_some_and(|n| n > 1) {
        "--max-requests-per-connection cannot be used with --transport reqwest, which counts no requests; \
         --no-keepalive can"
    } else if agent && args.proxy.is_some() && args.unix_socket.is_some() {
        "--unix-socket and --proxy are two ways: give one"
    } else if agent && url.is_some_and(|url| args.connect_to.iter().any(|to| is_beyond_reqwest(to, url))) {
        "--connect-to can give a name another address with --transport reqwest, but neither an address another one, nor \
         another port than the URL's"
    } else {
        return Ok(());
    };
    Err(Failure::usage(why))
}

/// reqwest asks nobody for an address that is one, and goes to the port that the URL names whatever it is told.
fn is_beyond_reqwest(to: &ConnectTo, url: &Uri) -> bool {
    to.host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || url.port().is_some() && to.address.port() != to.port
}

/// Opens a connection as the run will; gives what was agreed on, or why it cannot be had. A target that takes the connection
/// and then says nothing is not waited for.
pub(crate) async fn reach(settings: &Settings, address: &Address) -> Result<Wire, String> {
    let agreed = pace::within(LIMIT, agree(settings, address)).await;
    agreed.unwrap_or_else(|| {
        Err(format!("it was not ready for a request within {LIMIT:?}: it may speak neither TLS nor HTTP/2"))
    })
}

async fn agree(settings: &Settings, address: &Address) -> Result<Wire, String> {
    // What a proxy will make of it, the first call shows.
    let tls = settings.tls.as_ref().filter(|_| settings.is_safe() && settings.proxy().is_none());
    let stream = socket::open(address, &settings.sources, tls, 0, Rc::new(Traffic::default())).await;
    let stream = stream.map_err(|Fault { why, .. }| {
        let is_its_own = why.contains("certificate") && !why.contains("--cert");
        let hint = if is_its_own { " (--cacert FILE trusts another, --insecure any)" } else { "" };
        format!("{why}{hint}")
    })?;
    let (protocol, version) = stream.agreed();
    let protocol = protocol.map(<[u8]>::to_vec);
    let http2 = settings.http2 || protocol.as_deref() == Some(HTTP2);
    if settings.http2 {
        speaks_http2(stream, protocol.as_deref()).await?;
    }
    Ok(Wire {
        transport: String::from(if settings.agent.is_some() { "reqwest" } else { "hyper" }),
        protocol: String::from(if http2 { "HTTP/2" } else { "HTTP/1.1" }),
        tls: version,
        streams_per_connection: settings.streams,
    })
}

/// Sends a ping, and waits for what only HTTP/2 answers.
async fn speaks_http2(stream: Stream, agreed: Option<&[u8]>) -> Result<(), String> {
    let (safe, fault) = (stream.is_safe(), stream.fault());
    if safe && agreed != Some(HTTP2) {
        return Err(String::from("it does not offer HTTP/2 (no ALPN of h2): leave --http2 out"));
    }
    let answered = match http2::open(stream, 1).await {
        Ok((_line, driver)) => driver.ping().await,
        Err(Fault { why, .. }) => Err(why),
    };
    answered.map_err(|why| match fault.borrow().clone() {
        Some(why) => why,
        None => format!("it does not speak HTTP/2: {why}"),
    })
}

/// What a user's URL of a proxy is.
///
/// # Errors
/// When it is none.
pub(crate) fn proxy(text: &str) -> Result<Uri, String> {
    let hint = |why: String| format!("`{text}` is no proxy{why}; write http://HOST:PORT");
    let uri: Uri = text.parse().map_err(|e| hint(format!(" ({})", in_words(&e))))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    if known && uri.host().is_some_and(|host| !host.is_empty()) { Ok(uri) } else { Err(hint(String::new())) }
}
