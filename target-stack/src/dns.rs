//! The zone `foobar.com`. Given the addresses that `www` has, it answers for them over UDP and TCP on one port, and
//! counts its answers. It is authoritative for this zone alone: it never resolves, forwards or transfers.

use crate::failure::{Failure, Outcome};
use crate::{descriptor, metrics, signals};
use hickory_server::Server;
use hickory_server::net::runtime::{Time, TokioRuntimeProvider};
use hickory_server::proto::rr::rdata::{A, NS, SOA};
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};

const ZONE: &str = "foobar.com.";
const SERIAL: u32 = 1;
/// How long a TCP client may stay silent (RFC 7766 section 6.2.3: the order of a few seconds).
const TCP_IDLE: Duration = Duration::from_secs(10);
/// A TCP answer to this zone's questions is far smaller than this.
const TCP_BUFFER: usize = 4096;
/// Port 0 gives a free UDP port, of which the TCP twin may be taken: how often another one is asked for.
const BIND_TRIES: usize = 16;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An address of www.foobar.com; repeatable
    #[arg(long = "address", value_name = "IP", default_value = "127.0.0.1")]
    addresses: Vec<Ipv4Addr>,
    /// How long a resolver may keep an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(..=0x7fff_ffff))]
    ttl: u32,
    /// Where to answer, UDP and TCP; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where to serve Prometheus metrics
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    metrics: SocketAddr,
}

/// Serves the zone until SIGINT or SIGTERM.
///
/// # Errors
/// When an address cannot be bound (exit 3).
pub(crate) fn run(args: Args) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> Outcome {
    let ended = signals::asked_to_end();
    let (udp, tcp) = bind(args.listen).await?;
    let endpoint = TcpListener::bind(args.metrics).await.map_err(|e| cannot_bind(args.metrics, &e))?;
    let tier = descriptor::Tier {
        pid: std::process::id(),
        address: local(tcp.local_addr())?.to_string(),
        metrics: format!("http://{}/metrics", local(endpoint.local_addr())?),
        cpu_limit: None,
    };

    let answers = Family::<Rcode, Counter>::default();
    let mut registry = metrics::registry(std::process::id());
    registry.register("dns_queries", "Questions answered, by response code", answers.clone());

    let mut server = Server::new(Counted { catalog: catalog(&args.addresses, args.ttl)?, answers });
    server.register_socket(udp);
    server.register_listener(tcp, TCP_IDLE, TCP_BUFFER);
    descriptor::announce(&tier)?;
    tokio::select! {
        done = ended => done.map_err(|e| Failure::start(format!("signals: {e}"))),
        done = server.block_until_done() => Err(Failure::start(format!("the zone's server ended: {done:?}"))),
        done = metrics::serve(endpoint, Arc::new(registry)) => Err(Failure::start(format!("metrics: {done:?}"))),
    }
}

/// One port for both protocols, or the reason why not.
async fn bind(wanted: SocketAddr) -> Outcome<(UdpSocket, TcpListener)> {
    let mut tries = if wanted.port() == 0 { BIND_TRIES } else { 1 };
    loop {
        let udp = UdpSocket::bind(wanted).await.map_err(|e| cannot_bind(wanted, &e))?;
        let address = local(udp.local_addr())?;
        tries -= 1;
        match TcpListener::bind(address).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(e) if tries == 0 => return Err(cannot_bind(address, &e)),
            Err(_) => {}
        }
    }
}

fn cannot_bind(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::start(format!("cannot listen on {address}: {error}"))
}

fn local(address: std::io::Result<SocketAddr>) -> Outcome<SocketAddr> {
    address.map_err(|e| Failure::start(format!("a socket without an address: {e}")))
}

/// The zone, ready to answer. Its negative answers live as long as its positive ones.
fn catalog(addresses: &[Ipv4Addr], ttl: u32) -> Outcome<Catalog> {
    let name = |text: &str| Name::from_ascii(text).map_err(|e| Failure::start(format!("{text}: {e}")));
    let (zone, ns) = (name(ZONE)?, name("ns.foobar.com.")?);
    let soa = SOA::new(ns.clone(), name("hostmaster.foobar.com.")?, SERIAL, 3600, 600, 86_400, ttl);
    let mut records = vec![
        (zone.clone(), RData::SOA(soa)),
        (zone.clone(), RData::NS(NS(ns.clone()))),
        // The zone is served from the machine that it is about.
        (ns, RData::A(A(Ipv4Addr::LOCALHOST))),
    ];
    let www = name("www.foobar.com.")?;
    records.extend(addresses.iter().map(|&ip| (www.clone(), RData::A(A(ip)))));

    let mut handler: InMemoryZoneHandler<TokioRuntimeProvider> =
        InMemoryZoneHandler::empty(zone.clone(), ZoneType::Primary, AxfrPolicy::Deny);
    for (owner, data) in records {
        handler.upsert_mut(Record::from_rdata(owner, ttl, data), SERIAL);
    }
    let mut catalog = Catalog::new();
    catalog.upsert(zone.into(), vec![Arc::new(handler)]);
    Ok(catalog)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rcode {
    rcode: String,
}

/// The catalog, counting its answers.
struct Counted {
    catalog: Catalog,
    answers: Family<Rcode, Counter>,
}

impl RequestHandler for Counted {
    // The shape that `async_trait` gives the trait's method.
    fn handle_request<'me, 'request, 'future, R, T>(
        &'me self,
        request: &'request Request,
        response_handle: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'future>>
    where
        'me: 'future,
        'request: 'future,
        R: ResponseHandler + 'future,
        T: Time + 'future,
    {
        Box::pin(async move {
            let info = self.catalog.handle_request::<R, T>(request, response_handle).await;
            // As dig and the RFCs write it: NOERROR, NXDOMAIN, REFUSED.
            let rcode = format!("{:?}", info.response_code).to_uppercase();
            self.answers.get_or_create(&Rcode { rcode }).inc();
            info
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A question as RFC 1035 section 4.1 lays it out; the kinds are A 1, SOA 6, AAAA 28, AXFR 252.
    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).expect("a short label"));
            message.extend_from_slice(label.as_bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        message
    }

    /// The response code, whether it is authoritative, and the counts of answers and authority records.
    fn summary(answer: &[u8]) -> (u8, bool, u8, u8) {
        assert_eq!(answer[..2], [0x12, 0x34], "the question's number");
        (answer[3] & 15, answer[2] & 4 != 0, answer[7], answer[9])
    }

    #[test]
    fn the_zone_answers_over_udp_and_tcp() {
        let rows = [
            ("www.foobar.com", 1, (0, true, 2, 0)),
            ("WWW.FooBar.COM", 1, (0, true, 2, 0)),
            ("www.foobar.com", 28, (0, true, 0, 1)),
            ("nope.foobar.com", 1, (3, true, 0, 1)),
            ("foobar.com", 6, (0, true, 1, 1)),
            ("example.com", 1, (5, false, 0, 0)),
        ];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (udp, tcp) = bind("127.0.0.1:0".parse().expect("an address")).await.expect("a port");
            let address = tcp.local_addr().expect("an address");
            assert_eq!(udp.local_addr().expect("an address"), address);
            let addresses = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
            let answers = Family::<Rcode, Counter>::default();
            let catalog = catalog(&addresses, 60).expect("a zone");
            let mut server = Server::new(Counted { catalog, answers: answers.clone() });
            server.register_socket(udp);
            server.register_listener(tcp, TCP_IDLE, TCP_BUFFER);

            let client = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
            let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
            for (name, kind, want) in rows {
                let question = question(name, kind);
                let mut answer = [0; 512];
                client.send_to(&question, address).await.expect("a question sent");
                client.recv(&mut answer).await.expect("an answer");
                assert_eq!(summary(&answer), want, "{name} {kind} over UDP");

                let length = u16::try_from(question.len()).expect("a short question").to_be_bytes();
                stream.write_all(&[&length[..], &question].concat()).await.expect("a question sent");
                let length = stream.read_u16().await.expect("a length");
                stream.read_exact(&mut answer[..usize::from(length)]).await.expect("an answer");
                assert_eq!(summary(&answer), want, "{name} {kind} over TCP");
            }
            let count = |rcode: &str| answers.get_or_create(&Rcode { rcode: rcode.to_owned() }).get();
            assert_eq!((count("NOERROR"), count("NXDOMAIN"), count("REFUSED")), (8, 2, 2));
        });
    }
}
