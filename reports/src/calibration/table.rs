//! A calibration as a terminal shows it: first whether to believe it, then what the generator can do, then how far from the
//! truth it is. From a record to text of at most 80 columns; the caller prints it.

use super::{Calibration, Ceiling, Gaps, Lag, Percentile, QueueCheck};
use crate::number::{NONE, count, counted, exact_rate, ms, ms_column, percent, rate, seconds};
use crate::text::{cpus, named, wrapped};

/// The text, which ends in a line end.
pub fn summary(calibration: &Calibration) -> String {
    let mut out = verdict(calibration);
    out.push('\n');
    let queues = calibration.queues.iter().map(queue);
    let blocks = [generator(calibration), lags(&calibration.lag), gaps(&calibration.gaps)];
    for block in blocks.into_iter().chain(queues).filter(|block| !block.is_empty()) {
        out.push_str(&block);
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn verdict(calibration: &Calibration) -> String {
    let word = match calibration.verdict.valid {
        true if calibration.partial => "PARTIAL",
        true => "VALID",
        false => "INVALID",
    };
    let took = format!("{word}  the generator on this machine, in {}", seconds(calibration.duration_s));
    let mut out = format!("{took}\n");
    for reason in &calibration.verdict.reasons {
        out.push_str(&wrapped(&format!("- {reason}"), 2, 4));
    }
    out
}

fn generator(calibration: &Calibration) -> String {
    let mut own = vec![counted(calibration.threads as u64, "thread")];
    own.extend(cpus("on", &calibration.head.cpus));
    own.extend(cpus("targets on", &calibration.target_cpus));
    own.push(format!("seed {}", calibration.head.seed));
    let mut out = named("generator", &own.join(", "));
    if let Some(closed) = &calibration.closed {
        let text = format!(
            "{}/s at {} us of CPU a request, {}, the busiest thread {} of a CPU",
            exact_rate(closed.rps),
            rate(closed.cpu_us_per_request),
            counted(closed.connections, "connection"),
            percent(closed.cpu_share_max)
        );
        out.push_str(&named("closed loop", &text));
    }
    out.push_str(&named("open loop", &ceiling(&calibration.ceiling)));
    if let Some(floor) = &calibration.floor {
        let value = |value: Option<f64>| value.map_or(NONE.to_owned(), ms);
        let text = format!(
            "p50 {}, p99 {} at {}/s against a target that does nothing{}",
            value(floor.p50_ms),
            value(floor.p99_ms),
            exact_rate(floor.offered_rps),
            mark(floor.valid)
        );
        out.push_str(&named("floor", &text));
    }
    out
}

fn ceiling(ceiling: &Ceiling) -> String {
    let why = ceiling.limited_by.first().map_or_else(String::new, |why| format!("; above it: {why}"));
    match (ceiling.rps, ceiling.bound.as_str()) {
        (None, _) => String::from("no rate was valid"),
        (Some(rps), "exact") => format!("{}/s can be offered and believed{why}", exact_rate(rps)),
        (Some(rps), _) => format!("at least {}/s can be offered and believed", exact_rate(rps)),
    }
}

/// What marks a run that is not valid.
fn mark(valid: bool) -> &'static str {
    if valid { "" } else { " !" }
}

fn optional(value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), ms_column)
}

fn lags(lags: &[Lag]) -> String {
    if lags.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "{:<10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>8}{:>9}\n",
        "send lag", "offered", "sent", "p50", "p99", "p99.9", "CPU", "us CPU"
    );
    for lag in lags {
        out.push_str(&format!(
            "{:<10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>8}{:>9}{}\n",
            "",
            exact_rate(lag.offered_rps),
            exact_rate(lag.sent_rps),
            optional(lag.p50_ms),
            optional(lag.p99_ms),
            optional(lag.p999_ms),
            percent(lag.cpu_share_max),
            rate(lag.cpu_us_per_request),
            mark(lag.valid)
        ));
    }
    out
}

fn gaps(all: &[Gaps]) -> String {
    let line = |gaps: &Gaps| {
        let text = format!(
            "{}: CV {:.3} of the gaps at the target, intended {}; {} arrivals at {}/s{}",
            gaps.arrivals,
            gaps.cv,
            gaps.cv_intended,
            count(gaps.count),
            exact_rate(gaps.offered_rps),
            mark(gaps.valid)
        );
        named("arrivals", &text)
    };
    all.iter().map(line).collect()
}

fn queue(check: &QueueCheck) -> String {
    let what = format!(
        "{}, {} a service on average, {}/s: {} busy; {}{}",
        counted(check.workers.into(), "worker"),
        ms(check.service_ms),
        exact_rate(check.offered_rps),
        percent(check.utilisation),
        counted(check.count, "request"),
        mark(check.valid)
    );
    let mut out = named(&check.model, &what);
    out.push_str(&format!(
        "{:<6}{:>10}{:>10}{:>9}{:>10}{:>9}{:>10}  95 % of runs\n",
        "", "measured", "its log", "off", "ideal", "off", "theory"
    ));
    check.percentiles.iter().for_each(|percentile| out.push_str(&row(percentile)));
    out
}

fn row(percentile: &Percentile) -> String {
    let name = if percentile.name == "p999" { "p99.9" } else { &percentile.name };
    let off = |error: Option<f64>, from: Option<f64>| match (error, from) {
        (Some(error), Some(from)) if from > 0.0 && error / from >= 10.0 => {
            format!("x{:.0}", error / from + 1.0)
        }
        (Some(error), Some(from)) if from > 0.0 => format!("{:+.1} %", error / from * 100.0),
        _ => NONE.to_owned(),
    };
    let interval = percentile.theory_ci95_ms.map_or_else(
        || NONE.to_owned(),
        |[low, high]| {
            let digits = if high < 10.0 { 2 } else { 1 };
            format!("{low:.digits$}-{high:.digits$} ms")
        },
    );
    format!(
        "{name:<6}{:>10}{:>10}{:>9}{:>10}{:>9}{:>10}  {interval}\n",
        optional(percentile.measured_ms),
        optional(percentile.logged_ms),
        off(percentile.error_to_logged_ms, percentile.logged_ms),
        optional(percentile.perfect_ms),
        off(percentile.error_to_perfect_ms, percentile.perfect_ms),
        ms_column(percentile.theory_ms)
    )
}
