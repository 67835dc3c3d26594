//! The report of a traced request.

use super::{HOSTILE, keep_for_a_look, sound};
use crate::fixture::trace as traces;
use crate::html::Reported;
use crate::trace::{Asked, Trace};

#[test]
fn every_traced_request_gives_a_sound_page() {
    for (trace, says) in [
        (traces::home(), "app 3.1 ms, of which database 2.21 ms"),
        (traces::silent(), "no Server-Timing"),
        (traces::foreign(), "all that the application did"),
        (traces::contradictory(), "do not add up"),
        (traces::unanswered(), "refuses the connection"),
    ] {
        let page = trace.html();
        keep_for_a_look(&format!("trace-{}-{}", trace.parts.len(), trace.verdict.valid), &page);
        sound(&page);
        assert!(page.contains(says), "{says}");
    }
}

/// One whose every text would do something if it were let.
pub(super) fn hostile() -> Trace {
    let mut trace = traces::foreign();
    let text = || HOSTILE.to_owned();
    (trace.target.url, trace.target.what, trace.resolver) = (text(), text(), Some(text()));
    (trace.head.command, trace.emulated, trace.verdict.reasons) = (vec![text()], vec![text()], vec![text()]);
    let asked = &mut trace.requests[0];
    (asked.id, asked.address, asked.server_timing) = (text(), text(), vec![text()]);
    trace.requests.push(Asked { failed: Some(text()), ..Default::default() });
    trace.parts.iter_mut().for_each(|part| (part.name, part.tier, part.said) = (text(), text(), text()));
    trace
}
