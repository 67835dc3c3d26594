//! `loadgen compare`: two sets of records in, whether the second is worse out, for a person and for whoever runs the gate. It measures
//! nothing; `pairs` does.

use crate::cli::{CompareArgs, Slowed};
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::{pace, record, show};
use reports::analyse::compare::{conclude, finding};
use reports::analyse::pairing::{Sets, Terms, compare};
use reports::comparison::{Call, Check, Comparison};
use reports::history::{self, Night, SelfTest};
use reports::pairs::{BASE, CANDIDATE, Pairs};
use reports::set::Set;
use reports::store::{self, COMPARE_FILE, PAIRS_FILE};
use reports::{exports, junit};
use std::path::Path;
use std::time::Instant;

/// Compares; the program was started at `begun`.
///
/// # Errors
/// In one line: wrong use, such as sets that cannot be compared; a host that does not let us.
pub(crate) fn run(args: &CompareArgs, begun: Instant) -> Outcome<Exit> {
    let read =
        |option: &str, dir: &Path| Set::read(dir).map_err(|why| Failure::usage(format!("{option}{why}")));
    let (base, candidate) = (read("the base: ", &args.base)?, read("the candidate: ", &args.candidate)?);
    let control = args.control.as_deref().map(|dir| read("--control: ", dir)).transpose()?;
    let slowed = |of: &Slowed| Ok((of.slowdown, read("--self-test: ", &of.dir)?));
    let slowed: Vec<(f64, Set)> = args.self_test.iter().map(slowed).collect::<Outcome<_>>()?;
    let terms = Terms {
        may: args.allow.clone(),
        deltas: args.deltas.iter().map(|delta| (delta.metric.clone(), delta.share)).collect(),
        revisions: [args.base_revision.clone(), args.candidate_revision.clone()],
    };
    let sets = Sets { base: &base, candidate: &candidate, control: control.as_ref(), slowed: &slowed };
    let head = record::head(args.seed, pace::wall_clock(), &[]);
    let mut found = compare(sets, &terms, head).map_err(Failure::usage)?;
    found.notes.extend(of_pairs(args));
    if let Some(dir) = &args.checks_of {
        follow(&mut found, store::kept::<Comparison>(dir, COMPARE_FILE).map_err(Failure::usage)?)?;
    }
    conclude(&mut found);
    let mut output = Output::of_experiment("compare", COMPARE_FILE, &args.result, begun);
    output.prepare()?;
    // What cannot be written takes nothing back of what was found, and is no noise.
    let failed = if found.call == Call::Regression { Exit::Failed } else { Exit::Usage };
    let written = output.finish_found(&found, None, &files(args)).and_then(|()| tell(args, &found));
    written.map_err(|failure| Failure { exit: failed, ..failure })?;
    Ok(exit(found.call))
}

/// What the measurement in pairs says of itself, where the two sets are two arms of one.
fn of_pairs(args: &CompareArgs) -> Vec<String> {
    let of = |dir: &Path| {
        let parent = dir.parent()?;
        store::kept::<Pairs>(parent, PAIRS_FILE).ok().map(|pairs| (parent.to_owned(), pairs))
    };
    let (Some((one, pairs)), Some((two, _))) = (of(&args.base), of(&args.candidate)) else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    if one == two && pairs.partial {
        notes.push(format!("the measurement in pairs was cut short ({})", one.join(PAIRS_FILE).display()));
    }
    if one == two && args.base.ends_with(CANDIDATE) && args.candidate.ends_with(BASE) {
        notes.push(String::from(
            "what was measured as the candidate is the base here, and the base the candidate",
        ));
    }
    notes
}

/// Takes the checks of a first measurement, and says what that one came to.
fn follow(found: &mut Comparison, first: Comparison) -> Outcome {
    let (own, its) = (&found.base.revision, &first.base.revision);
    if !own.is_empty() && !its.is_empty() && own != its {
        return Err(Failure::usage(format!("--checks-of: its base is {its}, and this one's {own}")));
    }
    found.notes.push(format!("a first measurement said: {}", finding(&first)));
    found.checks = first.checks;
    Ok(())
}

/// Where it is kept for others, in words.
fn files(args: &CompareArgs) -> Vec<String> {
    let named = [("history", &args.history), ("markdown", &args.markdown), ("junit", &args.junit)];
    let given = named.into_iter().filter_map(|(what, file)| Some((what, file.as_ref()?)));
    given.map(|(what, file)| format!("{what:<12}{}", file.display())).collect()
}

/// What others are given of it.
fn tell(args: &CompareArgs, found: &Comparison) -> Outcome {
    // First what cannot be made again.
    if let Some(file) = &args.history {
        history::append(file, &night(found)).map_err(Failure::host)?;
    }
    if let Some(file) = &args.markdown {
        show::append(file, &exports::markdown(found, args.pictures.as_deref()))?;
    }
    if let Some(file) = &args.junit {
        show::to_file(file, &junit::of_comparison(found))?;
    }
    let beside_json = args.result.json.as_ref().is_some_and(|file| file.as_os_str() == "-");
    if args.annotate {
        show::write(&exports::annotations(found), beside_json)?;
    }
    Ok(())
}

/// The comparison as a line of a history, with what its checks came to.
fn night(found: &Comparison) -> Night {
    let seen = |check: &Check| check.call == Call::Regression;
    let slowed = found.checks.iter().filter(|check| check.slowdown > 0.0);
    let self_test: Vec<SelfTest> =
        slowed.map(|check| SelfTest { slowdown: check.slowdown, found: seen(check) }).collect();
    let alarm = found.checks.iter().find(|check| check.slowdown == 0.0).map(seen);
    Night::of(found, &self_test, alarm)
}

fn exit(call: Call) -> Exit {
    match call {
        Call::Pass | Call::Improvement => Exit::Passed,
        Call::Regression => Exit::Failed,
        Call::Inconclusive => Exit::Invalid,
    }
}
