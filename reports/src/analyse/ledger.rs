//! Whether a record's ledger adds up: every planned request has one outcome, in each step, in the run, and in each of
//! the interactions of a scenario, which together are the run. It names what does not; it mends nothing.

use crate::number::count;
use crate::outcome::{Counts, Errors, is_conserved};
use crate::record::Run;

/// What does not add up in the ledgers of `run`, if anything.
pub fn broken(run: &Run) -> Option<String> {
    if let Some(n) = run.steps.iter().position(|step| !step.counts.conserved()) {
        return Some(format!("the ledger of step {} does not add up", n + 1));
    }
    if !is_conserved(run.planned, [run.ok, run.dropped, run.unfinished], &run.errors) {
        let parts = [run.errors.total(), run.dropped, run.unfinished];
        let ended = parts.into_iter().fold(run.ok, u64::saturating_add);
        let (planned, ended) = (count(run.planned), count(ended));
        return Some(format!("the ledger does not add up: {planned} planned, {ended} accounted for"));
    }
    if let Some(one) = run.interactions.iter().find(|one| !one.conserved()) {
        return Some(format!("the ledger of the interaction {} {} does not add up", one.name, one.step));
    }
    let whole = run.interactions.is_empty() || of_the_interactions(run) == of_the_run(run);
    (!whole).then(|| String::from("the ledgers of the interactions do not add up to the run's"))
}

/// What does not add up between the run's ledger and those of the steps that count, if anything.
pub fn broken_steps(run: &Run) -> Option<String> {
    let mut sum = Counts::default();
    run.steps.iter().filter(|step| step.counted).for_each(|step| sum += &step.counts);
    let summed = (sum.planned, sum.sent, sum.ok, sum.dropped, sum.unfinished, sum.errors);
    (of_the_run(run) != summed).then(|| String::from("the ledgers of the steps do not add up to the run's"))
}

/// Planned, sent, ok, dropped, unfinished, errors.
type Sums = (u64, u64, u64, u64, u64, Errors);

fn of_the_run(run: &Run) -> Sums {
    (run.planned, run.sent, run.ok, run.dropped, run.unfinished, run.errors)
}

fn of_the_interactions(run: &Run) -> Sums {
    run.interactions.iter().fold(Sums::default(), |mut sum, one| {
        sum.0 = sum.0.saturating_add(one.planned);
        sum.1 = sum.1.saturating_add(one.sent);
        sum.2 = sum.2.saturating_add(one.ok);
        sum.3 = sum.3.saturating_add(one.dropped);
        sum.4 = sum.4.saturating_add(one.unfinished);
        sum.5 += one.errors;
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// What is done to the record of a scenario, and a part of what is then said.
    type Case = (fn(&mut Run), Option<&'static str>);

    #[test]
    fn what_is_lost_is_found_wherever_it_is() {
        let cases: [Case; 8] = [
            (|_| {}, None),
            (
                |run| {
                    // What wraps around would add up.
                    run.errors.status = run.errors.status.wrapping_add(run.ok).wrapping_add(1);
                    run.ok = u64::MAX;
                },
                Some("does not add up: "),
            ),
            (|run| run.interactions.clear(), None),
            (|run| run.steps[0].counts.ok += 1, Some("ledger of step 1")),
            (|run| run.ok += 1, Some("does not add up: ")),
            (|run| run.interactions[1].ok += 1, Some("interaction cart pay does not")),
            (
                |run| {
                    run.interactions[0].ok += 1;
                    run.interactions[0].planned += 1;
                },
                Some("of the interactions do not"),
            ),
            (|run| run.interactions.truncate(1), Some("of the interactions do not")),
        ];
        for (change, part) in cases {
            let mut run = fixture::scenario().run;
            change(&mut run);
            let said = broken(&run);
            assert_eq!(said.is_none(), part.is_none(), "{said:?}");
            assert!(said.unwrap_or_default().contains(part.unwrap_or_default()));
        }
        let mut run = fixture::scenario().run;
        assert_eq!(broken_steps(&run), None);
        run.steps[0].counts.sent -= 1;
        assert!(broken_steps(&run).is_some());
    }
}
