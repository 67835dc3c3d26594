//! The proxy: nginx's configuration language and behaviour for the part of it that `config` knows. Given a file, it
//! serves until a signal ends it. From the top: `flags` say what is wanted, `master` runs a `generation` of `worker`s for each
//! configuration, a worker holds `connection`s and `serve`s their requests; a request's way is `route`, at whose end it is
//! `forward`ed to a server of a `group`, by a `link` of its `pool`, or answered with `files`; the rest are the rules, each apart
//! from sockets.

mod access_log;
mod answer;
mod balance;
mod budget;
mod cache;
mod calendar;
mod client;
mod conditional;
mod config;
mod connection;
mod counters;
mod course;
mod daemon;
mod error_log;
mod exchange;
mod farewell;
mod fields;
mod files;
mod flags;
mod forward;
mod gate;
mod generation;
mod group;
mod guard;
mod gzip;
mod headers;
mod heirs;
mod link;
mod listening;
mod location;
mod master;
mod outgoing;
mod outlet;
mod own;
mod pages;
mod pass;
mod places;
mod pool;
mod range;
mod redirect;
mod reply;
mod request;
mod rewrite;
mod route;
mod serve;
mod standing;
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
