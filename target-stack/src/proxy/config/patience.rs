//! How long a client is waited for. Given its directives, it gives the times of a level.

use super::tree::Directive;
use super::values;
use crate::failure::Outcome;
use std::time::Duration;

/// The times of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// For a whole head: `client_header_timeout`.
    pub(crate) head: Duration,
    /// Between two pieces of a body: `client_body_timeout`.
    pub(crate) body: Duration,
    /// Until a piece of an answer is taken: `send_timeout`.
    pub(crate) send: Duration,
    /// Between two requests; zero for one request a connection: `keepalive_timeout`.
    pub(crate) keepalive: Duration,
    /// What the field `Keep-Alive` tells of that, in seconds.
    pub(crate) told: Option<u64>,
}

impl Default for Patience {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { head: minute, body: minute, send: minute, keepalive: Duration::from_secs(75), told: None }
    }
}

impl Patience {
    /// Takes in one of its directives.
    pub(super) fn apply(&mut self, directive: &Directive) -> Outcome {
        let time = values::time(directive, directive.arg(0))?;
        match directive.name.as_str() {
            "client_header_timeout" => self.head = time,
            "client_body_timeout" => self.body = time,
            "send_timeout" => self.send = time,
            _ => {
                self.keepalive = time;
                let told = directive.args.get(1).map(|told| values::time(directive, told)).transpose()?;
                self.told = told.map(|told| told.as_secs()).filter(|told| *told > 0);
            }
        }
        Ok(())
    }
}
