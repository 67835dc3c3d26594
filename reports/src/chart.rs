//! A picture before it is drawn: panels over a shared axis, with their series, bands, marks and words. A plain value
//! in the units of the data, which tests compare; it knows nothing of pixels, files or plotting libraries.

use crate::number::{NONE, ms, percent, rate, seconds};
use crate::ticks;

/// A whole picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What the title is: a finding, or a warning not to believe one.
    pub tone: Tone,
    /// What the picture shows, in one sentence.
    pub title: String,
    /// What has to be known to read it.
    pub subtitle: String,
    /// The axis that all panels share.
    pub x: Axis,
    /// Parts of the shared axis that are set apart.
    pub bands: Vec<Band>,
    /// Single positions on the shared axis.
    pub marks: Vec<Mark>,
    /// From top to bottom, and in a row from left to right.
    pub panels: Vec<Panel>,
    /// Where the numbers come from, a paragraph each.
    pub footer: Vec<String>,
}

/// See [`Chart::tone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A finding.
    Plain,
    /// A warning.
    Alarm,
}

/// One plot of a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// What is plotted, and its unit.
    pub title: String,
    /// Its share of the height, relative to the other panels'.
    pub weight: f64,
    /// Its own axis.
    pub y: Axis,
    /// The first lies lowest.
    pub series: Vec<Series>,
    /// Spans on its own axis.
    pub spans: Vec<Span>,
    /// What stands in place of a plot that has nothing to show.
    pub note: Option<String>,
    /// An axis in place of the shared one, whose bands and marks it has no part in.
    pub x: Option<Axis>,
    /// Whether it stands to the right of the one before, and not below it.
    pub beside: bool,
    /// What is counted in cells of the plot, beneath the series.
    pub heat: Option<Heat>,
    /// Positions that are its own, beside the shared ones.
    pub marks: Vec<Mark>,
}

/// Counts in cells, which are coloured by them.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Only those in which something was counted.
    pub cells: Vec<Cell>,
    /// From the smallest count to the largest, as the scale of colours beside the plot.
    pub scale: Axis,
}

/// A rectangle of a plot, in the units of its axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Its left and its right end.
    pub x: [f64; 2],
    /// Its lower and its upper end.
    pub y: [f64; 2],
    /// What was counted in it.
    pub count: f64,
}

/// An axis with its range and its ticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it measures; may be empty.
    pub title: String,
    /// How values become positions.
    pub scale: Scale,
    /// The value at its beginning; less than `to`, and more than 0 where the scale is logarithmic.
    pub from: f64,
    /// The value at its end.
    pub to: f64,
    /// In ascending order.
    pub ticks: Vec<Tick>,
    /// How a single value is said.
    pub reading: Reading,
}

impl Default for Axis {
    fn default() -> Self {
        Self {
            title: String::new(),
            scale: Scale::Linear,
            from: 0.0,
            to: 1.0,
            ticks: Vec::new(),
            reading: Reading::Plain,
        }
    }
}

/// See [`Axis::reading`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As a number without a unit.
    #[default]
    Plain,
    /// A time in milliseconds.
    Ms,
    /// A time in seconds.
    Seconds,
    /// Requests per second.
    PerSecond,
    /// A share, 0 to 1, in percent.
    Share,
    /// A percentile, by how many nines it has.
    Nines,
}

impl Reading {
    /// `value` in words.
    pub fn of(self, value: f64) -> String {
        match self {
            Self::Plain => rate(value),
            Self::Ms => ms(value),
            Self::Seconds => seconds(value),
            Self::PerSecond => format!("{} requests/s", rate(value)),
            Self::Share => percent(value),
            Self::Nines if value.is_finite() => {
                let below = 100.0 - 100.0 * 10f64.powf(-value);
                format!("{} %", crate::number::round_to_digits(below, 3 + value.clamp(0.0, 9.0) as i32))
            }
            Self::Nines => NONE.to_owned(),
        }
    }
}

/// See [`Axis::scale`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// In proportion.
    #[default]
    Linear,
    /// In proportion to the logarithm.
    Log,
}

/// A labelled value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where.
    pub at: f64,
    /// What it says.
    pub label: String,
}

/// Points of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What is written at its right end; empty for nothing.
    pub label: String,
    /// What colour it has.
    pub colour: Colour,
    /// How it is drawn.
    pub shape: Shape,
    /// Ascending in x; a `None` in y is a gap.
    pub points: Vec<(f64, Option<f64>)>,
}

/// See [`Series::shape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line from point to point; a point between two gaps is a dot.
    Line(Weight),
    /// Each point holds to the x of the next one: a line of steps.
    Steps(Weight),
    /// As steps, and filled down to the axis; nothing where it is 0.
    Area,
    /// A line of dashes: not measured, but asked for, or guessed.
    Dashed(Weight),
    /// A mark at each point.
    Points(Marker),
    /// Points come in pairs at one x, the lower end and the upper one: an upright bar with caps for each pair.
    Whiskers,
    /// From point to point, as thick as a bar of a row: the axis has one a unit.
    Bar,
    /// The same, pale: where a bar may lie.
    Room,
    /// Points come in such pairs: filled between the lower ends and the upper ones.
    Between,
}

/// What marks a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A full circle.
    Dot,
    /// An empty circle.
    Ring,
    /// Two strokes.
    Cross,
    /// A square on its corner.
    Diamond,
    /// A square on its side.
    Square,
    /// A triangle on its side.
    Triangle,
}

/// How heavy a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Background.
    Thin,
    /// One of several.
    Medium,
    /// What the picture is about.
    Bold,
}

/// Colours by meaning. The same thing has the same colour in all pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// What was asked for.
    Offered,
    /// Correct answers.
    Ok,
    /// Failures.
    Failure,
    /// The median, or the main series.
    Typical,
    /// A high percentile.
    Tail,
    /// The largest value.
    Extreme,
    /// The generator's own lateness.
    Lag,
    /// A percentile between the median and the high ones.
    Upper,
    /// The highest rate at which the objective holds.
    Ceiling,
    /// What was predicted, in place of measured.
    Predicted,
    /// What the objective allows.
    Objective,
    /// What several tiers share.
    Shared,
    /// One of several tiers, by its number.
    Tier(usize),
}

/// A part of the shared axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What it is.
    pub label: String,
}

/// A single position on the shared axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where.
    pub at: f64,
    /// What happened there.
    pub label: String,
    /// What colour it has.
    pub colour: Colour,
}

/// A span on a panel's own axis: an interval of confidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Where on the shared axis.
    pub at: f64,
    /// Its lower end.
    pub from: f64,
    /// Its upper end.
    pub to: f64,
    /// What it is.
    pub label: String,
    /// What colour it has.
    pub colour: Colour,
}

impl Axis {
    /// A linear axis over `from` to `to` as they are, with about `wanted` ticks inside.
    pub fn fitted(title: &str, from: f64, to: f64, wanted: usize, label: impl Fn(f64) -> String) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        let slack = (to - from) * 1e-9;
        let inside = |wanted: usize| -> Vec<f64> {
            let ticks = ticks::linear(from, to, wanted).into_iter();
            ticks.filter(|tick| (from - slack..=to + slack).contains(tick)).collect()
        };
        // Of one tick nobody reads a scale.
        let ticks =
            Some(inside(wanted)).filter(|ticks| ticks.len() > 1).unwrap_or_else(|| inside(2 * wanted));
        Self { title: title.to_owned(), from, to, ticks: labelled(ticks, label), ..Self::default() }
    }

    /// A linear axis from 0 to the tick past `to`.
    pub fn from_zero(title: &str, to: f64, wanted: usize, label: impl Fn(f64) -> String) -> Self {
        Self::over(title, Scale::Linear, ticks::linear(0.0, to.max(0.0), wanted), label)
    }

    /// A logarithmic axis from the tick before `from` to the tick past `to`, with at most `most` ticks or so.
    pub fn log(title: &str, from: f64, to: f64, most: usize, label: impl Fn(f64) -> String) -> Self {
        Self::over(title, Scale::Log, ticks::logarithmic(from, to, most), label)
    }

    fn over(title: &str, scale: Scale, ticks: Vec<f64>, label: impl Fn(f64) -> String) -> Self {
        // The tick makers promise two or more.
        let from = ticks.first().copied().unwrap_or(1.0);
        let to = ticks.last().copied().unwrap_or(10.0);
        Self { title: title.to_owned(), scale, from, to, ticks: labelled(ticks, label), ..Self::default() }
    }

    /// The same, of which single values are said in another way.
    pub fn read(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// Where `value` lies, from 0 at the beginning to 1 at the end; what is outside, or no number, is at an end.
    pub fn position(&self, value: f64) -> f64 {
        let along = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log => (value.max(f64::MIN_POSITIVE) / self.from).ln() / (self.to / self.from).ln(),
        };
        if along.is_nan() { 0.0 } else { along.clamp(0.0, 1.0) }
    }
}

fn labelled(ticks: Vec<f64>, label: impl Fn(f64) -> String) -> Vec<Tick> {
    ticks.into_iter().map(|at| Tick { at, label: label(at) }).collect()
}

impl Series {
    /// The last point that is to be seen: that is no gap and, of an area, not 0.
    pub fn last(&self) -> Option<(f64, f64)> {
        let seen = |y: &f64| self.shape != Shape::Area || *y > 0.0;
        self.points.iter().rev().find_map(|(x, y)| y.filter(seen).map(|y| (*x, y)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stay_on_the_axis() {
        let log = Axis::log("", 0.6, 3.0, 8, |v| v.to_string());
        assert_eq!((log.from, log.to), (0.5, 5.0));
        assert!((log.position(0.5 * 10f64.sqrt()) - 0.5).abs() < 1e-9);
        for axis in [
            log,
            Axis::from_zero("", 0.0, 5, |v| v.to_string()),
            Axis::fitted("", 3.0, 3.0, 5, |_| "".into()),
        ] {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300] {
                assert!((0.0..=1.0).contains(&axis.position(value)), "{value} on {axis:?}");
            }
        }
    }

    #[test]
    fn a_fitted_axis_has_no_tick_outside() {
        let axis = Axis::fitted("", 0.0, 10.3, 5, |v| v.to_string());
        assert_eq!(axis.to, 10.3);
        assert_eq!(axis.ticks.iter().map(|t| t.at).collect::<Vec<_>>(), [0.0, 5.0, 10.0]);
        // One alone is no scale.
        let axis = Axis::fitted("", 33.2, 36.9, 2, |v| v.to_string());
        assert!(axis.ticks.len() > 1, "{:?}", axis.ticks);
    }
}
