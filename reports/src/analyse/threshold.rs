//! Thresholds: from `p99<50ms` as people write it to a rule that a run passes or fails. A rule about what was not
//! measured, or about a percentile that the sample is too small for, fails; it is never taken as passed.

use crate::record::{Distribution, Run, ThresholdResult};
use std::fmt;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The median of the response time.
    P50,
    /// Its 90th percentile.
    P90,
    /// Its 95th percentile.
    P95,
    /// Its 99th percentile.
    P99,
    /// Its 99.9th percentile.
    P999,
    /// Its 99.99th percentile.
    P9999,
    /// Its largest value.
    Max,
    /// Its mean.
    Mean,
    /// Errors, dropped and unfinished requests as a share of the planned ones.
    Errors,
    /// Goodput, correct answers per second.
    Rps,
}

const METRICS: [(&str, Metric); 12] = [
    ("p50", Metric::P50),
    ("p90", Metric::P90),
    ("p95", Metric::P95),
    ("p99", Metric::P99),
    ("p999", Metric::P999),
    ("p99.9", Metric::P999),
    ("p9999", Metric::P9999),
    ("p99.99", Metric::P9999),
    ("max", Metric::Max),
    ("mean", Metric::Mean),
    ("errors", Metric::Errors),
    ("rps", Metric::Rps),
];
const ACCEPTED_METRICS: &str = "p50, p90, p95, p99, p999, p9999, max, mean, errors or rps";

/// How a rule compares what was measured with its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// The longer ones first: `<` begins `<=` too.
const OPERATORS: [(&str, Operator); 4] =
    [("<=", Operator::AtMost), (">=", Operator::AtLeast), ("<", Operator::Below), (">", Operator::Above)];

/// The units with how many of a metric's base unit (milliseconds, shares, requests per second) each is.
const TIME_UNITS: [(&str, f64); 3] = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)];
const SHARE_UNITS: [(&str, f64); 1] = [("%", 0.01)];
const RATE_UNITS: [(&str, f64); 1] = [("", 1.0)];

impl Metric {
    /// The percentile (0 to 1) that it is; `None` of what is none.
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            Self::P999 => Some(0.999),
            Self::P9999 => Some(0.9999),
            Self::Max | Self::Mean | Self::Errors | Self::Rps => None,
        }
    }

    fn units(self) -> (&'static [(&'static str, f64)], &'static str) {
        match self {
            Self::Errors => (&SHARE_UNITS, "a percentage such as 0.1%"),
            Self::Rps => (&RATE_UNITS, "requests per second, a number without a unit"),
            _ => (&TIME_UNITS, "a time in us, ms or s such as 50ms"),
        }
    }

    /// Of a distribution of times, in milliseconds; `None` of what is no time, or not known.
    pub fn of(self, times: &Distribution) -> Option<f64> {
        match self {
            Self::P50 => times.p50,
            Self::P90 => times.p90,
            Self::P95 => times.p95,
            Self::P99 => times.p99,
            Self::P999 => times.p999,
            Self::P9999 => times.p9999,
            Self::Max => times.max,
            Self::Mean => times.mean,
            Self::Errors | Self::Rps => None,
        }
    }

    /// In milliseconds, as a share, or per second.
    fn measured(self, run: &Run) -> Option<f64> {
        match self {
            Self::Errors => {
                let failed = run.errors.total() + run.dropped + run.unfinished;
                (run.planned > 0).then(|| failed as f64 / run.planned as f64)
            }
            Self::Rps => Some(run.rps.ok),
            _ => self.of(&run.response_ms),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    rule: String,
    metric: Metric,
    operator: Operator,
    /// In `unit`.
    limit: f64,
    /// Metric's base units per unit of the rule.
    unit: f64,
}

impl Threshold {
    /// Reads `METRIC OPERATOR LIMIT`, for example `p99<50ms`, `errors <= 0.1%`, `rps>4900`; spaces do not matter.
    ///
    /// # Errors
    /// With one line that says what was not understood and what is accepted in its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rule = text.trim();
        let wrong = |what: String| format!("threshold \"{rule}\": {what}");
        let at = rule
            .find(['<', '>'])
            .ok_or_else(|| wrong("no <, <=, > or >= in it; an example: p99<50ms".into()))?;
        let (name, rest) = (rule[..at].trim(), &rule[at..]);
        if has_two_rules(rule) {
            return Err(wrong("there is more than one rule in it; give each by itself".into()));
        }
        let (_, metric) = METRICS
            .into_iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| wrong(format!("no metric \"{name}\"; accepted: {ACCEPTED_METRICS}")))?;
        let (sign, operator) = OPERATORS
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or_else(|| wrong("the operator has to be <, <=, > or >=".into()))?;
        let limit = rest[sign.len()..].trim();
        let (units, accepted) = metric.units();
        let end = limit.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(limit.len());
        let number = limit[..end].parse::<f64>().ok().filter(|n| n.is_finite());
        let unit = units.iter().find(|(unit, _)| *unit == limit[end..].trim());
        match (number, unit) {
            (Some(limit), Some(&(_, unit))) => {
                Ok(Self { rule: rule.to_owned(), metric, operator, limit, unit })
            }
            _ => Err(wrong(format!("\"{limit}\" is no limit of {name}; accepted: {accepted}"))),
        }
    }

    /// What it is about.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// What may at most be, in milliseconds; `None` of a rule about errors or the rate, or of one that sets a lower
    /// limit.
    pub fn at_most_ms(&self) -> Option<f64> {
        let of_time = !matches!(self.metric, Metric::Errors | Metric::Rps);
        self.at_most().filter(|_| of_time)
    }

    /// What may at most be, in the metric's base unit; `None` of a rule that sets a lower limit.
    pub fn at_most(&self) -> Option<f64> {
        matches!(self.operator, Operator::Below | Operator::AtMost).then_some(self.limit * self.unit)
    }

    /// Holds `run` against the rule. What was measured is given in the rule's own unit.
    pub fn judge(&self, run: &Run) -> ThresholdResult {
        let actual = self.metric.measured(run).filter(|v| v.is_finite()).map(|v| v / self.unit);
        let passed = actual.is_some_and(|actual| match self.operator {
            Operator::Below => actual < self.limit,
            Operator::AtMost => actual <= self.limit,
            Operator::Above => actual > self.limit,
            Operator::AtLeast => actual >= self.limit,
        });
        ThresholdResult { rule: self.rule.clone(), actual, passed }
    }
}

/// Whether there is another comparison behind the first one, with something between them.
pub(super) fn has_two_rules(text: &str) -> bool {
    let is_sign = |c: char| matches!(c, '<' | '>' | '=');
    let mut sides = text.split(is_sign).filter(|side| !side.trim().is_empty());
    sides.next().is_some() && sides.nth(1).is_some()
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use proptest::prelude::*;

    fn judged(rule: &str, run: &Run) -> (Option<f64>, bool) {
        let result = Threshold::parse(rule).unwrap().judge(run);
        (result.actual, result.passed)
    }

    #[test]
    fn rules_are_judged_in_their_own_unit() {
        let mut run = fixture::healthy().run;
        run.response_ms.p99 = Some(3.0);
        run.response_ms.p999 = None;
        (run.planned, run.ok, run.dropped, run.unfinished) = (1000, 997, 1, 1);
        run.errors.timeout = 1;
        run.rps.ok = 4950.0;
        for (rule, actual, passed) in [
            ("p99<50ms", Some(3.0), true),
            (" p99 <= 3 ms ", Some(3.0), true),
            ("p99<3ms", Some(3.0), false),
            ("p99>3000us", Some(3000.0), false),
            ("p99>=0.003s", Some(0.003), true),
            ("p99.9<1s", None, false),
            ("p999>0us", None, false),
            ("errors<0.1%", Some(0.3), false),
            ("errors <= 0.3 %", Some(0.3), true),
            ("rps>4900", Some(4950.0), true),
        ] {
            assert_eq!(judged(rule, &run), (actual, passed), "{rule}");
        }
        run.planned = 0;
        assert_eq!(judged("errors<1%", &run), (None, false));
    }

    #[test]
    fn only_an_upper_limit_of_a_time_is_an_objective() {
        for (rule, ms) in
            [("p99<0.05s", Some(50.0)), ("max<=7ms", Some(7.0)), ("p99>1ms", None), ("rps<5", None)]
        {
            assert_eq!(Threshold::parse(rule).unwrap().at_most_ms(), ms, "{rule}");
        }
    }

    #[test]
    fn a_mistake_is_named_in_one_line_with_what_is_accepted() {
        for (rule, part) in [
            ("", "no <, <=, > or >="),
            ("p99", "an example: p99<50ms"),
            ("p98<5ms", "no metric \"p98\"; accepted: p50, p90"),
            ("p99<50", "a time in us, ms or s"),
            ("p99<-5ms", "a time in us, ms or s"),
            ("p99<<5ms", "\"<5ms\" is no limit of p99"),
            ("p99<1e3ms", "a time in us, ms or s"),
            ("errors<1", "a percentage such as 0.1%"),
            ("rps>5ms", "requests per second"),
            ("rps>", "requests per second"),
            ("p99<1.2.3ms", "is no limit"),
            ("p99<50ms errors<0.1%", "more than one rule in it; give each by itself"),
            ("p99<50ms,errors<=0.1%", "more than one rule"),
            ("10ms<p99<50ms", "more than one rule"),
        ] {
            let error = Threshold::parse(rule).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{rule}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(
            (name, metric) in prop::sample::select(METRICS.to_vec()),
            (sign, operator) in prop::sample::select(OPERATORS.to_vec()),
            limit in 0.0..1e6f64,
            which in 0..3usize,
            space in prop::sample::select(vec!["", " "]),
        ) {
            let (units, _) = metric.units();
            let (unit, factor) = units[which % units.len()];
            let rule = format!("{name}{space}{sign}{space}{limit}{space}{unit}");
            let read = Threshold::parse(&rule).unwrap();
            prop_assert_eq!((read.metric, read.operator, read.limit, read.unit), (metric, operator, limit, factor));
            prop_assert_eq!(read.to_string(), rule.trim());
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,24}") {
            let _ = Threshold::parse(&text);
            let _ = Threshold::parse(&format!("p99<{text}"));
        }
    }
}
