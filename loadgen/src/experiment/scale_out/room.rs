//! Whether the stacks of an experiment fit on this machine, and whose CPUs are whose. Pure but for the question which CPUs this
//! process may use.

use crate::cli::ScaleOutArgs;
use crate::failure::{Failure, Outcome};
use crate::limits;
use reports::number::{counted, rate};

/// What all quotas may leave out by rounding.
const ROUNDING: f64 = 1e-9;

/// The CPUs of both sides.
#[derive(Debug)]
pub(super) struct Room {
    /// The generator's.
    pub(super) cpus: Vec<usize>,
    /// The target's.
    pub(super) target_cpus: Vec<usize>,
}

impl Room {
    /// The CPUs for an experiment whose stacks fit there.
    ///
    /// # Errors
    /// Wrong use: they do not.
    pub(super) fn of(args: &ScaleOutArgs) -> Outcome<Self> {
        let (cpus, target_cpus) = limits::share_with_target(&limits::allowed_cpus());
        fits(args, target_cpus.len()).map_err(Failure::usage)?;
        Ok(Self { cpus, target_cpus })
    }
}

/// Whether the largest stack has room on so many CPUs; a server that has to share its quota with others has no size.
fn fits(args: &ScaleOutArgs, cpus: usize) -> Result<(), String> {
    let most = args.servers.0.last().copied().unwrap_or(0);
    let others = args.db_cpu + args.proxy_cpu;
    let left = cpus as f64 - others;
    if f64::from(most) * args.server_cpu <= left + ROUNDING {
        return Ok(());
    }
    let room = ((left + ROUNDING) / args.server_cpu).floor();
    let fit = if room >= 1.0 { format!("{room} fit") } else { String::from("none fits") };
    Err(format!(
        "--servers: {} of {} CPUs beside {} for database and proxy are more than the {} that the target has here: {fit}; \
         lower --servers, --server-cpu, --db-cpu or --proxy-cpu",
        counted(most.into(), "server"),
        rate(args.server_cpu),
        rate(others),
        counted(cpus as u64, "CPU")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn args(line: &str) -> ScaleOutArgs {
        let words = ["loadgen", "scale-out"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Some(Command::ScaleOut(args)) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_does_not_fit_says_how_many_would() {
        for (line, cpus, part) in [
            ("", 1, None),
            ("--server-cpu 0.1 --db-cpu 0.3 --proxy-cpu 0.3", 1, None),
            ("--server-cpu 0.11 --db-cpu 0.3 --proxy-cpu 0.3", 1, Some("4 servers of 0.11 CPUs")),
            (
                "--server-cpu 0.11 --db-cpu 0.3 --proxy-cpu 0.3",
                1,
                Some("the 1 CPU that the target has here: 3 fit"),
            ),
            (
                "--servers 1,12 --server-cpu 0.2 --db-cpu 0.4 --proxy-cpu 0.2",
                2,
                Some("2 CPUs that the target has here: 7 fit"),
            ),
            ("--servers 1,7 --server-cpu 0.2 --db-cpu 0.4 --proxy-cpu 0.2", 2, None),
            ("--db-cpu 2", 1, Some("none fits")),
        ] {
            let said = fits(&args(line), cpus);
            assert_eq!(said.is_err(), part.is_some(), "{line}: {said:?}");
            assert!(said.err().unwrap_or_default().contains(part.unwrap_or("")), "{line}");
        }
    }

    #[test]
    fn the_stacks_of_the_default_fit_on_the_smallest_machine_with_two_sides() {
        assert_eq!(fits(&args(""), 1), Ok(()));
    }
}
