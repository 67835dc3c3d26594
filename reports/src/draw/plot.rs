//! One series inside its panel, by its shape, and what its points say to a reader who points at them.

use super::canvas::{Canvas, Point, rectangle};
use super::panel::Area;
use super::style::{Ink, width};
use crate::chart::{Axis, Marker, Series, Shape};

/// The radius of a mark in pixels.
pub(super) const MARK: f64 = 6.0;
/// More points than this in a series lie too near one another to be pointed at: of more, some are left out.
const MOST_TIPS: usize = 300;
/// How thick a bar is, in units of its axis.
const BAR: f64 = 0.62;
/// However short a time was, its bar can be seen.
const LEAST_BAR: f64 = 3.0;
/// How opaque the room around a bar is.
const ROOM: f64 = 0.16;
/// How opaque the area between two curves is.
const BETWEEN: f64 = 0.22;

pub(super) fn series(
    canvas: &mut dyn Canvas,
    x: &Axis,
    y: &Axis,
    series: &Series,
    area: Area,
) -> Result<(), String> {
    let ink = Ink::Of(series.colour);
    let at = |(px, py): (f64, f64)| (area.x(x, px), area.y(y, py));
    match series.shape {
        Shape::Area => filled(canvas, x, y, series, area),
        Shape::Line(weight) => runs(&series.points).into_iter().try_for_each(|run| {
            line_or_dot(canvas, &run.into_iter().map(at).collect::<Vec<_>>(), width(weight), ink)
        }),
        Shape::Dashed(weight) => runs(&series.points).into_iter().try_for_each(|run| {
            canvas.dashes(&run.into_iter().map(at).collect::<Vec<_>>(), 9.0, width(weight), ink)
        }),
        Shape::Steps(weight) => runs(&series.points).into_iter().try_for_each(|run| {
            let mut points: Vec<Point> = Vec::with_capacity(2 * run.len());
            for point in run.into_iter().map(at) {
                points.extend(points.last().map(|before| (point.0, before.1)));
                points.push(point);
            }
            line_or_dot(canvas, &points, width(weight), ink)
        }),
        Shape::Points(marker) => series
            .points
            .iter()
            .filter_map(|(px, py)| py.map(|py| at((*px, py))))
            .try_for_each(|point| mark(canvas, point, marker, ink)),
        Shape::Whiskers => pairs(&series.points).into_iter().try_for_each(|(px, low, high)| {
            let (low, high) = (area.y(y, low), area.y(y, high));
            capped(canvas, area.x(x, px), (low, high), 9.0, 2.0, ink)
        }),
        Shape::Bar => bar(canvas, x, y, series, area, ink),
        Shape::Room => bar(canvas, x, y, series, area, Ink::Pale(series.colour, ROOM)),
        Shape::Between => {
            let pairs = pairs(&series.points);
            let lower = pairs.iter().map(|(px, low, _)| at((*px, *low)));
            let upper = pairs.iter().rev().map(|(px, _, high)| at((*px, *high)));
            let outline: Vec<_> = lower.chain(upper).collect();
            canvas.polygon(&outline, Ink::Pale(series.colour, BETWEEN))
        }
    }
}

/// Says each point's values where it is.
pub(super) fn tips(canvas: &mut dyn Canvas, x: &Axis, y: &Axis, series: &Series, area: Area) {
    let told = match series.shape {
        Shape::Line(_) | Shape::Steps(_) | Shape::Points(_) => true,
        // One from end to end is a level, and its label says all.
        Shape::Dashed(_) => series.points.len() > 2,
        Shape::Area | Shape::Whiskers | Shape::Bar | Shape::Room | Shape::Between => false,
    };
    if !told {
        return;
    }
    let stride = series.points.len().div_ceil(MOST_TIPS).max(1);
    let some = series.points.iter().step_by(stride);
    for (px, value) in some.filter_map(|(px, py)| py.map(|py| (*px, py))) {
        let name = if series.label.is_empty() { String::new() } else { format!("{}: ", series.label) };
        let words = format!("{name}{}\nat {}", y.reading.of(value), x.reading.of(px));
        canvas.tip((area.x(x, px), area.y(y, value)), &words);
    }
}

/// Between the ends of a series in one row.
fn bar(
    canvas: &mut dyn Canvas,
    x: &Axis,
    y: &Axis,
    series: &Series,
    area: Area,
    ink: Ink,
) -> Result<(), String> {
    let (Some((from, Some(row))), Some((to, _))) = (series.points.first(), series.points.last()) else {
        return Ok(());
    };
    let left = area.x(x, *from).min(area.right - LEAST_BAR);
    let right = area.x(x, *to).max(left + LEAST_BAR);
    rectangle(canvas, (left, area.y(y, row + BAR / 2.0)), (right, area.y(y, row - BAR / 2.0)), ink)
}

/// An upright bar with caps from `low` to `high`, in pixels.
pub(super) fn capped(
    canvas: &mut dyn Canvas,
    at: f64,
    (low, high): (f64, f64),
    cap: f64,
    width: f64,
    ink: Ink,
) -> Result<(), String> {
    canvas.line(&[(at, low), (at, high)], width, ink)?;
    [low, high].into_iter().try_for_each(|end| canvas.line(&[(at - cap, end), (at + cap, end)], width, ink))
}

fn filled(canvas: &mut dyn Canvas, x: &Axis, y: &Axis, series: &Series, area: Area) -> Result<(), String> {
    let corners: Vec<_> = series
        .points
        .windows(2)
        .filter_map(|pair| {
            let value = pair[0].1.filter(|value| *value > y.from)?;
            let from = (area.x(x, pair[0].0), area.y(y, value));
            let to = (area.x(x, pair[1].0), area.y(y, y.from));
            // Never narrower or lower than can be seen, for a short outage is an outage.
            let (right, top) = (to.0.max(from.0 + 4.0), from.1.min(area.bottom - 3.0));
            Some(((from.0, top), (right.min(area.right), to.1)))
        })
        .collect();
    canvas.rectangles(&corners, Ink::Pale(series.colour, 0.85))
}

/// A mark in the middle of a point.
pub(super) fn mark(canvas: &mut dyn Canvas, (x, y): Point, marker: Marker, ink: Ink) -> Result<(), String> {
    match marker {
        Marker::Dot => canvas.dot((x, y), MARK, ink),
        Marker::Ring => {
            canvas.dot((x, y), MARK, ink)?;
            canvas.dot((x, y), MARK - 2.5, Ink::Paper)
        }
        Marker::Cross => [-1.0, 1.0].into_iter().try_for_each(|slope| {
            let arm = MARK * slope;
            canvas.line(&[(x - MARK, y - arm), (x + MARK, y + arm)], 3.0, ink)
        }),
        Marker::Diamond => {
            let arm = MARK * 1.5;
            canvas.polygon(&[(x - arm, y), (x, y - arm), (x + arm, y), (x, y + arm)], ink)
        }
        Marker::Square => rectangle(canvas, (x - MARK, y - MARK), (x + MARK, y + MARK), ink),
        Marker::Triangle => {
            let arm = MARK * 1.3;
            canvas.polygon(&[(x - arm, y + arm * 0.8), (x, y - arm), (x + arm, y + arm * 0.8)], ink)
        }
    }
}

/// The points between gaps.
fn runs(points: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    points
        .split(|(_, y)| y.is_none())
        .map(|run| run.iter().filter_map(|(x, y)| y.map(|y| (*x, y))).collect::<Vec<_>>())
        .filter(|run| !run.is_empty())
        .collect()
}

/// Where each pair is, with its lower and its upper end.
fn pairs(points: &[(f64, Option<f64>)]) -> Vec<(f64, f64, f64)> {
    points.chunks_exact(2).filter_map(|pair| Some((pair[0].0, pair[0].1?, pair[1].1?))).collect()
}

fn line_or_dot(canvas: &mut dyn Canvas, points: &[Point], width: f64, ink: Ink) -> Result<(), String> {
    match points {
        [alone] => canvas.dot(*alone, width.max(2.0) * 1.2, ink),
        _ => canvas.line(points, width, ink),
    }
}
