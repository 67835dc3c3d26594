//! A load at a constant rate, so that two nights can tell whether they had the same but for the rate: what is measured at another one
//! is another figure. From a run's record, or from what is going to be one.

use crate::number::exact_rate;
use crate::record::{Loop, Run, Wire};
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// Requests per second.
    pub rps: f64,
    /// All else of it, in words that are equal where it was the same.
    pub rest: String,
}

impl Offered {
    /// What a run was offered; `None` for a closed loop, and for steps and ramps.
    pub fn of(run: &Run) -> Option<Self> {
        let mut steps = run.steps.iter().filter(|step| step.counted);
        let (step, None, Loop::Open) = (steps.next()?, steps.next(), run.load_loop) else { return None };
        let rest = rest(step.duration_s, &run.arrivals, &run.wire, &run.load_digest);
        (step.from_rps == step.to_rps && step.to_rps > 0.0).then_some(Self { rps: step.to_rps, rest })
    }

    /// Whether `other` is the same rate, whatever a file made of its last digit.
    pub fn is_at_the_rate_of(&self, other: &Self) -> bool {
        (self.rps - other.rps).abs() <= 1e-9 * self.rps.abs()
    }
}

impl Offered {
    /// Which requests they are, as far as a digest tells.
    pub fn requests(&self) -> &str {
        self.rest.rsplit_once(REQUESTS).map_or("", |(_, digest)| digest)
    }
}

/// What stands before the digest in [`Offered::rest`].
const REQUESTS: &str = "requests ";

/// A load but for its rate: so many seconds of `arrivals` (`even` or `poisson`) by that wire, of the requests with this digest
/// ([`Run::load_digest`]).
pub fn rest(duration_s: f64, arrivals: &str, wire: &Wire, requests: &str) -> String {
    let tls = wire.tls.as_ref().map_or_else(String::new, |tls| format!(", {tls}"));
    let how = format!("{}, {}{tls}", wire.transport, wire.protocol);
    format!("{} s, {arrivals} arrivals by {how}, {REQUESTS}{requests}", exact_rate(duration_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_load_at_one_rate_is_known_by_it_and_by_all_else() {
        let run = fixture::healthy().run;
        let found = Offered::of(&run).unwrap();
        assert_eq!(found.rps, run.steps[0].to_rps);
        assert_eq!(found.rest, rest(10.0, "even", &Wire::default(), "8594417139673e80"));
        assert_eq!(found.rest, "10 s, even arrivals by raw, HTTP/1.1, requests 8594417139673e80");
        let other = |change: fn(&mut Run)| {
            let mut run = run.clone();
            change(&mut run);
            Offered::of(&run)
        };
        let faster = other(|run| (run.steps[0].from_rps, run.steps[0].to_rps) = (7.0, 7.0)).unwrap();
        assert!(faster.rest == found.rest && !faster.is_at_the_rate_of(&found));
        let nearly = Offered { rps: found.rps * (1.0 + 1e-15), ..found.clone() };
        assert!(nearly.is_at_the_rate_of(&found) && found.is_at_the_rate_of(&nearly));
        for change in [
            (|run| run.arrivals = "poisson".into()) as fn(&mut Run),
            |run| run.steps[0].duration_s *= 2.0,
            |run| run.wire.tls = Some("TLSv1.3".into()),
            |run| run.load_digest.clear(),
        ] {
            assert_ne!(other(change).unwrap().rest, found.rest);
        }
        for change in [
            (|run| run.load_loop = Loop::Closed) as fn(&mut Run),
            |run| run.steps[0].to_rps *= 2.0,
            |run| run.steps.push(run.steps[0].clone()),
            |run| run.steps.clear(),
        ] {
            assert_eq!(other(change), None);
        }
    }
}
