//! What is wrong with a command line, in one line: given the words of it and what clap says, which has several lines and does not
//! know what the user wants to do, it gives the sentence with its advice. It parses nothing.

use super::Cli;
use crate::nearest::nearest;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsStr;

const SHARDED: &str = "a search has its loads sent by several machines with --runner";

/// What is asked of a search that only one load can be told, and what to ask instead.
const NOT_OF_A_SEARCH: [(&str, &str); 8] = [
    ("--shard", SHARDED),
    ("--start-at", SHARDED),
    ("--rps", "a search finds the rate itself; bound it with --min-rps and --max-rps"),
    ("--stages", "a search finds the rates itself; bound them with --min-rps and --max-rps"),
    ("--duration", "a search sets the length of its loads itself; bound the whole with --budget"),
    ("-d", "a search sets the length of its loads itself; bound the whole with --budget"),
    ("--warmup", "a search leaves out the beginnings of its loads itself"),
    ("--threshold", "what has to hold in a search is given with --slo"),
];

/// One line of what is wrong with the command line `words`, the program first, from clap's several.
pub(crate) fn one_line(error: &clap::Error, words: &[impl AsRef<OsStr>]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let command = words.get(1).copied().unwrap_or_default();
    let is_known = Cli::command().find_subcommand(command).is_some();
    let said = advice(error, &words).unwrap_or_else(|| first_lines(error));
    let help = if is_known { format!("loadgen {command} --help") } else { String::from("loadgen --help") };
    format!("{said} (see {help})")
}

/// Of a word that is no URL: that it is no subcommand, with the one that it is near to; `None` if there is none.
pub(crate) fn no_subcommand(word: &str) -> Option<String> {
    let cli = Cli::command();
    let other = word.starts_with('-') || word.contains(['/', ':', '.']);
    if other || cli.find_subcommand(word).is_some() {
        return None;
    }
    let meant = nearest(word, cli.get_subcommands().map(clap::Command::get_name));
    (!meant.is_empty()).then(|| format!("`{word}` is neither a subcommand nor a URL{meant}"))
}

/// Whose an option is, where it is another command's.
fn of_another(argument: &str) -> Option<String> {
    let name = argument.strip_prefix("--")?;
    let cli = Cli::command();
    let has = |command: &clap::Command| command.get_arguments().any(|known| known.get_long() == Some(name));
    let own = has(&cli).then(|| String::from("`loadgen`"));
    let others = cli.get_subcommands().filter(|command| has(command));
    let mut of: Vec<String> =
        own.into_iter().chain(others.map(|command| format!("`loadgen {}`", command.get_name()))).collect();
    let last = of.pop()?;
    let of = if of.is_empty() { last } else { format!("{} and {last}", of.join(", ")) };
    Some(format!("{argument} is an option of {of}"))
}

/// What to do, where clap does not know it.
fn advice(error: &clap::Error, words: &[&str]) -> Option<String> {
    let of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let argument = of(ContextKind::InvalidArg);
    let command = words.get(1).copied().unwrap_or_default();
    // clap takes a second URL for a subcommand.
    let second = of(ContextKind::InvalidSubcommand);
    if !second.is_empty() {
        let too_many = || format!("`{second}` is one too many: give one URL, or one subcommand");
        return Some(no_subcommand(command).unwrap_or_else(too_many));
    }
    match error.kind() {
        ErrorKind::UnknownArgument if command == "ceiling" => {
            let known = NOT_OF_A_SEARCH.iter().find(|(option, _)| *option == argument);
            known.map(|(option, instead)| format!("{option}: {instead}"))
        }
        ErrorKind::UnknownArgument => no_subcommand(command).or_else(|| of_another(argument)),
        ErrorKind::ArgumentConflict if argument.starts_with("--resume") => {
            let others = beside_resume(words.get(2..).unwrap_or_default()).join(" ");
            Some(format!(
                "--resume goes on with a search as it was asked for, and takes nothing else: leave out `{others}`"
            ))
        }
        _ => None,
    }
}

/// All words but `--resume` and its directory.
fn beside_resume<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut others = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--resume" => drop(words.next()),
            word if word.starts_with("--resume=") => {}
            word => others.push(word),
        }
    }
    others
}

/// Clap's own words, on one line.
fn first_lines(error: &clap::Error) -> String {
    let text = error.to_string();
    let said: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:"))
        // Neither the way to the help, which comes last anyway, nor the advice to pass an option as a value.
        .filter(|line| !line.is_empty() && !line.starts_with("For more") && !line.contains("as a value"))
        .collect();
    let said = said.join(" ").replace(" tip: ", "; ");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn what_is_wrong_is_said_on_one_line() {
        for (line, part) in [
            ("--rpss 5", "--rps"),
            ("--rps 0", "above zero"),
            ("--rps -5", "above zero"),
            ("--rps fast", "is no rate"),
            ("--duration 10", "with a unit"),
            ("--stages 10s", "TIME:RATE"),
            ("--stages 10s:5 --rps 4", "cannot be used with"),
            ("-c 0", "at least 1"),
            ("--threshold p99", "p99"),
            ("--arrivals odd", "poisson"),
            ("--header x", "Name: value"),
            ("--rps 5 http://a/ http://b/", "`http://b/` is one too many"),
            ("--streams 0", "at least 1"),
            ("--no-keepalive --max-requests-per-connection 2", "cannot be used with"),
            ("--cert a.pem", "--key"),
            ("--proxy nowhere", "no proxy"),
            ("--source-ip x", "x"),
            ("--threads 5000", "at most 256"),
            ("--expect-status 99", "status"),
            ("--prometheus 9090", "such as 127.0.0.1:9090"),
            ("--resolver localhost", "with its port"),
            ("ceiling --slo mean<5ms", "percentiles"),
            ("ceiling --precision 0%", "from 0.1% to 50%"),
            ("ceiling --rps 5", "bound it with --min-rps and --max-rps"),
            ("ceiling --rps=5 http://h/", "bound it with --min-rps and --max-rps"),
            ("ceiling -d 5s", "--budget"),
            ("ceiling --duration 5s", "--budget"),
            ("ceiling --threshold p99<5ms", "--slo"),
            (
                "ceiling --shard 1/2 http://h/",
                "--shard: a search has its loads sent by several machines with --runner",
            ),
            ("ceiling --nothing", "'--nothing'"),
            ("ceiling --resume d http://h/", "leave out `http://h/` (see"),
            ("ceiling --budget 30s --resume=d -q", "leave out `--budget 30s -q` (see"),
            ("--workers 4 --rps 5", "--workers is an option of `loadgen ceiling`"),
            (
                "report d --slo p99<5ms",
                "--slo is an option of `loadgen ceiling`, `loadgen cache`, `loadgen scale-out` and `loadgen pairs` (see",
            ),
            ("spof --history h", "--history is an option of `loadgen compare` and `loadgen pairs`"),
            ("lessons --json x", "--json is an option of `loadgen`, `loadgen report`, `loadgen ceiling`, "),
            ("spof --scenario x", "--scenario is an option of `loadgen`"),
            ("spof --nothing", "'--nothing'"),
            ("cieling --slo p99<5ms", "neither a subcommand nor a URL; did you mean `ceiling`?"),
            ("cieling http://h/", "neither a subcommand nor a URL; did you mean `ceiling`?"),
            ("ceiling --db-cpu 0", "'--db-cpu <CPUS>': `0` is no number of CPUs from 0.01 to 1024"),
            ("ceiling --db-cpu 200m", "write 0.25 for a quarter of one"),
            ("ceiling --server-cpu 2000", "'--server-cpu <CPUS>'"),
            ("ceiling --proxy-cpu nan", "'--proxy-cpu <CPUS>'"),
            ("ceiling --workers 0", "'--workers <K>': `0`: write a whole number from 1 to 4096"),
            ("ceiling --workers four", "a whole number from 1 to 4096"),
            ("ceiling --pool 5000", "a whole number from 1 to 4096"),
            ("ceiling --servers 0", "'--servers <N>': `0`: write a whole number from 1 to 64"),
            ("ceiling --scale huge", "possible values: small, default, large"),
            ("ceiling --service 2h", "from 1us to 1h"),
            ("ceiling --db-latency 0ms", "from 1us to 1h"),
            ("--seed x", "a whole number from 0"),
            ("--max-backlog x http://h/", "a whole number from 0"),
            ("--max-requests-per-connection 0", "a whole number from 1"),
            ("ceiling --workers 2 http://h/", "cannot be used with"),
            ("--target-proxy nginx http://h/", "cannot be used with"),
            ("ceiling --target-proxy haproxy", "possible values: builtin, nginx"),
        ] {
            let words: Vec<&str> = std::iter::once("loadgen").chain(line.split(' ')).collect();
            let error = one_line(&Cli::try_parse_from(&words).unwrap_err(), &words);
            assert!(!error.contains('\n') && error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn the_help_that_is_named_is_that_of_the_subcommand() {
        for (line, help) in [
            ("--rps 0", "(see loadgen --help)"),
            ("cieling --slo x", "(see loadgen --help)"),
            ("http://a/ http://b/", "(see loadgen --help)"),
            ("ceiling --db-cpu 0", "(see loadgen ceiling --help)"),
            ("ceiling --nothing", "(see loadgen ceiling --help)"),
            ("calibrate --budget 5", "(see loadgen calibrate --help)"),
            ("report", "(see loadgen report --help)"),
        ] {
            let words: Vec<&str> = std::iter::once("loadgen").chain(line.split(' ')).collect();
            let error = one_line(&Cli::try_parse_from(&words).unwrap_err(), &words);
            assert!(error.ends_with(help), "{line}: {error}");
        }
    }

    #[test]
    fn a_word_is_held_against_the_subcommands_unless_it_is_part_of_a_url() {
        for (word, meant) in [
            ("cieling", Some("`ceiling`")),
            ("calibarte", Some("`calibrate`")),
            ("localhost", None),
            ("report.test", None),
            ("ceiling:80", None),
            ("http://report/", None),
        ] {
            let said = no_subcommand(word);
            assert_eq!(said.is_some(), meant.is_some(), "{word}: {said:?}");
            assert!(meant.is_none_or(|meant| said.is_some_and(|said| said.contains(meant))), "{word}");
        }
    }
}
