//! A panel for each metric that decides: by how much the candidate differs from the base in each pair, with the interval of the median
//! and how much worse it may be. From a record to a chart model.

use super::made;
use crate::analyse::compare::{finding, verdict_in_words};
use crate::chart::{Axis, Chart, Colour, Marker, Panel, Reading, Series, Shape, Tone, Weight};
use crate::comparison::{Better, Call, Comparison, Metric, Pair};
use crate::number::{NONE, capital, counted, percent, rate};

/// So that what lies furthest out is not the panel's edge.
const HEADROOM: f64 = 1.1;
/// An axis shows at least so much, as a share: where nothing differs there is nothing to magnify.
const LEAST_SHOWN: f64 = 0.002;
/// Between two pairs.
const BESIDE: f64 = 0.5;

/// The chart of `found`.
pub fn chart(found: &Comparison) -> Chart {
    let (tone, title, subtitle) = headline(found);
    let deciding = || found.metrics.iter().filter(|metric| metric.delta.is_some());
    let most = deciding().map(|metric| metric.pairs.len()).max().unwrap_or(0);
    Chart {
        tone,
        title,
        subtitle,
        x: Axis::fitted("pair", BESIDE, most as f64 + BESIDE, 12, rate).read(Reading::Plain),
        bands: Vec::new(),
        marks: Vec::new(),
        panels: deciding().enumerate().map(|(n, metric)| panel(metric, n % 2 == 1)).collect(),
        footer: footer(found),
    }
}

/// A finding, or a warning: that it is worse, or that nothing can be said.
fn headline(found: &Comparison) -> (Tone, String, String) {
    let (told, context) = (capital(&finding(found)), context(found));
    match found.call {
        Call::Pass | Call::Improvement => (Tone::Plain, told, context),
        Call::Regression => (Tone::Alarm, told, context),
        Call::Inconclusive => {
            let why = found.verdict.reasons.first().map_or(NONE, String::as_str);
            (Tone::Alarm, format!("INCONCLUSIVE: {why}"), context)
        }
    }
}

fn context(found: &Comparison) -> String {
    format!(
        "{} against {}, {}; dots: the change in each pair, in percent; rings: base against base; band: 95 % interval of the median; dashed: what may be",
        found.candidate.name(),
        found.base.name(),
        found.load
    )
}

fn panel(metric: &Metric, beside: bool) -> Panel {
    let change = |pair: &Pair| (pair.candidate / pair.base - 1.0) * 100.0;
    let points = |pairs: &[Pair]| -> Vec<(f64, Option<f64>)> {
        pairs.iter().enumerate().map(|(n, pair)| ((n + 1) as f64, Some(change(pair)))).collect()
    };
    let end = metric.pairs.len() as f64 + BESIDE;
    let across = |at: f64| vec![(BESIDE, Some(at)), (end, Some(at))];
    let mut series = Vec::new();
    let mut add = |label: &str, colour, shape, points| {
        series.push(Series { label: label.to_owned(), colour, shape, points });
    };
    if let Some(known) = &metric.found {
        let [low, high] = known.ci95.map(|ratio| (ratio - 1.0) * 100.0);
        let band = vec![(BESIDE, Some(low)), (BESIDE, Some(high)), (end, Some(low)), (end, Some(high))];
        let colour = if metric.call == Call::Regression { Colour::Failure } else { Colour::Typical };
        add("", colour, Shape::Between, band);
        let worse =
            if metric.better == Better::Lower { known.delta } else { 1.0 / (1.0 + known.delta) - 1.0 };
        add("may be", Colour::Objective, Shape::Dashed(Weight::Medium), across(worse * 100.0));
        add("median", colour, Shape::Line(Weight::Medium), across((known.ratio - 1.0) * 100.0));
    }
    add("", Colour::Offered, Shape::Line(Weight::Thin), across(0.0));
    add("", Colour::Offered, Shape::Points(Marker::Ring), points(&metric.control));
    add("", Colour::Typical, Shape::Points(Marker::Dot), points(&metric.pairs));
    series.retain(|series| !series.points.is_empty());
    let furthest = series
        .iter()
        .flat_map(|series| series.points.iter().filter_map(|(_, y)| *y))
        .fold(LEAST_SHOWN * 100.0, |most, y| most.max(y.abs()));
    let y = Axis::fitted("", -furthest * HEADROOM, furthest * HEADROOM, 5, |v| format!("{} %", rate(v)));
    Panel { title: heading(metric), weight: 1.0, y, series, beside, ..Panel::default() }
}

/// What the metric is, and what is said of it.
fn heading(metric: &Metric) -> String {
    // A percentile's name is no word.
    let what =
        if metric.what.contains(char::is_numeric) { metric.what.clone() } else { capital(&metric.what) };
    format!("{what}: {}", verdict_in_words(metric))
}

fn footer(found: &Comparison) -> Vec<String> {
    let pairs = found.metrics.iter().map(|metric| metric.pairs.len()).max().unwrap_or(0);
    let mut what = vec![
        counted(pairs as u64, "pair"),
        format!("a change counts where an adjusted p-value is below {}", rate(found.alpha)),
    ];
    what.extend(found.marks.iter().map(|mark| format!("MARKED: {mark}")));
    what.extend(
        (!found.left_out.is_empty()).then(|| counted(found.left_out.len() as u64, "record") + " left out"),
    );
    what.extend(found.metrics.iter().filter(|metric| metric.delta.is_some()).filter_map(|metric| {
        let floor = metric.found.as_ref()?.floor.filter(|floor| Some(*floor) > metric.delta)?;
        Some(format!("{}: base and base differ by up to {}", metric.what, percent(floor)))
    }));
    made(&found.head, &what, &found.emulated, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::compare::conclude;
    use crate::draw::layout_tests::assert_legible;
    use crate::fixture::comparison::{Made, made};

    #[test]
    fn each_metric_that_decides_has_a_panel_with_its_pairs() {
        let found = made(Made::Slower);
        let chart = chart(&found);
        assert_eq!(chart.tone, Tone::Alarm);
        assert!(chart.title.starts_with("The candidate is worse: "), "{}", chart.title);
        assert_eq!(chart.panels.len(), 5);
        let dots = |panel: &Panel, marker| {
            panel
                .series
                .iter()
                .find(|series| series.shape == Shape::Points(marker))
                .map(|series| series.points.len())
        };
        for panel in &chart.panels {
            assert_eq!((dots(panel, Marker::Dot), dots(panel, Marker::Ring)), (Some(12), Some(12)));
        }
        // Of a ceiling less is worse.
        let limit =
            |n: usize| chart.panels[n].series.iter().find(|one| one.label == "may be").unwrap().points[0].1;
        assert!(limit(0).unwrap() < 0.0 && limit(1).unwrap() > 0.0);
        assert!(chart.footer.iter().any(|line| line.starts_with("EMULATED: ")));
    }

    #[test]
    fn all_kinds_are_legible() {
        for which in Made::ALL.into_iter().filter(|which| *which != Made::Empty) {
            assert_legible(&format!("{which:?}"), &chart(&made(which)));
        }
        let mut lost = made(Made::Same);
        lost.metrics[0].pairs.clear();
        conclude(&mut lost);
        assert_eq!(lost.call, Call::Inconclusive);
        assert_legible("a metric without a pair", &chart(&lost));
    }
}
