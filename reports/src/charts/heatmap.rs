//! The response times of a run as a heat map: time from left to right, response time upwards, and as colour how many took
//! that long then. From a record to a chart model. It shows what percentiles hide: two kinds of answers, and when each came.

use super::timeline::time_axis;
use super::{LEAST_MS, context, footer, headline, range_ms};
use crate::chart::{Axis, Cell, Chart, Heat, Panel, Reading};
use crate::log::Entry;
use crate::number::{capital, ms, percent, rate, seconds};
use crate::store::Record;
use std::collections::BTreeMap;

/// More columns or rows than these are no longer seen as such.
const MOST_COLUMNS: usize = 200;
const MOST_ROWS: usize = 60;
/// Of fewer requests, nobody asks where eight in ten of them are.
const ENOUGH: u64 = 100;
/// Nanoseconds per millisecond.
const MS: f64 = 1e6;

/// The chart of `record`.
pub fn chart(record: &Record) -> Chart {
    let run = &record.run;
    let entries: Vec<_> = record.intervals.iter().filter(|entry| usable(entry, "response")).collect();
    let end = entries.iter().map(|entry| entry.start_s + entry.length_s).fold(0.0, f64::max);
    let end = end.max(run.duration_s);
    let times = entries.iter().flat_map(|entry| entry.histogram.recorded());
    let (least, most) = range_ms(times.map(|(ns, _)| *ns as f64 / MS).map(|ms| ms.max(LEAST_MS)));
    let y = Axis::log("", least, most, 12, ms).read(Reading::Ms);
    let cells = cells(&entries, &y, end);
    let counted = cells.iter().map(|cell| cell.count).fold(10.0, f64::max);
    let (tone, title, subtitle) = headline(run, &finding(record), &context(run));
    let columns = cells.first().map_or(0.0, |cell| cell.x[1] - cell.x[0]);
    Chart {
        tone,
        title,
        subtitle,
        x: time_axis(end),
        bands: Vec::new(),
        marks: Vec::new(),
        panels: vec![Panel {
            title: match cells.is_empty() {
                true => "Response times".into(),
                false => format!("Response times in each {}, log scale", seconds(columns)),
            },
            weight: 1.0,
            y,
            note: cells.is_empty().then(|| "No request ended".to_owned()),
            heat: (!cells.is_empty())
                .then(|| Heat { cells, scale: Axis::log("requests", 1.0, counted, 8, rate) }),
            ..Panel::default()
        }],
        footer: footer(run),
    }
}

fn usable(entry: &Entry, tag: &str) -> bool {
    let timed = entry.start_s >= 0.0 && entry.length_s > 0.0 && (entry.start_s + entry.length_s).is_finite();
    entry.tag == tag && timed && entry.histogram.count() > 0
}

/// What is counted in cells of equal size on the page; each interval is in the column in which its middle lies.
fn cells(entries: &[&Entry], y: &Axis, end: f64) -> Vec<Cell> {
    let Some(interval_s) = entries.iter().map(|entry| entry.length_s).min_by(f64::total_cmp) else {
        return Vec::new();
    };
    let width = interval_s * (end / interval_s / MOST_COLUMNS as f64).ceil().max(1.0);
    let row_of = |ns: u64| {
        let share = y.position((ns as f64 / MS).max(LEAST_MS));
        ((share * MOST_ROWS as f64) as usize).min(MOST_ROWS - 1)
    };
    let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for entry in entries {
        let column = ((entry.start_s + entry.length_s / 2.0) / width) as usize;
        for (ns, n) in entry.histogram.recorded() {
            *counts.entry((column, row_of(*ns))).or_default() += n;
        }
    }
    let edge = |row: usize| y.from * (y.to / y.from).powf(row as f64 / MOST_ROWS as f64);
    let cell = |((column, row), count): ((usize, usize), u64)| Cell {
        x: [column as f64 * width, (column + 1) as f64 * width],
        y: [edge(row), edge(row + 1)],
        count: count as f64,
    };
    counts.into_iter().map(cell).collect()
}

/// Where most are, and when the slowest was; of the correct answers where others failed.
fn finding(record: &Record) -> String {
    let (run, totals) = (&record.run, &record.totals);
    let failed = run.planned - run.ok.min(run.planned);
    let (tag, times, failures) = match (failed, run.ok) {
        (_, 0) if run.planned > 0 => {
            return "None of the answers was correct: these are the times of failures".to_owned();
        }
        (0, _) => ("response", &totals.response, String::new()),
        _ => {
            let share = percent(failed as f64 / run.planned as f64);
            ("ok_response", &totals.ok_response, format!("{share} failed; of the correct answers, "))
        }
    };
    let largest = |entry: &&Entry| entry.histogram.recorded().last().map_or(0, |(ns, _)| *ns);
    let entries = record.intervals.iter().filter(|entry| usable(entry, tag));
    let Some(slowest) = entries.max_by_key(largest) else { return "No request ended".to_owned() };
    let at = |q: f64| ms(times.quantile(q) as f64 / MS);
    let (took, when) = (ms(largest(&slowest) as f64 / MS), moment(slowest.start_s));
    let most = match times.count() {
        n if n < ENOUGH => format!("{failures}the slowest of {n} took {took}, at {when}"),
        _ => format!(
            "{failures}eight in ten took {} to {}; the slowest took {took}, at {when}",
            at(0.1),
            at(0.9)
        ),
    };
    capital(&most)
}

fn moment(s: f64) -> String {
    if s < 600.0 { format!("{} s", rate(s)) } else { format!("{} min", rate(s / 60.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn heat(record: &Record) -> (Chart, Heat) {
        let chart = chart(record);
        let heat = chart.panels[0].heat.clone().unwrap();
        (chart, heat)
    }

    #[test]
    fn every_answer_is_in_a_cell() {
        for record in [fixture::healthy(), fixture::freeze(), fixture::ten_hours(), fixture::single()] {
            let (chart, heat) = heat(&record);
            let counted: f64 = heat.cells.iter().map(|cell| cell.count).sum();
            assert_eq!(counted, record.totals.response.count() as f64);
            let columns = heat.cells.iter().map(|cell| cell.x[0]).fold(0.0, f64::max)
                / (heat.cells[0].x[1] - heat.cells[0].x[0]);
            assert!(columns <= MOST_COLUMNS as f64, "{columns}");
            let y = &chart.panels[0].y;
            assert!(heat.cells.iter().all(|cell| cell.y[0] >= y.from * 0.999 && cell.y[1] <= y.to * 1.001));
            assert!(heat.scale.to >= heat.cells.iter().map(|cell| cell.count).fold(0.0, f64::max));
        }
    }

    #[test]
    fn a_freeze_is_a_slope_of_falling_waits_after_a_gap() {
        let (chart, heat) = heat(&fixture::freeze());
        let highest = |from: f64| {
            let there = heat.cells.iter().filter(|cell| (cell.x[0] - from).abs() < 1e-6);
            there.map(|cell| cell.y[1]).fold(0.0, f64::max)
        };
        assert_eq!(highest(4.5), 0.0, "nothing ended then");
        assert!(highest(5.0) > 900.0 && highest(3.0) < 10.0, "{} {}", highest(5.0), highest(3.0));
        assert!(
            chart.title.contains("the slowest took 1") && chart.title.ends_with("at 5 s"),
            "{}",
            chart.title
        );
    }

    #[test]
    fn failures_are_not_taken_for_answers() {
        for (record, title) in [
            (fixture::died(), "68 % failed; of the correct answers, eight in ten took 0.5"),
            (fixture::all_failed(), "None of the answers was correct"),
            (fixture::healthy(), "Eight in ten took 0.5"),
            (
                fixture::ten_hours(),
                "0.057 % failed; of the correct answers, eight in ten took 0.53 ms to 0.67 ms",
            ),
        ] {
            let found = chart(&record).title;
            assert!(found.starts_with(title), "{found}");
        }
    }

    #[test]
    fn of_nothing_there_is_a_note() {
        let mut broken = fixture::tiny();
        broken.intervals.iter_mut().for_each(|entry| entry.length_s = f64::NAN);
        for record in [fixture::empty(), broken] {
            let chart = chart(&record);
            assert!(chart.panels[0].heat.is_none() && chart.panels[0].note.is_some());
            assert!(chart.x.from < chart.x.to);
        }
    }
}
