//! The way in and out. Given a listener and the website, it serves every connection that comes; and once the server is to leave it
//! does so without losing a request: its health check fails first, whoever comes all the same is still served, each answer
//! says that it is the last one of its connection, and no connection is closed that a request may be on its way on. Told to hurry,
//! it waits for nothing but the answers that are under way.

use crate::pace;
use axum::Router;
use axum::http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::pending;
use std::io::ErrorKind;
use std::pin::pin;
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
pub(crate) struct Door(watch::Sender<Stage>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Open,
    Leaving,
    Hurrying,
}

impl Door {
    /// From now on it is.
    pub(crate) fn leave(&self) {
        self.0.send_replace(Stage::Leaving);
    }

    /// From now on it leaves as soon as it can.
    pub(crate) fn hurry(&self) {
        self.0.send_replace(Stage::Hurrying);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        *self.0.borrow() >= Stage::Leaving
    }

    /// Resolves once it is about to leave.
    pub(crate) async fn left(&self) {
        reached(&mut self.0.subscribe(), Stage::Leaving).await;
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
            let (place, stage, website) = (open.subscribe(), self.0.subscribe(), website.clone());
            tokio::spawn(async move {
                converse(stream, website, stage).await;
                drop(place);
            });
        };
        let mut stage = self.0.subscribe();
        loop {
            tokio::select! {
                () = reached(&mut stage, Stage::Leaving) => break,
                stream = accept(&listener) => welcome(stream),
            }
        }
        let last_call = async {
            loop {
                tokio::select! {
                    () = open.closed() => return,
                    () = reached(&mut stage, Stage::Hurrying) => return,
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

/// Serves a connection to its end.
async fn converse(
    stream: TcpStream,
    website: TowerToHyperService<Router>,
    mut stage: watch::Receiver<Stage>,
) {
    let leaving = stage.clone();
    let service = service_fn(|request| {
        let (answer, leaving) = (website.call(request), &leaving);
        async move {
            let mut answer = answer.await?;
            if *leaving.borrow() >= Stage::Leaving {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut conversation = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    // A connection that breaks off is its client's affair.
    tokio::select! {
        biased;
        _ = &mut conversation => return,
        () = reached(&mut stage, Stage::Hurrying) => conversation.as_mut().graceful_shutdown(),
    }
    let _ = conversation.await;
}

/// Resolves once the server is as far as this.
async fn reached(stage: &mut watch::Receiver<Stage>, wanted: Stage) {
    if stage.wait_for(|stage| *stage >= wanted).await.is_err() {
        // Its door is gone, and nobody says any more that it is to leave.
        pending().await
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
    use std::net::SocketAddr;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

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

    async fn connect(address: SocketAddr) -> Client {
        Client(TcpStream::connect(address).await.expect("a connection"))
    }

    /// A server whose answers begin and go on as they are told to.
    async fn open(begun: &Arc<Notify>, go_on: &Arc<Notify>) -> (SocketAddr, Arc<Door>, JoinHandle<()>) {
        let (begun, go_on) = (Arc::clone(begun), Arc::clone(go_on));
        let slow = move || async move {
            begun.notify_one();
            go_on.notified().await;
            "ok"
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
        (address, door, serving)
    }

    #[tokio::test]
    async fn who_leaves_says_so_with_each_answer_and_closes_no_connection_unsaid() {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (address, door, serving) = open(&begun, &go_on).await;
        let mut kept = connect(address).await;
        kept.ask().await;
        go_on.notify_one();
        assert!(!kept.hear().await.contains("connection: close"));
        begun.notified().await;

        let mut busy = connect(address).await;
        busy.ask().await;
        begun.notified().await;
        door.leave();
        assert!(door.is_leaving());
        // What is under way ends as it began, who comes is still served, and who was there may ask once more.
        let mut late = connect(address).await;
        go_on.notify_one();
        for (client, asks) in [(&mut busy, false), (&mut late, true), (&mut kept, true)] {
            if asks {
                client.ask().await;
                begun.notified().await;
                go_on.notify_one();
            }
            assert!(client.hear().await.contains("\r\nconnection: close\r\n"));
            assert!(client.is_closed().await);
        }
        serving.await.expect("an orderly end");
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn who_hurries_waits_for_nothing_but_answers() {
        let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (address, door, serving) = open(&begun, &go_on).await;
        let (mut idle, mut busy) = (connect(address).await, connect(address).await);
        idle.ask().await;
        go_on.notify_one();
        idle.hear().await;
        begun.notified().await;
        busy.ask().await;
        begun.notified().await;
        door.leave();
        door.hurry();
        assert!(idle.is_closed().await);
        go_on.notify_one();
        assert!(busy.hear().await.contains("\r\nconnection: close\r\n") && busy.is_closed().await);
        serving.await.expect("an orderly end");
    }
}
