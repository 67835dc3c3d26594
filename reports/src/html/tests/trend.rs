//! The report of a history.

use super::{HOSTILE, keep_for_a_look, sound};
use crate::analyse::trend::{Trend, trend};
use crate::fixture::history::{Made, nights, trend_of};
use crate::html::Reported;

#[test]
fn every_history_gives_a_sound_page() {
    for (made, says) in [
        (Made::One, "1 night: too few for a change to be seen"),
        (Made::Two, "The level of no metric has changed."),
        (Made::Ninety, "Where a level changed"),
        (Made::Named, "feature/rewrite the pool of connections, part 40"),
    ] {
        let page = trend_of(made).html();
        keep_for_a_look(&format!("trend-{made:?}").to_lowercase(), &page);
        sound(&page);
        assert!(page.contains(says), "{made:?}: {says}");
    }
    let empty = trend("history.jsonl", &[], vec!["the history is empty".into()], 1).html();
    sound(&empty);
    assert!(empty.contains("The history is empty"));
}

/// One whose every text would do something if it were let.
fn hostile() -> Trend {
    let mut all = nights(Made::Ninety);
    let text = || HOSTILE.to_owned();
    for night in &mut all {
        (night.base, night.candidate, night.host.cpu, night.host.extra) = (text(), text(), text(), text());
        night.metrics.values_mut().for_each(|figure| (figure.what, figure.unit) = (text(), text()));
        let metrics = std::mem::take(&mut night.metrics);
        night.metrics = metrics.into_iter().map(|(name, figure)| (name + HOSTILE, figure)).collect();
    }
    trend(HOSTILE, &all, vec![text()], 1)
}

#[test]
fn nothing_of_a_history_is_markup() {
    let page = hostile().html();
    sound(&page);
    assert!(!page.contains("<img") && !page.contains(['\u{1b}', '\u{202e}']), "markup");
    assert!(page.contains("&lt;img src=x onerror=alert(2)&gt;"));
}
