//! Percentiles against what they have to be by arithmetic: under a freeze of the target, and of a queue whose closed form is
//! known.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and a freeze takes its time and is timed by the test's own clock"
)]

use e2e::{Running, Target, conserved, get, loadgen, signal, until};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

fn arrivals(target: &Target) -> u64 {
    let stats = get(target.address(), "/stats", "");
    let body = stats.rsplit("\r\n\r\n").next().unwrap();
    serde_json::from_str::<Value>(body).unwrap()["arrivals"].as_u64().unwrap()
}

fn ms(run: &Value, percentile: &str) -> f64 {
    run["response_ms"][percentile].as_f64().unwrap_or_else(|| panic!("{percentile}: {run}"))
}

/// Requests are due evenly over T; for a part F of it the target is stopped. The one that is due u after the beginning of the
/// freeze waits for the rest of it, F - u, and then until those before it have been served. So, of all requests, the
/// share (F - w) / T waits longer than w, for any w that is not so small that the usual service counts, and the share 1 - q
/// waits longer than
///
///     w(q) = F - (1 - q) T    for (1 - q) T < F,
///
/// never less, and more by what the target takes to serve its backlog. Of a generator that waits for an answer before it
/// sends the next request, one request for each connection would see the freeze, and p95 and p99 would be a service time.
#[test]
fn a_freeze_has_the_percentiles_that_arithmetic_gives_it() {
    const RATE: f64 = 250.0;
    const LENGTH: f64 = 4.0;
    /// What the target may take to serve its backlog on a busy machine, in milliseconds.
    const DRAIN: f64 = 400.0;
    let target = Target::start("queue --workers 8 --service 1ms");
    let line = format!("--rps {RATE} -d {LENGTH}s --no-report -q --json - http://{}/", target.address());
    let run = Running::loadgen(&line);
    until("the load has begun", || arrivals(&target) > 250);
    // It is stopped at some time between the first two readings, and goes on between the others.
    let before = Instant::now();
    signal(target.pid(), Signal::STOP);
    until("it is stopped", || e2e::state(target.pid()) == Some('T'));
    let after = Instant::now();
    std::thread::sleep(Duration::from_secs(1));
    let least = after.elapsed().as_secs_f64();
    signal(target.pid(), Signal::CONT);
    until("it goes on", || e2e::state(target.pid()) != Some('T'));
    let most = before.elapsed().as_secs_f64();
    let run = run.wait().json();
    assert!(conserved(&run) && run["planned"] == 1000 && run["ok"] == 1000, "{run}");
    for (percentile, q) in [("p90", 0.90), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
        let wait = |freeze: f64| 1e3 * (freeze - (1.0 - q) * LENGTH);
        // Two requests, since the first of those that wait is due at any time of a gap, and percentiles are of whole ones.
        let (least, most) = (wait(least) - 2e3 / RATE, wait(most) + DRAIN);
        let found = ms(&run, percentile);
        assert!((least..most).contains(&found), "{percentile}: {found} not in {least}..{most}: {run}");
    }
    // Three quarters saw nothing of it, but those that were served after them.
    assert!(ms(&run, "p50") < 1e3 * (least - 0.5 * LENGTH).max(0.0) + DRAIN, "{run}");
}

/// The run, once it says itself that it is valid: a busy machine may need further attempts, and not more than six.
fn valid(line: &str) -> Value {
    for _ in 0..6 {
        let run = loadgen(line).json();
        if run["verdict"]["valid"] == true {
            return run;
        }
    }
    panic!("six runs of which none was valid: {line}");
}

/// In M/M/1 the time from arrival to departure is exponential with the mean 1 / (mu - lambda), so that its quantile q is
/// -ln(1 - q) / (mu - lambda) (Kleinrock, "Queueing Systems", volume 1, 1975, section 5.10). Its values in a run depend on each
/// other: the mean of n of them has about the variance (2 + 5 rho - 4 rho^2 + rho^3) rho / (n (1 - rho)^4 mu^2) of the time
/// in the queue (Daley, "The serial correlation coefficients of waiting times in a stationary single server queue", 1968).
#[test]
fn a_queue_with_a_closed_form_is_measured_as_it_says() {
    const LAMBDA: f64 = 250.0;
    const MU: f64 = 500.0;
    const LENGTH: f64 = 8.0;
    let (rho, n) = (LAMBDA / MU, LAMBDA * LENGTH);
    let variance =
        (2.0 + 5.0 * rho - 4.0 * rho * rho + rho.powi(3)) * rho / (n * (1.0 - rho).powi(4) * MU * MU);
    let scale = 1e3 / (MU - LAMBDA);
    // Three standard deviations of the mean of a perfect run, as a part of it, which does for its quantiles; and what a busy
    // machine adds. Schedule and services come from seeds, so only the machine is different each time.
    let (strays, machine) = (3.0 * 1e3 * variance.sqrt() / scale, 0.5);
    let target = Target::start("queue --workers 1 --service 2ms --service-time exponential --seed 7");
    let line = format!(
        "--rps {LAMBDA} --arrivals poisson --seed 1 -d {LENGTH}s --no-report -q --json - http://{}/",
        target.address()
    );
    let run = valid(&line);
    assert!(conserved(&run) && run["ok"] == run["planned"], "{run}");
    for (name, theory) in [("mean", scale), ("p50", scale * 2f64.ln()), ("p90", scale * 10f64.ln())] {
        let (least, most) = (theory * (1.0 - strays), theory * (1.0 + strays) + machine);
        let found = ms(&run, name);
        assert!((least..most).contains(&found), "{name}: {found} not in {least}..{most}: {run}");
    }
}
