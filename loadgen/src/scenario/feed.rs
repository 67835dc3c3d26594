//! What variables are filled with: rows of CSV files, and generators. Given the seed and a session's index, each gives
//! the same text on any thread; none has a counter that sessions share.

use super::random::{self, Draw, draw};
use super::zipf::Zipf;
use crate::failure::{Failure, Outcome};
use reports::random::SplitMix;
use std::io::Write;
use std::path::Path;

/// A CSV file in memory, its first row being the names of its columns.
#[derive(Debug)]
pub(super) struct Feed {
    /// Its name in the scenario.
    pub(super) name: String,
    /// The names of its columns.
    pub(super) columns: Vec<String>,
    /// Which session is given which row.
    pub(super) pick: Pick,
    cells: String,
    ends: Vec<usize>,
    number: u64,
}

/// Which session is given which row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    /// One after the other, and again from the first.
    Sequential,
    /// Any.
    Random,
    /// One after the other, and none when there are no more.
    Unique,
}

/// A generator.
#[derive(Debug)]
pub(super) struct Generator {
    /// What it gives.
    pub(super) kind: Kind,
    /// Whether each request is given a value of its own, rather than each session.
    pub(super) per_request: bool,
}

/// What a generator gives.
#[derive(Debug)]
pub(super) enum Kind {
    /// A whole number between the two, which are included.
    Int(i64, i64),
    /// This number plus a rank less one: the first is the most popular.
    Zipf(i64, Zipf),
    /// One of these.
    Choice(Vec<String>),
    /// So many hexadecimal digits.
    Hex(usize),
    /// So many letters and digits.
    Text(usize),
    /// A UUID of version 4 (RFC 9562).
    Uuid,
    /// This number plus the session's index.
    Counter(i64),
}

impl Pick {
    /// Their names in a scenario.
    pub(super) const NAMES: [(&str, Self); 3] =
        [("sequential", Self::Sequential), ("random", Self::Random), ("unique", Self::Unique)];
}

impl Feed {
    /// Reads the file; it is the `number`-th of the scenario.
    ///
    /// # Errors
    /// When it cannot be read, has no rows, no or doubtful names, or rows of several lengths.
    pub(super) fn read(name: &str, path: &Path, pick: Pick, number: u64) -> Outcome<Self> {
        let wrong =
            |line: u64, reason: String| Failure::usage(format!("{}:{line}: {reason}", path.display()));
        let of_reader = |e: csv::Error| {
            let line = e.position().map_or(1, csv::Position::line);
            match e.kind() {
                csv::ErrorKind::UnequalLengths { expected_len, len, .. } => wrong(
                    line,
                    format!("this row has not as many fields as the first: {len} instead of {expected_len}"),
                ),
                csv::ErrorKind::Utf8 { .. } => wrong(line, String::from("this row is no UTF-8")),
                _ => Failure::usage(format!("cannot read {}: {e}", path.display())),
            }
        };
        let file = std::fs::File::open(path)
            .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?;
        let mut reader = csv::Reader::from_reader(file);
        let columns: Vec<String> =
            reader.headers().map_err(of_reader)?.iter().map(|name| name.trim().to_owned()).collect();
        for (place, column) in columns.iter().enumerate() {
            super::template::check_name(column).map_err(|e| wrong(1, e))?;
            if columns[..place].contains(column) {
                return Err(wrong(1, format!("two columns are called `{column}`")));
            }
        }
        let (mut cells, mut ends) = (String::new(), Vec::new());
        for record in reader.records() {
            for cell in &record.map_err(of_reader)? {
                cells.push_str(cell);
                ends.push(cells.len());
            }
        }
        if ends.is_empty() {
            return Err(wrong(1, String::from("there are no rows: give the columns' names, then rows")));
        }
        Ok(Self { name: name.to_owned(), columns, pick, cells, ends, number })
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        (self.ends.len() / self.columns.len()) as u64
    }

    /// Which row the session of this index is given.
    pub(super) fn row(&self, seed: u64, index: u64) -> Option<u64> {
        match self.pick {
            Pick::Sequential => Some(index % self.rows()),
            Pick::Random => Some(random::below(draw(seed, Draw::Row, &[self.number, index]), self.rows())),
            Pick::Unique => Some(index).filter(|index| *index < self.rows()),
        }
    }

    /// What stands there.
    pub(super) fn cell(&self, row: u64, column: usize) -> &str {
        let place = row as usize * self.columns.len() + column;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.cells[start..self.ends[place]]
    }
}

impl Generator {
    /// Appends the value for the session of this index; `key` says, with the seed in it, whose value it is.
    pub(super) fn write(&self, key: u64, index: u64, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = match &self.kind {
            Kind::Int(from, to) => {
                let count = to.abs_diff(*from).saturating_add(1);
                write!(out, "{}", from.wrapping_add_unsigned(random::below(key, count)))
            }
            Kind::Zipf(from, law) => write!(out, "{}", from.wrapping_add_unsigned(law.rank(key) - 1)),
            Kind::Choice(values) => {
                let chosen = &values[random::below(key, values.len() as u64) as usize];
                out.extend_from_slice(chosen.as_bytes());
                Ok(())
            }
            Kind::Hex(length) => fill(key, b"0123456789abcdef", *length, out),
            Kind::Text(length) => {
                fill(key, b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", *length, out)
            }
            Kind::Uuid => {
                let (high, low) = (key, draw(key, Draw::Value, &[]));
                write!(
                    out,
                    "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                    high >> 32,
                    high >> 16 & 0xffff,
                    high & 0xfff,
                    low >> 48 & 0x3fff | 0x8000,
                    low & 0xffff_ffff_ffff
                )
            }
            Kind::Counter(from) => write!(out, "{}", from.wrapping_add_unsigned(index)),
        };
    }
}

fn fill(key: u64, letters: &[u8], length: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut random = SplitMix::new(key);
    let letter = |_| letters[random::below(random.bits(), letters.len() as u64) as usize];
    out.extend((0..length).map(letter));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn feed(text: &str, pick: Pick) -> Outcome<Feed> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.csv");
        std::fs::write(&path, text).unwrap();
        Feed::read("users", &path, pick, 0)
    }

    fn rows(pick: Pick, indices: std::ops::Range<u64>) -> Vec<Option<u64>> {
        let feed = feed("a,b\n1,\"x,y\"\n2,\n3,z\n", pick).unwrap();
        indices.map(|index| feed.row(1, index)).collect()
    }

    #[test]
    fn rows_are_given_by_the_session_s_index() {
        assert_eq!(rows(Pick::Sequential, 1..5), [Some(1), Some(2), Some(0), Some(1)]);
        assert_eq!(rows(Pick::Unique, 1..5), [Some(1), Some(2), None, None]);
        let random = rows(Pick::Random, 0..300);
        assert_eq!(random, rows(Pick::Random, 0..300));
        for row in 0..3 {
            let given = random.iter().filter(|given| **given == Some(row)).count();
            assert!((70..130).contains(&given), "{row}: {given}");
        }
    }

    #[test]
    fn cells_are_what_the_file_says() {
        let feed = feed("\u{feff}a,b\r\n1,\"x,y\"\r\n2,\"\"\r\n", Pick::Random).unwrap();
        assert_eq!(feed.columns, ["a", "b"]);
        let cells: Vec<_> = (0..2).flat_map(|row| [feed.cell(row, 0), feed.cell(row, 1)]).collect();
        assert_eq!(cells, ["1", "x,y", "2", ""]);
    }

    #[test]
    fn files_that_cannot_be_used_are_named_with_the_line() {
        for (text, part) in [
            ("", "users.csv:1: there are no rows"),
            ("a,b\n", "users.csv:1: there are no rows"),
            ("a,b\n1,2\n3\n", "users.csv:3: this row has not as many fields as the first: 1 instead of 2"),
            ("a,a\n1,2\n", "users.csv:1: two columns are called `a`"),
            ("a,\n1,2\n", "users.csv:1: `` is no name"),
        ] {
            let error = feed(text, Pick::Random).unwrap_err();
            assert!(error.message.contains(part), "{text}: {error}");
        }
        let error = Feed::read("x", Path::new("/nonexistent/x.csv"), Pick::Random, 0).unwrap_err();
        assert!(error.message.starts_with("cannot read /nonexistent/x.csv: "), "{error}");
    }

    #[test]
    fn generators_give_what_they_say() {
        let value = |kind, key, index| {
            let mut out = Vec::new();
            Generator { kind, per_request: false }.write(key, index, &mut out);
            String::from_utf8(out).unwrap()
        };
        let ints: BTreeSet<String> =
            (0..100).map(|i| value(Kind::Int(-1, 1), draw(1, Draw::Value, &[i]), i)).collect();
        assert_eq!(ints, ["-1", "0", "1"].map(String::from).into());
        assert_eq!(value(Kind::Int(5, 5), u64::MAX, 0), "5");
        let ranks: BTreeSet<String> = (0..100)
            .map(|i| value(Kind::Zipf(-1, Zipf::new(3, 1.0)), draw(1, Draw::Value, &[i]), i))
            .collect();
        assert_eq!(ranks, ["-1", "0", "1"].map(String::from).into());
        assert_eq!(value(Kind::Zipf(i64::MAX, Zipf::new(1, 1.0)), 7, 0), i64::MAX.to_string());
        assert!(value(Kind::Int(i64::MIN, i64::MAX), u64::MAX, 0).parse::<i64>().is_ok());
        assert_eq!(value(Kind::Choice(vec!["a".into(), "b".into()]), u64::MAX, 0), "b");
        assert_eq!(value(Kind::Counter(100), 7, 5), "105");
        for length in [0, 1, 32] {
            let hex = value(Kind::Hex(length), 7, 0);
            assert!(hex.len() == length && hex.bytes().all(|b| b"0123456789abcdef".contains(&b)), "{hex}");
            let text = value(Kind::Text(length), 7, 0);
            assert!(text.len() == length && text.bytes().all(|b| b.is_ascii_alphanumeric()), "{text}");
        }
        let uuid = value(Kind::Uuid, draw(1, Draw::Value, &[]), 0);
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert!(uuid.as_bytes()[14] == b'4' && b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
    }
}
