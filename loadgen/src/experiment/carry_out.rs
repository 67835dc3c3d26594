//! What all experiments are carried out by: from an output and the work to do to what the work gives. It has the place for the record
//! made before, and what was made for nothing taken away after; it knows no experiment.

use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::show::found::Found;

/// What `work` gives, with the output to tell it by. A line about how far it is is drawn beside it.
///
/// # Errors
/// Wrong use: nothing can be written there; or whatever `work` fails by.
pub(super) fn carry_out<T>(
    mut output: Output,
    work: impl AsyncFnOnce(&Output) -> Outcome<T>,
) -> Outcome<(T, Output)> {
    output.prepare()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::host(format!("cannot start: {e}")))?;
    let given = runtime
        .block_on(tokio::task::LocalSet::new().run_until(output.status.beside(work(&output))))
        .inspect_err(|_| output.unmake())?;
    Ok((given, output))
}

/// Carries out `work`, which gives a record, and beside it what stopped it early; writes the record and tells it.
///
/// # Errors
/// As [`carry_out`]; the host's fault: the record cannot be written any more.
pub(super) fn find<K: Found>(
    output: Output,
    work: impl AsyncFnOnce(&Output) -> Outcome<(K, Option<Failure>)>,
) -> Outcome<Exit> {
    let ((found, stopped), output) = carry_out(output, work)?;
    output.finish_found(&found, stopped.as_ref().map(|failure| failure.message.as_str()), &[])?;
    Ok(exit(&found, stopped))
}

/// What stopped it before an answer that is none.
fn exit(found: &impl Found, stopped: Option<Failure>) -> Exit {
    match stopped {
        Some(failure) => failure.exit,
        None if found.end().1.valid => Exit::Passed,
        None => Exit::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ResultArgs;
    use reports::lesson::Lesson;
    use reports::record::Verdict;

    #[test]
    fn what_stopped_an_experiment_is_told_before_its_verdict() {
        let found = |valid| Lesson { verdict: Verdict { valid, ..Verdict::default() }, ..Lesson::default() };
        assert_eq!(exit(&found(true), None), Exit::Passed);
        assert_eq!(exit(&found(false), None), Exit::Invalid);
        assert_eq!(exit(&found(true), Some(Failure::target("it died"))), Exit::Target);
    }

    #[test]
    fn work_that_comes_to_nothing_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/b");
        let output = || {
            let args = ResultArgs { out: Some(out.clone()), quiet: true, ..ResultArgs::default() };
            Output::of_experiment("spof", "spof.json", &args, crate::pace::now())
        };
        let failed = carry_out(output(), async |_| Err::<(), _>(Failure::target("it did not start")));
        assert!(failed.is_err() && !dir.path().join("a").exists());
        let given = carry_out(output(), async |output| output.keep_found(&Lesson::default()).map(|()| 7));
        assert!(given.is_ok_and(|(given, _)| given == 7) && out.join("spof.json").is_file());
    }

    #[test]
    fn a_record_is_incomplete_only_where_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let args = ResultArgs { out: Some(dir.path().into()), quiet: true, ..ResultArgs::default() };
        let output = Output::of_experiment("spof", "spof.json", &args, crate::pace::now());
        // Nothing can be written where a record is written first.
        let blocked = dir.path().join("spof.json.part");
        let said = carry_out(output, async |output| {
            let refused = || {
                std::fs::create_dir(&blocked).unwrap();
                let failure = output.keep_found(&Lesson::default()).unwrap_err();
                std::fs::remove_dir(&blocked).unwrap();
                failure.message
            };
            let first = refused();
            output.keep_found(&Lesson::default())?;
            Ok([first, refused()])
        });
        let [first, then] = said.unwrap().0;
        assert!(first.starts_with("nothing could be recorded in "), "{first}");
        assert!(then.starts_with("the record in ") && then.contains(" is incomplete: "), "{then}");
    }
}
