//! The counters of a cache. Given what happens to requests and answers, it counts, at the price of an addition.

use prometheus_client::metrics::counter::Counter;

/// How a request fared: `$upstream_cache_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Miss,
    Bypass,
    Expired,
    Stale,
    Updating,
    Revalidated,
    Hit,
}

impl Status {
    pub(super) const ALL: [Self; 7] =
        [Self::Miss, Self::Bypass, Self::Expired, Self::Stale, Self::Updating, Self::Revalidated, Self::Hit];

    /// nginx's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Miss => "MISS",
            Self::Bypass => "BYPASS",
            Self::Expired => "EXPIRED",
            Self::Stale => "STALE",
            Self::Updating => "UPDATING",
            Self::Revalidated => "REVALIDATED",
            Self::Hit => "HIT",
        }
    }
}

/// What became of an answer that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Stored,
    /// The upstream broke it off.
    CutShort,
    /// The disk did not take it, or not fast enough.
    NotWritten,
}

impl Fate {
    pub(super) const ALL: [Self; 3] = [Self::Stored, Self::CutShort, Self::NotWritten];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::CutShort => "cut_short",
            Self::NotWritten => "not_written",
        }
    }
}

/// The counters of one cache.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    requests: [Counter; Status::ALL.len()],
    fills: [Counter; Fate::ALL.len()],
    /// Answers that went because nobody asked for them.
    pub(crate) idle: Counter,
    /// Answers that went because there was no room.
    pub(crate) crowded_out: Counter,
    /// Answers that were not as they had been written.
    pub(crate) damaged: Counter,
    /// Waits for another one's answer that ended with it, and those that did not.
    pub(crate) waited: Counter,
    pub(crate) gave_up: Counter,
}

impl Meters {
    pub(crate) fn answered(&self, status: Status) {
        self.requests[status as usize].inc();
    }

    pub(crate) fn filled(&self, fate: Fate) {
        self.fills[fate as usize].inc();
    }

    /// How many requests fared so.
    pub(crate) fn requests(&self, status: Status) -> u64 {
        self.requests[status as usize].get()
    }

    /// How many answers that became of.
    pub(crate) fn fills(&self, fate: Fate) -> u64 {
        self.fills[fate as usize].get()
    }
}
