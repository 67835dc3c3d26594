//! The addresses of the target's name, as fresh as its name server wants them. Given a first answer, it gives whoever opens
//! a connection the addresses of now, and asks again on the caller's runtime whenever an answer's time to live has run out.
//! An answer that fails to come changes nothing but the count of failures; it never closes a connection that is open.

use crate::pace;
use crate::transport::resolve::{self, Answer, Server};
use reports::record::Dns;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A name is not asked for more often than this, whatever its time to live; and after a failure again after this.
const LEAST_PERIOD: Duration = Duration::from_secs(1);
/// So many different addresses are recorded: a zone may give new ones for as long as it is asked.
const MOST_RECORDED: usize = 256;

/// The addresses of one name on one port. Shared with the sending threads, which look at it when they open a
/// connection and at no other time.
#[derive(Debug)]
pub(crate) struct Names {
    current: Mutex<Arc<[SocketAddr]>>,
    /// Where they came from; `None` of addresses that were given as such.
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    server: Server,
    host: String,
    port: u16,
    ledger: Mutex<Ledger>,
}

impl Names {
    /// Addresses that stay as they are.
    pub(crate) fn fixed(addresses: Vec<SocketAddr>) -> Arc<Self> {
        Arc::new(Self { current: Mutex::new(addresses.into()), asked: None })
    }

    /// Asks `server` for `host` for the first time.
    ///
    /// # Errors
    /// Why there is no address of it.
    pub(crate) async fn ask(server: Server, host: &str, port: u16) -> Result<Arc<Self>, String> {
        let mut ledger = Ledger::new(server.to_string(), pace::now());
        let found = ledger.note(timed(server, host).await)?;
        let asked = Asked { server, host: host.to_owned(), port, ledger: Mutex::new(ledger) };
        Ok(Arc::new(Self { current: Mutex::new(on_port(&found, port)), asked: Some(asked) }))
    }

    /// The addresses of now, for a connection that is about to be opened.
    pub(crate) fn addresses(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks again whenever it is time to, for as long as it is polled: it never ends.
    pub(crate) async fn keep_fresh(&self) {
        let Some(asked) = self.asked.as_ref() else { return std::future::pending().await };
        loop {
            let due = asked.ledger().due;
            // Nobody said how long the answer holds.
            let Some(due) = due else { return std::future::pending().await };
            pace::pause(due.saturating_duration_since(pace::now())).await;
            let reply = timed(asked.server, &asked.host).await;
            if let Ok(found) = asked.ledger().note(reply) {
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = on_port(&found, asked.port);
            }
        }
    }

    /// What was asked and what came of it; `None` where nobody was asked.
    pub(crate) fn dns(&self) -> Option<Dns> {
        self.asked.as_ref().map(|asked| asked.ledger().dns.clone())
    }
}

impl Asked {
    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn on_port(ips: &[IpAddr], port: u16) -> Arc<[SocketAddr]> {
    ips.iter().map(|&ip| SocketAddr::new(ip, port)).collect()
}

/// What became of one question, and when.
#[derive(Debug)]
struct Reply {
    at: Instant,
    took: Duration,
    answer: Result<Answer, String>,
}

async fn timed(server: Server, host: &str) -> Reply {
    let begun = pace::now();
    let answer = resolve::ask(server, host).await;
    let at = pace::now();
    Reply { at, took: at - begun, answer }
}

/// All questions so far, and when the next one is due. It is told the time.
#[derive(Debug)]
struct Ledger {
    dns: Dns,
    /// `None` when no answer says how long it holds.
    due: Option<Instant>,
}

impl Ledger {
    fn new(server: String, now: Instant) -> Self {
        Self { dns: Dns { server, ..Dns::default() }, due: Some(now) }
    }

    /// Takes in a reply; gives the addresses that hold from now on, or why the old ones still do.
    fn note(&mut self, reply: Reply) -> Result<Vec<IpAddr>, String> {
        let took_ms = reply.took.as_secs_f64() * 1e3;
        if self.dns.lookups == 0 {
            self.dns.first_ms = took_ms;
        }
        self.dns.lookups += 1;
        self.dns.max_ms = self.dns.max_ms.max(took_ms);
        let answer = reply.answer.and_then(|answer| match answer.ips.is_empty() {
            true => Err(String::from("the answer has no address in it")),
            false => Ok(answer),
        });
        match answer {
            Ok(answer) => {
                let period = answer.ttl_s.map(|s| Duration::from_secs(s.into()).max(LEAST_PERIOD));
                self.due = period.map(|period| reply.at + period);
                self.dns.ttl_s = answer.ttl_s;
                self.record(&answer.ips);
                Ok(answer.ips)
            }
            Err(why) => {
                self.dns.failures += 1;
                self.dns.last_error = Some(why.clone());
                self.due = Some(reply.at + LEAST_PERIOD);
                Err(why)
            }
        }
    }

    fn record(&mut self, ips: &[IpAddr]) {
        for ip in ips.iter().map(IpAddr::to_string) {
            if self.dns.addresses.len() < MOST_RECORDED && !self.dns.addresses.contains(&ip) {
                self.dns.addresses.push(ip);
            }
        }
    }
}

#[cfg(test)]
mod tests;
