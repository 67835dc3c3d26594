//! What every tier tells Prometheus: its own counters, and the CPU time of the process that does its work.

use crate::pace;
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
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Process { pid }));
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

/// Serves `GET /metrics` on a listener of its own, for tiers whose main listener speaks something else. It runs
/// until it is dropped.
pub(crate) async fn serve(listener: TcpListener, registry: Arc<Registry>) -> std::io::Result<()> {
    let answer = move || async move { ([(header::CONTENT_TYPE, CONTENT_TYPE)], render(&registry)) };
    axum::serve(listener, Router::new().route("/metrics", get(answer))).await
}

/// CPU seconds and resident bytes of one process, read from /proc when asked.
#[derive(Debug)]
struct Process {
    pid: u32,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(seconds) = cpu_seconds(self.pid) {
            let counter = ConstCounter::new(seconds);
            let help = "User and system CPU time of the tier's process, in seconds";
            let metric =
                encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        if let Some(bytes) = resident_bytes(self.pid) {
            let gauge = ConstGauge::new(bytes);
            let help = "Resident memory of the tier's process, in bytes";
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

/// By the process's own clock; by the ticks of proc_pid_stat(5), a hundred a second, where the kernel does not give it.
fn cpu_seconds(pid: u32) -> Option<f64> {
    pace::cpu_time(pid).map(|time| time.as_secs_f64()).or_else(|| cpu_ticks(pid))
}

fn cpu_ticks(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // utime and stime are fields 14 and 15; the command, field 2, may hold spaces and brackets.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn resident_bytes(pid: u32) -> Option<i64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages = statm.split_ascii_whitespace().nth(1)?.parse::<i64>().ok()?;
    Some(pages * i64::try_from(rustix::param::page_size()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_and_the_ticks_of_a_process_agree() {
        // Read in this order the clock is the later one; ticks are of a hundredth of a second, user and system each.
        let own = std::process::id();
        let (ticks, clock) = (cpu_ticks(own).expect("ticks"), cpu_seconds(own).expect("a clock"));
        assert!(clock > 0.0 && ticks <= clock + 0.05, "{ticks} {clock}");
        assert!(pace::cpu_time(u32::MAX).is_none() && cpu_ticks(u32::MAX).is_none());
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
