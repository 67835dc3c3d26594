//! Records to test with, from a small simulation of a generator and a target of known behaviour: evenly spaced
//! requests, a pool of connections with a bounded backlog, and workers of a known service time that can freeze, die
//! or be too few. The same every time; not compiled outside tests.

mod telemetry;

use crate::analyse::blocks::Blocks;
use crate::analyse::{interval, steady, verdict};
use crate::histogram::Distributions;
use crate::log::{Entry, IntervalLog};
use crate::outcome::{Counts, ErrorKind};
use crate::record::*;
use crate::store::Record;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
pub(crate) use telemetry::telling;

const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

struct Scene {
    rate: f64,
    duration_s: f64,
    interval_s: f64,
    workers: usize,
    service_ns: u64,
    connections: usize,
    max_backlog: usize,
    timeout_ns: u64,
    freeze_ns: Option<(u64, u64)>,
    dies_at_ns: Option<u64>,
    /// Up to then, answers take three times as long.
    warm_at_ns: u64,
    rules: &'static [&'static str],
}

const SCENE: Scene = Scene {
    rate: 5000.0,
    duration_s: 10.0,
    interval_s: 0.1,
    workers: 4,
    service_ns: MS / 2,
    connections: 1024,
    max_backlog: 10_000,
    timeout_ns: 10 * S,
    freeze_ns: None,
    dies_at_ns: None,
    warm_at_ns: 0,
    rules: &["p99<50ms", "errors<0.1%"],
};

/// Nothing goes wrong.
pub(crate) fn healthy() -> Record {
    SCENE.play()
}

/// The target stands still from second 4 to second 5.
pub(crate) fn freeze() -> Record {
    Scene { freeze_ns: Some((4 * S, 5 * S)), ..SCENE }.play()
}

/// The target takes three times as long for the first 3 s.
pub(crate) fn warming_up() -> Record {
    Scene { rate: 2000.0, duration_s: 12.0, warm_at_ns: 3 * S, ..SCENE }.play()
}

/// The target dies at 3.2 s.
pub(crate) fn died() -> Record {
    Scene { dies_at_ns: Some(3_200 * MS), ..SCENE }.play()
}

/// There is no target.
pub(crate) fn all_failed() -> Record {
    Scene { rate: 1000.0, dies_at_ns: Some(0), ..SCENE }.play()
}

/// Three requests.
pub(crate) fn tiny() -> Record {
    Scene { rate: 3.0, duration_s: 1.0, rules: &["p99<50ms"], ..SCENE }.play()
}

/// One request in one interval.
pub(crate) fn single() -> Record {
    Scene { rate: 1.0, duration_s: 1.0, interval_s: 1.0, rules: &[], ..SCENE }.play()
}

/// Twice as many requests as the target can serve.
pub(crate) fn overload() -> Record {
    Scene { rate: 8000.0, service_ns: MS, connections: 256, max_backlog: 2000, ..SCENE }.play()
}

/// Ten hours of little.
pub(crate) fn ten_hours() -> Record {
    Scene {
        rate: 2.0,
        duration_s: 36_000.0,
        interval_s: 36.0,
        freeze_ns: Some((9000 * S, 9030 * S)),
        ..SCENE
    }
    .play()
}

/// Nothing was due.
pub(crate) fn empty() -> Record {
    Scene { duration_s: 0.0, ..SCENE }.play()
}

/// Nothing goes wrong with what are two kinds of requests, one of which is slower.
pub(crate) fn scenario() -> Record {
    let mut record = SCENE.play();
    let run = &mut record.run;
    let part = |name: &str, step: &str, share: f64| {
        let of = |n: u64| (n as f64 * share) as u64;
        Interaction {
            name: name.into(),
            step: step.into(),
            planned: of(run.planned),
            sent: of(run.sent),
            ok: of(run.ok),
            share_planned: share,
            response_ms: run.response_ms.clone(),
            ..Interaction::default()
        }
    };
    run.interactions = vec![part("browse", "", 0.75), part("cart", "pay", 0.25)];
    run.sessions = Some(Sessions { begun: 12_500, completed: 12_500, failed: 0 });
    record
}

/// The interval log of `record`.
pub(crate) fn log_of(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut log = IntervalLog::create(&mut bytes, 1_795_507_200.0).unwrap();
    for entry in &record.intervals {
        let mut one = Distributions::default();
        one.by_tag_mut(&entry.tag).unwrap().add_sparse(&entry.histogram);
        log.append(entry.start_s, entry.length_s, &one).unwrap();
    }
    bytes
}

/// Times in nanoseconds under the tags of [`Distributions`].
type Samples = Vec<(&'static str, u64)>;

#[derive(Default)]
struct Stage {
    counts: Counts,
    bins: Vec<(Bin, Samples)>,
    connections_max: usize,
    limited: bool,
}

impl Stage {
    fn bin(&mut self, interval_s: f64, ns: u64) -> &mut (Bin, Samples) {
        let index = (ns / (interval_s * 1e9).round() as u64) as usize;
        if self.bins.len() <= index {
            self.bins.resize_with(index + 1, Default::default);
        }
        &mut self.bins[index]
    }
}

type Pool = BinaryHeap<Reverse<u64>>;

impl Scene {
    fn play(&self) -> Record {
        let mut stage = Stage::default();
        let mut workers: Pool = (0..self.workers).map(|_| Reverse(0)).collect();
        let mut connections: Pool = Pool::new();
        let mut waiting: Pool = Pool::new();
        let planned = (self.rate * self.duration_s) as u64;
        for i in 0..planned {
            let intended = (i as f64 * 1e9 / self.rate) as u64;
            // Two numbers without a visible pattern, 0 to 1: the golden ratio's multiples, and those of the root of 2.
            let (a, b) = ((i as f64 * 0.618_034).fract(), (i as f64 * std::f64::consts::SQRT_2).fract());
            self.request(&mut stage, &mut workers, &mut connections, &mut waiting, intended, (a, b));
        }
        self.record(stage)
    }

    fn request(
        &self,
        stage: &mut Stage,
        workers: &mut Pool,
        connections: &mut Pool,
        waiting: &mut Pool,
        intended: u64,
        noise: (f64, f64),
    ) {
        stage.counts.planned += 1;
        stage.bin(self.interval_s, intended).0.planned += 1;
        while waiting.peek().is_some_and(|sent| sent.0 <= intended) {
            waiting.pop();
        }
        while connections.len() < self.connections && connections.peek().is_some_and(|free| free.0 > intended)
        {
            connections.push(Reverse(0));
        }
        let free = connections.pop().map_or(0, |free| free.0);
        stage.connections_max = stage.connections_max.max(connections.len() + 1);
        stage.limited |= free > intended;
        let sent = free.max(intended) + 12_000 + (noise.0 * noise.1 * 40_000.0) as u64;
        if waiting.len() >= self.max_backlog {
            connections.push(Reverse(free));
            stage.counts.dropped += 1;
            stage.bin(self.interval_s, intended).0.dropped += 1;
            return;
        }
        if free > intended {
            waiting.push(Reverse(sent));
        }
        if self.dies_at_ns.is_some_and(|at| sent >= at) {
            connections.push(Reverse(intended));
            return self.end(stage, intended, None, intended + 180_000, Some(ErrorKind::Connect));
        }
        let worker = workers.pop().map_or(0, |worker| worker.0);
        let mut begun = worker.max(sent);
        if let Some((from, to)) = self.freeze_ns
            && (from..to).contains(&begun)
        {
            begun = to;
        }
        let tail = 1.0 + noise.0 * 0.3 + if noise.1 > 0.985 { noise.0 * 4.0 } else { 0.0 };
        let slower = if begun < self.warm_at_ns { 3.0 } else { 1.0 };
        let done = begun + (self.service_ns as f64 * tail * slower) as u64;
        workers.push(Reverse(done));
        connections.push(Reverse(done.min(intended + self.timeout_ns)));
        match self.dies_at_ns {
            Some(at) if done > at => self.end(stage, intended, Some(sent), at, Some(ErrorKind::Reset)),
            _ if done - intended > self.timeout_ns => {
                self.end(stage, intended, Some(sent), intended + self.timeout_ns, Some(ErrorKind::Timeout));
            }
            _ => self.end(stage, intended, Some(sent), done, None),
        }
    }

    fn end(&self, stage: &mut Stage, intended: u64, sent: Option<u64>, done: u64, error: Option<ErrorKind>) {
        if let Some(sent) = sent {
            stage.counts.sent += 1;
            let (bin, times) = stage.bin(self.interval_s, sent);
            bin.sent += 1;
            times.push(("send_lag", sent - intended));
        }
        let (bin, times) = stage.bin(self.interval_s, done);
        times.push(("response", done - intended));
        if let Some(sent) = sent {
            times.push(("service", done - sent));
        }
        match error {
            None => {
                bin.ok += 1;
                times.push(("ok_response", done - intended));
                stage.counts.ok += 1;
                *stage.counts.status.entry(200).or_default() += 1;
            }
            Some(kind) => {
                bin.errors += 1;
                stage.counts.errors.add(kind);
            }
        }
    }

    /// The intervals as the record and as the log have them, and their sum.
    fn intervals(&self, bins: Vec<(Bin, Samples)>) -> (Vec<Bin>, Vec<Entry>, Distributions) {
        let mut totals = Distributions::default();
        let mut entries = Vec::new();
        let mut times = Distributions::default();
        let mut fill = |(i, (mut bin, samples)): (usize, (Bin, Samples))| {
            times.clear();
            samples.into_iter().for_each(|(tag, ns)| times.by_tag_mut(tag).unwrap().record(ns));
            totals.add(&times);
            let (start_s, length_s) = ((i as f64 * self.interval_s * 1e3).round() / 1e3, self.interval_s);
            entries.extend(times.tagged().into_iter().filter(|(_, h)| !h.is_empty()).map(
                |(tag, histogram)| Entry {
                    tag: tag.to_owned(),
                    start_s,
                    length_s,
                    histogram: histogram.into(),
                },
            ));
            let ms = |ns: u64| Some(ns as f64 / 1e6);
            if !times.response.is_empty() {
                bin.p50_ms = ms(times.response.quantile(0.5));
                bin.p99_ms = ms(times.response.quantile(0.99));
                bin.max_ms = ms(times.response.max());
            }
            if !times.send_lag.is_empty() {
                bin.send_lag_p99_ms = ms(times.send_lag.quantile(0.99));
            }
            bin
        };
        let bins = bins.into_iter().enumerate().map(&mut fill).collect();
        (bins, entries, totals)
    }

    fn record(&self, stage: Stage) -> Record {
        let (bins, intervals, totals) = self.intervals(stage.bins);
        let rate = |n: u64| if self.duration_s > 0.0 { n as f64 / self.duration_s } else { 0.0 };
        let counts = stage.counts;
        assert!(counts.conserved());
        let due = (self.duration_s / self.interval_s).round() as usize;
        let ok_in_time = bins.iter().take(due).map(|bin| bin.ok).sum();
        let mut run = Run {
            schema: RUN_SCHEMA.into(),
            partial: false,
            seed: 1,
            command: ["loadgen", "--rps", &self.rate.to_string(), "--threshold", "p99<50ms"]
                .map(String::from)
                .into(),
            started_at: "2026-11-24T08:00:00Z".into(),
            target: target(),
            load_loop: Loop::Open,
            arrivals: "even".into(),
            duration_s: self.duration_s,
            connections_max: stage.connections_max as u64,
            planned: counts.planned,
            sent: counts.sent,
            ok: counts.ok,
            dropped: counts.dropped,
            unfinished: counts.unfinished,
            errors: counts.errors,
            status: counts.status.clone(),
            rps: Rates { planned: rate(counts.planned), sent: rate(counts.sent), ok: rate(ok_in_time) },
            response_ms: Blocks::of_log(self.interval_s, &intervals)
                .distribution(&totals.response, self.duration_s),
            service_ms: interval::distribution(&totals.service),
            send_lag_ms: interval::distribution(&totals.send_lag),
            ok_response_ms: interval::distribution(&totals.ok_response),
            bytes: Bytes { sent: counts.sent * 64, received: counts.ok * 180 },
            generator: Generator {
                cpu_s: counts.sent as f64 * 42e-6,
                cpu_us_per_request: 42.0,
                cpu_share_max: (rate(counts.sent) * 42e-6).min(0.7),
                threads: 1,
                max_rss_bytes: 14 << 20,
                startup_s: 0.8,
                cpus: vec![1],
                receive_clock: "kernel".into(),
            },
            observed: observed(),
            thresholds: Vec::new(),
            verdict: Verdict::default(),
            died_at_s: self.dies_at_ns.filter(|at| *at > 0).map(|at| at as f64 / 1e9),
            steps: vec![Step {
                duration_s: self.duration_s,
                from_rps: self.rate,
                to_rps: self.rate,
                counted: true,
                counts,
            }],
            timeline: Timeline { interval_s: self.interval_s, bins },
            steady: None,
            arrival_stream: None,
            interactions: Vec::new(),
            sessions: None,
            host: host(),
            dns: None,
            wire: Wire::default(),
            machine: BTreeMap::new(),
            telemetry: Telemetry::default(),
        };
        let rules = self.rules.iter().map(|rule| crate::analyse::threshold::Threshold::parse(rule).unwrap());
        run.thresholds = rules.map(|rule| rule.judge(&run)).collect();
        run.steady = Some(steady::steady(&run));
        let cv = |gaps| ArrivalStream { test: "cv".into(), value: 0.1, p_value: None, passed: true, gaps };
        run.arrival_stream = (run.sent > 50).then(|| cv(run.sent - 1));
        let (connect_limited, never_sent) = (stage.limited, run.errors.connect);
        let findings = verdict::HostFindings { connect_limited, never_sent, ..Default::default() };
        run.verdict = verdict::verdict(&run, &findings);
        Record { run, totals, intervals }
    }
}

fn target() -> Target {
    Target {
        url: "http://www.foobar.com:8080/".into(),
        kind: TargetKind::Reference,
        what: "reference stack: proxy, 1 app server limited to 0.25 CPU, MariaDB".into(),
        cpus: vec![0],
    }
}

fn observed() -> BTreeMap<String, BTreeMap<String, f64>> {
    BTreeMap::from([
        ("app".into(), BTreeMap::from([("cpu_share".into(), 0.93), ("workers".into(), 4.0)])),
        ("proxy".into(), BTreeMap::from([("cpu_share".into(), 0.41)])),
    ])
}

fn host() -> Host {
    Host {
        cpu: "AMD EPYC 7R13 Processor".into(),
        cpus: 2,
        kernel: "Linux 6.18.5".into(),
        version: "0.1.0".into(),
        commit: "1ad522a".into(),
    }
}
