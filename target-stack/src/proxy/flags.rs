//! The command line: nginx's flags. Given them, it does what nginx does with the same: test or show the configuration, send a signal
//! to the process that serves, or serve.

use super::config::{Config, Files, Source};
use super::error_log::ErrorLog;
use super::{access_log, daemon, headers, master, tell};
use crate::cgroup::Group;
use crate::failure::{Failure, Outcome};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub(crate) struct Args {
    /// The configuration file, under the prefix unless absolute
    #[arg(short = 'c', value_name = "FILE", default_value = "conf/nginx.conf")]
    config: PathBuf,
    /// The directory that relative paths start from
    #[arg(short = 'p', value_name = "PREFIX", default_value = ".")]
    prefix: PathBuf,
    /// Where errors are logged unless the configuration says [default: stderr]
    #[arg(short = 'e', value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Directives that stand before the configuration file
    #[arg(short = 'g', value_name = "DIRECTIVES")]
    globals: Option<String>,
    /// Send a signal to the process that serves: stop, quit, reload, reopen
    #[arg(short = 's', value_name = "SIGNAL")]
    signal: Option<String>,
    /// Test the configuration and exit
    #[arg(short = 't')]
    test: bool,
    /// Test the configuration, show it and exit
    #[arg(short = 'T')]
    dump: bool,
    /// Say nothing of a configuration that is good
    #[arg(short = 'q')]
    quiet: bool,
    /// Show the version and exit
    #[arg(short = 'v')]
    version: bool,
    /// Show the version and what was built in, and exit
    #[arg(short = 'V')]
    build: bool,
    /// Where to serve Prometheus metrics
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    metrics: SocketAddr,
    /// This is the process in the background
    #[arg(long, hide = true)]
    background: bool,
}

/// Does what nginx does with the same flags.
///
/// # Errors
/// Exit 1 for a configuration that is refused or a signal that cannot be sent, exit 3 for what cannot be started.
pub(crate) fn run(args: Args, group: Option<Group>) -> Outcome {
    if args.version || args.build {
        say(format_args!("target-stack version: {}", headers::SERVER_NAME));
        if args.build {
            say(format_args!("built with tokio, TLS by rustls on ring, with SNI; HTTP/2 is not built in"));
        }
        return Ok(());
    }
    let wish = args.signal.as_deref().map(tell::Wish::read).transpose()?;
    let prefix = std::path::absolute(&args.prefix)
        .map_err(|e| Failure::usage(format!("-p {}: {e}", args.prefix.display())))?;
    let errors = args.errors.filter(|file| file != Path::new("stderr"));
    let source = Source {
        file: prefix.join(&args.config),
        error_log: errors.map(|file| prefix.join(file)),
        globals: args.globals,
        prefix,
    };
    let config = source.load();
    for warning in config.iter().flat_map(|(config, _)| &config.warnings) {
        say(format_args!("target-stack: {warning}"));
    }
    if args.test || args.dump {
        return test(&source, config, args.dump, args.quiet);
    }
    let (config, _) = config?;
    match wish {
        Some(wish) => wish.tell(config.pid.as_deref()),
        None if config.daemon && !args.background => daemon::start(),
        None if args.background => {
            daemon::settle()?;
            master::run(source, config, args.metrics, group, daemon::let_go)
        }
        None => master::run(source, config, args.metrics, group, || {}),
    }
}

fn test(source: &Source, read: Outcome<(Config, Files)>, dump: bool, quiet: bool) -> Outcome {
    let file = source.file.display();
    if read.is_ok() && !quiet {
        say(format_args!("target-stack: the configuration file {file} syntax is ok"));
    }
    match read.and_then(|(config, files)| opens_logs(&config).map(|()| files)) {
        Ok(files) => {
            if !quiet {
                say(format_args!("target-stack: configuration file {file} test is successful"));
            }
            for (name, text) in files.iter().filter(|_| dump) {
                // Whoever reads it has seen enough when standard output is closed.
                let _ = writeln!(std::io::stdout(), "# configuration file {name}:\n{text}");
            }
            Ok(())
        }
        Err(refused) => {
            say(format_args!("target-stack: {refused}"));
            Err(Failure::config(format!("configuration file {file} test failed")))
        }
    }
}

/// Tests whether the logs can be written.
fn opens_logs(config: &Config) -> Outcome {
    ErrorLog::open(config.error_log.as_deref(), config.error_level)?;
    access_log::open(&config.log_files).map(drop)
}

/// Says a line to the person at the terminal, on standard error as nginx does.
fn say(text: std::fmt::Arguments<'_>) {
    // Nothing is left to tell it to when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}
