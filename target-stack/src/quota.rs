//! A size in CPUs as the kernel takes it: so many microseconds of CPU time in each period. Pure arithmetic.

/// The periods in which a quota is dealt out. In a long one a process that has used its share stands still for long,
/// which no slower CPU would do to it; so it is as short as the kernel's least quota allows.
const PERIOD_US: u64 = 10_000;
const LONGEST_PERIOD_US: u64 = 100_000;
/// The kernel's least quota (min_cfs_quota_period in kernel/sched/core.c).
const LEAST_QUOTA_US: u64 = 1_000;
/// What the longest period makes of the least quota.
const LEAST: f64 = LEAST_QUOTA_US as f64 / LONGEST_PERIOD_US as f64;
const MOST: f64 = 1024.0;

/// A limit of CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Microseconds of CPU time in a period, of all CPUs together.
    pub(crate) quota_us: u64,
    /// The period, in microseconds.
    pub(crate) period_us: u64,
}

impl Quota {
    /// The CPUs that it is worth.
    pub(crate) fn cpus(self) -> f64 {
        self.quota_us as f64 / self.period_us as f64
    }
}

/// Reads a number of CPUs, such as `0.25`.
pub(crate) fn parse(text: &str) -> Result<Quota, String> {
    let cpus = text.parse::<f64>().ok().filter(|cpus| (LEAST..=MOST).contains(cpus));
    let cpus = cpus.ok_or_else(|| {
        format!("`{text}` is no number of CPUs from {LEAST} to {MOST}; write 0.25 for a quarter of one")
    })?;
    let needed = (LEAST_QUOTA_US as f64 / cpus).ceil() as u64;
    let period_us = needed.clamp(PERIOD_US, LONGEST_PERIOD_US);
    let quota_us = ((period_us as f64 * cpus).round() as u64).max(LEAST_QUOTA_US);
    Ok(Quota { quota_us, period_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_cpus_is_a_quota_in_a_short_period() {
        for (text, quota_us, period_us) in [
            ("0.25", 2_500, 10_000),
            ("1", 10_000, 10_000),
            ("1.5", 15_000, 10_000),
            ("1024", 10_240_000, 10_000),
            // The least quota in the usual period; below it the period grows.
            ("0.1", 1_000, 10_000),
            ("0.05", 1_000, 20_000),
            ("0.03", 1_000, 33_334),
            ("0.01", 1_000, 100_000),
        ] {
            assert_eq!(parse(text), Ok(Quota { quota_us, period_us }), "{text}");
        }
        for text in ["", "0", "-1", "0.009", "1025", "nan", "inf", "a", "25%"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_is_worth_what_was_asked_for(cpus in LEAST..MOST) {
            let quota = parse(&cpus.to_string()).expect("a number of CPUs");
            proptest::prop_assert!((quota.cpus() / cpus - 1.0).abs() < 1e-3, "{cpus} {quota:?}");
            proptest::prop_assert!(quota.quota_us >= LEAST_QUOTA_US);
            proptest::prop_assert!((PERIOD_US..=LONGEST_PERIOD_US).contains(&quota.period_us));
        }
    }
}
