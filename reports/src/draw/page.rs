//! The page: title and subtitle on top, panels in rows over one shared axis or over axes of their own, the footer below. It
//! shares out the room; what happens inside a panel is the panel's.

use super::canvas::{Align, Canvas, width};
use super::heat;
use super::labels::wrap;
use super::panel::{self, Area};
use super::style::{FOOTER, Ink, LABEL, PANEL_TITLE, SUBTITLE, TICK, TITLE, Type};
use crate::chart::{Axis, Band, Chart, Colour, Mark, Panel, Tone};

const MARGIN: f64 = 56.0;
const LEADING: f64 = 1.24;
/// Between two panels, and between a title and what it is the title of.
const GAP: f64 = 20.0;
/// Between two panels in one row.
const GUTTER: f64 = 48.0;
/// Between a plot and the words beside it.
pub(super) const BESIDE: f64 = 12.0;
/// The length of the lines that lead from the end of a series to its label.
pub(super) const LEADER: f64 = 30.0;
/// Between the title of a panel and its plot, of which the highest tick's words stand out by half.
const BELOW_TITLE: f64 = 16.0;
/// The most of a row's width that the labels of its series take.
const LABELS_SHARE: f64 = 0.34;
/// The most lines that a paragraph of the footer takes.
const FOOTER_LINES: usize = 3;
/// Between two words in one row.
const APART: f64 = 18.0;
/// The most lines that the title of a panel takes.
const TITLE_LINES: usize = 4;

pub(super) fn draw(canvas: &mut dyn Canvas, chart: &Chart) -> Result<(), String> {
    let size = canvas.size();
    let room = room(canvas);
    let ink = if chart.tone == Tone::Alarm { Ink::Alarm } else { Ink::Text };
    let title = wrap(&chart.title, room, 2, |text| width(text, TITLE));
    let top = write(canvas, &title, MARGIN - 16.0, TITLE, ink)?;
    let subtitle = wrap(&chart.subtitle, room, 2, |text| width(text, SUBTITLE));
    let top = write(canvas, &subtitle, top + 4.0, SUBTITLE, Ink::Quiet)?;
    let footer: Vec<_> = chart.footer.iter().flat_map(|line| paragraph(line, room)).collect();
    let bottom = f64::from(size.1) - MARGIN / 2.0 - footer.len() as f64 * FOOTER.size * LEADING;
    write(canvas, &footer, bottom, FOOTER, Ink::Quiet)?;
    panels(canvas, chart, top + GAP, bottom - GAP)
}

/// The width between the margins.
fn room(canvas: &dyn Canvas) -> f64 {
    f64::from(canvas.size().0) - 2.0 * MARGIN
}

/// A paragraph of the footer as it is where it fits, or in lines.
fn paragraph(text: &str, room: f64) -> Vec<String> {
    let fits = width(text, FOOTER) <= room;
    if fits { vec![text.to_owned()] } else { wrap(text, room, FOOTER_LINES, |line| width(line, FOOTER)) }
}

/// Writes lines from `top` on and gives where they end.
fn write(canvas: &mut dyn Canvas, lines: &[String], top: f64, face: Type, ink: Ink) -> Result<f64, String> {
    let height = face.size * LEADING;
    for (i, line) in lines.iter().enumerate() {
        let baseline = top + i as f64 * height + face.size;
        canvas.text(line, (MARGIN, baseline), Align::Left, face, ink)?;
    }
    Ok(top + lines.len() as f64 * height)
}

/// The panels of one row.
fn rows(chart: &Chart) -> Vec<&[Panel]> {
    chart.panels.chunk_by(|_, next| next.beside).collect()
}

fn panels(canvas: &mut dyn Canvas, chart: &Chart, top: f64, bottom: f64) -> Result<(), String> {
    let (rows, room) = (rows(chart), room(canvas));
    let shared = rows.iter().rposition(|row| row.iter().any(|panel| panel.x.is_none()));
    let axis_height = |i: usize, row: &[Panel]| {
        let mut axes: Vec<&Axis> = row.iter().filter_map(|panel| panel.x.as_ref()).collect();
        axes.extend((shared == Some(i)).then_some(&chart.x));
        let lines = if axes.iter().any(|axis| !axis.title.is_empty()) { 2.0 } else { 1.0 };
        if axes.is_empty() { 0.0 } else { TICK.size * LEADING * lines + BESIDE }
    };
    let named = |i: usize, row: &[Panel]| {
        i == 0 && annotated(chart) || row.iter().any(|panel| !panel.marks.is_empty())
    };
    let taken = |i: usize, row: &[Panel]| {
        head(row, room) + axis_height(i, row) + if named(i, row) { LABEL.size * LEADING } else { 0.0 }
    };
    let all_taken: f64 = rows.iter().enumerate().map(|(i, row)| taken(i, row)).sum();
    let gaps = rows.len().saturating_sub(1) as f64 * GAP;
    let weight = |row: &[Panel]| row.first().map_or(0.0, |panel| panel.weight);
    let share = (bottom - top - all_taken - gaps) / rows.iter().map(|row| weight(row)).sum::<f64>();
    let mut y = top;
    for (i, row) in rows.iter().enumerate() {
        let plot = y + taken(i, row) - axis_height(i, row);
        for (column, panel) in row.iter().enumerate() {
            let (slot, sides) = columns(&rows, row.len(), column, room);
            let (left, right) = (slot.0 + sides.0, slot.1 - sides.1);
            for (line, text) in heading(panel, slot.1 - slot.0).iter().enumerate() {
                let baseline = y + PANEL_TITLE.size + line as f64 * PANEL_TITLE.size * LEADING;
                canvas.text(text, (slot.0, baseline), Align::Left, PANEL_TITLE, Ink::Text)?;
            }
            if named(i, row) {
                let (bands, shared) =
                    if i == 0 && column == 0 { shared_words(chart) } else { Default::default() };
                let x = panel.x.as_ref().unwrap_or(&chart.x);
                let pointed = shared.into_iter().chain(panel.marks.iter().map(words)).collect();
                let baseline = y + head(row, room) + LABEL.size - BELOW_TITLE / 2.0;
                annotations(canvas, x, bands, pointed, (left, right), baseline)?;
            }
            let area = Area { left, right, top: plot, bottom: plot + share * weight(row), end: slot.1 };
            panel::draw(canvas, chart, panel, area)?;
            let own = panel.x.as_ref().or((shared == Some(i)).then_some(&chart.x));
            own.map_or(Ok(()), |x| axis(canvas, x, area))?;
        }
        y = plot + share * weight(row) + axis_height(i, row) + GAP;
    }
    Ok(())
}

/// The title of `panel` in lines.
fn heading(panel: &Panel, room: f64) -> Vec<String> {
    wrap(&panel.title, room, TITLE_LINES, |text| width(text, PANEL_TITLE))
}

/// The height of the titles of a `row` in so much room, with what is below them.
fn head(row: &[Panel], room: f64) -> f64 {
    let room = (room + GUTTER) / row.len() as f64 - GUTTER;
    let lines = row.iter().map(|panel| heading(panel, room).len()).max().unwrap_or(1).max(1);
    PANEL_TITLE.size * LEADING * lines as f64 + BELOW_TITLE
}

/// Where the slot of a `column` begins and ends, in rows of so many; and how much of it the words to the left and to the
/// right of the plots take, which are in line with one another.
fn columns(rows: &[&[Panel]], many: usize, column: usize, room: f64) -> ((f64, f64), (f64, f64)) {
    let room = room + GUTTER;
    let left = MARGIN + room * column as f64 / many as f64;
    let right = MARGIN + room * (column + 1) as f64 / many as f64 - GUTTER;
    let same = || rows.iter().filter(|row| row.len() == many).filter_map(|row| row.get(column));
    let widest = |words: &mut dyn Iterator<Item = &str>, face: Type| {
        words.map(|text| width(text, face)).fold(0.0, f64::max)
    };
    let ticks = widest(&mut same().flat_map(|p| &p.y.ticks).map(|t| t.label.as_str()), TICK);
    let named = same().flat_map(|p| &p.series).filter(|series| !series.label.is_empty());
    let labels = named.map(|s| width(&s.label, LABEL) + panel::key_width(s)).fold(0.0, f64::max);
    let labels = if labels > 0.0 { labels + LEADER + BESIDE } else { 0.0 };
    let labels = labels.min((right - left) * LABELS_SHARE);
    let scale = same().filter_map(|p| p.heat.as_ref()).map(heat::scale_width).fold(0.0, f64::max);
    ((left, right), (ticks + BESIDE, labels.max(scale)))
}

fn annotated(chart: &Chart) -> bool {
    let bands = chart.bands.iter().any(|band| !band.label.is_empty());
    bands || !chart.marks.is_empty() || spans(chart).next().is_some()
}

/// Where words belong, which they are, and in what colour.
type Pointed<'a> = (f64, &'a str, Colour);

fn words(mark: &Mark) -> Pointed<'_> {
    (mark.at, &mark.label, mark.colour)
}

/// The bands that all panels share, and what else stands above the first of them for all.
fn shared_words(chart: &Chart) -> (&[Band], Vec<Pointed<'_>>) {
    (&chart.bands, chart.marks.iter().map(words).chain(spans(chart)).collect())
}

/// The words of the bands, marks and spans in a row of their own: bands at their right ends unless they begin at the left,
/// the others where they are, moved to the left where two would touch.
fn annotations(
    canvas: &mut dyn Canvas,
    x: &Axis,
    bands: &[Band],
    mut pointed: Vec<Pointed<'_>>,
    (left, right): (f64, f64),
    baseline: f64,
) -> Result<(), String> {
    let x = |value: f64| left + (right - left) * x.position(value);
    let (mut limit, mut free_from) = (right, left);
    for band in bands.iter().rev().filter(|band| !band.label.is_empty()) {
        let width = width(&band.label, TICK);
        // One that begins with the axis, however narrow, has its words from there on, and leaves the rest of the row.
        if x(band.from) <= left {
            canvas.text(&band.label, (left, baseline), Align::Left, TICK, Ink::Quiet)?;
            free_from = left + width + APART;
            continue;
        }
        let end = x(band.to).min(limit);
        canvas.text(&band.label, (end, baseline), Align::Right, TICK, Ink::Quiet)?;
        limit = end - width - APART;
    }
    pointed.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut starts = Vec::with_capacity(pointed.len());
    for (at, label, _) in &pointed {
        let width = width(label, LABEL);
        let start = (x(*at) - width / 2.0).min(limit - width);
        starts.push(start);
        limit = start - APART;
    }
    // What came to lie too far to the left moves back, and pushes the others on.
    for ((_, label, colour), start) in pointed.iter().zip(starts).rev() {
        let start = start.max(free_from);
        canvas.text(label, (start, baseline), Align::Left, LABEL, Ink::Words(*colour))?;
        free_from = start + width(label, LABEL) + APART;
    }
    Ok(())
}

/// The spans of the first panel: there is room for words above that one only.
fn spans(chart: &Chart) -> impl Iterator<Item = Pointed<'_>> {
    let first = chart.panels.first().map_or(&[][..], |panel| &panel.spans);
    first.iter().map(|span| (span.at, span.label.as_str(), span.colour))
}

/// The words of an axis below its plot.
fn axis(canvas: &mut dyn Canvas, x: &Axis, area: Area) -> Result<(), String> {
    let baseline = area.bottom + BESIDE + TICK.size * 0.8;
    let mut free_from = f64::NEG_INFINITY;
    for tick in &x.ticks {
        let half = width(&tick.label, TICK) / 2.0;
        let at = area.x(x, tick.at);
        // A label that would touch the one before it is left out; its grid line stays.
        if at - half >= free_from {
            canvas.text(&tick.label, (at, baseline), Align::Centre, TICK, Ink::Quiet)?;
            free_from = at + half + APART;
        }
    }
    let middle = f64::midpoint(area.left, area.right);
    canvas.text(&x.title, (middle, baseline + TICK.size * LEADING), Align::Centre, TICK, Ink::Quiet)
}
