//! The run over time: what was offered, answered and failed above, how long it took below that, and what the tiers used of
//! their CPUs where they said so. From a record to a chart
//! model. Of more intervals than a picture can tell apart it shows the worst in each group, and says so.

use super::{LEAST_MS, context, footer, headline, range_ms, tiers_in_time};
use crate::analyse::finding::finding;
use crate::chart::{Axis, Band, Chart, Colour, Mark, Panel, Reading, Series, Shape, Weight};
use crate::number::{ms, rate, seconds};
use crate::record::{Bin, Loop, Run};
use crate::store::Record;

/// More columns than this run into one another.
const MOST_COLUMNS: usize = 600;
/// So that a line at its highest is not the panel's edge.
const HEADROOM: f64 = 1.05;
/// From this share of the run on, the time after the last request was due is shown.
const LEAST_DRAIN: f64 = 0.02;
/// And of one in which hardly anything happened.
const SHORT_DRAIN: f64 = 0.1;
/// Fewer than this are no line.
const LEAST_COLUMNS: usize = 10;
/// With fewer requests in a column, on average, its rate jumps.
const REQUESTS_PER_COLUMN: usize = 5;

/// The chart of `record`.
pub fn chart(record: &Record) -> Chart {
    let run = &record.run;
    let columns = columns(run);
    let end = columns.last().map_or(0.0, |column| column.end_s).max(run.duration_s);
    let (tone, title, subtitle) = headline(run, &sentence(run), &context(run));
    Chart {
        tone,
        title,
        subtitle,
        x: time_axis(end),
        bands: warm_up(run).into_iter().chain(drain(run, end)).collect(),
        marks: died(run),
        panels: [rates(run, &columns), times(run, &columns)]
            .into_iter()
            .chain(tiers_in_time::panel(run))
            .collect(),
        footer: footer(run),
    }
}

/// In the unit that has numbers of one or two digits; its positions are in seconds all the same.
pub(super) fn time_axis(end_s: f64) -> Axis {
    let (unit_s, unit) = match end_s {
        s if s < 600.0 => (1.0, "seconds"),
        s if s < 18_000.0 => (60.0, "minutes"),
        _ => (3600.0, "hours"),
    };
    let mut axis =
        Axis::fitted(&format!("{unit} since the first request was due"), 0.0, end_s / unit_s, 10, rate)
            .read(Reading::Seconds);
    axis.to *= unit_s;
    axis.ticks.iter_mut().for_each(|tick| tick.at *= unit_s);
    axis
}

fn sentence(run: &Run) -> String {
    let sentence = finding(run);
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What came before the steady state.
fn warm_up(run: &Run) -> Option<Band> {
    let to = run.steady.as_ref()?.from_s.filter(|at| *at > 0.0)?;
    Some(Band { from: 0.0, to, label: "not steady yet".into() })
}

fn drain(run: &Run, end: f64) -> Option<Band> {
    let label = "last answers";
    // The last interval in which requests were due may end after them, which is no time of its own.
    let drained = worth_showing(run) > due(run) && run.duration_s > 0.0;
    drained.then(|| Band { from: run.duration_s, to: end, label: label.into() })
}

fn died(run: &Run) -> Vec<Mark> {
    let mark = |at| Mark { at, label: format!("target died at {}", seconds(at)), colour: Colour::Failure };
    run.died_at_s.map(mark).into_iter().collect()
}

/// One or more intervals of the record side by side.
struct Column {
    start_s: f64,
    end_s: f64,
    /// Its length, or how much of it requests were due in; in seconds.
    counted_s: f64,
    /// Whether requests were due in it.
    due: bool,
    /// The sum of the counts, and the largest of the times.
    bin: Bin,
}

impl Column {
    fn middle_s(&self) -> f64 {
        f64::midpoint(self.start_s, self.end_s)
    }

    /// Per second. In the interval in which the last request was due, over the part in which requests were.
    fn per_second(&self, n: u64) -> f64 {
        n as f64 / self.counted_s
    }
}

/// How many intervals there are in which requests were due.
fn due(run: &Run) -> usize {
    let timeline = &run.timeline;
    let intervals = (run.duration_s / timeline.interval_s - 1e-6).ceil().max(0.0);
    (intervals as usize).min(timeline.bins.len())
}

/// How many intervals to show: those in which requests were due, and after them those in which something happened,
/// unless nothing failed in it and it is too short to be seen, or short and a few of all requests: a line that falls to
/// nothing at its end would look as if the target had.
fn worth_showing(run: &Run) -> usize {
    let (bins, interval_s) = (&run.timeline.bins, run.timeline.interval_s);
    let due = due(run);
    let happened = |bin: &Bin| bin.planned + bin.sent + bin.ok + bin.errors + bin.dropped > 0;
    let drained = bins.iter().rposition(happened).map_or(0, |last| last + 1).max(due);
    let tail = &bins[due..drained];
    let length = tail.len() as f64 * interval_s / run.duration_s;
    let few = tail.iter().map(|bin| bin.ok).sum::<u64>() * 100 < run.planned;
    let failed = tail.iter().any(|bin| bin.errors + bin.dropped > 0);
    let unworthy = length < LEAST_DRAIN || few && length < SHORT_DRAIN;
    if unworthy && !failed { due } else { drained }
}

/// How many intervals make a column: so many that the columns can be told apart, and that a low rate is a rate and not
/// a row of single requests.
fn per_column(run: &Run) -> usize {
    let bins = run.timeline.bins.len();
    let to_be_told_apart = bins.div_ceil(MOST_COLUMNS);
    let to_be_a_rate =
        (bins * REQUESTS_PER_COLUMN).div_ceil(usize::try_from(run.planned).unwrap_or(bins).max(1));
    to_be_a_rate.min(bins.div_ceil(LEAST_COLUMNS)).max(to_be_told_apart).max(1)
}

fn columns(run: &Run) -> Vec<Column> {
    let interval_s = run.timeline.interval_s;
    if !(interval_s.is_finite() && interval_s > 0.0) {
        return Vec::new();
    }
    let bins = &run.timeline.bins[..worth_showing(run)];
    let width = per_column(run);
    let column = |(i, group): (usize, &[Bin])| {
        let start_s = (i * width) as f64 * interval_s;
        let length_s = group.len() as f64 * interval_s;
        let due_s = run.duration_s - start_s;
        // A hair's breadth of slack: what floats leave over at the run's end is no part of an interval.
        let slack = interval_s * 1e-6;
        let due = due_s > slack;
        let counted_s = if due && due_s < length_s - slack { due_s } else { length_s };
        Column { start_s, end_s: start_s + length_s, counted_s, due, bin: worst(group) }
    };
    bins.chunks(width).enumerate().map(column).collect()
}

fn worst(group: &[Bin]) -> Bin {
    let larger = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
    group.iter().fold(Bin::default(), |sum, bin| Bin {
        planned: sum.planned + bin.planned,
        ok: sum.ok + bin.ok,
        errors: sum.errors + bin.errors,
        dropped: sum.dropped + bin.dropped,
        p50_ms: larger(sum.p50_ms, bin.p50_ms),
        p99_ms: larger(sum.p99_ms, bin.p99_ms),
        max_ms: larger(sum.max_ms, bin.max_ms),
        send_lag_p99_ms: larger(sum.send_lag_p99_ms, bin.send_lag_p99_ms),
        ..Bin::default()
    })
}

/// Steps that hold to the end of the last column.
fn steps(columns: &[Column], of: impl Fn(&Column) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    let mut points: Vec<_> = columns.iter().map(|column| (column.start_s, of(column))).collect();
    points.extend(columns.last().map(|column| (column.end_s, of(column))));
    points
}

fn rates(run: &Run, columns: &[Column]) -> Panel {
    let due = columns.iter().position(|column| !column.due).unwrap_or(columns.len());
    let failed = |column: &Column| column.per_second(column.bin.errors + column.bin.dropped);
    let any_failed = columns.iter().any(|column| failed(column) > 0.0);
    let mut series = Vec::new();
    if any_failed {
        let points = steps(columns, |column| Some(failed(column)));
        series.push(Series { label: "failed".into(), colour: Colour::Failure, shape: Shape::Area, points });
    }
    if run.load_loop == Loop::Open {
        let mut points = steps(&columns[..due], |column| Some(column.per_second(column.bin.planned)));
        if let Some((end, _)) = points.last_mut() {
            *end = end.min(run.duration_s);
        }
        let shape = Shape::Steps(Weight::Medium);
        series.push(Series { label: "offered".into(), colour: Colour::Offered, shape, points });
    }
    let points =
        columns.iter().map(|column| (column.middle_s(), Some(column.per_second(column.bin.ok)))).collect();
    series.push(Series {
        label: "answered".into(),
        colour: Colour::Ok,
        shape: Shape::Line(Weight::Bold),
        points,
    });
    let most = series.iter().flat_map(|s| &s.points).filter_map(|p| p.1).fold(0.0, f64::max);
    let note = columns.is_empty().then(|| "No request was due".to_owned());
    Panel {
        title: "Requests per second".into(),
        weight: 1.0,
        y: Axis::from_zero("", most * HEADROOM, 4, rate).read(Reading::PerSecond),
        series: if note.is_some() { Vec::new() } else { series },
        note,
        ..Panel::default()
    }
}

fn times(run: &Run, columns: &[Column]) -> Panel {
    let line = |label: &str, colour, weight, of: fn(&Bin) -> Option<f64>| Series {
        label: label.into(),
        colour,
        shape: Shape::Line(weight),
        points: columns.iter().map(|c| (c.middle_s(), of(&c.bin).map(|ms| ms.max(LEAST_MS)))).collect(),
    };
    // Where lines coincide, the thinner ones lie on the heavier ones, and all are seen.
    let mut series = vec![
        line("send lag p99", Colour::Lag, Weight::Thin, |bin| bin.send_lag_p99_ms),
        line("p50", Colour::Typical, Weight::Bold, |bin| bin.p50_ms),
        line("p99", Colour::Tail, Weight::Medium, |bin| bin.p99_ms),
        line("slowest", Colour::Extreme, Weight::Thin, |bin| bin.max_ms),
    ];
    series.retain(|s| s.last().is_some());
    let (least, most) = range_ms(series.iter().flat_map(|s| &s.points).filter_map(|p| p.1));
    let grouped = match per_column(run) {
        1 => String::new(),
        n => format!(", the worst interval of each {}", seconds(n as f64 * run.timeline.interval_s)),
    };
    Panel {
        title: format!("Response time per {}{grouped}, log scale", seconds(run.timeline.interval_s)),
        weight: 1.4,
        y: Axis::log("", least, most, 9, ms).read(Reading::Ms),
        note: series.is_empty().then(|| "No request ended".to_owned()),
        series,
        ..Panel::default()
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
