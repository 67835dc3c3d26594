//! The proxy: nginx's configuration language and behaviour for the part of it that `config` knows. Given a file, it
//! serves until a signal ends it. From the top: `master` runs `worker`s, a worker `serve`s; a request's way is `route`, at whose end
//! it is `forward`ed to a server of a `group`, by a connection of its `pool`, or answered with `files`; the rest are the rules, each apart
//! from sockets.

mod access_log;
mod answer;
mod balance;
mod budget;
mod cache;
mod calendar;
mod conditional;
mod config;
mod counters;
mod course;
mod error_log;
mod exchange;
mod farewell;
mod files;
mod forward;
mod gate;
mod group;
mod guard;
mod gzip;
mod headers;
mod location;
mod master;
mod own;
mod pages;
mod pass;
mod pool;
mod range;
mod redirect;
mod reply;
mod rewrite;
mod route;
mod serve;
mod standing;
#[cfg(test)]
mod tests;
mod uplink;
mod upload;
mod variables;
mod worker;

use crate::cgroup::Group;
use crate::failure::{Failure, Outcome};
use config::Config;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file, under the prefix unless absolute
    #[arg(short = 'c', value_name = "FILE", default_value = "conf/nginx.conf")]
    config: PathBuf,
    /// The directory that relative paths start from
    #[arg(short = 'p', value_name = "PREFIX", default_value = ".")]
    prefix: PathBuf,
    /// Test the configuration and exit
    #[arg(short = 't')]
    test: bool,
    /// Show the version and exit
    #[arg(short = 'v')]
    version: bool,
    /// Show the version and what was built in, and exit
    #[arg(short = 'V')]
    build: bool,
    /// Where to serve Prometheus metrics
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    metrics: SocketAddr,
}

/// Does what nginx does with the same flags.
///
/// # Errors
/// Exit 1 for a configuration that is refused, exit 3 for what cannot be started.
pub(crate) fn run(args: Args, group: Option<Group>) -> Outcome {
    if args.version || args.build {
        say(format_args!("target-stack version: {}", headers::SERVER_NAME));
        if args.build {
            say(format_args!("built with hyper and tokio; TLS and HTTP/2 are not built in"));
        }
        return Ok(());
    }
    let prefix = std::path::absolute(&args.prefix)
        .map_err(|e| Failure::usage(format!("-p {}: {e}", args.prefix.display())))?;
    let file = prefix.join(&args.config);
    let config = Config::load(&file, &prefix);
    for warning in config.iter().flat_map(|config| &config.warnings) {
        say(format_args!("target-stack: {warning}"));
    }
    if !args.test {
        return master::run(config?, args.metrics, group);
    }
    let file = file.display();
    match config {
        Ok(_) => {
            say(format_args!("target-stack: the configuration file {file} syntax is ok"));
            say(format_args!("target-stack: configuration file {file} test is successful"));
            Ok(())
        }
        Err(refused) => {
            say(format_args!("target-stack: {refused}"));
            Err(Failure::config(format!("configuration file {file} test failed")))
        }
    }
}

/// Says a line to the person at the terminal, on standard error as nginx does.
fn say(text: std::fmt::Arguments<'_>) {
    // Nothing is left to tell it to when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}
