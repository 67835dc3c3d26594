//! What was measured in pairs as a terminal shows it: whether there is something to compare, the arms, and what was repeated.

use super::{Paint, named};
use crate::analyse::pairs::few_pairs;
use crate::analyse::statistics::bootstrap::median;
use crate::number::{NONE, counted, exact_rate, ms, percent, rate, seconds};
use crate::pairs::{Arm, Kind, Load, Made, Pairs};
use crate::terminal::printable;

/// So many repetitions are told one by one.
const MOST_REPEATED: usize = 4;

/// Less time than this was only for looking whether there is anything to wait for.
const LEAST_WAITED_S: f64 = 10.0;

/// The summary of `found`, with ANSI colours where `colour` is set. It ends in a line end.
pub fn pairs(found: &Pairs, colour: bool) -> String {
    let paint = Paint { colour };
    let verdict = if found.verdict.valid { paint.good("VALID") } else { paint.bad("INVALID") };
    let pairs = counted(found.pairs.into(), "pair");
    let mut out = format!(
        "{verdict}  {} of {pairs} can be compared, in {}\n",
        found.valid_pairs,
        seconds(found.duration_s)
    );
    let reasons = found.verdict.reasons.iter().filter(|_| !found.verdict.valid);
    reasons.for_each(|reason| out += &format!("  {}\n", printable(reason)));
    out += &format!("\n{}", named("load", &load(&found.load)));
    for arm in &found.arms {
        out += &named(&format!("{:<11} ", printable(&arm.name)), &printable(&in_words(found, arm)));
    }
    let waited_s: f64 = found.runs.iter().map(|made| made.waited_s).sum();
    if waited_s >= LEAST_WAITED_S {
        out += &named("waited", &format!("{} in all for a machine that nobody else used", seconds(waited_s)));
    }
    let again: Vec<&Made> =
        found.runs.iter().filter(|made| made.kind == Kind::Run && is_repeated(found, made)).collect();
    for made in again.iter().take(MOST_REPEATED) {
        let why = made.reason.as_deref().unwrap_or("it was not valid");
        out += &named("repeated", &printable(&format!("{} in pair {}: {why}", made.arm, made.pair)));
    }
    if let more @ 1.. = again.len().saturating_sub(MOST_REPEATED) {
        out += &named("repeated", &format!("and {} more", counted(more as u64, "run")));
    }
    if let Some(few) = few_pairs(found.valid_pairs).filter(|_| found.verdict.valid) {
        out += &named("few pairs", &few);
    }
    out
}

fn load(load: &Load) -> String {
    let of = load.ceiling_rps.map_or_else(String::new, |rps| {
        format!(", {} of the base's ceiling of {}/s", percent(load.rps / rps), exact_rate(rps))
    });
    let (length, warmup) = (seconds(load.duration_s), seconds(load.warmup_s));
    format!("{}/s, {} arrivals, {length} after a warm-up of {warmup}{of}", rate(load.rps), load.arrivals)
}

/// The medians of an arm over its valid runs and searches, and what it is.
fn in_words(found: &Pairs, arm: &Arm) -> String {
    let of =
        |kind| found.runs.iter().filter(move |made| made.kind == kind && made.arm == arm.name && made.valid);
    let p50: Vec<f64> = of(Kind::Run).filter_map(|made| made.p50_ms).collect();
    let ceilings: Vec<f64> = of(Kind::Ceiling).filter_map(|made| made.ceiling_rps).collect();
    let (p50, ceiling) = (median(&p50).map_or(NONE.to_owned(), ms), median(&ceilings));
    let ceiling = ceiling.map_or_else(String::new, |rps| format!(", ceiling {}/s", exact_rate(rps)));
    let revision = if arm.revision.is_empty() { String::new() } else { format!("{}, ", arm.revision) };
    format!("p50 {p50}{ceiling}: {revision}{}", arm.target)
}

fn is_repeated(found: &Pairs, made: &Made) -> bool {
    found.run_of(&made.arm, made.pair).is_some_and(|last| last.attempt > made.attempt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::pairs::conclude;

    #[test]
    fn the_summary_says_what_can_be_compared_and_what_was_repeated() {
        let arm = |name: &str, revision: &str| Arm {
            name: name.into(),
            target: format!("start-{name} --now"),
            revision: revision.into(),
            ..Arm::default()
        };
        let made = |arm: &str, pair, attempt, valid, p50_ms| Made {
            arm: arm.into(),
            pair,
            attempt,
            valid,
            reason: (!valid).then(|| String::from("the hypervisor took 9 % of the CPU")),
            p50_ms: Some(p50_ms),
            ..Made::default()
        };
        let search = Made { kind: Kind::Ceiling, ceiling_rps: Some(512.0), ..made("base", 1, 1, true, 0.0) };
        let runs = vec![
            Made { waited_s: 9.0, ..made("base", 1, 1, true, 4.0) },
            search,
            made("candidate", 1, 1, false, 99.0),
            made("candidate", 1, 2, true, 5.0),
            Made { waited_s: 12.5, ..made("candidate", 2, 1, true, 6.0) },
            made("base", 2, 1, true, 4.2),
        ];
        let load = Load {
            rps: 300.0,
            share: Some(0.6),
            ceiling_rps: Some(500.0),
            arrivals: "poisson".into(),
            duration_s: 4.0,
            warmup_s: 1.0,
            ..Load::default()
        };
        let arms = vec![arm("base", "1a2b3c4"), arm("candidate", "")];
        let mut found = Pairs { pairs: 2, load, arms, runs, duration_s: 31.0, ..Pairs::default() };
        conclude(&mut found);
        assert_eq!(
            pairs(&found, false),
            "VALID  2 of 2 pairs can be compared, in 31 s\n\n\
             load        300/s, poisson arrivals, 4 s after a warm-up of 1 s, 60 % of the\n            base's ceiling of 500/s\n\
             base        p50 4.1 ms, ceiling 512/s: 1a2b3c4, start-base --now\n\
             candidate   p50 5.5 ms: start-candidate --now\n\
             waited      21.5 s in all for a machine that nobody else used\n\
             repeated    candidate in pair 1: the hypervisor took 9 % of the CPU\n\
             few pairs   to find a difference a comparison needs 9 valid pairs where 2\n            metrics decide, 10 where 4 do, 11 where 7 do\n"
        );
        let many = Pairs { pairs: 10, valid_pairs: 10, ..found.clone() };
        assert!(pairs(&found, false).contains("few") && !pairs(&many, false).contains("few"));
        found.partial = true;
        conclude(&mut found);
        assert!(
            pairs(&found, false)
                .starts_with("INVALID  2 of 2 pairs can be compared, in 31 s\n  it was cut short\n")
        );
    }
}
