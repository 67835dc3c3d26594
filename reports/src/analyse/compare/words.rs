//! A comparison in words: the finding in one sentence, and why a metric says nothing.

use super::NOISE_MOST;
use crate::comparison::{Better, Call, Comparison, Metric};
use crate::number::{NONE, change, counted, percent, rate};

/// What is said of a metric, in a few words, such as `+9.1 % (8.2 to 10 %), may be 5 % worse: regression`.
pub fn verdict_in_words(metric: &Metric) -> String {
    let Some(known) = &metric.found else {
        return format!("{}: too few to say", counted(metric.pairs.len() as u64, "pair"));
    };
    let [low, high] = known.ci95;
    let call = match metric.call {
        Call::Pass => "pass",
        Call::Regression => "REGRESSION",
        Call::Improvement => "improvement",
        Call::Inconclusive => "INCONCLUSIVE",
    };
    let interval = format!("{} to {}", change(low).trim_end_matches(" %"), change(high));
    format!("{} ({interval}), may be {} worse: {call}", change(known.ratio), percent(known.delta))
}

/// What `found` says, in one sentence.
pub fn finding(found: &Comparison) -> String {
    let named = |call: Call| -> Vec<String> {
        let metrics = found.metrics.iter().filter(|metric| metric.delta.is_some() && metric.call == call);
        metrics
            .map(|metric| {
                let ratio = metric.found.as_ref().map_or(NONE.to_owned(), |known| change(known.ratio));
                format!("{} {ratio}", metric.what)
            })
            .collect()
    };
    match found.call {
        Call::Regression => format!("the candidate is worse: {}", named(Call::Regression).join(", ")),
        Call::Improvement => format!("the candidate is better: {}", named(Call::Improvement).join(", ")),
        Call::Pass => format!("the candidate is no worse{}", within(found)),
        Call::Inconclusive => String::from("whether the candidate is worse cannot be said"),
    }
}

/// How much worse it might be all the same.
fn within(found: &Comparison) -> String {
    let judged = |metric: &&Metric| metric.delta.is_some() && metric.call != Call::Inconclusive;
    let named: Vec<String> = found
        .metrics
        .iter()
        .filter(judged)
        .filter_map(|metric| Some(format!("{} by {}", metric.what, percent(metric.found.as_ref()?.delta))))
        .collect();
    if named.is_empty() { String::new() } else { format!(" than it may be ({})", named.join(", ")) }
}

/// Why nothing can be said of `metric`.
pub(super) fn why_not(metric: &Metric, least: usize, alpha: f64) -> String {
    if let Some(doubt) = &metric.doubt {
        return doubt.clone();
    }
    let name = &metric.what;
    let (Some(known), Some(delta)) = (&metric.found, metric.delta) else {
        let pairs = counted(metric.pairs.len() as u64, "pair");
        return format!("{name}: {pairs}, and {least} are needed");
    };
    if known.delta > delta * NOISE_MOST {
        return format!(
            "{name}: base and base differ by up to {}, so {} cannot be seen",
            percent(known.delta),
            percent(delta)
        );
    }
    let [low, high] = known.ci95;
    let (ratio, clear) = match metric.better {
        Better::Lower => (known.ratio, low > 1.0),
        Better::Higher => (1.0 / known.ratio, high < 1.0),
    };
    if clear && ratio > 1.0 + known.delta {
        return format!(
            "{name}: {}, of which p, {}, is not below {}: for as many metrics as decide here {} are too few",
            change(known.ratio),
            rate(known.adjusted[0]),
            rate(alpha),
            counted(metric.pairs.len() as u64, "pair")
        );
    }
    format!(
        "{name}: {}, of which the interval, {} to {}, is too wide to exclude {} for the worse",
        change(known.ratio),
        change(low),
        change(high),
        percent(known.delta)
    )
}

/// That it is not known how far the noise of `metric` goes, though there is a control.
pub(super) fn no_floor(metric: &Metric, least: usize) -> String {
    let pairs = counted(metric.control.len() as u64, "pair");
    format!(
        "{}: {pairs} of base and base, and {least} are needed to know how far the noise alone goes",
        metric.what
    )
}
