//! What several trials say together: each one's impact, the verdict on whether they can be believed, and the sentences that people
//! remember. From a record to the same record concluded; computed again whenever one is read.

use super::impact::impact;
use crate::lesson::{EventKind, Lesson, MAINTENANCE_SCHEMA, Orders, SPOF_SCHEMA, Trial};
use crate::number::{capital, count, counted, ms, seconds};
use crate::record::Verdict;

/// Concludes from the trials of `lesson`.
pub fn conclude(lesson: &mut Lesson) {
    let limit_ms = lesson.limit_ms;
    for trial in &mut lesson.trials {
        trial.impact = impact(trial, limit_ms);
    }
    let mut reasons = Vec::new();
    for trial in &lesson.trials {
        if !conserved(trial) {
            reasons.push(format!(
                "{}: {} requests were planned, and the outcomes are not as many",
                trial.name, trial.planned
            ));
        }
        if !trial.valid {
            let why = trial.reasons.first().map_or("no reason was given", String::as_str);
            // What could not be done may have the trial's name already.
            let named = why.strip_prefix(&*trial.name).is_some_and(|rest| rest.starts_with(": "));
            reasons.push(if named { why.to_owned() } else { format!("{}: {why}", trial.name) });
        }
        reasons.extend(unfit(trial).map(|why| format!("{}: {why}", trial.name)));
        reasons.extend(trial.orders.and_then(|orders| disagreement(&trial.name, &orders)));
    }
    if lesson.partial {
        reasons
            .insert(0, format!("it was cut short, after {}", counted(lesson.trials.len() as u64, "trial")));
    } else if lesson.trials.is_empty() {
        reasons.push(String::from("no trial was made"));
    }
    lesson.verdict = Verdict { valid: reasons.is_empty(), reasons };
}

/// Whether `planned = ok + errors + dropped + unfinished`.
pub fn conserved(trial: &Trial) -> bool {
    trial.planned == trial.ok + trial.errors.total() + trial.dropped + trial.unfinished
}

/// Why what was seen is not what was done, if it is not: it was not over while somebody looked, or all was not well before it.
fn unfit(trial: &Trial) -> Option<String> {
    let late = trial.events.iter().filter(|event| event.kind != EventKind::Step);
    if let Some(late) = late.clone().find(|event| event.at_s > trial.duration_s) {
        let (at, end) = (seconds(late.at_s), seconds(trial.duration_s));
        let what = if late.kind == EventKind::Begin { "it began" } else { "it was not through before" };
        return Some(format!("{what} {at} after the load began, which was over after {end}"));
    }
    let before = trial.impact.failed_before;
    (before > 0).then(|| format!("{} failed before anything was done", counted(before, "request")))
}

/// Why the orders cannot be right, if they cannot: one that was acknowledged is missing, or there is one that nobody asked for.
fn disagreement(name: &str, orders: &Orders) -> Option<String> {
    let Orders { acknowledged, unanswered, stored } = *orders;
    if stored < acknowledged {
        let missing = counted(acknowledged - stored, "acknowledged order");
        return Some(format!("{name}: {missing} cannot be found in the database"));
    }
    let most = acknowledged + unanswered;
    (stored > most).then(|| {
        format!("{name}: the database has {} that nobody asked for", counted(stored - most, "order"))
    })
}

/// What a trial did to the visitors, such as `3.2 s out, 640 requests failed, well again after 3.4 s`.
pub fn felt(trial: &Trial) -> String {
    let impact = &trial.impact;
    let mut parts = Vec::new();
    if impact.outage_s > 0.0 {
        parts.push(format!("{} out", seconds(impact.outage_s)));
    }
    parts.push(match impact.failed {
        0 => format!("none of {} failed", counted(trial.planned, "request")),
        n => format!("{} of {} failed", count(n), counted(trial.planned, "request")),
    });
    parts.push(match (impact.recovered_s, impact.slow_again_s) {
        (Some(0.0), None) => String::from("nothing to be seen in the times"),
        (Some(0.0), Some(_)) => String::from("at first nothing to be seen in the times"),
        (Some(s), _) => format!("well again after {}", seconds(s)),
        (None, _) => String::from("not well again before the end"),
    });
    parts.extend(impact.slow_again_s.map(|s| format!("slow once more at {}", seconds(s))));
    parts.join(", ")
}

/// The finding in one sentence: the costliest failing that one of the trials cures, with its cure.
pub fn finding(lesson: &Lesson) -> String {
    let trials = &lesson.trials;
    let cure = |trial: &&Trial| {
        let cures = trials.iter().filter(|other| other.cure && other.valid && other.tier == trial.tier);
        let best = cures.min_by_key(|other| other.impact.failed);
        best.filter(|best| best.impact.failed < trial.impact.failed)
    };
    let saved = |trial: &&Trial| cure(trial).map_or(0, |best| trial.impact.failed - best.impact.failed);
    // Of equals the last is the greatest, and the first trial is the one that a reader begins with.
    let cured = trials.iter().rev().filter(|trial| cure(trial).is_some()).max_by_key(saved);
    let worst = cured.or_else(|| trials.iter().max_by_key(|trial| trial.impact.failed));
    let Some(worst) = worst.filter(|_| !lesson.is_empty()) else {
        return String::from("Nothing was measured: no trial has ended");
    };
    if worst.impact.failed == 0 {
        let planned = trials.iter().map(|trial| trial.planned).sum();
        let many = counted(trials.len() as u64, "trial");
        return format!("{}: none of {} failed in {many}", capital(&worst.name), counted(planned, "request"));
    }
    let cost = |trial: &Trial| {
        let out = if trial.impact.outage_s > 0.0 {
            format!("{} and ", seconds(trial.impact.outage_s))
        } else {
            String::new()
        };
        format!("{out}{}", counted(trial.impact.failed, "request"))
    };
    let first = format!("{} cost {}", capital(&worst.name), cost(worst));
    match cure(&worst) {
        Some(best) if best.impact.failed == 0 => {
            format!("{first}; {}, none of {}", best.name, count(best.planned))
        }
        Some(best) => format!("{first}; {}, {}", best.name, cost(best)),
        None => first,
    }
}

/// What there is to learn from each trial, a sentence each.
pub fn sentences(lesson: &Lesson) -> Vec<String> {
    lesson.trials.iter().map(|trial| sentence(trial, lesson)).collect()
}

fn sentence(trial: &Trial, lesson: &Lesson) -> String {
    let impact = &trial.impact;
    let mut text = format!("{}: {}", capital(&trial.name), felt(trial));
    match impact.noticed_s {
        // An interval has no finer time.
        Some(s) if s < trial.interval_s => {
            text += &format!("; the first failure came within {}", seconds(trial.interval_s));
        }
        Some(s) => text += &format!("; the first failure came {} after it began", seconds(s)),
        None => {}
    }
    if let (Some(before), Some(during)) = (impact.p99_before_ms, impact.p99_during_ms) {
        text += &format!(
            "; the slowest interval's p99 was {} before and {} from then on",
            ms(before),
            ms(during)
        );
    }
    if let Some(orders) = &trial.orders {
        text += &format!(
            "; {} acknowledged, {} left without an answer, {} stored",
            counted(orders.acknowledged, "order"),
            count(orders.unanswered),
            count(orders.stored)
        );
    }
    if trial.dns_failures > 0 {
        text +=
            &format!("; the name server left {} without an answer", counted(trial.dns_failures, "question"));
    }
    if lesson.schema == MAINTENANCE_SCHEMA
        && let Some(handed) = refused(trial).or_else(|| handed_over(trial))
    {
        text += &format!("; {handed}");
    }
    text + "." + remark(trial, lesson)
}

/// What has to be known to read a trial's figures, and does not follow from them.
fn remark(trial: &Trial, lesson: &Lesson) -> &'static str {
    match (lesson.schema == SPOF_SCHEMA, trial.tier.as_str(), trial.servers) {
        (true, "proxy", 2..) => {
            " The zone gives the addresses of all proxies: a client that is refused by one has to try the next, as browsers and this \
             generator do, and what was under way by the dead one's connections is lost to it."
        }
        (true, "db", _) => {
            " There is one writer, which nothing here stands in for: whatever needs it waits for its return, and what it had \
             acknowledged has to be there then."
        }
        (true, "dns", _) => {
            " Whoever knows the website's address goes on for as long as the address holds; only newcomers need the name server."
        }
        _ => "",
    }
}

/// A version that was not well, and did not get any further.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal<'t> {
    /// When, in seconds after the first request was due.
    pub at_s: f64,
    /// The server that was to have it, such as `app 1`.
    pub place: &'t str,
    /// The one that was refused.
    pub version: &'t str,
    /// The one that was put back in its place, if any was.
    pub back: Option<&'t str>,
}

/// What the target says of a version that it refused in this trial, if it did.
pub fn refusal(trial: &Trial) -> Option<Refusal<'_>> {
    let steps = || trial.events.iter().filter(|event| event.kind == EventKind::Step);
    let told = |what: &'static str| steps().filter_map(move |event| Some((event, step(&event.what, what)?)));
    let (event, (place, version)) = told("refused").next()?;
    let back = told("started").rfind(|(later, (at, _))| later.at_s >= event.at_s && *at == place);
    Some(Refusal { at_s: event.at_s, place, version, back: back.map(|(_, (_, version))| version) })
}

/// Where, and to which version, `what` happened, by the words of a step such as `app 1 refused, version 2`.
fn step<'t>(words: &'t str, what: &str) -> Option<(&'t str, &'t str)> {
    let (place, version) = words.split_once(", version ")?;
    Some((place.strip_suffix(what)?.trim_end(), version))
}

/// What was refused when, and what stood in its place then.
fn refused(trial: &Trial) -> Option<String> {
    let Refusal { at_s, place, version, back } = refusal(trial)?;
    let begin = trial.events.iter().find(|event| event.kind == EventKind::Begin);
    let after = begin.map_or_else(String::new, |begin| format!(" after {}", seconds(at_s - begin.at_s)));
    let back = back.map_or_else(String::new, |back| format!(", and {back} put back"));
    Some(format!("version {version} was refused at {place}{after}{back}"))
}

/// From which version to which, if there were two.
fn handed_over(trial: &Trial) -> Option<String> {
    let seen = || trial.versions.iter().filter_map(|seen| Some((seen.at_ms, seen.version.as_deref()?)));
    let (first, last) = (seen().next()?.1, seen().next_back()?.1);
    if first == last {
        let others = seen().filter(|(_, version)| *version != first).count();
        return (others > 0)
            .then(|| format!("the new version was taken back: version {first} answers as before"));
    }
    let begun = seen().find(|(_, version)| *version == last)?.0;
    let over = seen().rfind(|(_, version)| *version == first)?.0;
    let both_s = (over - begun).max(0) as f64 / 1e3;
    let both = match both_s {
        0.0 => String::from("at no moment were both seen to answer"),
        _ => format!("for {} both answered", seconds(both_s)),
    };
    Some(format!("version {first} handed over to {last}, and {both}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::lesson::Seen;
    use crate::outcome::Errors;

    #[test]
    fn the_finding_sets_the_failing_beside_its_cure() {
        for (lesson, want) in [
            (
                fixture::lesson::spof(),
                "Killing the only app server cost 3 s and 600 requests; killing one of 2 app servers, none of 2,400",
            ),
            (
                Lesson { trials: vec![fixture::lesson::spof().trials.remove(1)], ..Lesson::default() },
                "Killing one of 2 app servers: none of 2,400 requests failed in 1 trial",
            ),
            (
                // What is no cure is none, however little it costs.
                Lesson {
                    trials: fixture::lesson::spof()
                        .trials
                        .into_iter()
                        .map(|one| Trial { cure: false, ..one })
                        .collect(),
                    ..Lesson::default()
                },
                "Killing the only app server cost 3 s and 600 requests",
            ),
            (Lesson::default(), "Nothing was measured: no trial has ended"),
        ] {
            assert_eq!(finding(&lesson), want);
        }
    }

    #[test]
    fn orders_have_to_agree() {
        let orders = |acknowledged, unanswered, stored| Orders { acknowledged, unanswered, stored };
        for (orders, want) in [
            (orders(10, 0, 10), None),
            (orders(10, 2, 11), None),
            (orders(10, 2, 12), None),
            (orders(10, 2, 9), Some("t: 1 acknowledged order cannot be found in the database")),
            (orders(10, 2, 14), Some("t: the database has 2 orders that nobody asked for")),
        ] {
            assert_eq!(disagreement("t", &orders).as_deref(), want, "{orders:?}");
        }
    }

    #[test]
    fn a_trial_that_cannot_be_believed_makes_the_whole_invalid() {
        let mut lesson = fixture::lesson::spof();
        conclude(&mut lesson);
        assert_eq!(lesson.verdict, Verdict { valid: true, reasons: Vec::new() });
        lesson.trials[0].valid = false;
        lesson.trials[1].errors = Errors { reset: 1, ..Errors::default() };
        conclude(&mut lesson);
        assert!(!lesson.verdict.valid && lesson.verdict.reasons.len() == 2, "{:?}", lesson.verdict);
        for why in
            ["it ended with exit status: 3", "killing the only app server: it ended with exit status: 3"]
        {
            lesson.trials[0].reasons = vec![why.to_owned()];
            conclude(&mut lesson);
            let want = "killing the only app server: it ended with exit status: 3";
            assert_eq!(lesson.verdict.reasons[0], want);
        }
    }

    #[test]
    fn what_was_done_has_to_be_seen_from_its_beginning_to_its_end() {
        type Case = (fn(&mut Trial), Option<&'static str>);
        let cases: [Case; 4] = [
            (|_| {}, None),
            (
                |trial| trial.events.iter_mut().for_each(|event| event.at_s += trial.duration_s - 3.5),
                Some("it was not through before 14.5 s after the load began, which was over after 12 s"),
            ),
            (
                |trial| trial.events.iter_mut().for_each(|event| event.at_s += 20.0),
                Some("it began 23 s after the load began, which was over after 12 s"),
            ),
            (
                |trial| {
                    (trial.bins[0].ok, trial.bins[0].failed) = (trial.bins[0].ok - 2, 2);
                    (trial.ok, trial.errors.status) = (trial.ok - 2, trial.errors.status + 2);
                },
                Some("2 requests failed before anything was done"),
            ),
        ];
        for (change, want) in cases {
            let mut lesson = fixture::lesson::spof();
            change(&mut lesson.trials[0]);
            conclude(&mut lesson);
            let reasons = &lesson.verdict.reasons;
            assert_eq!(lesson.verdict.valid, want.is_none(), "{reasons:?}");
            assert!(want.is_none_or(|part| reasons[0].ends_with(part)), "{reasons:?}");
        }
    }

    #[test]
    fn a_version_that_is_refused_is_said_to_be() {
        let lesson = fixture::lesson::sick();
        let said = sentence(&lesson.trials[2], &lesson);
        let want = "version 2 was refused at app 1 after 3.5 s, and 0.1.0 put back.";
        assert!(said.ends_with(want), "{said}");
        assert_eq!(refusal(&lesson.trials[1]), None);
    }

    #[test]
    fn versions_hand_over_or_are_taken_back() {
        for (text, want) in [
            ("", None),
            ("1 1 1", None),
            ("1 1 2 1 2 2", Some("version 1 handed over to 2, and for 100 ms both answered")),
            ("1 - - 2 2", Some("version 1 handed over to 2, and at no moment were both seen to answer")),
            ("1 2 1 1", Some("the new version was taken back: version 1 answers as before")),
        ] {
            let seen = |(n, word): (usize, &str)| Seen {
                at_ms: n as i64 * 100,
                version: (word != "-").then(|| word.to_owned()),
            };
            let versions = text.split_whitespace().enumerate().map(seen).collect();
            assert_eq!(handed_over(&Trial { versions, ..Trial::default() }).as_deref(), want, "{text}");
        }
    }
}
