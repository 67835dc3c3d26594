//! The proxy: nginx's configuration language and behaviour for the part of it that `config` knows. Given a file, it
//! serves until a signal ends it. From the top: `flags` say what is wanted, `master` runs a `generation` of `worker`s for each
//! configuration, a worker holds `connection`s and `serve`s their requests, serving may `forward` to an upstream's `pool`ed
//! connections; the rest are the rules, each apart from sockets.

mod access_log;
mod answer;
mod balance;
mod calendar;
mod client;
mod config;
mod connection;
mod counters;
mod daemon;
mod error_log;
mod exchange;
mod farewell;
mod flags;
mod forward;
mod gate;
mod generation;
mod guard;
mod headers;
mod heirs;
mod listening;
mod location;
mod master;
mod pages;
mod places;
mod pool;
mod serve;
mod tell;
#[cfg(test)]
mod tests;
mod tunnel;
mod upload;
mod variables;
mod watch;
mod wire;
mod worker;

pub(crate) use flags::{Args, run};
