//! What one request's time went into, for a client that asks by an `X-Request-ID`: waiting for a worker and for a connection, the
//! database, the page. Given spans by whoever measures them, on the way of the request's own task, it gives the answer's
//! `Server-Timing` (W3C Server Timing). A request that is not traced costs the search for the field.

use crate::pace;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task_local;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// As long as an id may be.
const LONGEST: usize = 128;

task_local! {
    static TRACE: Arc<Trace>;
}

/// A request that is traced.
#[derive(Debug)]
pub(super) struct Trace {
    id: String,
    queue: Span,
    /// `--service`.
    service: Span,
    pool: Span,
    /// Statements, with the way there and back.
    database: Span,
    statements: AtomicU32,
    page: Span,
}

/// Time, in nanoseconds.
#[derive(Debug, Default)]
struct Span(AtomicU64);

impl Span {
    fn add(&self, took: Duration) {
        self.0.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn ms(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64 / 1e6
    }
}

impl Trace {
    /// That of a request with these fields, if it brings an id.
    pub(super) fn asked(fields: &HeaderMap) -> Option<Arc<Self>> {
        let id = fields.get(REQUEST_ID)?.to_str().ok()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:+/=-".contains(&byte);
        ((1..=LONGEST).contains(&id.len()) && id.bytes().all(is_plain)).then(|| {
            Arc::new(Self {
                id: id.to_owned(),
                queue: Span::default(),
                service: Span::default(),
                pool: Span::default(),
                database: Span::default(),
                statements: AtomicU32::new(0),
                page: Span::default(),
            })
        })
    }

    /// It waited so long for a worker.
    pub(super) fn queued(&self, took: Duration) {
        self.queue.add(took);
    }

    /// The wait by which the application was made slower has ended.
    pub(super) fn served(&self, begun: Instant) {
        self.service.add(pace::now() - begun);
    }

    /// Does the request's `work`, of which the spans below become known.
    pub(super) async fn around<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        TRACE.scope(self, work).await
    }

    /// The value of `Server-Timing` for an answer after so long.
    pub(super) fn told(&self, took: Duration) -> Option<HeaderValue> {
        let mut text = String::new();
        let mut part = |name: &str, ms: f64, more: std::fmt::Arguments<'_>| {
            let between = if text.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{between}{name};dur={ms:.3}{more}");
        };
        part("queue", self.queue.ms(), format_args!(""));
        let statements = self.statements.load(Ordering::Relaxed);
        for (name, span) in [("service", &self.service), ("pool", &self.pool)] {
            if span.ms() > 0.0 {
                part(name, span.ms(), format_args!(""));
            }
        }
        if statements > 0 {
            let noun = if statements == 1 { "statement" } else { "statements" };
            part("db", self.database.ms(), format_args!(";desc=\"{statements} {noun}\""));
        }
        if self.page.ms() > 0.0 {
            part("page", self.page.ms(), format_args!(""));
        }
        part("app", took.as_secs_f64() * 1e3, format_args!(";desc=\"{}\"", self.id));
        HeaderValue::from_str(&text).ok()
    }
}

/// The request of this task waited so long for a connection to the database.
pub(super) fn waited_for_connection(took: Duration) {
    let _ = TRACE.try_with(|trace| trace.pool.add(took));
}

/// The way to the database took it so long.
pub(super) fn travelled(since: Instant) {
    let _ = TRACE.try_with(|trace| trace.database.add(pace::now() - since));
}

/// A statement took so long, from its sending to its last row.
pub(super) fn stated(took: Duration) {
    let _ = TRACE.try_with(|trace| {
        trace.database.add(took);
        trace.statements.fetch_add(1, Ordering::Relaxed);
    });
}

/// Makes a page of what was found.
pub(super) fn rendered<T>(render: impl FnOnce() -> T) -> T {
    let Ok(trace) = TRACE.try_with(Arc::clone) else { return render() };
    let begun = pace::now();
    let page = render();
    trace.page.add(pace::now() - begun);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(id: &str) -> Option<Arc<Trace>> {
        let mut fields = HeaderMap::new();
        fields.insert(REQUEST_ID, HeaderValue::from_str(id).expect("a value"));
        Trace::asked(&fields)
    }

    #[test]
    fn who_brings_an_id_is_traced() {
        let longest = "a".repeat(LONGEST);
        for (id, want) in [
            ("5e0c61d3f0a94b27", true),
            ("a.B_c:d+e/f=g-0", true),
            (&longest, true),
            (&format!("{longest}a"), false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a,b", false),
        ] {
            assert_eq!(asked(id).is_some(), want, "{id:?}");
        }
        assert!(Trace::asked(&HeaderMap::new()).is_none());
    }

    #[tokio::test]
    async fn spans_are_added_up_and_what_was_not_is_not_told() {
        let trace = asked("id-1").expect("traced");
        let ms = Duration::from_millis;
        let told = |took| trace.told(took).and_then(|value| Some(value.to_str().ok()?.to_owned()));
        assert_eq!(told(ms(2)).as_deref(), Some("queue;dur=0.000, app;dur=2.000;desc=\"id-1\""));
        trace.queued(Duration::from_micros(12));
        let work = async {
            waited_for_connection(ms(1));
            stated(ms(2));
            stated(Duration::from_micros(500));
            rendered(|| 7)
        };
        assert_eq!(Arc::clone(&trace).around(work).await, 7);
        // Of no request, or of another one.
        stated(ms(100));
        let text = told(ms(5)).expect("text");
        let want = "queue;dur=0.012, pool;dur=1.000, db;dur=2.500;desc=\"2 statements\", page;dur=0.";
        assert!(text.starts_with(want) && text.ends_with(", app;dur=5.000;desc=\"id-1\""), "{text}");
    }
}
