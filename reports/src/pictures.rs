//! The pictures of a run, beside its record: from a record to files. Which pictures there are is said here, and only
//! here; what is in them is `charts`', how they look is `draw`'s.

use crate::chart::Chart;
use crate::charts::{percentiles, timeline};
use crate::draw;
use crate::store::Record;
use std::fs;
use std::path::{Path, PathBuf};

type Picture = (&'static str, fn(&Record) -> Chart);
const OF_A_RUN: [Picture; 2] = [("timeline.png", timeline::chart), ("percentiles.png", percentiles::chart)];

/// Draws the pictures of `record` into `dir`, which is made where it is missing, and gives their paths.
///
/// # Errors
/// When a file cannot be written, with its path.
pub fn write(dir: &Path, record: &Record) -> Result<Vec<PathBuf>, String> {
    fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let draw = |(name, chart): Picture| {
        let path = dir.join(name);
        draw::png(&chart(record), &path).map(|()| path)
    };
    OF_A_RUN.into_iter().map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
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

    type Scene = (&'static str, fn() -> Record);

    /// `GALLERY=directory cargo test -p reports gallery` keeps the pictures, to be looked at.
    #[test]
    fn gallery() {
        let kept = std::env::var_os("GALLERY").map(PathBuf::from);
        let temporary = tempfile::tempdir().unwrap();
        let root = kept.as_deref().unwrap_or(temporary.path());
        let scenes: [Scene; 10] = [
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
        ];
        for (name, scene) in scenes {
            let record = scene();
            if kept.is_some() {
                fs::create_dir_all(root.join(name)).unwrap();
                for (file, chart) in OF_A_RUN {
                    let svg = draw::svg(&chart(&record));
                    fs::write(root.join(name).join(file).with_extension("svg"), svg).unwrap();
                }
            }
            let paths = write(&root.join(name), &record).unwrap();
            assert_eq!(paths.len(), 2);
            for path in paths {
                let (size, share) = inked(&path);
                assert_eq!(size, draw::SIZE);
                assert!((0.005..0.5).contains(&share), "{}: {share} of it is drawn on", path.display());
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("timeline.png")).unwrap();
        let error = write(dir.path(), &fixture::tiny()).unwrap_err();
        assert!(error.contains("timeline.png: "), "{error}");
    }
}
