//! How long what a connection stands at may take. Given what it stands at, time and again, it gives the instant at which that has
//! taken too long. It reads no clock but the one that it is given.

use super::client::{Phase, Stand};
use super::config::Patience;
use std::time::Instant;

/// The time of a connection.
#[derive(Debug)]
pub(crate) struct Watch {
    stand: Stand,
    since: Option<Instant>,
    until: Option<Instant>,
}

impl Watch {
    /// Of a connection that stands at this until then.
    pub(crate) fn new(stand: Stand, until: Option<Instant>) -> Self {
        Self { stand, since: None, until }
    }

    /// What the connection stood at last.
    pub(crate) fn phase(&self) -> Phase {
        self.stand.phase
    }

    /// When its time began, if it has been seen to.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// When that has taken too long.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Notes what the connection stands at, and gives whether its time begins now.
    pub(crate) fn note(&mut self, stand: Stand, patience: &Patience, now: impl FnOnce() -> Instant) -> bool {
        let before = std::mem::replace(&mut self.stand, stand);
        if !begins(before, stand) {
            return false;
        }
        let limit = match stand.phase {
            Phase::New | Phase::Head => Some(patience.head),
            Phase::Idle => Some(patience.keepalive),
            Phase::Body => Some(patience.body),
            Phase::Send => Some(patience.send),
            Phase::Busy => None,
        };
        self.since = limit.map(|_| now());
        self.until = self.since.zip(limit).map(|(since, limit)| since + limit);
        true
    }
}

/// Whether the time of what a connection stands at begins with it, or goes on.
fn begins(before: Stand, now: Stand) -> bool {
    if now.answered != before.answered {
        return true;
    }
    match (before.phase, now.phase) {
        // The first head has the time of the wait for it.
        (Phase::New, Phase::Head) => false,
        (Phase::Body, Phase::Body) | (Phase::Send, Phase::Send) => now.moves != before.moves,
        (before, now) => before != now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace;
    use std::time::Duration;

    #[test]
    fn each_phase_has_its_time_and_its_beginning() {
        let patience = Patience {
            head: Duration::from_secs(1),
            body: Duration::from_secs(2),
            send: Duration::from_secs(3),
            keepalive: Duration::from_secs(4),
            told: None,
        };
        let start = pace::now();
        let first = Stand { phase: Phase::New, answered: 0, moves: 0 };
        let mut watch = Watch::new(first, Some(start + patience.head));
        // The second, the phase, requests answered, bytes moved; until when, in seconds.
        let rows = [
            (0, Phase::Head, 0, 1, Some(1)),
            (1, Phase::Head, 0, 2, Some(1)),
            (2, Phase::Body, 0, 3, Some(4)),
            (3, Phase::Body, 0, 3, Some(4)),
            (3, Phase::Body, 0, 4, Some(5)),
            (4, Phase::Busy, 0, 4, None),
            (5, Phase::Send, 0, 5, Some(8)),
            (6, Phase::Send, 0, 6, Some(9)),
            (7, Phase::Idle, 1, 7, Some(11)),
            (8, Phase::Idle, 1, 7, Some(11)),
            // A whole request between two looks.
            (9, Phase::Idle, 2, 8, Some(13)),
            (10, Phase::Head, 2, 9, Some(11)),
            (11, Phase::Head, 2, 10, Some(11)),
            // And one with the beginning of another behind it.
            (12, Phase::Head, 3, 11, Some(13)),
        ];
        for (second, phase, answered, moves, until) in rows {
            let now = start + Duration::from_secs(second);
            watch.note(Stand { phase, answered, moves }, &patience, || now);
            let until = until.map(|second| start + Duration::from_secs(second));
            assert_eq!((watch.phase(), watch.until()), (phase, until), "{second} {phase:?}");
        }
    }
}
