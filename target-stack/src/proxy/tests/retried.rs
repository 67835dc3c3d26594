//! When a request is sent once more: each clause of the rule that a proxy must not get wrong, with what clients and upstreams see.

use super::harness::{OK, Proxy, Reply, Upstream, grouped, nobody, passing};
use tempfile::TempDir;

fn good() -> Upstream {
    Upstream::start(|_, _| Reply::Send(OK))
}

/// A proxy before a bad server and a good one, which are asked in this order.
fn before(bad: &Upstream, good: &Upstream, more: &str) -> (Proxy, TempDir) {
    passing(&[bad.address, good.address], more)
}

/// How often the group's first server was seen to fail.
fn failures(proxy: &Proxy) -> u64 {
    proxy.counters.upstream(0).peers[0].failures.get()
}

/// What the first server does, the directive, and the status that the client gets.
type Row = (fn(usize, usize) -> Reply, &'static str, &'static str);

#[test]
fn only_failures_of_an_enabled_kind_are_tried_again() {
    const GARBAGE: &str = "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n";
    const QUICK: &str = "proxy_read_timeout 50ms;";
    fn closes(_: usize, _: usize) -> Reply {
        Reply::Close
    }
    fn hangs(_: usize, _: usize) -> Reply {
        Reply::Stay
    }
    fn lies(_: usize, _: usize) -> Reply {
        Reply::Send(GARBAGE)
    }
    let rows: [Row; 12] = [
        (closes, "", "200"),
        (closes, "proxy_next_upstream error;", "200"),
        (closes, "proxy_next_upstream timeout invalid_header;", "502"),
        (closes, "proxy_next_upstream off;", "502"),
        (hangs, "", "200"),
        (hangs, "proxy_next_upstream timeout;", "200"),
        (hangs, "proxy_next_upstream error invalid_header;", "504"),
        (hangs, "proxy_next_upstream off;", "504"),
        (lies, "", "502"),
        (lies, "proxy_next_upstream invalid_header;", "200"),
        (lies, "proxy_next_upstream error timeout;", "502"),
        (lies, "proxy_next_upstream off;", "502"),
    ];
    for (does, directive, status) in rows {
        let (bad, good) = (Upstream::start(does), good());
        let (proxy, _dir) = before(&bad, &good, &format!("{QUICK} {directive}"));
        let answer = proxy.get("/");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{directive}: {answer}");
        assert_eq!((bad.seen().len(), good.seen().len()), (1, usize::from(status == "200")), "{directive}");
        assert_eq!(failures(&proxy), 1, "{directive}");
    }
}

#[test]
fn an_answer_is_a_failure_where_its_status_is_asked_for() {
    let rows = [
        (403, "HTTP/1.1 403 x\r\nContent-Length: 0\r\n\r\n"),
        (404, "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n"),
        (429, "HTTP/1.1 429 x\r\nContent-Length: 0\r\n\r\n"),
        (500, "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n"),
        (502, "HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n"),
        (503, "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"),
        (504, "HTTP/1.1 504 x\r\nContent-Length: 0\r\n\r\n"),
    ];
    for (status, answer) in rows {
        let (bad, good) = (Upstream::start(move |_, _| Reply::Send(answer)), good());
        let (proxy, _dir) = before(&bad, &good, "");
        let passed = format!("HTTP/1.1 {status} ");
        assert!(proxy.get("/").starts_with(&passed) && failures(&proxy) == 0, "{status}");
        let (proxy, _dir) = before(&bad, &good, &format!("proxy_next_upstream http_{status};"));
        assert!(proxy.get("/").ends_with("ok"), "{status}");
        // That something is not there, or not for this client, is no failure of the server.
        assert_eq!(failures(&proxy), u64::from(!matches!(status, 403 | 404)), "{status}");
        // Where nobody else is left, the answer is the answer, and nobody's failure.
        let (proxy, _dir) = passing(&[bad.address], &format!("proxy_next_upstream http_{status};"));
        assert!(proxy.get("/").starts_with(&passed) && failures(&proxy) == 0, "{status}");
    }
}

#[test]
fn what_was_sent_and_may_have_been_acted_upon_is_not_sent_again() {
    for (method, body, repeated) in [
        ("GET", "", true),
        ("HEAD", "", true),
        ("PUT", "a body", true),
        ("DELETE", "", true),
        ("POST", "an order", false),
        ("POST", "", false),
        ("PATCH", "a change", false),
        ("LOCK", "", false),
    ] {
        for (more, repeated) in [("", repeated), ("proxy_next_upstream error non_idempotent;", true)] {
            let (bad, good) = (Upstream::start(|_, _| Reply::Close), good());
            let (proxy, _dir) = before(&bad, &good, more);
            let answer = proxy.method(method, body);
            let status = if repeated { "HTTP/1.1 200 " } else { "HTTP/1.1 502 " };
            assert!(answer.starts_with(status), "{method} {more}: {answer}");
            let seen = good.seen();
            assert_eq!(seen.len(), usize::from(repeated), "{method} {more}");
            assert!(seen.iter().all(|(_, _, seen)| seen == body), "{method} {more}: {seen:?}");
            assert_eq!(bad.seen()[0].2, body);
        }
        // Nobody can have acted on a request that never got a connection.
        let good = good();
        let (proxy, _dir) = passing(&[nobody(), good.address], "");
        assert!(proxy.method(method, body).starts_with("HTTP/1.1 200 "), "{method}");
        assert_eq!(good.seen()[0].2, body);
    }
}

#[test]
fn an_answer_with_a_failing_status_was_sent_too() {
    let bad = Upstream::start(|_, _| Reply::Send("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"));
    let good = good();
    let (proxy, _dir) = before(&bad, &good, "proxy_next_upstream http_503;");
    assert!(proxy.post("/", "order").starts_with("HTTP/1.1 503 ") && good.seen().is_empty());
    let (proxy, _dir) = before(&bad, &good, "proxy_next_upstream http_503 non_idempotent;");
    assert!(proxy.post("/", "order").ends_with("ok"));
    assert_eq!(good.seen()[0].2, "order");
}

#[test]
fn a_kept_connection_that_is_dead_is_replaced_under_the_same_rule() {
    // The first connection answers once and is closed when the second request has been read.
    let dies = |number, nth| if (number, nth) == (0, 1) { Reply::Close } else { Reply::Send(OK) };
    for (method, more, repeated) in [
        ("GET", "", true),
        ("PUT", "", true),
        ("POST", "", false),
        ("POST", "proxy_next_upstream error non_idempotent;", true),
        ("GET", "proxy_next_upstream off;", false),
        ("GET", "proxy_next_upstream timeout;", false),
    ] {
        let (upstream, other) = (Upstream::start(dies), good());
        let (proxy, _dir) =
            grouped(&format!("server {}; server {} backup;", upstream.address, other.address), more, 1);
        assert!(proxy.get("/1").ends_with("ok"));
        let answer = proxy.method(method, if method == "GET" { "" } else { "body" });
        if repeated {
            assert!(answer.ends_with("ok"), "{method} {more}: {answer}");
            // It is the server's end of an idle connection, and no failure of the server's.
            assert_eq!((upstream.connections(), failures(&proxy)), (vec![0, 0, 1], 0), "{method} {more}");
        } else {
            assert!(answer.starts_with("HTTP/1.1 502 "), "{method} {more}: {answer}");
            assert_eq!(upstream.connections(), [0, 0], "{method} {more}");
        }
        assert!(other.seen().is_empty());
    }
}

#[test]
fn nothing_is_tried_again_once_a_byte_went_to_the_client() {
    let bad =
        Upstream::start(|_, _| Reply::SendAndReset("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
    let good = good();
    let (proxy, _dir) =
        before(&bad, &good, "proxy_next_upstream error timeout invalid_header non_idempotent;");
    let answer = proxy.get("/");
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("ok"), "{answer}");
    assert!(good.seen().is_empty());
}

#[test]
fn tries_end_with_their_number_and_their_time() {
    let bad: Vec<Upstream> = (0..3).map(|_| Upstream::start(|_, _| Reply::Close)).collect();
    let addresses: Vec<_> = bad.iter().map(|bad| bad.address).collect();
    for (tries, want) in [(0, [1, 1, 1]), (1, [2, 1, 1]), (2, [3, 2, 1])] {
        // Each time anew: the round begins at the first server.
        let (proxy, _dir) = passing(&addresses, &format!("proxy_next_upstream_tries {tries};"));
        assert!(proxy.get("/").starts_with("HTTP/1.1 502 "));
        assert_eq!([0, 1, 2].map(|n| bad[n].seen().len()), want, "{tries}");
    }
    for (limit, asked) in [("10ms", 0), ("0", 1), ("1m", 1)] {
        let (slow, good) = (Upstream::start(|_, _| Reply::Stay), good());
        let more = format!("proxy_read_timeout 100ms; proxy_next_upstream_timeout {limit};");
        let (proxy, _dir) = before(&slow, &good, &more);
        let status = if asked == 0 { "HTTP/1.1 504 " } else { "HTTP/1.1 200 " };
        assert!(proxy.get("/").starts_with(status), "{limit}");
        assert_eq!(good.seen().len(), asked, "{limit}");
    }
}

#[test]
fn the_last_server_is_never_ejected() {
    let bad = Upstream::start(|_, _| Reply::Close);
    let (proxy, _dir) = passing(&[bad.address], "");
    for n in 1..=3 {
        assert!(proxy.get("/").starts_with("HTTP/1.1 502 "));
        assert_eq!((bad.seen().len(), failures(&proxy)), (n, n as u64));
    }
    // Of two that fail neither is out: the second request asks both again.
    let (one, two) = (Upstream::start(|_, _| Reply::Close), Upstream::start(|_, _| Reply::Close));
    let (proxy, _dir) = before(&one, &two, "");
    for n in 1..=2 {
        assert!(proxy.get("/").starts_with("HTTP/1.1 502 "));
        assert_eq!((one.seen().len(), two.seen().len()), (n, n));
    }
    assert_eq!(proxy.counters.upstream(0).unavailable.get(), 0);
}

#[test]
fn a_long_body_is_not_sent_again_and_a_short_one_is() {
    for (length, repeated) in [(60 << 10, true), (1 << 20, false)] {
        let (bad, good) = (Upstream::start(|_, _| Reply::Close), good());
        let (proxy, _dir) = before(&bad, &good, "client_max_body_size 0;");
        let body = "0123456789abcdef".repeat(length / 16);
        assert_eq!(proxy.method("PUT", &body).ends_with("ok"), repeated, "{length}");
        assert_eq!(good.seen().iter().filter(|(_, _, seen)| *seen == body).count(), usize::from(repeated));
        // Unless it is streamed from the start: then nothing of it is there any more.
        let (proxy, _dir) = before(&bad, &good, "client_max_body_size 0; proxy_request_buffering off;");
        assert!(proxy.method("PUT", &body).starts_with("HTTP/1.1 502 "), "{length}");
    }
}

#[test]
fn a_budget_keeps_retries_from_doubling_an_overload() {
    for (budget, retried) in [("", 20), ("20% floor=0", 4), ("0% floor=1", 10), ("100% floor=0", 20)] {
        let (bad, good) = (Upstream::start(|_, _| Reply::Close), good());
        let budget =
            if budget.is_empty() { String::new() } else { format!("target_stack_retry_budget {budget};") };
        // The first server is never ejected, and asked by every request: the good one stands back.
        let group = format!("server {} max_fails=0; server {} backup; {budget}", bad.address, good.address);
        let (proxy, _dir) = grouped(&group, "", 1);
        let answered = (0..20).filter(|_| proxy.get("/").ends_with("ok")).count();
        assert_eq!(answered, retried, "{budget}");
        let counters = proxy.counters.upstream(0);
        let counted = (counters.retries.get(), counters.retries_refused.get());
        assert_eq!(counted, (retried as u64, 20 - retried as u64), "{budget}");
        assert_eq!(bad.seen().len(), 20);
    }
}
