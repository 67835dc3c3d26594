//! The Universal Scalability Law over the number of servers: from a ceiling with its interval for each number to the law, with
//! intervals that come from those of the ceilings. A handful of points cannot say by their own scatter how far they scatter;
//! each was measured with an interval that does. Fewer than four points determine no law of three parameters, and give none.

use super::fit::{self, Law};
use super::{SAMPLES, explained, interval, intervals};
use crate::ceiling::Usl;
use crate::number::count;
use crate::random::SplitMix;
use std::f64::consts::TAU;

/// One more than the law has parameters: through three points there is always a law.
pub const POINTS_LEAST: usize = 4;
/// Half the width of a normal distribution's 95 % interval.
const NORMAL: f64 = 1.96;
/// The curve goes to this multiple of the most servers, in steps of so much of a server.
const CURVE_TO: f64 = 1.5;
const CURVE_STEP: f64 = 0.1;
/// A rate stays one, whatever chance makes of it.
const LEAST: f64 = 0.01;

/// A ceiling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Servers.
    pub servers: u32,
    /// Requests per second.
    pub rps: f64,
    /// Its 95 % interval.
    pub ci95: [f64; 2],
}

/// The law through `measured`, which is in ascending order of servers, with 95 % intervals from `seed`.
///
/// # Errors
/// In words, what is lacking for a law.
pub fn law(measured: &[Measured], seed: u64) -> Result<Usl, String> {
    if measured.len() < POINTS_LEAST {
        let there = match measured.len() {
            1 => String::from("is 1"),
            n => format!("are {}", count(n as u64)),
        };
        return Err(format!(
            "no law is fitted: it has three parameters and needs {POINTS_LEAST} ceilings, of which there {there}"
        ));
    }
    let points: Vec<[f64; 2]> = measured.iter().map(|one| [f64::from(one.servers), one.rps]).collect();
    let law = fit::fit(&points).ok_or("no law is fitted: none goes through such ceilings")?;
    let again = again(measured, seed);
    let most = points.last().map_or(1.0, |[n, _]| *n);
    Ok(Usl {
        lambda: law.lambda(),
        sigma: law.sigma(),
        kappa: law.kappa(),
        peak_n: law.peak_n(),
        peak_rps: law.peak_rps(),
        ci95: intervals(&again),
        curve: curve(&law, &again, CURVE_TO * most),
        r2: explained(&law, &points),
        points,
    })
}

/// Laws through ceilings as they might have been measured as well: each where its own interval lets it be (the parametric
/// bootstrap of Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 2.2).
fn again(measured: &[Measured], seed: u64) -> Vec<Law> {
    let mut random = SplitMix::new(seed);
    let mut another = |one: &Measured| {
        let [from, to] = one.ci95;
        let error = (to / from).ln() / (2.0 * NORMAL);
        let factor = (error * normal(&mut random)).exp();
        [f64::from(one.servers), one.rps * if factor.is_finite() { factor.max(LEAST) } else { 1.0 }]
    };
    let mut sample = || fit::fit(&measured.iter().map(&mut another).collect::<Vec<_>>());
    (0..SAMPLES).filter_map(|_| sample()).collect()
}

/// A normal variate (Box and Muller, 1958).
fn normal(random: &mut SplitMix) -> f64 {
    let angle = (random.bits() >> 11) as f64 / (1u64 << 53) as f64 * TAU;
    (2.0 * random.exponential()).sqrt() * angle.cos()
}

/// Servers, the law's rate, and its interval.
fn curve(law: &Law, again: &[Law], to: f64) -> Vec<[f64; 4]> {
    let steps = ((to - 1.0) / CURVE_STEP).round().max(1.0) as usize;
    let point = |i: usize| {
        let n = 1.0 + i as f64 * CURVE_STEP;
        let expected = law.rate(n);
        let ends = interval(again.iter().map(|law| law.rate(n)).collect());
        let [low, high] = ends.unwrap_or([expected; 2]);
        [n, expected, low.min(expected), high.max(expected)]
    };
    (0..=steps).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(rates: &[f64], half: f64) -> Vec<Measured> {
        let one = |(i, rps): (usize, &f64)| Measured {
            servers: i as u32 + 1,
            rps: *rps,
            ci95: [rps * (1.0 - half), rps * (1.0 + half)],
        };
        rates.iter().enumerate().map(one).collect()
    }

    fn gunther(lambda: f64, sigma: f64, kappa: f64) -> [f64; 4] {
        [1.0, 2.0, 3.0, 4.0].map(|n| lambda * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0)))
    }

    #[test]
    fn a_law_comes_back_from_its_own_points() {
        for (lambda, sigma, kappa) in
            [(500.0, 0.0, 0.0), (500.0, 0.05, 0.0), (500.0, 0.1, 0.02), (90.0, 1.0, 0.0)]
        {
            let found = law(&measured(&gunther(lambda, sigma, kappa), 0.0), 1).unwrap();
            for (got, want) in [(found.lambda, lambda), (found.sigma, sigma), (found.kappa, kappa)] {
                assert!((got - want).abs() < 1e-6 * want.max(1.0), "{found:?}");
            }
            assert_eq!((found.points.len(), found.curve.len()), (4, 51));
            let (first, last) = (found.curve[0], found.curve[50]);
            assert!((first[0] - 1.0).abs() < 1e-9 && (last[0] - 6.0).abs() < 1e-9, "{first:?} {last:?}");
            assert!(found.curve.iter().all(|[_, x, low, high]| low <= x && x <= high));
        }
    }

    #[test]
    fn what_is_known_of_the_ceilings_is_known_of_the_law() {
        let sure = law(&measured(&gunther(500.0, 0.05, 0.0), 0.005), 1).unwrap();
        let unsure = law(&measured(&gunther(500.0, 0.05, 0.0), 0.1), 1).unwrap();
        let width = |found: &Usl| found.ci95["sigma"][1] - found.ci95["sigma"][0];
        assert!(width(&sure) > 0.0 && width(&unsure) > 4.0 * width(&sure), "{sure:?} {unsure:?}");
        // The same seed, the same law.
        assert_eq!(unsure, law(&measured(&gunther(500.0, 0.05, 0.0), 0.1), 1).unwrap());
        let [low, high] = unsure.ci95["lambda"];
        assert!(low < 500.0 && 500.0 < high, "{unsure:?}");
    }

    #[test]
    fn few_ceilings_make_no_law() {
        for (many, there) in [(0, "there are 0"), (1, "there is 1"), (3, "there are 3")] {
            let rates = &gunther(500.0, 0.05, 0.0)[..many];
            let refused = law(&measured(rates, 0.01), 1).unwrap_err();
            assert!(refused.contains("needs 4 ceilings") && refused.contains(there), "{refused}");
        }
    }

    #[test]
    fn an_interval_that_is_none_breaks_nothing() {
        let mut odd = measured(&gunther(500.0, 0.05, 0.0), 0.01);
        odd[1].ci95 = [0.0, 1e4];
        assert!(law(&odd, 1).unwrap().lambda.is_finite());
    }
}
