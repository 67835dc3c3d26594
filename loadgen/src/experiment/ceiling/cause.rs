//! The causal proof: the same target with one unit more at the suspect, searched again for a short time. If the suspect is the
//! cause, the ceiling moves. From what a search has concluded it gives the changed sizes and by how much the ceiling should move,
//! and judges whether it did.

use crate::cli::Sizes;
use reports::ceiling::{Bound, Cause, Ceiling, Resource};
use reports::number::counted;

/// A quota grows by this.
const QUOTA: f64 = 1.5;
/// Of the move that was expected, so much has to be seen,
const SEEN: f64 = 0.5;
/// and less than this is none.
const STAYED: f64 = 0.25;
/// A ceiling at more than so many times the expected one has been moved by something else too.
const TOO_FAR: f64 = 1.5;

/// One unit more at the suspect.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    /// The sizes with it.
    pub(super) sizes: Sizes,
    /// In words.
    pub(super) words: String,
    /// By how much the ceiling should move, as a ratio: not past the next resource's.
    pub(super) expected_ratio: f64,
}

/// What to change: at what limits the target, and where nothing explains the ceiling, at the resource with the lowest predicted one.
///
/// # Errors
/// In words, why there is nothing to change.
pub(super) fn change(found: &Ceiling, sizes: &Sizes) -> Result<Change, String> {
    let limit = &found.limited_by;
    let is_it = |resource: &&Resource| {
        limit.tier.as_ref() == Some(&resource.tier) && limit.resource.as_ref() == Some(&resource.resource)
    };
    let suspect = found.resources.iter().find(is_it).or(found.resources.first());
    let suspect = suspect.ok_or("nothing of the target was observed that could be made larger")?;
    let servers = f64::from(sizes.servers.unwrap_or(1));
    let (mut sizes, slots) = (sizes.clone(), (suspect.capacity / servers).round());
    let (words, ratio) = match (suspect.tier.as_str(), suspect.resource.as_str()) {
        ("app", "workers") if sizes.server_cpu.is_some() && sizes.workers.map(f64::from) != Some(slots) => {
            return Err(String::from(
                "the workers may stand in for the quota of the app: give --workers too",
            ));
        }
        ("app", "workers") => {
            sizes.workers = Some(slots as u32 + 1);
            // A pool that was left at its default would grow with them.
            sizes.pool = sizes.pool.or(Some(slots as u32));
            (format!("{} in place of {slots}", counted(slots as u64 + 1, "worker")), (slots + 1.0) / slots)
        }
        ("app", "pool") => {
            sizes.pool = Some(slots as u32 + 1);
            (format!("a pool of {} in place of {slots}", slots + 1.0), (slots + 1.0) / slots)
        }
        (tier, "cpu") if suspect.shared.is_empty() => {
            let quota = match tier {
                "app" => &mut sizes.server_cpu,
                "proxy" => &mut sizes.proxy_cpu,
                "db" => &mut sizes.db_cpu,
                _ => return Err(format!("there is no quota of the tier {tier} to raise")),
            };
            let before = quota
                .ok_or_else(|| format!("the tier {tier} has no quota to raise: {}", quota_advice(tier)))?;
            // No quota is more than what there is; a target of somebody else's does not say.
            let most =
                if found.target.cpus.is_empty() { f64::INFINITY } else { found.target.cpus.len() as f64 };
            let after = ((before * QUOTA * 1e4).round() / 1e4).min(most);
            if after <= before {
                return Err(format!("the tier {tier} may use all the CPUs of the target already"));
            }
            *quota = Some(after);
            (format!("{after} CPUs for the tier {tier} in place of {before}"), after / before)
        }
        (tier, "cpu") => {
            return Err(format!("the tiers share all the CPUs that they were given: {}", quota_advice(tier)));
        }
        (tier, resource) => return Err(format!("there is no size of the {resource} of the tier {tier}")),
    };
    let next = found.resources.iter().filter(|other| !std::ptr::eq(*other, suspect));
    let next = next.map(|other| other.predicted_rps).fold(f64::INFINITY, f64::min);
    let room = next / found.ceiling_rps.unwrap_or(suspect.predicted_rps).max(1e-9);
    Ok(Change { sizes, words, expected_ratio: ratio.min(room).max(1.0) })
}

/// What makes a tier's CPU a size that can be raised.
fn quota_advice(tier: &str) -> String {
    let option = match tier {
        "app" => "--server-cpu",
        "proxy" => "--proxy-cpu",
        _ => "--db-cpu",
    };
    format!("give the tier a quota of its own, such as {option} 0.25")
}

/// What the search with the change found, held against the one without it.
pub(super) fn judge(before: &Ceiling, change: Change, after: Ceiling) -> Cause {
    let ratio = before.ceiling_rps.zip(after.ceiling_rps).map(|(before, after)| after / before);
    let move_seen = ratio.map(|ratio| (ratio - 1.0) / (change.expected_ratio - 1.0).max(1e-9));
    let too_far = ratio.is_some_and(|ratio| ratio > TOO_FAR * change.expected_ratio);
    // A rate that the ceiling is above tells only that it moved, one that it is below only that it did not.
    let confirmed = move_seen
        .filter(|_| !after.partial && before.bound == Bound::Exact && !too_far)
        .and_then(|seen| match after.bound {
            Bound::Exact | Bound::AtLeast if seen >= SEEN => Some(true),
            Bound::Exact | Bound::Below if seen < STAYED => Some(false),
            _ => None,
        });
    Cause {
        change: change.words,
        expected_ratio: change.expected_ratio,
        ceiling_rps: after.ceiling_rps,
        ci95: after.ci95,
        confirmed: confirmed.filter(|_| change.expected_ratio > 1.0),
        steps: after.steps,
        moved_ratio: ratio.filter(|ratio| ratio.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::ceiling::LimitedBy;

    fn found(tier: &str, resource: &str, capacity: f64, next_rps: f64) -> Ceiling {
        let (tier, resource) = (tier.to_owned(), resource.to_owned());
        let limited_by =
            LimitedBy { tier: Some(tier.clone()), resource: Some(resource.clone()), ..LimitedBy::default() };
        let suspect = Resource { tier, resource, capacity, predicted_rps: 410.0, ..Resource::default() };
        let next = Resource { predicted_rps: next_rps, ..Resource::default() };
        let resources = vec![suspect, next];
        Ceiling { bound: Bound::Exact, ceiling_rps: Some(400.0), resources, limited_by, ..Ceiling::default() }
    }

    #[test]
    fn one_unit_more_is_asked_of_the_suspect() {
        let servers = Sizes { servers: Some(2), db_cpu: Some(0.1), ..Sizes::default() };
        for (tier, resource, capacity, next_rps, want) in [
            ("app", "workers", 8.0, 9e9, Ok(("5 workers in place of 4", 1.25))),
            ("app", "workers", 8.0, 440.0, Ok(("5 workers in place of 4", 1.1))),
            ("app", "pool", 2.0, 9e9, Ok(("a pool of 2 in place of 1", 2.0))),
            ("db", "cpu", 0.1, 9e9, Ok(("0.15 CPUs for the tier db in place of 0.1", 1.5))),
            (
                "proxy",
                "cpu",
                1.0,
                9e9,
                Err(
                    "the tier proxy has no quota to raise: give the tier a quota of its own, such as --proxy-cpu 0.25",
                ),
            ),
            ("edge", "cpu", 1.0, 9e9, Err("there is no quota of the tier edge to raise")),
            ("app", "connections", 1.0, 9e9, Err("there is no size of the connections of the tier app")),
        ] {
            let change = change(&found(tier, resource, capacity, next_rps), &servers);
            let said = change.as_ref().map(|change| (change.words.as_str(), change.expected_ratio));
            let want = want.map(|(words, ratio): (&str, f64)| (words, ratio)).map_err(str::to_owned);
            match (said, &want) {
                (Ok((words, ratio)), Ok((wanted, wanted_ratio))) => {
                    assert!(words == *wanted && (ratio - wanted_ratio).abs() < 1e-9, "{words} {ratio}");
                }
                (said, want) => assert_eq!(said.map_err(Clone::clone), *want),
            }
        }
        for (before, want) in
            [(0.5, Ok("0.75 CPUs")), (0.8, Ok("1 CPUs")), (1.0, Err("may use all the CPUs"))]
        {
            let mut found = found("db", "cpu", before, 9e9);
            found.target.cpus = vec![3];
            let change = change(&found, &Sizes { db_cpu: Some(before), ..Sizes::default() });
            let said = change.map(|change| (change.words, change.expected_ratio));
            match (said, want) {
                (Ok((words, ratio)), Ok(part)) => {
                    assert!(
                        words.starts_with(part) && (ratio - (1.0 / before).min(1.5)).abs() < 1e-9,
                        "{words} {ratio}"
                    );
                }
                (said, want) => assert!(said.unwrap_err().contains(want.unwrap_err())),
            }
        }
        assert!(change(&Ceiling::default(), &servers).is_err());
        let workers = found("app", "workers", 4.0, 9e9);
        for (asked, changed) in [(None, false), (Some(8), false), (Some(4), true)] {
            let sizes = Sizes { server_cpu: Some(0.5), workers: asked, ..Sizes::default() };
            assert_eq!(change(&workers, &sizes).is_ok(), changed, "{asked:?}");
        }
    }

    #[test]
    fn a_cause_is_one_that_moves_the_ceiling() {
        let before = found("app", "workers", 4.0, 9e9);
        let (exact, at_least, below) = (Bound::Exact, Bound::AtLeast, Bound::Below);
        for (bound, rps, partial, want) in [
            (exact, 500.0, false, Some(true)),
            (exact, 460.0, false, Some(true)),
            // As far as one unit can still be the reason, 1.5 times 1.25 times as much, and further.
            (exact, 740.0, false, Some(true)),
            (exact, 760.0, false, None),
            (at_least, 760.0, false, None),
            (exact, 430.0, false, None),
            (exact, 410.0, false, Some(false)),
            (exact, 390.0, false, Some(false)),
            (exact, 390.0, true, None),
            (at_least, 500.0, false, Some(true)),
            (at_least, 390.0, false, None),
            (below, 500.0, false, None),
            (below, 390.0, false, Some(false)),
        ] {
            let change = change(&before, &Sizes::default()).unwrap();
            let after = Ceiling { bound, partial, ceiling_rps: Some(rps), ..Ceiling::default() };
            let cause = judge(&before, change, after);
            assert_eq!((cause.confirmed, cause.moved_ratio), (want, Some(rps / 400.0)), "{bound:?} {rps}");
        }
        let change = change(&before, &Sizes::default()).unwrap();
        let cause = judge(&before, change, Ceiling::default());
        assert_eq!((cause.confirmed, cause.moved_ratio), (None, None));
    }
}
