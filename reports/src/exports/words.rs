//! What all that is told of a comparison elsewhere has in common: a change, a value and a metric in words.

use crate::analyse::compare::{finding, why_not};
use crate::comparison::{Call, Comparison, Found, Metric};
use crate::number::{change, ms, percent, rate};

/// A value with its unit; without one it is a share.
pub(crate) fn valued(value: f64, unit: &str) -> String {
    match unit {
        "" => percent(value),
        "ms" => ms(value),
        _ => format!("{} {unit}", rate(value)),
    }
}

/// What was found of a metric of `comparison`, in words.
pub(crate) fn sentence(comparison: &Comparison, metric: &Metric) -> String {
    let what = if metric.what.is_empty() { &metric.name } else { &metric.what };
    let Some(found) = metric.found.as_ref().filter(|_| metric.call != Call::Inconclusive) else {
        return why_not(comparison, metric);
    };
    let Found { ratio, ci95: [from, to], adjusted: [worse, better], delta, .. } = found;
    let p = if metric.call == Call::Improvement { better } else { worse };
    format!(
        "{what} {} (95 % interval {} to {}, p {}; {} allowed)",
        change(*ratio),
        change(*from),
        change(*to),
        rate(*p),
        percent(*delta)
    )
}

/// What the comparison says, in one sentence without an end: the call, and the metrics that it rests on.
pub(crate) fn headline(found: &Comparison) -> String {
    let word = match found.call {
        Call::Pass => return format!("PASS: {}", finding(found)),
        Call::Regression => "REGRESSION",
        Call::Improvement => "IMPROVEMENT",
        Call::Inconclusive => {
            let why = found.verdict.reasons.first().map_or("there is no answer", String::as_str);
            return format!("INCONCLUSIVE: {why}");
        }
    };
    let deciding = found.metrics.iter().filter(|metric| metric.delta.is_some() && metric.call == found.call);
    let named: Vec<_> = deciding.map(brief).collect();
    if named.is_empty() { word.to_owned() } else { format!("{word}: {}", named.join(", ")) }
}

fn brief(metric: &Metric) -> String {
    if let Some(doubt) = &metric.doubt {
        return doubt.clone();
    }
    let what = if metric.what.is_empty() { &metric.name } else { &metric.what };
    let by = metric.found.as_ref().map(|found| format!(" {}", change(found.ratio)));
    format!("{what}{}", by.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_units() {
        assert_eq!(
            [valued(0.001, ""), valued(1.5, "ms"), valued(2_000.0, "requests/s")],
            ["0.1 %", "1.5 ms", "2,000 requests/s"]
        );
    }
}
