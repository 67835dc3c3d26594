//! Targets that are known, for tests: from true demands and capacities to the search that would be made of them, with the
//! queues of M/M/c in between. Its noise comes from a seed; it has no clock and no load.

use crate::ceiling::{Bound, Ceiling, Step};
use crate::random::SplitMix;
use crate::record::Head;
use std::collections::BTreeMap;

/// How long requests are at most in an overloaded target, in seconds.
const PATIENCE_S: f64 = 2.0;
/// A rate at which nothing waits.
const ALONE: f64 = 1e-9;
/// The loads of a search, as shares of what the system gives at most.
const LOADS: [f64; 20] = [
    0.03, 0.06, 0.12, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.94, 0.97, 1.0, 1.02, 1.05, 1.2, 1.35,
    1.5,
];

/// A tier's CPU.
#[derive(Clone, Debug)]
pub(crate) struct Cpu {
    /// The tier.
    pub(crate) tier: &'static str,
    /// CPU seconds per request.
    pub(crate) demand_s: f64,
    /// CPUs in use at no load.
    pub(crate) idle: f64,
    /// Its quota.
    pub(crate) limit: Option<f64>,
}

/// A target: a proxy and an app server before a database, on CPUs of their own.
#[derive(Clone, Debug)]
pub(crate) struct System {
    /// The tiers' CPUs.
    pub(crate) cpus: Vec<Cpu>,
    /// The CPUs that tiers without a limit share.
    pub(crate) shared_cpus: usize,
    /// The app server's workers, and how long each is held by a request for nothing that is shared.
    pub(crate) workers: Option<(f64, f64)>,
    /// The app server's connections, each held for as long as the database and the lock take.
    pub(crate) pool: Option<f64>,
    /// How long a request holds a lock that nothing shows.
    pub(crate) lock_s: Option<f64>,
    /// The objective: the most that p99 may be, in milliseconds.
    pub(crate) p99_ms: f64,
    /// The relative standard deviation of every reading.
    pub(crate) noise: f64,
    /// Where noise comes from.
    pub(crate) seed: u64,
}

impl Default for System {
    fn default() -> Self {
        let cpu = |tier, demand_s, idle| Cpu { tier, demand_s, idle, limit: None };
        Self {
            cpus: vec![cpu("proxy", 0.05e-3, 0.002), cpu("app", 0.1e-3, 0.004), cpu("db", 0.2e-3, 0.01)],
            shared_cpus: 2,
            workers: Some((64.0, 0.2e-3)),
            pool: Some(32.0),
            lock_s: None,
            p99_ms: 200.0,
            noise: 0.01,
            seed: 1,
        }
    }
}

impl System {
    /// Changes the CPU of `tier`.
    pub(crate) fn cpu(mut self, tier: &str, demand_s: f64, limit: Option<f64>) -> Self {
        for cpu in self.cpus.iter_mut().filter(|cpu| cpu.tier == tier) {
            (cpu.demand_s, cpu.limit) = (demand_s, limit);
        }
        self
    }

    /// The most requests per second that it serves.
    pub(crate) fn capacity(&self) -> f64 {
        bisect(|rate| self.carries(rate))
    }

    /// What the workers and the connections would serve if nobody waited behind them.
    pub(crate) fn slots_capacity(&self) -> f64 {
        let workers = self.workers.map(|(workers, _)| workers / self.held_s(ALONE));
        let pool = self.pool.map(|pool| pool / self.behind_s(ALONE));
        workers.into_iter().chain(pool).fold(f64::INFINITY, f64::min)
    }

    /// The highest rate at which the objective holds.
    pub(crate) fn ceiling(&self) -> f64 {
        bisect(|rate| self.carries(rate) && self.p99_s(rate) * 1e3 < self.p99_ms)
    }

    /// The search that finds its ceiling.
    pub(crate) fn search(&self) -> Ceiling {
        let mut random = SplitMix::new(self.seed);
        let (ceiling, capacity) = (self.ceiling(), self.capacity());
        let steps: Vec<Step> =
            LOADS.iter().map(|share| self.step(share * ceiling, capacity, ceiling, &mut random)).collect();
        let peak = steps.iter().map(|step| step.ok_rps).fold(0.0, f64::max);
        let mut found = Ceiling {
            bound: Bound::Exact,
            ceiling_rps: Some(ceiling),
            ci95: Some([ceiling * 0.98, ceiling * 1.02]),
            peak_goodput_rps: Some(peak),
            steps,
            head: Head { cpus: vec![0], ..Head::default() },
            ..Ceiling::default()
        };
        found.target.cpus = (1..=self.shared_cpus).collect();
        found.head.host.cpus = self.shared_cpus + 1;
        found
    }

    fn step(&self, offered: f64, capacity: f64, ceiling: f64, random: &mut SplitMix) -> Step {
        let rate = offered.min(capacity);
        let overloaded = offered > capacity;
        let mean_s = if overloaded { PATIENCE_S } else { self.response_s(rate) };
        let observed = self.observed(rate, &mut |value| value * (1.0 + self.noise * normal(random)));
        let seconds = 5.0;
        Step {
            duration_s: seconds,
            offered_rps: offered,
            ok_rps: rate * (1.0 + 0.2 * self.noise * normal(random)),
            mean_ms: Some(mean_s * 1e3),
            p99_ms: Some(if overloaded { PATIENCE_S * 1e3 } else { self.p99_s(rate) * 1e3 }),
            planned: (offered * seconds) as u64,
            in_flight: rate * mean_s,
            passed: offered <= ceiling,
            valid: true,
            stationary: !overloaded,
            observed,
            ..Step::default()
        }
    }

    fn observed(
        &self,
        rate: f64,
        noisy: &mut impl FnMut(f64) -> f64,
    ) -> BTreeMap<String, BTreeMap<String, f64>> {
        let mut observed: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        let mut say = |tier: &str, name: &str, value: f64| {
            observed.entry(tier.to_owned()).or_default().insert(name.to_owned(), value);
        };
        for cpu in &self.cpus {
            say(
                cpu.tier,
                "cpu_share",
                noisy(cpu.idle + cpu.demand_s * rate).min(cpu.limit.unwrap_or(f64::MAX)),
            );
            if let Some(limit) = cpu.limit {
                say(cpu.tier, "cpu_limit", limit);
            }
        }
        if let Some((workers, _)) = self.workers {
            say("app", "workers", workers);
            say("app", "workers_busy", noisy(rate * self.held_s(rate)).min(workers));
        }
        if let Some(pool) = self.pool {
            say("app", "pool", pool);
            say("app", "pool_busy", noisy(rate * self.behind_s(rate)).min(pool));
        }
        observed
    }

    /// Whether every queue is finite at `rate`.
    fn carries(&self, rate: f64) -> bool {
        let stations = self.stations().into_iter().all(|(_, demand, idle, size)| idle + rate * demand < size);
        // In a target that is full the queue is in front of the workers, and few wait behind them.
        let workers = self.workers.is_none_or(|(workers, _)| rate * self.held_s(ALONE) < workers);
        stations && workers && self.pool.is_none_or(|pool| rate * self.behind_s(ALONE) < pool)
    }

    /// What requests queue for, besides workers and connections: tier, demand, use at no load, size.
    fn stations(&self) -> Vec<(&'static str, f64, f64, f64)> {
        let mut stations: Vec<_> =
            self.cpus.iter().filter_map(|cpu| Some((cpu.tier, cpu.demand_s, cpu.idle, cpu.limit?))).collect();
        if self.shared_cpus > 0 {
            let sum = |of: fn(&Cpu) -> f64| self.cpus.iter().map(of).sum::<f64>();
            stations.push(("app", sum(|cpu| cpu.demand_s), sum(|cpu| cpu.idle), self.shared_cpus as f64));
        }
        stations.extend(self.lock_s.map(|demand| ("lock", demand, 0.0, 1.0)));
        stations
    }

    /// The time in the stations of `tiers`, in seconds.
    fn in_stations(&self, rate: f64, tiers: &[&str]) -> f64 {
        let of_them = self.stations().into_iter().filter(|(tier, ..)| tiers.contains(tier));
        of_them.map(|(_, demand, idle, size)| demand / size.min(1.0) + wait(rate, demand, idle, size)).sum()
    }

    fn behind_s(&self, rate: f64) -> f64 {
        // The database's own time, where its CPU is not a station of its own.
        let own = self.cpus.iter().filter(|cpu| cpu.tier == "db" && cpu.limit.is_none());
        own.map(|cpu| cpu.demand_s).sum::<f64>() + self.in_stations(rate, &["db", "lock"])
    }

    fn held_s(&self, rate: f64) -> f64 {
        let behind = self.behind_s(rate);
        let for_a_connection = self.pool.map_or(0.0, |pool| wait(rate, self.behind_s(ALONE), 0.0, pool));
        self.workers.map_or(0.0, |(_, own)| own)
            + behind
            + for_a_connection
            + self.in_stations(rate, &["app"])
    }

    fn for_a_worker_s(&self, rate: f64) -> f64 {
        self.workers.map_or(0.0, |(workers, _)| wait(rate, self.held_s(ALONE), 0.0, workers))
    }

    fn response_s(&self, rate: f64) -> f64 {
        self.held_s(rate) + self.for_a_worker_s(rate) + self.in_stations(rate, &["proxy"])
    }

    /// Twice what a request takes alone, and 4.6 times its wait, which is exponential.
    fn p99_s(&self, rate: f64) -> f64 {
        2.0 * self.response_s(ALONE) + 4.6 * (self.response_s(rate) - self.response_s(ALONE))
    }
}

/// The mean wait in M/M/c, c = `size` (Sakasegawa, 1977), in seconds; a size below 1 is a slower server.
fn wait(rate: f64, demand: f64, idle: f64, size: f64) -> f64 {
    let used = (idle + rate * demand) / size;
    if used >= 1.0 {
        return PATIENCE_S;
    }
    let servers = size.max(1.0);
    let service = demand / size.min(1.0);
    (service * used.powf((2.0 * (servers + 1.0)).sqrt() - 1.0) / (servers * (1.0 - used))).min(PATIENCE_S)
}

/// Close to a standard normal variate: the sum of twelve uniform ones.
pub(crate) fn normal(random: &mut SplitMix) -> f64 {
    (0..12).map(|_| (random.bits() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
}

/// The highest rate of which `holds` is true.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1e6);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
