//! What can be drawn: lines, areas, dots and words, in pixels with fractions. Two canvases can do it, one of pixels and one
//! of SVG, and both measure words with the type that comes with the program, so that a page is laid out the same on either,
//! on a machine without fonts too.

use super::style::{Ink, Type};
use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};
use std::sync::OnceLock;

/// From the em of the bundled type to its line height, which is what the library takes for its size.
const LINE_PER_EM: f64 = 1.172;
/// Words are measured at this many times their size, since the library measures in whole pixels.
const FINE: f64 = 2.0;

static REGULAR: &[u8] = include_bytes!("../../fonts/Roboto-Regular.ttf");
static BOLD: &[u8] = include_bytes!("../../fonts/Roboto-Bold.ttf");

/// A position in pixels from the upper left corner.
pub(super) type Point = (f64, f64);

/// Where words stand in relation to the point they are put at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// White paper of a fixed size.
pub(super) trait Canvas {
    /// Its width and height in pixels.
    fn size(&self) -> (u32, u32);

    /// Fills the rectangles between pairs of corners.
    fn rectangles(&mut self, corners: &[(Point, Point)], ink: Ink) -> Result<(), String>;

    /// Fills the outline through `points`.
    fn polygon(&mut self, points: &[Point], ink: Ink) -> Result<(), String>;

    /// Draws a line of `width` from point to point, with round joins.
    fn line(&mut self, points: &[Point], width: f64, ink: Ink) -> Result<(), String>;

    /// Draws the same in dashes and gaps, each `dash` long.
    fn dashes(&mut self, points: &[Point], dash: f64, width: f64, ink: Ink) -> Result<(), String>;

    /// Fills a circle.
    fn dot(&mut self, centre: Point, radius: f64, ink: Ink) -> Result<(), String>;

    /// Writes `text` in one line on the baseline through `at`.
    fn text(&mut self, text: &str, at: Point, align: Align, face: Type, ink: Ink) -> Result<(), String>;

    /// Says `words` to a reader who points at `at`, where the canvas is one that can be pointed at.
    fn tip(&mut self, at: Point, words: &str);
}

/// Fills the rectangle between two corners.
pub(super) fn rectangle(canvas: &mut dyn Canvas, a: Point, b: Point, ink: Ink) -> Result<(), String> {
    canvas.rectangles(&[(a, b)], ink)
}

/// How wide `text` is in pixels.
pub(super) fn width(text: &str, face: Type) -> f64 {
    font(face, FINE).box_size(text).map_or(0.0, |(width, _)| f64::from(width) / FINE)
}

/// The bundled type at `scale` times its size.
pub(super) fn font(face: Type, scale: f64) -> FontDesc<'static> {
    let style = if face.bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::SansSerif, face.size * LINE_PER_EM * scale, style)
}

/// Makes the bundled type known to the library; to be called before anything is measured.
pub(super) fn fonts_registered() -> Result<(), String> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let both = || {
        register_font("sans-serif", FontStyle::Normal, REGULAR).is_ok()
            && register_font("sans-serif", FontStyle::Bold, BOLD).is_ok()
    };
    if *REGISTERED.get_or_init(both) { Ok(()) } else { Err("the bundled type is no font".to_owned()) }
}
