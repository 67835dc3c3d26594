//! What every tier tells Prometheus: its own counters, and the CPU time of the processes that do its work.

use crate::spare::{Reserved, Spares};
use crate::{pace, procfs};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The media type of [`render`]'s text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry that already has the process metrics of `pid`, under the names that every exporter gives them.
pub(crate) fn registry(pid: u32) -> Registry {
    with(Process { pid, children: false })
}

/// The same of `pid` and its children together: of a server whose work is done by processes that it starts.
pub(crate) fn family(pid: u32) -> Registry {
    with(Process { pid, children: true })
}

fn with(process: Process) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(process));
    registry
}

/// The registry as text.
pub(crate) fn render(registry: &Registry) -> String {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, registry) {
        Ok(()) => text,
        Err(fmt::Error) => String::from("# EOF\n"),
    }
}

/// Serves `GET /metrics` on a listener of its own, for tiers whose main listener speaks something else, even where this process has
/// no descriptor left for anything else. It runs until it is dropped.
pub(crate) async fn serve(listener: TcpListener, registry: Arc<Registry>) -> std::io::Result<()> {
    let spares = Spares::default();
    let listener = Reserved::new(listener, spares.clone());
    let answer = move || async move {
        // What is told of a process is read from files.
        let text = spares.lend(|| render(&registry));
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
    };
    axum::serve(listener, Router::new().route("/metrics", get(answer))).await
}

/// CPU seconds and resident bytes, read from /proc when asked.
#[derive(Debug)]
struct Process {
    pid: u32,
    /// Whether its children count too.
    children: bool,
}

impl Process {
    /// A child that ends in between is counted by its parent, once that has waited for it.
    fn cpu_seconds(&self) -> Option<f64> {
        let own = cpu_seconds(self.pid)?;
        if !self.children {
            return Some(own);
        }
        let living: f64 = procfs::children(self.pid).into_iter().filter_map(cpu_seconds).sum();
        Some(own + living + procfs::past_childrens_cpu_seconds(self.pid)?)
    }

    /// What processes share counts for each of them.
    fn resident_bytes(&self) -> Option<i64> {
        let children = if self.children { procfs::children(self.pid) } else { Vec::new() };
        let theirs: i64 = children.into_iter().filter_map(procfs::resident_bytes).sum();
        Some(procfs::resident_bytes(self.pid)? + theirs)
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(seconds) = self.cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "User and system CPU time of the tier's processes, in seconds";
            let metric =
                encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        if let Some(bytes) = self.resident_bytes() {
            let gauge = ConstGauge::new(bytes);
            let help = "Resident memory of the tier's processes, in bytes";
            let metric = encoder.encode_descriptor(
                "process_resident_memory_bytes",
                help,
                None,
                gauge.metric_type(),
            )?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

/// By the process's own clock; by ticks, a hundred a second, where the kernel does not give it.
fn cpu_seconds(pid: u32) -> Option<f64> {
    pace::cpu_time(pid).map(|time| time.as_secs_f64()).or_else(|| procfs::cpu_seconds(pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_and_the_ticks_of_a_process_agree() {
        // Read in this order the clock is the later one; ticks are of a hundredth of a second, user and system each.
        let own = std::process::id();
        let (ticks, clock) = (procfs::cpu_seconds(own).expect("ticks"), cpu_seconds(own).expect("a clock"));
        assert!(clock > 0.0 && ticks <= clock + 0.05, "{ticks} {clock}");
        assert!(pace::cpu_time(u32::MAX).is_none() && cpu_seconds(u32::MAX).is_none());
    }

    #[test]
    fn a_process_is_seen_with_its_cpu_time_and_memory() {
        let text = render(&registry(std::process::id()));
        for name in ["process_cpu_seconds_total ", "process_resident_memory_bytes "] {
            let line =
                text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
            assert!(line[name.len()..].parse::<f64>().is_ok(), "{line}");
        }
    }
}
