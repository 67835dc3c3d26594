//! TLS: which certificate a name gets, what stands behind it, and that a connection outlives a reload.

use super::harness::{OK, Proxy, Reply, Upstream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// An authority, and in a directory the chains and keys of `a.test` and `b.test` that it stands for by way of another one.
struct Pki {
    dir: tempfile::TempDir,
    root: CertificateDer<'static>,
}

impl Pki {
    fn new() -> Self {
        let authority = || {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            (params, KeyPair::generate().expect("a key"))
        };
        let (params, key) = authority();
        let root = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let (params, key) = authority();
        let middle = CertifiedIssuer::signed_by(params, key, &root).expect("an authority");
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["a", "b"] {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![format!("{name}.test")]).expect("a name");
            let certificate = params.signed_by(&key, &middle).expect("a certificate");
            let chain = format!("{}{}", certificate.pem(), middle.pem());
            std::fs::write(dir.path().join(format!("{name}.pem")), chain).expect("a file");
            std::fs::write(dir.path().join(format!("{name}.key")), key.serialize_pem()).expect("a file");
        }
        Self { root: root.der().clone(), dir }
    }

    /// The configuration of a client that trusts the authority and speaks these versions and protocols.
    fn client(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

fn connect(proxy: &Proxy, config: &Arc<ClientConfig>, name: &str) -> Stream {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
    StreamOwned::new(connection, proxy.connect())
}

/// Asks for `/`, and gives all that comes until the connection is closed, which has to be said by TLS, too.
fn ask(stream: &mut Stream, host: &str) -> std::io::Result<String> {
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Two servers at one port.
fn two(more: &str) -> String {
    format!(
        "{more} server {{ listen 127.0.0.1:0 ssl; server_name a.test; ssl_certificate a.pem; ssl_certificate_key a.key; \
         return 200 \"$scheme $server_name\"; }}"
    )
}

/// The same with a second server beside the first, whose port it has to know.
fn both(port: u16) -> String {
    let server = |name: &str| {
        format!(
            "server {{ listen 127.0.0.1:{port} ssl; server_name {name}.test; ssl_certificate {name}.pem; \
             ssl_certificate_key {name}.key; return 200 \"$scheme $server_name\"; }}"
        )
    };
    server("a")
        + &server("b")
        + &format!("server {{ listen 127.0.0.1:{port} ssl; server_name c.test; return 200 c; }}")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    super::harness::held().0.port()
}

#[test]
fn a_name_gets_its_certificate_and_a_host_its_server() {
    let pki = Pki::new();
    let proxy = Proxy::start(&both(free_port()), pki.dir.path());
    for versions in [[&TLS12], [&TLS13]] {
        let client = pki.client(&versions, &[]);
        // A client that cannot check the certificate would not ask.
        for (name, host, want) in [
            ("a.test", "a.test", "https a.test"),
            ("b.test", "b.test", "https b.test"),
            ("b.test", "a.test", "https a.test"),
            ("A.TEST", "B.test", "https b.test"),
            ("a.test", "c.test", "c"),
        ] {
            let answer = ask(&mut connect(&proxy, &client, name), host).expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(want), "{name} {host}: {answer}");
        }
        // A server without a certificate, and an unknown name, have that of the default server.
        for name in ["c.test", "d.test"] {
            let error = ask(&mut connect(&proxy, &client, name), "a.test").expect_err("not for this name");
            assert!(error.to_string().contains("not valid for name"), "{error}");
        }
    }
}

#[test]
fn only_http_1_is_agreed_on() {
    let pki = Pki::new();
    let proxy = Proxy::start(&two(""), pki.dir.path());
    let both = [&TLS12, &TLS13];
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some(&b"http/1.1"[..])), (&["http/1.0"], Some(b"http/1.0")), (&[], None)]
    {
        let mut stream = connect(&proxy, &pki.client(&both, offered), "a.test");
        assert!(ask(&mut stream, "a.test").expect("an answer").ends_with("https a.test"));
        assert_eq!(stream.conn.alpn_protocol(), agreed);
    }
    let error =
        ask(&mut connect(&proxy, &pki.client(&both, &["h2"]), "a.test"), "a").expect_err("no protocol");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    let proxy = Proxy::start(&two("ssl_protocols TLSv1.3;"), pki.dir.path());
    assert!(ask(&mut connect(&proxy, &pki.client(&[&TLS12], &[]), "a.test"), "a").is_err());
}

#[test]
fn sessions_go_on_by_tickets_unless_they_are_off() {
    let pki = Pki::new();
    for (more, want) in [
        ("", HandshakeKind::Resumed),
        ("ssl_session_tickets off;", HandshakeKind::Full),
        ("ssl_session_tickets off; ssl_session_cache shared:SSL:1m;", HandshakeKind::Resumed),
    ] {
        let proxy = Proxy::start(&two(more), pki.dir.path());
        for versions in [[&TLS12], [&TLS13]] {
            let client = pki.client(&versions, &[]);
            let kinds = [(); 2].map(|()| {
                let mut stream = connect(&proxy, &client, "a.test");
                ask(&mut stream, "a.test").expect("an answer");
                stream.conn.handshake_kind().expect("a handshake")
            });
            assert_eq!(kinds, [HandshakeKind::Full, want], "{more} {versions:?}");
        }
    }
}

#[test]
fn who_speaks_no_tls_is_told_to() {
    let pki = Pki::new();
    let proxy = Proxy::start(&two("client_header_timeout 50ms;"), pki.dir.path());
    let answer = proxy.get("/");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("<title>400 The plain HTTP request was sent to HTTPS port</title>"), "{answer}");
    assert!(answer.contains("<h1>400 Bad Request</h1>") && answer.contains("Connection: close"), "{answer}");
    // Neither is there an answer to a handshake that does not go on.
    for part in ["", "\u{16}\u{3}", "GET /"] {
        assert_eq!(proxy.ask(part), "", "{part:?}");
    }
}

#[test]
fn the_guard_and_an_upstream_stand_behind_it() {
    let pki = Pki::new();
    let upstream = Upstream::start(|_, _| Reply::Send(OK));
    let proxy_pass = format!("location / {{ proxy_pass http://{}; }}", upstream.address);
    let http = two("client_max_body_size 0;").replace("return 200 \"$scheme $server_name\";", &proxy_pass);
    let proxy = Proxy::start(&http, pki.dir.path());
    let client = pki.client(&[&TLS13], &[]);
    let mut stream = connect(&proxy, &client, "a.test");
    let body = "0123456789abcdef".repeat(1 << 16);
    write!(stream, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .expect("sent");
    write!(stream, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers and an orderly close");
    assert!(answer.contains("\r\n\r\nokHTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert_eq!(upstream.seen()[0].2.len(), body.len());
}

#[test]
fn a_connection_by_tls_outlives_a_reload() {
    let pki = Pki::new();
    let mut proxy = Proxy::start(&two(""), pki.dir.path());
    let mut stream = connect(&proxy, &pki.client(&[&TLS13], &[]), "a.test");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nhttps a.test") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        answer.extend(byte);
    }
    proxy.reload("worker_processes 2;", &two("").replace("$server_name", "after"));
    assert!(ask(&mut stream, "a").expect("an answer").ends_with("\r\n\r\nhttps after"));
    assert_eq!(proxy.ended(), 0);
    // A port that speaks TLS no longer has no use for it.
    let mut stream = connect(&proxy, &pki.client(&[&TLS13], &[]), "a.test");
    stream.conn.complete_io(&mut stream.sock).expect("a handshake");
    proxy.reload("", "server { listen 127.0.0.1:0; return 200 plain; }");
    assert_eq!([proxy.ended(), proxy.ended()], [1, 1]);
    assert!(proxy.get("/").ends_with("plain"));
    assert!(ask(&mut stream, "a").is_err());
}

#[test]
fn who_does_not_take_an_answer_loses_it() {
    let pki = Pki::new();
    // Far more than the buffers of two sockets hold.
    std::fs::write(pki.dir.path().join("large"), vec![b'x'; 32 << 20]).expect("a file");
    let http = two("access_log a.log; send_timeout 50ms; root .;")
        .replace("return 200 \"$scheme $server_name\";", "");
    let mut proxy = Proxy::start(&http, pki.dir.path());
    let mut stream = connect(&proxy, &pki.client(&[&TLS13], &[]), "a.test");
    write!(stream, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request sent");
    super::harness::until("it is asked", || proxy.counters.requests.get() > 0);
    super::harness::until("it is given up", || proxy.counters.active.get() == 0);
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.len() < 32 << 20, "{end:?} {}", answer.len());
    proxy.stop();
    let log = std::fs::read_to_string(pki.dir.path().join("a.log")).expect("a log");
    assert!(log.contains("GET /large HTTP/1.1"), "{log}");
}

#[test]
fn a_redirect_stays_with_tls() {
    let pki = Pki::new();
    let http = two("").replace("return 200 \"$scheme $server_name\";", "return 301 /there;");
    let proxy = Proxy::start(&http, pki.dir.path());
    let mut stream = connect(&proxy, &pki.client(&[&TLS13], &[]), "a.test");
    let answer = ask(&mut stream, "a.test").expect("an answer");
    let port = proxy.address.port();
    assert!(answer.contains(&format!("\r\nLocation: https://a.test:{port}/there\r\n")), "{answer}");
}

#[test]
fn http_in_the_clear_has_the_scheme_http() {
    let http = "server { listen 127.0.0.1:0; return 200 $scheme; }";
    let dir = tempfile::tempdir().expect("a directory");
    assert!(Proxy::start(http, Path::new(dir.path())).get("/").ends_with("\r\n\r\nhttp"));
}
