//! `target-stack queue` as a process: the target whose truth is known. Given its parameters, it starts it, asks what it
//! saw, and takes it down again.

use crate::failure::{Failure, Outcome};
use crate::observe;
use crate::target::{self, Process};
use reports::random::SplitMix;
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// How long it may take to say what it saw.
const LIMIT: Duration = Duration::from_secs(5);

/// What a queue is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Servers.
    pub(crate) workers: u32,
    /// Mean service time in milliseconds.
    pub(crate) service_ms: u32,
    /// Exponential services, else fixed ones.
    pub(crate) exponential: bool,
    /// Where the exponential ones come from.
    pub(crate) seed: u64,
}

/// A queue that answers.
#[derive(Debug)]
pub(crate) struct Queue {
    process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// What a queue saw.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Seen {
    /// Requests that came.
    pub(crate) arrivals: u64,
    /// The coefficient of variation of the gaps between them.
    pub(crate) gap_cv: f64,
    /// From arrival to departure.
    pub(crate) response_ms: Logged,
}

/// Percentiles that a queue logged, in milliseconds.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Logged {
    /// The median.
    pub(crate) p50: Option<f64>,
    /// The 99th percentile.
    pub(crate) p99: Option<f64>,
    /// The 99.9th percentile.
    pub(crate) p999: Option<f64>,
}

#[derive(Deserialize)]
struct Announced {
    address: SocketAddr,
}

impl Shape {
    /// The services that the queue gives to its requests in the order of their arrival, in milliseconds: from the same
    /// numbers, which are not those that a schedule draws from this seed.
    pub(crate) fn services(self) -> impl Iterator<Item = f64> {
        let mut random = SplitMix::new(!self.seed);
        let mean = f64::from(self.service_ms);
        std::iter::repeat_with(move || if self.exponential { mean * random.exponential() } else { mean })
    }
}

impl Queue {
    /// Starts it on `cpus` and waits until it answers; must be called within a runtime.
    ///
    /// # Errors
    /// The target's fault: it cannot be started, or says nothing that can be read.
    pub(crate) async fn start(shape: Shape, cpus: &[usize]) -> Outcome<Self> {
        let (workers, service) = (shape.workers.to_string(), format!("{}ms", shape.service_ms));
        let (seed, cpus) = (shape.seed.to_string(), target::list(cpus));
        let kind = if shape.exponential { "exponential" } else { "fixed" };
        let mut process = Process::start(
            "the queue",
            &[
                "queue",
                "--listen",
                "127.0.0.1:0",
                "--workers",
                &workers,
                "--service",
                &service,
                "--service-time",
                kind,
                "--seed",
                &seed,
                "--cpus",
                &cpus,
            ],
        )?;
        let announced = match process.ready().await {
            Ok(line) => serde_json::from_str::<Announced>(&line)
                .map_err(|e| Failure::target(format!("what the queue says cannot be read: {e}"))),
            Err(failure) => Err(failure),
        };
        match announced {
            Ok(Announced { address }) => Ok(Self { process, address }),
            Err(failure) => {
                process.stop().await;
                Err(failure)
            }
        }
    }

    /// What it saw since it was started.
    ///
    /// # Errors
    /// The target's fault: it does not say.
    pub(crate) async fn seen(&self) -> Outcome<Seen> {
        let url = format!("http://{}/stats", self.address);
        let client = observe::reader(LIMIT)?;
        let ask = async { client.get(&url).send().await?.error_for_status()?.text().await };
        let refused = |why: String| Failure::target(format!("the queue does not say what it saw: {why}"));
        let text = ask.await.map_err(|e: reqwest::Error| refused(e.to_string()))?;
        serde_json::from_str(&text).map_err(|e| refused(e.to_string()))
    }

    /// Takes it down.
    pub(crate) async fn stop(self) {
        self.process.stop().await;
    }
}
