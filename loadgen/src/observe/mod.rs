//! What the target and the machine say of themselves. Given Prometheus endpoints, it samples them and the kernel during a run,
//! and gives means over the measured part and series for the record. The reference target has no other channel: any system
//! with exporters is read alike.

mod count;
mod history;
mod host;
mod notes;
mod reading;
mod scrape;
mod select;
mod series;
mod table;
mod text;

use crate::pace;
use crate::plan::Observe;
use history::History;
pub(crate) use host::Cpus;
use notes::Course;
use reports::record::Telemetry;
use scrape::{Endpoint, Reading};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use table::{MACHINE, TIERS, Table};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) use count::Counter;
pub(crate) use scrape::reader;
pub(crate) use select::Selection;

/// How often everything is read.
const PERIOD: Duration = Duration::from_secs(1);
/// And in a run that is shorter than this: gauges have no value but those read in its course.
const SHORT: Duration = Duration::from_secs(5);
const SHORT_PERIOD: Duration = Duration::from_millis(500);
/// An endpoint that takes longer has no sample then.
const LIMIT: Duration = Duration::from_millis(800);
/// How long the last sample is waited for; the one before it may be under way still.
const LAST: Duration = Duration::from_millis(1700);
/// Longer than any run.
const EVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// What was said over the measured part.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// By tier and metric: means.
    pub(crate) tiers: BTreeMap<String, BTreeMap<String, f64>>,
    /// By metric: means of this machine.
    pub(crate) machine: BTreeMap<String, f64>,
    /// The same in time, and what a reader has to know of it.
    pub(crate) telemetry: Telemetry,
}

/// Samples endpoints until it is stopped.
#[derive(Debug)]
pub(crate) struct Observer {
    task: JoinHandle<()>,
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Shared {
    begun: Cell<Option<Measured>>,
    ended: Cell<bool>,
    changed: Notify,
    tiers: Rc<Table>,
    told: RefCell<Vec<Told>>,
    machine: Table,
    kernel: RefCell<History>,
    cpus: Cpus,
}

/// The measured part as it was planned.
#[derive(Clone, Copy, Debug)]
struct Measured {
    from: Instant,
    length: Duration,
}

impl Measured {
    fn seconds_to(&self, instant: Instant) -> f64 {
        let late = instant.saturating_duration_since(self.from).as_secs_f64();
        if late > 0.0 { late } else { -self.from.saturating_duration_since(instant).as_secs_f64() }
    }

    fn period(&self) -> Duration {
        if self.length < SHORT { SHORT_PERIOD } else { PERIOD }
    }

    /// The first tick after `now`, and how long until then; none so near the end that its sample would be in the way of the last.
    fn next(&self, now: Instant) -> (u32, Option<Duration>) {
        let passed = now.saturating_duration_since(self.from);
        let tick = (passed.as_nanos() / self.period().as_nanos()).saturating_add(1);
        let tick = u32::try_from(tick).unwrap_or(u32::MAX);
        let due = self.period().saturating_mul(tick);
        (tick, (due + self.period() / 2 <= self.length).then(|| due.saturating_sub(passed)))
    }
}

/// One endpoint and what it has said.
#[derive(Debug)]
struct Told {
    observe: Observe,
    history: History,
    course: Course,
}

impl Observer {
    /// Begins to sample `endpoints` and the machine, of which the target has some CPUs; must be called within a `LocalSet`.
    pub(crate) fn start(endpoints: Vec<Observe>, cpus: Cpus) -> Self {
        let (tiers, machine) = (Rc::new(Table::new(TIERS)), Table::new(MACHINE));
        let told = |observe| Told { observe, history: History::new(&tiers), course: Course::default() };
        let shared = Rc::new(Shared {
            begun: Cell::default(),
            ended: Cell::default(),
            changed: Notify::default(),
            told: RefCell::new(endpoints.into_iter().map(told).collect()),
            kernel: RefCell::new(History::new(&machine)),
            tiers,
            machine,
            cpus,
        });
        Self { task: tokio::task::spawn_local(Rc::clone(&shared).sample()), shared }
    }

    /// The measured part begins, at `from`, and is to last for `length`: the first sample that counts.
    pub(crate) fn begin(&self, from: Instant, length: Duration) {
        self.shared.begun.set(Some(Measured { from, length }));
        self.shared.changed.notify_one();
    }

    /// The measured part has ended: one more sample, the last.
    pub(crate) fn end(&self) {
        self.shared.ended.set(true);
        self.shared.changed.notify_one();
    }

    /// What was said, once the last sample is there.
    pub(crate) async fn finish(mut self) -> Observed {
        if self.shared.ended.get() {
            let _ = pace::within(LAST, &mut self.task).await;
        }
        self.task.abort();
        self.shared.observed()
    }
}

impl Shared {
    async fn sample(self: Rc<Self>) {
        let client = match reader(LIMIT) {
            Ok(client) => client,
            Err(failure) => {
                self.told.borrow_mut().iter_mut().for_each(|told| told.course.missed(0.0, &failure.message));
                return;
            }
        };
        let endpoints: Vec<_> = {
            let told = self.told.borrow();
            told.iter().map(|told| Rc::new(Endpoint::new(&client, &told.observe, &self.tiers))).collect()
        };
        let measured = tokio::select! {
            // The connections are then open when it counts.
            measured = async { read(&endpoints).join_all().await; self.begun().await } => measured,
            measured = self.begun() => measured,
        };
        self.round(&endpoints, measured, 0, true).await;
        loop {
            let (tick, due) = measured.next(pace::now());
            let ended = pace::within(due.unwrap_or(EVER), self.ended()).await.is_some();
            self.round(&endpoints, measured, tick, ended).await;
            if ended {
                return;
            }
        }
    }

    async fn begun(&self) -> Measured {
        loop {
            if let Some(measured) = self.begun.get() {
                return measured;
            }
            self.changed.notified().await;
        }
    }

    async fn ended(&self) {
        while !self.ended.get() {
            self.changed.notified().await;
        }
    }

    /// Reads everything at once.
    async fn round(&self, endpoints: &[Rc<Endpoint>], measured: Measured, tick: u32, edge: bool) {
        let mut readings = read(endpoints);
        let before = pace::now();
        let values = host::read(&self.machine, &self.cpus);
        let at_s = f64::midpoint(measured.seconds_to(before), measured.seconds_to(pace::now()));
        self.kernel.borrow_mut().push(tick, at_s, &values, edge);
        while let Some(ended) = readings.join_next().await {
            let Ok((n, Reading { asked, answered, values })) = ended else { continue };
            let (asked, answered) = (measured.seconds_to(asked), measured.seconds_to(answered));
            let at_s = f64::midpoint(asked, answered);
            let told = &mut self.told.borrow_mut()[n];
            match values {
                Ok(values) => {
                    told.course.answered(at_s, (answered - asked) / 2.0);
                    told.history.push(tick, at_s, &values, edge);
                }
                Err(why) => told.course.missed(asked, &why),
            }
        }
    }

    fn observed(&self) -> Observed {
        let (told, kernel) = (self.told.borrow(), self.kernel.borrow());
        let histories: Vec<_> = told.iter().map(|told| (told.observe.name.as_str(), &told.history)).collect();
        let machine = [("machine", &*kernel)];
        let tiers = series::means(&self.tiers, &histories);
        let notes = told.iter().flat_map(|told| {
            let Observe { name, url } = &told.observe;
            let alone = histories.iter().filter(|(other, _)| other == name).count() == 1;
            let whose = if alone { name.clone() } else { format!("{name} at {url}") };
            let mut sentences = told.course.sentences(&whose, &self.tiers, &told.history);
            if sentences.is_empty() && tiers.get(name).is_none_or(BTreeMap::is_empty) {
                sentences
                    .push(format!("the metrics of {whose} are older than the measured part, all of them"));
            }
            sentences
        });
        let notes = notes.collect();
        Observed {
            tiers,
            machine: series::means(&self.machine, &machine).into_values().flatten().collect(),
            telemetry: Telemetry {
                tiers: series::series(&self.tiers, &histories),
                machine: series::series(&self.machine, &machine).into_values().flatten().collect(),
                notes,
            },
        }
    }
}

/// Asks each endpoint once, all of them at the same time; gives a sentence for each that says nothing that can be read. Must be called
/// within a `LocalSet`.
pub(crate) async fn unreadable(endpoints: &[Observe]) -> Vec<String> {
    let in_words = |Observe { name, url }: &Observe, why: &str| {
        format!("cannot read metrics of {name} at {url}: {why}; going on without")
    };
    let client = match reader(LIMIT) {
        Ok(client) => client,
        Err(failure) => return endpoints.iter().map(|given| in_words(given, &failure.message)).collect(),
    };
    let table = Rc::new(Table::new(TIERS));
    let asked: Vec<_> =
        endpoints.iter().map(|given| Rc::new(Endpoint::new(&client, given, &table))).collect();
    let mut readings = read(&asked).join_all().await;
    readings.sort_by_key(|(n, _)| *n);
    let silent = readings.into_iter().filter_map(|(n, reading)| Some((n, reading.values.err()?)));
    silent.map(|(n, why)| in_words(&endpoints[n], &why)).collect()
}

/// Begins to read all endpoints.
fn read(endpoints: &[Rc<Endpoint>]) -> JoinSet<(usize, Reading)> {
    let mut readings = JoinSet::new();
    for (n, endpoint) in endpoints.iter().map(Rc::clone).enumerate() {
        readings.spawn_local(async move { (n, endpoint.read().await) });
    }
    readings
}

#[cfg(test)]
mod tests;
