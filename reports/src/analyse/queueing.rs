//! Queues whose truth is known: the distribution of the response time in M/D/1 and M/M/c, first come, first served. Given
//! rates and times in one unit, it gives probabilities, percentiles and means in that unit, and how far a perfect
//! run of a certain length strays from them. A generator's percentiles are held against these; nothing is measured here.

mod perfect;

pub use perfect::responses;

use crate::random::SplitMix;

/// What remains beyond the longest queue that is looked at.
const TAIL: f64 = 1e-13;
/// The longest queue that is looked at, whatever the tail: a utilisation past 0.999 ends here.
const LONGEST: usize = 20_000;
/// Perfect runs whose percentiles make an interval: five of them lie beyond each of its ends.
const RUNS: usize = 200;

/// A queue with Poisson arrivals that is able to serve them.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Arrivals per unit of time.
    rate: f64,
    /// Mean service time.
    service: f64,
    servers: u32,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Every service takes the mean. With `waiting[n]` the probability that at most n requests wait.
    Fixed { waiting: Vec<f64> },
    /// Exponential services. With the probability that a request has to wait.
    Exponential { delayed: f64 },
}

impl Queue {
    /// M/D/1: one server, and every service takes `service`. `None` unless the utilisation is between 0 and 1.
    pub fn md1(rate: f64, service: f64) -> Option<Self> {
        let load = utilisation(rate, service, 1)?;
        Some(Self { rate, service, servers: 1, kind: Kind::Fixed { waiting: waiting(load) } })
    }

    /// M/M/c: `servers` servers, exponential services of mean `service`. `None` unless the utilisation is between 0 and 1.
    pub fn mmc(rate: f64, service: f64, servers: u32) -> Option<Self> {
        utilisation(rate, service, servers)?;
        let delayed = erlang_c(servers, rate * service);
        Some(Self { rate, service, servers, kind: Kind::Exponential { delayed } })
    }

    /// In Kendall's notation.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Fixed { .. } => format!("M/D/{}", self.servers),
            Kind::Exponential { .. } => format!("M/M/{}", self.servers),
        }
    }

    /// The share of time in which a server is busy, 0 to 1.
    pub fn utilisation(&self) -> f64 {
        self.rate * self.service / f64::from(self.servers)
    }

    /// The mean response time: for M/D/1 by Pollaczek and Khinchine, for M/M/c by Erlang.
    pub fn mean(&self) -> f64 {
        self.service
            + match self.kind {
                Kind::Fixed { .. } => mean_wait(self.rate, self.service, 0.0),
                Kind::Exponential { delayed } => {
                    delayed / (f64::from(self.servers) / self.service - self.rate)
                }
            }
    }

    /// The probability that a response takes longer than `time`.
    pub fn longer(&self, time: f64) -> f64 {
        match &self.kind {
            Kind::Fixed { .. } if time < self.service => 1.0,
            Kind::Fixed { waiting } => {
                1.0 - wait_at_most(waiting, self.utilisation(), time / self.service - 1.0)
            }
            Kind::Exponential { .. } if time <= 0.0 => 1.0,
            Kind::Exponential { delayed } => self.exponential_tail(*delayed, time),
        }
    }

    /// Waiting (exponential with rate cµ - λ, with probability C) and service (exponential with rate µ) are independent, so
    /// P(T > t) = e^(-µt) [1 + C (1 - e^(-µt (c - 1 - a))) / (c - 1 - a)], a = λ/µ (Gross and Harris, "Fundamentals of Queueing
    /// Theory", 3rd ed. 1998, section 2.3); where c - 1 = a, the fraction is its limit, µt.
    fn exponential_tail(&self, delayed: f64, time: f64) -> f64 {
        let services = time / self.service;
        let spare = f64::from(self.servers) - 1.0 - self.rate * self.service;
        if services == f64::INFINITY {
            return 0.0;
        }
        let served = f64::exp(-services);
        // Where the spare is negative its exponential would overflow: the larger one is taken out of the difference.
        let longer_by_waiting = match spare {
            s if s.abs() < 1e-9 => services * served,
            s if s > 0.0 => served * -f64::exp_m1(-services * s) / s,
            s => f64::exp(-services * (1.0 + s)) * -f64::exp_m1(services * s) / -s,
        };
        served + delayed * longer_by_waiting
    }

    /// The time that a share `q` of the responses does not exceed; `None` unless `q` is between 0 and 1. By bisection on
    /// the exact tail.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if !(q > 0.0 && q < 1.0) {
            return None;
        }
        let within = |time: f64| self.longer(time) <= 1.0 - q;
        let (mut low, mut high) = (0.0, self.service);
        // A queue that is stable has its percentile long before this many doublings.
        for _ in 0..60 {
            if within(high) {
                break;
            }
            (low, high) = (high, high * 2.0);
        }
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if within(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(high)
    }

    /// For each of `quantiles`: where the percentile of `requests` requests lies in 95 % of perfect runs, which start with
    /// an empty queue. Found by carrying out such runs, since response times depend on each other and order statistics
    /// of independent samples would promise too narrow an interval. Everything random comes from `seed`.
    pub fn sampling_intervals(&self, requests: usize, quantiles: &[f64], seed: u64) -> Vec<[f64; 2]> {
        if requests == 0 {
            return Vec::new();
        }
        let mut random = SplitMix::new(seed);
        let mut found: Vec<Vec<f64>> = vec![Vec::with_capacity(RUNS); quantiles.len()];
        for _ in 0..RUNS {
            let mut times = self.perfect_run(requests, &mut random);
            times.sort_unstable_by(f64::total_cmp);
            for (values, q) in found.iter_mut().zip(quantiles) {
                values.push(at(&times, *q));
            }
        }
        let outer = RUNS / 40;
        let interval = |mut values: Vec<f64>| {
            values.sort_unstable_by(f64::total_cmp);
            [values[outer], values[RUNS - 1 - outer]]
        };
        found.into_iter().map(interval).collect()
    }

    fn perfect_run(&self, requests: usize, random: &mut SplitMix) -> Vec<f64> {
        let mut arrival = 0.0;
        let mut both = || {
            arrival += random.exponential() / self.rate;
            let service = match self.kind {
                Kind::Fixed { .. } => self.service,
                Kind::Exponential { .. } => self.service * random.exponential(),
            };
            (arrival, service)
        };
        responses((0..requests).map(|_| both()), self.servers)
    }
}

/// The percentile `q` (0 to 1) of an ordered sample that is not empty: the smallest value that a share `q` does not exceed.
pub fn at(ordered: &[f64], q: f64) -> f64 {
    let rank = (ordered.len() as f64 * q).ceil() as usize;
    ordered[rank.clamp(1, ordered.len()) - 1]
}

fn utilisation(rate: f64, service: f64, servers: u32) -> Option<f64> {
    let load = rate * service / f64::from(servers);
    (rate > 0.0 && service > 0.0 && load < 1.0).then_some(load)
}

/// The probability that a request has to wait in M/M/c with `offered` = λ/µ (Erlang 1917), from Erlang's loss formula by
/// its recursion B(k) = a B(k - 1) / (k + a B(k - 1)), which cannot overflow.
pub fn erlang_c(servers: u32, offered: f64) -> f64 {
    let lost = (1..=servers).fold(1.0, |lost, k| offered * lost / (f64::from(k) + offered * lost));
    let load = offered / f64::from(servers);
    lost / (1.0 - load * (1.0 - lost))
}

/// The mean wait in M/G/1 (Pollaczek 1930, Khinchine 1932); `variation` is the squared coefficient of variation of the
/// service time: 0 if it is fixed, 1 if it is exponential.
pub fn mean_wait(rate: f64, service: f64, variation: f64) -> f64 {
    let load = rate * service;
    load / (1.0 - load) * (1.0 + variation) / 2.0 * service
}

/// P(at most n requests wait) for n = 0, 1, ... in M/D/1 with the utilisation `load`, until next to nothing is left. From the
/// number in the system at departures, which is that at any time (Poisson arrivals see time averages):
/// p(0) = 1 - ρ and p(j) = [p(0) A(j) + Σ_{k=1}^{j-1} p(k) A(j + 1 - k)] / a(0), with a(i) the probability of i arrivals in one
/// service and A(i) that of at least i. All terms are positive, so nothing cancels (Ramaswami, "A stable recursion for the
/// steady state vector in Markov chains of M/G/1 type", Stochastic Models 4, 1988).
fn waiting(load: f64) -> Vec<f64> {
    let at_least = poisson_tails(load);
    let mut number = vec![1.0 - load];
    let mut sum = 1.0 - load;
    let mut waiting = Vec::new();
    while 1.0 - sum > TAIL && number.len() < LONGEST {
        let j = number.len();
        let mut up = number[0] * at_least.get(j).copied().unwrap_or(0.0);
        for k in (j + 1).saturating_sub(at_least.len() - 1).max(1)..j {
            up += number[k] * at_least[j + 1 - k];
        }
        let next = up * load.exp();
        number.push(next);
        sum += next;
        // One of j is in service.
        waiting.push(sum.min(1.0));
    }
    waiting
}

/// P(X >= i) for i = 0, 1, ..., X Poisson with a mean below 1, summed from the smallest term up.
fn poisson_tails(mean: f64) -> Vec<f64> {
    let mut terms = vec![(-mean).exp()];
    while terms[terms.len() - 1] > f64::MIN_POSITIVE && terms.len() < 200 {
        terms.push(terms[terms.len() - 1] * mean / terms.len() as f64);
    }
    let mut sum = 0.0;
    let mut tails: Vec<f64> = terms
        .iter()
        .rev()
        .map(|term| {
            sum += term;
            sum
        })
        .collect();
    tails.reverse();
    tails
}

/// P(W <= x) in M/D/1, times in services, utilisation `load`: with k the first whole number past x and u = k - x,
/// Σ_{j=0}^{k-1} P(at most k - 1 - j wait) e^(-ρu) (ρu)^j / j! (Franx, "A simple solution for the M/D/c waiting time distribution",
/// Operations Research Letters 29, 2001, for c = 1). Erlang's series of 1909 is the same with alternating signs,
/// and loses all digits where the queue is long.
fn wait_at_most(waiting: &[f64], load: f64, x: f64) -> f64 {
    if x < 0.0 {
        return 0.0;
    }
    let whole = x.floor();
    if whole >= LONGEST as f64 {
        return 1.0;
    }
    let mean = load * (whole + 1.0 - x);
    let mut term = (-mean).exp();
    let mut sum = 0.0;
    for j in 0..=whole as usize {
        sum += term * waiting.get(whole as usize - j).copied().unwrap_or(1.0);
        term *= mean / (j + 1) as f64;
        if term < f64::EPSILON * f64::EPSILON {
            break;
        }
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests;
