//! The way in and out. Given a listener and the website, it serves every connection that comes; and once the server is to leave it
//! does so without losing a request: its health check fails first, whoever comes all the same is still served, each answer
//! says that it is the last one of its connection, and no connection is closed that a request may be on its way on.

use crate::pace;
use axum::Router;
use axum::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How long leaving may take.
pub(crate) const LIMITS: Limits = Limits { last_call: Duration::from_secs(1), drain: Duration::from_secs(5) };
/// The pause after an `accept` that found no descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How long the parts of leaving may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections are still taken in: a balancer that asks for health has that long to notice.
    last_call: Duration,
    /// What is open ends: longer than a proxy of this stack keeps a connection that it does not use.
    drain: Duration,
}

/// Whether the server is about to leave.
#[derive(Debug, Default)]
pub(crate) struct Door(watch::Sender<bool>);

impl Door {
    /// From now on it is.
    pub(crate) fn leave(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves once it is.
    pub(crate) async fn left(&self) {
        // The sender is this door's own.
        let _ = self.0.subscribe().wait_for(|leaving| *leaving).await;
    }

    /// Serves `website` until the server has left.
    pub(crate) async fn serve(&self, listener: TcpListener, website: Router, limits: Limits) {
        let website = TowerToHyperService::new(website);
        // Each connection holds a receiver.
        let open = watch::Sender::new(());
        let welcome = |stream: TcpStream| {
            // Without it a small answer may wait for the client's acknowledgement. A stream that is already closed has no
            // use for it.
            let _ = stream.set_nodelay(true);
            let (place, leaving, website) = (open.subscribe(), self.0.subscribe(), website.clone());
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let answer = website.call(request);
                    let leaving = &leaving;
                    async move {
                        let mut answer = answer.await?;
                        if *leaving.borrow() {
                            let close = HeaderValue::from_static("close");
                            answer.headers_mut().insert(header::CONNECTION, close);
                        }
                        Ok::<_, std::convert::Infallible>(answer)
                    }
                });
                // A connection that breaks off is its client's affair.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                drop(place);
            });
        };
        loop {
            tokio::select! {
                () = self.left() => break,
                stream = accept(&listener) => welcome(stream),
            }
        }
        let last_call = async {
            loop {
                tokio::select! {
                    () = open.closed() => return,
                    stream = accept(&listener) => welcome(stream),
                }
            }
        };
        pace::within(limits.last_call, last_call).await;
        // Whoever stands in the queue has been let in by the kernel, and would be thrown out with it.
        if let Ok(listener) = listener.into_std() {
            while let Ok((stream, _)) = listener.accept() {
                let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                stream.into_iter().for_each(&welcome);
            }
        }
        pace::within(limits.drain, open.closed()).await;
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // A connection that went away before it was accepted says nothing about the next one.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => pace::pause(ACCEPT_PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    struct Client(TcpStream);

    impl Client {
        async fn ask(&mut self) {
            self.0.write_all(ASK).await.expect("a request sent");
        }

        /// The answer's head, which has no body behind it but `ok`.
        async fn hear(&mut self) -> String {
            let mut answer = String::new();
            while !answer.ends_with("ok") {
                let mut piece = [0; 512];
                let n = self.0.read(&mut piece).await.expect("an answer");
                assert!(n > 0, "it ends after {answer}");
                answer.push_str(std::str::from_utf8(&piece[..n]).expect("text"));
            }
            answer.to_ascii_lowercase()
        }

        async fn is_closed(&mut self) -> bool {
            self.0.read(&mut [0]).await.expect("an end") == 0
        }
    }

    #[tokio::test]
    async fn who_leaves_says_so_with_each_answer_and_closes_no_connection_unsaid() {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            move || async move {
                begun.notify_one();
                go_on.notified().await;
                "ok"
            }
        };
        let website = Router::new().route("/", get(slow));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let door = Arc::new(Door::default());
        let minute = Duration::from_secs(60);
        let limits = Limits { last_call: minute, drain: minute };
        let serving = tokio::spawn({
            let door = Arc::clone(&door);
            async move { door.serve(listener, website, limits).await }
        });
        let connect = || async { Client(TcpStream::connect(address).await.expect("a connection")) };

        let mut kept = connect().await;
        kept.ask().await;
        go_on.notify_one();
        assert!(!kept.hear().await.contains("connection: close"));
        begun.notified().await;

        let mut busy = connect().await;
        busy.ask().await;
        begun.notified().await;
        door.leave();
        assert!(door.is_leaving());
        // What is under way ends as it began, who comes is still served, and who was there may ask once more.
        let mut late = connect().await;
        late.ask().await;
        kept.ask().await;
        for client in [&mut busy, &mut late, &mut kept] {
            go_on.notify_one();
            go_on.notify_one();
            assert!(client.hear().await.contains("\r\nconnection: close\r\n"));
            assert!(client.is_closed().await);
        }
        serving.await.expect("an orderly end");
        assert!(TcpStream::connect(address).await.is_err());
    }
}
