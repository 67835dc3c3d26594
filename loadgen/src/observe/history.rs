//! What one endpoint said in the course of a run. Given its samples with their times, it keeps for each input how much it grew
//! and over how long that was seen, so that any span between two samples has its mean. What was not seen adds nothing to
//! either. It keeps a bounded number of samples, and reads no clock.

use super::reading::Values;
use super::table::{Kind, Table};

/// The most samples that are kept: then every second one goes.
const MOST: usize = 600;
/// A process that was started this much later is another one, in seconds; some exporters compute the time anew each time.
const STARTED_LATER: f64 = 1.5;

/// How far an input has come since the first sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Track {
    /// A counter's growth; the sum of a gauge's values.
    pub(super) amount: f64,
    /// The seconds over which the counter was seen to grow; how many values of the gauge there are.
    pub(super) seen: f64,
    /// How often it was interrupted: a span in which that happened has no value.
    pub(super) breaks: u32,
}

/// A sample that was kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The sample's number on the run's clock, which all endpoints share.
    pub(super) tick: u32,
    /// Seconds after the beginning of the measured part.
    pub(super) at_s: f64,
    /// By input.
    pub(super) tracks: Box<[Track]>,
}

/// What is wrong with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A counter is lower than it was, or its process another one.
    Backwards,
    /// It is no number, or less than zero.
    NoNumber,
    /// It was there before.
    Gone,
}

/// A value and its time: by the run's clock, or by the stamp that the endpoint gave it.
#[derive(Clone, Copy, Debug)]
struct Last {
    time_s: f64,
    stamped: bool,
    value: f64,
}

/// The samples of one endpoint.
#[derive(Debug)]
pub(super) struct History {
    kinds: Vec<Kind>,
    /// The last value of each input.
    last: Vec<Option<Last>>,
    /// Whether it was there at the last sample.
    present: Vec<bool>,
    tracks: Vec<Track>,
    kept: Vec<Kept>,
    /// The newest one, where it is not among those that are kept.
    newest: Option<Kept>,
    stride: u32,
    /// What was wrong first, with its input and its time, and how often.
    pub(super) flaws: Vec<(Flaw, usize, f64, u32)>,
}

impl History {
    /// An empty one for the inputs of `table`.
    pub(super) fn new(table: &Table) -> Self {
        let count = table.inputs.len();
        Self {
            kinds: table.inputs.iter().map(|(_, kind, _)| *kind).collect(),
            last: vec![None; count],
            present: vec![false; count],
            tracks: vec![Track::default(); count],
            kept: Vec::new(),
            newest: None,
            stride: 1,
            flaws: Vec::new(),
        }
    }

    /// Adds the sample number `tick`, taken at `at_s`. At an `edge` of the measured part the load is about to begin or has just
    /// ended: what a gauge says then says nothing of the load.
    pub(super) fn push(&mut self, tick: u32, at_s: f64, values: &Values, edge: bool) {
        let restarted = self.last[0].is_some_and(|last| values.of[0] - last.value > STARTED_LATER);
        for (n, (&value, &stamp)) in values.of.iter().zip(&values.stamps).enumerate() {
            let stamped = stamp.is_finite();
            let time_s = if stamped { stamp } else { at_s };
            self.follow(n, at_s, Last { time_s, stamped, value }, edge, restarted);
        }
        let kept = Kept { tick, at_s, tracks: self.tracks.as_slice().into() };
        if !tick.is_multiple_of(self.stride) {
            self.newest = Some(kept);
            return;
        }
        self.newest = None;
        self.kept.push(kept);
        while self.kept.len() > MOST {
            self.stride *= 2;
            self.kept.retain(|kept| kept.tick.is_multiple_of(self.stride));
        }
    }

    fn follow(&mut self, n: usize, at_s: f64, now: Last, edge: bool, restarted: bool) {
        let value = now.value;
        let was_present = std::mem::replace(&mut self.present[n], value.is_finite());
        let track = &mut self.tracks[n];
        if !value.is_finite() {
            if value.is_infinite() {
                self.flaw(Flaw::NoNumber, n, at_s);
            } else if was_present {
                self.flaw(Flaw::Gone, n, at_s);
            }
            return;
        }
        match self.kinds[n] {
            Kind::Counter => return self.count(n, at_s, now, restarted, was_present),
            Kind::Gauge if edge => {}
            Kind::Size if value <= 0.0 => {}
            Kind::Gauge | Kind::Size => {
                track.amount += value;
                track.seen += 1.0;
            }
        }
        self.last[n] = Some(now);
    }

    fn count(&mut self, n: usize, at_s: f64, now: Last, restarted: bool, was_present: bool) {
        let track = &mut self.tracks[n];
        let Some(last) = self.last[n].replace(now) else { return };
        track.breaks += u32::from(!was_present);
        if now.value < last.value || restarted || now.stamped != last.stamped {
            track.breaks += 1;
            self.flaw(Flaw::Backwards, n, at_s);
        } else if now.time_s > last.time_s {
            track.amount += now.value - last.value;
            track.seen += now.time_s - last.time_s;
        } else {
            // The same reading once more, handed on again: nothing new is known.
            self.last[n] = Some(last);
        }
    }

    fn flaw(&mut self, flaw: Flaw, n: usize, at_s: f64) {
        match self.flaws.iter_mut().find(|(known, ..)| *known == flaw) {
            Some((.., times)) => *times += 1,
            None => self.flaws.push((flaw, n, at_s, 1)),
        }
    }

    /// The samples that were kept, in order.
    pub(super) fn samples(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().chain(&self.newest)
    }

    /// How far each input has come.
    pub(super) fn whole(&self) -> &[Track] {
        &self.tracks
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
