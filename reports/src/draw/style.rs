//! How pictures look: the palette, which Okabe and Ito (2008, Color Universal Design) chose so that colour-blind
//! readers tell it apart too, and the sizes of type and lines, which hold when a picture is shown at half its size.

use crate::chart::{Colour, Weight};
use plotters::style::RGBColor;

/// What something is drawn with. On white paper it is a colour; in SVG it is a CSS variable of the same meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Ink {
    /// The background.
    Paper,
    /// Titles.
    Text,
    /// Words that explain.
    Quiet,
    Grid,
    Axis,
    /// A part of the shared axis that is set apart.
    Band,
    /// The title of a picture that is not to be believed.
    Alarm,
    /// What has this meaning.
    Of(Colour),
    /// Words about it: dark enough for white paper.
    Words(Colour),
    /// The same at an opacity, 0 to 1.
    Pale(Colour, f64),
    /// A cell of a heat map, from 0 for the coldest to 1.
    Heat(f64),
}

/// Steps of a heat map's colour: from little to much, each darker than the one before.
const HEAT: [RGBColor; 10] = [
    RGBColor(255, 237, 160),
    RGBColor(254, 217, 118),
    RGBColor(254, 190, 90),
    RGBColor(253, 160, 72),
    RGBColor(250, 125, 62),
    RGBColor(240, 85, 52),
    RGBColor(216, 44, 50),
    RGBColor(178, 18, 60),
    RGBColor(125, 8, 72),
    RGBColor(66, 4, 66),
];

/// Of which step of the colour a cell is that lies `share` of the way from the coldest to the hottest.
pub(super) fn heat_step(share: f64) -> usize {
    ((share * HEAT.len() as f64) as usize).min(HEAT.len() - 1)
}

/// How many steps there are.
pub(super) fn heat_steps() -> usize {
    HEAT.len()
}

impl Ink {
    /// On white paper.
    pub(super) fn rgb(self) -> RGBColor {
        match self {
            Self::Paper => RGBColor(255, 255, 255),
            Self::Text => RGBColor(33, 33, 33),
            Self::Quiet => RGBColor(96, 96, 96),
            Self::Grid => RGBColor(226, 226, 226),
            Self::Axis => RGBColor(120, 120, 120),
            Self::Band => RGBColor(242, 242, 242),
            Self::Alarm => RGBColor(178, 66, 0),
            Self::Of(colour) => rgb(colour),
            Self::Words(colour) => each(rgb(colour), |part| part * 0.78),
            Self::Pale(colour, opacity) => each(rgb(colour), |part| 255.0 - (255.0 - part) * opacity),
            Self::Heat(share) => HEAT[heat_step(share)],
        }
    }

    /// The CSS variable that holds the colour, with the one on white paper to fall back to; and its opacity.
    pub(super) fn css(self) -> (String, Option<f64>) {
        let (name, solid, opacity) = match self {
            Self::Paper => ("paper".to_owned(), self, None),
            Self::Text => ("ink".to_owned(), self, None),
            Self::Quiet => ("quiet".to_owned(), self, None),
            Self::Grid => ("grid".to_owned(), self, None),
            Self::Axis => ("axis".to_owned(), self, None),
            Self::Band => ("band".to_owned(), self, None),
            Self::Alarm => ("alarm".to_owned(), self, None),
            Self::Of(colour) => (name(colour), self, None),
            Self::Words(colour) => (format!("{}-words", name(colour)), self, None),
            Self::Pale(colour, opacity) => (name(colour), Self::Of(colour), Some(opacity)),
            Self::Heat(share) => (format!("heat-{}", heat_step(share)), self, None),
        };
        let RGBColor(r, g, b) = solid.rgb();
        (format!("var(--{name}, #{r:02x}{g:02x}{b:02x})"), opacity)
    }
}

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

/// In the order of [`Colour::Tier`].
const TIERS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 94, 60),
];

fn rgb(colour: Colour) -> RGBColor {
    match colour {
        Colour::Offered => RGBColor(90, 90, 90),
        Colour::Shared => RGBColor(45, 45, 45),
        Colour::Ok => RGBColor(0, 114, 178),
        Colour::Failure | Colour::Ceiling => RGBColor(213, 94, 0),
        Colour::Typical => RGBColor(0, 158, 115),
        Colour::Upper | Colour::Objective => RGBColor(230, 159, 0),
        Colour::Tail => RGBColor(0, 0, 0),
        Colour::Extreme => RGBColor(86, 180, 233),
        Colour::Lag | Colour::Predicted => RGBColor(204, 121, 167),
        Colour::Tier(n) => TIERS[n % TIERS.len()],
    }
}

fn name(colour: Colour) -> String {
    match colour {
        Colour::Offered => "offered".to_owned(),
        Colour::Ok => "ok".to_owned(),
        Colour::Failure => "failure".to_owned(),
        Colour::Typical => "typical".to_owned(),
        Colour::Upper => "upper".to_owned(),
        Colour::Tail => "tail".to_owned(),
        Colour::Extreme => "extreme".to_owned(),
        Colour::Lag => "lag".to_owned(),
        Colour::Ceiling => "ceiling".to_owned(),
        Colour::Predicted => "predicted".to_owned(),
        Colour::Objective => "objective".to_owned(),
        Colour::Shared => "shared".to_owned(),
        Colour::Tier(n) => format!("tier-{}", n % TIERS.len()),
    }
}

fn each(RGBColor(r, g, b): RGBColor, change: impl Fn(f64) -> f64) -> RGBColor {
    let change = |part: u8| change(f64::from(part)) as u8;
    RGBColor(change(r), change(g), change(b))
}

/// The width of a line in pixels.
pub(super) fn width(weight: Weight) -> f64 {
    match weight {
        Weight::Thin => 1.5,
        Weight::Medium => 2.5,
        Weight::Bold => 4.0,
    }
}
