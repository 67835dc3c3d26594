//! Counts by their place in a histogram of three digits, in pages of which there are only those that have something in them: what takes
//! in a great many histograms that are read once, and gives the histogram of them all.

use super::quick::{HALF, value};
use super::{Histogram, Sparse, quick};

/// What is recorded in a histogram: the places of its values, ascending, with their counts.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// So many of these are of the histogram; the others are room that is used again.
    filled: usize,
    room: Vec<(u32, u32)>,
}

impl Places {
    /// Takes what is coded in `text`, as [`Histogram::encode`] does it, in place of what was there.
    ///
    /// # Errors
    /// As [`Histogram::decode`], or when more was counted in a place than an interval of a run can have; there is nothing recorded then.
    pub fn read(&mut self, text: &str) -> Result<(), String> {
        self.filled = match quick::decode(text, &mut self.room) {
            Some(filled) => filled,
            None => {
                self.filled = 0;
                let other = Histogram::decode(text)?;
                let counted = |(ns, n)| Some((place(ns), u32::try_from(n).ok()?));
                let all: Option<Vec<_>> = other.recorded().map(counted).collect();
                self.room = all.ok_or_else(|| format!("over {} requests took equally long", u32::MAX))?;
                self.room.len()
            }
        };
        Ok(())
    }

    /// The places with their counts, ascending.
    pub fn recorded(&self) -> &[(u32, u32)] {
        &self.room[..self.filled]
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.recorded().iter().map(|(_, n)| u64::from(*n)).sum()
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pages: Vec<Option<Box<[u64; HALF]>>>,
}

impl Tally {
    /// Counts what is recorded there.
    pub fn add(&mut self, places: &Places) {
        self.each(places, u64::wrapping_add);
    }

    /// Undoes an [`add`](Self::add) of the same.
    pub fn take_back(&mut self, places: &Places) {
        self.each(places, u64::wrapping_sub);
    }

    fn each(&mut self, places: &Places, change: impl Fn(u64, u64) -> u64) {
        let Some((first, _)) = places.recorded().first() else { return };
        let mut page = *first as usize / HALF;
        let mut counts = self.page(page);
        for (place, n) in places.recorded() {
            let place = *place as usize;
            if place / HALF != page {
                page = place / HALF;
                counts = self.page(page);
            }
            let count = &mut counts[place % HALF];
            *count = change(*count, u64::from(*n));
        }
    }

    fn page(&mut self, number: usize) -> &mut [u64; HALF] {
        if self.pages.len() <= number {
            self.pages.resize(number + 1, None);
        }
        self.pages[number].get_or_insert_with(|| Box::new([0; HALF]))
    }

    /// As a histogram at rest.
    pub fn sparse(&self) -> Sparse {
        let pages = self.pages.iter().enumerate().filter_map(|(page, counts)| Some((page, counts.as_ref()?)));
        let places = pages.flat_map(|(page, counts)| (page * HALF..).zip(counts.iter()));
        places.filter(|(_, n)| **n > 0).filter_map(|(place, n)| Some((value(place)?, *n))).collect()
    }
}

/// Where a value is counted: values that a histogram with three digits does not tell apart are in one place.
fn place(ns: u64) -> u32 {
    // The first two halves have a place for each value.
    let power = (u64::BITS - ns.leading_zeros()).saturating_sub(HALF.ilog2() + 1);
    (ns >> power) as u32 + power * HALF as u32
}

#[cfg(test)]
mod tests {
    use super::super::MAX_NS;
    use super::*;
    use proptest::prelude::*;

    fn places(values: &[u64], coarse: bool) -> (Histogram, Places) {
        let mut one = Histogram::default();
        values.iter().for_each(|ns| one.record(*ns));
        let mut places = Places::default();
        if coarse {
            // What the quick reader leaves to the other one.
            places.room = one.recorded().map(|(ns, n)| (place(ns), n as u32)).collect();
            places.filled = places.room.len();
        } else {
            places.read(&one.encode().unwrap()).unwrap();
        }
        (one, places)
    }

    proptest! {
        #[test]
        fn it_counts_what_a_histogram_does_and_takes_it_back(
            parts in prop::collection::vec((prop::collection::vec((0..2 * MAX_NS, 0..42u32), 0..60), any::<bool>()), 1..5),
            other in prop::collection::vec(0..2 * MAX_NS, 0..60),
        ) {
            let (mut all, mut tally) = (Histogram::default(), Tally::default());
            for (part, coarse) in &parts {
                let values: Vec<u64> = part.iter().map(|(ns, shift)| ns >> shift).collect();
                let (one, places) = places(&values, *coarse);
                all.add(&one);
                tally.add(&places);
            }
            let (_, other) = places(&other, false);
            tally.add(&other);
            tally.take_back(&other);
            prop_assert_eq!(tally.sparse(), Sparse::from(&all));
        }
    }

    #[test]
    fn other_codings_are_counted_too() {
        let mut coarse = Histogram::coarse();
        [3, 70_000, 2_000_000_000].into_iter().for_each(|ns| coarse.record(ns));
        let (mut places, mut tally) = (Places::default(), Tally::default());
        places.read(&coarse.encode().unwrap()).unwrap();
        tally.add(&places);
        assert_eq!(tally.sparse(), Sparse::decode(&coarse.encode().unwrap()).unwrap());
        assert!(places.read("nonsense").is_err() && places.recorded().is_empty());
        let mut many = Histogram::default();
        many.inner.record_n(1_000, 1 << 32).unwrap();
        let said = places.read(&many.encode().unwrap());
        assert_eq!(said, Err(String::from("over 4294967295 requests took equally long")));
        assert_eq!(Sparse::decode(&many.encode().unwrap()), Ok(Sparse::from(&many)));
    }
}
