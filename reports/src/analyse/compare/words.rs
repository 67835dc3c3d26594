//! A comparison in words: the finding in one sentence, and why a metric says nothing.

use super::NOISE_MOST;
use crate::analyse::pairing::ANSWER_BYTES;
use crate::comparison::{Better, Call, Check, Comparison, Metric};
use crate::number::{NONE, bytes, change, counted, percent, rate};

/// By how much a metric changed, such as `+9.1 % (8.2 to 10 %)`.
pub fn change_in_words(metric: &Metric) -> String {
    let Some(known) = &metric.found else {
        return format!("{}: too few to say", counted(metric.pairs.len() as u64, "pair"));
    };
    let [low, high] = known.ci95;
    let interval = format!("{} to {}", change(low).trim_end_matches(" %"), change(high));
    format!("{} ({interval})", change(known.ratio))
}

/// A call in a word; what is to be looked at is in capitals.
pub fn call_in_words(call: Call) -> &'static str {
    match call {
        Call::Pass => "pass",
        Call::Regression => "REGRESSION",
        Call::Improvement => "improvement",
        Call::Inconclusive => "INCONCLUSIVE",
    }
}

/// What a check is, what came of it, and the metric that shows it best.
pub struct Checked<'a> {
    /// Such as `10 % slower`.
    pub what: String,
    /// Such as `found`.
    pub outcome: &'static str,
    /// The median response time, or what decides in its place; `None` where nothing was measured.
    pub metric: Option<&'a Metric>,
    /// Whether the gate said the opposite of what is known.
    pub is_wrong: bool,
}

/// What came of the checks of `found`, a sentence each.
pub fn self_tests(found: &Comparison) -> Vec<String> {
    let sentence = |of: Checked<'_>| {
        let shown = |metric: &Metric| format!(", {} {}", metric.what, change_in_words(metric));
        format!("{}: {}{}", of.what, of.outcome, of.metric.map_or(String::new(), shown))
    };
    found.checks.iter().map(checked).map(sentence).collect()
}

/// What came of `check`, of which it is known what there is to find.
pub fn checked(check: &Check) -> Checked<'_> {
    let is_slower = check.slowdown > 0.0;
    let (outcome, is_wrong) = match (is_slower, check.call) {
        (_, Call::Inconclusive) => ("INCONCLUSIVE", false),
        (true, Call::Regression) => ("found", false),
        (true, _) => ("NOT FOUND", true),
        (false, Call::Regression) => ("FALSE ALARM", true),
        (false, _) => ("no alarm", false),
    };
    let what = if is_slower {
        format!("base made {} slower", percent(check.slowdown))
    } else {
        String::from("base against base")
    };
    let mut deciding = check.metrics.iter().filter(|metric| metric.delta.is_some());
    let metric = deciding.clone().find(|metric| metric.name == "p50_ms").or_else(|| deciding.next());
    Checked { what, outcome, metric, is_wrong }
}

/// What `found` says, in one sentence.
pub fn finding(found: &Comparison) -> String {
    let named = |call: Call| -> Vec<String> {
        let metrics = found.metrics.iter().filter(|metric| metric.delta.is_some() && metric.call == call);
        metrics
            .map(|metric| {
                if let Some(doubt) = &metric.doubt {
                    return doubt.clone();
                }
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

/// Why nothing can be said of `metric`, which is one of `found`.
pub fn why_not(found: &Comparison, metric: &Metric) -> String {
    if let Some(doubt) = &metric.doubt {
        return doubt.clone();
    }
    let name = &metric.what;
    let (pairs, needed) = (metric.pairs.len(), needed(found));
    let counted = counted(pairs as u64, "pair");
    let (Some(known), Some(delta)) = (&metric.found, metric.delta) else {
        return format!("{name}: {counted}, and {needed} are needed");
    };
    let [low, high] = known.ci95;
    let (ratio, least) = match metric.better {
        Better::Lower => (known.ratio, low),
        Better::Higher => (1.0 / known.ratio, 1.0 / high),
    };
    let change_is = format!("{name}: {}", change(known.ratio));
    if least > 1.0 && ratio > 1.0 + known.delta {
        let why = if pairs < needed {
            format!("for as many metrics as decide here {needed} pairs are needed, and there are {pairs}")
        } else {
            String::from("the pairs do not agree")
        };
        let (p, alpha) = (rate(known.adjusted[0]), rate(found.alpha));
        return format!("{change_is}, of which p, {p}, is not below {alpha}: {why}");
    }
    if known.delta > delta * NOISE_MOST {
        let (by, asked) = (percent(known.delta), percent(delta));
        return format!("{name}: base and base differ by up to {by}, so {asked} cannot be seen");
    }
    if least > 1.0 + delta {
        let (by, asked) = (percent(known.delta), percent(delta));
        return format!("{change_is}, which is more than {asked}, but base and base differ by up to {by}");
    }
    format!(
        "{change_is}, of which the interval, {} to {}, is too wide to exclude {} for the worse",
        change(low),
        change(high),
        percent(known.delta)
    )
}

/// How many pairs the metrics that decide need, for the smallest of their p-values to be small enough: of n pairs it is 2⁻ⁿ, times
/// how many metrics decide.
fn needed(found: &Comparison) -> usize {
    let deciding = found.metrics.iter().filter(|metric| metric.delta.is_some()).count().max(1);
    let enough = |pairs: &usize| deciding as f64 * 0.5f64.powi(*pairs as i32) < found.alpha;
    (found.least_pairs..64).find(enough).unwrap_or(found.least_pairs)
}

/// That the candidate's answers are of another size altogether, where they are.
pub(super) fn other_answers(found: &Comparison) -> Option<String> {
    const FACTOR: f64 = 2.0;
    let metric = found.metrics.iter().find(|metric| metric.name == ANSWER_BYTES)?;
    let known = metric.found.as_ref()?;
    let (base, candidate) = (bytes(known.base as u64), bytes(known.candidate as u64));
    let differs = known.ratio > FACTOR || known.ratio < 1.0 / FACTOR;
    differs.then(|| {
        format!("the candidate's answers have {candidate} each, the base's {base}: are they the same?")
    })
}

/// What was left out, those of one reason together.
pub(super) fn grouped(left_out: &[String]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in left_out {
        let (name, why) = one.split_once(": ").unwrap_or((one, ""));
        match groups.iter_mut().find(|(of, _)| *of == why) {
            Some((_, names)) => names.push(name),
            None => groups.push((why, vec![name])),
        }
    }
    let group = |(why, names): (&str, Vec<&str>)| format!("{}: {why}", names.join(", "));
    groups.into_iter().map(group).collect::<Vec<_>>().join("; ")
}

/// That it is not known how far the noise of `metric` goes, though there is a control.
pub(super) fn no_floor(metric: &Metric, least: usize) -> String {
    let pairs = counted(metric.control.len() as u64, "pair");
    format!(
        "{}: {pairs} of base and base, and {least} are needed to know how far the noise alone goes",
        metric.what
    )
}
