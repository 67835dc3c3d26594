//! What the caches tell Prometheus: the counters and gauges of all of them, each under its name, read when they are asked for.

use super::index::Index;
use super::meters::{Fate, Meters, Status};
use super::zone::Zone;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// All caches, as a registry reads them: those that are shown now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exhibit(pub(super) Arc<Mutex<Vec<Arc<Zone>>>>);

/// Caches while they are read.
struct Exported(Vec<Arc<Zone>>);

impl Exported {
    /// A counter with one more label.
    fn counters(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help, label): (&str, &str, &str),
        values: impl Fn(&Meters) -> Vec<(&'static str, u64)>,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for zone in &self.0 {
            for (value, count) in values(zone.meters()) {
                let labels = [("zone", zone.name()), (label, value)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn gauge(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        (name, help): (&str, &str),
        value: impl Fn(&Index) -> &Gauge,
    ) -> fmt::Result {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for zone in &self.0 {
            let labels = [("zone", zone.name())];
            ConstGauge::new(value(zone.index()).get()).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Exhibit {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let zones = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if zones.is_empty() { Ok(()) } else { Exported(zones).encode(&mut encoder) }
    }
}

impl Exported {
    fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = ("proxy_cache_requests", "Requests to locations with a cache by how they fared", "status");
        self.counters(to, name, |meters| {
            Status::ALL.map(|status| (status.name(), meters.requests(status))).to_vec()
        })?;
        let name = ("proxy_cache_fills", "Answers that were to be stored by what became of them", "result");
        self.counters(to, name, |meters| Fate::ALL.map(|fate| (fate.name(), meters.fills(fate))).to_vec())?;
        let name = ("proxy_cache_evictions", "Stored answers that were given up by reason", "reason");
        self.counters(to, name, |meters| {
            let Meters { idle, crowded_out, damaged, .. } = meters;
            let reasons = [("inactive", idle), ("size", crowded_out), ("damaged", damaged)];
            reasons.map(|(reason, counter)| (reason, counter.get())).to_vec()
        })?;
        let name =
            ("proxy_cache_waits", "Requests that waited for another one's answer by how that ended", "end");
        self.counters(to, name, |meters| {
            vec![("ended", meters.waited.get()), ("timed_out", meters.gave_up.get())]
        })?;
        let entries = ("proxy_cache_entries", "Stored answers, and those that are being fetched");
        self.gauge(to, entries, |index| &index.entries)?;
        self.gauge(to, ("proxy_cache_bytes", "Bytes of the files of stored answers"), |index| &index.disk)?;
        let memory = ("proxy_cache_memory_bytes", "Bytes of stored answers in memory");
        self.gauge(to, memory, |index| &index.memory)
    }
}
