//! The search for the highest rate at which something holds. Told after each try whether it did, it gives the next rate: ever
//! higher ones until one fails, then between the two. A failure counts when it came twice, since a machine hiccups. It ends
//! after a bounded number of tries, and knows nothing of what is tried.

/// See the module.
#[derive(Debug)]
pub(crate) struct Search {
    bounds: Bounds,
    next: f64,
    /// Whether `next` has failed once.
    doubted: bool,
    good: Option<f64>,
    bad: Option<f64>,
    tries_left: u32,
}

/// Where a search begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The rate that is tried first.
    pub(crate) first: f64,
    /// The highest that is tried.
    pub(crate) most: f64,
    /// The ratio of a failing rate to one that holds at which they are close enough.
    pub(crate) precision: f64,
    /// At most so many tries.
    pub(crate) tries: u32,
}

impl Search {
    /// By how much rates grow until one fails.
    const GROWTH: f64 = 2.0;

    /// A search that has not begun.
    pub(crate) fn new(bounds: Bounds) -> Self {
        let (next, tries_left) = (bounds.first, bounds.tries);
        Self { bounds, next, doubted: false, good: None, bad: None, tries_left }
    }

    /// The rate to try; `None` when the search has ended.
    pub(crate) fn next(&self) -> Option<f64> {
        let close = match (self.good, self.bad) {
            (Some(good), Some(bad)) => bad <= good * self.bounds.precision,
            (Some(good), None) => good >= self.bounds.most,
            (None, bad) => bad.is_some(),
        };
        (!close && self.tries_left > 0).then_some(self.next)
    }

    /// Whether it held at [`Search::next`].
    pub(crate) fn tell(&mut self, held: bool) {
        self.tries_left = self.tries_left.saturating_sub(1);
        match held {
            true => self.good = Some(self.next),
            false if !self.doubted => {
                self.doubted = true;
                return;
            }
            false => self.bad = Some(self.next),
        }
        self.doubted = false;
        self.next = match (self.good, self.bad) {
            (Some(good), Some(bad)) => (good * bad).sqrt(),
            _ => (self.next * Self::GROWTH).min(self.bounds.most),
        };
    }

    /// The highest rate at which it held, and whether that is known to be the `exact` one, `at_least` it, or `below` the
    /// first.
    pub(crate) fn found(&self) -> (Option<f64>, &'static str) {
        match (self.good, self.bad) {
            (None, _) => (None, "below"),
            (good, None) => (good, "at_least"),
            (good, Some(_)) => (good, "exact"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { first: 1000.0, most: 100_000.0, precision: 1.05, tries: 40 };

    fn search(bounds: Bounds, mut holds: impl FnMut(f64) -> bool) -> (Search, Vec<f64>) {
        let (mut search, mut tried) = (Search::new(bounds), Vec::new());
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.tell(holds(rate));
        }
        (search, tried)
    }

    #[test]
    fn the_ends_of_the_range_are_said() {
        let (low, tried) = search(BOUNDS, |_| false);
        assert_eq!((low.found(), tried), ((None, "below"), vec![1000.0, 1000.0]));
        let (high, tried) = search(BOUNDS, |_| true);
        assert_eq!(high.found(), (Some(100_000.0), "at_least"));
        assert_eq!(tried, [1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 64e3, 1e5]);
        let (none, tried) = search(Bounds { tries: 0, ..BOUNDS }, |_| true);
        assert_eq!((none.found(), tried), ((None, "below"), vec![]));
    }

    #[test]
    fn one_failure_is_a_hiccup() {
        let mut failed = false;
        let (found, _) = search(BOUNDS, |rate| {
            let hiccup = rate == 8000.0 && !failed;
            failed |= hiccup;
            !hiccup
        });
        assert_eq!(found.found(), (Some(100_000.0), "at_least"));
    }

    proptest! {
        #[test]
        fn it_ends_and_encloses_the_truth(truth in 1000.0..100_000.0f64, tries in 0u32..60) {
            let (found, tried) = search(Bounds { tries, ..BOUNDS }, |rate| rate <= truth);
            prop_assert!(tried.len() <= tries as usize);
            if let (Some(good), bound) = found.found() {
                prop_assert!(good <= truth);
                prop_assert!(tries < 40 || bound == "exact" && good * 1.05 >= truth, "{good} {truth}");
            }
        }
    }
}
