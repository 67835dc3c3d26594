//! What a group says of its limit, for Prometheus, under the names of cadvisor; read from the kernel at each scrape. A
//! group without a limit says nothing.

use super::Group;
use crate::quota::Quota;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::fs;
use std::time::Duration;

/// How a group was held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Throttled {
    /// Periods in which the group ran, and those of them in which it wanted more than its quota.
    pub(super) periods: u64,
    pub(super) throttled: u64,
    /// For how long it stood still, summed over CPUs.
    pub(super) stood: Duration,
}

impl Throttled {
    /// From a group's `cpu.stat`, of either version.
    pub(super) fn parse(stat: &str) -> Self {
        let mut found = Self::default();
        for line in stat.lines() {
            let Some((key, value)) = line.split_once(' ') else { continue };
            let Ok(value) = value.trim().parse() else { continue };
            match key {
                "nr_periods" => found.periods = value,
                "nr_throttled" => found.throttled = value,
                "throttled_time" => found.stood = Duration::from_nanos(value),
                "throttled_usec" => found.stood = Duration::from_micros(value),
                _ => {}
            }
        }
        found
    }
}

/// A limit from `cpu.max`, or from the two files of version 1 with a blank between them; `None` where there is none.
pub(super) fn parse_limit(text: &str) -> Option<Quota> {
    let mut words = text.split_whitespace();
    let (quota_us, period_us) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Quota { quota_us, period_us })
}

impl Group {
    /// The limit as it is now.
    pub(super) fn limited(&self) -> Option<Quota> {
        let read = |name: &str| fs::read_to_string(self.dir.join(name)).ok();
        if self.is_unified() {
            return parse_limit(&read("cpu.max")?);
        }
        parse_limit(&format!("{} {}", read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?))
    }
}

impl Collector for Group {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(limit) = self.limited() else { return Ok(()) };
        let Ok(stat) = fs::read_to_string(self.dir.join("cpu.stat")) else { return Ok(()) };
        let Throttled { periods, throttled, stood } = Throttled::parse(&stat);
        let mut encode = |name: &str, help: &str, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        let gauge = |micros: u64| ConstGauge::new(i64::try_from(micros).unwrap_or(i64::MAX));
        encode("container_spec_cpu_quota", "CPU time in a period, in microseconds", &gauge(limit.quota_us))?;
        encode("container_spec_cpu_period", "The quota's period, in microseconds", &gauge(limit.period_us))?;
        let periods = ConstCounter::new(periods);
        encode("container_cpu_cfs_periods", "Periods in which the tier ran", &periods)?;
        let throttled = ConstCounter::new(throttled);
        encode("container_cpu_cfs_throttled_periods", "Periods whose quota did not do", &throttled)?;
        let stood = ConstCounter::new(stood.as_secs_f64());
        let help = "For how long the tier stood still, summed over CPUs, in seconds";
        encode("container_cpu_cfs_throttled_seconds", help, &stood)
    }
}
