//! What an endpoint counts at one moment, apart from what is observed of every run: for experiments that ask for a certain counter before
//! a load, after it, and ever so often in its course.

use super::scrape::{fill, in_words, reader};
use super::text;
use crate::failure::{Failure, Outcome};
use std::collections::BTreeMap;
use std::time::Duration;

/// An endpoint that takes longer has no answer.
const LIMIT: Duration = Duration::from_secs(2);

/// An endpoint.
#[derive(Debug)]
pub(crate) struct Counter {
    client: reqwest::Client,
    url: String,
}

/// What it said at one moment.
#[derive(Debug)]
pub(crate) struct Said(Vec<u8>);

impl Counter {
    /// The one at this URL.
    ///
    /// # Errors
    /// The host's fault: there is no HTTP client.
    pub(crate) fn at(url: &str) -> Outcome<Self> {
        Ok(Self { client: reader(LIMIT)?, url: url.to_owned() })
    }

    /// Asks it.
    ///
    /// # Errors
    /// The target's fault: it does not answer.
    pub(crate) async fn read(&self) -> Outcome<Said> {
        let failed = |why: String| Failure::target(format!("{} cannot be read: {why}", self.url));
        let answer = self.client.get(&self.url).send().await.map_err(|e| failed(in_words(&e)))?;
        let mut text = Vec::new();
        fill(&mut text, answer).await.map_err(failed)?;
        Ok(Said(text))
    }
}

impl Said {
    /// The sum of a metric over its labels, 0 where there is none.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        text::each(&self.0, |sample| {
            if sample.name == name {
                sum += sample.value;
            }
        });
        sum
    }

    /// The same for each value of a label.
    pub(crate) fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        text::each(&self.0, |sample| {
            if let Some(value) = sample.label(label).filter(|_| sample.name == name) {
                *sums.entry(value.into_owned()).or_insert(0.0) += sample.value;
            }
        });
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_name_are_summed() {
        let text = "# TYPE a counter\na_total{s=\"HIT\",z=\"x\"} 3\na_total{s=\"HIT\",z=\"y\"} 4\na_total{s=\"MISS\"} 1\na_totals 9\nb 2\n";
        let said = Said(text.into());
        assert_eq!((said.sum("a_total"), said.sum("b"), said.sum("c")), (8.0, 2.0, 0.0));
        let by = said.by("a_total", "s");
        assert_eq!(by.into_iter().collect::<Vec<_>>(), [("HIT".into(), 7.0), ("MISS".into(), 1.0)]);
        assert!(said.by("b", "s").is_empty());
    }
}
