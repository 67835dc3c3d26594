//! The rate that all runs of a night have. Only at the same rate can the times of two nights be compared, and a ceiling that is searched
//! anew is never quite the same: so an earlier night's rate is kept as long as it is about the share of tonight's ceiling that was asked
//! for. The choice is a pure function; a history is read, and never written.

use super::Bench;
use super::there::There;
use crate::failure::Outcome;
use crate::plan::Plan;
use crate::units::Rate;
use crate::{digest, record};
use reports::history::{self, Machine};
use reports::number::{exact_rate, percent, rate, round_to_digits};
use reports::offered;
use std::path::Path;

/// How far from the share that was asked for that of a kept rate may be, relative to it: with 60 % from 50 to 70 %.
const NEAR: f64 = 1.0 / 6.0;
/// The significant digits of a rate that is chosen anew.
const DIGITS: i32 = 3;
/// What a quotient of two decimals may be off.
const ROUNDING: f64 = 1e-9;

/// The rate that an earlier night had, or why there is none to keep.
pub(super) type Earlier = Result<f64, String>;

/// A rate in requests per second, and why it is that one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chosen {
    pub(super) rps: f64,
    pub(super) said: String,
}

impl Chosen {
    /// As it is offered.
    pub(super) fn rate(&self) -> Rate {
        Rate { micro: ((self.rps * 1e6).round() as u64).max(1) }
    }
}

/// The rate that is a `share` of the ceiling or, if an `earlier` one is near that, the earlier one. Where nobody asked for an earlier one
/// it is `None`.
pub(super) fn choose(share: f64, ceiling_rps: f64, earlier: Option<Earlier>) -> Chosen {
    let anew = round_to_digits(share * ceiling_rps, DIGITS);
    let (rps, what) = match earlier {
        Some(Ok(kept)) if is_near(share, kept / ceiling_rps) => {
            let of = percent(kept / ceiling_rps);
            (kept, format!("keeping an earlier night's {}/s, {of} of it", rate(kept)))
        }
        Some(Ok(other)) => {
            let but =
                format!("an earlier night's {}/s would be {}", rate(other), percent(other / ceiling_rps));
            (anew, format!("{} of it are {}/s, since {but}", percent(share), rate(anew)))
        }
        Some(Err(why)) => (anew, format!("{} of it are {}/s, since {why}", percent(share), rate(anew))),
        None => (anew, format!("{} of it are {}/s", percent(share), rate(anew))),
    };
    Chosen { rps, said: format!("the base's ceiling is {}/s: {what}", exact_rate(ceiling_rps)) }
}

/// A load of the ceiling itself may be asked for, but one beyond it is never near.
fn is_near(share: f64, of_tonight: f64) -> bool {
    (of_tonight / share - 1.0).abs() <= NEAR + ROUNDING && of_tonight <= 1.0
}

/// The rate of the last night in `file` on this machine with this load, apart from its rate.
fn last(file: &Path, machine: &Machine, rest: &str) -> Earlier {
    let (nights, _) = history::read(file)?;
    if nights.is_empty() {
        return Err(format!("{}: there is no night in it", file.display()));
    }
    let here = nights.iter().rev().filter(|night| night.host.fingerprint() == machine.fingerprint());
    let mut rates = here.filter_map(|night| night.offered.as_ref().filter(|offered| offered.rest == rest));
    rates.next().map(|offered| offered.rps).ok_or_else(|| {
        format!("{}: no night in it has this machine, versions and load, and a rate", file.display())
    })
}

impl Bench<'_> {
    /// What the history says of a target like the base, which is there; `None` where there is none to be asked.
    ///
    /// # Errors
    /// The target's fault: it cannot be reached.
    pub(super) async fn earlier(&self, base: &There) -> Outcome<Option<Earlier>> {
        let Some(file) = &self.args.history else { return Ok(None) };
        let load = base.load(&self.args.load);
        let plan = Plan::at(&load, Some(Rate { micro: 1_000_000 }), self.args.warmup, self.args.duration)?;
        let (aim, wire) = base.reach(&plan, &self.room).await?;
        let arrivals = format!("{:?}", plan.arrivals).to_lowercase();
        let requests = digest::of(&plan, &aim.what);
        let rest = offered::rest(self.args.duration.as_secs_f64(), &arrivals, &wire, &requests);
        Ok(Some(last(file, &Machine::of(&record::host(), &aim.versions), &rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::history::{HISTORY_SCHEMA, Night};
    use reports::offered::Offered;

    #[test]
    fn an_earlier_rate_is_kept_as_long_as_it_is_near() {
        let none = || Some(Err(String::from("h: there is no night in it")));
        for (share, ceiling_rps, earlier, rps, said) in [
            (0.6, 93.6, None, 56.2, "60 % of it are 56.2/s"),
            (0.6, 93.6, none(), 56.2, "60 % of it are 56.2/s, since h: there is no night in it"),
            (0.6, 93.6, Some(Ok(56.0)), 56.0, "keeping an earlier night's 56/s, 60 % of it"),
            (0.6, 85.0, Some(Ok(56.0)), 56.0, "keeping an earlier night's 56/s, 66 % of it"),
            // Both ends are near, and what is beyond them is not.
            (0.6, 100.0, Some(Ok(50.0)), 50.0, "keeping an earlier night's 50/s, 50 % of it"),
            (0.6, 100.0, Some(Ok(70.0)), 70.0, "keeping an earlier night's 70/s, 70 % of it"),
            (
                0.6,
                100.0,
                Some(Ok(49.9)),
                60.0,
                "60 % of it are 60/s, since an earlier night's 49.9/s would be 50 %",
            ),
            (
                0.6,
                100.0,
                Some(Ok(70.1)),
                60.0,
                "60 % of it are 60/s, since an earlier night's 70.1/s would be 70 %",
            ),
            (
                0.6,
                140.0,
                Some(Ok(56.0)),
                84.0,
                "60 % of it are 84/s, since an earlier night's 56/s would be 40 %",
            ),
            // Another share has its own ends.
            (0.3, 100.0, Some(Ok(26.0)), 26.0, "keeping an earlier night's 26/s, 26 % of it"),
            (
                0.3,
                100.0,
                Some(Ok(60.0)),
                30.0,
                "30 % of it are 30/s, since an earlier night's 60/s would be 60 %",
            ),
            (1.0, 100.0, Some(Ok(90.0)), 90.0, "keeping an earlier night's 90/s, 90 % of it"),
            (
                1.0,
                100.0,
                Some(Ok(101.0)),
                100.0,
                "100 % of it are 100/s, since an earlier night's 101/s would be 101 %",
            ),
            // What somebody wrote into a history.
            (
                0.6,
                100.0,
                Some(Ok(0.0)),
                60.0,
                "60 % of it are 60/s, since an earlier night's 0/s would be 0 %",
            ),
            (
                0.6,
                100.0,
                Some(Ok(-60.0)),
                60.0,
                "60 % of it are 60/s, since an earlier night's -60/s would be ",
            ),
            (0.6, 100.0, Some(Ok(f64::NAN)), 60.0, "60 % of it are 60/s, since an earlier night's "),
        ] {
            let chosen = choose(share, ceiling_rps, earlier);
            assert!(chosen.rps == rps && chosen.said.contains(&format!("/s: {said}")), "{chosen:?}: {said}");
        }
        assert_eq!(choose(0.6, 93.6, None).rate(), Rate { micro: 56_200_000 });
    }

    #[test]
    fn the_last_night_of_this_machine_and_load_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nights");
        let (here, there) = (Machine::default(), Machine { cpus: 3, ..Machine::default() });
        let earlier = |machine: &Machine, rest: &str| last(&file, machine, rest);
        let refused = |part: &str| {
            let why = earlier(&here, "a load").unwrap_err();
            assert!(why.starts_with(&file.display().to_string()) && why.contains(part), "{why}");
        };
        refused("there is no history: no such file");
        std::fs::write(&file, "").unwrap();
        refused("there is no night in it");
        std::fs::write(&file, "{\"schema\":\"loadgen.hist").unwrap();
        refused("there is no night in it");
        let night = |n: usize, host: &Machine, offered: Option<(f64, &str)>| {
            let offered = offered.map(|(rps, rest)| Offered { rps, rest: rest.into() });
            let (at, host) = (format!("2026-11-0{n}T02:00:00Z"), host.clone());
            let schema = HISTORY_SCHEMA.to_owned();
            history::append(&file, &Night { schema, id: at.clone(), at, host, offered, ..Night::default() })
                .unwrap();
        };
        night(1, &here, None);
        night(2, &here, Some((30.0, "another load")));
        refused("no night in it has this machine, versions and load, and a rate");
        night(3, &here, Some((40.0, "a load")));
        night(4, &here, Some((56.3, "a load")));
        night(5, &there, Some((60.0, "a load")));
        night(6, &here, None);
        assert_eq!(earlier(&here, "a load"), Ok(56.3));
        assert_eq!(earlier(&there, "a load"), Ok(60.0));
        assert_eq!(earlier(&here, "another load"), Ok(30.0));
        assert!(last(dir.path(), &here, "a load").unwrap_err().contains("it is no file"));
    }
}
