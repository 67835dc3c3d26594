//! The sessions that one thread has running. Given arrivals and answers with their instants, it says which request is due
//! when, and encodes it. It knows no clock and no socket, and what it does depends on the seed and the index of a
//! session only, so that any number of threads send the same requests. Its memory grows with the number of sessions
//! that run at the same time, and with nothing else.

use super::SessionArrivals;
use super::answer::{Answered, Reading, Why};
use super::jar::Jar;
use super::script::{Script, Wants, Whose};
use bytes::Bytes;
use http::Request;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct Sessions {
    script: Arc<Script>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// How many sessions did not begin for want of data, and of which.
    exhausted: (u64, Option<Exhausted>),
    scratch: Vec<u8>,
}

/// A request that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    /// The session's number in the whole schedule.
    pub(crate) index: u64,
    /// Which session of this thread asks.
    pub(crate) session: u32,
    /// Which step of which interaction it is, numbered over the whole scenario.
    pub(crate) entry: u16,
    /// Its expected instant.
    pub(crate) intended: u64,
}

/// The three instants of a request, in nanoseconds after the start of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instants {
    /// When it was expected.
    pub(crate) intended: u64,
    /// When its first byte was written.
    pub(crate) sent: u64,
    /// When its answer was whole.
    pub(crate) done: u64,
}

/// What an answer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The check or extract that failed, if one did: then the request is an error of kind `check`.
    pub(crate) failed: Option<Failed>,
    /// The user's next request. With none, the user is gone, and the session's number may be given to another.
    pub(crate) next: Option<Next>,
}

/// A session does not begin, since a file with `pick = "unique"` has no row left for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted {
    /// The number of the file in the scenario.
    feed: usize,
}

/// A check or an extract that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Failed {
    /// The step.
    pub(crate) entry: u16,
    /// The place among the step's checks, and after them its extracts.
    pub(crate) place: u16,
    /// The reason.
    pub(crate) why: Why,
}

/// A user with a session under way, or room for one.
#[derive(Debug, Default)]
struct Slot {
    live: bool,
    index: u64,
    visit: u32,
    interaction: usize,
    entry: u16,
    values: Vec<Vec<u8>>,
    jar: Jar,
}

/// What a free slot keeps of each of its buffers.
const KEEP: usize = 4096;

impl Sessions {
    /// No sessions yet.
    pub(crate) fn new(script: Arc<Script>) -> Self {
        Self { script, slots: Vec::new(), free: Vec::new(), exhausted: (0, None), scratch: Vec::new() }
    }

    /// The session of the arrival with this index begins, its first request being due at `intended`.
    ///
    /// In a closed loop, the sessions 0 to `users` - 1 are begun this way, each by the thread that has this user; the
    /// later ones come out of [`Sessions::answered`] and [`Sessions::failed`].
    ///
    /// # Errors
    /// When there is no data left for it. It is counted, and nothing is to be sent.
    pub(crate) fn begin(&mut self, index: u64, intended: u64) -> Result<Next, Exhausted> {
        if let Err(exhausted) = self.script.check_rows(index) {
            self.exhausted = (self.exhausted.0 + 1, Some(exhausted));
            return Err(exhausted);
        }
        let session = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[session as usize];
        slot.enter(&self.script, index, 0);
        Ok(slot.due(session, intended))
    }

    /// Appends the session's current request to `out`, as HTTP/1.1: the same bytes as often as it is asked.
    pub(crate) fn encode(&mut self, session: u32, out: &mut Vec<u8>) {
        let slot = &self.slots[session as usize];
        self.script.encode(slot.whose(), &mut self.scratch, out);
    }

    /// The same for a client that writes requests itself: its URI is path and query, and neither the host (unless the user
    /// gave one) nor the length are among its fields.
    ///
    /// # Errors
    /// When a value that came from data or from an answer has no place in a request.
    pub(crate) fn request(&self, session: u32) -> http::Result<Request<Bytes>> {
        self.script.request(self.slots[session as usize].whose())
    }

    /// What has to be kept of the answer to this request.
    pub(crate) fn wants(&self, entry: u16) -> Wants {
        self.script.wants(entry)
    }

    /// The session's current request was answered in whole; the caller has found nothing wrong with the status.
    ///
    /// The next step is due at
    ///
    /// ```text
    /// expected(next) = expected(this) + service time (done - sent) + think time
    /// ```
    ///
    /// and not at `done` + think time (Gil Tene, "How NOT to measure latency", 2013, of coordinated omission). The two are the
    /// same when the request was sent in time. When it was not, because the generator came late or no connection was free,
    /// a user would not have been held up by that: they would have asked, been answered, and asked again as much earlier.
    /// So the delay stays in the next step's response time and send lag, rather than being forgiven at each step; where
    /// the user thinks, the generator can make up for it.
    ///
    /// In a closed loop, a user's next session is due at `done` + think time: it is a new arrival, that arrives when the
    /// user is there, and there is nothing yet that it could be late for.
    pub(crate) fn answered(&mut self, session: u32, answered: &Answered<'_>, at: Instants) -> Turn {
        let Self { script, slots, .. } = self;
        let Some(slot) = slots.get_mut(session as usize).filter(|slot| slot.live) else {
            return Turn { failed: None, next: None };
        };
        if script.scenario.cookies {
            let set = answered.head.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
            set.for_each(|(_, cookie)| slot.jar.set(cookie));
        }
        if let Err(failed) = slot.judge(script, answered) {
            return Turn { failed: Some(failed), next: self.failed(session, at.done) };
        }
        let thought = at.intended + at.done.saturating_sub(at.sent) + slot.think(script);
        let interaction = &script.scenario.interactions[slot.interaction];
        if slot.entry + 1 < interaction.end {
            slot.entry += 1;
        } else if script.stays(slot.index, slot.visit) {
            slot.enter(script, slot.index, slot.visit + 1);
        } else {
            return Turn { failed: None, next: self.leave(session, at.done) };
        }
        Turn { failed: None, next: Some(slot.due(session, thought)) }
    }

    /// The session's current request ended at `now` without a fine answer: an error, another status than expected, or it was
    /// never sent. The session's later steps never come due. In a closed loop, gives the user's next session.
    pub(crate) fn failed(&mut self, session: u32, now: u64) -> Option<Next> {
        if !self.slots.get(session as usize).is_some_and(|slot| slot.live) {
            return None;
        }
        self.leave(session, now)
    }

    /// How many sessions did not begin, and why.
    pub(crate) fn not_begun(&self) -> Option<(u64, String)> {
        let (times, exhausted) = self.exhausted;
        exhausted.map(|exhausted| (times, self.script.explain(exhausted)))
    }

    /// The session is over: the user begins another one in a closed loop, and else is gone.
    fn leave(&mut self, session: u32, now: u64) -> Option<Next> {
        let slot = &mut self.slots[session as usize];
        let (index, intended) = (slot.index, now + slot.think(&self.script));
        slot.clear();
        self.free.push(session);
        match self.script.scenario.arrivals {
            SessionArrivals::Open | SessionArrivals::PartlyOpen { .. } => None,
            // Takes the place that has just become free. A user for whom there is no data is gone.
            SessionArrivals::Closed { users } => self.begin(index + users, intended).ok(),
        }
    }
}

impl Slot {
    /// The user's `visit`-th interaction begins.
    fn enter(&mut self, script: &Script, index: u64, visit: u32) {
        self.live = true;
        self.index = index;
        self.visit = visit;
        self.interaction = script.interaction(index, visit);
        let interaction = &script.scenario.interactions[self.interaction];
        self.entry = interaction.first;
        self.values.iter_mut().for_each(Vec::clear);
        self.values.resize_with(interaction.variables, Vec::new);
    }

    fn due(&self, session: u32, intended: u64) -> Next {
        Next { index: self.index, session, entry: self.entry, intended }
    }

    fn whose(&self) -> Whose<'_> {
        Whose {
            index: self.index,
            visit: self.visit,
            entry: self.entry,
            values: &self.values,
            cookies: self.jar.line(),
        }
    }

    fn think(&self, script: &Script) -> u64 {
        script.think(self.index, self.visit, self.entry)
    }

    /// Holds the answer against the step's checks, and takes from it what later steps need.
    fn judge(&mut self, script: &Script, answered: &Answered<'_>) -> Result<(), Failed> {
        let step = &script.scenario.steps[usize::from(self.entry)];
        let reading = Reading::new(answered);
        let failed = |place: usize, why| Failed { entry: self.entry, place: place as u16, why };
        for (place, check) in step.checks.iter().enumerate() {
            check.hold(&reading).map_err(|why| failed(place, why))?;
        }
        for (place, extract) in step.extracts.iter().enumerate() {
            let taken = extract.take(&reading, &mut self.values[extract.slot]);
            taken.map_err(|why| failed(step.checks.len() + place, why))?;
        }
        Ok(())
    }

    /// Nobody is here; what was large is given back.
    fn clear(&mut self) {
        self.live = false;
        self.jar.clear();
        for value in &mut self.values {
            value.clear();
            value.shrink_to(KEEP);
        }
    }
}

impl Script {
    /// Whether every file that the session needs has a row for it.
    fn check_rows(&self, index: u64) -> Result<(), Exhausted> {
        let short = |feeds: &[usize]| {
            let mut feeds = feeds.iter().copied();
            feeds.find(|feed| self.scenario.feeds[*feed].row(self.seed, index).is_none())
        };
        let feed = match self.scenario.arrivals {
            // Whoever stays may come to do any of them.
            SessionArrivals::PartlyOpen { .. } => {
                self.scenario.interactions.iter().find_map(|one| short(&one.unique))
            }
            _ => short(&self.scenario.interactions[self.interaction(index, 0)].unique),
        };
        feed.map_or(Ok(()), |feed| Err(Exhausted { feed }))
    }

    /// A failure in words: `check 2: json /ok equals true: it is not so`.
    pub(crate) fn describe(&self, failed: Failed) -> String {
        let step = &self.scenario.steps[usize::from(failed.entry)];
        let place = usize::from(failed.place);
        let (kind, number, label) = match place.checked_sub(step.checks.len()) {
            None => ("check", place, &step.checks[place].label),
            Some(place) => ("extract", place, &step.extracts[place].label),
        };
        format!("{kind} {}: {label}: {}", number + 1, failed.why)
    }

    /// The same of a session that did not begin.
    pub(crate) fn explain(&self, exhausted: Exhausted) -> String {
        let feed = &self.scenario.feeds[exhausted.feed];
        format!("data `{}` has {} rows, each for one session, and they are used up", feed.name, feed.rows())
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
pub(super) mod tests;
