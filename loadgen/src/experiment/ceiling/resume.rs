//! Going on with a search that was interrupted: what it was asked for, what it has, and what is no longer as it was. Given its
//! record, it changes nothing of what was measured.

use crate::cli::{self, CeilingArgs, Cli, Command, ResultArgs};
use crate::failure::{Failure, Outcome};
use crate::pace;
use clap::Parser;
use http::Uri;
use reports::ceiling::Ceiling;
use reports::number::counted;
use reports::record::Target;
use reports::store::{CEILING_FILE, RUN_FILE, kept};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a resumed search says of a reference target, whose caches and connections are not those of the loads before.
const ANEW: &str = ", started anew when the search was resumed";

/// What an interrupted search was asked for, and its record. It goes on in the same directory.
///
/// # Errors
/// Wrong use: there is no such search, or none that goes on.
pub(super) fn resumed(dir: &Path) -> Outcome<(CeilingArgs, Option<Ceiling>)> {
    let there = dir.display();
    if !dir.join(CEILING_FILE).is_file() {
        return Err(Failure::usage(format!(
            "--resume: {}; give the directory of a search that was interrupted, which has a {CEILING_FILE} in it",
            what_is(dir)
        )));
    }
    let found = kept::<Ceiling>(dir, CEILING_FILE).map_err(Failure::usage)?;
    if !found.partial {
        return Err(Failure::usage(format!(
            "--resume: the search in {there} has ended: begin another, or see it again with loadgen report {there}"
        )));
    }
    let cli = Cli::try_parse_from(&found.head.command)
        .map_err(|e| Failure::usage(cli::one_line(&e, &found.head.command)))?;
    let Some(Command::Ceiling(args)) = cli.command else {
        return Err(Failure::usage(format!("--resume: {there} has no search in it")));
    };
    Ok((
        CeilingArgs {
            result: ResultArgs { out: Some(dir.to_owned()), ..args.result },
            resume: None,
            ..*args
        },
        Some(found),
    ))
}

/// A place without a search, in words.
fn what_is(dir: &Path) -> String {
    let there = dir.display();
    match dir.is_dir() {
        true if dir.join(RUN_FILE).is_file() => format!("{there} has an ordinary run in it, and no search"),
        true => format!("{there} has no search in it"),
        false => format!("there is no directory {there}"),
    }
}

/// What is taken over from the search before, in words.
pub(super) fn taken_over(before: &Ceiling) -> String {
    let begun = before.head.started_at.parse::<jiff::Timestamp>();
    let begun =
        begun.map_or_else(|_| before.head.started_at.clone(), |at| at.strftime("%FT%H:%MZ").to_string());
    format!(
        "resuming the search of {begun}: {} taken over, {:.0} of {:.0} s spent",
        counted(before.steps.len() as u64, "load"),
        before.duration_s,
        before.budget_s
    )
}

/// When a search begins, or began; how much of its budget is spent; and whether it is resumed.
pub(super) fn beginning(before: Option<&Ceiling>) -> ((Instant, Duration), f64, bool) {
    let now = (pace::now(), pace::wall_clock());
    let Some(before) = before else { return (now, 0.0, false) };
    let began = before.head.started_at.parse::<jiff::Timestamp>().ok();
    let began = began.and_then(|at| u64::try_from(at.as_millisecond()).ok()).map(Duration::from_millis);
    ((now.0, began.unwrap_or(now.1)), before.duration_s, true)
}

/// A reference target is another one, at another address, than that of the loads before.
pub(super) fn started_anew(target: &mut Target, url: &Uri) {
    target.url = url.to_string();
    if !target.what.ends_with(ANEW) {
        target.what.push_str(ANEW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::ceiling::Step;
    use reports::record::Head;

    fn begun_at(started_at: &str) -> Head {
        Head { started_at: started_at.to_owned(), ..Head::default() }
    }

    #[test]
    fn it_is_said_what_is_taken_over() {
        for (started_at, loads, duration_s, said) in [
            ("2026-11-24T17:30:22.563Z", 5, 23.04, "2026-11-24T17:30Z: 5 loads taken over, 23 of 90 s spent"),
            ("2026-11-24T17:30:22Z", 1, 0.4, "2026-11-24T17:30Z: 1 load taken over, 0 of 90 s spent"),
            ("some day", 0, 0.0, "some day: 0 loads taken over, 0 of 90 s spent"),
        ] {
            let (steps, head) = (vec![Step::default(); loads], begun_at(started_at));
            let before = Ceiling { head, steps, duration_s, budget_s: 90.0, ..Ceiling::default() };
            assert_eq!(taken_over(&before), format!("resuming the search of {said}"));
        }
    }

    #[test]
    fn a_target_that_was_started_again_has_its_new_address_and_says_so_once() {
        let mut target =
            Target { url: "http://www.foobar.com:1/".into(), what: "a stack".into(), ..Target::default() };
        for port in [2, 3] {
            let url = format!("http://www.foobar.com:{port}/");
            started_anew(&mut target, &url.parse().unwrap());
            assert_eq!((&target.url, &target.what), (&url, &format!("a stack{ANEW}")));
        }
    }

    #[test]
    fn the_time_that_was_spent_counts() {
        let before =
            Ceiling { head: begun_at("1970-01-01T00:01:00Z"), duration_s: 7.5, ..Ceiling::default() };
        let ((_, since_1970), spent_s, resumes) = beginning(Some(&before));
        assert_eq!((since_1970, spent_s, resumes), (Duration::from_secs(60), 7.5, true));
        let ((_, since_1970), spent_s, resumes) = beginning(None);
        assert!(since_1970 > Duration::from_secs(60) && spent_s == 0.0 && !resumes);
    }
}
