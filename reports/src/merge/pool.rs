//! The histograms of all shards, interval by interval. Several threads read logs and count into one pool, which keeps of each interval
//! only what occurred in it: its memory grows with the length of the run, and not with the number of shards. A log is counted while it is
//! read, and taken back where it turns out to be broken, so that no histogram is held in between.

use super::Piece;
use crate::analyse::interval::distribution;
use crate::histogram::{Histogram, Places, Tally};
use crate::log::{self, Line};
use crate::record::{Distribution, Run};
use crate::store::{self, LOG_FILE};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The tags of a run's log, in its order.
pub(super) const TAGS: [&str; 4] = ["response", "service", "send_lag", "ok_response"];

/// What the logs of all shards come to.
#[derive(Default)]
pub(super) struct Pool {
    /// By interval and tag.
    pub(super) intervals: Vec<[Tally; 4]>,
    /// The response times of each interaction, as far as the logs have them.
    pub(super) interactions: Vec<Tally>,
    /// What could not be read, with its path.
    pub(super) broken: Vec<String>,
    /// The directories of those.
    pub(super) left_out: BTreeSet<PathBuf>,
}

/// So many logs are read at once by a thread, interval by interval, so that the counts of an interval are still at hand for the next log; of more,
/// their own totals would no longer be.
const LANES: usize = 4;

/// The intervals of all, and behind them the interactions, which have the first tag only: one thread at a time counts in each.
type Slots = [Mutex<[Tally; 4]>];

/// A histogram of a log: its slot, its tag and its line.
type Found<'a> = Result<(usize, usize, Line<'a>), String>;

/// A log that is being read.
struct Lane<'a> {
    piece: &'a Piece,
    text: &'a [u8],
    log: Peekable<Box<dyn Iterator<Item = Found<'a>> + 'a>>,
    /// The slot of the first interaction.
    intervals: usize,
    /// All that was counted of it in intervals.
    total: [Tally; 4],
    /// And in interactions, of those that it has.
    interactions: BTreeMap<usize, u64>,
    /// In so many histograms.
    counted: usize,
    broken: Option<String>,
}

/// Reads the logs of the pieces. One that is broken, or is not what its record says, is left out as a whole.
pub(super) fn read(pieces: &[Piece]) -> Pool {
    let most = |of: fn(&Run) -> usize| pieces.iter().map(|piece| of(&piece.run)).max().unwrap_or(0);
    let (intervals, interactions) = (most(|run| run.timeline.bins.len()), most(|run| run.interactions.len()));
    let slots: Vec<_> = (0..intervals + interactions).map(|_| Mutex::default()).collect();
    let groups: Vec<&[Piece]> = pieces.chunks(LANES).collect();
    let broken = in_parallel(&groups, Vec::new, |texts, group| count(group, texts, intervals, &slots));
    let (mut broken, left_out): (Vec<_>, _) = broken.into_iter().flatten().unzip();
    // In whatever order they were come across.
    broken.sort();
    let whole = |tallies: Mutex<_>| tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<[Tally; 4]> = slots.into_iter().map(whole).collect();
    let interactions = all.split_off(intervals).into_iter().map(|[response, ..]| response).collect();
    Pool { intervals: all, interactions, broken, left_out }
}

/// Counts the logs of a few pieces; gives what is broken, and the directory that it is in.
fn count(
    pieces: &[Piece],
    texts: &mut Vec<Vec<u8>>,
    intervals: usize,
    slots: &Slots,
) -> Vec<(String, PathBuf)> {
    texts.resize_with(pieces.len(), Vec::new);
    let open = |(piece, text)| Lane::open(piece, text, intervals);
    let mut lanes: Vec<_> = pieces.iter().zip(texts).map(open).collect();
    let mut places = Places::default();
    for (slot, tallies) in slots.iter().enumerate() {
        let mut tallies = tallies.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter_mut().for_each(|lane| lane.count(slot, &mut tallies, &mut places));
    }
    let ended = lanes.into_iter().map(|lane| {
        let dir = &lane.piece.dir;
        let named = |what| (format!("{}: {what}", dir.join(LOG_FILE).display()), dir.clone());
        lane.end(slots).map(named)
    });
    ended.flatten().collect()
}

impl<'a> Lane<'a> {
    fn open(piece: &'a Piece, text: &'a mut Vec<u8>, intervals: usize) -> Self {
        text.clear();
        let read = store::read_into(&piece.dir.join(LOG_FILE), text);
        let broken = read.err().map(|e| e.to_string());
        let text = text.as_slice();
        let log: Box<dyn Iterator<Item = Found<'a>>> = Box::new(found(&piece.run, text, intervals));
        let (total, interactions) = Default::default();
        Self { piece, text, log: log.peekable(), intervals, total, interactions, counted: 0, broken }
    }

    /// Counts what it has for a slot; they come in their order.
    fn count(&mut self, slot: usize, tallies: &mut [Tally; 4], places: &mut Places) {
        let later = |found: &Found<'_>| found.as_ref().is_ok_and(|(of, ..)| *of > slot);
        while self.broken.is_none()
            && let Some(found) = self.log.next_if(|found| !later(found))
        {
            match found.and_then(|(of, tag, line)| read_line(of == slot, &line, places).map(|()| tag)) {
                Ok(tag) => {
                    tallies[tag].add(places);
                    self.counted += 1;
                    match slot.checked_sub(self.intervals) {
                        None => self.total[tag].add(places),
                        Some(number) => *self.interactions.entry(number).or_default() += places.count(),
                    }
                }
                Err(why) => self.broken = Some(why),
            }
        }
    }

    /// What is wrong with it, now that it was read, in which case nothing of it stays counted.
    fn end(self, slots: &Slots) -> Option<String> {
        let disagrees = || agree(&self.piece.run, &self.total, &self.interactions).err();
        let not_so = |what| format!("{what} is not what the record has");
        let why = self.broken.or_else(|| disagrees().map(not_so))?;
        let mut places = Places::default();
        let all = found(&self.piece.run, self.text, self.intervals).flatten();
        for (slot, tag, line) in all.take(self.counted) {
            let mut tallies = slots[slot].lock().unwrap_or_else(PoisonError::into_inner);
            let again = places.read(line.coded);
            debug_assert!(again.is_ok(), "it was read before");
            tallies[tag].take_back(&places);
        }
        Some(why)
    }
}

/// The histograms of a log that are a run's, where all runs have at most so many intervals.
fn found<'a>(run: &Run, text: &'a [u8], intervals: usize) -> impl Iterator<Item = Found<'a>> + use<'a> {
    let (interval_s, bins) = (run.timeline.interval_s, run.timeline.bins.len() as f64);
    let interactions = run.interactions.len();
    let placed = move |line: Line<'a>| {
        if let Some(number) = log::interaction(line.tag) {
            let wrong = || format!("line {}: the run has no {}", line.number, line.tag);
            return Some(if number < interactions {
                Ok((intervals + number, 0, line))
            } else {
                Err(wrong())
            });
        }
        let tag = TAGS.iter().position(|tag| *tag == line.tag)?;
        let number = (line.start_s / interval_s).round();
        let fits = number >= 0.0 && number < bins;
        let wrong = || format!("line {}: the run has no interval at {} s", line.number, line.start_s);
        Some(if fits { Ok((number as usize, tag, line)) } else { Err(wrong()) })
    };
    log::lines(text).filter_map(move |line| line.map_or_else(|why| Some(Err(why)), placed))
}

fn read_line(in_order: bool, line: &Line<'_>, places: &mut Places) -> Result<(), String> {
    if !in_order {
        return Err(format!("line {}: it belongs before the one before it", line.number));
    }
    places.read(line.coded).map_err(|what| line.not_whole(&what))
}

/// What `work` gives for each of `items`, in their order, by as many threads as there are CPUs, each with a desk of its own.
pub(super) fn in_parallel<I: Sync, D, T: Send>(
    items: &[I],
    desk: impl Fn() -> D + Sync,
    work: impl Fn(&mut D, &I) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let given = Mutex::new(Vec::with_capacity(items.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut desk = desk();
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(item) = items.get(number)
                {
                    let one = work(&mut desk, item);
                    given.lock().unwrap_or_else(PoisonError::into_inner).push((number, one));
                }
            });
        }
    });
    let mut given = given.into_inner().unwrap_or_else(PoisonError::into_inner);
    given.sort_by_key(|(number, _)| *number);
    given.into_iter().map(|(_, one)| one).collect()
}

/// Which distribution of a record is not that of its log.
fn agree(run: &Run, totals: &[Tally; 4], interactions: &BTreeMap<usize, u64>) -> Result<(), &'static str> {
    // What blocks of time say of it needs the intervals, and changes none of these.
    let plain =
        |of: &Distribution| Distribution { ci95_blocks: Default::default(), blocks: None, ..of.clone() };
    let said = [&run.response_ms, &run.service_ms, &run.send_lag_ms, &run.ok_response_ms];
    let names = ["response_ms", "service_ms", "send_lag_ms", "ok_response_ms"];
    let mut logged = Histogram::default();
    for ((name, said), total) in names.into_iter().zip(said).zip(totals) {
        logged.clear();
        logged.add_sparse(&total.sparse());
        if plain(said) != distribution(&logged) {
            return Err(name);
        }
    }
    let wrong = interactions.iter().any(|(number, n)| run.interactions[*number].response_ms.count != *n);
    if wrong { Err("the response_ms of an interaction") } else { Ok(()) }
}
