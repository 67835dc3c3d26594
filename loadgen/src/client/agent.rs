//! reqwest, a client as applications use it: it keeps its own connections, follows redirects, keeps cookies, goes through
//! proxies and decompresses. Given the requests of a run, it makes each call and throws the body away as it comes.

use super::fault::{Ended, Fault, in_words};
use super::settings::Settings;
use crate::job::Job;
use crate::request::{Form, Requests};
use crate::transport::address::Address;
use http::Uri;
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

/// A client, and the calls that are made with it.
#[derive(Debug)]
pub(super) struct Agent {
    client: Client,
    calls: Vec<Request>,
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
        let count = job.requests.count();
        let calls = (0..count).map(|n| call(settings, &job.requests, n)).collect::<Result<_, _>>()?;
        Ok(Rc::new(Agent { client, calls }))
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

fn call(settings: &Settings, requests: &Requests, n: usize) -> Result<Request, String> {
    let (head, body) = requests.nth(n, Form::Path).into_parts();
    let url = Url::parse(&format!("{}{}", settings.base, head.uri)).map_err(|e| in_words(&e))?;
    let mut call = Request::new(head.method, url);
    // Whose host it is, the URL says, also after a redirect.
    *call.headers_mut() = requests.nth(n, Form::Stream).headers().clone();
    if requests.names_another_host()
        && let Some(host) = head.headers.get(http::header::HOST)
    {
        call.headers_mut().insert(http::header::HOST, host.clone());
    }
    if !body.is_empty() {
        *call.body_mut() = Some(Body::from(body));
    }
    Ok(call)
}

impl Line {
    pub(super) fn new(agent: Rc<Agent>) -> Self {
        Self { agent }
    }

    /// Makes the call of the arrival with this index, and waits for the end of its answer.
    pub(super) async fn ask(&mut self, requests: &Requests, index: u64) -> Ended {
        let Agent { client, calls } = &*self.agent;
        // A body of bytes can be sent any number of times.
        let Some(call) = calls[requests.which(index)].try_clone() else {
            let why = String::from("the request cannot be sent twice");
            return Ended::Fault(Fault { kind: reports::outcome::ErrorKind::Protocol, why, errno: None });
        };
        match whole(client, call).await {
            Ok(status) => Ended::Answer(status),
            Err(e) => Ended::Fault(Fault::reqwest(&e)),
        }
    }
}

async fn whole(client: &Client, call: Request) -> reqwest::Result<u16> {
    let mut answer = client.execute(call).await?;
    while answer.chunk().await?.is_some() {}
    Ok(answer.status().as_u16())
}
