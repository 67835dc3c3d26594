//! The objective of a ceiling search: from `p99<50ms,errors<0.1%` to rules that each say which requests break them, and how
//! many of these are allowed. Counts can be added over windows of time, which percentiles cannot; so an objective is about
//! shares of requests, and a rule about a mean or a rate is refused.

use super::threshold::{Metric, Threshold, has_two_rules};
use crate::histogram::Histogram;
use std::fmt;

/// Rules that all have to hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    text: String,
    rules: Vec<Rule>,
}

/// One rule: at most a share of the requests may break it.
#[derive(Clone, Debug, PartialEq)]
struct Rule {
    threshold: Threshold,
    /// The response time that a request may have, in nanoseconds; `None`: it may not fail.
    limit_ns: Option<u64>,
    /// The share of requests that may break it, 0 to 1.
    allowed: f64,
}

impl Objective {
    /// Reads rules with commas between them.
    ///
    /// # Errors
    /// With one line that says what was not understood and what is accepted in its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(part) = text.split(',').map(str::trim).find(|part| has_two_rules(part)) {
            return Err(format!(
                "objective \"{part}\": a comma goes between two rules, such as p99<50ms,errors<0.1%"
            ));
        }
        let rules = text.split(',').map(rule).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { text: text.trim().to_owned(), rules })
    }

    /// How many requests broke each rule, of requests with these response times of which so many failed.
    pub fn broke(&self, response: &Histogram, failures: u64) -> Vec<u64> {
        let broke = |rule: &Rule| match rule.limit_ns {
            None => failures,
            Some(limit) => response.recorded().filter(|(ns, _)| *ns > limit).map(|(_, n)| n).sum(),
        };
        self.rules.iter().map(broke).collect()
    }

    /// The largest ratio of the share of requests that broke a rule to the share that may, of `ended` requests; above 1
    /// the objective does not hold.
    pub fn excess(&self, broke: &[u64], ended: u64) -> f64 {
        if ended == 0 {
            return 0.0;
        }
        let ratio = |(rule, broke): (&Rule, &u64)| {
            let share = *broke as f64 / ended as f64;
            if rule.allowed > 0.0 {
                share / rule.allowed
            } else if *broke > 0 {
                f64::INFINITY
            } else {
                0.0
            }
        };
        self.rules.iter().zip(broke).map(ratio).fold(0.0, f64::max)
    }

    /// Whether a rule is broken in a short time in which `ended` requests ended: by more of them than may, and by more than one
    /// where any may, as in a time of few requests a single one is more than its share.
    pub fn is_broken(&self, broke: &[u64], ended: u64) -> bool {
        let most =
            |rule: &Rule| if rule.allowed > 0.0 { (rule.allowed * ended as f64).max(1.0) } else { 0.0 };
        self.rules.iter().zip(broke).any(|(rule, broke)| *broke as f64 > most(rule))
    }

    /// Rule by rule, the share of requests that may break it, 0 to 1.
    pub fn allowed(&self) -> impl Iterator<Item = f64> {
        self.rules.iter().map(|rule| rule.allowed)
    }

    /// Rule by rule, the rule itself and the share of requests that may break it.
    pub fn rules(&self) -> impl Iterator<Item = (&Threshold, f64)> {
        self.rules.iter().map(|rule| (&rule.threshold, rule.allowed))
    }

    /// Its limits of the response time by percentile: the rule, and milliseconds.
    pub fn limits_ms(&self) -> impl Iterator<Item = (&Threshold, f64)> {
        self.rules.iter().filter_map(|rule| Some((&rule.threshold, rule.limit_ns? as f64 / 1e6)))
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn rule(text: &str) -> Result<Rule, String> {
    let threshold = Threshold::parse(text)?;
    let refused =
        |what: &str| Err(format!("objective \"{threshold}\": {what}, such as p99<50ms,errors<0.1%"));
    let allowed = match threshold.metric() {
        Metric::Mean | Metric::Rps => {
            return refused("write rules about percentiles, the maximum or errors");
        }
        Metric::Max => 0.0,
        Metric::Errors => match threshold.at_most() {
            Some(share) if share < 1.0 => share,
            _ => return refused("errors need an upper limit below 100%"),
        },
        percentile => 1.0 - percentile.quantile().unwrap_or(1.0),
    };
    let limit_ns = match threshold.at_most_ms() {
        Some(ms) if ms > 0.0 => Some((ms * 1e6) as u64),
        Some(_) => return refused("a time has to be above zero"),
        None if threshold.metric() == Metric::Errors => None,
        None => return refused("a time needs an upper limit"),
    };
    Ok(Rule { threshold, limit_ns, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_rule_is_counted() {
        let objective = Objective::parse("p99<50ms, errors<0.1%").unwrap();
        let mut response = Histogram::default();
        (0..98).for_each(|_| response.record(10_000_000));
        (0..2).for_each(|_| response.record(60_000_000));
        assert_eq!(objective.broke(&response, 1), [2, 1]);
        assert!((objective.excess(&[2, 0], 100) - 2.0).abs() < 1e-9);
        assert!((objective.excess(&[0, 1], 1000) - 1.0).abs() < 1e-9);
        assert_eq!(objective.excess(&[0, 0], 0), 0.0);
        assert_eq!(objective.limits_ms().map(|(_, ms)| ms).collect::<Vec<_>>(), [50.0]);
        assert_eq!(objective.to_string(), "p99<50ms, errors<0.1%");
        let max = Objective::parse("max<1s").unwrap();
        assert_eq!((max.excess(&[0], 10), max.excess(&[1], 1_000_000)), (0.0, f64::INFINITY));
    }

    #[test]
    fn a_single_request_among_few_breaks_no_share() {
        for (text, broke, ended, broken) in [
            ("p99<50ms", 1, 10, false),
            ("p99<50ms", 2, 10, true),
            ("p99<50ms", 10, 1000, false),
            ("p99<50ms", 11, 1000, true),
            ("errors<0.1%", 1, 10, false),
            ("errors<0.1%", 2, 1000, true),
            ("max<1s", 1, 10, true),
            ("max<1s", 0, 10, false),
        ] {
            let objective = Objective::parse(text).unwrap();
            assert_eq!(objective.is_broken(&[broke], ended), broken, "{text}: {broke} of {ended}");
        }
    }

    #[test]
    fn what_cannot_be_an_objective_is_refused() {
        for (text, part) in [
            ("", "an example"),
            ("p99<50ms,", "an example"),
            ("mean<5ms", "percentiles"),
            ("rps>100", "percentiles"),
            ("p99>50ms", "upper limit"),
            ("p99<0ms", "above zero"),
            ("errors<100%", "below 100%"),
            ("errors>1%", "below 100%"),
            ("p99<50ms errors<0.1%", "\"p99<50ms errors<0.1%\": a comma goes between two rules"),
            ("max<1s,p99<50ms; errors<=0.1%", "\"p99<50ms; errors<=0.1%\": a comma"),
            ("p99<50ms and errors<0.1%", "a comma"),
            ("p99<<50ms", "is no limit of p99"),
        ] {
            let error = Objective::parse(text).unwrap_err();
            assert!(error.contains(part) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
