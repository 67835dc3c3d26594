//! One panel: its grid, cells, series and spans inside a rectangle, its ticks to the left, and the labels of its series to
//! the right, spread so that none covers another. It draws what the model says and adds nothing.

use super::canvas::{Align, Canvas, rectangle, width};
use super::heat;
use super::labels::{shorten, spread};
use super::page::{BESIDE, LEADER};
use super::plot;
use super::style::{Ink, LABEL, NOTE, TICK};
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
    /// Where the words to its right have to end.
    pub(super) end: f64,
}

impl Area {
    pub(super) fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + (self.right - self.left) * axis.position(value)
    }

    pub(super) fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * axis.position(value)
    }
}

pub(super) fn draw(canvas: &mut dyn Canvas, chart: &Chart, panel: &Panel, area: Area) -> Result<(), String> {
    let x = panel.x.as_ref().unwrap_or(&chart.x);
    let (bands, marks) = match panel.x {
        None => (&chart.bands[..], &chart.marks[..]),
        Some(_) => (&[][..], &[][..]),
    };
    for band in bands {
        let (from, to) = (area.x(x, band.from), area.x(x, band.to));
        rectangle(canvas, (from, area.top), (to, area.bottom), Ink::Band)?;
    }
    grid(canvas, x, &panel.y, area)?;
    if let Some(heat) = &panel.heat {
        heat::cells(canvas, x, &panel.y, heat, area)?;
        heat::scale(canvas, heat, area)?;
    }
    for series in &panel.series {
        plot::series(canvas, x, &panel.y, series, area)?;
    }
    canvas.line(&[(area.left, area.bottom), (area.right, area.bottom)], 1.5, Ink::Axis)?;
    for mark in marks.iter().chain(&panel.marks) {
        let at = area.x(x, mark.at);
        canvas.dashes(&[(at, area.top), (at, area.bottom)], 7.0, 2.0, Ink::Of(mark.colour))?;
    }
    for span in &panel.spans {
        bar(canvas, x, &panel.y, span, area)?;
    }
    if let Some(note) = &panel.note {
        let middle = (f64::midpoint(area.left, area.right), f64::midpoint(area.top, area.bottom));
        let note = shorten(note, area.right - area.left - 2.0 * BESIDE, |text| width(text, NOTE));
        let half = width(&note, NOTE) / 2.0 + BESIDE;
        let corner = |x: f64, y: f64| (middle.0 + x * half, middle.1 + y * NOTE.size);
        rectangle(canvas, corner(-1.0, -1.0), corner(1.0, 1.0), Ink::Paper)?;
        let baseline = (middle.0, middle.1 + NOTE.size * MIDDLE);
        canvas.text(&note, baseline, Align::Centre, NOTE, Ink::Quiet)?;
    }
    name(canvas, x, panel, area)?;
    panel.series.iter().for_each(|series| plot::tips(canvas, x, &panel.y, series, area));
    panel.heat.iter().for_each(|heat| heat::tips(canvas, x, &panel.y, heat, area));
    Ok(())
}

fn grid(canvas: &mut dyn Canvas, x: &Axis, y: &Axis, area: Area) -> Result<(), String> {
    for tick in &x.ticks {
        let at = area.x(x, tick.at);
        canvas.line(&[(at, area.top), (at, area.bottom)], 1.0, Ink::Grid)?;
    }
    // Where the panel is too low for all of its ticks, the words of some are left out; their lines stay.
    let mut free_from = f64::INFINITY;
    for tick in &y.ticks {
        let at = area.y(y, tick.at);
        canvas.line(&[(area.left, at), (area.right, at)], 1.0, Ink::Grid)?;
        if at <= free_from {
            let words = (area.left - BESIDE, at + TICK.size * MIDDLE);
            canvas.text(&tick.label, words, Align::Right, TICK, Ink::Quiet)?;
            free_from = at - TICK.size;
        }
    }
    Ok(())
}

/// A span as an upright bar with caps, led up to its words above the panel; one too narrow for caps is a dot.
fn bar(canvas: &mut dyn Canvas, x: &Axis, y: &Axis, span: &Span, area: Area) -> Result<(), String> {
    let (at, low, high) = (area.x(x, span.at), area.y(y, span.from), area.y(y, span.to));
    canvas.dashes(&[(at, area.top), (at, high)], 4.0, 1.5, Ink::Axis)?;
    if low - high < 10.0 {
        return canvas.dot((at, f64::midpoint(low, high)), 6.0, Ink::Of(span.colour));
    }
    plot::capped(canvas, at, (low, high), 8.0, 3.0, Ink::Of(span.colour))
}

/// How much room the mark takes that stands before the label of a series of marks.
pub(super) fn key_width(series: &Series) -> f64 {
    if matches!(series.shape, Shape::Points(_)) { 2.0 * plot::MARK + BESIDE / 2.0 } else { 0.0 }
}

/// The labels of the series at their right ends.
fn name(canvas: &mut dyn Canvas, x: &Axis, panel: &Panel, area: Area) -> Result<(), String> {
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
        let ink = Ink::Pale(series.colour, 0.6);
        canvas.dashes(&[(end, *from), (edge, *from)], 2.0, 1.0, ink)?;
        canvas.line(&[(edge, *from), (area.right + LEADER - 6.0, *to)], 1.0, ink)?;
        let left = area.right + LEADER;
        if let Shape::Points(marker) = series.shape {
            plot::mark(canvas, (left + plot::MARK, *to), marker, Ink::Of(series.colour))?;
        }
        let at = (left + key_width(series), to + LABEL.size * MIDDLE);
        let label = shorten(&series.label, area.end - at.0, |text| width(text, LABEL));
        canvas.text(&label, at, Align::Left, LABEL, Ink::Words(series.colour))?;
    }
    Ok(())
}
