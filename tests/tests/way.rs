//! A request's way, as the document tells it that this project started from: somebody types www.foobar.com into a browser, the zone gives
//! an address, the proxy takes the connection and passes the request on to the app server, that asks the database, and the page is on the
//! screen. A real browser goes it, and one id is found along all of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use e2e::names::{A, ask};
use e2e::stack::{body, dir, nginx_is_installed, sample, scraped, tier, value};
use e2e::{Running, Target, get, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const HOST: &str = "www.foobar.com";
const PREPARED: &str = "mysql_global_status_commands_total{command=\"stmt_execute\"}";
/// Has another command see FILE in place of the system's resolv.conf, which is how a browser is told whom to ask for names.
const ASKING: &str = "file=$1; shift; mount --bind \"$file\" /etc/resolv.conf && exec \"$@\"";

/// Debian's browser; says so if there is none, as what is then not tested.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("chromium")).find(|file| file.is_file());
    if found.is_none() {
        not_tested("Chromium is not installed (scripts/need chromium)");
    }
    found
}

fn not_tested(why: &str) {
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {why}");
}

/// Where a browser can ask the name server at `resolver`: at port 53 of an address of this test's own. `None` where that may not be had.
fn at_port_53(resolver: &str) -> Option<Ipv4Addr> {
    let [.., a, b] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 53, a, b.clamp(1, 254));
    let front = UdpSocket::bind((address, 53)).ok()?;
    let back = UdpSocket::bind("127.0.0.1:0").unwrap();
    back.connect(resolver).unwrap();
    // One question at a time: a browser asks again where an answer is late.
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        while let Ok((length, client)) = front.recv_from(&mut message) {
            let answered = back.send(&message[..length]).and_then(|_| back.recv(&mut message));
            let _ = answered.and_then(|length| front.send_to(&message[..length], client));
        }
    });
    Some(address)
}

/// What a browser has made of a page.
struct Seen {
    dom: String,
    screen: Vec<u8>,
    /// What it noted of its network, by kind.
    noted: BTreeMap<String, Vec<Value>>,
    /// Whether it has asked the zone itself.
    asked_the_zone: bool,
}

/// Opens `url`; names are those of `resolver`, or, where a browser cannot be told of one, `address` is that of the website.
fn open(chromium: &Path, url: &str, resolver: &str, address: Ipv4Addr) -> Seen {
    let place = TempDir::new().unwrap();
    let (log, screen, resolv) =
        (place.path().join("net.json"), place.path().join("screen.png"), place.path().join("resolv.conf"));
    let server = at_port_53(resolver).filter(|server| {
        std::fs::write(&resolv, format!("nameserver {server}\n")).unwrap();
        let tried =
            Command::new("unshare").args(["-m", "sh", "-c", ASKING, "sh"]).arg(&resolv).arg("true").output();
        tried.is_ok_and(|tried| tried.status.success())
    });
    let mut command = match server {
        Some(_) => {
            let mut command = Command::new("unshare");
            command.args(["-m", "sh", "-c", ASKING, "sh"]).arg(&resolv).arg(chromium);
            command
        }
        None => {
            not_tested(
                "that the browser asks the zone (port 53 and a mount namespace are not to be had): it is told",
            );
            let mut command = Command::new(chromium);
            command.arg(format!("--host-resolver-rules=MAP {HOST} {address}"));
            command
        }
    };
    command.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
    ]);
    command.args(["--disable-background-networking", "--disable-component-update", "--window-size=1280,900"]);
    command.args(["--virtual-time-budget=10000", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", place.path().join("profile").display()));
    command.arg(format!("--log-net-log={}", log.display()));
    command.arg(format!("--screenshot={}", screen.display())).arg(url);
    let ended = Running::start(command).wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    let log: Value = serde_json::from_slice(&std::fs::read(log).unwrap()).unwrap();
    let kinds: BTreeMap<u64, &String> = log["constants"]["logEventTypes"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, n)| (n.as_u64().unwrap(), name))
        .collect();
    let mut noted: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in log["events"].as_array().unwrap() {
        noted
            .entry(kinds[&event["type"].as_u64().unwrap()].clone())
            .or_default()
            .push(event["params"].clone());
    }
    Seen { dom: ended.out, screen: std::fs::read(screen).unwrap(), noted, asked_the_zone: server.is_some() }
}

impl Seen {
    /// The fields of the first answer.
    fn answer(&self) -> Vec<(String, String)> {
        let heads = &self.noted["HTTP_TRANSACTION_READ_RESPONSE_HEADERS"];
        fields(heads[0]["headers"].as_array().unwrap().iter().filter_map(Value::as_str))
    }

    /// Where it has connected to.
    fn connected(&self) -> Vec<&str> {
        self.noted["TCP_CONNECT"].iter().filter_map(|one| one["remote_address"].as_str()).collect()
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let pairs = lines.filter_map(|line| line.split_once(": "));
    pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

/// The only field of this name, or all of a list's in one.
fn field(fields: &[(String, String)], name: &str) -> String {
    let values: Vec<&str> =
        fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
    assert!(!values.is_empty(), "{name} in {fields:?}");
    values.join(", ")
}

/// Duration in milliseconds and description of a metric of `Server-Timing`.
fn metric(timing: &str, name: &str) -> (f64, String) {
    let found = timing.split(", ").find_map(|metric| metric.strip_prefix(name)?.strip_prefix(";dur="));
    let found = found.unwrap_or_else(|| panic!("{name} in {timing}"));
    let (dur, desc) = found.split_once(";desc=").unwrap_or((found, ""));
    (dur.parse().unwrap(), desc.trim_matches('"').to_owned())
}

/// The stack's log of traced requests, once this id is in it.
fn logged(stack: &Target, id: &str) -> String {
    let log = dir(stack).join("access.log");
    let line = || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines().find(|line| line.split(' ').nth(1) == Some(id)).map(str::to_owned)
    };
    until("the request is in the log", || line().is_some());
    line().unwrap()
}

#[test]
fn somebody_types_the_name_into_a_browser() {
    let Some(chromium) = chromium() else { return };
    let stack = Target::start("up --scale small --sweep-every off");
    let (url, resolver) = (stack.said["url"].as_str().unwrap(), stack.said["resolver"].as_str().unwrap());

    // The zone says where the proxy is.
    let reply = ask(resolver, HOST, A, true);
    let proxy: SocketAddrV4 = tier(&stack, "proxy").1.parse().unwrap();
    assert_eq!((reply.code, reply.addresses.as_slice()), (0, &[proxy.ip().octets()][..]));
    assert_eq!(url, format!("http://{HOST}:{}/", proxy.port()));

    let names = |stack: &Target| value(&scraped(stack, "dns"), "dns_queries_total").unwrap_or(0.0);
    let (asked, stated) = (names(&stack), sample(&scraped(&stack, "db"), PREPARED).unwrap_or(0.0));
    let seen = open(&chromium, url, resolver, *proxy.ip());

    // The browser has gone there, by the zone's word.
    assert!(!seen.asked_the_zone || names(&stack) > asked, "the browser has asked the zone");
    assert!(!seen.connected().is_empty(), "{:?}", seen.noted.get("TCP_CONNECT"));
    assert!(
        seen.connected().iter().all(|to| to.parse() == Ok(SocketAddr::V4(proxy))),
        "{:?}",
        seen.connected()
    );

    // One id along the way: given by the proxy, known to the app server, in the log with who has answered.
    let answer = seen.answer();
    let (id, timing) = (field(&answer, "x-request-id"), field(&answer, "server-timing"));
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let (app, by) = metric(&timing, "app");
    assert_eq!(by, id, "the app server's answer is to this request");
    let line = logged(&stack, &id);
    let app_server = tier(&stack, "app").1;
    assert!(
        line.contains("\"GET / HTTP/1.1\" 200 ") && line.contains(&format!(" \"{app_server}\" \"200\" ")),
        "{line}"
    );

    // The database has done what the app server says it has.
    let (database, statements) = metric(&timing, "db");
    let many: f64 = statements.split(' ').next().unwrap().parse().unwrap();
    assert!(many >= 1.0 && database > 0.0 && database <= app, "{timing}");
    assert_eq!(sample(&scraped(&stack, "db"), PREPARED).unwrap_or(0.0) - stated, many, "{timing}");

    // The page is shown, with what the database has.
    assert!(seen.dom.contains("<title>Home \u{b7} Foobar Books</title>"), "{}", seen.dom);
    let product = seen.dom.split("href=\"/products/").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let said = get(&tier(&stack, "app").1, &format!("/products/{product}"), "Accept: application/json\r\n");
    let said: Value = serde_json::from_str(body(&said)).unwrap();
    assert!(seen.dom.contains(said["title"].as_str().unwrap()), "{said} in {}", seen.dom);
    assert!(seen.screen.starts_with(b"\x89PNG") && seen.screen.len() > 20_000, "{} bytes", seen.screen.len());
}

#[test]
fn an_id_goes_the_same_way_through_either_proxy() {
    for proxy in ["builtin", "nginx"] {
        if proxy == "nginx" && !nginx_is_installed() {
            continue;
        }
        let stack = Target::start(&format!("up --scale small --proxy {proxy}"));
        let address = tier(&stack, "proxy").1;
        let told = |path: &str, more: &str| {
            let answer = get(&address, path, more);
            fields(answer.split("\r\n\r\n").next().unwrap().split("\r\n"))
        };
        let answer = told("/products/7", "X-Request-ID: 5e0c:61/d3\r\n");
        let timing = field(&answer, "server-timing");
        assert_eq!(field(&answer, "x-request-id"), "5e0c:61/d3", "{proxy}");
        assert_eq!(metric(&timing, "app").1, "5e0c:61/d3", "{proxy}: {timing}");
        assert_eq!(metric(&timing, "db").1, "1 statement", "{proxy}: {timing}");
        for part in ["queue", "pool", "page", "proxy", "upstream"] {
            metric(&timing, part);
        }
        assert!(logged(&stack, "5e0c:61/d3").contains("\"GET /products/7 HTTP/1.1\" 200 "), "{proxy}");
        // Who does not ask is told nothing, and an id that is none is not passed on.
        for more in ["", "X-Request-ID: not an id\r\n"] {
            let answer = told("/db", more);
            assert!(
                !answer.iter().any(|(name, _)| name == "x-request-id" || name == "server-timing"),
                "{proxy}: {answer:?}"
            );
        }
        // What came before it is in the log as soon as this is.
        told("/db", "X-Request-ID: last\r\n");
        logged(&stack, "last");
        let lines = std::fs::read_to_string(dir(&stack).join("access.log")).unwrap();
        assert_eq!(lines.lines().count(), 2, "{proxy}: {lines}");
    }
}
