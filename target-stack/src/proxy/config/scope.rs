//! What all blocks of a configuration share while it is read: where paths start, the variables that it makes, the log formats and the
//! files that are logged to, and what there is to warn of.

use super::cache::CacheZone;
use super::map;
use super::settings::AccessLog;
use super::tree::Directive;
use super::values;
use crate::failure::{Failure, Outcome};
use crate::proxy::rewrite::{Expression, group_names};
use crate::proxy::variables::{Names, Template};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

pub(super) struct Scope<'a> {
    pub(super) prefix: &'a Path,
    /// What nginx only warns of, in its words.
    pub(super) warnings: Vec<String>,
    /// The caches that levels can name.
    pub(super) caches: Vec<CacheZone>,
    names: Names,
    formats: Vec<(String, Arc<Template>)>,
    files: Vec<PathBuf>,
}

impl<'a> Scope<'a> {
    /// The scope of an `http` block, whose variables may be used before the directive that makes them.
    pub(super) fn new(prefix: &'a Path, http: &[Directive]) -> Outcome<Self> {
        let mut names = Names::default();
        declare(http, &mut names);
        let combined = Template::compile(COMBINED, &names).map_err(Failure::config)?;
        let formats = vec![("combined".to_owned(), Arc::new(combined))];
        Ok(Self { prefix, warnings: Vec::new(), caches: Vec::new(), names, formats, files: Vec::new() })
    }

    /// Has the variables of the `map`s of an `http` block read from their tables.
    pub(super) fn add_maps(&self, maps: &[&Directive]) -> Outcome {
        let mut tables = Vec::new();
        for directive in maps {
            let name = map::name(directive)?;
            self.names.mappable(name).map_err(|error| directive.error(error))?;
            tables.push((name, map::table(directive, self)?));
        }
        // Of two for one variable the later one counts.
        tables.into_iter().rev().for_each(|(name, table)| self.names.define(name, table));
        for directive in maps {
            if self.names.is_circular(map::name(directive)?) {
                let name = directive.arg(1).trim_start_matches('$');
                return Err(directive.error(format_args!("cycle while evaluating variable \"{name}\"")));
            }
        }
        Ok(())
    }

    /// A path as the file names it, under the prefix unless it is absolute.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.prefix.join(text)
    }

    /// A text of `directive` with variables in it.
    pub(super) fn template(&self, directive: &Directive, text: &str) -> Outcome<Template> {
        Template::compile(text, &self.names).map_err(|error| directive.error(error))
    }

    /// A regular expression of `directive`.
    pub(super) fn expression(
        &self,
        directive: &Directive,
        text: &str,
        caseless: bool,
    ) -> Outcome<Expression> {
        Expression::compile(text, caseless, &self.names).map_err(|error| directive.error(error))
    }

    /// The index of the variable that `directive` sets.
    pub(super) fn settable(&self, directive: &Directive, name: &str) -> Outcome<usize> {
        self.names.settable(name).map_err(|error| directive.error(error))
    }

    /// Warns, at the place of `directive`.
    pub(super) fn warn(&mut self, directive: &Directive, message: impl std::fmt::Display) {
        let place = &directive.place;
        self.warnings.push(format!("[warn] {message} in {}:{}", place.file, place.line));
    }

    /// A `log_format`.
    pub(super) fn add_format(&mut self, directive: &Directive) -> Outcome {
        let name = directive.arg(0);
        if self.formats.iter().any(|(known, _)| known == name) {
            return Err(directive.error(format_args!("duplicate \"log_format\" name \"{name}\"")));
        }
        let mut texts = &directive.args[1..];
        if let Some(escape) = texts[0].strip_prefix("escape=") {
            if escape != "default" {
                return Err(directive.error(format_args!("unknown log format escaping \"{escape}\"")));
            }
            texts = &texts[1..];
        }
        let format = self.template(directive, &texts.concat())?;
        self.formats.push((name.to_owned(), Arc::new(format)));
        Ok(())
    }

    /// An `access_log`.
    pub(super) fn log(&mut self, directive: &Directive) -> Outcome<AccessLog> {
        let mut condition = None;
        for parameter in directive.args.iter().skip(2) {
            let Some(text) = parameter.strip_prefix("if=") else {
                return Err(directive.error(format_args!("invalid parameter \"{parameter}\"")));
            };
            condition = Some(self.template(directive, text)?);
        }
        let name = match directive.arg(1) {
            "" => "combined",
            name => name,
        };
        let format = self
            .formats
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, format)| Arc::clone(format))
            .ok_or_else(|| directive.error(format_args!("unknown log format \"{name}\"")))?;
        let file = values::log_file(directive)?;
        if file.contains('$') {
            return Err(
                directive.error(format_args!("variables in \"access_log\" are not supported: \"{file}\""))
            );
        }
        let path = self.path(file);
        let file = self.files.iter().position(|known| *known == path).unwrap_or_else(|| {
            self.files.push(path);
            self.files.len() - 1
        });
        Ok(AccessLog { file, format, condition })
    }

    /// The files of all access logs, and the warnings.
    pub(super) fn into_parts(self) -> (Vec<PathBuf>, Vec<String>) {
        (self.files, self.warnings)
    }
}

/// The pattern of an argument that is one by how it begins, and whether it is without regard to case.
pub(super) fn regex(text: &str) -> Option<(&str, bool)> {
    let text = text.strip_prefix('~')?;
    Some(text.strip_prefix('*').map_or((text, false), |text| (text, true)))
}

/// The variables that directives in `block` and below it make.
fn declare(block: &[Directive], names: &mut Names) {
    for directive in block {
        if directive.name == "map" {
            map::name(directive).into_iter().for_each(|name| names.add_map(name));
            let patterns = directive.inner().iter().filter_map(|parameter| regex(&parameter.name));
            patterns.flat_map(|(text, _)| group_names(text)).for_each(|name| names.add(&name));
            continue;
        }
        let expressions: Vec<&str> = match directive.name.as_str() {
            "set" => {
                directive.arg(0).strip_prefix('$').into_iter().for_each(|name| names.add(name));
                Vec::new()
            }
            "rewrite" => vec![directive.arg(0)],
            "proxy_redirect" => regex(directive.arg(0)).map(|(text, _)| text).into_iter().collect(),
            "server_name" => directive.args.iter().filter_map(|name| name.strip_prefix('~')).collect(),
            "location" => match directive.args.as_slice() {
                [modifier, text] if modifier.starts_with('~') => vec![text],
                [joined] => joined.strip_prefix("~*").or(joined.strip_prefix('~')).into_iter().collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        expressions.into_iter().flat_map(group_names).for_each(|name| names.add(&name));
        declare(directive.inner(), names);
    }
}
