//! One load, judged by its windows in the manner of MLRsearch (RFC 9971): a window is bad where more than one
//! request in it, and more than may, break the objective, or the target falls behind, and a load fails when more than half of its windows have to be bad. Three things are added, as a
//! window cannot show them: the objective over the whole load, since the median window of a queue is better than its mean; a
//! number in flight that grows steadily but slowly; and an early end where the answer is clear.

use crate::analyse::objective::Objective;
use crate::ceiling::Window;
use crate::number::{percent, rate};

/// The target falls behind where it answers this much less than is offered.
const BEHIND: f64 = 0.01;
/// A few requests more in flight are no backlog, whatever the rate.
const SLACK: f64 = 3.0;
/// A load is clearly fine while the objective is broken by less than this share of what is allowed.
const CLEARLY_FINE: f64 = 0.3;
/// And this share of it was answered.
const MOSTLY: f64 = 0.8;
/// It clearly fails where the objective is broken by so many times of what is allowed.
const CLEARLY_BROKEN: f64 = 5.0;
/// So many windows that are all clearly broken settle a load.
const HOPELESS: usize = 3;
/// A trend is one where chance would make one of this strength once in two hundred loads: a one-sided 0.5 % of the normal
/// distribution.
const TREND_Z: f64 = 2.576;
/// And where it is at least this share of what was offered.
const TREND_SHARE: f64 = 0.001;

/// How many windows a load may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A load that is clearly fine has to have so many.
    pub least: usize,
    /// With so many, it is judged as it is.
    pub most: usize,
}

/// What can be said of a load so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The objective holds.
    Passed,
    /// It does not.
    Failed,
    /// More windows are needed.
    Open,
}

/// Whether a window of a load of `offered_rps` is bad, which began with `before` requests in flight.
pub fn is_bad(window: &Window, before: u64, offered_rps: f64, objective: &Objective) -> bool {
    let most = BEHIND * offered_rps * window.length_s + SLACK;
    let climb = window.in_flight as f64 - before as f64;
    let behind = window.planned as f64 - window.ok as f64;
    objective.is_broken(&window.broke, window.ended) || climb > most || behind > most
}

/// In how many of the first of so many windows the target is still filling; of few windows, none is left out.
pub fn filling(windows: usize) -> usize {
    match windows {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

/// The windows that a load is judged by.
pub(super) fn settled(windows: &[Window]) -> &[Window] {
    &windows[filling(windows.len())..]
}

/// Correct answers per second in these windows.
pub fn answered(windows: &[Window]) -> f64 {
    let seconds: f64 = windows.iter().map(|window| window.length_s).sum();
    windows.iter().map(|window| window.ok).sum::<u64>() as f64 / seconds.max(1e-9)
}

/// By how much the objective is broken over a whole load: see [`Objective::excess`].
pub fn excess(windows: &[Window], objective: &Objective) -> f64 {
    let windows = settled(windows);
    let rules = windows.iter().map(|window| window.broke.len()).max().unwrap_or(0);
    let sum = |n: usize| windows.iter().filter_map(|window| window.broke.get(n)).sum::<u64>();
    let broke: Vec<u64> = (0..rules).map(sum).collect();
    objective.excess(&broke, windows.iter().map(|window| window.ended).sum())
}

/// How the number in flight went from the end of the first window to that of the last, by Mann and Kendall's test (Mann, 1945):
/// 1 where it rose, -1 where it fell, 0 where chance and the load's size explain it.
pub fn trend(windows: &[Window], offered_rps: f64) -> i32 {
    let counts: Vec<f64> = windows.iter().map(|window| window.in_flight as f64).collect();
    let n = counts.len() as f64;
    let (Some(first), Some(last)) = (counts.first(), counts.last()) else { return 0 };
    let length: f64 = windows.iter().skip(1).map(|window| window.length_s).sum();
    if (last - first).abs() <= TREND_SHARE * offered_rps * length + SLACK {
        return 0;
    }
    let pairs = counts.iter().enumerate().flat_map(|(i, a)| counts[i + 1..].iter().map(move |b| b - a));
    let score: f64 = pairs.map(|rise| if rise == 0.0 { 0.0 } else { rise.signum() }).sum();
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    let z = (score.abs() - 1.0) / variance.sqrt();
    if z > TREND_Z { score.signum() as i32 } else { 0 }
}

/// Whether the number in flight rose steadily.
pub fn rises(windows: &[Window], offered_rps: f64) -> bool {
    trend(windows, offered_rps) > 0
}

/// What the windows of a load of `offered_rps` say.
pub fn settle(windows: &[Window], offered_rps: f64, objective: &Objective, patience: Patience) -> Settled {
    let bad = windows.iter().filter(|window| window.bad).count();
    let hopeless = |window: &Window| {
        let climb = window.planned as f64 - window.ok as f64;
        window.bad
            && (objective.excess(&window.broke, window.ended) > CLEARLY_BROKEN
                || climb > 10.0 * BEHIND * offered_rps * window.length_s + SLACK)
    };
    if bad > patience.most / 2 || windows.len() >= HOPELESS && windows.iter().all(hopeless) {
        return Settled::Failed;
    }
    let (excess, rises) = (excess(windows, objective), rises(windows, offered_rps));
    let (planned, ok) = sums(windows);
    if windows.len() >= patience.most {
        return if excess <= 1.0 && !rises && 2 * ok >= planned { Settled::Passed } else { Settled::Failed };
    }
    // What takes longer than the load so far may not come at all.
    let fine = bad == 0 && excess < CLEARLY_FINE && !rises && ok as f64 >= MOSTLY * planned as f64;
    if windows.len() >= patience.least && fine { Settled::Passed } else { Settled::Open }
}

/// Requests that came due, and those that were answered correctly.
fn sums(windows: &[Window]) -> (u64, u64) {
    windows.iter().fold((0, 0), |(planned, ok), window| (planned + window.planned, ok + window.ok))
}

/// Why a load of `offered_rps` failed, in words; none where it held.
pub fn why(windows: &[Window], offered_rps: f64, objective: &Objective) -> Vec<String> {
    let mut why = Vec::new();
    let windows_after = settled(windows);
    let ended: u64 = windows_after.iter().map(|window| window.ended).sum();
    for (n, (rule, allowed)) in objective.rules().enumerate() {
        let broke: u64 = windows_after.iter().filter_map(|window| window.broke.get(n)).sum();
        let share = broke as f64 / ended.max(1) as f64;
        if share > allowed {
            why.push(format!("{rule} is broken by {} of the requests", percent(share)));
        }
    }
    let (planned, ok) = sums(windows);
    if rises(windows, offered_rps) || (ok as f64) < (1.0 - BEHIND) * planned as f64 - SLACK {
        let seconds: f64 = windows.iter().map(|window| window.length_s).sum();
        let answered = ok as f64 / seconds.max(1e-9);
        why.push(format!("only {}/s were answered, and the backlog grew", rate(answered)));
    }
    let bad = windows.iter().filter(|window| window.bad).count();
    if why.is_empty() && 2 * bad > windows.len() {
        why.push(format!("{bad} of {} windows were bad", windows.len()));
    }
    if why.is_empty() && 2 * ok < planned {
        why.push(format!("only {ok} of {planned} requests were answered while it was offered"));
    }
    why
}
