//! Where what a run has to say goes. Given the options, it makes the directory of the record and makes sure, before
//! anything is sent, that all that is to be written can be; at the end it writes the record, draws the pictures and
//! prints the summary. What it made for a run that did not come about, it takes away again.

mod found;
mod pairs;

use crate::cli::{ResultArgs, RunArgs};
use crate::exporter::Exporter;
use crate::failure::{Failure, Outcome};
use crate::run::{LogFile, Manner};
use crate::status::Status;
use crate::{pace, record, show, terminal};
use reports::ceiling::Ceiling;
use reports::log::IntervalLog;
use reports::record::{Run, Wire};
use reports::store::{LOG_FILE, RUN_FILE, Record};
use reports::trace::Trace;
use reports::{exports, html, pictures, store};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::Serialize;
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub(crate) struct Output {
    dir: Option<PathBuf>,
    /// What is written into it as the work goes on, or at its end.
    file: &'static str,
    json: Option<PathBuf>,
    junit: Option<PathBuf>,
    prometheus: Option<SocketAddr>,
    listener: Option<TcpListener>,
    pictures: bool,
    quiet: bool,
    progress: bool,
    begun: Instant,
    /// What is watched while an experiment goes on.
    pub(crate) status: Status,
    /// What was not there before, in the order in which it was made.
    made: Vec<PathBuf>,
    /// Held for as long as this process alone may write into the directory.
    lock: Option<File>,
    /// Whether something was recorded.
    kept: Cell<bool>,
}

impl Output {
    /// Reads the options; the program was started at `begun`.
    pub(crate) fn of(args: &RunArgs, begun: Instant) -> Self {
        Self {
            dir: match (&args.out, args.no_report) {
                (Some(dir), _) => Some(dir.clone()),
                (None, true) => None,
                (None, false) => Some(default_dir("run")),
            },
            file: LOG_FILE,
            json: args.json.clone(),
            junit: args.junit.clone(),
            prometheus: args.prometheus,
            listener: None,
            pictures: !args.no_report,
            quiet: args.quiet,
            progress: !args.quiet && !args.no_progress && io::stderr().is_terminal(),
            status: Status::new(false),
            begun,
            made: Vec::new(),
            lock: None,
            kept: Cell::new(false),
        }
    }

    /// Of an experiment, which leaves one file.
    pub(crate) fn of_experiment(name: &str, file: &'static str, args: &ResultArgs, begun: Instant) -> Self {
        let ResultArgs { out, json, quiet } = args.clone();
        let dir = Some(out.unwrap_or_else(|| default_dir(name)));
        Self {
            dir,
            file,
            json,
            junit: None,
            prometheus: None,
            listener: None,
            pictures: false,
            quiet,
            progress: false,
            status: Status::new(!quiet && terminal::can_be_drawn_on()),
            begun,
            made: Vec::new(),
            lock: None,
            kept: Cell::new(false),
        }
    }

    /// Of a merge, which leaves what a run leaves.
    pub(crate) fn of_merge(args: &ResultArgs, junit: Option<PathBuf>, begun: Instant) -> Self {
        Self { junit, pictures: true, ..Self::of_experiment("merge", LOG_FILE, args, begun) }
    }

    /// Makes what a run needs, or nothing.
    ///
    /// # Errors
    /// Wrong use: something cannot be written.
    pub(crate) fn prepare(&mut self) -> Outcome {
        let made = self.make();
        if made.is_err() {
            self.unmake();
        }
        made
    }

    fn make(&mut self) -> Outcome {
        if let Some(dir) = self.dir.clone() {
            let refused = |e: io::Error| {
                Failure::usage(format!("cannot write to {}: {e}; say where with --out DIR", dir.display()))
            };
            let missing = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
            let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
            fs::create_dir_all(&dir).map_err(refused)?;
            self.made.extend(missing.into_iter().rev());
            self.lock = alone_in(&dir)?;
            self.touch(&dir.join(self.file)).map_err(refused)?;
        }
        let json = self.json.clone().filter(|file| file.as_os_str() != "-");
        for file in json.into_iter().chain(self.junit.clone()) {
            self.touch(&file).map_err(|e| Failure::usage(format!("cannot write {}: {e}", file.display())))?;
        }
        if let Some(address) = self.prometheus {
            let refused = |e: io::Error| {
                Failure::usage(format!("cannot listen on {address}: {e}; say where with --prometheus ADDR"))
            };
            self.listener = Some(TcpListener::bind(address).map_err(refused)?);
        }
        Ok(())
    }

    /// Makes sure that a file can be written to, without touching what is in it.
    fn touch(&mut self, file: &Path) -> io::Result<()> {
        let new = !file.exists();
        File::options().create(true).append(true).open(file)?;
        if new {
            self.made.push(file.to_owned());
        }
        Ok(())
    }

    /// What was made for a record goes away again, unless something was recorded.
    pub(crate) fn unmake(&self) {
        if self.kept.get() {
            return;
        }
        for path in self.made.iter().rev() {
            // A directory that somebody else uses by now is not empty, and stays.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }

    /// Begins the record, in place of any that is there.
    ///
    /// # Errors
    /// The host's fault: the log cannot be written any more.
    pub(crate) fn begin(&self, command: Vec<String>, wire: Wire) -> Outcome<Manner<'static>> {
        let log = match &self.dir {
            None => None,
            Some(dir) => {
                // Half of an old record beside half of a new one would be neither; there may be none.
                let _ = fs::remove_file(dir.join(RUN_FILE));
                let path = dir.join(LOG_FILE);
                let file = File::create(&path)
                    .map_err(|e| Failure::host(format!("cannot write {}: {e}", path.display())))?;
                Some(LogFile { file, begun: None })
            }
        };
        let exporter = self.export().map_err(|e| Failure::host(format!("cannot serve metrics: {e}")))?;
        Ok(Manner {
            log,
            referee: None,
            wire,
            visible: self.progress,
            exporter,
            command,
            begun: self.begun,
            deadline: None,
        })
    }

    /// Serves the metrics, if they are asked for, and says where.
    fn export(&self) -> io::Result<Option<Exporter>> {
        let Some(listener) = &self.listener else { return Ok(None) };
        let exporter = Exporter::serve(listener.try_clone()?)?;
        self.say(&format!("metrics at http://{}/metrics", listener.local_addr()?));
        Ok(Some(exporter))
    }

    /// A line for the person who waits.
    pub(crate) fn say(&self, text: &str) {
        self.say_beside("", text);
    }

    /// The same with `head` in front of it, which is not broken where the line is.
    pub(crate) fn say_beside(&self, head: &str, text: &str) {
        if !self.quiet {
            self.status.aside(|| show::long_note(head, text, terminal::columns()));
        }
    }

    /// Writes a record that was merged, histograms and all, draws and shows it as that of a run.
    ///
    /// # Errors
    /// The host's fault: the record is incomplete.
    pub(crate) fn finish_merged(&self, merged: &Record) -> Outcome {
        if let Some(dir) = &self.dir {
            let first = merged.run.shards.iter().map(|shard| shard.shard.began_unix_s);
            let warmup_s: f64 =
                merged.run.steps.iter().filter(|step| !step.counted).map(|step| step.duration_s).sum();
            let begun = first.fold(f64::INFINITY, f64::min) + warmup_s;
            self.keeps(dir, store::save_whole(dir, merged, begun))?;
        }
        self.finish(&merged.run, None)
    }

    /// Writes the record, draws the pictures, prints the summary; `note` is what a dead target said.
    ///
    /// # Errors
    /// The host's fault: the record is incomplete.
    pub(crate) fn finish(&self, run: &Run, note: Option<&str>) -> Outcome {
        let mut lines = Vec::new();
        let kept = self.dir.as_ref().map_or(Ok(()), |dir| self.keep(dir, run, &mut lines));
        // Whatever became of the record, the person and the script get to see the run.
        let told = self.json.as_ref().map_or(Ok(()), |file| show::json(run, file));
        let judged = self.junit.as_ref().map_or(Ok(()), |file| show::junit(run, file));
        let beside_json = self.json.as_ref().is_some_and(|file| file.as_os_str() == "-");
        let shown = if self.quiet { Ok(()) } else { show::summary(run, note, &lines, beside_json) };
        kept.and(told).and(judged).and(shown)
    }

    /// Writes what an experiment has found, and shows it as `text`.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn finish_experiment(&self, found: &impl Serialize, mut text: String) -> Outcome {
        let mut kept = Ok(());
        if let Some(dir) = &self.dir {
            let path = dir.join(self.file);
            kept = show::json(found, &path);
            text += &format!("\nrecord      {}\n", path.display());
        }
        let told = self.json.as_ref().map_or(Ok(()), |file| show::json(found, file));
        let beside_json = self.json.as_ref().is_some_and(|file| file.as_os_str() == "-");
        let shown = if self.quiet { Ok(()) } else { show::write(&text, beside_json) };
        kept.and(told).and(shown)
    }

    /// The log of an experiment, which begins at `begun`, since 1970; or the one that is there, where it is resumed.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn log(&self, resumes: bool, begun: Duration) -> Outcome<Option<File>> {
        let Some(dir) = &self.dir else { return Ok(None) };
        let path = dir.join(LOG_FILE);
        let lost = |e: io::Error| Failure::host(format!("cannot write {}: {e}", path.display()));
        let mut options = File::options();
        if resumes {
            let file = whole_lines(&path).and_then(|()| options.append(true).open(&path));
            return file.map(Some).map_err(lost);
        }
        let file = options.create(true).write(true).truncate(true).open(&path).map_err(lost)?;
        let log = file.try_clone().and_then(|file| IntervalLog::create(file, begun.as_secs_f64()));
        log.map(|_| Some(file)).map_err(lost)
    }

    /// Writes what a ceiling search has found so far.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn keep_ceiling(&self, found: &Ceiling) -> Outcome {
        let Some(dir) = &self.dir else { return Ok(()) };
        self.keeps(dir, store::keep(dir, found))
    }

    /// Notes that something was recorded in `dir`, if it was.
    fn keeps(&self, dir: &Path, written: io::Result<()>) -> Outcome {
        written.map_err(|e| self.lost(dir, &e.to_string()))?;
        self.kept.set(true);
        Ok(())
    }

    /// Why the record is not what it should be. Where there is none yet, what was made for it goes away again.
    fn lost(&self, dir: &Path, why: &str) -> Failure {
        let dir = dir.display();
        Failure::host(match self.kept.get() {
            true => format!("the record in {dir} is incomplete: {why}"),
            false => format!("nothing could be recorded in {dir}: {why}"),
        })
    }

    /// Writes what a ceiling search has found, draws it and shows it; `note` is what a dead target said.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn finish_ceiling(&self, found: &Ceiling, note: Option<&str>) -> Outcome {
        let mut lines = Vec::new();
        let mut kept = self.keep_ceiling(found);
        if let Some(dir) = &self.dir {
            lines.push(format!("record      {}", dir.join(self.file).display()));
            // Whoever has waited for the answer is told it, whatever the disk has room for.
            match show::drawn(dir, found) {
                Ok(drawn) => lines.extend(drawn),
                Err(failure) => kept = kept.and(Err(failure)),
            }
            if found.partial {
                lines.push(format!("resume      loadgen ceiling --resume {}", dir.display()));
            }
        }
        let told = self.json.as_ref().map_or(Ok(()), |file| show::json(found, file));
        let beside_json = self.json.as_ref().is_some_and(|file| file.as_os_str() == "-");
        if !self.quiet && terminal::columns().is_some() {
            // Between what was said on the way and the summary.
            show::note("");
        }
        let shown = if self.quiet { Ok(()) } else { show::ceiling(found, note, &lines, beside_json) };
        kept.and(told).and(shown)
    }

    /// Writes what a traced request has found, draws it and shows it.
    ///
    /// # Errors
    /// The host's fault: it cannot be written any more.
    pub(crate) fn finish_trace(&self, trace: &Trace) -> Outcome {
        let (mut lines, mut kept) = (Vec::new(), Ok(()));
        if let Some(dir) = &self.dir {
            kept = self.keeps(dir, store::keep(dir, trace));
            lines.push(format!("record      {}", dir.join(self.file).display()));
            match show::drawn_trace(dir, trace) {
                Ok(drawn) => lines.extend(drawn),
                Err(failure) => kept = kept.and(Err(failure)),
            }
        }
        let told = self.json.as_ref().map_or(Ok(()), |file| show::json(trace, file));
        let beside_json = self.json.as_ref().is_some_and(|file| file.as_os_str() == "-");
        let shown = if self.quiet { Ok(()) } else { show::trace(trace, &lines, beside_json) };
        kept.and(told).and(shown)
    }

    fn keep(&self, dir: &Path, run: &Run, lines: &mut Vec<String>) -> Outcome {
        let lost = |e: String| Failure::host(format!("the record in {} is incomplete: {e}", dir.display()));
        store::save(dir, run).map_err(|e| lost(e.to_string()))?;
        lines.push(format!("record      {}", dir.join(RUN_FILE).display()));
        let record = store::load(dir).map_err(lost)?;
        exports::write(dir, &record).map_err(lost)?;
        if self.pictures {
            let pictures = pictures::write(dir, &record).map_err(lost)?;
            lines.extend(pictures.iter().map(|picture| format!("picture     {}", picture.display())));
            let report = html::write(dir, &record).map_err(lost)?;
            lines.push(format!("report      {}", report.display()));
        }
        Ok(())
    }
}

pub(crate) fn default_dir(name: &str) -> PathBuf {
    let now = record::timestamp(pace::wall_clock());
    unused(PathBuf::from(format!("reports/runs/{}-{name}", now.strftime("%Y%m%dT%H%M%SZ"))))
}

/// `dir`, or with a number behind it when another run of the same second has it.
fn unused(dir: PathBuf) -> PathBuf {
    let name = dir.display().to_string();
    let numbered = (2..1000).map(|n| PathBuf::from(format!("{name}-{n}")));
    std::iter::once(dir.clone()).chain(numbered).find(|dir| !dir.exists()).unwrap_or(dir)
}

/// Makes `dir` this process' own until the file that it gives is closed; none where the file system knows no locks.
///
/// # Errors
/// Wrong use: somebody else writes there.
fn alone_in(dir: &Path) -> Outcome<Option<File>> {
    let Ok(file) = File::open(dir) else { return Ok(None) };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Err(Failure::usage(format!(
            "another run writes to {} at this moment; say where else with --out DIR",
            dir.display()
        ))),
        Err(_) => Ok(None),
    }
}

/// Takes away what is after the last line's end: whoever wrote it was killed, and no reader takes half a line.
fn whole_lines(path: &Path) -> io::Result<()> {
    let text = fs::read(path)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < text.len() { File::options().write(true).open(path)?.set_len(whole as u64) } else { Ok(()) }
}
