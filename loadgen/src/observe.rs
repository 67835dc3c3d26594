//! What the target says of itself. Given Prometheus endpoints, it samples them during a run and gives, for each tier,
//! the CPU that its processes used. The reference target has no other channel: any system with exporters is read alike.

use crate::client::tls;
use crate::failure::{Failure, Outcome};
use crate::pace;
use crate::plan::Observe;
use reqwest::redirect::Policy;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How often an endpoint is read.
const PERIOD: Duration = Duration::from_secs(1);
/// An endpoint that takes longer has no sample then.
const LIMIT: Duration = Duration::from_millis(800);
/// The counter that every exporter has of its own process, under the two names that are in use.
const CPU_SECONDS: [&str; 2] = ["process_cpu_seconds_total", "process_cpu_seconds"];

/// The longest answer of an endpoint that is read.
const MOST_BYTES: usize = 8 << 20;
/// How long the last sample is waited for.
const LAST: Duration = Duration::from_secs(1);

/// Samples endpoints until it is stopped.
#[derive(Debug)]
pub(crate) struct Observer {
    task: JoinHandle<()>,
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    samples: RefCell<Vec<Samples>>,
    /// Asks for a sample at once.
    now: Notify,
    ending: Cell<bool>,
}

/// The first and the last sample of one endpoint's CPU seconds.
#[derive(Clone, Debug)]
struct Samples {
    endpoint: Observe,
    first: Option<(Instant, f64)>,
    last: Option<(Instant, f64)>,
}

impl Observer {
    /// Begins to sample `endpoints`; must be called within a `LocalSet`.
    pub(crate) fn start(endpoints: Vec<Observe>) -> Self {
        let empty = |endpoint| Samples { endpoint, first: None, last: None };
        let samples = RefCell::new(endpoints.into_iter().map(empty).collect());
        let shared = Rc::new(Shared { samples, ..Shared::default() });
        Self { task: tokio::task::spawn_local(Rc::clone(&shared).sample()), shared }
    }

    /// The measured part begins: what was sampled so far does not count.
    pub(crate) fn begin(&self) {
        self.shared.samples.borrow_mut().iter_mut().for_each(|samples| samples.first = None);
        self.shared.now.notify_one();
    }

    /// The measured part has ended: one more sample, the last.
    pub(crate) fn end(&self) {
        self.shared.ending.set(true);
        self.shared.now.notify_one();
    }

    /// Per tier `cpu_share`: the CPUs that it used on average over the measured part, summed over its endpoints.
    pub(crate) async fn finish(mut self) -> BTreeMap<String, BTreeMap<String, f64>> {
        let _ = pace::within(LAST, &mut self.task).await;
        self.task.abort();
        let mut tiers: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for samples in self.shared.samples.borrow().iter() {
            let tier = tiers.entry(samples.endpoint.name.clone()).or_default();
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

/// A client that reads what is at a http:// URL, and nothing else: no proxy, no redirects, and within `limit`.
///
/// # Errors
/// The host's fault: there is no client.
pub(crate) fn reader(limit: Duration) -> Outcome<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(limit);
    let client = client.tls_backend_preconfigured(tls::none()?).build();
    client.map_err(|e| Failure::host(format!("there is no HTTP client: {e}")))
}

impl Shared {
    async fn sample(self: Rc<Self>) {
        let Ok(client) = reader(LIMIT) else { return };
        loop {
            let last = self.ending.get();
            let count = self.samples.borrow().len();
            for n in 0..count {
                let url = self.samples.borrow()[n].endpoint.url.clone();
                if let Some(seconds) = cpu_seconds(&client, &url).await {
                    let sample = Some((pace::now(), seconds));
                    let samples = &mut self.samples.borrow_mut()[n];
                    samples.first = samples.first.or(sample);
                    samples.last = sample;
                }
            }
            if last {
                return;
            }
            let _ = pace::within(PERIOD, self.now.notified()).await;
        }
    }
}

async fn cpu_seconds(client: &reqwest::Client, url: &str) -> Option<f64> {
    let mut answer = client.get(url).send().await.ok()?.error_for_status().ok()?;
    let mut text = Vec::new();
    while let Some(piece) = answer.chunk().await.ok()? {
        text.extend_from_slice(&piece);
        if text.len() > MOST_BYTES {
            return None;
        }
    }
    counter(std::str::from_utf8(&text).ok()?, &CPU_SECONDS).filter(|seconds| seconds.is_finite())
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
