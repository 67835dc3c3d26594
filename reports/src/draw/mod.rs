//! From a chart model to a PNG or to SVG as text: the page with its title, panels and footer. Nothing here knows what a
//! run is, and nothing outside knows the plotting library; drawing the same chart twice gives the same picture.

mod bitmap;
mod canvas;
mod heat;
mod labels;
mod page;
mod panel;
mod plot;
mod style;
mod svg;

use crate::chart::Chart;
use bitmap::Bitmap;
use canvas::fonts_registered;
use svg::Svg;

/// The size of every picture in pixels.
pub const SIZE: (u32, u32) = (1600, 900);
/// The size of one for a narrow screen, on which the type is twice as large; the height of each row of panels.
const NARROW: (u32, u32) = (720, 820);

/// `chart` as the bytes of a PNG.
///
/// # Errors
/// When the type that comes with the program cannot be used.
pub fn png(chart: &Chart) -> Result<Vec<u8>, String> {
    let mut canvas = Bitmap::new(SIZE)?;
    page::draw(&mut canvas, chart)?;
    canvas.encoded()
}

/// The same as an SVG element, for a document of its own or inside HTML. It has no width, and fills what it stands in.
pub fn svg(chart: &Chart) -> String {
    described(chart, chart, SIZE)
}

/// As [`svg`], for a document that has the title, the subtitle and the footer around it: only a screen reader finds the first
/// two here.
pub fn svg_alone(chart: &Chart) -> String {
    described(&bare(chart), chart, SIZE)
}

/// As [`svg_alone`], for a narrow screen: panels that are beside one another stand below one another, and labels end at their
/// colon.
pub fn svg_narrow(chart: &Chart) -> String {
    let mut narrow = bare(chart);
    for panel in &mut narrow.panels {
        panel.beside = false;
        for series in &mut panel.series {
            series.label = series.label.split(": ").next().unwrap_or_default().to_owned();
        }
    }
    let rows = narrow.panels.len().clamp(1, 4) as u32;
    described(&narrow, chart, (NARROW.0, NARROW.1 * (rows + 1) / 2))
}

/// Without the words that a document has around it.
fn bare(chart: &Chart) -> Chart {
    Chart { title: String::new(), subtitle: String::new(), footer: Vec::new(), ..chart.clone() }
}

/// `chart` with the words of `whole`.
fn described(chart: &Chart, whole: &Chart, size: (u32, u32)) -> String {
    let mut canvas = Svg::new(size, &whole.title, &whole.subtitle);
    // Writing into memory does not fail, and the type comes with the program; if it did, the picture would say so.
    let drawn = fonts_registered().and_then(|()| page::draw(&mut canvas, chart));
    canvas.finish(drawn.err().as_deref())
}

#[cfg(test)]
pub(crate) mod layout_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::*;

    fn axis(from: f64, to: f64, scale: Scale) -> Axis {
        let tick = |at| Tick { at, label: format!("{at}") };
        let ticks = vec![tick(from), tick(f64::NAN), tick(to)];
        Axis { title: "axis".into(), scale, from, to, ticks, reading: Reading::Nines }
    }

    fn chart(x: Axis, y: Axis, points: &[(f64, Option<f64>)], long: &str) -> Chart {
        let series =
            |shape| Series { label: long.into(), colour: Colour::Ok, shape, points: points.to_vec() };
        let shapes = [
            Shape::Area,
            Shape::Steps(Weight::Thin),
            Shape::Line(Weight::Bold),
            Shape::Dashed(Weight::Medium),
            Shape::Points(Marker::Dot),
            Shape::Points(Marker::Ring),
            Shape::Points(Marker::Cross),
            Shape::Points(Marker::Diamond),
            Shape::Points(Marker::Square),
            Shape::Points(Marker::Triangle),
            Shape::Whiskers,
            Shape::Bar,
            Shape::Room,
            Shape::Between,
        ];
        let span = Span { at: x.from, from: y.to, to: y.from, label: long.into(), colour: Colour::Tail };
        let panel = Panel {
            title: long.into(),
            weight: 1.0,
            y,
            series: shapes.map(series).to_vec(),
            spans: vec![span],
            note: Some(long.into()),
            ..Panel::default()
        };
        let counted = points.iter().map(|(at, count)| Cell {
            x: [*at, x.to],
            y: [x.from, *at],
            count: count.unwrap_or(f64::NAN),
        });
        let heat = Heat { cells: counted.collect(), scale: x.clone() };
        let right = Panel { x: Some(x.clone()), beside: true, heat: Some(heat), ..panel.clone() };
        Chart {
            tone: Tone::Alarm,
            title: long.into(),
            subtitle: long.into(),
            bands: vec![Band { from: x.to, to: x.from, label: long.into() }],
            marks: vec![Mark { at: f64::NAN, label: long.into(), colour: Colour::Failure }],
            x,
            panels: vec![panel.clone(), right.clone(), panel, right.clone(), right],
            footer: vec![long.into(), String::new()],
        }
    }

    #[test]
    fn no_model_is_too_strange_to_be_drawn() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let points =
            [(nan, Some(nan)), (0.0, Some(inf)), (1.0, None), (-inf, Some(-inf)), (1e300, Some(1e-300))];
        let long = "\u{1f980} words without an end ".repeat(30);
        let none = Chart {
            panels: Vec::new(),
            ..chart(axis(0.0, 1.0, Scale::Linear), axis(0.0, 1.0, Scale::Log), &[], "")
        };
        let charts = [
            chart(axis(0.0, 1.0, Scale::Linear), axis(1.0, 10.0, Scale::Log), &points, &long),
            chart(axis(1.0, 0.0, Scale::Linear), axis(0.0, 0.0, Scale::Log), &points, "short"),
            chart(axis(nan, nan, Scale::Log), axis(inf, -inf, Scale::Linear), &points[..1], ""),
            none,
        ];
        for strange in charts {
            assert!(png(&strange).unwrap().starts_with(b"\x89PNG"));
            let text = svg(&strange);
            assert!(text.ends_with("</svg>\n") && !text.contains("=\"NaN") && !text.contains(",inf"));
        }
    }
}
