//! How messages are read: each case is bytes that are sent to a proxy in front of an origin that remembers, with a request behind them that
//! must come through as itself or not at all.

mod case;
mod judge;
mod mutations;
mod origin;
pub(crate) mod strict;

use crate::lanes;
use crate::report::{self, Row, Verdict};
use crate::side::{Side, Who};
use case::Case;
use judge::{Outcome, judge};
use origin::Origin;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Far beyond what anything here takes, so that a hang fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);
/// The path of the request behind every case.
const SENTINEL: &str = "/sentinel";
/// Cases that are under way at once.
const LANES: usize = 32;

/// A client that says no more is given up after a second, and no head and no target of these suites is too long, but for one.
const NGINX: &str = "
    client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; large_client_header_buffers 4 24k;
    server {
        listen LISTEN;
        server_name nobody;
        location / {
            proxy_pass http://ORIGIN;
            proxy_http_version 1.1;
            proxy_next_upstream off;
            proxy_set_header Host $host;
            proxy_set_header X-Case $remote_addr;
            proxy_set_header Connection close;
        }
    }";
const HAPROXY: &str = "
global
    tune.bufsize 32768
defaults
    mode http
    timeout connect 5s
    timeout server 5s
    timeout client 1s
    timeout http-request 1s
    timeout http-keep-alive 1s
    retries 0
frontend all
    bind LISTEN
    http-request set-header X-Case %[src]
    default_backend origin
backend origin
    http-reuse never
    server one ORIGIN
";

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (suite, text) in [
        ("gunicorn", include_str!("../data/gunicorn.txt")),
        ("h1spec", include_str!("../data/h1spec.txt")),
        ("http-conformance", include_str!("../data/conformance.txt")),
        ("http-garden", include_str!("../data/garden.txt")),
    ] {
        cases.extend(case::read(suite, text));
    }
    cases.extend(mutations::cases());
    for (suite, text) in [
        ("nginx-tests", include_str!("../data/nginx.txt")),
        ("haproxy reg-tests", include_str!("../data/haproxy.txt")),
        ("RFC 9110 and 9112, own", include_str!("../data/rfc.txt")),
    ] {
        cases.extend(case::read(suite, text));
    }
    cases
}

#[test]
fn messages_are_read_in_one_way() {
    let (cases, who) = (cases(), Who::all());
    let verdicts: Vec<Vec<Verdict>> = std::thread::scope(|scope| {
        let running: Vec<_> = who.iter().map(|who| scope.spawn(|| run(*who, &cases))).collect();
        running.into_iter().map(|side| side.join().unwrap()).collect()
    });
    let rows: Vec<Row<'_>> = cases
        .iter()
        .enumerate()
        .map(|(n, case)| Row {
            suite: case.suite,
            id: &case.name,
            verdicts: verdicts.iter().map(|side| side[n].clone()).collect(),
        })
        .collect();
    report::print_differences(&who, &rows);
    report::print("HTTP/1.1 messages", &who, &rows);
    report::hold(&rows, &report::known(include_str!("../data/known-messages.txt")));
}

/// All cases with one proxy.
fn run(who: Who, cases: &[Case]) -> Vec<Verdict> {
    let answers: HashMap<String, Vec<u8>> = cases
        .iter()
        .enumerate()
        .filter_map(|(n, case)| Some((client(n).to_string(), case.answer.clone()?)))
        .collect();
    let origin = Origin::start(answers);
    let [nginx, haproxy] = [NGINX, HAPROXY].map(|text| text.replace("ORIGIN", &origin.address.to_string()));
    let side = Side::start(who, &nginx, &haproxy);
    let got = lanes::run(cases.len(), LANES, |n| exchange(side.address, client(n), &cases[n]));
    let mut seen = origin.seen();
    let judged = got.into_iter().enumerate().map(|(n, (got, closed))| {
        let seen = seen.remove(&client(n).to_string()).unwrap_or_default();
        judge(&cases[n], &Outcome { got, closed, seen })
    });
    judged.collect()
}

/// Each case has a client of its own.
fn client(n: usize) -> Ipv4Addr {
    let n = u32::try_from(n).unwrap();
    Ipv4Addr::from(0x7f01_0000 + n)
}

/// What a client that sends a case gets, and whether the connection was closed.
fn exchange(address: SocketAddr, from: Ipv4Addr, case: &Case) -> (Vec<u8>, bool) {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((from, 0))).unwrap();
    connect(&socket, &address).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = case.bytes.clone();
    if !case.cut {
        bytes.extend(format!("GET {SENTINEL} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").bytes());
    }
    // Who is refused may find the connection closed before all is sent.
    let _ = stream.write_all(&bytes);
    if case.cut {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let (mut got, mut buffer) = (Vec::new(), [0; 16384]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (got, true),
            Ok(count) => got.extend_from_slice(&buffer[..count]),
            Err(error) => return (got, error.kind() == std::io::ErrorKind::ConnectionReset),
        }
    }
}
