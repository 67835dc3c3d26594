//! A run in one sentence: what was offered, what became of it, how long it took. Made of the record's numbers only,
//! for the titles of pictures and the first line on a terminal; it says what happened, never why it must have.

use crate::number::{NONE, count, counted, exact_rate, ms, percent, rate, seconds};
use crate::record::{Distribution, Loop, Run};

/// A target that answers fewer than this share of what is offered within the measured part does not keep up.
const KEPT_UP: f64 = 0.97;

/// For example: `5,000 requests/s offered, all answered: p50 0.93 ms, p99 3.1 ms`.
pub fn finding(run: &Run) -> String {
    if run.planned == 0 {
        return "No request was due".to_owned();
    }
    let offered = offered(run);
    // What had no outcome when a run was cut short has not failed.
    let ended = run.planned.saturating_sub(run.unfinished);
    let failed = ended.saturating_sub(run.ok);
    if ended == 0 {
        return format!("{offered}, no request had ended when the run was cut short");
    }
    if failed == 0 {
        return format!("{offered}, {}: {}", answered(run), times(&run.response_ms));
    }
    let cause = cause(run);
    if run.ok == 0 {
        return format!("{offered}, all {} failed: {cause}", count(failed));
    }
    let share = percent(failed as f64 / ended as f64);
    if run.died_at_s.is_some() {
        return format!("{offered}, {share} failed: {cause}");
    }
    format!("{offered}, {share} failed: {cause}; the others {}", times(&run.ok_response_ms))
}

/// All were: but at what rate, where the target did not keep up and the last answers came after the measured part?
fn answered(run: &Run) -> String {
    let behind = run.load_loop == Loop::Open && run.rps.ok < run.rps.planned * KEPT_UP;
    if behind { format!("answered at only {}/s", rate(run.rps.ok)) } else { "all answered".to_owned() }
}

fn offered(run: &Run) -> String {
    if run.load_loop == Loop::Closed {
        let streams = match run.wire.streams_per_connection {
            0 | 1 => String::new(),
            n => format!(" of {n} streams"),
        };
        return format!(
            "{} over {}{streams}",
            per_second(rate(run.rps.ok)),
            counted(run.connections_max, "connection")
        );
    }
    let counted = run.steps.iter().filter(|step| step.counted);
    let rates = counted.flat_map(|step| [step.from_rps, step.to_rps]);
    let (low, high) = rates.fold((f64::INFINITY, 0f64), |(low, high), r| (low.min(r), high.max(r)));
    if high > low {
        format!("{} to {} requests/s offered", exact_rate(low), exact_rate(high))
    } else {
        format!("{} offered", per_second(rate(run.rps.planned)))
    }
}

fn per_second(rate: String) -> String {
    format!("{rate} request{}/s", if rate == "1" { "" } else { "s" })
}

fn cause(run: &Run) -> String {
    if let Some(at) = run.died_at_s {
        return format!("the target died at {}", seconds(at));
    }
    let mut kinds = vec![("were dropped, all connections being busy", run.dropped)];
    kinds.extend(run.errors.named().map(|(kind, n)| (in_words(kind), n)));
    let failed: u64 = kinds.iter().map(|(_, n)| n).sum();
    let Some((words, most)) = kinds.into_iter().max_by_key(|(_, n)| *n) else { return NONE.to_owned() };
    let words = match status_of_all(run) {
        Some(code) if words == in_words("status") => format!("had status {code}"),
        _ => words.to_owned(),
    };
    if most == failed { format!("they {words}") } else { format!("most {words}") }
}

/// The status of all answers, where there was but one.
fn status_of_all(run: &Run) -> Option<u16> {
    run.status.keys().next().copied().filter(|_| run.status.len() == 1)
}

fn in_words(kind: &str) -> &'static str {
    match kind {
        "connect" => "could not connect",
        "timeout" => "timed out",
        "reset" => "were cut off",
        "protocol" => "were not answered in HTTP",
        "tls" => "failed in TLS",
        "dns" => "found no address",
        "status" => "had an unexpected status",
        _ => "failed a check",
    }
}

fn times(times: &Distribution) -> String {
    match (times.p50, times.p99, times.max) {
        (Some(p50), Some(p99), _) => format!("p50 {}, p99 {}", ms(p50), ms(p99)),
        (Some(p50), None, Some(max)) => format!("p50 {}, slowest {}", ms(p50), ms(max)),
        (None, _, Some(max)) => format!("slowest {}", ms(max)),
        _ => "none ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn sentences() {
        let says = |run: &Run, parts: &[&str]| {
            let sentence = finding(run);
            assert!(parts.iter().all(|part| sentence.contains(part)), "{sentence}");
        };
        says(&fixture::healthy().run, &["5,000 requests/s offered, all answered: p50 ", "p99 "]);
        says(&fixture::died().run, &["% failed: the target died at 3.2 s"]);
        says(&fixture::overload().run, &["% failed: ", "dropped, all connections being busy"]);
        says(&fixture::all_failed().run, &["all 10,000 failed: they could not connect"]);
        says(&fixture::tiny().run, &["3 requests/s offered, all answered: slowest "]);
        says(&fixture::single().run, &["1 request/s offered, all answered: slowest "]);
        assert_eq!(finding(&fixture::empty().run), "No request was due");
        let mut behind = fixture::healthy().run;
        behind.rps.ok = 4_000.0;
        says(&behind, &["5,000 requests/s offered, answered at only 4,000/s: p50 "]);
        let mut missing = fixture::all_failed().run;
        (missing.errors, missing.status) = (Default::default(), [(404, 10_000)].into());
        missing.errors.status = 10_000;
        says(&missing, &["all 10,000 failed: they had status 404"]);
        let mut ramp = fixture::healthy().run;
        (ramp.steps[0].from_rps, ramp.steps[0].to_rps) = (1000.0, 9000.0);
        says(&ramp, &["1,000 to 9,000 requests/s offered"]);
        ramp.load_loop = Loop::Closed;
        says(&ramp, &["5,000 requests/s over "]);
        ramp.wire.streams_per_connection = 32;
        says(&ramp, &["connections of 32 streams"]);
    }
}
