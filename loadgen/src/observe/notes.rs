//! What has to be said of an endpoint's metrics: when they were missing and why, and what was wrong with them. It is told of
//! each reading, and makes sentences; it decides nothing.

use super::history::{Flaw, History};
use super::table::Table;
use reports::number::{counted, percent, seconds};

/// From this share of the measured part on, what the readings took is said.
const SLOW: f64 = 0.05;

/// The course of an endpoint's readings.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Its gaps: the first one's beginning, end and reason, and how many there are.
    first: Option<(f64, Option<f64>, String)>,
    gaps: u32,
    missing: bool,
    answers: u32,
    /// By how much the first and the last instant are uncertain, in seconds.
    edges: [f64; 2],
    ends_s: f64,
}

impl Course {
    /// It answered at `at_s`, give or take `within_s`.
    pub(super) fn answered(&mut self, at_s: f64, within_s: f64) {
        if let Some((_, end, _)) = &mut self.first
            && self.missing
            && self.gaps == 1
        {
            *end = Some(at_s);
        }
        self.missing = false;
        self.edges = [if self.answers == 0 { within_s } else { self.edges[0] }, within_s];
        self.answers += 1;
        self.ends_s = at_s;
    }

    /// There were no metrics at `at_s`.
    pub(super) fn missed(&mut self, at_s: f64, why: &str) {
        if !self.missing {
            self.gaps += 1;
            self.first.get_or_insert_with(|| (at_s, None, why.to_owned()));
        }
        self.missing = true;
    }

    /// All of it in sentences about `whose` metrics.
    pub(super) fn sentences(&self, whose: &str, table: &Table, history: &History) -> Vec<String> {
        if self.answers == 0 {
            let why = self.first.as_ref().map_or("it was not asked", |(.., why)| why);
            return vec![format!("no CPU time could be read from the metrics of: {whose} ({why})")];
        }
        let Some((from, to, why)) = &self.first else { return self.flaws(whose, table, history) };
        let until = to.map_or("on".to_owned(), |to| format!("to {}", seconds(to)));
        let more = match self.gaps {
            1 => String::new(),
            n => format!(", and {} more", counted(u64::from(n - 1), "time")),
        };
        let gap = format!("the metrics of {whose} were missing from {} {until}: {why}{more}", seconds(*from));
        std::iter::once(gap).chain(self.flaws(whose, table, history)).collect()
    }

    fn flaws(&self, whose: &str, table: &Table, history: &History) -> Vec<String> {
        let flaw = |(flaw, n, at_s, times): &(Flaw, usize, f64, u32)| {
            let (name, at) = (table.inputs[*n].0.name, seconds(*at_s));
            let what = match flaw {
                Flaw::Backwards => "went back, as if started anew",
                Flaw::NoNumber => "was no number that it can be",
                Flaw::Gone => "was not there any more",
            };
            let more = match times - 1 {
                0 => String::new(),
                n => format!(" (and {} of its metrics, or later)", counted(u64::from(n), "time")),
            };
            format!("{name} of {whose} {what} at {at}{more}: nothing is made up for it")
        };
        let mut sentences: Vec<String> = history.flaws.iter().map(flaw).collect();
        let off = self.edges.iter().sum::<f64>() / self.ends_s.max(f64::MIN_POSITIVE);
        if self.answers > 1 && off > SLOW {
            let off = percent(off.min(1.0));
            sentences
                .push(format!("the metrics of {whose} came slowly: their rates are known to within {off}"));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::TIERS;
    use super::*;

    /// What is said after these readings: answered, or missed because of something.
    fn said(readings: &[(f64, Option<&str>)], within_s: f64) -> Vec<String> {
        let mut course = Course::default();
        for (at_s, missed) in readings {
            match missed {
                None => course.answered(*at_s, within_s),
                Some(why) => course.missed(*at_s, why),
            }
        }
        let table = Table::new(TIERS);
        course.sentences("app", &table, &History::new(&table))
    }

    #[test]
    fn gaps_are_told_with_their_times_and_the_first_reason() {
        const REFUSED: Option<&str> = Some("refused");
        for (readings, want) in [
            (&[(0.0, None), (10.0, None)][..], &[][..]),
            (
                &[(0.0, None), (3.0, REFUSED), (4.0, Some("other")), (5.0, REFUSED)],
                &["the metrics of app were missing from 3 s on: refused"],
            ),
            (
                &[(0.0, None), (3.0, REFUSED), (5.0, None)],
                &["the metrics of app were missing from 3 s to 5 s: refused"],
            ),
            (
                &[(0.0, None), (3.0, REFUSED), (5.0, None), (6.0, REFUSED), (7.0, None), (8.0, REFUSED)],
                &["the metrics of app were missing from 3 s to 5 s: refused, and 2 times more"],
            ),
            (
                &[(0.0, REFUSED), (1.0, REFUSED)],
                &["no CPU time could be read from the metrics of: app (refused)"],
            ),
            (&[], &["no CPU time could be read from the metrics of: app (it was not asked)"]),
        ] {
            assert_eq!(said(readings, 0.001), want, "{readings:?}");
        }
    }

    #[test]
    fn readings_that_took_long_say_how_far_rates_may_be_off() {
        let slow = said(&[(0.0, None), (1.0, None), (2.0, None)], 0.2);
        assert_eq!(slow, ["the metrics of app came slowly: their rates are known to within 20 %"]);
        assert!(said(&[(0.0, None), (10.0, None)], 0.2).is_empty());
        assert!(said(&[(0.0, None)], 0.7).is_empty(), "one reading has no rate");
    }
}
