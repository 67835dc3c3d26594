//! Who looks at a website beside its visitors, several times a second: which version answers, and whether the zone's name server does.
//! It gives what it saw with its instants; it is no part of the load.

use crate::failure::Outcome;
use crate::observe;
use crate::pace;
use crate::plan::Route;
use crate::transport::resolve;
use http::Uri;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(50);
/// How long an answer is waited for.
const LIMIT: Duration = Duration::from_millis(500);
/// What a website says of its version.
const VERSION: &str = "x-app-version";

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// When it was asked, and the version that answered, if one did.
    pub(super) versions: RefCell<Vec<(Instant, Option<String>)>>,
    /// Questions to the name server without an answer.
    pub(super) dns_failures: Cell<u64>,
}

/// Looks at `url` for as long as it is polled.
///
/// # Errors
/// The host's fault: there is no HTTP client.
pub(super) async fn versions(url: &str, seen: &Seen) -> Outcome {
    let client = observe::reader(LIMIT)?;
    loop {
        let asked = pace::now();
        let answer = client.get(url).send().await.ok().filter(|answer| answer.status().is_success());
        let version =
            answer.and_then(|answer| Some(answer.headers().get(VERSION)?.to_str().ok()?.to_owned()));
        seen.versions.borrow_mut().push((asked, version));
        pace::pause((asked + EVERY).saturating_duration_since(pace::now())).await;
    }
}

/// Asks `resolver` for the host of `url` as newcomers do, for as long as it is polled.
pub(super) async fn names(url: &Uri, resolver: SocketAddr, seen: &Seen) {
    let route = Route { resolver: Some(resolver), ..Route::default() };
    loop {
        let answer = pace::within(LIMIT, resolve::resolve(url, &route)).await;
        if !matches!(answer, Some(Ok(_))) {
            seen.dns_failures.set(seen.dns_failures.get() + 1);
        }
        pace::pause(EVERY).await;
    }
}
