//! The judgement of one case with one proxy: what the client got and what the origin saw, held against what the case expects.

use super::SENTINEL;
use super::case::{Case, Expects};
use super::strict::{Kind, Message, find, read};
use crate::report::Verdict;

/// What came of a case.
pub(crate) struct Outcome {
    /// All that the client got.
    pub(crate) got: Vec<u8>,
    /// Whether the connection was closed, as opposed to silent for longer than anything takes.
    pub(crate) closed: bool,
    /// The bytes of each connection to the origin.
    pub(crate) seen: Vec<Vec<u8>>,
}

/// The outcome in the terms that it is judged by.
struct Facts {
    /// Final answers, without that to the sentinel.
    answers: Vec<Message>,
    /// Requests at the origin, without the sentinel.
    requests: Vec<Message>,
    /// Whether what the client sent behind the case has reached the origin.
    sentinel: bool,
    /// Something that the proxy did not see has reached the origin.
    smuggled: bool,
}

/// Judges `case`.
///
/// # Errors
/// With what is wrong.
pub(crate) fn judge(case: &Case, outcome: &Outcome) -> Verdict {
    let facts = facts(case, outcome);
    ensure(outcome.closed, "the connection stays open")?;
    ensure(!facts.smuggled, "bytes behind a request reach the origin")?;
    for request in &facts.requests {
        let faults = request.faults.join(", ");
        ensure(faults.is_empty(), &format!("the origin sees {faults}"))?;
        ensure(find(&request.body, SENTINEL.as_bytes()).is_none(), "a body has the next request in it")?;
    }
    match &case.expects {
        Expects::Accept(count) => accepted(&facts, *count)?,
        Expects::Refuse { codes, asked } => refused(&facts, codes, *asked)?,
        Expects::Safe if facts.requests.is_empty() => refused(&facts, &[], 0)?,
        Expects::Safe => {
            // What comes behind them may be refused.
            let mut facts = facts;
            if facts.answers.len() == facts.requests.len() + 1 {
                facts.answers.pop_if(|last| last.status() >= 400);
            }
            accepted(&facts, facts.requests.len())?;
        }
        Expects::Clean => {
            let answer = facts.answers.first().ok_or("no answer")?;
            let good = answer.status() == 502 || answer.whole && answer.faults.is_empty();
            ensure(good, &format!("an answer with {:?}", answer.faults))?;
        }
        Expects::Broken => {
            let whole = facts.answers.first().is_some_and(|answer| answer.whole && answer.status() != 502);
            ensure(!whole, "the answer ends as if it were whole")?;
        }
    }
    rules(case, outcome)
}

fn facts(case: &Case, outcome: &Outcome) -> Facts {
    let mut facts = Facts { answers: vec![], requests: vec![], sentinel: false, smuggled: false };
    for bytes in &outcome.seen {
        let Some((request, used)) = read(bytes, Kind::Request).filter(|(request, _)| request.whole) else {
            continue;
        };
        facts.smuggled |= used < bytes.len();
        if request.line.contains(SENTINEL) {
            facts.sentinel = true;
        } else {
            facts.requests.push(request);
        }
    }
    let mut rest = outcome.got.as_slice();
    while !rest.is_empty() {
        let first = !facts.answers.iter().any(|answer| answer.status() >= 200);
        let kind = if first && case.bytes.starts_with(b"HEAD ") { Kind::Bodyless } else { Kind::Answer };
        let Some((answer, used)) = read(rest, kind) else { break };
        rest = &rest[used..];
        // Switching protocols is final.
        if answer.status() >= 200 || answer.status() == 101 {
            facts.answers.push(answer);
        }
    }
    if facts.sentinel {
        facts.answers.pop();
    }
    facts
}

fn accepted(facts: &Facts, count: usize) -> Verdict {
    let statuses: Vec<u16> = facts.answers.iter().map(Message::status).collect();
    let asked = facts.requests.len();
    ensure(asked == count && statuses.len() == count, &format!("{asked} requests, answers {statuses:?}"))?;
    ensure(statuses.iter().all(|status| (200..400).contains(status)), &format!("answers {statuses:?}"))?;
    for answer in &facts.answers {
        ensure(answer.whole && answer.faults.is_empty(), &format!("an answer with {:?}", answer.faults))?;
    }
    Ok(())
}

fn refused(facts: &Facts, codes: &[u16], asked: usize) -> Verdict {
    let statuses: Vec<u16> = facts.answers.iter().map(Message::status).collect();
    let seen = facts.requests.len();
    ensure(seen == asked, &format!("{seen} requests, answers {statuses:?}"))?;
    let right = match statuses.as_slice() {
        [] => codes.is_empty(),
        [status, rest @ ..] => {
            rest.is_empty() && if codes.is_empty() { *status >= 400 } else { codes.contains(status) }
        }
    };
    ensure(right, &format!("answers {statuses:?}"))?;
    // Behind a message that was not understood nothing can be; behind one that was, it can.
    let understood = asked > 0 || statuses == [405];
    ensure(understood || !facts.sentinel, "what comes behind a refusal is read")
}

fn rules(case: &Case, outcome: &Outcome) -> Verdict {
    let (client, origin) = (canonical(&outcome.got), canonical(&outcome.seen.concat()));
    for rule in &case.rules {
        let side = if rule.of_client { ("client", &client) } else { ("origin", &origin) };
        let there = find(side.1, &canonical(&rule.text)).is_some();
        let text = String::from_utf8_lossy(&rule.text);
        let what = if rule.has { "lacks" } else { "has" };
        ensure(there == rule.has, &format!("the {} {what} {text:?}", side.0))?;
    }
    Ok(())
}

/// The names of fields in small letters.
fn canonical(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let name = line
            .iter()
            .position(|byte| *byte == b':')
            .filter(|end| !line[..*end].contains(&b' '))
            .unwrap_or(0);
        out.extend(line[..name].to_ascii_lowercase());
        out.extend(&line[name..]);
    }
    out
}

fn ensure(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}
