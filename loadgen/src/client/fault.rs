//! Why an exchange had no whole answer: its kind in the ledger and the reason in words, found in the errors of the
//! libraries. It decides nothing but names.

use reports::outcome::ErrorKind;
use rustix::io::Errno;
use std::error::Error;
use std::io;
use tokio_rustls::rustls;

/// A failure.
#[derive(Debug)]
pub(crate) struct Fault {
    /// How it is counted.
    pub(crate) kind: ErrorKind,
    /// One line.
    pub(crate) why: String,
    /// What the kernel said, of a connection that could not be opened.
    pub(super) errno: Option<Errno>,
}

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With a whole answer of this status.
    Answer(u16),
    /// Without one.
    Fault(Fault),
    /// The connection was closed before the request was written: nothing was sent.
    Unsent(Fault),
}

impl Fault {
    /// A failure of this kind, for the reasons that `error` and what is beneath it give.
    pub(super) fn new(kind: ErrorKind, error: &(dyn Error + 'static)) -> Self {
        Self { kind, why: in_words(error), errno: None }
    }

    /// No connection.
    pub(super) fn connect(error: io::Error) -> Self {
        Self { errno: Errno::from_io_error(&error), ..Self::new(ErrorKind::Connect, &error) }
    }

    /// The handshake of TLS failed: by what was said in it, or because the connection broke.
    pub(super) fn handshake(error: io::Error) -> Self {
        let why = super::tls::reason(&error).unwrap_or_else(|| in_words(&error));
        Self { kind: ErrorKind::Tls, why, errno: None }
    }

    /// What hyper says of HTTP/1.1.
    pub(super) fn http1(error: &hyper::Error) -> Self {
        let kind = if error.is_parse() || error.is_parse_too_large() || body_is_malformed(error) {
            ErrorKind::Protocol
        } else {
            ErrorKind::Reset
        };
        Self::new(kind, error)
    }

    /// What h2 says of HTTP/2: broken by the peer's breaking of the protocol, or else by its closing.
    pub(super) fn http2(error: &h2::Error) -> Self {
        let by_us = !error.is_remote() && !error.is_io();
        Self::new(if by_us { ErrorKind::Protocol } else { ErrorKind::Reset }, error)
    }

    /// What reqwest says, of whatever happened on the way.
    pub(super) fn reqwest(error: &reqwest::Error) -> Self {
        let of_tls = |e: &(dyn Error + 'static)| {
            e.is::<rustls::Error>()
                || e.downcast_ref::<io::Error>().is_some_and(|e| super::tls::reason(e).is_some())
        };
        let kind = if chain(error).any(of_tls) {
            ErrorKind::Tls
        } else if error.is_connect() {
            // reqwest has no name for it but this.
            if in_words(error).contains("dns error") { ErrorKind::Dns } else { ErrorKind::Connect }
        } else if let Some(e) = chain(error).find_map(|e| e.downcast_ref::<h2::Error>()) {
            Self::http2(e).kind
        } else if let Some(e) = chain(error).find_map(|e| e.downcast_ref::<hyper::Error>()) {
            Self::http1(e).kind
        } else if error.is_decode() || error.is_redirect() {
            ErrorKind::Protocol
        } else {
            ErrorKind::Reset
        };
        Self::new(kind, error)
    }
}

/// hyper reports a chunk that is none as an error of the body, with the kernel's word for bad data beneath.
fn body_is_malformed(error: &hyper::Error) -> bool {
    let bad = [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidData];
    chain(error).filter_map(|e| e.downcast_ref::<io::Error>()).any(|e| bad.contains(&e.kind()))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The error and what is beneath it, without saying the same twice, on one line.
pub(super) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    for text in chain(error).map(ToString::to_string) {
        if !words.contains(&text) {
            words = if words.is_empty() { text } else { format!("{words}: {text}") };
        }
    }
    words.replace('\n', " ")
}
