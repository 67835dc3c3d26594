//! One panel: its grid, series and spans inside a rectangle, its ticks to the left, and the labels of its series to
//! the right, spread so that none covers another. It draws what the model says and adds nothing.

use super::canvas::{Align, Canvas};
use super::labels::spread;
use super::page::{BESIDE, LEADER};
use super::style::{AXIS, BAND, GRID, LABEL, NOTE, PAPER, QUIET, TICK, pale, readable, rgb, width};
use crate::chart::{Axis, Chart, Panel, Series, Shape, Span};

/// From the baseline of words to the middle of their height, relative to the size of the type.
const MIDDLE: f64 = 0.35;
/// Between the baselines of two labels, relative to the size of the type.
const LABEL_PITCH: f64 = 1.15;

/// Where a panel is plotted, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + (self.right - self.left) * axis.position(value)
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * axis.position(value)
    }
}

pub(super) fn draw(canvas: &mut Canvas, chart: &Chart, panel: &Panel, area: Area) -> Result<(), String> {
    for band in &chart.bands {
        let (from, to) = (area.x(&chart.x, band.from), area.x(&chart.x, band.to));
        canvas.rectangle((from, area.top), (to, area.bottom), BAND)?;
    }
    grid(canvas, chart, panel, area)?;
    for series in &panel.series {
        plot(canvas, &chart.x, &panel.y, series, area)?;
    }
    canvas.line(&[(area.left, area.bottom), (area.right, area.bottom)], 1.5, AXIS)?;
    for mark in &chart.marks {
        let x = area.x(&chart.x, mark.at);
        canvas.dashes((x, area.top), (x, area.bottom), 7.0, 2.0, rgb(mark.colour))?;
    }
    for span in &panel.spans {
        bar(canvas, &chart.x, &panel.y, span, area)?;
    }
    if let Some(note) = &panel.note {
        let (x, y) = (f64::midpoint(area.left, area.right), f64::midpoint(area.top, area.bottom));
        let half = canvas.width(note, NOTE) / 2.0 + BESIDE;
        canvas.rectangle((x - half, y - NOTE.size), (x + half, y + NOTE.size), PAPER)?;
        canvas.text(note, (x, y + NOTE.size * MIDDLE), Align::Centre, NOTE, QUIET)?;
    }
    name(canvas, &chart.x, panel, area)
}

fn grid(canvas: &mut Canvas, chart: &Chart, panel: &Panel, area: Area) -> Result<(), String> {
    for tick in &chart.x.ticks {
        let x = area.x(&chart.x, tick.at);
        canvas.line(&[(x, area.top), (x, area.bottom)], 1.0, GRID)?;
    }
    // Where the panel is too low for all of its ticks, the words of some are left out; their lines stay.
    let mut free_from = f64::INFINITY;
    for tick in &panel.y.ticks {
        let y = area.y(&panel.y, tick.at);
        canvas.line(&[(area.left, y), (area.right, y)], 1.0, GRID)?;
        if y <= free_from {
            let at = (area.left - BESIDE, y + TICK.size * MIDDLE);
            canvas.text(&tick.label, at, Align::Right, TICK, QUIET)?;
            free_from = y - TICK.size;
        }
    }
    Ok(())
}

fn plot(canvas: &mut Canvas, x: &Axis, y: &Axis, series: &Series, area: Area) -> Result<(), String> {
    let colour = rgb(series.colour);
    let at = |(px, py): (f64, f64)| (area.x(x, px), area.y(y, py));
    match series.shape {
        Shape::Area => {
            for pair in series.points.windows(2) {
                if let Some(value) = pair[0].1.filter(|value| *value > y.from) {
                    let (from, to) = (at((pair[0].0, value)), at((pair[1].0, y.from)));
                    // Never narrower or lower than can be seen, for a short outage is an outage.
                    let (right, top) = (to.0.max(from.0 + 4.0), from.1.min(area.bottom - 3.0));
                    canvas.rectangle(
                        (from.0, top),
                        (right.min(area.right), to.1),
                        pale(series.colour, 0.85),
                    )?;
                }
            }
        }
        Shape::Line(weight) => {
            for run in runs(&series.points) {
                let points: Vec<_> = run.into_iter().map(at).collect();
                line_or_dot(canvas, &points, width(weight), colour)?;
            }
        }
        Shape::Steps(weight) => {
            for run in runs(&series.points) {
                let mut points: Vec<(f64, f64)> = Vec::with_capacity(2 * run.len());
                for point in run.into_iter().map(at) {
                    points.extend(points.last().map(|before| (point.0, before.1)));
                    points.push(point);
                }
                line_or_dot(canvas, &points, width(weight), colour)?;
            }
        }
    }
    Ok(())
}

/// The points between gaps.
fn runs(points: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    points
        .split(|(_, y)| y.is_none())
        .map(|run| run.iter().filter_map(|(x, y)| y.map(|y| (*x, y))).collect::<Vec<_>>())
        .filter(|run| !run.is_empty())
        .collect()
}

fn line_or_dot(
    canvas: &mut Canvas,
    points: &[(f64, f64)],
    width: f64,
    colour: super::style::Rgb,
) -> Result<(), String> {
    match points {
        [alone] => canvas.dot(*alone, width.max(2.0) * 1.2, colour),
        _ => canvas.line(points, width, colour),
    }
}

/// A span as an upright bar with caps, led up to its words above the panel; one too narrow for caps is a dot.
fn bar(canvas: &mut Canvas, x: &Axis, y: &Axis, span: &Span, area: Area) -> Result<(), String> {
    let (at, low, high) = (area.x(x, span.at), area.y(y, span.from), area.y(y, span.to));
    let colour = rgb(span.colour);
    canvas.dashes((at, area.top), (at, high), 4.0, 1.5, AXIS)?;
    if low - high < 10.0 {
        return canvas.dot((at, f64::midpoint(low, high)), 6.0, colour);
    }
    canvas.line(&[(at, low), (at, high)], 3.0, colour)?;
    for end in [low, high] {
        canvas.line(&[(at - 8.0, end), (at + 8.0, end)], 3.0, colour)?;
    }
    Ok(())
}

/// The labels of the series at their right ends.
fn name(canvas: &mut Canvas, x: &Axis, panel: &Panel, area: Area) -> Result<(), String> {
    let mut ends: Vec<_> =
        panel.series.iter().filter(|s| !s.label.is_empty()).filter_map(|s| Some((s, s.last()?))).collect();
    let pixel = |value: f64| area.y(&panel.y, value).round() as i64;
    let highest = |s: &Series| s.points.iter().filter_map(|p| p.1.map(pixel)).min();
    // Lines that end in one place are named in the order in which they mostly lay, the last drawn first.
    ends.reverse();
    ends.sort_by_key(|(series, (_, value))| (pixel(*value), highest(series)));
    let wished: Vec<_> = ends.iter().map(|(_, (_, value))| area.y(&panel.y, *value).round()).collect();
    let half = LABEL.size / 2.0;
    let places = spread(&wished, LABEL.size * LABEL_PITCH, area.top + half, area.bottom - half);
    for (((series, (last, _)), from), to) in ends.iter().zip(&wished).zip(&places) {
        // What leads from a line's end to its label must not be taken for the line.
        let (end, edge) = (area.x(x, *last), area.right + 4.0);
        let colour = pale(series.colour, 0.6);
        canvas.dashes((end, *from), (edge, *from), 2.0, 1.0, colour)?;
        canvas.line(&[(edge, *from), (area.right + LEADER - 6.0, *to)], 1.0, colour)?;
        let at = (area.right + LEADER, to + LABEL.size * MIDDLE);
        canvas.text(&series.label, at, Align::Left, LABEL, readable(series.colour))?;
    }
    Ok(())
}
