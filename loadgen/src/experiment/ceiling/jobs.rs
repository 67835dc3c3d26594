//! Loads that a user's command has other machines send: each is one job. The command is told the load as words of `loadgen`, and where its
//! records are to be put; when it has ended, they are the load, and are looked at as if it had been sent from here. It is not asked how it does
//! that, and what it ends with matters only where it has left no record.

use super::records;
use super::replay;
use super::sender::{Desk, Offered};
use super::windows::Windows;
use crate::cli::{self, Cli, LoadArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::plan::Plan;
use crate::target::{End, Errand};
use crate::units::Rate;
use crate::{aim, digest, pace, record};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, Parser};
use reports::ceiling::Runner;
use reports::number::exact_rate;
use reports::record::Host;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where in the search's directory the jobs are.
const DIR: &str = "jobs";
/// What the command is called in its own words.
const NAME: &str = "loadgen-runner";
/// Connections that this machine, which opens none, would need.
const NONE: usize = 1;

/// See the module.
pub(super) struct Jobs<'a> {
    command: &'a str,
    /// What all loads have in common, as options.
    options: Vec<String>,
    url: String,
    dir: PathBuf,
    /// What is kept of all jobs.
    pub(super) runner: Runner,
    /// What all open loads ask for, as the first of them had it.
    digest: Option<String>,
    /// That the last one was ended because there was no more time for it, in words.
    pub(super) overdue: Option<String>,
}

/// The options of a load that other machines send, for this one: whatever is about the machine that sends is not looked at here.
pub(super) fn elsewhere(load: LoadArgs) -> LoadArgs {
    LoadArgs { connections: Some(NONE), source_ips: Vec::new(), threads: None, cpus: None, ..load }
}

impl<'a> Jobs<'a> {
    /// Jobs of a search that was begun with the command line `words` and whose record is in `dir`; `before` is what is known of earlier ones.
    ///
    /// # Errors
    /// Wrong use: the words are no search's; the host's fault: there can be no directory for the jobs.
    pub(super) fn of(
        command: &'a str,
        words: &[String],
        dir: &Path,
        before: Option<Runner>,
    ) -> Outcome<Self> {
        let (options, url) = given(words)?;
        let lost = |e: std::io::Error| Failure::host(format!("cannot write to {}: {e}", dir.display()));
        let dir = std::path::absolute(dir).map_err(lost)?.join(DIR);
        fs::create_dir_all(&dir).map_err(lost)?;
        let runner = before.unwrap_or_else(|| Runner { command: command.to_owned(), ..Runner::default() });
        Ok(Self { command, options, url, dir, runner, digest: None, overdue: None })
    }

    /// Has a load sent, and looks at what came of it; `None` when it was ended before it had.
    ///
    /// # Errors
    /// The target's fault: it cannot be reached; wrong use: the records are of another load; the host's fault: there are none.
    pub(super) async fn send(
        &mut self,
        plan: &Plan,
        lead_in: Duration,
        referee: Option<&mut Windows<'_>>,
        desk: Desk<'_>,
    ) -> Outcome<Option<Offered>> {
        let (out, said) = self.next();
        let (begun, begun_at) = (pace::now(), pace::wall_clock());
        let length = plan.measured();
        let mut errand = Errand::start(self.command, &self.words(plan), ("OUT", &out), &said)?;
        let left = (desk.deadline + length).saturating_duration_since(begun);
        let end = tokio::select! {
            end = errand.ended() => Some(end),
            () = desk.signals.asked() => None,
            () = pace::pause(left) => {
                self.overdue = Some(overdue(plan, &out));
                None
            }
        };
        errand.stop().await;
        let Some(end) = end else { return Ok(None) };
        let took = pace::now() - begun;
        let looked_at = length.saturating_sub(lead_in);
        self.runner.pause_s = self.runner.pause_s.max(took.saturating_sub(looked_at).as_secs_f64());
        let mut load = match records::of(&out).map_err(|why| refused(&why, &said))? {
            Some(load) => load,
            None => return Err(nothing(&end, &said)),
        };
        let asked = self.asked(plan, &load.record.run.host);
        let known = asked.as_deref().or(self.digest.as_deref()).filter(|_| plan.open);
        if let Some(why) = load.is_of_another(plan, known, begun_at) {
            return Err(refused(&why, &said));
        }
        let run = &mut load.record.run;
        if plan.open {
            self.digest.get_or_insert_with(|| run.load_digest.clone());
        }
        self.runner.machines = self.runner.machines.max(run.shards.len().max(1));
        // It is this load that ended early, and not the search; of shards the merge has named them.
        if std::mem::take(&mut run.partial) && run.shards.is_empty() {
            load.faults.push(String::from("a machine was stopped before the load had ended"));
        }
        if let Some(referee) = referee {
            replay::replay(&load.record, lead_in, length, referee);
            if let Some(log) = desk.log {
                let kept = replay::keep(&load.record, log, desk.begun);
                kept.map_err(|e| Failure::host(format!("cannot keep the log: {e}")))?;
            }
        }
        Ok(Some(Offered { run: load.record.run, faults: load.faults }))
    }

    /// The digest of what is asked for, where it was this version of the program that was asked.
    fn asked(&self, plan: &Plan, by: &Host) -> Option<String> {
        let here = record::host();
        let told = Plan::new(Cli::try_parse_from(self.words(plan)).ok()?.run).ok()?;
        let what = aim::at_url(&told, told.url.as_ref()?);
        let same = (&by.version, &by.commit) == (&here.version, &here.commit);
        same.then(|| digest::of(&told, &what))
    }

    /// The directory of the next job, which there is not, and the file for what it says.
    fn next(&self) -> (PathBuf, PathBuf) {
        let paths = |n: u32| (self.dir.join(n.to_string()), self.dir.join(format!("{n}.txt")));
        let mut all = (1..u32::MAX).map(paths);
        all.find(|(out, said)| !out.exists() && !said.exists()).unwrap_or_else(|| paths(u32::MAX))
    }

    /// The words of a plan behind the name of the one who is told.
    fn words(&self, plan: &Plan) -> Vec<String> {
        // In a closed loop there are no instants for requests to arrive at.
        let options = self.options.iter().filter(|option| plan.open || !option.starts_with("--arrivals="));
        let mut words: Vec<String> = [NAME.to_owned()].into_iter().chain(options.cloned()).collect();
        let rate = plan.steps.first().map(|step| step.from).filter(|_| plan.open);
        words.extend(rate.map(|rate| format!("--rps={}", exactly(rate))));
        words.push(format!("--duration={}ms", plan.measured().as_millis()));
        words.push(self.url.clone());
        words
    }
}

/// A rate with all of its digits.
fn exactly(rate: Rate) -> String {
    let text = format!("{}.{:06}", rate.micro / 1_000_000, rate.micro % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The options of one load that are in the command line of a search, each a word, and the URL.
fn given(words: &[String]) -> Outcome<(Vec<String>, String)> {
    let wrong = |e: clap::Error| Failure::usage(cli::one_line(&e, words));
    let matches = Cli::command().try_get_matches_from(words).map_err(wrong)?;
    let none = || Failure::usage("--runner: the command line has no search with a URL in it");
    let matches = matches.subcommand_matches("ceiling").ok_or_else(none)?;
    let mut options = Vec::new();
    let mut url = None;
    for arg in LoadArgs::augment_args(clap::Command::new(NAME)).get_arguments() {
        let id = arg.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let mut values =
            matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned());
        match arg.get_long() {
            None => url = values.next_back(),
            Some(name) if arg.get_action().takes_values() => {
                options.extend(values.map(|value| format!("--{name}={value}")));
            }
            Some(name) => options.push(format!("--{name}")),
        }
    }
    Ok((options, url.ok_or_else(none)?))
}

/// A load at its rate, in words.
fn called(plan: &Plan) -> String {
    match plan.steps.first().filter(|_| plan.open) {
        Some(step) => format!("{}/s", exact_rate(step.from.rps())),
        None => String::from("asking the target what it can do"),
    }
}

fn overdue(plan: &Plan, out: &Path) -> String {
    format!(
        "the job of {} ({}) had not ended when the budget was spent, and was ended",
        called(plan),
        out.display()
    )
}

fn refused(why: &str, said: &Path) -> Failure {
    Failure::usage(format!(
        "--runner: {why}; \"$@\" has to reach every machine as it is, and $OUT to have the records of this load alone (what was said is in {})",
        said.display()
    ))
}

/// The last line of a file that is not empty, as much of it as fits on a screen.
fn last_line(path: &Path) -> Option<String> {
    const END: i64 = 1024;
    const SHOWN: usize = 300;
    let mut file = File::open(path).ok()?;
    // Of a shorter file this is before its beginning.
    let _ = file.seek(SeekFrom::End(-END));
    let mut end = Vec::new();
    file.read_to_end(&mut end).ok()?;
    let text = String::from_utf8_lossy(&end);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.chars().take(SHOWN).collect())
}

/// That a job has left no record.
fn nothing(end: &End, said: &Path) -> Failure {
    let last = last_line(said).map_or_else(String::new, |line| format!(": {line}"));
    let message = format!(
        "--runner: the command left no record of a run in $OUT: {}{last} (what it said is in {})",
        end.how,
        said.display()
    );
    match end.code {
        Some(code) if code == Exit::Target as i32 => Failure::target(message),
        _ => Failure::host(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn jobs(line: &str, dir: &Path) -> Jobs<'static> {
        Jobs::of("true", &words(line), dir, None).unwrap()
    }

    #[test]
    fn the_words_of_a_plan_are_those_of_the_same_load() {
        let dir = tempfile::tempdir().unwrap();
        let line = "loadgen ceiling --runner true -H a:b --budget 40s --header=c:d -c 7 -t 500ms --no-keepalive -X POST --body -x \
                    --seed 3 --arrivals poisson --max-rps 500 --cpus 0 -o out http://127.0.0.1:1/a?b=c";
        let line = line.replace("--body -x", "--body=-x");
        let jobs = jobs(&line, dir.path());
        let load = Cli::parse_from(words(&line)).command;
        let Some(cli::Command::Ceiling(args)) = load else { panic!("{line}") };
        let rate = Rate { micro: 123_450_000 };
        let plan = Plan::at(&args.load, Some(rate), Duration::ZERO, Duration::from_millis(5400)).unwrap();
        let said = jobs.words(&plan);
        assert_eq!((&*said[0], said.last().map(String::as_str)), (NAME, Some("http://127.0.0.1:1/a?b=c")));
        let again = Plan::new(Cli::parse_from(&said).run).unwrap();
        assert_eq!(format!("{again:?}"), format!("{plan:?}"), "{said:?}");
        assert!(!said.iter().any(|word| {
            ["--budget", "--runner", "--max-rps", "--out"].iter().any(|no| word.starts_with(no))
        }));
        // In a closed loop a plan with instants is wrong use.
        let plan = Plan::at(&args.load, None, Duration::ZERO, Duration::from_secs(2)).unwrap();
        let again = Plan::new(Cli::parse_from(jobs.words(&plan)).run).unwrap();
        assert!(!again.open && again.connections == 7 && again.measured() == plan.measured());
    }

    #[test]
    fn what_was_not_said_is_not_said_again() {
        let dir = tempfile::tempdir().unwrap();
        let jobs = jobs("loadgen ceiling http://h/ --runner true", dir.path());
        let load =
            LoadArgs { url: Some("http://h/".into()), ..elsewhere(Cli::parse_from(["loadgen"]).run.load) };
        let at =
            |micro| Plan::at(&load, Some(Rate { micro }), Duration::ZERO, Duration::from_secs(6)).unwrap();
        assert_eq!(
            jobs.words(&at(5_000_000)),
            ["loadgen-runner", "--rps=5", "--duration=6000ms", "http://h/"]
        );
        assert_eq!(jobs.words(&at(100))[1], "--rps=0.0001");
        assert!(given(&words("loadgen ceiling")).is_err());
    }

    #[test]
    fn each_job_has_a_place_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let jobs = jobs("loadgen ceiling http://h/", dir.path());
        let name = || jobs.next().0.file_name().unwrap().to_owned();
        assert_eq!(name(), "1");
        fs::create_dir(dir.path().join("jobs/1")).unwrap();
        fs::write(dir.path().join("jobs/2.txt"), "").unwrap();
        assert_eq!(name(), "3");
    }

    #[test]
    fn whoever_leaves_nothing_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let said = dir.path().join("1.txt");
        fs::write(&said, format!("{}\nhosts cannot be read\n\n", "x".repeat(5_000))).unwrap();
        for (code, exit) in [(3, Exit::Target), (2, Exit::Invalid), (0, Exit::Invalid)] {
            let end = End { code: Some(code), how: format!("it ended with exit code {code}") };
            let failure = nothing(&end, &said);
            let part = format!("exit code {code}: hosts cannot be read (what it said is in ");
            assert!(failure.exit == exit && failure.message.contains(&part), "{failure:?}");
        }
        fs::write(&said, "x".repeat(5_000)).unwrap();
        assert_eq!(last_line(&said).map(|line| line.len()), Some(300));
        fs::write(&said, "").unwrap();
        assert_eq!(last_line(&said), None);
    }
}
