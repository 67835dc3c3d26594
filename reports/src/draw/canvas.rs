//! White paper of a fixed size to draw lines, areas and words on, in pixels with fractions. It is the one place that
//! calls the plotting library: everything is drawn at twice the size and scaled down, which smooths the edges, and the
//! type comes with the program, so that a machine without fonts draws the same picture.

use super::style::{PAPER, Rgb, Type};
use plotters::prelude::{BitMapBackend, DrawingBackend};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, ShapeStyle, register_font};
use std::fmt::Display;
use std::path::Path;
use std::sync::OnceLock;

/// Pixels drawn per pixel kept, in each direction; scaling down relies on it being two.
const FINE: u32 = 2;
const CHANNELS: usize = 3;
/// From the em of the bundled type to its line height, which is what the library takes for its size.
const LINE_PER_EM: f64 = 1.172;

static REGULAR: &[u8] = include_bytes!("../../fonts/Roboto-Regular.ttf");
static BOLD: &[u8] = include_bytes!("../../fonts/Roboto-Bold.ttf");

/// Where words stand in relation to the point they are put at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// A picture in the making.
pub(super) struct Canvas {
    size: (u32, u32),
    fine: Vec<u8>,
}

impl Canvas {
    /// A blank one of `size` pixels.
    pub(super) fn new(size: (u32, u32)) -> Result<Self, String> {
        fonts_registered()?;
        let (width, height) = ((size.0 * FINE) as usize, (size.1 * FINE) as usize);
        let blank = [PAPER.0, PAPER.1, PAPER.2].repeat(width * height);
        Ok(Self { size, fine: blank })
    }

    fn backend(&mut self) -> BitMapBackend<'_> {
        BitMapBackend::with_buffer(&mut self.fine, (self.size.0 * FINE, self.size.1 * FINE))
    }

    /// Fills the rectangle between two corners.
    pub(super) fn rectangle(&mut self, a: (f64, f64), b: (f64, f64), colour: Rgb) -> Result<(), String> {
        let (a, b) = (fine(a), fine(b));
        let upper_left = (a.0.min(b.0), a.1.min(b.1));
        let lower_right = (a.0.max(b.0), a.1.max(b.1));
        let style = ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 0 };
        self.backend().draw_rect(upper_left, lower_right, &style, true).map_err(words)
    }

    /// Draws a line of `width` from point to point, with round joins and ends.
    pub(super) fn line(&mut self, points: &[(f64, f64)], width: f64, colour: Rgb) -> Result<(), String> {
        let style = ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 1 };
        let radius = width * f64::from(FINE) / 2.0;
        let mut backend = self.backend();
        for pair in points.windows(2) {
            let quad = thick(pair[0], pair[1], width);
            backend.fill_polygon(quad.map(fine), &style).map_err(words)?;
        }
        // Below that, a circle of whole pixels is a blot wider than the line.
        if radius >= 2.0 {
            for point in points {
                backend.draw_circle(fine(*point), radius as u32, &style, true).map_err(words)?;
            }
        }
        Ok(())
    }

    /// Draws a line of dashes and gaps, each `dash` long.
    pub(super) fn dashes(
        &mut self,
        a: (f64, f64),
        b: (f64, f64),
        dash: f64,
        width: f64,
        colour: Rgb,
    ) -> Result<(), String> {
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        let at = |along: f64| {
            let share = (along / length).min(1.0);
            (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share)
        };
        let mut along = 0.0;
        while along < length {
            self.line(&[at(along), at(along + dash)], width, colour)?;
            along += 2.0 * dash;
        }
        Ok(())
    }

    /// Fills a circle.
    pub(super) fn dot(&mut self, centre: (f64, f64), radius: f64, colour: Rgb) -> Result<(), String> {
        let style = ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 1 };
        let radius = (radius * f64::from(FINE)) as u32;
        self.backend().draw_circle(fine(centre), radius, &style, true).map_err(words)
    }

    /// Writes `text` in one line on the baseline through `at`.
    pub(super) fn text(
        &mut self,
        text: &str,
        at: (f64, f64),
        align: Align,
        face: Type,
        colour: Rgb,
    ) -> Result<(), String> {
        let width = self.width(text, face);
        let left = match align {
            Align::Left => at.0,
            Align::Centre => at.0 - width / 2.0,
            Align::Right => at.0 - width,
        };
        let font = font(face);
        // The library puts the baseline half a font size below the point it is given.
        let (x, y) = fine((left, at.1));
        let top = y - (font.get_size() / 2.0) as i32;
        self.backend().draw_text(text, &font.color(&colour), (x, top)).map_err(words)
    }

    /// How wide `text` is in pixels.
    pub(super) fn width(&self, text: &str, face: Type) -> f64 {
        font(face).box_size(text).map_or(0.0, |(width, _)| f64::from(width) / f64::from(FINE))
    }

    /// Writes the picture as a PNG.
    pub(super) fn save(&self, path: &Path) -> Result<(), String> {
        let kept = self.scaled_down();
        let mut file = BitMapBackend::new(path, self.size);
        file.blit_bitmap((0, 0), self.size, &kept).map_err(words)?;
        file.present().map_err(words)
    }

    /// Each pixel kept is the mean of the four drawn in its place.
    fn scaled_down(&self) -> Vec<u8> {
        let row = (self.size.0 * FINE) as usize * CHANNELS;
        let mut kept = Vec::with_capacity(self.fine.len() / (FINE * FINE) as usize);
        for rows in self.fine.chunks_exact(2 * row) {
            let (upper, lower) = rows.split_at(row);
            for (up, low) in upper.chunks_exact(2 * CHANNELS).zip(lower.chunks_exact(2 * CHANNELS)) {
                for c in 0..CHANNELS {
                    let four = [up[c], up[c + CHANNELS], low[c], low[c + CHANNELS]].map(u16::from);
                    kept.push(((four[0] + four[1] + four[2] + four[3]) / 4) as u8);
                }
            }
        }
        kept
    }
}

fn fonts_registered() -> Result<(), String> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let both = || {
        register_font("sans-serif", FontStyle::Normal, REGULAR).is_ok()
            && register_font("sans-serif", FontStyle::Bold, BOLD).is_ok()
    };
    if *REGISTERED.get_or_init(both) { Ok(()) } else { Err("the bundled type is no font".to_owned()) }
}

fn font(face: Type) -> FontDesc<'static> {
    let style = if face.bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::SansSerif, face.size * LINE_PER_EM * f64::from(FINE), style)
}

/// The corners of the line from `a` to `b`.
fn thick(a: (f64, f64), b: (f64, f64), width: f64) -> [(f64, f64); 4] {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy).max(1e-9);
    let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
    [(a.0 + nx, a.1 + ny), (b.0 + nx, b.1 + ny), (b.0 - nx, b.1 - ny), (a.0 - nx, a.1 - ny)]
}

fn fine(point: (f64, f64)) -> (i32, i32) {
    ((point.0 * f64::from(FINE)).round() as i32, (point.1 * f64::from(FINE)).round() as i32)
}

fn words(error: impl Display) -> String {
    error.to_string()
}
