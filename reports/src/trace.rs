//! What a traced request leaves behind: `loadgen.trace/1` as a value. The record has what the client measured of each request and what
//! the answers said of themselves; which of them is drawn, and where its parts lie, can be computed from that again.

use crate::record::{Head, Target, Verdict};
use serde::{Deserialize, Serialize};

/// The name and version of [`Trace`]'s JSON.
pub const TRACE_SCHEMA: &str = "loadgen.trace/1";

/// One request, or the median of several that were sent one after the other, each with a look-up and a connection of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// [`TRACE_SCHEMA`].
    pub schema: String,
    /// Whether it was cut short: fewer requests than were asked for.
    pub partial: bool,
    /// By what, when and where it was made.
    #[serde(flatten)]
    pub head: Head,
    /// What was asked.
    pub target: Target,
    /// What of the target is emulated, in words; empty for nothing.
    #[serde(default)]
    pub emulated: Vec<String>,
    /// Who was asked for the name: an address, `system`, or nobody.
    pub resolver: Option<String>,
    /// In the order of time.
    pub requests: Vec<Asked>,
    /// Which of [`Trace::requests`] is drawn: of the answered ones the median by [`Asked::total_ms`].
    pub drawn: Option<usize>,
    /// What that one is made of: each after what it is a part of.
    pub parts: Vec<Part>,
    /// Whether the parts add up, and what has to be known to read them.
    pub verdict: Verdict,
}

/// One request as its client saw it: times in milliseconds, by one clock, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The `X-Request-ID` that it was sent with.
    pub id: String,
    /// Why it has no whole answer.
    pub failed: Option<String>,
    /// The answer's status.
    pub status: Option<u16>,
    /// Where it was sent.
    pub address: String,
    /// The search for the name's addresses, where there was one.
    pub name_ms: Option<f64>,
    /// TCP's handshake.
    pub connect_ms: f64,
    /// That of TLS.
    pub tls_ms: Option<f64>,
    /// The sending, which is a part of the waiting.
    pub send_ms: f64,
    /// From the beginning of the sending to the answer's first byte.
    pub wait_ms: f64,
    /// From the first byte to the last.
    pub receive_ms: f64,
    /// From the beginning of the search for the name to the last byte.
    pub total_ms: f64,
    /// Of the answer, its head included.
    pub bytes: u64,
    /// The answer's `X-Request-ID`.
    pub answered_id: Option<String>,
    /// The answer's `Server-Timing` fields.
    pub server_timing: Vec<String>,
}

/// A part of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `name`, `connect`, `tls`, `wait`, `send`, `receive`, or as `Server-Timing` calls it.
    pub name: String,
    /// Whose it is: `dns`, `client`, `proxy`, `app`, `db`; empty where that is not known.
    pub tier: String,
    /// What it is a part of, as an index of [`Trace::parts`].
    pub of: Option<usize>,
    /// How long it took, by who says so, in milliseconds.
    pub took_ms: f64,
    /// The smallest difference that this clock tells, in milliseconds.
    pub grain_ms: f64,
    /// What else was said of it.
    pub said: String,
    /// Where it is drawn, from the beginning of the request, in milliseconds.
    pub start_ms: f64,
    /// How long it is drawn, in milliseconds: as long as it took, but for what the grain hides.
    pub length_ms: f64,
    /// How that is known.
    pub place: Place,
}

/// See [`Part::place`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// By the client's clock.
    #[default]
    Measured,
    /// Not at all: clocks of different processes are not compared. It is drawn in the middle of what it is a part of.
    Centred,
    /// Only that it comes after the part before it: drawn from there on.
    Ordered,
    /// Not at all, and neither how it stands to others: drawn from the beginning of what it is a part of.
    Unknown,
}

impl Part {
    /// What a person calls it.
    pub fn title(&self) -> String {
        let known = match (self.name.as_str(), self.tier.as_str()) {
            ("name", "dns") => "name (DNS)",
            ("connect", "client") => "connect (TCP)",
            ("tls", "client") => "TLS",
            ("wait", "client") => "wait for the answer",
            ("send", "client") => "send",
            ("receive", "client") => "receive",
            ("proxy", "proxy") => "proxy",
            ("upstream", "proxy") => "proxy: wait for the app",
            ("app", "app") => "app",
            ("queue", "app") => "app: wait for a worker",
            ("service", "app") => "app: emulated work",
            ("pool", "app") => "app: wait for a connection",
            ("db", "db") => "app: database",
            ("page", "app") => "app: page",
            _ => return self.name.clone(),
        };
        known.to_owned()
    }
}

impl Trace {
    /// The request that is drawn.
    pub fn shown(&self) -> Option<&Asked> {
        self.requests.get(self.drawn?)
    }

    /// The part of this name.
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name && !part.tier.is_empty())
    }
}
