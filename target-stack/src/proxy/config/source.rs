//! Where a configuration comes from: a file, and what the command line says beside it. Given that, it reads the configuration,
//! at the start and at each reload.

use super::tree::{self, Directive, Place};
use super::{Config, build, os_error};
use crate::failure::{Failure, Outcome};
use std::path::PathBuf;

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

impl Source {
    /// Reads it.
    ///
    /// # Errors
    /// The first error, as nginx words it (exit 1).
    pub(crate) fn load(&self) -> Outcome<Config> {
        let mut tree = self.globals.as_deref().map(globals).transpose()?.unwrap_or_default();
        tree.extend(tree::parse(&self.file.display().to_string(), &self.text()?)?);
        let dir = self.file.parent().unwrap_or(&self.prefix);
        let mut config = build::build(&tree, &self.prefix, dir)?;
        if !tree.iter().any(|directive| directive.name == "error_log") {
            config.error_log.clone_from(&self.error_log);
        }
        Ok(config)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn text(&self) -> Outcome<String> {
        let bytes = std::fs::read(&self.file).map_err(|e| {
            Failure::config(format!("[emerg] open() \"{}\" failed ({})", self.file.display(), os_error(&e)))
        })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The directives of the option `-g`.
fn globals(text: &str) -> Outcome<Vec<Directive>> {
    let place = Place { file: "command line".into(), line: 0 };
    let mut tree = tree::parse("command line", text).map_err(|error| {
        if error.message.contains("unexpected end of file") {
            place.error("unexpected end of parameter, expecting \";\"")
        } else {
            Failure::config(error.message.trim_end_matches(|c: char| c == ':' || c.is_ascii_digit()))
        }
    })?;
    for directive in &mut tree {
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
            let got = source.load().map(|config| (config.workers, config.error_log)).map_err(|e| e.message);
            assert_eq!(got, want.map_err(|message| format!("[emerg] {message}")), "{globals} {text}");
        }
    }
}
