//! reqwest, a client as applications use it: it keeps its own connections, follows redirects, keeps cookies, goes through
//! proxies and decompresses. Given the requests of a run, it makes each call and throws the body away as it comes.

use super::fault::{Ended, Fault, in_words};
use super::settings::Settings;
use crate::job::Job;
use crate::transport::address::Address;
use crate::transport::capture::Capture;
use crate::transport::http1::Sink;
use bytes::Bytes;
use http::Uri;
use http::header::HOST;
use reports::outcome::ErrorKind;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, ClientBuilder, Request, Url};
use std::net::IpAddr;
use std::rc::Rc;

/// What is particular to this client.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The most redirects that are followed in one call.
    pub(super) redirects: usize,
    /// What all calls go through.
    pub(super) proxy: Option<Uri>,
}

/// A client, and what its calls have in common.
#[derive(Debug)]
pub(super) struct Agent {
    client: Client,
    base: Uri,
}

/// One call at a time.
pub(super) struct Line {
    agent: Rc<Agent>,
}

/// One client for each source address, or one.
pub(super) fn all(settings: &Settings, job: &Job) -> Result<Vec<Rc<Agent>>, String> {
    let sources: Vec<Option<IpAddr>> = match settings.sources.as_slice() {
        [] => vec![None],
        some => some.iter().copied().map(Some).collect(),
    };
    let agent = |source| {
        let client = client(settings, &job.address, source).map_err(|e| in_words(&e))?;
        Ok(Rc::new(Agent { client, base: settings.base.clone() }))
    };
    sources.into_iter().map(agent).collect()
}

fn client(settings: &Settings, address: &Address, source: Option<IpAddr>) -> reqwest::Result<Client> {
    let mut builder = ClientBuilder::new().cookie_store(true).tcp_nodelay(true).local_address(source);
    builder = match (&settings.agent, address) {
        (Some(Options { redirects, proxy: Some(proxy) }), _) => {
            builder.redirect(Policy::limited(*redirects)).proxy(reqwest::Proxy::all(proxy.to_string())?)
        }
        (Some(Options { redirects, .. }), address) => {
            builder = builder.redirect(Policy::limited(*redirects)).no_proxy();
            match address {
                Address::Tcp(names) => builder.resolve_to_addrs(&settings.host, &names.addresses()),
                Address::Unix(path) => builder.unix_socket(path.as_path()),
            }
        }
        (None, _) => builder,
    };
    if let Some(tls) = &settings.tls {
        builder = builder.tls_backend_preconfigured(tls.config());
    }
    if settings.http2 {
        builder = builder.http2_prior_knowledge();
    }
    if settings.requests_per_connection == Some(1) {
        builder = builder.pool_max_idle_per_host(0);
    }
    builder.build()
}

impl Line {
    pub(super) fn new(agent: Rc<Agent>) -> Self {
        Self { agent }
    }

    /// Makes the call that a request is, and waits for the end of its answer.
    pub(super) async fn ask(&mut self, request: http::Request<Bytes>, kept: &mut Option<Capture>) -> Ended {
        let Agent { client, base } = &*self.agent;
        match call(base, request) {
            Ok(call) => whole(client, call, kept).await.unwrap_or_else(|e| Ended::Fault(Fault::reqwest(&e))),
            Err(why) => Ended::Fault(Fault { kind: ErrorKind::Protocol, why, errno: None }),
        }
    }
}

fn call(base: &Uri, request: http::Request<Bytes>) -> Result<Request, String> {
    let (head, body) = request.into_parts();
    let origin = base.to_string();
    let url = format!("{}{}", origin.trim_end_matches('/'), head.uri);
    let mut call = Request::new(head.method, Url::parse(&url).map_err(|e| in_words(&e))?);
    *call.headers_mut() = head.headers;
    // Whose host it is, the URL says, also after a redirect; unless the user has said otherwise.
    let host = base.authority().map_or("", |authority| authority.as_str());
    if call.headers().get(HOST).is_some_and(|given| given == host) {
        call.headers_mut().remove(HOST);
    }
    if !body.is_empty() {
        *call.body_mut() = Some(Body::from(body));
    }
    Ok(call)
}

async fn whole(client: &Client, call: Request, kept: &mut Option<Capture>) -> reqwest::Result<Ended> {
    let mut answer = client.execute(call).await?;
    kept.iter_mut().for_each(|kept| kept.parsed(answer.headers()));
    while let Some(piece) = answer.chunk().await? {
        kept.iter_mut().for_each(|kept| kept.body(&piece));
    }
    Ok(Ended::Answer(answer.status().as_u16()))
}
