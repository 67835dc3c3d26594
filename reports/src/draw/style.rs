//! How pictures look: the palette, which Okabe and Ito (2008, Color Universal Design) chose so that colour-blind
//! readers tell it apart too, and the sizes of type and lines, which hold when a picture is shown at half its size.

use crate::chart::{Colour, Weight};
use plotters::style::RGBColor;

/// A colour as red, green and blue.
pub(super) type Rgb = RGBColor;

pub(super) const PAPER: Rgb = RGBColor(255, 255, 255);
pub(super) const INK: Rgb = RGBColor(33, 33, 33);
pub(super) const QUIET: Rgb = RGBColor(96, 96, 96);
pub(super) const GRID: Rgb = RGBColor(226, 226, 226);
pub(super) const AXIS: Rgb = RGBColor(120, 120, 120);
pub(super) const BAND: Rgb = RGBColor(242, 242, 242);
pub(super) const ALARM: Rgb = RGBColor(178, 66, 0);

/// A face of the type, in pixels from one line to the next but for the leading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) bold: bool,
}

pub(super) const TITLE: Type = Type { size: 38.0, bold: true };
pub(super) const SUBTITLE: Type = Type { size: 24.0, bold: false };
pub(super) const PANEL_TITLE: Type = Type { size: 24.0, bold: true };
pub(super) const TICK: Type = Type { size: 22.0, bold: false };
pub(super) const LABEL: Type = Type { size: 23.0, bold: true };
pub(super) const NOTE: Type = Type { size: 26.0, bold: false };
pub(super) const FOOTER: Type = Type { size: 18.0, bold: false };

pub(super) fn rgb(colour: Colour) -> Rgb {
    match colour {
        Colour::Offered => RGBColor(90, 90, 90),
        Colour::Ok => RGBColor(0, 114, 178),
        Colour::Failure => RGBColor(213, 94, 0),
        Colour::Typical => RGBColor(0, 158, 115),
        Colour::Tail => RGBColor(0, 0, 0),
        Colour::Extreme => RGBColor(86, 180, 233),
        Colour::Lag => RGBColor(204, 121, 167),
    }
}

/// The same as `colour`, dark enough for words on white.
pub(super) fn readable(colour: Colour) -> Rgb {
    let RGBColor(r, g, b) = rgb(colour);
    let darker = |part: u8| (f64::from(part) * 0.78) as u8;
    RGBColor(darker(r), darker(g), darker(b))
}

/// `colour` on white paper at an opacity of `share`.
pub(super) fn pale(colour: Colour, share: f64) -> Rgb {
    let RGBColor(r, g, b) = rgb(colour);
    let paler = |part: u8| (255.0 - (255.0 - f64::from(part)) * share) as u8;
    RGBColor(paler(r), paler(g), paler(b))
}

/// The width of a line in pixels.
pub(super) fn width(weight: Weight) -> f64 {
    match weight {
        Weight::Thin => 1.5,
        Weight::Medium => 2.5,
        Weight::Bold => 4.0,
    }
}
