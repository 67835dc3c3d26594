//! Whole runs of the client transports against servers of known behaviour, from the command line's words to the tally.

mod server;
mod silent;

use crate::cli::Cli;
use crate::crew::Crew;
use crate::plan::Plan;
use crate::request::Requests;
use crate::run::{Aim, reach};
use crate::tally::Tally;
use crate::transport::resolve;
use crate::work::What;
use clap::Parser;
use proptest::prelude::*;
use reports::outcome::{Counts, Errors};
use reports::record::{TargetKind, Wire};
use server::{Papers, Server, Speaks, Stream};
use std::path::Path;
use std::sync::Arc;

fn ok(_: usize, _: &str) -> Option<(Vec<u8>, bool)> {
    Some((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), true))
}

fn plan(line: &str) -> Plan {
    Plan::new(Cli::try_parse_from(std::iter::once("loadgen").chain(line.split_whitespace())).unwrap().run)
        .unwrap()
}

fn on_tokio<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn aim(plan: &Plan) -> Aim {
    let url = plan.url.clone().unwrap();
    let proxy = plan.client.as_ref().and_then(|client| client.proxy().cloned());
    let address = on_tokio(resolve::resolve(proxy.as_ref().unwrap_or(&url), &plan.route)).unwrap();
    let path = url.path_and_query().unwrap().as_str().to_owned();
    Aim {
        load: What::Requests(Arc::new(Requests::encode(&plan.template, &url, [path.as_str()], 1).unwrap())),
        url,
        kind: TargetKind::Given,
        what: String::new(),
        address,
        observe: Vec::new(),
        target_cpus: Vec::new(),
        emulated: Vec::new(),
        versions: [].into(),
        cpus: Vec::new(),
        threads: 1,
        not_ours: Vec::new(),
    }
}

/// Carries out a run; whatever it comes to, the ledger adds up.
fn run(line: &str) -> (Counts, Tally) {
    let plan = plan(line);
    let mut crew = Crew::start(&plan, &aim(&plan), None).unwrap();
    let tally = crew.join().unwrap();
    let counts = tally.steps[0].clone();
    assert!(counts.conserved() && counts.unfinished == 0, "{line}: {counts:?}");
    assert!(counts.sent <= counts.planned, "{line}: {counts:?}");
    (counts, tally)
}

/// What is agreed on before a run, or why it cannot begin.
fn reached(line: &str) -> Result<Wire, String> {
    let plan = plan(line);
    on_tokio(reach(&plan, &aim(&plan))).map_err(|failure| {
        assert_eq!(failure.exit, crate::failure::Exit::Target);
        assert!(!failure.message.contains('\n'), "{}", failure.message);
        failure.message
    })
}

/// Twenty requests.
const FEW: &str = "--rps 400 -d 50ms -c 4";
/// The same on one connection.
const FEW_ON_ONE: &str = "--rps 400 -d 50ms -c 1";

fn file(papers: &Papers, name: &str) -> String {
    papers.path(name).display().to_string()
}

#[test]
fn http_1_in_the_clear_and_within_tls() {
    let papers = Papers::new("localhost");
    let (clear, safe) = (Server::start(Speaks::Http1(ok)), Server::safe(Speaks::Http1(ok), &papers, false));
    let trust = format!("--cacert {}", file(&papers, "ca.pem"));
    for (server, how, version) in [
        (&clear, format!("--transport hyper http://localhost:{}/a?b", clear.address.port()), None),
        (&safe, format!("{trust} https://localhost:{}/a?b", safe.address.port()), Some("TLS 1.3")),
    ] {
        let line = format!("{FEW} -H X-A:1 {how}");
        let (counts, tally) = run(&line);
        assert_eq!(
            (counts.ok, counts.sent, counts.status[&200]),
            (20, 20, 20),
            "{counts:?} {:?}",
            tally.first_errors
        );
        assert!((1..=4).contains(&server.connections()));
        let head = server.asked()[0].to_lowercase();
        assert!(
            head.starts_with("get /a?b http/1.1\r\nhost: localhost:") && head.contains("x-a: 1"),
            "{head}"
        );
        assert_eq!(tally.bytes.received, 20 * ok(0, "").unwrap().0.len() as u64);
        let wire = reached(&line).unwrap();
        assert_eq!((wire.protocol.as_str(), wire.tls.as_deref()), ("HTTP/1.1", version));
    }
}

#[test]
fn http_2_has_many_requests_on_one_connection() {
    let papers = Papers::new("localhost");
    let speaks = Speaks::Http2(|n| Stream::Answer(200, if n % 2 == 0 { b"" } else { b"body" }));
    let (clear, safe) = (Server::start(speaks), Server::safe(speaks, &papers, false));
    for (server, how) in [
        (&clear, format!("http://localhost:{}/x", clear.address.port())),
        (&safe, format!("--cacert {} https://localhost:{}/x", file(&papers, "ca.pem"), safe.address.port())),
    ] {
        let line = format!("{FEW} --http2 -X POST --body hello {how}");
        let (counts, _) = run(&line);
        assert_eq!((counts.ok, server.connections()), (20, 1));
        assert!(server.asked()[0].ends_with(&format!("localhost:{}/x", server.address.port())));
        assert_eq!(reached(&line).unwrap().protocol, "HTTP/2");
    }
}

#[test]
fn closed_loops_keep_every_stream_busy_and_end() {
    let server = Server::start(Speaks::Http2(|_| Stream::Answer(200, b"x")));
    let (counts, _) = run(&format!("-d 50ms -c 2 --http2 --streams 8 http://{}/", server.address));
    assert!(counts.ok >= 16 && counts.ok == counts.planned, "{counts:?}");
    assert_eq!(server.connections(), 2);
    let server = Server::start(Speaks::Http1(ok));
    let (counts, _) = run(&format!("-d 50ms -c 3 --transport hyper http://{}/", server.address));
    assert!(counts.ok >= 3 && counts.ok == counts.planned && server.connections() == 3, "{counts:?}");
}

#[test]
fn a_certificate_that_does_not_verify_is_told_before_the_load_and_counted_in_it() {
    let (papers, others) = (Papers::new("localhost"), Papers::new("localhost"));
    let server = Server::safe(Speaks::Http1(ok), &papers, false);
    let (trust, wrong) = (file(&papers, "ca.pem"), file(&others, "ca.pem"));
    for (how, why) in [
        (format!("--cacert {wrong} https://localhost:{}/", server.address.port()), "UnknownIssuer"),
        (format!("--cacert {trust} https://{}/", server.address), "not valid for name"),
    ] {
        let told = reached(&how).unwrap_err();
        assert!(told.contains(why), "{told}");
        let (counts, tally) = run(&format!("{FEW} {how}"));
        assert_eq!((counts.errors.tls, counts.sent), (20, 0), "{counts:?}");
        assert!(tally.first_errors[0].1.contains(why), "{:?}", tally.first_errors);
    }
    let (counts, _) = run(&format!("{FEW} --insecure https://{}/", server.address));
    assert_eq!(counts.ok, 20);
}

#[test]
fn a_client_shows_its_certificate_where_one_is_asked_for() {
    let papers = Papers::new("localhost");
    let server = Server::safe(Speaks::Http1(ok), &papers, true);
    let url = format!("--cacert {} https://localhost:{}/", file(&papers, "ca.pem"), server.address.port());
    let (counts, tally) = run(&format!("{FEW} {url}"));
    assert_eq!(counts.errors.tls, 20, "{counts:?} {:?}", tally.first_errors);
    assert!(tally.first_errors[0].1.contains("CertificateRequired"), "{:?}", tally.first_errors);
    let own = format!("--cert {} --key {}", file(&papers, "client.pem"), file(&papers, "client.key"));
    assert_eq!(run(&format!("{FEW} {own} {url}")).0.ok, 20);
}

#[test]
fn what_a_server_does_wrong_is_counted_by_its_kind() {
    fn endless() -> Option<(Vec<u8>, bool)> {
        Some(([b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".repeat(100_000)].concat(), true))
    }
    let one = |kind: fn(&mut Errors) -> &mut u64| {
        let mut errors = Errors::default();
        *kind(&mut errors) = 20;
        errors
    };
    let cases: [(server::Answer, Errors); 7] = [
        (|_, _| Some((b"nonsense\r\n\r\n".to_vec(), true)), one(|e| &mut e.protocol)),
        (|_, _| endless(), one(|e| &mut e.protocol)),
        (
            |_, _| Some((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(), true)),
            one(|e| &mut e.protocol),
        ),
        (
            |_, _| Some((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec(), false)),
            one(|e| &mut e.reset),
        ),
        (|_, _| Some((Vec::new(), false)), one(|e| &mut e.reset)),
        (
            |_, _| Some((b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(), true)),
            one(|e| &mut e.status),
        ),
        (|_, _| None, one(|e| &mut e.timeout)),
    ];
    for (n, (answer, errors)) in cases.into_iter().enumerate() {
        for transport in ["hyper", "reqwest"] {
            let server = Server::start(Speaks::Http1(answer));
            let (counts, tally) =
                run(&format!("{FEW} -t 100ms --transport {transport} http://{}/", server.address));
            assert_eq!(counts.errors, errors, "{n} {transport}: {:?}", tally.first_errors);
        }
    }
}

#[test]
fn a_connection_that_died_while_idle_costs_no_request() {
    // It says that the connection stays, and closes it.
    let server = Server::start(Speaks::Http1(|n, head| ok(n, head).map(|(bytes, _)| (bytes, n < 3))));
    let (counts, tally) =
        run(&format!("--rps 200 -d 100ms -c 2 --transport hyper http://{}/", server.address));
    // A close that crosses a request on its way is an outcome; most do not.
    assert!(counts.ok >= 10 && counts.ok + counts.errors.reset == 20, "{counts:?} {:?}", tally.first_errors);
    assert!(server.connections() >= 5);
}

#[test]
fn a_server_that_goes_away_or_refuses_unseen_loses_nothing() {
    for what in [
        |n| if n == 3 { Stream::Last } else { Stream::Answer(200, b"") },
        |n| if n > 3 { Stream::Refuse } else { Stream::Answer(200, b"") },
    ] as [fn(usize) -> Stream; 2]
    {
        let server = Server::start(Speaks::Http2(what));
        let (counts, tally) = run(&format!("{FEW} --http2 http://{}/", server.address));
        assert_eq!((counts.ok, counts.sent), (20, 20), "{counts:?} {:?}", tally.first_errors);
        assert!(server.connections() > 1);
    }
}

#[test]
fn a_server_that_refuses_everything_is_not_asked_for_ever() {
    let server = Server::start(Speaks::Http2(|_| Stream::Refuse));
    let (counts, tally) = run(&format!("{FEW} --http2 http://{}/", server.address));
    assert_eq!((counts.errors.reset, counts.sent, tally.never_sent), (20, 0, 20), "{counts:?}");
}

#[test]
fn a_stream_that_times_out_or_breaks_leaves_its_connection_to_the_others() {
    let server = Server::start(Speaks::Http2(|n| match n % 4 {
        0 => Stream::Silence,
        1 => Stream::Break,
        _ => Stream::Answer(200, b""),
    }));
    let (counts, _) = run(&format!("{FEW} -t 200ms --http2 http://{}/", server.address));
    assert_eq!((counts.errors.timeout, counts.errors.reset, counts.ok), (5, 5, 10), "{counts:?}");
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_connection_on_which_nothing_comes_is_replaced() {
    let server = Server::start(Speaks::Http2(|_| Stream::Silence));
    let (counts, _) = run(&format!("--rps 100 -d 300ms -t 50ms -c 1 --http2 http://{}/", server.address));
    assert_eq!((counts.errors.timeout, counts.planned), (30, 30), "{counts:?}");
    assert!(server.connections() > 1);
}

#[test]
fn http_2_where_there_is_none_is_told_before_the_load() {
    let papers = Papers::new("localhost");
    let (clear, safe) = (Server::start(Speaks::Http1(ok)), Server::safe(Speaks::Http1(ok), &papers, false));
    let told = reached(&format!("--http2 http://{}/", clear.address)).unwrap_err();
    assert!(told.contains("does not speak HTTP/2"), "{told}");
    let told = reached(&format!("--http2 --insecure https://{}/", safe.address)).unwrap_err();
    assert!(told.contains("ALPN") || told.contains("NoApplicationProtocol"), "{told}");
}

#[test]
fn connections_are_closed_after_as_many_requests_as_was_said() {
    let server = Server::start(Speaks::Http1(ok));
    let url = format!("http://{}/", server.address);
    let (counts, _) = run(&format!("{FEW_ON_ONE} --max-requests-per-connection 5 --transport hyper {url}"));
    assert_eq!((counts.ok, server.connections()), (20, 4));
    let (counts, _) = run(&format!("{FEW} --no-keepalive --transport hyper {url}"));
    assert_eq!((counts.ok, server.connections()), (20, 24));
    assert!(server.asked().last().unwrap().to_lowercase().contains("connection: close"));
    let server = Server::start(Speaks::Http2(|_| Stream::Answer(200, b"")));
    let url = format!("http://{}/", server.address);
    let (counts, _) = run(&format!("{FEW_ON_ONE} --max-requests-per-connection 5 --http2 {url}"));
    assert_eq!((counts.ok, server.connections()), (20, 4));
}

#[test]
fn connections_come_from_the_given_addresses_in_turn() {
    for transport in ["hyper", "reqwest"] {
        let server = Server::start(Speaks::Http1(ok));
        let (counts, _) = run(&format!(
            "{FEW} --no-keepalive --source-ip 127.0.0.2 --source-ip 127.0.0.3 --transport {transport} http://{}/",
            server.address
        ));
        let mut peers = server.peers();
        peers.sort();
        peers.dedup();
        assert_eq!(
            (counts.ok, peers),
            (20, vec!["127.0.0.2".to_owned(), "127.0.0.3".to_owned()]),
            "{transport}"
        );
    }
}

#[test]
fn unix_sockets() {
    for transport in ["hyper", "reqwest"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        Server::unix(ok, &path);
        let to = |path: &Path| {
            format!("--unix-socket {} --transport {transport} http://shop.test/", path.display())
        };
        assert_eq!(run(&format!("{FEW} {}", to(&path))).0.ok, 20, "{transport}");
    }
}

#[test]
fn reqwest_follows_redirects_keeps_cookies_and_goes_through_proxies() {
    fn shop(_: usize, head: &str) -> Option<(Vec<u8>, bool)> {
        let (status, more) = match head.split(' ').nth(1).unwrap_or_default() {
            "/in" => ("302 Found", "Location: /home\r\nSet-Cookie: a=b\r\n"),
            "/loop" => ("302 Found", "Location: /loop\r\n"),
            "/home" if head.contains("cookie: a=b") => ("200 OK", ""),
            "http://shop.test/" => ("203 By Proxy", ""),
            _ => ("404 Not Found", ""),
        };
        Some((format!("HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\n\r\n").into_bytes(), true))
    }
    let server = Server::start(Speaks::Http1(shop));
    let address = server.address;
    for (how, status, protocol) in [
        (format!("http://{address}/in"), 200, 0),
        (format!("http://{address}/loop"), 0, 20),
        (format!("--max-redirects 3 http://{address}/loop"), 0, 20),
        (format!("--proxy http://{address} http://shop.test/"), 203, 0),
    ] {
        let (counts, tally) = run(&format!("{FEW} --transport reqwest {how}"));
        let got = (counts.status.get(&status).copied().unwrap_or(0), counts.errors.protocol);
        assert_eq!(got, (20 - protocol, protocol), "{how}: {:?}", tally.first_errors);
    }
}

#[test]
fn reqwest_agrees_on_what_the_server_offers_and_says_why_it_cannot() {
    let (papers, others) = (Papers::new("localhost"), Papers::new("localhost"));
    let server = Server::safe(Speaks::Http2(|_| Stream::Answer(200, b"x")), &papers, false);
    let url = format!("https://localhost:{}/", server.address.port());
    let line = format!("{FEW} --transport reqwest --cacert {} {url}", file(&papers, "ca.pem"));
    assert_eq!(reached(&line).unwrap().protocol, "HTTP/2");
    assert_eq!(run(&line).0.ok, 20);
    let (counts, tally) =
        run(&format!("{FEW} --transport reqwest --cacert {} {url}", file(&others, "ca.pem")));
    assert_eq!(counts.errors.tls, 20, "{:?}", tally.first_errors);
}

#[test]
fn nobody_there_is_a_connect_error() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for how in ["--transport hyper", "--http2", "--transport reqwest"] {
        let (counts, _) = run(&format!("{FEW} {how} http://{nobody}/"));
        assert_eq!(counts.errors.connect, 20, "{how}: {counts:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever a server does in whatever order, every planned request has one outcome; `run` asserts it.
    #[test]
    fn the_ledger_adds_up_under_random_faults(streams in 1usize..5, connections in 1usize..4, backlog in 0usize..9) {
        fn any(n: usize, head: &str) -> Option<(Vec<u8>, bool)> {
            match (n * 7 + head.len()) % 11 {
                0 => Some((b"garbage\r\n\r\n".to_vec(), true)),
                1 => Some((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".to_vec(), false)),
                2 => Some((Vec::new(), false)),
                3 => None,
                k => ok(n, head).map(|(bytes, _)| (bytes, k != 4)),
            }
        }
        let http2 = Server::start(Speaks::Http2(|n| match (n * 5) % 7 {
            1 => Stream::Refuse,
            2 => Stream::Break,
            3 => Stream::Silence,
            4 => Stream::Last,
            _ => Stream::Answer(200, b"x"),
        }));
        let http1 = Server::start(Speaks::Http1(any));
        let load = format!("--rps 800 -d 50ms -t 40ms -c {connections} --max-backlog {backlog}");
        for how in [
            format!("--http2 --streams {streams} http://{}/", http2.address),
            format!("--transport hyper http://{}/", http1.address),
        ] {
            prop_assert_eq!(run(&format!("{load} {how}")).0.planned, 40);
        }
    }
}
