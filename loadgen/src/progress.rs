//! What a person watches while a run goes on: one bar and one line, fit for 80 columns, on standard error and only on
//! a terminal. Given merged intervals as they pass, it shows the last second of them.

use crate::interval::{Interval, Window};
use crate::terminal;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reports::histogram::{Histogram, Sparse};
use reports::number;
use std::collections::VecDeque;

/// The live view.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    interval_s: f64,
    warmup_s: f64,
    measured_s: f64,
    window: usize,
    last: VecDeque<Glance>,
    errors: u64,
}

/// What is shown of an interval.
#[derive(Debug)]
struct Glance {
    planned: u64,
    ok: u64,
    backlog: u64,
    in_flight: u64,
    response: Sparse,
}

impl Progress {
    /// A view of a run with this measured part.
    pub(crate) fn new(visible: bool, part: Window) -> Self {
        let (warmup_s, measured_s) = (part.origin as f64 / 1e9, (part.end - part.origin) as f64 / 1e9);
        let target = if visible { terminal::target() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(((warmup_s + measured_s) * 1e3) as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix:>18} [{bar:36}] {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        let interval_s = part.length_s();
        let window = (1.0 / interval_s).round().max(1.0) as usize;
        Self { bar, interval_s, warmup_s, measured_s, window, last: VecDeque::new(), errors: 0 }
    }

    /// Another interval is past.
    pub(crate) fn show(&mut self, interval: &Interval) {
        if self.bar.is_hidden() {
            return;
        }
        let at = (interval.number + 1) as f64 * self.interval_s;
        self.errors += interval.errors + interval.dropped;
        self.last.push_back(Glance::of(interval));
        if self.last.len() > self.window {
            self.last.pop_front();
        }
        self.bar.set_position(((at + self.warmup_s).max(0.0) * 1e3) as u64);
        self.bar.set_prefix(self.phase(at));
        self.bar.set_message(format!("{} in flight\n{}", self.in_flight(), self.line()));
    }

    /// The run is over: the view goes away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }

    fn phase(&self, at: f64) -> String {
        match at {
            ..=0.0 => format!("warm-up {:.0}/{:.0} s", at + self.warmup_s, self.warmup_s),
            _ if at <= self.measured_s => format!("{at:.0}/{:.0} s", self.measured_s),
            _ => String::from("waiting for the last"),
        }
    }

    fn in_flight(&self) -> String {
        number::count(self.last.back().map_or(0, |glance| glance.in_flight))
    }

    fn line(&self) -> String {
        let seconds = self.last.len() as f64 * self.interval_s;
        let per_second = |count: fn(&Glance) -> u64| {
            number::rate(self.last.iter().map(count).sum::<u64>() as f64 / seconds)
        };
        let mut times = Histogram::default();
        self.last.iter().for_each(|glance| times.add_sparse(&glance.response));
        let time =
            |q| if times.is_empty() { String::from("-") } else { number::ms(times.quantile(q) as f64 / 1e6) };
        let backlog = self.last.back().map_or(0, |glance| glance.backlog);
        format!(
            "ok {} of {}/s  p50 {}  p99 {}  errors {}  waiting {}",
            per_second(|i| i.ok),
            per_second(|i| i.planned),
            time(0.5),
            time(0.99),
            number::count(self.errors),
            number::count(backlog),
        )
    }
}

impl Glance {
    fn of(interval: &Interval) -> Self {
        Self {
            planned: interval.planned,
            ok: interval.ok,
            backlog: interval.gauges.backlog,
            in_flight: interval.gauges.in_flight,
            response: Sparse::from(&interval.times.response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_80_columns_even_with_large_numbers() {
        let mut progress = Progress::new(false, Window::new(2_000_000_000, 4_000_000_000));
        let mut interval = Interval { planned: 24_000, ok: 23_990, ..Interval::default() };
        interval.times.response.record(1_234_567_890);
        interval.gauges.backlog = 24_000;
        progress.last.push_back(Glance::of(&interval));
        progress.errors = 1_234;
        let line = progress.line();
        assert!(line.len() <= 80 && line.contains("of 120,000/s"), "{line}");
        assert_eq!(progress.phase(-1.0), "warm-up 1/2 s");
        assert_eq!(progress.phase(1.0), "1/2 s");
        assert_eq!(progress.phase(2.2), "waiting for the last");
    }
}
