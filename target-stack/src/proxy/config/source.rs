//! Where a configuration comes from: a file, and what the command line says beside it. Given that, it reads the configuration,
//! at the start and at each reload.

use super::tree::{self, Directive, Include, Place};
use super::{Config, build, include, os_error};
use crate::failure::{Failure, Outcome};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    /// Relative paths in it stand under this one.
    pub(crate) prefix: PathBuf,
    /// Directives of the command line, which stand before those of the file.
    pub(crate) globals: Option<String>,
    /// Where errors are logged where the file does not say; `stderr` for standard error.
    pub(crate) error_log: Option<PathBuf>,
}

/// The files of a configuration with their texts, in the order in which they were read.
pub(crate) type Files = Vec<(String, String)>;

impl Source {
    /// Reads it: the configuration, and the files that it is in.
    ///
    /// # Errors
    /// The first error, as nginx words it (exit 1).
    pub(crate) fn load(&self) -> Outcome<(Config, Files)> {
        let bytes = std::fs::read(&self.file).map_err(|e| {
            Failure::config(format!("[emerg] open() \"{}\" failed ({})", self.file.display(), os_error(&e)))
        })?;
        self.read(&String::from_utf8_lossy(&bytes))
    }

    /// The same from the text of the file. What it includes stands under its directory.
    pub(super) fn read(&self, text: &str) -> Outcome<(Config, Files)> {
        let dir = self.file.parent().unwrap_or(Path::new(""));
        let files = RefCell::new(Files::new());
        let include = |directive: &Directive| {
            let included = include::files(dir, directive)?;
            files.borrow_mut().extend(included.iter().cloned());
            Ok(included)
        };
        let globals = self.globals.as_deref().map(|text| globals(text, &include)).transpose()?;
        let name = self.file.display().to_string();
        files.borrow_mut().push((name.clone(), text.to_owned()));
        let mut tree = globals.unwrap_or_default();
        tree.extend(tree::parse(&name, text, &include)?);
        let mut config = build::build(&tree, &self.prefix, dir)?;
        if !tree.iter().any(|directive| directive.name == "error_log") {
            config.error_log.clone_from(&self.error_log);
        }
        Ok((config, files.into_inner()))
    }
}

/// What stands for a file's name in places of the option `-g`.
const COMMAND_LINE: &str = "command line";

/// The directives of the option `-g`.
fn globals(text: &str, include: Include<'_>) -> Outcome<Vec<Directive>> {
    let place = Place { file: COMMAND_LINE.into(), line: 0 };
    let mut tree = tree::parse(COMMAND_LINE, text, include).map_err(|error| {
        let Some((message, line)) = error.message.rsplit_once(&format!(" in {COMMAND_LINE}:")) else {
            return error;
        };
        if line.parse::<u32>().is_ok() && message.contains("unexpected end of file") {
            place.error("unexpected end of parameter, expecting \";\"")
        } else {
            Failure::config(format!("{message} in {COMMAND_LINE}"))
        }
    })?;
    for directive in tree.iter_mut().filter(|directive| *directive.place.file == *COMMAND_LINE) {
        directive.place = place.clone();
        if directive.block.is_some() {
            return Err(directive.error("block directives are not supported in -g option"));
        }
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_stands_before_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("nginx.conf");
        let name = file.display().to_string();
        // The wording was compared with nginx 1.22.
        let rows = [
            ("worker_processes 3;", "events {}", Ok((3, None))),
            ("error_log e.log; worker_processes 2;", "events {}", Ok((2, Some(dir.path().join("e.log"))))),
            ("", "events {}", Ok((1, Some(dir.path().join("default"))))),
            ("foo;", "events {}", Err("unknown directive \"foo\" in command line".to_owned())),
            (
                "worker_processes 2",
                "events {}",
                Err("unexpected end of parameter, expecting \";\" in command line".to_owned()),
            ),
            ("pid a; }", "events {}", Err("unexpected \"}\" in command line".to_owned())),
            (
                "events {}",
                "events {}",
                Err("block directives are not supported in -g option in command line".to_owned()),
            ),
            ("pid a;", "events {}\npid b;", Err(format!("\"pid\" directive is duplicate in {name}:2"))),
        ];
        for (globals, text, want) in rows {
            std::fs::write(&file, text).expect("a file");
            let source = Source {
                file: file.clone(),
                prefix: dir.path().to_owned(),
                globals: (!globals.is_empty()).then(|| globals.to_owned()),
                error_log: globals.is_empty().then(|| dir.path().join("default")),
            };
            let got =
                source.load().map(|(config, _)| (config.workers, config.error_log)).map_err(|e| e.message);
            assert_eq!(got, want.map_err(|message| format!("[emerg] {message}")), "{globals} {text}");
        }
    }
}
