//! What one thread saw. Given the events of its requests with their times, it keeps the ledger of each step and the
//! histograms of the current interval, and hands an interval over when it is past. Its memory does not grow with the
//! length of a run. It reads no clock: every time is an argument, in nanoseconds since the start of the run.

use crate::entries::Entries;
use crate::interval::{Gauges, Interval, Spares, Window};
use crate::scenario::sessions::Failed;
use crate::stream::{Planned, Stream};
use crate::tally::Tally;
use crate::{limits, pace};
use reports::histogram::Distributions;
use reports::outcome::{Counts, ErrorKind};
use std::time::Duration;

/// A request that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// Its number in the whole schedule.
    pub(crate) index: u64,
    /// Its intended instant.
    pub(crate) intended: u64,
    /// The step that it belongs to.
    pub(crate) step: usize,
    /// Which kind of request of a scenario it is; 0 in a plain run.
    pub(crate) entry: u16,
    /// The session that it belongs to; 0 in a plain run.
    pub(crate) session: u32,
}

impl Due {
    /// A request of a plain run.
    pub(crate) fn plain(index: u64, intended: u64, step: usize) -> Self {
        Self { index, intended, step, entry: 0, session: 0 }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// A whole answer with an expected status.
    Ok(u16),
    /// A whole answer with another status.
    Status(u16),
    /// A whole answer with an expected status that did not pass a check.
    Check(u16),
    /// No whole answer.
    Error(ErrorKind),
}

impl Ending {
    /// The kind of error that it is, if it is one.
    pub(crate) fn error(self) -> Option<ErrorKind> {
        match self {
            Self::Ok(_) => None,
            Self::Status(_) => Some(ErrorKind::Status),
            Self::Check(_) => Some(ErrorKind::Check),
            Self::Error(kind) => Some(kind),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Recorder {
    spares: Spares,
    counted: Vec<bool>,
    tally: Tally,
    stream: Stream,
    status: Vec<[u64; STATUS_CODES]>,
    current: Interval,
    current_end: u64,
    window: Window,
    cpu_at_flush: Duration,
    waited_at_flush: u64,
}

/// A thread that wakes later than this has been stalled.
const STALL_NS: u64 = 1_000_000;

/// Status codes 100 to 999: what three digits can say.
const STATUS_CODES: usize = 900;

impl Recorder {
    /// A recorder for steps of which `counted` says whether they count, and for `entries` kinds of requests: 1 in a plain
    /// run.
    pub(crate) fn new(counted: Vec<bool>, entries: usize, window: Window, spares: Spares) -> Self {
        let Window { origin, length, .. } = window;
        let before = i64::try_from(origin.div_ceil(length)).unwrap_or(i64::MAX);
        let steps = vec![Counts::default(); counted.len()];
        let tally = Tally { steps, entries: Entries::new(entries), ..Tally::default() };
        // Two sets for this thread and one on its way: ready, and with their memory in place, before the first request.
        (0..3).map(|_| Distributions::default()).for_each(|set| spares.give(set));
        Self {
            spares,
            status: vec![[0; STATUS_CODES]; counted.len()],
            counted,
            tally,
            stream: Stream::new(None),
            current: Interval { number: -before, ..Interval::default() },
            current_end: if origin == 0 { length } else { origin - (before.unsigned_abs() - 1) * length },
            window,
            cpu_at_flush: pace::thread_cpu(),
            waited_at_flush: limits::waited_for_cpu(),
        }
    }

    /// Has the stream of requests tested against this plan.
    pub(crate) fn testing(mut self, planned: Planned) -> Self {
        self.stream = Stream::new(Some(planned));
        self
    }

    /// When the current interval ends.
    pub(crate) fn interval_end(&self) -> u64 {
        self.current_end
    }

    /// The measured part ends sooner than was planned.
    pub(crate) fn cut(&mut self, at_ns: u64) {
        self.window.end = self.window.end.min(at_ns);
    }

    /// The current interval is past: gives it, and begins the next.
    pub(crate) fn roll(&mut self, gauges: Gauges) -> Interval {
        let next =
            Interval { number: self.current.number + 1, times: self.spares.take(), ..Interval::default() };
        let mut past = std::mem::replace(&mut self.current, next);
        let cpu = pace::thread_cpu();
        past.cpu = cpu.saturating_sub(self.cpu_at_flush);
        past.gauges = gauges;
        self.cpu_at_flush = cpu;
        let waited = limits::waited_for_cpu();
        let starved = waited.saturating_sub(self.waited_at_flush);
        self.waited_at_flush = waited;
        if past.number >= 0 && self.current_end <= self.window.end {
            self.tally.cpu += past.cpu;
            self.tally.starved += starved;
        }
        self.current_end += self.window.length;
        past
    }

    /// The thread had meant to wake at `deadline`, and did at `now`. Only what is worth calling a stall is counted: the
    /// usual microseconds of a wake-up are in every send lag already.
    pub(crate) fn woken(&mut self, deadline: u64, now: u64) {
        let (from, to) = (deadline.max(self.window.origin), now.min(self.window.end));
        if now.saturating_sub(deadline) > STALL_NS {
            self.tally.stalled += to.saturating_sub(from);
        }
    }

    /// A request came due, and the thread came to it at `now`. Before `known` it could not: until then nobody knew of it.
    pub(crate) fn planned(&mut self, due: &Due, known: u64, now: u64) {
        self.tally.steps[due.step].planned += 1;
        if due.intended >= self.current_end.saturating_sub(self.window.length) {
            self.current.planned += 1;
        } else {
            let offset = i128::from(due.intended) - i128::from(self.window.origin);
            let number = offset.div_euclid(i128::from(self.window.length)) as i64;
            *self.current.planned_before.entry(number).or_default() += 1;
        }
        if self.counted[due.step] {
            self.tally.lateness.record(now.saturating_sub(due.intended.max(known)));
            self.tally.entries.count(due, |counts| counts.planned += 1);
        }
    }

    /// Its first byte was written at `at`.
    pub(crate) fn sent(&mut self, due: &Due, at: u64) {
        self.tally.steps[due.step].sent += 1;
        self.current.sent += u64::from(self.timed(due.step));
        if self.counted[due.step] {
            self.tally.sent_in_time += u64::from(at < self.window.end);
            self.tally.entries.count(due, |counts| counts.sent += 1);
            self.stream.sent(due, at);
        }
        if self.timed(due.step) {
            self.current.times.send_lag.record(at.saturating_sub(due.intended));
        }
    }

    /// It was sent at `at`, but not looked at: it is as if it had not been sent, but for its first send lag.
    pub(crate) fn taken_back(&mut self, due: &Due, at: u64) {
        self.tally.steps[due.step].sent -= 1;
        self.current.sent = self.current.sent.saturating_sub(u64::from(self.timed(due.step)));
        if self.counted[due.step] {
            self.tally.sent_in_time -= u64::from(at < self.window.end);
            self.tally.entries.count(due, |counts| counts.sent -= 1);
        }
    }

    /// It was given up because too many were waiting.
    pub(crate) fn dropped(&mut self, due: &Due) {
        self.tally.steps[due.step].dropped += 1;
        self.current.dropped += u64::from(self.timed(due.step));
        self.current.left_over += u64::from(!self.timed(due.step));
        if self.counted[due.step] {
            self.tally.entries.count(due, |counts| counts.dropped += 1);
        }
    }

    /// It ended at `now`; `sent` says when it was sent, if it was.
    pub(crate) fn done(&mut self, due: &Due, sent: Option<u64>, now: u64, ending: Ending) {
        let timed = self.timed(due.step);
        let step = &mut self.tally.steps[due.step];
        let (ok, status) = match ending {
            Ending::Ok(status) => {
                step.ok += 1;
                (true, Some(status))
            }
            Ending::Status(status) => {
                step.errors.add(ErrorKind::Status);
                (false, Some(status))
            }
            Ending::Check(status) => {
                step.errors.add(ErrorKind::Check);
                (false, Some(status))
            }
            Ending::Error(kind) => {
                step.errors.add(kind);
                self.tally.silent_since.get_or_insert(now);
                self.tally.never_sent += u64::from(sent.is_none() && self.counted[due.step]);
                (false, None)
            }
        };
        if let Some(status) = status {
            self.status[due.step][usize::from(status).saturating_sub(100).min(STATUS_CODES - 1)] += 1;
            self.tally.last_answer = Some(now);
            self.tally.silent_since = None;
        }
        self.current.left_over += u64::from(!timed);
        if ok {
            self.current.ok += u64::from(timed);
            self.current.left_over_ok += u64::from(!timed);
            self.tally.ok_in_time += u64::from(self.counted[due.step] && now < self.window.end);
        } else {
            self.current.errors += u64::from(timed);
        }
        if timed {
            let response = now.saturating_sub(due.intended);
            let times = &mut self.current.times;
            times.response.record(response);
            if ok {
                times.ok_response.record(response);
            }
            if let Some(sent) = sent {
                times.service.record(now.saturating_sub(sent));
            }
            if self.counted[due.step] {
                self.tally.entries.done(due, response, ending);
            }
        }
    }

    /// It had no outcome when the run was cut short; `sent` says whether it was sent.
    pub(crate) fn unfinished(&mut self, due: &Due, sent: bool) {
        self.tally.steps[due.step].unfinished += 1;
        if self.counted[due.step] {
            self.tally.never_sent += u64::from(!sent);
            self.tally.entries.count(due, |counts| counts.unfinished += 1);
        }
    }

    /// Its answer, which is still to be said done, did not pass this check.
    pub(crate) fn check_failed(&mut self, due: &Due, check: Failed) {
        if self.counted[due.step] {
            self.tally.entries.check_failed(due, check);
        }
    }

    /// A session was begun whose first request is in this step.
    pub(crate) fn session_begun(&mut self, step: usize) {
        self.tally.sessions.begun += u64::from(self.counted[step]);
    }

    /// A session has ended in this step, after its last request or before.
    pub(crate) fn session_ended(&mut self, step: usize, completed: bool) {
        if self.counted[step] {
            let sessions = &mut self.tally.sessions;
            *if completed { &mut sessions.completed } else { &mut sessions.failed } += 1;
        }
    }

    /// So many bytes were handed to the kernel, and so many came from it.
    pub(crate) fn moved(&mut self, sent: usize, received: usize) {
        if self.current.number >= 0 {
            self.tally.bytes.sent += sent as u64;
            self.tally.bytes.received += received as u64;
        }
    }

    /// An answer came: whether the kernel has said when.
    pub(crate) fn stamped(&mut self, by_kernel: bool) {
        self.tally.stamped += u64::from(by_kernel);
        self.tally.unstamped += u64::from(!by_kernel);
    }

    /// The facts about the thread's connections that a verdict needs.
    pub(crate) fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// The end of the run.
    pub(crate) fn finish(&mut self) -> Tally {
        let mut tally = std::mem::take(&mut self.tally);
        tally.gaps = self.stream.finish();
        for (counts, status) in tally.steps.iter_mut().zip(&self.status) {
            let codes = (100u16..).zip(status).filter(|(_, n)| **n > 0);
            counts.status = codes.map(|(code, n)| (code, *n)).collect();
        }
        tally
    }

    /// Whether the times of a request of this step go into the current interval: those of the warm-up are only for
    /// the eyes of whoever watches it.
    fn timed(&self, step: usize) -> bool {
        self.counted[step] || self.current.number < 0
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
