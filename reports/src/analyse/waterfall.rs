//! What a request is made of. Given what its client measured and what `Server-Timing` said, it gives parts within parts, and whether
//! they add up. It compares no clocks of different processes: a part that another process has timed lies somewhere within what it is
//! a part of, and that is all that is known of its place.

use super::server_timing::{Metric, metrics};
use crate::number::{counted, ms};
use crate::record::{TargetKind, Verdict};
use crate::trace::{Asked, Part, Place, Trace};

/// The client's clock tells nanoseconds; a record has fewer digits.
const CLIENT_GRAIN_MS: f64 = 0.001;
/// Each within the one before, as far as they are told.
const CHAIN: [(&str, &str); 3] = [("proxy", "proxy"), ("upstream", "proxy"), ("app", "app")];
/// What an app server does, in this order, though several times in turn.
const WITHIN_APP: [(&str, &str); 5] =
    [("queue", "app"), ("service", "app"), ("pool", "app"), ("db", "db"), ("page", "app")];
/// An id that is shorter may be a word.
const SHORTEST_ID: usize = 8;

/// Concludes from the requests of `trace` which is drawn, its parts, and the verdict.
pub fn conclude(trace: &mut Trace) {
    trace.drawn = median(&trace.requests);
    trace.parts.clear();
    let mut reasons = Vec::new();
    let failed = trace.requests.iter().filter(|asked| asked.failed.is_some()).count();
    let Some(asked) = trace.shown().cloned() else {
        let why = trace.requests.iter().find_map(|asked| asked.failed.clone());
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        trace.verdict = Verdict { valid: false, reasons: vec![format!("no request was answered{why}")] };
        return;
    };
    let (metrics, note) = told(&asked);
    trace.parts = parts(&asked, &metrics);
    reasons.extend(trace.parts.iter().filter_map(|part| too_long(part, &trace.parts)));
    reasons.extend(too_many(&trace.parts));
    reasons.extend(trace.partial.then(|| String::from("it was cut short")));
    reasons.extend(misdirected(trace, &asked));
    let valid = reasons.is_empty();
    reasons.extend(note);
    if failed > 0 {
        let all = trace.requests.len();
        reasons.push(format!("{} of {all} had no answer", counted(failed as u64, "request")));
    }
    if let Some(status) = asked.status.filter(|status| !(200..400).contains(status)) {
        reasons.push(format!("the answer is an error: status {status}"));
    }
    trace.verdict = Verdict { valid, reasons };
}

/// Why an answer cannot be that of the request: the reference target gives back the id that it was sent. Others may have ids of their own.
fn misdirected(trace: &Trace, asked: &Asked) -> Option<String> {
    let other = asked.answered_id.as_ref().filter(|id| **id != asked.id)?;
    (trace.target.kind == TargetKind::Reference).then(|| format!("the answer is that of request {other}"))
}

/// Of an even number, the lower of the two in the middle.
fn median(requests: &[Asked]) -> Option<usize> {
    let mut answered: Vec<usize> = (0..requests.len()).filter(|&n| requests[n].failed.is_none()).collect();
    answered.sort_by(|&a, &b| requests[a].total_ms.total_cmp(&requests[b].total_ms));
    answered.get(answered.len().saturating_sub(1) / 2).copied()
}

/// The metrics that are of this request, and what has to be known of them.
fn told(asked: &Asked) -> (Vec<Metric>, Option<String>) {
    let mut metrics = metrics(&asked.server_timing);
    metrics.retain(|metric| metric.dur_ms.is_some());
    if metrics.is_empty() {
        let why = "the answer has no Server-Timing: nothing is known of what happened behind the first hop";
        return (metrics, Some(why.to_owned()));
    }
    let echoed = asked.answered_id.as_ref() == Some(&asked.id);
    let is_id = |text: &str| text.len() >= SHORTEST_ID && !text.contains(' ');
    let other = metrics.iter().find(|metric| metric.name == "app" && echoed && is_id(&metric.desc));
    if let Some(other) = other.filter(|metric| metric.desc != asked.id) {
        let note =
            format!("the app's times are of request {}, whose answer was stored: left out", other.desc);
        metrics.retain(|metric| metric.name == "proxy");
        return (metrics, Some(note));
    }
    (metrics, None)
}

fn parts(asked: &Asked, metrics: &[Metric]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut start_ms = 0.0;
    let mut next = |name: &str, tier: &str, took_ms: f64, parts: &mut Vec<Part>| {
        parts.push(measured(name, tier, start_ms, took_ms));
        start_ms += took_ms;
    };
    if let Some(took_ms) = asked.name_ms {
        next("name", "dns", took_ms, &mut parts);
    }
    next("connect", "client", asked.connect_ms, &mut parts);
    if let Some(took_ms) = asked.tls_ms {
        next("tls", "client", took_ms, &mut parts);
    }
    next("wait", "client", asked.wait_ms, &mut parts);
    let wait = parts.len() - 1;
    let send = measured("send", "client", parts[wait].start_ms, asked.send_ms.min(asked.wait_ms));
    parts.push(Part { of: Some(wait), ..send });
    within(wait, metrics, &mut parts);
    next("receive", "client", asked.receive_ms, &mut parts);
    parts
}

fn measured(name: &str, tier: &str, start_ms: f64, took_ms: f64) -> Part {
    Part {
        name: name.to_owned(),
        tier: tier.to_owned(),
        took_ms,
        grain_ms: CLIENT_GRAIN_MS,
        start_ms,
        length_ms: took_ms,
        ..Part::default()
    }
}

/// Adds what was said, within the part at `wait`.
fn within(wait: usize, metrics: &[Metric], parts: &mut Vec<Part>) {
    let mut left: Vec<&Metric> = metrics.iter().collect();
    let mut take = |name: &str| {
        let place = left.iter().position(|metric| metric.name == name)?;
        Some(left.remove(place))
    };
    let chain: Vec<_> = CHAIN.iter().filter_map(|(name, tier)| Some((take(name)?, *tier))).collect();
    let has_app = chain.last().is_some_and(|(metric, _)| metric.name == "app");
    let inner: Vec<_> =
        WITHIN_APP.iter().filter(|_| has_app).filter_map(|(name, tier)| Some((take(name)?, *tier))).collect();
    // What a coarse clock hides: nothing is shorter than what it holds.
    let mut least = inner.iter().map(|(metric, _)| took(metric)).sum::<f64>();
    let mut lengths: Vec<f64> = Vec::new();
    for (metric, _) in chain.iter().rev() {
        least = took(metric).max(least);
        lengths.insert(0, least);
    }
    let mut of = wait;
    for ((metric, tier), length_ms) in chain.into_iter().zip(lengths) {
        let length_ms = length_ms.min(parts[of].length_ms);
        let start_ms = parts[of].start_ms + (parts[of].length_ms - length_ms) / 2.0;
        parts.push(said(metric, tier, of, (start_ms, length_ms), Place::Centred));
        of = parts.len() - 1;
    }
    let mut start_ms = parts[of].start_ms;
    let end_ms = start_ms + parts[of].length_ms;
    for (metric, tier) in inner {
        let length_ms = took(metric).min((end_ms - start_ms).max(0.0));
        parts.push(said(metric, tier, of, (start_ms, length_ms), Place::Ordered));
        start_ms += length_ms;
    }
    for metric in left {
        let length_ms = took(metric).min(parts[wait].length_ms);
        parts.push(said(metric, "", wait, (parts[wait].start_ms, length_ms), Place::Unknown));
    }
}

fn took(metric: &Metric) -> f64 {
    metric.dur_ms.unwrap_or(0.0)
}

fn said(metric: &Metric, tier: &str, of: usize, (start_ms, length_ms): (f64, f64), place: Place) -> Part {
    Part {
        name: metric.name.clone(),
        tier: tier.to_owned(),
        of: Some(of),
        took_ms: took(metric),
        grain_ms: metric.grain_ms,
        said: metric.desc.clone(),
        start_ms,
        length_ms,
        place,
    }
}

/// Why a part cannot be within what it is said to be a part of.
fn too_long(part: &Part, parts: &[Part]) -> Option<String> {
    let of = parts.get(part.of?)?;
    let by = part.took_ms - of.took_ms;
    (by > part.grain_ms + of.grain_ms).then(|| {
        format!(
            "the parts do not add up: {} took {}, and {}, of which it is a part, {}",
            part.title(),
            ms(part.took_ms),
            of.title(),
            ms(of.took_ms)
        )
    })
}

/// Why those that come one after the other cannot all be within it.
fn too_many(parts: &[Part]) -> Option<String> {
    let ordered = || parts.iter().filter(|part| part.place == Place::Ordered);
    let of = parts.get(ordered().next()?.of?)?;
    let sum: f64 = ordered().map(|part| part.took_ms).sum();
    let grain: f64 = ordered().map(|part| part.grain_ms).sum();
    let alone = ordered().any(|part| too_long(part, parts).is_some());
    (sum - of.took_ms > grain + of.grain_ms && !alone).then(|| {
        format!(
            "the parts do not add up: those of {} took {} together, and it took {}",
            of.title(),
            ms(sum),
            ms(of.took_ms)
        )
    })
}

/// What it comes to, such as `4.2 ms from name to page: name 0.3 ms, connection 0.1 ms, app 3.1 ms, of which database 2.2 ms`.
pub fn finding(trace: &Trace) -> String {
    let Some(asked) = trace.shown() else { return "No request was answered".to_owned() };
    let mut told = Vec::new();
    told.extend(asked.name_ms.map(|took| format!("name {}", ms(took))));
    told.push(format!("connection {}", ms(asked.connect_ms)));
    told.extend(asked.tls_ms.map(|took| format!("TLS {}", ms(took))));
    let part = |name: &str, word: &str| Some(format!("{word} {}", ms(trace.part(name)?.took_ms)));
    told.push(match (part("app", "app"), part("db", "of which database")) {
        (Some(app), Some(database)) => format!("{app}, {database}"),
        (Some(app), None) => app,
        (None, _) => part("proxy", "proxy").unwrap_or_else(|| format!("waiting {}", ms(asked.wait_ms))),
    });
    // Most often it only passes on; where it takes the most time itself, that is the finding.
    if let (Some(proxy), Some(app)) = (trace.part("proxy"), trace.part("app")) {
        let own = proxy.took_ms - app.took_ms;
        let others = [app.took_ms, asked.connect_ms, asked.name_ms.unwrap_or(0.0), proxy.grain_ms];
        if others.iter().all(|other| own > *other) {
            told.push(format!("the proxy itself {}", ms(own)));
        }
    }
    let from = if asked.name_ms.is_some() { "name" } else { "connection" };
    format!("{} from {from} to page: {}", ms(asked.total_ms), told.join(", "))
}

/// Why the times of a record cannot be; `None` of one that can.
pub fn contradiction(trace: &Trace) -> Option<String> {
    let one = |asked: &Asked| {
        let phases = [asked.connect_ms, asked.wait_ms, asked.receive_ms];
        let all = phases.iter().copied().chain(asked.name_ms).chain(asked.tls_ms);
        let sum: f64 = all.clone().sum();
        let off = (sum - asked.total_ms).abs() > 1e-6 * (1.0 + sum);
        let wrong = all.chain([asked.send_ms]).any(|ms| !ms.is_finite() || ms < 0.0);
        (asked.failed.is_none() && (off || wrong))
            .then(|| format!("request {} does not take as long as its parts", asked.id))
    };
    trace.requests.iter().find_map(one)
}

#[cfg(test)]
#[path = "waterfall_tests.rs"]
mod tests;
