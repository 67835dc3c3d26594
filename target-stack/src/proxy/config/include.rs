//! `include`. Given the directive and the directory that names stand under, it gives the files that it names, in order, with their
//! texts: of a pattern those that match, which may be none; of a name the one file, which has to be there.

use super::os_error;
use super::tree::Directive;
use crate::failure::Outcome;
use std::path::{Path, PathBuf};

/// The files of an `include`, as names and texts.
pub(super) fn files(base: &Path, directive: &Directive) -> Outcome<Vec<(String, String)>> {
    let name = directive.arg(0);
    if !name.contains(['*', '?', '[']) {
        return Ok(vec![read(base.join(name), directive)?]);
    }
    // The directory's own name is no pattern.
    let base = PathBuf::from(glob::Pattern::escape(&base.display().to_string()));
    let pattern = base.join(name).display().to_string();
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let found = glob::glob_with(&pattern, options)
        .map_err(|error| directive.error(format_args!("glob() \"{pattern}\" failed ({error})")))?;
    // A directory that cannot be read hides its files, as it does from glob(3).
    found.flatten().map(|path| read(path, directive)).collect()
}

fn read(path: PathBuf, directive: &Directive) -> Outcome<(String, String)> {
    let name = path.display().to_string();
    let bytes = std::fs::read(&path)
        .map_err(|error| directive.error(format_args!("open() \"{name}\" failed ({})", os_error(&error))))?;
    Ok((name, String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use crate::failure::Outcome;
    use crate::proxy::config::Config;
    use std::path::Path;

    fn load(dir: &Path, text: &str) -> Outcome<Config> {
        let file = dir.join("conf/nginx.conf");
        std::fs::write(&file, text).expect("a file");
        Config::load(&file, dir)
    }

    /// A directory with a configuration's directory, which has these files.
    fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::Builder::new().prefix("a[b]").tempdir().expect("a directory");
        std::fs::create_dir_all(dir.path().join("conf/sites")).expect("a directory");
        for (name, text) in files {
            std::fs::write(dir.path().join("conf").join(name), text).expect("a file");
        }
        dir
    }

    #[test]
    fn files_stand_where_they_are_included() {
        let server = |name: &str| format!("server {{ listen 81; server_name {name}; }}");
        let (a, b, hidden) = (server("a"), server("b"), server("hidden"));
        let dir = with(&[
            ("sites/2.conf", &b),
            ("sites/1.conf", &a),
            ("sites/.0.conf", &hidden),
            ("sites/3.txt", "nope;"),
            ("types", "types { include pairs; }"),
            ("pairs", "text/x-a a;"),
            ("events", "events { worker_connections 9; }"),
        ]);
        let text =
            "include events; http { include types; include sites/*.conf; include none/*; include [t]ypes; }";
        let config = load(dir.path(), text).expect("a configuration");
        assert_eq!(config.connections, 9);
        let names: Vec<&str> = config.servers.iter().map(super::super::Server::name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn an_error_is_that_of_the_file_it_stands_in() {
        let dir = with(&[
            ("bad", "\nserver {\nnope;\n}"),
            ("open", "server {"),
            ("close", "}"),
            ("itself", "include itself;"),
        ]);
        let at = |name: &str| dir.path().join("conf").join(name).display().to_string();
        let rows = [
            ("include bad;", format!("unknown directive \"nope\" in {}:3", at("bad"))),
            ("include open;", format!("unexpected end of file, expecting \"}}\" in {}:1", at("open"))),
            ("include close;", format!("unexpected \"}}\" in {}:1", at("close"))),
            (
                "include none;",
                format!(
                    "open() \"{}\" failed (2: No such file or directory) in {}:1",
                    at("none"),
                    at("nginx.conf")
                ),
            ),
            (
                "include;",
                format!("invalid number of arguments in \"include\" directive in {}:1", at("nginx.conf")),
            ),
            (
                "include a b;",
                format!("invalid number of arguments in \"include\" directive in {}:1", at("nginx.conf")),
            ),
            (
                "include a {}",
                format!("directive \"include\" is not terminated by \";\" in {}:1", at("nginx.conf")),
            ),
            ("include itself;", format!("files include each other deeper than 16 in {}:1", at("itself"))),
        ];
        for (text, want) in rows {
            let error = load(dir.path(), &format!("events {{}} http {{ {text} }}")).expect_err(text);
            assert_eq!(error.message, format!("[emerg] {want}"), "{text}");
        }
    }
}
