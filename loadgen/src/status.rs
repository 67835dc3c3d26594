//! What a person watches while a search goes on: one line on standard error, and only on a terminal. Given what is being done,
//! and the intervals of each load as its referee sees them, it shows what they have in common so far. Whoever draws is the main
//! thread, a few times a second; nothing of the line is left when the work ends, however it ends.

use crate::interval::Interval;
use crate::run::Referee;
use crate::{pace, terminal};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reports::histogram::Histogram;
use reports::number::{count, exact_rate, ms_column};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Between two drawings.
const TICK: Duration = Duration::from_millis(250);
/// One after the other, to show that it lives.
const SPINNER: [char; 4] = ['|', '/', '-', '\\'];

/// The line.
#[derive(Debug)]
pub(crate) struct Status {
    bar: ProgressBar,
    drawn: Cell<usize>,
    now: RefCell<Doing>,
}

/// What is going on.
#[derive(Debug, Default)]
struct Doing {
    what: String,
    budget: Option<Budget>,
    load: Option<Seen>,
}

/// The time that all of it may take.
#[derive(Clone, Copy, Debug)]
struct Budget {
    begun: Instant,
    /// What was spent before that.
    spent_s: f64,
    total_s: f64,
}

/// What has been seen of the load that is under way.
#[derive(Debug, Default)]
struct Seen {
    rps: f64,
    /// The length of an interval.
    interval_s: f64,
    intervals: u32,
    ok: u64,
    /// Correct answers of the last interval.
    ok_now: u64,
    failed: u64,
    times: Histogram,
    /// Whether it is looked at for what becomes of it in the course of time, and not for what it is as a whole.
    live: bool,
    /// Whether nothing more comes due.
    over: bool,
}

impl Status {
    /// A line that is seen or not.
    pub(crate) fn new(visible: bool) -> Self {
        let target = if visible { terminal::target() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, drawn: Cell::new(0), now: RefCell::default() }
    }

    /// Something that is no load is being done.
    pub(crate) fn does(&self, what: &str) {
        let mut now = self.now.borrow_mut();
        (now.what, now.load) = (what.to_owned(), None);
    }

    /// From `begun` on the time is counted: `spent_s` were spent before it, of `total_s`.
    pub(crate) fn counts(&self, begun: Instant, spent_s: f64, total_s: f64) {
        self.now.borrow_mut().budget = Some(Budget { begun, spent_s, total_s });
    }

    /// All of it takes so much longer than was thought.
    pub(crate) fn takes_longer(&self, by: Duration) {
        self.now.borrow_mut().budget.iter_mut().for_each(|budget| budget.total_s += by.as_secs_f64());
    }

    /// The same of one in the course of which something is done to the target.
    pub(crate) fn follows(&self, what: &str, rps: f64, interval_s: f64) {
        self.loads(what, rps, interval_s);
        self.now.borrow_mut().load.iter_mut().for_each(|load| load.live = true);
    }

    /// A load of `rps` requests per second begins, whose intervals are so long.
    pub(crate) fn loads(&self, phase: impl Display, rps: f64, interval_s: f64) {
        let mut now = self.now.borrow_mut();
        // A fresh histogram is memory that has to be faulted in, on a CPU that the generator uses.
        let mut times = now.load.take().map_or_else(Histogram::default, |load| load.times);
        times.clear();
        now.load = Some(Seen { rps, interval_s, times, ..Seen::default() });
        now.what = phase.to_string();
    }

    /// Whether somebody sees it.
    pub(crate) fn is_seen(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// What `work` gives; while it goes on the line is drawn.
    pub(crate) async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        if !self.is_seen() {
            return work.await;
        }
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.drawn.set(0);
                    self.bar.finish_and_clear();
                    return done;
                }
                () = pace::pause(TICK) => self.draw(),
            }
        }
    }

    /// Has something else written on the terminal: the line makes way for it.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        if self.drawn.get() == 0 { write() } else { self.bar.suspend(write) }
    }

    fn draw(&self) {
        let sign = SPINNER[self.drawn.get() % SPINNER.len()];
        self.drawn.set(self.drawn.get() + 1);
        self.bar.set_message(format!("{sign} {}", self.now.borrow().line(pace::now())));
    }

    fn see(&self, interval: &Interval, over: bool) {
        if !self.is_seen() {
            return;
        }
        if let Some(load) = &mut self.now.borrow_mut().load {
            load.see(interval, over);
        }
    }
}

impl Doing {
    /// Without the sign that shows that it lives.
    fn line(&self, now: Instant) -> String {
        let offered =
            self.load.as_ref().map_or_else(String::new, |load| format!("{:>9}/s", exact_rate(load.rps)));
        let spent = self.budget.map_or_else(String::new, |budget| {
            let spent_s = budget.spent_s + now.saturating_duration_since(budget.begun).as_secs_f64();
            // What takes longer than was thought takes at least what it has taken.
            format!("  {spent_s:.0}/{:.0} s", budget.total_s.max(spent_s))
        });
        let seen = self.load.as_ref().map_or_else(String::new, Seen::words);
        format!("{:<8}{offered}{spent}{seen}", self.what)
    }
}

impl Seen {
    fn see(&mut self, interval: &Interval, over: bool) {
        self.over = over;
        // The part before it is not looked at.
        if interval.number < 0 {
            return;
        }
        self.intervals += 1;
        self.ok_now = interval.ok + interval.left_over_ok;
        self.ok += self.ok_now;
        self.failed += interval.errors + interval.dropped;
        self.times.add(&interval.times.response);
    }

    fn words(&self) -> String {
        if self.intervals == 0 {
            return String::from("  begins");
        }
        if self.live {
            let ok = exact_rate((self.ok_now as f64 / self.interval_s).round());
            return format!("  answered {ok}/s  {} failed", count(self.failed));
        }
        let seconds = f64::from(self.intervals) * self.interval_s;
        let ok = exact_rate((self.ok as f64 / seconds).round());
        let p99 = match self.times.is_empty() {
            true => String::new(),
            false => format!("  p99 {}", ms_column(self.times.quantile(0.99) as f64 / 1e6)),
        };
        let over = if self.over { "  ends" } else { "" };
        format!("  answered {ok}/s{p99}{over}")
    }
}

/// A referee whose load is shown.
pub(crate) struct Watched<'a> {
    pub(crate) referee: &'a mut dyn Referee,
    pub(crate) status: &'a Status,
}

impl Referee for Watched<'_> {
    fn see(&mut self, interval: &Interval) -> bool {
        let enough = self.referee.see(interval);
        self.status.see(interval, enough);
        enough
    }
}

/// Shows a load that nobody ends early.
pub(crate) struct Onlooker<'a>(pub(crate) &'a Status);

impl Referee for Onlooker<'_> {
    fn see(&mut self, interval: &Interval) -> bool {
        self.0.see(interval, false);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(number: i64, ok: u64, ns: u64) -> Interval {
        let mut interval = Interval { number, ok, ..Interval::default() };
        (0..ok).for_each(|_| interval.times.response.record(ns));
        interval
    }

    /// The line after these intervals of a load, 12.4 s after the work began, 30 s of which an earlier process did.
    fn shown(rps: f64, intervals: &[Interval], over: bool) -> String {
        let (status, begun) = (Status::new(false), pace::now());
        status.counts(begun, 30.0, 90.0);
        status.loads("bracket", rps, 0.2);
        let mut now = status.now.borrow_mut();
        let load = now.load.as_mut().unwrap();
        intervals.iter().for_each(|interval| load.see(interval, over));
        now.line(begun + Duration::from_millis(12_400))
    }

    #[test]
    fn the_line_says_what_is_done_how_long_it_took_and_what_has_come_of_it() {
        let early = [interval(-2, 50, 5_000_000), interval(-1, 50, 5_000_000)];
        let later = [interval(-1, 50, 900_000_000), interval(0, 100, 2_000_000), interval(1, 200, 2_000_000)];
        let none = [interval(0, 0, 1), interval(1, 0, 1)];
        for (rps, intervals, over, line) in [
            (1_840.0, &early[..0], false, "bracket     1,840/s  42/90 s  begins"),
            (1_840.0, &early, false, "bracket     1,840/s  42/90 s  begins"),
            (1_840.0, &later, false, "bracket     1,840/s  42/90 s  answered 750/s  p99 2.00 ms"),
            (0.5, &later, true, "bracket       0.5/s  42/90 s  answered 750/s  p99 2.00 ms  ends"),
            (1_840.0, &none, false, "bracket     1,840/s  42/90 s  answered 0/s"),
        ] {
            assert_eq!(shown(rps, intervals, over), line);
        }
        let large = [interval(0, 987_654, 12_345_678_901)];
        let line = shown(4_938_270.0, &large, true);
        assert!(line.len() <= 75 && line.contains("answered 4,938,270/s  p99 12.3 s"), "{line}");
    }

    #[test]
    fn a_load_that_is_followed_says_what_is_answered_now_and_what_has_failed() {
        let (status, begun) = (Status::new(false), pace::now());
        status.follows("killing the only app server", 200.0, 0.2);
        let mut now = status.now.borrow_mut();
        let load = now.load.as_mut().unwrap();
        for (interval, words) in [
            (interval(0, 40, 1_000_000), "  answered 200/s  0 failed"),
            (
                Interval { number: 1, errors: 30, dropped: 10, ..Interval::default() },
                "  answered 0/s  40 failed",
            ),
            (interval(2, 40, 1_000_000), "  answered 200/s  40 failed"),
        ] {
            load.see(&interval, false);
            assert_eq!(load.words(), words);
        }
        let line = now.line(begun);
        assert_eq!(line, "killing the only app server      200/s  answered 200/s  40 failed");
    }

    #[test]
    fn what_is_no_load_has_no_figures() {
        let (status, begun) = (Status::new(false), pace::now());
        status.does("starting the target");
        assert_eq!(status.now.borrow().line(begun), "starting the target");
        status.loads("sweep", 10.0, 0.2);
        status.does("checking the generator");
        status.counts(begun, 0.0, 90.0);
        assert_eq!(status.now.borrow().line(begun), "checking the generator  0/90 s");
    }

    #[test]
    fn nothing_takes_more_than_all_of_the_time() {
        let (status, begun) = (Status::new(false), pace::now());
        // Before there is a time, nothing is added to it.
        status.takes_longer(Duration::from_secs(60));
        status.does("waiting");
        status.counts(begun, 0.0, 20.0);
        let line = |after_s| status.now.borrow().line(begun + Duration::from_secs(after_s));
        assert_eq!([19, 29].map(line), ["waiting   19/20 s", "waiting   29/29 s"]);
        status.takes_longer(Duration::from_secs(60));
        assert_eq!([29, 80, 81].map(line), ["waiting   29/80 s", "waiting   80/80 s", "waiting   81/81 s"]);
    }

    #[test]
    fn a_referee_that_is_watched_decides_as_before() {
        struct Second;
        impl Referee for Second {
            fn see(&mut self, interval: &Interval) -> bool {
                interval.number == 1
            }
        }
        let (status, mut referee) = (Status::new(false), Second);
        status.loads("sweep", 10.0, 0.2);
        let mut watched = Watched { referee: &mut referee, status: &status };
        assert_eq!([0, 1, 2].map(|n| watched.see(&interval(n, 0, 1))), [false, true, false]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_goes_on_beside_the_line_gives_what_it_gives() {
        let status = Status::new(false);
        let mut said = false;
        status.aside(|| said = true);
        assert_eq!((status.beside(async { 7 }).await, said), (7, true));
    }
}
