//! The cells of a heat map, and beside the plot the scale of their colours. Cells of one colour are one shape, so that a map
//! of thousands of them is a short text.

use super::canvas::{Align, Canvas, Point, rectangle, width};
use super::page::{BESIDE, LEADER};
use super::panel::Area;
use super::style::{Ink, TICK, heat_step, heat_steps};
use crate::chart::{Axis, Cell, Heat};
use crate::number::rate;
use std::collections::BTreeMap;

/// The width of the scale in pixels.
const BAR: f64 = 26.0;

/// How much room the scale takes to the right of the plot.
pub(super) fn scale_width(heat: &Heat) -> f64 {
    let words = heat.scale.ticks.iter().map(|tick| width(&tick.label, TICK)).fold(0.0, f64::max);
    LEADER + BAR + BESIDE + words.max(width(&heat.scale.title, TICK) - BAR - BESIDE)
}

pub(super) fn cells(
    canvas: &mut dyn Canvas,
    x: &Axis,
    y: &Axis,
    heat: &Heat,
    area: Area,
) -> Result<(), String> {
    let mut shapes: Vec<Vec<(Point, Point)>> = vec![Vec::new(); heat_steps()];
    for cell in &heat.cells {
        let (left, right) = (area.x(x, cell.x[0]), area.x(x, cell.x[1]));
        let (low, high) = (area.y(y, cell.y[0]), area.y(y, cell.y[1]));
        // Cells meet on whole pixels: a seam between two would look like a gap in what was counted.
        let corners = ((left.floor(), high.floor()), (right.floor(), low.floor()));
        shapes[heat_step(heat.scale.position(cell.count))].push(corners);
    }
    for (step, corners) in shapes.iter().enumerate().filter(|(_, corners)| !corners.is_empty()) {
        canvas.rectangles(corners, step_ink(step))?;
    }
    Ok(())
}

/// Says of each column where the most are: every cell by itself would be a text of thousands.
pub(super) fn tips(canvas: &mut dyn Canvas, x: &Axis, y: &Axis, heat: &Heat, area: Area) {
    let mut fullest: BTreeMap<u64, &Cell> = BTreeMap::new();
    for cell in &heat.cells {
        let most = fullest.entry(cell.x[0].to_bits()).or_insert(cell);
        if cell.count > most.count {
            *most = cell;
        }
    }
    for cell in fullest.into_values() {
        let [from, to] = cell.y.map(|value| y.reading.of(value));
        let words = format!(
            "{} {}\n{from} to {to}\nat {}",
            rate(cell.count),
            heat.scale.title,
            x.reading.of(cell.x[0])
        );
        let middle = [cell.x, cell.y].map(|[from, to]| f64::midpoint(from, to));
        canvas.tip((area.x(x, middle[0]), area.y(y, middle[1])), &words);
    }
}

fn step_ink(step: usize) -> Ink {
    Ink::Heat((step as f64 + 0.5) / heat_steps() as f64)
}

pub(super) fn scale(canvas: &mut dyn Canvas, heat: &Heat, area: Area) -> Result<(), String> {
    let left = area.right + LEADER;
    canvas.text(&heat.scale.title, (left, area.top + TICK.size * 0.8), Align::Left, TICK, Ink::Quiet)?;
    let top = area.top + TICK.size * 2.0;
    let at = |share: f64| area.bottom - (area.bottom - top) * share;
    for step in 0..heat_steps() {
        let (from, to) = (step as f64 / heat_steps() as f64, (step + 1) as f64 / heat_steps() as f64);
        let corners = ((left, at(from).round()), (left + BAR, at(to).round()));
        rectangle(canvas, corners.0, corners.1, step_ink(step))?;
    }
    for tick in &heat.scale.ticks {
        let baseline = at(heat.scale.position(tick.at)) + TICK.size * 0.35;
        canvas.text(&tick.label, (left + BAR + BESIDE, baseline), Align::Left, TICK, Ink::Quiet)?;
    }
    Ok(())
}
