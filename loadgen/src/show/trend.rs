//! `loadgen trend`: what the history of the nightly gate says, drawn, told, and written for others. Nothing is measured.

use super::{json, painted, write};
use crate::cli::TrendArgs;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::default_dir;
use reports::analyse::trend::{Trend, trend};
use reports::comparison::Better;
use reports::history::{Night, read};
use reports::terminal::printable;
use reports::{exports, html, pictures, text};
use std::path::{Path, PathBuf};

/// Carries it out.
///
/// # Errors
/// Wrong use: there is no history, it cannot be read, or something cannot be written.
pub(crate) fn run(args: &TrendArgs) -> Outcome<Exit> {
    let (nights, notes) = read(&args.history).map_err(Failure::usage)?;
    // One line may be torn; where none of several is a night, it is another file.
    if nights.is_empty() && notes.len() > 1 {
        let file = args.history.display();
        return Err(Failure::usage(format!("{file}: it is no history: {}", notes[0])));
    }
    let found = trend(&args.history.display().to_string(), &nights, notes, args.seed);
    let mut lines = Vec::new();
    if let Some(dir) = place(&found, args.result.out.as_deref()) {
        lines.extend(drawn(&dir, &found).map_err(Failure::usage)?);
    }
    lines.extend(exported(args, &nights)?);
    let file = args.result.json.as_deref();
    if let Some(file) = file {
        json(&found, file).map_err(|failure| Failure::usage(failure.message))?;
    }
    if !args.result.quiet {
        let beside_json = file.is_some_and(|file| file.as_os_str() == "-");
        let mut told = text::trend(&found, painted(beside_json));
        if !lines.is_empty() {
            told.push('\n');
        }
        lines.iter().for_each(|line| told += &format!("{}\n", printable(line)));
        write(&told, beside_json)?;
    }
    Ok(Exit::Passed)
}

/// Where it is drawn: of an empty history only where somebody has said so, who may have what an older one has left there.
fn place(found: &Trend, out: Option<&Path>) -> Option<PathBuf> {
    match out {
        Some(dir) => Some(dir.to_owned()),
        None => (!found.is_empty()).then(|| default_dir("trend")),
    }
}

fn drawn(dir: &Path, found: &Trend) -> Result<Vec<String>, String> {
    let pictures = pictures::write(dir, found)?;
    let report = html::write(dir, found)?;
    let pictures = pictures.iter().map(|picture| format!("picture     {}", picture.display()));
    Ok(pictures.chain([format!("report      {}", report.display())]).collect())
}

/// Writes what was asked for others, and gives the lines that say where.
fn exported(args: &TrendArgs, nights: &[Night]) -> Outcome<Vec<String>> {
    let mut files: Vec<(PathBuf, Option<String>)> = Vec::new();
    if let Some(file) = &args.github_benchmark {
        let document = |better| nights.last().and_then(|night| exports::github_benchmark(night, better));
        files.push((file.clone(), document(Better::Lower)));
        files.push((exports::bigger_file(file), document(Better::Higher)));
    }
    if let Some(file) = &args.otava {
        let mut config = file.clone().into_os_string();
        config.push(".yaml");
        let some = !nights.is_empty();
        files.push((file.clone(), some.then(|| exports::otava(nights))));
        let test = || exports::otava_config(nights, &file.display().to_string());
        files.push((config.into(), some.then(test)));
    }
    let keep = |(file, text): (PathBuf, Option<String>)| {
        let Some(text) = text else {
            return Ok(format!("left out    {}: the last night has nothing for it", file.display()));
        };
        let written = std::fs::write(&file, text);
        written.map_err(|e| Failure::usage(format!("cannot write {}: {e}", file.display())))?;
        Ok(format!("exported    {}", file.display()))
    };
    files.into_iter().map(keep).collect()
}
