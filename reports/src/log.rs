//! The interval log: one line per distribution and interval, in HdrHistogram's log format 1.3, so that its public
//! tools (HistogramLogAnalyzer, HistogramLogProcessor) read it as it grows. Times are seconds from the log's start;
//! histograms are in nanoseconds, the readable maximum in milliseconds. A line that is not whole is never skipped.

use crate::histogram::{Distributions, Histogram, Sparse};
use std::io::{self, Write};

const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"";
/// Nanoseconds per unit of the log's third column.
const MAX_DIVISOR: f64 = 1e6;

/// Writes a log, line by line.
pub struct IntervalLog<W: Write> {
    out: W,
}

impl<W: Write> IntervalLog<W> {
    /// Begins a log in `out` whose intervals count from `started_unix_s`, seconds since 1970.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn create(mut out: W, started_unix_s: f64) -> io::Result<Self> {
        writeln!(out, "#[Histogram log format version 1.3]")?;
        writeln!(out, "#[StartTime: {started_unix_s:.3} (seconds since epoch)]")?;
        writeln!(out, "#[MaxValueDivisor: {MAX_DIVISOR:.1}]")?;
        writeln!(out, "{LEGEND}")?;
        out.flush()?;
        Ok(Self { out })
    }

    /// Goes on with a log that was begun in `out`.
    pub fn resume(out: W) -> Self {
        Self { out }
    }

    /// Appends a line for each distribution of an interval that is not empty. The interval begins `start_s` seconds
    /// after the log's start and is `length_s` long; both are kept to the millisecond.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn append(&mut self, start_s: f64, length_s: f64, distributions: &Distributions) -> io::Result<()> {
        for (tag, histogram) in distributions.tagged() {
            self.append_one(tag, start_s, length_s, histogram)?;
        }
        self.out.flush()
    }

    /// The same for one histogram; it may be the next line that writes it out.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn append_one(
        &mut self,
        tag: &str,
        start_s: f64,
        length_s: f64,
        histogram: &Histogram,
    ) -> io::Result<()> {
        if histogram.is_empty() {
            return Ok(());
        }
        let max = histogram.max() as f64 / MAX_DIVISOR;
        let coded = histogram.encode().map_err(io::Error::other)?;
        writeln!(self.out, "Tag={tag},{start_s:.3},{length_s:.3},{max:.3},{coded}")
    }
}

/// What the tag of an interaction begins with; a tag has no blanks or commas, so its number in the record follows, from 0.
const INTERACTION: &str = "interaction-";

/// The tag of the response times of a whole run's interaction `number`, which come behind all intervals.
pub fn tag_of_interaction(number: usize) -> String {
    format!("{INTERACTION}{number}")
}

/// The reverse of [`tag_of_interaction`]; `None` of other tags.
pub(crate) fn interaction(tag: &str) -> Option<usize> {
    tag.strip_prefix(INTERACTION)?.parse().ok()
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Which distribution; empty where the line has no tag.
    pub tag: String,
    /// When the interval began, in seconds after the log's start.
    pub start_s: f64,
    /// How long it was, in seconds.
    pub length_s: f64,
    /// What was counted in it, in nanoseconds.
    pub histogram: Sparse,
}

/// A line of a log, its histogram as it is coded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Which of the log it is, from 1.
    pub(crate) number: usize,
    /// See [`Entry::tag`].
    pub(crate) tag: &'a str,
    /// See [`Entry::start_s`].
    pub(crate) start_s: f64,
    /// See [`Entry::length_s`].
    pub(crate) length_s: f64,
    /// See [`crate::histogram::Histogram::encode`].
    pub(crate) coded: &'a str,
}

impl Line<'_> {
    /// What is wrong with it, when its histogram cannot be read.
    pub(crate) fn not_whole(&self, what: &str) -> String {
        format!("line {}: the histogram is not whole: {what}", self.number)
    }
}

/// Reads a whole log.
///
/// # Errors
/// With the number of the first line that is truncated or is no line of a log, and what is wrong with it.
pub fn read(text: &[u8]) -> Result<Vec<Entry>, String> {
    let entry = |line: Line<'_>| {
        let histogram = Sparse::decode(line.coded).map_err(|what| line.not_whole(&what))?;
        Ok(Entry { tag: line.tag.to_owned(), start_s: line.start_s, length_s: line.length_s, histogram })
    };
    lines(text).map(|line| line.and_then(entry)).collect()
}

/// The lines of a log with histograms.
///
/// # Errors
/// As [`read`], but for what is wrong with a histogram.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = Result<Line<'_>, String>> {
    let ends = memchr::memchr_iter(b'\n', text).map(|end| end + 1);
    let rest = (!text.ends_with(b"\n") && !text.is_empty()).then_some(text.len());
    let mut begin = 0;
    let all = ends.chain(rest).map(move |end| &text[std::mem::replace(&mut begin, end)..end]);
    all.enumerate().filter_map(|(n, line)| {
        let number = n + 1;
        let parsed = str::from_utf8(line).map_err(|e| e.to_string()).and_then(|line| parse(line, number));
        parsed.map_err(|what| format!("line {number}: {what}")).transpose()
    })
}

fn parse(line: &str, of: usize) -> Result<Option<Line<'_>>, String> {
    // A histogram may decode although its end is missing, so it is the line's end that tells whether all is there.
    let line = line.strip_suffix('\n').ok_or("cut off before the line's end")?.trim_end_matches('\r');
    if line.is_empty() || line.starts_with('#') || line.starts_with("\"StartTimestamp\"") {
        return Ok(None);
    }
    let (tag, rest) = match line.strip_prefix("Tag=") {
        Some(tagged) => tagged.split_once(',').ok_or("cut off after its tag")?,
        None => ("", line),
    };
    let mut fields = rest.splitn(4, ',');
    let mut number = |what: &str| {
        let field = fields.next().ok_or_else(|| format!("cut off before the {what}"))?;
        let value = field.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        value.ok_or_else(|| format!("\"{}\" is no {what}", field.chars().take(40).collect::<String>()))
    };
    let start_s = number("start time")?;
    let length_s = number("length")?;
    number("maximum")?;
    let coded = fields.next().ok_or("cut off before the histogram")?;
    Ok(Some(Line { number: of, tag, start_s, length_s, coded }))
}

/// All intervals together. Entries under tags that are none of a run's are left out.
pub fn total(entries: &[Entry]) -> Distributions {
    let mut total = Distributions::default();
    for entry in entries {
        if let Some(sum) = total.by_tag_mut(&entry.tag) {
            sum.add_sparse(&entry.histogram);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use proptest::prelude::*;

    fn written(intervals: &[Distributions]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut log = IntervalLog::create(&mut bytes, 1_700_000_000.25).unwrap();
        for (i, distributions) in intervals.iter().enumerate() {
            log.append(i as f64 * 0.25, 0.25, distributions).unwrap();
        }
        bytes
    }

    fn of(response: &[u64], send_lag: &[u64]) -> Distributions {
        let mut distributions = Distributions::default();
        response.iter().for_each(|ns| distributions.response.record(*ns));
        send_lag.iter().for_each(|ns| distributions.send_lag.record(*ns));
        distributions
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(
            samples in prop::collection::vec((prop::collection::vec(1..10_000_000_000u64, 0..20),
                                              prop::collection::vec(1..1_000_000u64, 0..5)), 0..8),
        ) {
            let intervals: Vec<_> = samples.iter().map(|(response, lag)| of(response, lag)).collect();
            let entries = read(&written(&intervals)).unwrap();
            let lines = intervals.iter().flat_map(|d| d.tagged().map(|(_, h)| h.is_empty())).filter(|e| !e).count();
            prop_assert_eq!(entries.len(), lines);
            let mut sum = Distributions::default();
            intervals.iter().for_each(|d| sum.add(d));
            prop_assert!(total(&entries) == sum);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_cut_line_is_an_error_that_names_it(cut in 1..60usize) {
            let whole = written(&[of(&[1_000, 2_000, 3_000_000], &[])]);
            // The last line ends in some 60 bytes of histogram.
            let error = read(&whole[..whole.len() - cut]).map(|entries| entries.len()).unwrap_err();
            prop_assert!(error.starts_with("line 5: "), "{}", error);
        }
    }

    #[test]
    fn the_file_is_as_the_public_tools_want_it() {
        let bytes = written(&[of(&[1_500_000], &[]), of(&[2_000_000], &[20_000])]);
        let text = str::from_utf8(&bytes).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("#[Histogram log format version 1.3]"));
        assert_eq!(lines.next(), Some("#[StartTime: 1700000000.250 (seconds since epoch)]"));
        assert_eq!(lines.next(), Some("#[MaxValueDivisor: 1000000.0]"));
        assert_eq!(lines.next(), Some(LEGEND));
        assert!(lines.next().unwrap().starts_with("Tag=response,0.000,0.250,1.500,HISTFAAAA"));
        let theirs: Vec<_> = IntervalLogIterator::new(&bytes)
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(interval) => Some(interval.tag().unwrap().as_str().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(theirs, ["response", "response", "send_lag"]);
    }

    #[test]
    fn a_garbled_line_is_named() {
        for (lines, part) in [
            ("nonsense", "line 1: \"nonsense\" is no start time"),
            ("Tag=response", "line 1: cut off after its tag"),
            ("1.0,2.0", "line 1: cut off before the maximum"),
            ("1.0,2.0,3.0", "line 1: cut off before the histogram"),
            ("1.0,2.0,3.0,AAAA", "line 1: the histogram is not whole"),
            ("# fine\n1.0,inf,3.0,AAAA", "line 2: \"inf\" is no length"),
        ] {
            let error = read(format!("{lines}\n").as_bytes()).unwrap_err();
            assert!(error.starts_with(part), "{error}");
        }
        assert!(read(b"#\n\xff\xfe").unwrap_err().starts_with("line 2: "));
        assert_eq!(read(b"").unwrap(), []);
    }
}
