//! What the target says of itself. Given Prometheus endpoints, it samples them during a run and gives, for each tier,
//! the CPU that its processes used. The reference target has no other channel: any system with exporters is read alike.

use crate::pace;
use crate::plan::Observe;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often an endpoint is read.
const PERIOD: Duration = Duration::from_secs(1);
/// An endpoint that takes longer has no sample then.
const LIMIT: Duration = Duration::from_millis(800);
/// The counter that every exporter has of its own process, under the two names that are in use.
const CPU_SECONDS: [&str; 2] = ["process_cpu_seconds_total", "process_cpu_seconds"];

/// Samples endpoints until it is stopped.
#[derive(Debug)]
pub(crate) struct Observer {
    task: tokio::task::JoinHandle<()>,
    samples: std::rc::Rc<std::cell::RefCell<Vec<Samples>>>,
}

/// The first and the last sample of one endpoint's CPU seconds.
#[derive(Clone, Debug)]
struct Samples {
    name: String,
    first: Option<(Instant, f64)>,
    last: Option<(Instant, f64)>,
}

impl Observer {
    /// Begins to sample `endpoints`; must be called within a `LocalSet`.
    pub(crate) fn start(endpoints: Vec<Observe>) -> Self {
        let empty = |o: &Observe| Samples { name: o.name.clone(), first: None, last: None };
        let samples =
            std::rc::Rc::new(std::cell::RefCell::new(endpoints.iter().map(empty).collect::<Vec<_>>()));
        let shared = std::rc::Rc::clone(&samples);
        let task = tokio::task::spawn_local(async move {
            // No proxy, no redirects: an endpoint is read where it is.
            let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build();
            let Ok(client) = client else { return };
            loop {
                for (n, endpoint) in endpoints.iter().enumerate() {
                    if let Some(seconds) = cpu_seconds(&client, &endpoint.url).await {
                        let sample = Some((pace::now(), seconds));
                        let mut samples = shared.borrow_mut();
                        samples[n].first = samples[n].first.or(sample);
                        samples[n].last = sample;
                    }
                }
                pace::pause(PERIOD).await;
            }
        });
        Self { task, samples }
    }

    /// Forgets what was sampled so far: the measured part begins.
    pub(crate) fn begin(&self) {
        for samples in self.samples.borrow_mut().iter_mut() {
            samples.first = samples.last;
        }
    }

    /// The end: per tier `cpu_share`, CPUs used on average, summed over its endpoints.
    pub(crate) fn finish(self) -> BTreeMap<String, BTreeMap<String, f64>> {
        self.task.abort();
        let mut tiers: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for samples in self.samples.borrow().iter() {
            let tier = tiers.entry(samples.name.clone()).or_default();
            if let (Some((t0, cpu0)), Some((t1, cpu1))) = (samples.first, samples.last)
                && t1 > t0
            {
                *tier.entry(String::from("cpu_share")).or_default() +=
                    (cpu1 - cpu0).max(0.0) / (t1 - t0).as_secs_f64();
            }
        }
        tiers
    }
}

async fn cpu_seconds(client: &reqwest::Client, url: &str) -> Option<f64> {
    let text = client.get(url).send().await.ok()?.error_for_status().ok()?.text().await.ok()?;
    counter(&text, &CPU_SECONDS)
}

/// The value of the first unlabelled sample with one of `names` in the Prometheus text format.
fn counter(text: &str, names: &[&str]) -> Option<f64> {
    text.lines().find_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        names.contains(&name).then(|| rest.split_ascii_whitespace().next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_in_either_format() {
        let text = "# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total 1.25 1700000000\nx 1\n";
        assert_eq!(counter(text, &CPU_SECONDS), Some(1.25));
        assert_eq!(counter("process_cpu_seconds 3\n", &CPU_SECONDS), Some(3.0));
        for text in ["", "process_cpu_seconds_total", "process_cpu_seconds_total x", "<html>"] {
            assert_eq!(counter(text, &CPU_SECONDS), None, "{text}");
        }
    }
}
