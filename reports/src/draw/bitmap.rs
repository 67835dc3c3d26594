//! A canvas of pixels, which becomes a PNG. Everything is drawn at twice the size and scaled down, which smooths the edges. With
//! `canvas`, it is what calls the plotting library.

use super::canvas::{Align, Canvas, Point, font, fonts_registered, width};
use super::style::{Ink, Type};
use plotters::prelude::{BitMapBackend, DrawingBackend};
use plotters::style::{Color, RGBColor, ShapeStyle};
use std::fmt::Display;

/// Pixels drawn per pixel kept, in each direction; scaling down relies on it being two.
const FINE: u32 = 2;
const CHANNELS: usize = 3;
/// A line longer than this many dashes is drawn without gaps: nobody could tell them apart.
const MOST_DASHES: f64 = 4000.0;

/// A picture in the making.
pub(super) struct Bitmap {
    size: (u32, u32),
    fine: Vec<u8>,
}

impl Bitmap {
    /// A blank one of `size` pixels.
    pub(super) fn new(size: (u32, u32)) -> Result<Self, String> {
        fonts_registered()?;
        let (width, height) = ((size.0 * FINE) as usize, (size.1 * FINE) as usize);
        let paper = Ink::Paper.rgb();
        Ok(Self { size, fine: [paper.0, paper.1, paper.2].repeat(width * height) })
    }

    fn backend(&mut self) -> BitMapBackend<'_> {
        BitMapBackend::with_buffer(&mut self.fine, (self.size.0 * FINE, self.size.1 * FINE))
    }

    /// The picture as the bytes of a PNG.
    pub(super) fn encoded(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.size.0, self.size.1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        // A third smaller than without.
        encoder.set_adaptive_filter(png::AdaptiveFilterType::Adaptive);
        let mut writer = encoder.write_header().map_err(words)?;
        writer.write_image_data(&self.scaled_down()).map_err(words)?;
        writer.finish().map_err(words)?;
        Ok(bytes)
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

impl Canvas for Bitmap {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn rectangles(&mut self, corners: &[(Point, Point)], ink: Ink) -> Result<(), String> {
        let style = filled(ink.rgb());
        let mut backend = self.backend();
        for (a, b) in corners.iter().map(|(a, b)| (fine(*a), fine(*b))) {
            let upper_left = (a.0.min(b.0), a.1.min(b.1));
            let lower_right = (a.0.max(b.0), a.1.max(b.1));
            backend.draw_rect(upper_left, lower_right, &style, true).map_err(words)?;
        }
        Ok(())
    }

    fn polygon(&mut self, points: &[Point], ink: Ink) -> Result<(), String> {
        let style = filled(ink.rgb());
        self.backend().fill_polygon(points.iter().copied().map(fine), &style).map_err(words)
    }

    fn line(&mut self, points: &[Point], width: f64, ink: Ink) -> Result<(), String> {
        let style = filled(ink.rgb());
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

    fn dashes(&mut self, points: &[Point], dash: f64, width: f64, ink: Ink) -> Result<(), String> {
        let length: f64 = points.windows(2).map(|pair| distance(pair[0], pair[1])).sum();
        if length > dash * MOST_DASHES {
            return self.line(points, width, ink);
        }
        dashed(points, dash).iter().try_for_each(|dash| self.line(dash, width, ink))
    }

    fn dot(&mut self, centre: Point, radius: f64, ink: Ink) -> Result<(), String> {
        let radius = (radius * f64::from(FINE)) as u32;
        self.backend().draw_circle(fine(centre), radius, &filled(ink.rgb()), true).map_err(words)
    }

    fn text(&mut self, text: &str, at: Point, align: Align, face: Type, ink: Ink) -> Result<(), String> {
        let left = match align {
            Align::Left => at.0,
            Align::Centre => at.0 - width(text, face) / 2.0,
            Align::Right => at.0 - width(text, face),
        };
        let font = font(face, f64::from(FINE));
        // The library puts the baseline half a font size below the point it is given.
        let (x, y) = fine((left, at.1));
        let top = y - (font.get_size() / 2.0) as i32;
        self.backend().draw_text(text, &font.color(&ink.rgb()), (x, top)).map_err(words)
    }

    fn tip(&mut self, _at: Point, _words: &str) {}
}

fn filled(colour: RGBColor) -> ShapeStyle {
    ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: 1 }
}

/// The corners of the line from `a` to `b`.
fn thick(a: Point, b: Point, width: f64) -> [Point; 4] {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy).max(1e-9);
    let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
    [(a.0 + nx, a.1 + ny), (b.0 + nx, b.1 + ny), (b.0 - nx, b.1 - ny), (a.0 - nx, a.1 - ny)]
}

fn distance(a: Point, b: Point) -> f64 {
    (b.0 - a.0).hypot(b.1 - a.1)
}

/// The line through `points` as dashes, each `dash` long and as far from the next; round corners they bend.
fn dashed(points: &[Point], dash: f64) -> Vec<Vec<Point>> {
    let mut dashes: Vec<Vec<Point>> = Vec::new();
    let mut along = 0.0;
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let (begun, ended) = (along, along + distance(a, b));
        let at = |along: f64| {
            let share = (along - begun) / (ended - begun);
            (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share)
        };
        while along < ended {
            let place = (along / dash).floor();
            let end = ((place + 1.0) * dash).min(ended);
            // What floats leave over at a dash's end is no step forward.
            let end = if end > along { end } else { ((place + 2.0) * dash).min(ended) };
            if place.rem_euclid(2.0) < 0.5 {
                let goes_on = along > place * dash && along == begun;
                match dashes.last_mut().filter(|_| goes_on) {
                    Some(bent) => bent.push(at(end)),
                    None => dashes.push(vec![at(along), at(end)]),
                }
            }
            along = end;
        }
        along = ended.max(along);
    }
    dashes
}

fn fine(point: Point) -> (i32, i32) {
    ((point.0 * f64::from(FINE)).round() as i32, (point.1 * f64::from(FINE)).round() as i32)
}

fn words(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_round_corners() {
        let straight = dashed(&[(0.0, 0.0), (25.0, 0.0)], 10.0);
        assert_eq!(straight, [vec![(0.0, 0.0), (10.0, 0.0)], vec![(20.0, 0.0), (25.0, 0.0)]]);
        let bent = dashed(&[(0.0, 0.0), (5.0, 0.0), (5.0, 30.0)], 10.0);
        let corner = vec![(0.0, 0.0), (5.0, 0.0), (5.0, 5.0)];
        assert_eq!(bent, [corner, vec![(5.0, 15.0), (5.0, 25.0)]]);
        assert_eq!(dashed(&[(1.0, 1.0), (1.0, 1.0)], 10.0), Vec::<Vec<Point>>::new());
    }
}
