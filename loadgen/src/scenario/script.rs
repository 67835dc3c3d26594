//! A scenario as requests to one host. Given a scenario, a host and the seed, it encodes all that does not change from
//! session to session before the run begins, so that a request without variables is one copy; all threads share it. It
//! holds nothing that changes.

use super::random::{self, Draw};
use super::step::Step;
use super::template::{Text, Variable};
use super::{Entry, Scenario, SessionArrivals};
use crate::request::{self, USER_AGENT};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct Script {
    /// What it is made of.
    pub(super) scenario: Arc<Scenario>,
    /// Everything random comes from it.
    pub(super) seed: u64,
    wires: Vec<Wire>,
}

/// What has to be kept of an answer for checks and extracts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// The fields of its head.
    pub(crate) head: bool,
    /// At most so many bytes of its body.
    pub(crate) body_up_to: usize,
    /// The step's own checks say which status is fine: `--expect-status` does not apply.
    pub(crate) status: bool,
    /// It is a HEAD request, whose answer has no body whatever its fields say.
    pub(crate) bodiless: bool,
}

/// One step as HTTP/1.1, and as what others make of it.
#[derive(Debug)]
struct Wire {
    /// The whole request, where no variable is in it.
    whole: Option<Vec<u8>>,
    /// Request line and fields, but for the cookies and the length and the end of the head.
    head: Text,
    body: Option<Text>,
    /// Whether the session's cookies go into it.
    jar: bool,
    wants: Wants,
    /// All fields but the host and the length, which clients set.
    fields: Vec<(HeaderName, Text)>,
}

/// Whose values a request is filled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    /// The session's index.
    pub(super) index: u64,
    /// How many interactions the user has done before this one.
    pub(super) visit: u32,
    /// The step, numbered over the whole scenario.
    pub(super) entry: u16,
    /// What earlier answers gave.
    pub(super) values: &'a [Vec<u8>],
    /// `name=value; name=value`, of the session's cookies.
    pub(super) cookies: &'a [u8],
}

impl Script {
    /// The scenario for `host`, a name with its port as `Host` wants it. `headers` are the user's own for all requests: they
    /// go before the scenario's defaults, and after what a step says itself.
    pub(crate) fn new(
        scenario: Arc<Scenario>,
        host: &str,
        headers: &[(HeaderName, HeaderValue)],
        seed: u64,
    ) -> Self {
        let wires = scenario.steps.iter().map(|step| Wire::new(&scenario, step, host, headers)).collect();
        Self { scenario, seed, wires }
    }

    /// The requests of all interactions, in the order in which they are numbered.
    pub(crate) fn entries(&self) -> &[Entry] {
        self.scenario.entries()
    }

    /// What has to be kept of the answer to this request.
    pub(crate) fn wants(&self, entry: u16) -> Wants {
        self.wires[usize::from(entry)].wants
    }

    /// Appends the request as HTTP/1.1; `scratch` is for the body whose length is not known before.
    pub(super) fn encode(&self, whose: Whose<'_>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        let entry = usize::from(whose.entry);
        let wire = &self.wires[entry];
        let cookies = if wire.jar { whose.cookies } else { &[] };
        if let Some(whole) = wire.whole.as_ref().filter(|_| cookies.is_empty()) {
            out.extend_from_slice(whole);
            return;
        }
        let value = |variable, out: &mut Vec<u8>| self.value(variable, whose, out);
        wire.head.render(value, out);
        if !cookies.is_empty() {
            out.extend_from_slice(b"Cookie: ");
            out.extend_from_slice(cookies);
            out.extend_from_slice(b"\r\n");
        }
        let body: &[u8] = match wire.body.as_ref().map(|body| (body, body.as_fixed())) {
            None => &[],
            Some((_, Some(fixed))) => fixed,
            Some((body, None)) => {
                scratch.clear();
                body.render(value, scratch);
                scratch
            }
        };
        if wire.body.is_some() || request::expects_body(&self.scenario.steps[entry].method) {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(body.len().to_string().as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
    }

    /// The same for a client that writes requests itself: its URI is path and query, and neither the host (unless the
    /// user gave one) nor the length are among its fields.
    ///
    /// # Errors
    /// When http's types do not take what a variable stands for.
    pub(super) fn request(&self, whose: Whose<'_>) -> http::Result<Request<Bytes>> {
        let entry = usize::from(whose.entry);
        let (wire, step) = (&self.wires[entry], &self.scenario.steps[entry]);
        let text = |text: &Text| {
            let mut out = Vec::new();
            text.render(|variable, out| self.value(variable, whose, out), &mut out);
            out
        };
        let mut request = Request::builder().method(&step.method).uri(text(&step.target));
        for (name, value) in &wire.fields {
            request = request.header(name, text(value));
        }
        if wire.jar && !whose.cookies.is_empty() {
            request = request.header(header::COOKIE, whose.cookies);
        }
        request.body(wire.body.as_ref().map(|body| Bytes::from(text(body))).unwrap_or_default())
    }

    fn value(&self, variable: Variable, whose: Whose<'_>, out: &mut Vec<u8>) {
        let Whose { index, visit, entry, values, .. } = whose;
        match variable {
            Variable::Extracted(slot) => out.extend_from_slice(values.get(slot).map_or(&[], |v| &**v)),
            Variable::Column { feed, column } => {
                let feed = &self.scenario.feeds[feed];
                // A session that would have none has not begun.
                let cell = feed.row(self.seed, index).map(|row| feed.cell(row, column));
                out.extend_from_slice(cell.unwrap_or_default().as_bytes());
            }
            Variable::Generated(number) => {
                let generator = &self.scenario.generators[number];
                let step = if generator.per_request { 1 + u64::from(entry) } else { 0 };
                let parts = [number as u64, index, u64::from(visit), step];
                generator.write(random::draw(self.seed, Draw::Value, &parts), index, out);
            }
        }
    }

    /// Whether a user stays for another interaction.
    pub(super) fn stays(&self, index: u64, visit: u32) -> bool {
        match self.scenario.arrivals {
            SessionArrivals::Open | SessionArrivals::Closed { .. } => false,
            SessionArrivals::PartlyOpen { stay } => {
                random::unit(random::draw(self.seed, Draw::Stay, &[index, u64::from(visit)])) <= stay
            }
        }
    }

    /// Which interaction a user does.
    pub(super) fn interaction(&self, index: u64, visit: u32) -> usize {
        self.scenario.pick(random::draw(self.seed, Draw::Interaction, &[index, u64::from(visit)]))
    }

    /// How long a user thinks after a request.
    pub(super) fn think(&self, index: u64, visit: u32, entry: u16) -> u64 {
        let parts = [index, u64::from(visit), u64::from(entry)];
        let think = self.scenario.steps[usize::from(entry)].think;
        think.draw(random::draw(self.seed, Draw::Think, &parts))
    }
}

impl Wire {
    fn new(scenario: &Scenario, step: &Step, host: &str, headers: &[(HeaderName, HeaderValue)]) -> Self {
        let fields = fields(scenario, step, headers);
        let mut head = Text::fixed(format!("{} ", step.method));
        head.append(&step.target);
        head.push(b" HTTP/1.1\r\n");
        if !fields.iter().any(|(name, _)| name == header::HOST) {
            head.push(format!("Host: {host}\r\n").as_bytes());
        }
        for (name, value) in &fields {
            head.push(name.as_str().as_bytes());
            head.push(b": ");
            head.append(value);
            head.push(b"\r\n");
        }
        let whole = match (head.as_fixed(), step.body.as_ref().map(Text::as_fixed)) {
            (None, _) | (_, Some(None)) => None,
            (Some(head), body) => Some(whole(head, body.flatten(), &step.method)),
        };
        let jar = scenario.cookies && !fields.iter().any(|(name, _)| name == header::COOKIE);
        let wants = Wants {
            head: scenario.cookies || step.reads_head(),
            body_up_to: if step.reads_body() { scenario.capture } else { 0 },
            status: step.judges_status(),
            bodiless: step.method == Method::HEAD,
        };
        Self { whole, head, body: step.body.clone(), jar, wants, fields }
    }
}

fn whole(head: &[u8], body: Option<&[u8]>, method: &Method) -> Vec<u8> {
    let mut whole = head.to_vec();
    if body.is_some() || request::expects_body(method) {
        whole.extend(format!("Content-Length: {}\r\n", body.map_or(0, <[u8]>::len)).bytes());
    }
    whole.extend_from_slice(b"\r\n");
    whole.extend_from_slice(body.unwrap_or_default());
    whole
}

/// The step's own fields, then the user's, then the scenario's, then the generator's; each only where its name has not
/// been given yet.
fn fields(
    scenario: &Scenario,
    step: &Step,
    headers: &[(HeaderName, HeaderValue)],
) -> Vec<(HeaderName, Text)> {
    let users = headers.iter().map(|(name, value)| (name.clone(), Text::fixed(value.as_bytes())));
    let own = [(header::USER_AGENT, USER_AGENT), (header::ACCEPT, "*/*")];
    let own = own.into_iter().map(|(name, value)| (name, Text::fixed(value)));
    let mut fields = step.fields.clone();
    for more in [users.collect::<Vec<_>>(), scenario.fields.clone(), own.collect()] {
        let given: Vec<HeaderName> = fields.iter().map(|(name, _)| name.clone()).collect();
        fields.extend(more.into_iter().filter(|(name, _)| !given.contains(name)));
    }
    fields
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
