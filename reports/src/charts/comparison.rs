//! A row for each metric that decides: by how much the candidate differs from the base in each pair, with the interval of the median
//! and how much worse it may be; below them the same of candidates of which it is known what there is to find. From a record to a
//! chart model.

use super::made;
use crate::analyse::compare::{call_in_words, change_in_words, checked, finding};
use crate::chart::{Axis, Chart, Colour, Marker, Panel, Reading, Series, Shape, Tick, Tone, Weight};
use crate::comparison::{Better, Call, Comparison, Found, Metric, Pair};
use crate::number::{NONE, capital, counted, percent, rate};

/// So that what lies furthest out is not the panel's edge, as a share of all that is shown.
const MARGIN: f64 = 0.04;
/// An axis shows at least so much to both sides, in percent: where nothing differs there is nothing to magnify.
const LEAST_SHOWN: f64 = 0.2;
/// A pair further from 0 than so many times any interval or limit is drawn at the edge.
const FAR: f64 = 2.0;
/// How far what is drawn in a row reaches up and down from its middle.
const REACH: f64 = 0.36;

/// The chart of `found`.
pub fn chart(found: &Comparison) -> Chart {
    let (tone, title, subtitle) = headline(found);
    let rows: Vec<Row<'_>> =
        found.metrics.iter().filter(|metric| metric.delta.is_some()).map(deciding).collect();
    let checks: Vec<Row<'_>> = found
        .checks
        .iter()
        .map(checked)
        .filter_map(|of| {
            let metric = of.metric?;
            let label = format!("{}: {}", of.outcome, change_in_words(metric));
            Some(Row { name: format!("{}, {}", of.what, metric.what), label, metric, is_alarm: of.is_wrong })
        })
        .collect();
    let (x, own) = (axis(&rows), axis(&checks));
    let lost = beyond(&rows, &x) + beyond(&checks, &own);
    let mut panels = vec![panel("Change in each pair, the first on top", &rows, &x)];
    if !checks.is_empty() {
        let seen = panel("What the same base gives where it is known what there is to find", &checks, &own);
        panels.push(Panel { x: Some(own), ..seen });
    }
    let footer = footer(found, lost);
    Chart { tone, title, subtitle, x, bands: Vec::new(), marks: Vec::new(), panels, footer }
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
        "{} against {}, {}; dots: pairs; rings: base against base; bar and line: the median and its 95 % interval; dashed: how much worse it may be",
        found.candidate.name(),
        found.base.name(),
        found.load
    )
}

/// A metric in the picture.
struct Row<'a> {
    /// What stands to its left.
    name: String,
    /// What stands to its right; what matters most ends at a colon.
    label: String,
    metric: &'a Metric,
    is_alarm: bool,
}

fn deciding(metric: &Metric) -> Row<'_> {
    let label = match metric.found {
        Some(_) => format!("{}: {}", call_in_words(metric.call), change_in_words(metric)),
        None => change_in_words(metric),
    };
    Row { name: metric.what.clone(), label, metric, is_alarm: metric.call == Call::Regression }
}

/// `ratio` as a change in percent.
fn change(ratio: f64) -> f64 {
    (ratio - 1.0) * 100.0
}

fn of_pair(pair: &Pair) -> f64 {
    change(pair.candidate / pair.base)
}

/// How much a metric may change for the worse, in percent.
fn limit(metric: &Metric, known: &Found) -> f64 {
    match metric.better {
        Better::Lower => known.delta * 100.0,
        Better::Higher => change(1.0 / (1.0 + known.delta)),
    }
}

/// All that is said of a metric, and its pairs as far as they are not too far out.
fn axis(rows: &[Row<'_>]) -> Axis {
    let said = rows.iter().filter_map(|row| {
        let known = row.metric.found.as_ref()?;
        let [low, high] = known.ci95.map(change);
        Some([low, high, change(known.ratio), limit(row.metric, known)])
    });
    let said: Vec<f64> = said.flatten().chain([-LEAST_SHOWN, LEAST_SHOWN]).collect();
    let far = said.iter().fold(0.0, |most: f64, at| most.max(at.abs())) * FAR;
    let near = pairs(rows).map(of_pair).filter(|at| at.abs() <= far);
    let (least, most) = near
        .chain(said.iter().copied())
        .fold((0.0, 0.0), |(least, most): (f64, f64), at| (least.min(at), most.max(at)));
    let words = |at: f64| format!("{}{} %", if at > 0.0 { "+" } else { "" }, rate(at));
    let margin = (most - least) * MARGIN;
    Axis::fitted("change against the base", least - margin, most + margin, 8, words).read(Reading::Plain)
}

fn pairs<'a>(rows: &'a [Row<'_>]) -> impl Iterator<Item = &'a Pair> {
    rows.iter().flat_map(|row| row.metric.pairs.iter().chain(&row.metric.control))
}

/// How many pairs `x` has no room for.
fn beyond(rows: &[Row<'_>], x: &Axis) -> usize {
    pairs(rows).map(of_pair).filter(|at| !(x.from..=x.to).contains(at)).count()
}

fn panel(title: &str, rows: &[Row<'_>], x: &Axis) -> Panel {
    let many = rows.len().max(1) as f64;
    let middle = |n: usize| many - n as f64 - 0.5;
    let ticks = rows.iter().enumerate().rev();
    let ticks = ticks.map(|(n, row)| Tick { at: middle(n), label: row.name.clone() }).collect();
    let zero = upright(Colour::Offered, Shape::Line(Weight::Thin), 0.0, [0.0, many]);
    let drawn = rows.iter().enumerate().flat_map(|(n, row)| drawn(row, middle(n), x));
    Panel {
        title: title.to_owned(),
        weight: many,
        y: Axis { from: 0.0, to: many, ticks, ..Axis::default() },
        series: [zero].into_iter().chain(drawn).collect(),
        ..Panel::default()
    }
}

/// A line from bottom to top.
fn upright(colour: Colour, shape: Shape, at: f64, [from, to]: [f64; 2]) -> Series {
    Series { label: String::new(), colour, shape, points: vec![(at, Some(from)), (at, Some(to))] }
}

/// What a row has, about its middle at `y`.
fn drawn(row: &Row<'_>, y: f64, x: &Axis) -> Vec<Series> {
    let metric = row.metric;
    let colour = match metric.call {
        _ if row.is_alarm => Colour::Failure,
        Call::Inconclusive => Colour::Offered,
        _ => Colour::Typical,
    };
    let reach = [y - REACH, y + REACH];
    let across = |from: f64, to: f64, shape, label: String| Series {
        label,
        colour,
        shape,
        points: vec![(from, Some(y)), (to, Some(y))],
    };
    let mut series = match &metric.found {
        Some(known) => {
            let [low, high] = known.ci95.map(change);
            vec![
                across(low, high, Shape::Room, row.label.clone()),
                upright(Colour::Objective, Shape::Dashed(Weight::Bold), limit(metric, known), reach),
                upright(colour, Shape::Line(Weight::Bold), change(known.ratio), reach),
            ]
        }
        None => vec![across(0.0, 0.0, Shape::Line(Weight::Thin), row.label.clone())],
    };
    series.extend(dots(&metric.control, y, x, Colour::Offered, Marker::Ring));
    series.extend(dots(&metric.pairs, y, x, Colour::Typical, Marker::Dot));
    series
}

/// The pairs from the top of a row to its bottom; one that is further out than the axis goes is a triangle at its end.
fn dots(pairs: &[Pair], y: f64, x: &Axis, colour: Colour, marker: Marker) -> Vec<Series> {
    let gap = 2.0 * REACH / pairs.len().saturating_sub(1).max(1) as f64;
    let place = |(n, pair): (usize, &Pair)| (of_pair(pair), Some(y + REACH - n as f64 * gap));
    let (inside, outside): (Vec<_>, Vec<_>) =
        pairs.iter().enumerate().map(place).partition(|(at, _)| (x.from..=x.to).contains(at));
    let marked = [(marker, inside), (Marker::Triangle, outside)];
    let marked = marked.into_iter().filter(|(_, points)| !points.is_empty());
    marked
        .map(|(marker, points)| Series { label: String::new(), colour, shape: Shape::Points(marker), points })
        .collect()
}

fn footer(found: &Comparison, beyond: usize) -> Vec<String> {
    let pairs = found.metrics.iter().map(|metric| metric.pairs.len()).max().unwrap_or(0);
    let mut what = vec![
        counted(pairs as u64, "pair"),
        format!("a change counts where an adjusted p-value is below {}", rate(found.alpha)),
    ];
    what.extend((beyond > 0).then(|| format!("triangles: {beyond} that lie further out than is shown")));
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
    fn each_metric_that_decides_has_a_row_with_its_pairs() {
        let found = made(Made::Slower);
        let chart = chart(&found);
        assert_eq!(chart.tone, Tone::Alarm);
        assert!(chart.title.starts_with("The candidate is worse: "), "{}", chart.title);
        let [deciding, checks] = &chart.panels[..] else { panic!("{:?}", chart.panels.len()) };
        assert_eq!((deciding.y.ticks.len(), checks.y.ticks.len()), (5, 2));
        let dots = |panel: &Panel, marker| {
            let of = panel.series.iter().filter(|series| series.shape == Shape::Points(marker));
            of.map(|series| series.points.len()).sum::<usize>()
        };
        assert_eq!((dots(deciding, Marker::Dot), dots(deciding, Marker::Ring)), (60, 60));
        // Of a ceiling less is worse.
        let limits: Vec<f64> = deciding
            .series
            .iter()
            .filter(|one| matches!(one.shape, Shape::Dashed(_)))
            .map(|one| one.points[0].0)
            .collect();
        assert!(limits[0] < 0.0 && limits[1..].iter().any(|limit| *limit > 0.0), "{limits:?}");
        let labels: Vec<&str> = checks.series.iter().map(|one| one.label.as_str()).collect();
        assert!(labels.iter().any(|label| label.starts_with("no alarm: ")), "{labels:?}");
        assert!(labels.iter().any(|label| label.starts_with("found: +")), "{labels:?}");
        assert!(chart.footer.iter().any(|line| line.starts_with("EMULATED: ")));
    }

    #[test]
    fn a_pair_that_is_far_out_leaves_the_rest_its_room_and_is_said() {
        let mut found = made(Made::Same);
        found.metrics[1].pairs[3].candidate *= 1e3;
        conclude(&mut found);
        let chart = chart(&found);
        assert!(chart.x.to < 50.0, "{}", chart.x.to);
        let shapes = chart.panels[0].series.iter().map(|series| (series.shape, series.points.len()));
        assert_eq!(shapes.filter(|one| *one == (Shape::Points(Marker::Triangle), 1)).count(), 1);
        assert!(chart.footer.iter().any(|line| line.contains("triangles: 1 that lie")), "{:?}", chart.footer);
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
