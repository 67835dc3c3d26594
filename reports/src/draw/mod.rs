//! From a chart model to a PNG file: the page with its title, panels and footer. Nothing here knows what a run is, and
//! nothing outside knows the plotting library; drawing the same chart twice gives the same picture.

mod canvas;
mod labels;
mod page;
mod panel;
mod style;

use crate::chart::Chart;
use canvas::Canvas;
use std::path::Path;

/// The size of every picture in pixels.
pub const SIZE: (u32, u32) = (1600, 900);

/// Draws `chart` into the file `path`, which is replaced.
///
/// # Errors
/// When the file cannot be written.
pub fn png(chart: &Chart, path: &Path) -> Result<(), String> {
    let mut canvas = Canvas::new(SIZE)?;
    page::draw(&mut canvas, chart)?;
    canvas.save(path).map_err(|e| format!("{}: {e}", path.display()))
}
