//! Little's law as an audit: in each tier the number of requests in it has to be their rate times their mean time in it (Little, "A proof for the queuing formula L = λW", 1961). The three come from different counters, so what
//! does not agree is counted wrongly by one of them. Over steady loads only; it corrects nothing.

use crate::ceiling::{Audit, Step};
use std::collections::BTreeSet;

/// What is as close as this agrees.
const TOLERANCE: f64 = 0.05;
/// Fewer requests than this tell nothing,
const REQUESTS_LEAST: f64 = 20.0;
/// nor does a tier that is almost always empty.
const IN_FLIGHT_LEAST: f64 = 0.05;

/// One audit of each tier that exports what it takes, over the steady loads of `steps` that can be judged, by name.
pub fn audits(steps: &[Step]) -> Vec<Audit> {
    let steady: Vec<&Step> = steps.iter().filter(|step| step.stationary && step.valid).collect();
    let tiers: BTreeSet<&str> =
        steady.iter().flat_map(|step| step.observed.keys()).map(String::as_str).collect();
    let tiers = tiers.into_iter().filter_map(|tier| {
        audit(tier, &steady, |step| {
            let metrics = step.observed.get(tier)?;
            let metric = |name: &str| metrics.get(name).copied();
            Some([metric("in_flight")?, metric("rps")?, metric("response_ms")?])
        })
    });
    tiers.collect()
}

/// The audit of `tier` by what `read` gives of a load: requests in it, their rate, and their mean time in milliseconds.
fn audit(tier: &str, steps: &[&Step], read: impl Fn(&Step) -> Option<[f64; 3]>) -> Option<Audit> {
    let (mut seconds, mut counted, mut product, mut requests) = (0.0, 0.0, 0.0, 0.0);
    for step in steps {
        let length = step.duration_s;
        let sound = |all: &[f64; 3]| all.iter().all(|value| value.is_finite() && *value >= 0.0);
        let Some([in_flight, rate, ms]) =
            read(step).filter(sound).filter(|_| length.is_finite() && length > 0.0)
        else {
            continue;
        };
        seconds += length;
        counted += in_flight * length;
        product += rate * ms / 1e3 * length;
        requests += rate * length;
    }
    if seconds <= 0.0 {
        return None;
    }
    let (in_flight, expected) = (counted / seconds, product / seconds);
    let enough = requests >= REQUESTS_LEAST && in_flight.max(expected) >= IN_FLIGHT_LEAST;
    let agrees = (in_flight - expected).abs() <= TOLERANCE * in_flight.max(expected);
    Some(Audit { tier: tier.to_owned(), in_flight, expected, agrees: enough.then_some(agrees) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(in_flight: f64, rps: f64, response_ms: f64) -> Step {
        let metrics = [("in_flight", in_flight), ("rps", rps), ("response_ms", response_ms)];
        Step {
            duration_s: 5.0,
            planned: 500,
            in_flight: 2.0,
            mean_ms: Some(20.0),
            valid: true,
            stationary: true,
            observed: [("app".to_owned(), metrics.map(|(name, value)| (name.to_owned(), value)).into())]
                .into(),
            ..Step::default()
        }
    }

    #[test]
    fn a_tier_agrees_within_five_in_a_hundred() {
        // In flight, rate, mean time in ms; whether it agrees.
        let table = [
            (1.0, 100.0, 10.0, Some(true)),
            (1.04, 100.0, 10.0, Some(true)),
            (1.06, 100.0, 10.0, Some(false)),
            (0.94, 100.0, 10.0, Some(false)),
            (0.0, 100.0, 10.0, Some(false)),
            (0.01, 100.0, 0.1, None),
            (1.0, 3.0, 333.0, None),
            (0.0, 0.0, 0.0, None),
        ];
        for (in_flight, rps, ms, agrees) in table {
            let found = audits(&[step(in_flight, rps, ms)]);
            assert_eq!((found[0].tier.as_str(), found[0].agrees), ("app", agrees), "{in_flight} {rps} {ms}");
        }
    }

    #[test]
    fn loads_are_weighted_by_their_lengths() {
        let long = Step { duration_s: 15.0, ..step(3.0, 100.0, 30.0) };
        let found = &audits(&[step(1.0, 100.0, 10.0), long])[0];
        assert!((found.in_flight - 2.5).abs() < 1e-12 && (found.expected - 2.5).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn only_steady_loads_that_can_be_judged_and_sound_numbers_count() {
        let wrong = step(9.0, 100.0, 10.0);
        let growing = Step { stationary: false, ..wrong.clone() };
        let invalid = Step { valid: false, ..wrong.clone() };
        let timeless = Step { duration_s: 0.0, ..wrong.clone() };
        let nonsense = [f64::NAN, f64::INFINITY, -1.0].map(|value| step(value, 100.0, 10.0));
        let steps: Vec<Step> =
            [step(1.0, 100.0, 10.0), growing, invalid, timeless].into_iter().chain(nonsense).collect();
        assert_eq!(audits(&steps)[0].agrees, Some(true));
        assert_eq!(audits(&steps[1..4]), []);
        assert_eq!(audits(&[]), []);
        // An endpoint that is gone for a while, and one that never said what it takes.
        let mut silent = step(1.0, 100.0, 10.0);
        silent.observed.get_mut("app").unwrap().remove("rps");
        assert_eq!(audits(std::slice::from_ref(&silent)), []);
        assert_eq!(audits(&[silent, step(1.0, 100.0, 10.0)])[0].agrees, Some(true));
    }
}
