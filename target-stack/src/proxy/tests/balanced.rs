//! Who is asked, as upstreams see it: by several workers that know the same of them, by connections that are kept for a while.

use super::harness::{OK, Proxy, Reply, Upstream, connect, grouped, held, nobody, rest, until};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Requests that an upstream keeps waiting until they are let go.
#[derive(Clone, Default)]
struct Held(Arc<(Mutex<bool>, Condvar)>);

impl Held {
    fn upstream(&self) -> Upstream {
        let held = self.clone();
        Upstream::start(move |_, _| {
            let (open, changed) = &*held.0;
            let guard = open.lock().expect("unpoisoned");
            drop(changed.wait_while(guard, |open| !*open).expect("unpoisoned"));
            Reply::Send(OK)
        })
    }

    fn let_go(&self) {
        *self.0.0.lock().expect("unpoisoned") = true;
        self.0.1.notify_all();
    }
}

fn begin(address: SocketAddr) -> TcpStream {
    let mut client = connect(address);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("a request sent");
    client
}

fn get(address: SocketAddr) -> String {
    rest(&mut begin(address)).0
}

fn other(proxy: &Proxy) -> SocketAddr {
    proxy.other.expect("two workers")
}

#[test]
fn max_conns_holds_over_all_workers() {
    let held = Held::default();
    let (busy, good) = (held.upstream(), Upstream::start(|_, _| Reply::Send(OK)));
    let group = format!("zone z 64k; server {} max_conns=1; server {} backup;", busy.address, good.address);
    let (proxy, _dir) = grouped(&group, "", 2);
    let mut first = begin(proxy.address);
    until("the first request is there", || busy.seen().len() == 1);
    // Whichever worker is asked, the server has what it may have.
    for address in [other(&proxy), proxy.address, other(&proxy)] {
        assert!(get(address).ends_with("ok"));
    }
    assert_eq!((busy.seen().len(), good.seen().len()), (1, 3));
    assert_eq!(proxy.counters.upstream(0).peers[0].standing.conns().get(), 1);
    held.let_go();
    assert!(rest(&mut first).0.ends_with("ok"));
    // The connection is still there, and idle: it does not count.
    assert!(get(other(&proxy)).ends_with("ok") && get(proxy.address).ends_with("ok"));
    assert_eq!((busy.seen().len(), good.seen().len()), (3, 3));

    // Where nobody else is, nobody is asked.
    let held = Held::default();
    let busy = held.upstream();
    let (proxy, dir) = grouped(&format!("server {} max_conns=1;", busy.address), "", 2);
    let first = begin(proxy.address);
    until("the first request is there", || busy.seen().len() == 1);
    assert!(get(other(&proxy)).starts_with("HTTP/1.1 502 "));
    assert_eq!(proxy.counters.upstream(0).unavailable.get(), 1);
    let log = std::fs::read_to_string(dir.path().join("e.log")).expect("a log");
    assert!(log.contains("no live upstreams while connecting to upstream") && log.contains("http://app/"));
    // A client that goes gives its place back.
    drop(first.shutdown(std::net::Shutdown::Both));
    until("the place is free", || proxy.counters.upstream(0).peers[0].standing.conns().get() == 0);
    held.let_go();
    assert!(get(other(&proxy)).ends_with("ok"));
}

#[test]
fn what_one_worker_finds_out_the_others_know() {
    let good = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, dir) = grouped(&format!("server {}; server {};", nobody(), good.address), "", 2);
    for _ in 0..3 {
        assert!(get(proxy.address).ends_with("ok") && get(other(&proxy)).ends_with("ok"));
    }
    let peer = &proxy.counters.upstream(0).peers[0];
    assert_eq!((peer.failures.get(), peer.standing.ejections().get()), (1, 1));
    assert!(peer.standing.ejected(crate::pace::now()));
    let log = std::fs::read_to_string(dir.path().join("e.log")).expect("a log");
    assert_eq!(log.matches("[warn]").count(), 1, "{log}");
    assert!(log.contains("upstream server temporarily disabled"), "{log}");
}

#[test]
fn a_server_comes_back_by_itself() {
    let (address, socket) = held();
    let good = Upstream::start(|_, _| Reply::Send(OK));
    let group = format!("server {address} fail_timeout=100ms; server {};", good.address);
    let (proxy, _dir) = grouped(&group, "", 1);
    assert!(get(proxy.address).ends_with("ok"));
    let peer = &proxy.counters.upstream(0).peers[0];
    assert_eq!(peer.standing.ejections().get(), 1);
    socket.listen(16).expect("a listener");
    let back = Upstream::start_on(socket.into(), |_, _| Reply::Send(OK));
    until("it is asked again", || {
        assert!(get(proxy.address).ends_with("ok"));
        !back.seen().is_empty()
    });
    assert!(!peer.standing.ejected(crate::pace::now()));
}

#[test]
fn a_backup_serves_until_the_first_ones_can() {
    let (first, backup) = (Upstream::start(|_, _| Reply::Send(OK)), Upstream::start(|_, _| Reply::Send(OK)));
    for (server, want) in [(first.address, (4, 0)), (nobody(), (4, 4))] {
        let (proxy, _dir) = grouped(&format!("server {server}; server {} backup;", backup.address), "", 1);
        for _ in 0..4 {
            assert!(get(proxy.address).ends_with("ok"));
        }
        assert_eq!((first.seen().len(), backup.seen().len()), want);
    }
}

#[test]
fn least_conn_avoids_the_busy_server() {
    let held = Held::default();
    let (busy, good) = (held.upstream(), Upstream::start(|_, _| Reply::Send(OK)));
    let group = format!("least_conn; server {}; server {};", busy.address, good.address);
    let (proxy, _dir) = grouped(&group, "", 2);
    let mut first = begin(proxy.address);
    until("the first request is there", || busy.seen().len() == 1);
    for address in [other(&proxy), proxy.address, other(&proxy), proxy.address] {
        assert!(get(address).ends_with("ok"));
    }
    assert_eq!((busy.seen().len(), good.seen().len()), (1, 4));
    held.let_go();
    assert!(rest(&mut first).0.ends_with("ok"));
}

#[test]
fn a_key_stays_with_its_server_and_goes_on_when_that_is_gone() {
    for method in ["hash $arg_k;", "hash $arg_k consistent;", "ip_hash;"] {
        let all: Vec<_> = (0..3).map(|_| Upstream::start(|_, _| Reply::Send(OK))).collect();
        let servers: String = all.iter().map(|one| format!("server {};", one.address)).collect();
        let (proxy, _dir) = grouped(&format!("{method} {servers}"), "", 1);
        for _ in 0..6 {
            assert!(proxy.get("/?k=7").ends_with("ok"));
        }
        let mut seen: Vec<_> = all.iter().map(|one| one.seen().len()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 0, 6], "{method}");
        let servers: String = (0..2).map(|_| format!("server {};", nobody())).collect();
        let (proxy, _dir) = grouped(&format!("{method} {servers} server {};", all[0].address), "", 1);
        for k in 0..6 {
            assert!(proxy.get(&format!("/?k={k}")).ends_with("ok"), "{method}");
        }
    }
}

#[test]
fn a_connection_is_kept_for_so_many_requests_and_so_long() {
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let (proxy, _dir) = grouped(&format!("server {}; keepalive_requests 2;", upstream.address), "", 1);
    for _ in 0..5 {
        assert!(proxy.get("/").ends_with("ok"));
    }
    assert_eq!(upstream.connections(), [0, 0, 1, 1, 2]);

    // Only the proxy hangs up here: an upstream that waits longer never hangs up on a request.
    let ended = Arc::new(Mutex::new(false));
    let upstream = Upstream::start({
        let ended = Arc::clone(&ended);
        move |number, _| {
            if number > 0 {
                return Reply::Send(OK);
            }
            let ended = Arc::clone(&ended);
            Reply::Do(Box::new(move |stream: &mut TcpStream| {
                stream.write_all(OK.as_bytes()).expect("an answer sent");
                let read = stream.read(&mut [0]);
                *ended.lock().expect("unpoisoned") = read.is_ok_and(|length| length == 0);
            }))
        }
    });
    let group = format!("server {}; keepalive_timeout 50ms;", upstream.address);
    let (proxy, _dir) = grouped(&group, "", 1);
    assert!(proxy.get("/").ends_with("ok"));
    until("the idle connection is closed", || *ended.lock().expect("unpoisoned"));
    assert!(proxy.get("/").ends_with("ok"));
    assert_eq!(upstream.connections(), [0, 1]);

    // Of several idle ones, as many are kept as may be.
    let held = Held::default();
    let upstream = held.upstream();
    let (proxy, _dir) = grouped(&format!("server {}; keepalive 1;", upstream.address), "", 1);
    let mut clients: Vec<_> = (0..3).map(|_| begin(proxy.address)).collect();
    until("all are there", || upstream.seen().len() == 3);
    held.let_go();
    assert!(clients.iter_mut().all(|client| rest(client).0.ends_with("ok")));
    until("one is kept", || (proxy.counters.idle.get(), proxy.counters.busy.get()) == (1, 0));
}
