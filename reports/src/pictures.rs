//! The pictures of a run, or of any other record, beside it: from a record to files. Which pictures there are
//! is said here, and only here; what is in them is `charts`', how they look is `draw`'s.

use crate::analyse::trend::Trend;
use crate::cache::Caching;
use crate::ceiling::Ceiling;
use crate::chart::Chart;
use crate::charts::ceiling::{goodput, latency, tiers, usl};
use crate::charts::{
    availability, caching, comparison, heatmap, percentiles, scale_out, timeline, trend, waterfall,
};
use crate::comparison::Comparison;
use crate::draw;
use crate::lesson::Lesson;
use crate::scale_out::ScaleOut;
use crate::store::Record;
use crate::trace::Trace;
use crate::whole;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The name of a picture, without the end that says in which form it is, and what is in it.
type Picture<T> = (&'static str, fn(&T) -> Chart);

/// What there are pictures of.
pub trait Pictured: Sized + 'static {
    /// All of them.
    const PICTURES: &'static [Picture<Self>];

    /// Whether nothing was measured, so that there is nothing to draw.
    fn is_blank(&self) -> bool {
        false
    }
}

impl Pictured for Record {
    const PICTURES: &'static [Picture<Self>] =
        &[("timeline", timeline::chart), ("percentiles", percentiles::chart), ("heatmap", heatmap::chart)];
}

impl Pictured for Ceiling {
    const PICTURES: &'static [Picture<Self>] = &[
        ("ceiling", goodput::chart),
        ("latency", latency::chart),
        ("tiers", tiers::chart),
        ("usl", usl::chart),
    ];
}

impl Pictured for Trace {
    const PICTURES: &'static [Picture<Self>] = &[("waterfall", waterfall::chart)];
}

/// What has one picture, and none where it is empty.
macro_rules! one_picture {
    ($($of:ty: $name:literal, $chart:path;)*) => {$(
        impl Pictured for $of {
            const PICTURES: &'static [Picture<Self>] = &[($name, $chart)];

            fn is_blank(&self) -> bool {
                self.is_empty()
            }
        }
    )*};
}

one_picture! {
    Lesson: "availability", availability::chart;
    Caching: "cache", caching::chart;
    ScaleOut: "scale-out", scale_out::chart;
    Comparison: "compare", comparison::chart;
    Trend: "trend", trend::chart;
}

/// The pictures of `found` as they are before they are drawn, each with its name; none where nothing was measured.
pub fn of<T: Pictured>(found: &T) -> Vec<(&'static str, Chart)> {
    let pictures: &[Picture<T>] = if found.is_blank() { &[] } else { T::PICTURES };
    pictures.iter().map(|(name, chart)| (*name, chart(found))).collect()
}

/// Draws the pictures of `found` into `dir`, which is made where it is missing, and gives their paths. What was drawn of an older record
/// is taken away: of this one there may be less to draw.
///
/// # Errors
/// When a file cannot be written, with its path.
pub fn write<T: Pictured>(dir: &Path, found: &T) -> Result<Vec<PathBuf>, String> {
    for (name, _) in T::PICTURES {
        let path = dir.join(name).with_extension("png");
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(format!("cannot write {}: {e}", path.display()));
            }
            _ => {}
        }
    }
    draw_all(dir, of(found))
}

fn draw_all(dir: &Path, charts: Vec<(&'static str, Chart)>) -> Result<Vec<PathBuf>, String> {
    fs::create_dir_all(dir).map_err(|e| format!("cannot write {}: {e}", dir.display()))?;
    let draw = |(name, chart): (&str, Chart)| {
        let path = dir.join(name).with_extension("png");
        let written = whole::replace(&path, &draw::png(&chart)?);
        written.map_err(|e| format!("cannot write {}: {e}", path.display())).map(|()| path)
    };
    charts.into_iter().map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::layout_tests::assert_legible;
    use crate::fixture;
    use std::fs::File;

    /// Its size in pixels, and the share of its pixels that are not white.
    fn inked(path: &Path) -> ((u32, u32), f64) {
        let mut reader = png::Decoder::new(File::open(path).unwrap()).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let pixels = &pixels[..info.buffer_size()];
        let dark = pixels.chunks_exact(3).filter(|pixel| pixel.iter().any(|part| *part < 250)).count();
        ((info.width, info.height), dark as f64 / (pixels.len() / 3) as f64)
    }

    type Scene<T> = (&'static str, fn() -> T);

    /// Draws `charts` into `dir` and looks at them; where they are kept, as SVG too.
    fn draw(dir: &Path, charts: Vec<(&'static str, Chart)>) {
        charts.iter().for_each(|(name, chart)| assert_legible(&format!("{}/{name}", dir.display()), chart));
        let as_text: Vec<_> = charts.iter().map(|(name, chart)| (*name, draw::svg(chart))).collect();
        for path in draw_all(dir, charts).unwrap() {
            let (size, share) = inked(&path);
            assert_eq!(size, draw::SIZE);
            assert!((0.005..0.5).contains(&share), "{}: {share} of it is drawn on", path.display());
        }
        for (name, svg) in as_text {
            assert!(svg.len() < 400_000, "{name}.svg has {} bytes", svg.len());
            fs::write(dir.join(name).with_extension("svg"), svg).unwrap();
        }
    }

    /// `GALLERY=directory cargo test -p reports gallery` keeps the pictures, to be looked at.
    fn gallery(name: &str, charts: Vec<(&'static str, Chart)>) {
        let kept = std::env::var_os("GALLERY").map(PathBuf::from);
        let temporary = tempfile::tempdir().unwrap();
        draw(&kept.as_deref().unwrap_or(temporary.path()).join(name), charts);
    }

    #[test]
    fn gallery_of_runs() {
        let scenes: [Scene<Record>; 11] = [
            ("healthy", fixture::healthy),
            ("freeze", fixture::freeze),
            ("died", fixture::died),
            ("warming-up", fixture::warming_up),
            ("all-failed", fixture::all_failed),
            ("tiny", fixture::tiny),
            ("single", fixture::single),
            ("overload", fixture::overload),
            ("ten-hours", fixture::ten_hours),
            ("empty", fixture::empty),
            ("telling", fixture::telling),
        ];
        for (name, scene) in scenes {
            gallery(name, of(&scene()));
        }
    }

    #[test]
    fn gallery_of_ceilings() {
        let scenes: [Scene<Ceiling>; 7] = [
            ("ceiling-database", fixture::ceiling::database_bound),
            ("ceiling-collapse", fixture::ceiling::collapse),
            ("ceiling-at-least", fixture::ceiling::at_least),
            ("ceiling-below", fixture::ceiling::below),
            ("ceiling-invalid", fixture::ceiling::invalid),
            ("ceiling-unexplained", fixture::ceiling::unexplained),
            ("ceiling-empty", fixture::ceiling::empty),
        ];
        for (name, scene) in scenes {
            gallery(name, of(&scene()));
        }
    }

    #[test]
    fn gallery_of_caching() {
        use fixture::caching::{Made, made};
        for which in Made::ALL {
            gallery(&format!("cache-{which:?}").to_lowercase(), of(&made(which)));
        }
    }

    #[test]
    fn gallery_of_scaling_out() {
        use fixture::scale_out::{Made, made};
        let scenes = [
            ("scale-out-app", Made::AppBound),
            ("scale-out-both", Made::Both),
            ("scale-out-spoilt", Made::Spoilt),
            ("scale-out-partial", Made::Partial),
            ("scale-out-empty", Made::Empty),
        ];
        for (name, scene) in scenes {
            gallery(name, of(&made(scene)));
        }
    }

    #[test]
    fn gallery_of_comparisons() {
        use fixture::comparison::{Made, made};
        for which in Made::ALL {
            gallery(&format!("compare-{which:?}").to_lowercase(), of(&made(which)));
        }
    }

    #[test]
    fn gallery_of_trends() {
        use fixture::history::{Made, trend_of};
        for which in Made::ALL {
            gallery(&format!("trend-{which:?}").to_lowercase(), of(&trend_of(which)));
        }
        assert!(of(&Trend::default()).is_empty());
    }

    #[test]
    fn gallery_of_traces() {
        let scenes: [Scene<Trace>; 5] = [
            ("trace-home", fixture::trace::home),
            ("trace-silent", fixture::trace::silent),
            ("trace-foreign", fixture::trace::foreign),
            ("trace-contradictory", fixture::trace::contradictory),
            ("trace-unanswered", fixture::trace::unanswered),
        ];
        for (name, scene) in scenes {
            gallery(name, of(&scene()));
        }
    }

    #[test]
    fn of_what_was_not_measured_there_is_no_picture() {
        let dir = tempfile::tempdir().unwrap();
        let picture = dir.path().join("availability.png");
        fs::write(&picture, "of an older record").unwrap();
        let drawn = write(dir.path(), &Lesson { partial: true, ..Lesson::default() });
        assert!(drawn.is_ok_and(|drawn| drawn.is_empty()) && !picture.exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("timeline.png")).unwrap();
        let error = write(dir.path(), &fixture::tiny()).unwrap_err();
        assert!(
            error.starts_with("cannot write ") && error.contains("timeline.png: Is a directory"),
            "{error}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing half written is left");
    }
}
