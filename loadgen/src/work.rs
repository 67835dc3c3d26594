//! What one thread sends, and when. Given its job, it says which request is due next, has it encoded, and holds its answer
//! against what was expected. A plain run has a request for each arrival and nothing that follows from it; a scenario
//! has sessions, whose later requests are due when their answers have come. It knows no clock and no socket.

use crate::job::{Job, Source};
use crate::recorder::{Due, Ending, Recorder};
use crate::request::{self, Form, Requests};
use crate::scenario::answer::Answered;
use crate::scenario::script::{Script, Wants};
use crate::scenario::sessions::{Instants, Next, Sessions};
use crate::schedule::{Arrival, Schedule};
use crate::transport::capture::Capture;
use bytes::Bytes;
use http::{Request, Uri};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::sync::Arc;

/// What all threads of a run send.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// One request for each arrival.
    Requests(Arc<Requests>),
    /// Sessions of a scenario.
    Script(Arc<Script>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Work {
    kind: Kind,
    /// What is still to come of an open loop's schedule.
    schedule: Option<Peekable<Schedule>>,
    /// The share's number, and how many shares there are.
    share: (u64, u64),
    /// How many requests a closed loop has sent.
    closed_sent: u64,
    expected: Arc<[bool; 1000]>,
    /// Requests of sessions that are due later, the first of them on top.
    later: BinaryHeap<Reverse<(u64, Later)>>,
    /// When the steps of the plan end; what would be due after the last of them, is not.
    ends: Vec<u64>,
    /// The schedule is followed up to here.
    cut_ns: u64,
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum Kind {
    Requests(Arc<Requests>),
    Sessions(Box<Sessions>),
}

/// A request of a session, but for its instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Later {
    index: u64,
    session: u32,
    entry: u16,
    /// When it came to be known, which is after its instant where its predecessor had waited for a connection.
    known: u64,
}

impl Work {
    /// The work of a job. Its users come at the beginning of the run, to stay.
    pub(crate) fn of(job: &Job, recorder: &mut Recorder) -> Self {
        let (n, of) = job.share;
        let mut work = Self {
            kind: match &job.what {
                What::Requests(requests) => Kind::Requests(Arc::clone(requests)),
                What::Script(script) => Kind::Sessions(Box::new(Sessions::new(Arc::clone(script)))),
            },
            schedule: match &job.source {
                Source::Open(schedule) => Some(schedule.clone().peekable()),
                Source::Closed | Source::Users(_) => None,
            },
            share: (n as u64, of as u64),
            closed_sent: 0,
            expected: Arc::clone(&job.expected),
            later: BinaryHeap::new(),
            ends: job.ends.clone(),
            cut_ns: u64::MAX,
            scratch: Vec::new(),
        };
        if let Source::Users(users) = job.source {
            for user in (n as u64..users).step_by(of) {
                if let Some(due) = work.begin(Arrival { index: user, offset_ns: 0, step: 0 }, recorder) {
                    work.put_off(due, 0);
                }
            }
        }
        work
    }

    /// Nothing is due any more from `at_ns` on.
    pub(crate) fn cut(&mut self, at_ns: u64) {
        self.ends.iter_mut().for_each(|end| *end = at_ns.min(*end));
        self.cut_ns = at_ns;
    }

    /// When the next request is due that is not due yet; `u64::MAX` when none is.
    pub(crate) fn next(&mut self) -> u64 {
        let arrival = self.schedule.as_mut().and_then(Peekable::peek).map_or(u64::MAX, |a| a.offset_ns);
        let arrival = if arrival < self.cut_ns { arrival } else { u64::MAX };
        arrival.min(self.next_later())
    }

    /// The next request that is due by `now`, if there is one; it is planned by that.
    pub(crate) fn take_due(&mut self, now: u64, recorder: &mut Recorder) -> Option<Due> {
        let (due, known) = loop {
            let later = self.next_later();
            let before = later.min(self.cut_ns);
            let first = |arrival: &Arrival| arrival.offset_ns <= now && arrival.offset_ns < before;
            let Some(arrival) = self.schedule.as_mut().and_then(|schedule| schedule.next_if(first)) else {
                break self.come_due(now)?;
            };
            // A session for which there is no data sends nothing.
            if let Some(due) = self.begin(arrival, recorder) {
                break (due, arrival.offset_ns);
            }
        };
        recorder.planned(&due, known, now);
        Some(due)
    }

    /// In a closed loop a request is due when a connection is free, until the plan has ended.
    pub(crate) fn next_of_closed(&mut self, now: u64, recorder: &mut Recorder) -> Option<Due> {
        let step = self.ends.iter().position(|end| now < *end)?;
        let due = Due::plain(self.closed_sent * self.share.1 + self.share.0, now, step);
        self.closed_sent += 1;
        // It counts from when it could have been sent, which is no lateness of this thread's.
        recorder.planned(&due, now, now);
        Some(due)
    }

    /// The request of an arrival, or the first one of its session; `None` when there is no data left for a session.
    fn begin(&mut self, arrival: Arrival, recorder: &mut Recorder) -> Option<Due> {
        let Arrival { index, offset_ns, step } = arrival;
        match &mut self.kind {
            Kind::Requests(_) => Some(Due::plain(index, offset_ns, step)),
            Kind::Sessions(sessions) => {
                let next = sessions.begin(index, offset_ns).ok()?;
                recorder.session_begun(step);
                Some(due(next, step))
            }
        }
    }

    /// How many sessions did not begin for want of data, and why.
    pub(crate) fn not_begun(&self) -> Option<(u64, String)> {
        match &self.kind {
            Kind::Requests(_) => None,
            Kind::Sessions(sessions) => sessions.not_begun(),
        }
    }

    /// When the first of the later requests is due; `u64::MAX` when none is.
    fn next_later(&self) -> u64 {
        let last = self.ends.last().copied().unwrap_or(0);
        self.later.peek().map_or(u64::MAX, |Reverse((at, _))| if *at < last { *at } else { u64::MAX })
    }

    /// The first of the later requests, when it is due by now, and since when it is known.
    fn come_due(&mut self, now: u64) -> Option<(Due, u64)> {
        if self.next_later() > now {
            return None;
        }
        let Reverse((intended, Later { index, session, entry, known })) = self.later.pop()?;
        Some((Due { index, intended, step: self.step(intended), entry, session }, known))
    }

    /// The request as HTTP/1.1: the same bytes as often as it is asked.
    pub(crate) fn encode(&mut self, due: &Due) -> &[u8] {
        match &mut self.kind {
            Kind::Requests(requests) => requests.pick(due.index),
            Kind::Sessions(sessions) => {
                self.scratch.clear();
                sessions.encode(due.session, &mut self.scratch);
                &self.scratch
            }
        }
    }

    /// The request as client libraries take it, to the host of `base`.
    ///
    /// # Errors
    /// When what a variable stands for has no place in a request.
    pub(crate) fn request(&self, due: &Due, form: Form, base: &Uri) -> http::Result<Request<Bytes>> {
        match &self.kind {
            Kind::Requests(requests) => Ok(requests.parts(due.index, form)),
            Kind::Sessions(sessions) => request::addressed(sessions.request(due.session)?, form, base),
        }
    }

    /// Whether the answers have to be looked into; if not, nothing of them need be kept.
    pub(crate) fn reads_answers(&self) -> bool {
        matches!(self.kind, Kind::Sessions(_))
    }

    /// What has to be kept of the request's answer.
    pub(crate) fn wants(&self, due: &Due) -> Wants {
        match &self.kind {
            Kind::Requests(requests) => Wants { bodiless: requests.are_head(), ..Wants::default() },
            Kind::Sessions(sessions) => sessions.wants(due.entry),
        }
    }

    /// The request was sent at `sent` and answered in whole by `done`: says how it ended. What follows from it is put off until
    /// it is due.
    pub(crate) fn answered(
        &mut self,
        due: &Due,
        status: u16,
        kept: Option<&Capture>,
        (sent, done): (u64, u64),
        recorder: &mut Recorder,
    ) -> Ending {
        let expected = self.expected.get(usize::from(status)).copied().unwrap_or(false);
        let Kind::Sessions(sessions) = &mut self.kind else {
            return if expected { Ending::Ok(status) } else { Ending::Status(status) };
        };
        if !expected && !sessions.wants(due.entry).status {
            self.failed(due, done, recorder);
            return Ending::Status(status);
        }
        let at = Instants { intended: due.intended, sent, done };
        let nothing = Answered { status, head: &[], body: &[], size: 0, whole_body: true };
        let turn = match kept {
            Some(kept) => kept.read(status, |answered| sessions.answered(due.session, answered, at)),
            None => sessions.answered(due.session, &nothing, at),
        };
        if let Some(failed) = turn.failed {
            recorder.check_failed(due, failed);
        }
        self.follow(due, turn.next, (done, turn.failed.is_none()), recorder);
        if turn.failed.is_some() { Ending::Check(status) } else { Ending::Ok(status) }
    }

    /// The request ended at `now` without an answer, or with one that was not expected: so does its session.
    pub(crate) fn failed(&mut self, due: &Due, now: u64, recorder: &mut Recorder) {
        if let Kind::Sessions(sessions) = &mut self.kind {
            let next = sessions.failed(due.session, now).map(|next| Next {
                // A user to whom nothing was said does not ask again and again at once.
                intended: next.intended.max(now + PAUSE_NS),
                ..next
            });
            self.follow(due, next, (now, false), recorder);
        }
    }

    /// The request ended at `done`, fine or not; `next` follows from it.
    fn follow(&mut self, due: &Due, next: Option<Next>, (done, fine): (u64, bool), recorder: &mut Recorder) {
        let goes_on = next.is_some_and(|next| next.index == due.index);
        if !goes_on {
            recorder.session_ended(due.step, fine);
        }
        let Some(next) = next else { return };
        let step = self.step(next.intended);
        if !goes_on {
            recorder.session_begun(step);
        }
        self.put_off(self::due(next, step), done);
    }

    fn put_off(&mut self, due: Due, known: u64) {
        let Due { index, intended, session, entry, .. } = due;
        self.later.push(Reverse((intended, Later { index, session, entry, known })));
    }

    /// The step of the plan that an instant lies in.
    fn step(&self, at: u64) -> usize {
        self.ends.iter().position(|end| at < *end).unwrap_or(self.ends.len().saturating_sub(1))
    }
}

/// After a failure a user's next session is not due sooner than this.
const PAUSE_NS: u64 = 100_000_000;

fn due(next: Next, step: usize) -> Due {
    Due { index: next.index, intended: next.intended, step, entry: next.entry, session: next.session }
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
