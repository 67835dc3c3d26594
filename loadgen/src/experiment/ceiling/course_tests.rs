//! Whole searches against queues whose ceiling is known, without a clock: what a search would find on a perfect machine.

use super::*;
use reports::analyse::capacity::{Settled, is_bad, settle};
use reports::analyse::queueing::Queue;
use reports::ceiling::{Bound, Window};
use reports::histogram::Histogram;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// K servers, first come, first served, with even arrivals or Poisson ones.
#[derive(Clone, Copy, Debug)]
struct Target {
    servers: u32,
    service_s: f64,
    exponential: bool,
    poisson: bool,
}

impl Target {
    fn capacity(self) -> f64 {
        f64::from(self.servers) / self.service_s
    }

    /// When requests come and when they are answered, in nanoseconds, at this rate for so long (Kiefer and Wolfowitz, 1955).
    fn answers(self, rps: f64, seconds: f64, seed: u64) -> Vec<(u64, u64)> {
        let (mut services, mut arrivals) = (SplitMix::new(!seed), SplitMix::new(seed));
        let mut free: BinaryHeap<Reverse<u64>> = (0..self.servers).map(|_| Reverse(0)).collect();
        let (mut at, mut answers) = (0.0, Vec::new());
        while at < seconds {
            let came = (at * 1e9) as u64;
            let service = if self.exponential { services.exponential() } else { 1.0 } * self.service_s;
            let begins = free.pop().map_or(0, |Reverse(free)| free.max(came));
            let done = begins + (service * 1e9) as u64;
            free.push(Reverse(done));
            answers.push((came, done));
            at += if self.poisson { arrivals.exponential() } else { 1.0 } / rps;
        }
        answers
    }

    fn offered(self, load: Load, objective: &Objective, seed: u64) -> Step {
        let most = load.patience.most;
        let number = |ns: u64| (ns as f64 / 1e9 / load.window_s) as usize;
        let mut parts =
            vec![(Window { length_s: load.window_s, ..Window::default() }, Histogram::default()); most];
        for (came, done) in self.answers(load.rps, most as f64 * load.window_s, seed) {
            parts[number(came).min(most - 1)].0.planned += 1;
            if let Some((window, times)) = parts.get_mut(number(done)) {
                window.ended += 1;
                window.ok += 1;
                times.record(done - came);
            }
        }
        let (mut windows, mut settled) = (Vec::new(), Settled::Open);
        let mut before = 0;
        for (mut window, times) in parts {
            window.in_flight = before + window.planned - window.ended;
            window.broke = objective.broke(&times, 0);
            window.bad = is_bad(&window, before, load.rps, objective);
            before = window.in_flight;
            windows.push(window);
            settled = settle(&windows, load.rps, objective, load.patience);
            if settled != Settled::Open {
                break;
            }
        }
        Step {
            phase: load.phase,
            duration_s: windows.len() as f64 * load.window_s,
            offered_rps: load.rps,
            ok_rps: answered(&windows),
            passed: settled == Settled::Passed,
            valid: true,
            windows,
            ..Step::default()
        }
    }
}

fn wanted(slo: &str, first_rps: f64, seed: u64) -> Wanted {
    Wanted {
        objective: Objective::parse(slo).unwrap(),
        first_rps,
        min_rps: 1.0,
        max_rps: 1e5,
        precision: 0.02,
        budget_s: 90.0,
        window_s: 1.0,
        pause_s: PAUSE_S,
        windows: [(2, 5), (6, 11)],
        whole: true,
        resolution: None,
        seed,
    }
}

/// The loads of a whole search, and the time that they took.
fn search(target: Target, wanted: &Wanted) -> (Vec<Step>, f64) {
    let (mut steps, mut spent_s): (Vec<Step>, f64) = (Vec::new(), 5.0);
    while let Some(load) = wanted.next(&steps, spent_s) {
        let step = target.offered(load, &wanted.objective, wanted.seed * 1000 + steps.len() as u64);
        let left = step.windows.last().map_or(0, |window| window.in_flight);
        spent_s += step.duration_s + wanted.pause_s - 0.1 + left as f64 / target.capacity();
        steps.push(step);
    }
    (steps, spent_s)
}

/// Where the share of requests beyond the limit passes one in a hundred.
fn ceiling(target: Target, limit_s: f64) -> f64 {
    let longer = |rps: f64| -> f64 {
        match (target.exponential, target.poisson) {
            (true, true) => {
                Queue::mmc(rps, target.service_s, target.servers).map_or(1.0, |q| q.longer(limit_s))
            }
            (false, true) => Queue::md1(rps, target.service_s).map_or(1.0, |q| q.longer(limit_s)),
            (true, false) => {
                // D/M/1 (Kleinrock, 1975): sigma = exp(-(1 - sigma) / load), and the response is exponential.
                let load = rps * target.service_s;
                let sigma = (0..10_000).fold(0.5, |sigma: f64, _| (-(1.0 - sigma) / load).exp());
                (-limit_s * (1.0 - sigma) / target.service_s).exp()
            }
            (false, false) => 0.0,
        }
    };
    let (mut low, mut high) = (0.1 * target.capacity(), target.capacity());
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if longer(middle) > 0.01 { high = middle } else { low = middle }
    }
    low
}

const fn target(servers: u32, service_s: f64, exponential: bool, poisson: bool) -> Target {
    Target { servers, service_s, exponential, poisson }
}

#[test]
fn a_queue_of_fixed_services_ends_at_its_capacity() {
    for target in
        [target(4, 0.002, false, false), target(1, 0.001, false, false), target(8, 0.01, false, false)]
    {
        // Loads of three times the capacity take longer to drain than to offer, and leave less time for others.
        for (first, tolerance) in [(0.1, 0.01), (0.7, 0.01), (3.0, 0.03)] {
            let wanted = wanted("p99<50ms,errors<0.1%", first * target.capacity(), 1);
            let (steps, spent_s) = search(target, &wanted);
            let found = estimate(&steps, &wanted.objective);
            let ([from, to], truth) = (found.ci95.unwrap(), target.capacity());
            assert!((found.rps.unwrap() / truth - 1.0).abs() < tolerance, "{target:?} {first} {found:?}");
            assert!(
                from <= truth && truth <= to && spent_s <= 91.0,
                "{target:?} {first} {found:?} {spent_s}"
            );
            assert_eq!(found.bound, Bound::Exact);
            let swept = steps.iter().filter(|step| step.phase == Phase::Sweep).count();
            assert!(swept >= 3, "{swept}");
        }
    }
}

/// All in all seven searches in eight; of each queue, seven in ten: the last one remembers a burst for longer than a load takes,
/// and its loads look alike more often than they are.
#[test]
fn the_interval_covers_the_ceiling_of_a_random_queue() {
    let mut all = 0;
    for (target, limit) in [
        (target(1, 0.001, true, false), 0.05),
        (target(1, 0.001, true, true), 0.05),
        (target(4, 0.002, true, true), 0.05),
        (target(8, 0.01, true, true), 0.1),
    ] {
        let truth = ceiling(target, limit);
        let slo = format!("p99<{}ms", limit * 1e3);
        let (mut covered, mut bias) = (0, 0.0);
        for seed in 1..=30 {
            let wanted = wanted(&slo, 0.7 * target.capacity(), seed);
            let (steps, spent_s) = search(target, &wanted);
            assert!(spent_s <= 92.0, "{target:?} {spent_s}");
            let found = estimate(&steps, &wanted.objective);
            let ([from, to], rps) = (found.ci95.unwrap(), found.rps.unwrap());
            assert!((rps / truth - 1.0).abs() < 0.12, "{target:?} {seed}: {rps} of {truth}");
            covered += u32::from(from <= truth && truth <= to);
            bias += (rps / truth - 1.0) / 30.0;
        }
        assert!(covered >= 21, "{target:?}: {covered} of 30 cover {truth}");
        all += covered;
        assert!(bias.abs() < 0.02, "{target:?}: {bias} on average");
    }
    assert!(all >= 105, "{all} of 120");
}

#[test]
fn what_a_load_takes_beside_its_windows_is_planned_with() {
    let target = target(4, 0.002, false, false);
    for (pause_s, budget_s, jobs) in [(20.0, 1800.0, 12..40), (100.0, 1800.0, 8..18), (20.0, 240.0, 3..9)] {
        let short = wanted("p99<50ms,errors<0.1%", 0.7 * target.capacity(), 1);
        let wanted = Wanted { pause_s, budget_s, window_s: 2.0, windows: [(5, 5), (11, 11)], ..short };
        let (steps, spent_s) = search(target, &wanted);
        let found = estimate(&steps, &wanted.objective);
        assert!(
            spent_s <= budget_s + 1.0 && jobs.contains(&steps.len()),
            "{pause_s}: {spent_s} {}",
            steps.len()
        );
        let whole = budget_s > 1000.0;
        assert!(
            !whole || found.bound == Bound::Exact && wanted.cut(&steps).is_empty(),
            "{:?}",
            wanted.cut(&steps)
        );
    }
}

#[test]
fn a_tenth_more_service_time_is_seen() {
    let [before, after] = [0.005, 0.0055].map(|service_s| {
        let wanted = wanted("p99<50ms", 500.0, 1);
        let (steps, _) = search(target(4, service_s, false, false), &wanted);
        estimate(&steps, &wanted.objective).ci95.unwrap()
    });
    assert!(after[1] < before[0], "{after:?} {before:?}");
}

#[test]
fn a_search_ends_at_its_own_limits() {
    let target = target(4, 0.002, false, false);
    let highest = Wanted { max_rps: 900.0, ..wanted("p99<50ms", 500.0, 1) };
    let (steps, _) = search(target, &highest);
    let found = estimate(&steps, &highest.objective);
    assert_eq!((found.bound, found.rps), (Bound::AtLeast, Some(900.0)));
    assert!(steps.iter().all(|step| step.offered_rps <= 900.0));
    let lowest = Wanted { min_rps: 500.0, ..wanted("p99<1ms", 900.0, 1) };
    let (steps, _) = search(target, &lowest);
    let found = estimate(&steps, &lowest.objective);
    assert_eq!((found.bound, found.rps), (Bound::Below, Some(500.0)));
}

#[test]
fn an_interrupted_search_goes_on_as_if_nothing_had_happened() {
    let (target, wanted) = (target(1, 0.001, false, false), wanted("p99<50ms", 700.0, 3));
    let (steps, _) = search(target, &wanted);
    for cut in 0..steps.len() {
        let spent_s = 5.0 + steps[..cut].iter().map(|step| step.duration_s + 0.8).sum::<f64>();
        let next = wanted.next(&steps[..cut], spent_s).unwrap();
        assert_eq!(next.rps, steps[cut].offered_rps, "after {cut} loads");
    }
}

#[test]
fn what_the_generator_could_not_offer_is_tried_once_more() {
    let wanted = wanted("p99<50ms", 700.0, 3);
    let failed = Step {
        offered_rps: 700.0,
        windows: vec![Window { bad: true, ..Window::default() }],
        ..Step::default()
    };
    let next = |steps: &[Step]| wanted.next(steps, 10.0).unwrap().rps;
    assert_eq!(next(std::slice::from_ref(&failed)), 700.0);
    assert!(next(&[failed.clone(), failed]) < 400.0);
}

#[test]
fn what_there_was_no_time_for_is_said() {
    let target = Target { servers: 4, service_s: 0.002, exponential: false, poisson: false };
    for (budget_s, max_rps, parts) in [
        (300.0, 1e5, &[][..]),
        (30.0, 1e5, &["sweep's 6 loads", "of 3 loads that confirm"]),
        (8.0, 1e5, &["rates above 1,400/s", "0 of the sweep's"]),
        (90.0, 1500.0, &[]),
    ] {
        let wanted = Wanted { budget_s, max_rps, ..wanted("p99<50ms", 1400.0, 1) };
        let (steps, _) = search(target, &wanted);
        let cut = wanted.cut(&steps).join("; ");
        assert!(
            parts.iter().all(|part| cut.contains(part)) && parts.is_empty() == cut.is_empty(),
            "{budget_s}: {cut}"
        );
    }
}

#[test]
fn the_highest_rate_is_tried_again_when_it_failed_once() {
    let wanted = Wanted { max_rps: 100.0, ..wanted("p99<50ms", 100.0, 1) };
    let window = Window { length_s: 1.0, planned: 100, bad: true, ..Window::default() };
    let failed = Step { offered_rps: 100.0, valid: true, windows: vec![window; 3], ..Step::default() };
    let next = |steps: &[Step]| wanted.next(steps, 10.0).map(|load| (load.phase, load.rps));
    assert_eq!(next(std::slice::from_ref(&failed)), Some((Phase::Bracket, 100.0)));
    assert!(
        next(&[failed.clone(), failed]).is_some_and(|(phase, rps)| phase == Phase::Bracket && rps < 50.0)
    );
}
