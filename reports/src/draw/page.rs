//! The page: title and subtitle on top, panels over one shared axis, the footer below. It shares out the room; what
//! happens inside a panel is the panel's.

use super::SIZE;
use super::canvas::{Align, Canvas};
use super::labels::{shorten, wrap};
use super::panel::{self, Area};
use super::style::{ALARM, FOOTER, INK, LABEL, PANEL_TITLE, QUIET, SUBTITLE, TICK, TITLE, Type, readable};
use crate::chart::{Chart, Colour, Tone};

const MARGIN: f64 = 56.0;
const LEADING: f64 = 1.24;
/// Between two panels, and between a title and what it is the title of.
const GAP: f64 = 20.0;
/// Between a plot and the words beside it.
pub(super) const BESIDE: f64 = 12.0;
/// The length of the lines that lead from the end of a series to its label.
pub(super) const LEADER: f64 = 30.0;
/// Between the title of a panel and its plot, of which the highest tick's words stand out by half.
const BELOW_TITLE: f64 = 16.0;
/// Between two words in one row.
const APART: f64 = 18.0;

pub(super) fn draw(canvas: &mut Canvas, chart: &Chart) -> Result<(), String> {
    let room = f64::from(SIZE.0) - 2.0 * MARGIN;
    let colour = if chart.tone == Tone::Alarm { ALARM } else { INK };
    let title = wrap(&chart.title, room, 2, |text| canvas.width(text, TITLE));
    let top = write(canvas, &title, MARGIN - 16.0, TITLE, colour)?;
    let subtitle = wrap(&chart.subtitle, room, 2, |text| canvas.width(text, SUBTITLE));
    let top = write(canvas, &subtitle, top + 4.0, SUBTITLE, QUIET)?;
    let footer: Vec<_> =
        chart.footer.iter().map(|line| shorten(line, room, |text| canvas.width(text, FOOTER))).collect();
    let bottom = f64::from(SIZE.1) - MARGIN / 2.0 - footer.len() as f64 * FOOTER.size * LEADING;
    write(canvas, &footer, bottom, FOOTER, QUIET)?;
    panels(canvas, chart, top + GAP, bottom - GAP)
}

/// Writes lines from `top` on and gives where they end.
fn write(
    canvas: &mut Canvas,
    lines: &[String],
    top: f64,
    face: Type,
    colour: super::style::Rgb,
) -> Result<f64, String> {
    let height = face.size * LEADING;
    for (i, line) in lines.iter().enumerate() {
        let baseline = top + i as f64 * height + face.size;
        canvas.text(line, (MARGIN, baseline), Align::Left, face, colour)?;
    }
    Ok(top + lines.len() as f64 * height)
}

fn panels(canvas: &mut Canvas, chart: &Chart, top: f64, bottom: f64) -> Result<(), String> {
    let widest = |words: &mut dyn Iterator<Item = &str>, face: Type| {
        words.map(|text| canvas.width(text, face)).fold(0.0, f64::max)
    };
    let ticks = widest(&mut chart.panels.iter().flat_map(|p| &p.y.ticks).map(|t| t.label.as_str()), TICK);
    let labels = widest(&mut chart.panels.iter().flat_map(|p| &p.series).map(|s| s.label.as_str()), LABEL);
    let left = MARGIN + ticks + BESIDE;
    let right = f64::from(SIZE.0) - MARGIN - if labels > 0.0 { labels + LEADER + BESIDE } else { 0.0 };
    let axis_height = TICK.size * LEADING * if chart.x.title.is_empty() { 1.0 } else { 2.0 } + BESIDE;
    let annotated = !(chart.marks.is_empty() && chart.bands.is_empty() && spans(chart).next().is_none());
    let row = LABEL.size * LEADING;
    let heads = chart.panels.len() as f64 * (PANEL_TITLE.size * LEADING + BELOW_TITLE)
        + if annotated { row } else { 0.0 };
    let gaps = chart.panels.len().saturating_sub(1) as f64 * GAP;
    let share =
        (bottom - top - axis_height - heads - gaps) / chart.panels.iter().map(|p| p.weight).sum::<f64>();
    let mut y = top;
    let mut area = Area { left, right, top, bottom };
    for (i, panel) in chart.panels.iter().enumerate() {
        canvas.text(&panel.title, (MARGIN, y + PANEL_TITLE.size), Align::Left, PANEL_TITLE, INK)?;
        y += PANEL_TITLE.size * LEADING + BELOW_TITLE;
        if i == 0 && annotated {
            annotations(canvas, chart, (left, right), y + LABEL.size - BELOW_TITLE / 2.0)?;
            y += row;
        }
        area = Area { left, right, top: y, bottom: y + share * panel.weight };
        panel::draw(canvas, chart, panel, area)?;
        y = area.bottom + GAP;
    }
    shared_axis(canvas, chart, area)
}

/// The words of the bands, marks and spans in a row of their own: bands at their right ends unless they begin at the left,
/// the others where they are, moved to the left where two would touch.
fn annotations(
    canvas: &mut Canvas,
    chart: &Chart,
    (left, right): (f64, f64),
    baseline: f64,
) -> Result<(), String> {
    let x = |value: f64| left + (right - left) * chart.x.position(value);
    let (mut limit, mut free_from) = (right, left);
    for band in chart.bands.iter().rev() {
        let width = canvas.width(&band.label, TICK);
        // One that begins with the axis, however narrow, has its words from there on, and leaves the rest of the row.
        if x(band.from) <= left {
            canvas.text(&band.label, (left, baseline), Align::Left, TICK, QUIET)?;
            free_from = left + width + APART;
            continue;
        }
        let end = x(band.to).min(limit);
        canvas.text(&band.label, (end, baseline), Align::Right, TICK, QUIET)?;
        limit = end - width - APART;
    }
    let marks = chart.marks.iter().map(|mark| (mark.at, mark.label.as_str(), mark.colour));
    let mut pointed: Vec<_> = marks.chain(spans(chart)).collect();
    pointed.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (at, label, colour) in pointed {
        let width = canvas.width(label, LABEL);
        let start = (x(at) - width / 2.0).min(limit - width).max(free_from);
        canvas.text(label, (start, baseline), Align::Left, LABEL, readable(colour))?;
        limit = start - APART;
    }
    Ok(())
}

/// The spans of the first panel: there is room for words above that one only.
fn spans(chart: &Chart) -> impl Iterator<Item = (f64, &str, Colour)> {
    let first = chart.panels.first().map_or(&[][..], |panel| &panel.spans);
    first.iter().map(|span| (span.at, span.label.as_str(), span.colour))
}

fn shared_axis(canvas: &mut Canvas, chart: &Chart, area: Area) -> Result<(), String> {
    let baseline = area.bottom + BESIDE + TICK.size * 0.8;
    let mut free_from = f64::NEG_INFINITY;
    for tick in &chart.x.ticks {
        let half = canvas.width(&tick.label, TICK) / 2.0;
        let at = area.x(&chart.x, tick.at);
        // A label that would touch the one before it is left out; its grid line stays.
        if at - half >= free_from {
            canvas.text(&tick.label, (at, baseline), Align::Centre, TICK, QUIET)?;
            free_from = at + half + APART;
        }
    }
    let middle = f64::midpoint(area.left, area.right);
    canvas.text(&chart.x.title, (middle, baseline + TICK.size * LEADING), Align::Centre, TICK, QUIET)
}
