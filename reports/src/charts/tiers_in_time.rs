//! What the tiers used of their CPUs in the course of a run: the panel that the timeline has where they said so.

use crate::chart::{Axis, Panel, Series, Shape, Weight};
use crate::number::{percent, rate};
use crate::record::{Points, Run};

/// So that a line at its highest is not the panel's edge.
const HEADROOM: f64 = 1.05;
/// A tier that never uses this share of what the busiest one does would be a line on the axis.
const LEAST_SHARE: f64 = 0.01;
/// The panel of `run`; `None` where no tier said what it used.
pub(super) fn panel(run: &Run) -> Option<Panel> {
    let limit = |tier: &str| {
        run.observed.get(tier).and_then(|of| of.get("cpu_limit")).copied().filter(|limit| *limit > 0.0)
    };
    let mut used: Vec<(&str, &Points, f64)> = Vec::new();
    for (tier, metrics) in &run.telemetry.tiers {
        let Some(points) = metrics.get("cpu_share") else { continue };
        used.push((tier, points, highest(points)));
    }
    let most = used.iter().map(|(.., most)| *most).fold(0.0, f64::max);
    used.retain(|(.., highest)| *highest > most * LEAST_SHARE);
    // Shares can be compared only where each tier has a limit.
    let shares = used.iter().all(|(tier, ..)| limit(tier).is_some());
    let line = |(tier, points, _): &(&str, &Points, f64)| {
        let (label, whole) = match limit(tier) {
            Some(limit) if shares => ((*tier).to_owned(), limit),
            Some(limit) => (format!("{tier} (of {})", rate(limit)), 1.0),
            None => ((*tier).to_owned(), 1.0),
        };
        Series {
            label,
            colour: super::tier_colour(tier),
            shape: Shape::Line(Weight::Medium),
            points: corners(points, whole),
        }
    };
    let series: Vec<_> = used.iter().map(line).collect();
    let most = series.iter().flat_map(|s| &s.points).filter_map(|p| p.1).fold(0.0, f64::max);
    let (title, y) = if shares {
        ("Share of its CPU limit in use, by tier", Axis::from_zero("", most.max(1.0), 3, percent))
    } else {
        ("CPUs in use by tier", Axis::from_zero("", most * HEADROOM, 3, rate))
    };
    let panel = Panel { title: title.into(), weight: 0.7, y, series, ..Panel::default() };
    (!panel.series.is_empty()).then_some(panel)
}

fn highest(points: &Points) -> f64 {
    points.iter().filter_map(|(_, value)| *value).fold(0.0, f64::max)
}

/// The beginning and the end of each span at its value, in units of `whole`; what has no value is a gap.
fn corners(points: &Points, whole: f64) -> Vec<(f64, Option<f64>)> {
    let of_span = |span: &[(f64, Option<f64>)]| {
        let value = span[1].1.map(|value| value / whole);
        [(span[0].0, value), (span[1].0, value)]
    };
    points.windows(2).flat_map(of_span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::store::Record;

    fn run(limits: &[(&str, f64)]) -> Run {
        let mut run = fixture::telling().run;
        for (tier, limit) in limits {
            run.observed.entry((*tier).to_owned()).or_default().insert("cpu_limit".to_owned(), *limit);
        }
        run
    }

    fn labels(panel: &Panel) -> Vec<&str> {
        panel.series.iter().map(|series| series.label.as_str()).collect()
    }

    #[test]
    fn spans_are_steps_and_what_is_not_known_is_a_gap() {
        let points = vec![(0.0, None), (1.0, Some(0.2)), (2.0, None), (3.5, Some(0.4))];
        let want = [
            (0.0, Some(0.4)),
            (1.0, Some(0.4)),
            (1.0, None),
            (2.0, None),
            (2.0, Some(0.8)),
            (3.5, Some(0.8)),
        ];
        assert_eq!(corners(&points, 0.5), want);
        assert!(corners(&vec![(0.0, None)], 1.0).is_empty() && corners(&Points::new(), 1.0).is_empty());
    }

    #[test]
    fn tiers_that_use_cpu_are_lines_in_cpus() {
        let panel = panel(&run(&[("app", 0.25)])).unwrap();
        assert_eq!(panel.title, "CPUs in use by tier");
        assert_eq!(labels(&panel), ["app (of 0.25)", "db", "proxy"], "and not dns, which uses none");
        assert!(panel.y.to >= 0.25 && panel.y.to < 1.0, "{:?}", panel.y);
    }

    #[test]
    fn where_each_has_a_limit_they_are_shares_of_it() {
        let panel = panel(&run(&[("app", 0.25), ("db", 0.5), ("proxy", 0.5)])).unwrap();
        assert_eq!(panel.title, "Share of its CPU limit in use, by tier");
        assert_eq!(labels(&panel), ["app", "db", "proxy"]);
        let app = highest(&panel.series[0].points);
        assert!((0.8..=1.0).contains(&app) && panel.y.to >= 1.0, "{app}");
    }

    #[test]
    fn without_telemetry_there_is_no_panel() {
        let Record { run, .. } = fixture::healthy();
        assert_eq!(panel(&run), None);
    }
}
