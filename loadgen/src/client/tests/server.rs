//! A server to test with: HTTP/1.1 as bytes that a test chooses, or HTTP/2 by h2, in the clear or within TLS, on a thread of
//! its own. It says how many connections came and what was asked on them.

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What is answered to the n-th request of a connection, of which the head is given: bytes, and whether the connection
/// stays open; `None`: never anything.
pub(super) type Answer = fn(usize, &str) -> Option<(Vec<u8>, bool)>;

/// What the server speaks.
#[derive(Clone, Copy)]
pub(super) enum Speaks {
    Http1(Answer),
    /// What is done with the n-th stream of a connection.
    Http2(fn(usize) -> Stream),
}

/// What is done with a stream.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Answer(u16, &'static [u8]),
    Refuse,
    Break,
    Silence,
    /// The connection is shut down gracefully once this one is answered.
    Last,
}

/// Certificates of one test: an authority, and what it has signed.
pub(super) struct Papers {
    dir: TempDir,
}

impl Papers {
    /// An authority, a server's certificate for `name`, and a client's.
    pub(super) fn new(name: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name_of_its_own = dir.path().display().to_string();
        params.distinguished_name.push(DnType::CommonName, name_of_its_own);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        for (file, name) in [("server", name), ("client", "somebody")] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let signed = params.signed_by(&key, &authority).unwrap();
            std::fs::write(dir.path().join(format!("{file}.pem")), signed.pem()).unwrap();
            std::fs::write(dir.path().join(format!("{file}.key")), key.serialize_pem()).unwrap();
        }
        Self { dir }
    }

    /// Where a file of it is.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn acceptor(&self, protocol: &[u8], of_clients: bool) -> TlsAcceptor {
        let certificate = |file: &str| CertificateDer::from_pem_file(self.path(file)).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if of_clients {
            let mut roots = RootCertStore::empty();
            roots.add(certificate("ca.pem")).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap();
        let mut config = builder.with_single_cert(vec![certificate("server.pem")], key).unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    asked: Mutex<Vec<String>>,
    peers: Mutex<Vec<String>>,
}

impl Server {
    /// In the clear.
    pub(super) fn start(speaks: Speaks) -> Self {
        Self::run(speaks, None)
    }

    /// Within TLS, of clients with a certificate only where `of_clients` says so.
    pub(super) fn safe(speaks: Speaks, papers: &Papers, of_clients: bool) -> Self {
        let protocol: &[u8] = if matches!(speaks, Speaks::Http1(_)) { b"http/1.1" } else { b"h2" };
        Self::run(speaks, Some(papers.acceptor(protocol, of_clients)))
    }

    fn run(speaks: Speaks, tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::new(Seen::default());
        let server = Self { address, seen: Arc::clone(&seen) };
        on_a_thread(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((socket, peer)) = listener.accept().await {
                let (tls, seen) = (tls.clone(), Arc::clone(&seen));
                seen.peers.lock().unwrap().push(peer.ip().to_string());
                tokio::task::spawn_local(async move {
                    match tls {
                        None => serve(socket, speaks, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(socket).await {
                                serve(stream, speaks, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    /// On a unix socket in `papers`' directory.
    pub(super) fn unix(answer: Answer, path: &std::path::Path) {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        on_a_thread(async move {
            let listener = UnixListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                tokio::task::spawn_local(async move {
                    serve(socket, Speaks::Http1(answer), &Seen::default()).await;
                });
            }
        });
    }

    /// Connections on which something was asked, or could have been.
    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// The heads of all requests.
    pub(super) fn asked(&self) -> Vec<String> {
        self.seen.asked.lock().unwrap().clone()
    }

    /// Where connections came from.
    pub(super) fn peers(&self) -> Vec<String> {
        self.seen.peers.lock().unwrap().clone()
    }
}

fn on_a_thread(work: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, work);
    });
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, speaks: Speaks, seen: &Seen) {
    seen.connections.fetch_add(1, Ordering::Relaxed);
    match speaks {
        Speaks::Http1(answer) => http1(stream, answer, seen).await,
        Speaks::Http2(answer) => http2(stream, answer, seen).await,
    }
}

/// Reads heads (no test sends more than a small body, which comes with its head), and writes what it is told to.
async fn http1<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: Answer, seen: &Seen) {
    for n in 0.. {
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read_buf(&mut head).await {
                Ok(n) if n > 0 => {}
                _ => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let answer = answer(n, &head);
        seen.asked.lock().unwrap().push(head);
        let Some((bytes, stays)) = answer else { return std::future::pending().await };
        if stream.write_all(&bytes).await.is_err() || !stays {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

async fn http2<S: AsyncRead + AsyncWrite + Unpin>(stream: S, what: fn(usize) -> Stream, seen: &Seen) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut kept = Vec::new();
    for n in 0.. {
        let Some(Ok((request, mut respond))) = connection.accept().await else { return };
        seen.asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        let answer = |status: u16| http::Response::builder().status(status).body(()).unwrap();
        match what(n) {
            Stream::Answer(status, body) => {
                let mut stream = respond.send_response(answer(status), body.is_empty()).unwrap();
                if !body.is_empty() {
                    let _ = stream.send_data(Bytes::from_static(body), true);
                }
            }
            Stream::Refuse => respond.send_reset(h2::Reason::REFUSED_STREAM),
            Stream::Break => respond.send_reset(h2::Reason::INTERNAL_ERROR),
            Stream::Silence => kept.push((request, respond)),
            Stream::Last => {
                let _ = respond.send_response(answer(200), true);
                connection.graceful_shutdown();
            }
        }
    }
}
