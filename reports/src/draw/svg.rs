//! A canvas of SVG: the same page as the PNG, as text. Words stay words that can be selected and read out, points say their
//! values when pointed at, and every colour is a CSS variable with the printed colour as what it falls back to, so that the
//! document around it can have a dark paper. Nothing in it is loaded from anywhere.

use super::canvas::{Align, Canvas, Point, width};
use super::style::{Ink, Type};
use std::fmt::Write;

/// How near one has to point, in pixels.
const NEAR: f64 = 11.0;

/// A picture in the making.
pub(super) struct Svg {
    size: (u32, u32),
    text: String,
    /// What can be pointed at has to lie on top of everything else.
    tips: String,
}

impl Svg {
    /// A blank one of `size` pixels, that is what `title` and `description` say.
    pub(super) fn new(size: (u32, u32), title: &str, description: &str) -> Self {
        let (width, height) = size;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             class=\"picture\" font-family=\"Roboto, sans-serif\">\n<title>{}</title>\n",
            escaped(title)
        );
        if !description.is_empty() {
            text += &format!("<desc>{}</desc>\n", escaped(description));
        }
        text += &format!(
            "<rect class=\"paper\" width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n",
            Ink::Paper.css().0
        );
        Self { size, text, tips: String::new() }
    }

    /// The whole document, with what went wrong, if anything did.
    pub(super) fn finish(mut self, error: Option<&str>) -> String {
        if let Some(what) = error {
            self.text += &format!("<text x=\"50%\" y=\"50%\">{}</text>\n", escaped(what));
        }
        let tips = match self.tips.is_empty() {
            true => String::new(),
            false => {
                format!("<g class=\"tips\" fill=\"none\" pointer-events=\"all\">\n{}</g>\n", self.tips)
            }
        };
        format!("{}{tips}</svg>\n", self.text)
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) -> Result<(), String> {
        self.text.write_fmt(element).map_err(|e| e.to_string())?;
        self.text.push('\n');
        Ok(())
    }

    fn stroke(&mut self, points: &[Point], dash: Option<f64>, width: f64, ink: Ink) -> Result<(), String> {
        let dashes = dash.map_or_else(String::new, |dash| {
            format!(" stroke-dasharray=\"{}\" stroke-linecap=\"butt\"", number(dash))
        });
        self.push(format_args!(
            "<polyline points=\"{}\" fill=\"none\" {} stroke-width=\"{}\" stroke-linejoin=\"round\"{dashes}/>",
            list(points),
            paint("stroke", ink),
            number(width)
        ))
    }
}

impl Canvas for Svg {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn rectangles(&mut self, corners: &[(Point, Point)], ink: Ink) -> Result<(), String> {
        let mut path = String::new();
        for (a, b) in corners {
            let (x, y) = (number(a.0.min(b.0)), number(a.1.min(b.1)));
            let (wide, high) = (number((a.0 - b.0).abs()), number((a.1 - b.1).abs()));
            write!(path, "M{x} {y}h{wide}v{high}h-{wide}z").map_err(|e| e.to_string())?;
        }
        self.push(format_args!("<path d=\"{path}\" {}/>", paint("fill", ink)))
    }

    fn polygon(&mut self, points: &[Point], ink: Ink) -> Result<(), String> {
        self.push(format_args!("<polygon points=\"{}\" {}/>", list(points), paint("fill", ink)))
    }

    fn line(&mut self, points: &[Point], width: f64, ink: Ink) -> Result<(), String> {
        self.stroke(points, None, width, ink)
    }

    fn dashes(&mut self, points: &[Point], dash: f64, width: f64, ink: Ink) -> Result<(), String> {
        self.stroke(points, Some(dash), width, ink)
    }

    fn dot(&mut self, centre: Point, radius: f64, ink: Ink) -> Result<(), String> {
        let (x, y, r) = (number(centre.0), number(centre.1), number(radius));
        self.push(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" {}/>", paint("fill", ink)))
    }

    fn text(&mut self, text: &str, at: Point, align: Align, face: Type, ink: Ink) -> Result<(), String> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let anchor = match align {
            Align::Left => "",
            Align::Centre => " text-anchor=\"middle\"",
            Align::Right => " text-anchor=\"end\"",
        };
        let weight = if face.bold { " font-weight=\"bold\"" } else { "" };
        // A reader without the type sees another one in the same room, instead of words over words.
        let room = format!(" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"", number(width(text, face)));
        self.push(format_args!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\"{weight}{anchor}{room} {}>{}</text>",
            number(at.0),
            number(at.1),
            number(face.size),
            paint("fill", ink),
            // Browsers make one space of two.
            escaped(text).replace("  ", " \u{a0}")
        ))
    }

    fn tip(&mut self, at: Point, words: &str) {
        let (x, y, r) = (number(at.0), number(at.1), number(NEAR));
        self.tips +=
            &format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"><title>{}</title></circle>\n", escaped(words));
    }
}

/// As the value of an attribute: what is no number is nowhere, and a tenth of a pixel is enough.
fn number(value: f64) -> String {
    let value = if value.is_finite() { value.clamp(-1e6, 1e6) } else { 0.0 };
    let rounded = (value * 10.0).round() / 10.0;
    if rounded == 0.0 { "0".to_owned() } else { rounded.to_string() }
}

fn list(points: &[Point]) -> String {
    let pairs: Vec<_> = points.iter().map(|(x, y)| format!("{},{}", number(*x), number(*y))).collect();
    pairs.join(" ")
}

/// The attributes that paint with `ink`.
fn paint(what: &str, ink: Ink) -> String {
    match ink.css() {
        (colour, None) => format!("{what}=\"{colour}\""),
        (colour, Some(opacity)) => {
            format!("{what}=\"{colour}\" {what}-opacity=\"{}\"", (opacity * 100.0).round() / 100.0)
        }
    }
}

/// As text between tags: no markup, and no character that XML has no place for.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Colour;
    use crate::draw::style::LABEL;

    #[test]
    fn what_is_drawn_is_text() {
        let mut svg = Svg::new((1600, 900), "a < b", "");
        svg.line(&[(0.0, 1.04), (2.0, f64::NAN)], 1.5, Ink::Grid).unwrap();
        svg.rectangles(&[((3.0, 4.0), (1.0, 2.0))], Ink::Pale(Colour::Ok, 0.5)).unwrap();
        svg.text("x  & y\u{1b}", (5.0, 6.0), Align::Right, LABEL, Ink::Text).unwrap();
        svg.tip((7.0, 8.0), "p99\n\"5 ms\"");
        let text = svg.finish(None);
        for part in [
            "viewBox=\"0 0 1600 900\" role=\"img\"",
            "<title>a &lt; b</title>",
            "<polyline points=\"0,1 2,0\" fill=\"none\" stroke=\"var(--grid, #e2e2e2)\" stroke-width=\"1.5\"",
            "<path d=\"M1 2h2v2h-2z\" fill=\"var(--ok, #0072b2)\" fill-opacity=\"0.5\"/>",
            ">x \u{a0}&amp; y\u{fffd}</text>",
            "<title>p99\n&quot;5 ms&quot;</title>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("<desc>") && text.ends_with("</g>\n</svg>\n"));
    }
}
