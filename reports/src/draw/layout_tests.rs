//! Whether words find their room: read from the SVG, whose layout is the PNG's.

use super::*;
use crate::chart::*;
use crate::number::rate;

/// Some words with the rectangle that they take: left, top, right, bottom.
#[derive(Debug)]
pub(crate) struct Words {
    text: String,
    at: [f64; 4],
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let from = element.find(&format!(" {name}=\""))? + name.len() + 3;
    element[from..].split('"').next()
}

/// All words of a picture.
fn words(svg: &str) -> Vec<Words> {
    let elements = svg.split("<text").skip(1).map(|rest| rest.split("</text>").next().unwrap());
    let placed = |element: &str| {
        let number = |name| attribute(element, name).unwrap().parse::<f64>().unwrap();
        let (x, baseline, size, width) =
            (number("x"), number("y"), number("font-size"), number("textLength"));
        let left = match attribute(element, "text-anchor") {
            Some("middle") => x - width / 2.0,
            Some("end") => x - width,
            _ => x,
        };
        let text = element.rsplit('>').next().unwrap().to_owned();
        // What stands above the baseline, and the little below it.
        Words { text, at: [left, baseline - 0.72 * size, left + width, baseline + 0.1 * size] }
    };
    elements.map(placed).collect()
}

/// The size of a picture.
fn size(svg: &str) -> (f64, f64) {
    let mut sides = attribute(svg, "viewBox").unwrap().split(' ').skip(2).map(|side| side.parse().unwrap());
    (sides.next().unwrap(), sides.next().unwrap())
}

/// Asserts that no words of `chart` are outside of the page or over one another, on a narrow screen neither.
pub(crate) fn assert_legible(name: &str, chart: &Chart) {
    assert_words_apart(name, &svg(chart));
    assert_words_apart(&format!("narrow {name}"), &svg_narrow(chart));
}

fn assert_words_apart(name: &str, svg: &str) {
    let (words, (width, height)) = (words(svg), size(svg));
    for (i, one) in words.iter().enumerate() {
        let [left, top, right, bottom] = one.at;
        assert!(left >= 0.0 && top >= 0.0 && right <= width && bottom <= height, "{name}: {one:?}");
        for other in &words[..i] {
            let across = left < other.at[2] && other.at[0] < right;
            let along = top < other.at[3] && other.at[1] < bottom;
            assert!(!(across && along), "{name}: {one:?} over {other:?}");
        }
    }
}

fn chart(marks: Vec<Mark>, label: &str) -> Chart {
    let series = Series {
        label: label.into(),
        colour: Colour::Ok,
        shape: Shape::Line(Weight::Thin),
        points: vec![(0.0, Some(1.0)), (10.0, Some(2.0))],
    };
    let y = Axis::from_zero("", 2.0, 4, |v| v.to_string());
    let panel = Panel { title: "panel".into(), weight: 1.0, y, series: vec![series], ..Panel::default() };
    Chart {
        tone: Tone::Plain,
        title: "title".into(),
        subtitle: String::new(),
        x: Axis::fitted("x", 0.0, 10.0, 10, |v| v.to_string()),
        bands: Vec::new(),
        marks,
        panels: vec![panel.clone(), Panel { beside: true, ..panel }],
        footer: Vec::new(),
    }
}

#[test]
fn marks_that_are_near_one_another_keep_apart() {
    for places in [[0.1, 0.2, 0.3], [9.7, 9.8, 9.9], [5.0, 5.0, 5.0], [0.0, 5.0, 10.0]] {
        let mark = |at| Mark { at, label: format!("marked at {at}"), colour: Colour::Ceiling };
        assert_legible("marks", &chart(places.map(mark).into(), "series"));
    }
}

#[test]
fn a_long_label_is_cut_before_it_takes_the_plot() {
    let chart = chart(Vec::new(), &"a long label ".repeat(20));
    assert_legible("labels", &chart);
    let cut =
        words(&svg(&chart)).into_iter().filter(|words| words.text.starts_with("a long")).collect::<Vec<_>>();
    assert!(cut.len() == 2 && cut.iter().all(|words| words.text.ends_with('\u{2026}')), "{cut:?}");
}

#[test]
fn a_long_footer_is_not_cut() {
    let mut chart = chart(Vec::new(), "series");
    let sentences: Vec<_> =
        (0..6).map(|i| format!("sentence {i} of what is emulated and how that was done")).collect();
    chart.footer = vec!["command".into(), sentences.join("; ")];
    assert_legible("footer", &chart);
    let svg = svg(&chart);
    assert!((0..6).all(|i| svg.contains(&format!("sentence {i} of"))) && !svg.contains('\u{2026}'), "{svg}");
}

#[test]
fn a_point_says_its_values_where_it_is() {
    let mut chart = chart(Vec::new(), "p99");
    chart.x = chart.x.read(Reading::PerSecond);
    chart.panels[0].y = chart.panels[0].y.clone().read(Reading::Ms);
    let svg = svg(&chart);
    assert!(svg.contains("<title>p99: 2 ms\nat 10 requests/s</title>"), "{svg}");
    let at = Reading::Nines.of(3.0);
    assert_eq!((Reading::Share.of(0.5).as_str(), at.as_str()), ("50 %", "99.9 %"));
}

#[test]
fn a_column_of_a_heat_map_says_where_most_are() {
    let mut chart = chart(Vec::new(), "");
    chart.x = chart.x.read(Reading::PerSecond);
    let panel = &mut chart.panels[0];
    panel.y = panel.y.clone().read(Reading::Ms);
    panel.series.clear();
    let cell = |x: f64, y: f64, count: f64| Cell { x: [x, x + 1.0], y: [y, y + 1.0], count };
    let cells = vec![cell(0.0, 1.0, 5.0), cell(0.0, 2.0, 1_200.0), cell(0.0, 3.0, 7.0), cell(1.0, 1.0, 2.0)];
    panel.heat = Some(Heat { cells, scale: Axis::log("requests", 1.0, 1e4, 8, rate) });
    let svg = svg(&chart);
    assert_eq!(svg.matches(" requests\n").count(), 2, "one a column: {svg}");
    assert!(svg.contains("<title>1,200 requests\n2 ms to 3 ms\nat 0 requests/s</title>"), "{svg}");
}

#[test]
fn on_a_narrow_screen_panels_stand_below_one_another_and_keep_their_titles() {
    let mut chart = chart(Vec::new(), "app workers: full at 5,990");
    chart.panels[1].title = "a title that is too long for a narrow screen, but is there to its end".into();
    let narrow = svg_narrow(&chart);
    assert!(narrow.contains(">app workers</text>") && !narrow.contains("5,990</text>"), "{narrow}");
    assert!(!narrow.contains('\u{2026}') && narrow.contains("its end</text>"), "{narrow}");
    let (width, height) = size(&narrow);
    assert!(width < size(&svg(&chart)).0 / 2.0 && height > width);
    assert_legible("two panels", &chart);
}
