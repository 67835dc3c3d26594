//! The share of requests that break a rule as a curve over the rate, and where it passes what is allowed.
//!
//! Near saturation the wait in a GI/G/c queue is exponential, with a mean that is the inverse of the distance to saturation (Kingman,
//! 1962): of a limit t, the share beyond it is exp(-k (1 - rate / saturation)), k growing with t. So one number, k, makes the
//! curve, and all loads near the ceiling can be asked for it together: it is the one for which their shares scatter evenly
//! about the curve. Before there is any queue some requests may break the rule by their own service; their share, from loads far
//! below saturation, is a floor to the curve. Bursts are rare where the share is small, so a load counts by how many can be
//! expected in it, and no more than by its time. The interval is what the loads scatter, or what so few bursts are bound to.

use super::estimate::{NORMAL, Point};
use super::saturation::Saturation;

/// A curve takes so many loads.
const LEAST_POINTS: usize = 2;
/// Most of what is allowed that a floor can be.
const MOST_FLOOR: f64 = 0.9;
/// The k that are looked at: from hardly a curve to a cliff.
const RANGE: (f64, f64) = (2.0, 1e5);
/// Bisections of them: more than a double has digits.
const BISECTIONS: usize = 100;
/// Loads are few and bursts come together: by this much the scatter that is seen falls short of what it is.
const INFLATION: f64 = 2.2;
/// The most that the logarithm of a share is taken to be seen too low: the mean of few rare bursts is more often below the truth
/// than above it.
const MOST_SHIFT: f64 = 0.5;
/// Quantiles (97.5 %) of Student's distribution for 1, 2, ... degrees of freedom. With the least of them there is no telling what
/// the loads scatter, and what the bursts say counts.
const STUDENT: [f64; 12] = [2.6, 2.6, 2.6, 2.6, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179];

/// The rate at which `allowed` is passed, with its interval, by loads near it and by loads far below; `None` where there is no
/// such curve.
pub(super) fn curve(
    near: &[Point],
    quiet: &[Point],
    allowed: f64,
    saturation: Saturation,
) -> Option<[f64; 3]> {
    if near.len() < LEAST_POINTS || allowed <= 0.0 || near.iter().all(|point| point.broke == 0.0) {
        return None;
    }
    let ended: f64 = quiet.iter().map(|point| point.ended).sum();
    let broke: f64 = quiet.iter().map(|point| point.broke).sum();
    let floor = (broke / ended.max(1.0)).min(MOST_FLOOR * allowed);
    let curve = Curve { points: near, floor, allowed: allowed - floor, saturation: saturation.rps };
    let k = curve.k()?;
    let variance = curve.variance(k);
    let student = STUDENT[(curve.effective(k) as usize).clamp(1, STUDENT.len()) - 1];
    let at = saturation.rps * (1.0 + (curve.allowed.ln() - (variance / 2.0).min(MOST_SHIFT)) / k);
    let half = (student * INFLATION * variance.sqrt() / k).hypot(NORMAL * saturation.error);
    Some([at, at * (1.0 - half).max(0.0), at * (1.0 + half)])
}

struct Curve<'a> {
    points: &'a [Point],
    floor: f64,
    /// Above the floor.
    allowed: f64,
    saturation: f64,
}

impl Curve<'_> {
    fn expected(&self, k: f64, point: &Point) -> f64 {
        (-k * (1.0 - point.rps / self.saturation)).exp()
    }

    fn weight(&self, k: f64, point: &Point) -> f64 {
        point.time_s * (self.expected(k, point) / self.allowed).min(1.0)
    }

    /// By how much a point lies above the curve, relative to it.
    fn residual(&self, k: f64, point: &Point) -> f64 {
        (point.broke / point.ended.max(1.0) - self.floor) / self.expected(k, point) - 1.0
    }

    /// The k at which the points lie as much above the curve as below; the larger it is, the lower the curve.
    fn k(&self) -> Option<f64> {
        let score =
            |k: f64| -> f64 { self.points.iter().map(|p| self.weight(k, p) * self.residual(k, p)).sum() };
        let (mut from, mut to) = RANGE;
        if score(from) > 0.0 || score(to) < 0.0 {
            return None;
        }
        for _ in 0..BISECTIONS {
            let k = (from * to).sqrt();
            if score(k) > 0.0 { to = k } else { from = k }
        }
        Some(from)
    }

    fn sum(&self, of: impl Fn(&Point) -> f64) -> f64 {
        self.points.iter().map(of).sum()
    }

    /// How many loads of the same weight would say as much (Kish, 1965).
    fn effective(&self, k: f64) -> f64 {
        self.sum(|p| self.weight(k, p)).powi(2) / self.sum(|p| self.weight(k, p).powi(2))
    }

    /// Of the logarithm of the share where the curve passes what is allowed.
    fn variance(&self, k: f64) -> f64 {
        let (total, effective) = (self.sum(|p| self.weight(k, p)), self.effective(k));
        let scatter = self.sum(|p| (self.weight(k, p) * self.residual(k, p)).powi(2)) / (total * total);
        let scatter = scatter * effective / (effective - 1.0).max(1.0);
        let bursts = self.sum(|p| p.bursts * (self.allowed / self.expected(k, p)).min(1.0));
        scatter.max(1.0 / (bursts + 0.5))
    }
}
